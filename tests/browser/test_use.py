"""The pages in use, in a real Chromium: by a newcomer, by keyboard, in forms, without JavaScript.

All of it uses one world, which is at rest before each test: nothing is asked of the fleet and every device answers.
"""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
import pytest_asyncio
from tests.waiting import until

expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(180),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.xdist_group("use of the pages"),
]

BATTERIES = 3

#: Limit of one step, ms; a busy machine takes its time.
STEP = 30_000


@pytest.fixture(scope="module")
def plan() -> dict[str, Any]:
    """The world of this module."""
    return {"batteries": BATTERIES, "inverters": 1}


@pytest_asyncio.fixture(loop_scope="module")
async def rest(on: Any) -> Any:
    """The stage, whatever an earlier test has left behind taken away; `on.reader` has signed in."""
    for unit in range(BATTERIES):
        await on.world.fault(unit, "none")
    page = await on.page()
    await on.sign_in(page)
    for control in (await on.api_get(page, "/controls"))["controls"]:
        if not control["over"]:
            reason = {"reason": "the next test begins", "foreign": True}
            await on.api(page, f"/controls/{control['id']}/cancel", reason, status=200)
    await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet", timeout=60_000)
    await expect(page.locator("main")).to_contain_text("Every device answers", timeout=60_000)
    on.reader = page
    return on


async def test_pages_tell_the_same_without_javascript(rest: Any) -> None:
    page = await rest.page(script=False)
    for path, said in (("/", "Nothing is asked"), ("/devices", "battery1"), ("/devices/battery1", "Identity")):
        await page.goto(rest.home + path)
        assert said in await page.locator("main").inner_text()


async def test_a_form_works_without_javascript_or_before_it_is_there(rest: Any) -> None:
    page = await rest.page(script=False, signed_in=rest.reader)
    async with rest.world.utility() as utility:
        program, now = await utility.program("fleet"), time.time()
        await utility.post_target(program, 1_000.0, start=now, duration_s=300, now=now, title="to be cancelled")
    await page.goto(rest.home + "/controls")
    await page.get_by_role("link", name="Cancel", exact=True).first.click()
    await page.get_by_label("Reason").fill("seen enough")
    await page.get_by_role("button", name="Cancel this control").click()
    await expect(page.locator("h1")).to_contain_text("cancelled", timeout=60_000)


async def test_a_session_that_ends_while_somebody_writes_takes_nothing_away(rest: Any) -> None:
    page = rest.reader
    await page.goto(rest.home + "/controls/new")
    await page.get_by_label("How much").fill("1")
    await page.get_by_label("For how long").fill("5")
    await page.get_by_label("Note").fill("written before the session ended")
    await page.context.clear_cookies()
    await page.get_by_role("button", name="Send").click()
    told = page.locator("#ask .answer")
    await expect(told).to_contain_text("you are not signed in any more", timeout=STEP)
    async with page.context.expect_page() as opened:
        await told.get_by_role("link").click()
    beside = await opened.value
    await beside.wait_for_url(rest.home + "/login", timeout=STEP)
    await rest.sign_in(beside)
    assert await page.get_by_label("Note").input_value() == "written before the session ended"
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("main")).to_contain_text("written before the session ended", timeout=STEP)
    await expect(page.locator("h1")).not_to_contain_text("New control", timeout=STEP)
    rest.problems[:] = [one for one in rest.problems if "401" not in one]
    assert not rest.problems


async def test_who_changes_what_somebody_else_has_changed_meanwhile_is_told_so(rest: Any) -> None:
    page = rest.reader
    made = await rest.api(page, "/users", {"name": "pat", "role": "viewer"})
    await page.goto(rest.home + "/users")
    await rest.api(page, "/users/pat", {"role": "operator"}, status=200, verb="PATCH")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="pat", exact=True))
    await row.get_by_label("Role of pat").select_option("auditor")
    await row.get_by_role("button", name="Set").click()
    await expect(row).to_contain_text("somebody else changed it", timeout=STEP)
    await row.get_by_role("link", name="Look at it as it is now").click()
    await expect(row.get_by_label("Role of pat")).to_have_value("operator", timeout=STEP)
    assert made["ticket"]
    rest.problems[:] = [one for one in rest.problems if "412" not in one]
    assert not rest.problems


async def test_times_are_in_the_readers_zone_in_every_frame_of_a_page_that_renews_itself(rest: Any) -> None:
    page = await rest.page()
    await page.goto(rest.home + "/devices/battery1")
    await page.evaluate(
        """() => {
          globalThis.seen = {renewed: 0, wrong: []};
          document.body.addEventListener("htmx:afterSettle", () => { seen.renewed += 1; });
          const look = () => {
            for (const time of document.querySelectorAll("main time"))
              if (time.textContent.endsWith("Z")) seen.wrong.push(time.textContent);
            requestAnimationFrame(look);
          };
          look();
        }"""
    )
    await until(lambda: page.evaluate("seen.renewed > 3"), "the page renews itself")
    assert await page.locator("main time").count()
    assert await page.evaluate("seen.wrong") == []
    assert not rest.problems


async def test_keyboard_reaches_everything_in_order(rest: Any) -> None:
    page = await rest.page()
    await page.goto(rest.home + "/")
    await page.keyboard.press("Tab")
    focused = "document.activeElement.textContent.trim()"
    assert await page.evaluate(focused) == "Skip to the content"
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.activeElement.id") == "main"
    seen = set()
    for _ in range(40):
        await page.keyboard.press("Tab")
        seen.add(await page.evaluate(focused))
    assert {"devices online", "New control"} <= seen
    await page.evaluate("document.getElementById('theme').focus()")
    await page.keyboard.press("Enter")
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
    await page.reload()
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"


async def reach(page: Any, words: str) -> None:
    """Press Tab until what has the focus is called so."""
    name = """(one => [...(one.labels ?? [])].map(label => label.textContent).join(" ")
                      || one.getAttribute("aria-label") || one.textContent)(document.activeElement).trim()"""
    for _ in range(150):
        await page.keyboard.press("Tab")
        if words in await page.evaluate(name):
            return
    pytest.fail(f"no key leads to {words!r} on {page.url}")


async def test_a_control_is_made_changed_and_cancelled_with_the_keyboard_alone(rest: Any) -> None:
    page = rest.reader
    page.on("dialog", lambda asked: asked.accept())
    await page.goto(rest.home + "/controls")
    await reach(page, "New control")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/controls/new*")
    await reach(page, "How much")
    await page.keyboard.type("5")
    await reach(page, "Send")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("5.00", timeout=STEP)
    await reach(page, "Change it")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/controls/new*")
    await reach(page, "How much")
    await page.keyboard.press("Control+A")
    await page.keyboard.type("6")
    await reach(page, "Send")
    await page.keyboard.press("Enter")
    await expect(page.locator("h1")).to_contain_text("6.00", timeout=STEP)
    await reach(page, "Reason")
    await page.keyboard.type("all done")
    await reach(page, "Cancel this control")
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).to_contain_text("cancelled", timeout=STEP)
    running = [one for one in (await rest.api_get(page, "/controls"))["controls"] if not one["over"]]
    assert running == []


#: By kind: what is filled in, what the list then shows, what is changed, and what it shows then.
EVENTS: dict[str, tuple[dict[str, str], str, tuple[str, str], str]] = {
    "messages": ({"Text": "Storm ahead"}, "Storm ahead", ("Text", "Calm again"), "Calm again"),
    "prices": ({"Price": "0.31", "Currency": "978"}, "0.31 EUR per kWh", ("Price", "0.29"), "0.29 EUR per kWh"),
    "demand-response": ({"Duty cycle": "40"}, "duty cycle 40 %", ("Duty cycle", "60"), "duty cycle 60 %"),
}


async def test_events_are_made_changed_and_cancelled_in_forms(rest: Any) -> None:
    page = rest.reader
    page.on("dialog", lambda dialog: dialog.accept())
    for kind, (fields, shown, (changed, value), then) in EVENTS.items():
        await page.goto(f"{rest.home}/sep2/{kind}/new")
        await page.get_by_label("Who").select_option("group:fleet")
        for label, text in fields.items():
            await page.get_by_label(label, exact=True).fill(text)
        await expect(page.locator("#preview")).to_contain_text("the whole fleet", timeout=STEP)
        await page.get_by_role("button", name="Send").click()
        await page.wait_for_url(f"{rest.home}/sep2/{kind}", timeout=STEP)
        row = page.locator("tbody tr", has_text=shown)
        await expect(row).to_contain_text("active")
        await row.get_by_role("link", name="Change or cancel").click()
        await expect(page.get_by_label(changed, exact=True)).to_have_value(next(iter(fields.values())))
        await page.get_by_label(changed, exact=True).fill(value)
        await page.get_by_role("button", name="Send the change").click()
        await page.wait_for_url(f"{rest.home}/sep2/{kind}", timeout=STEP)
        await expect(page.locator("tbody tr", has_text=then)).to_contain_text("active")
        await expect(page.locator("tbody tr", has_text=shown)).to_contain_text(re.compile("cancelled|superseded"))
        await page.locator("tbody tr", has_text=then).get_by_role("link", name="Change or cancel").click()
        await page.get_by_label("Reason").fill("seen enough")
        await page.get_by_role("button", name=re.compile("^Cancel this")).click()
        await page.wait_for_url(f"{rest.home}/sep2/{kind}", timeout=STEP)
        await expect(page.locator("tbody tr", has_text=then)).to_contain_text("cancelled")
    await page.goto(rest.home + "/audit")
    for said in ("sep2.message.send", "sep2.price.send", "sep2.dr-event.send", "sep2.event.cancel", "seen enough"):
        await expect(page.locator("main")).to_contain_text(said)
    assert not rest.problems


async def test_curves_and_defaults_are_set_in_forms_and_what_is_wrong_is_told_at_its_field(rest: Any) -> None:
    page = rest.reader
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto(rest.home + "/sep2/programs/1")
    await page.get_by_role("link", name="New curve").click()
    await page.get_by_label("Points").fill("92 44\n98 0\n108")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("#points-fault")).to_contain_text("'108' is not", timeout=STEP)
    await expect(page.get_by_label("Points")).to_have_attribute("aria-invalid", "true")
    await page.get_by_label("Points").fill("92 44\n98 0\n108 -44")
    await expect(page.locator("#preview svg.curve")).to_have_count(1, timeout=STEP)
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_url(re.compile(r"/sep2/programs/1$"), timeout=STEP)
    await expect(page.locator("main")).to_contain_text("type 11, 3 points")
    await page.get_by_role("link", name=re.compile("^(Set|Change) it$")).click()
    await page.get_by_label("Generate at most").fill("80")
    await expect(page.locator("#preview")).to_contain_text("80 %", timeout=STEP)
    await page.get_by_role("button", name="Set it").click()
    await page.wait_for_url(re.compile(r"/sep2/programs/1$"), timeout=STEP)
    await expect(page.locator("main")).to_contain_text("opModMaxLimW 8000")
    await page.get_by_role("link", name="Change it").click()
    await page.get_by_role("button", name="Take away this default control").click()
    await page.wait_for_url(re.compile(r"/sep2/programs/1$"), timeout=STEP)
    await expect(page.locator("main")).not_to_contain_text("opModMaxLimW 8000")
    assert not [one for one in rest.problems if "422" not in one]


async def test_a_message_is_looked_at_and_sent_without_javascript(rest: Any) -> None:
    page = await rest.page(script=False, signed_in=rest.reader)
    await page.goto(rest.home + "/sep2/messages/new")
    await page.get_by_label("Text").fill("Sent without a script")
    await page.get_by_role("button", name="Look first").click()
    await expect(page.locator("#preview")).to_contain_text("Every registered device", timeout=STEP)
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("tbody tr", has_text="Sent without a script")).to_contain_text("active", timeout=STEP)


async def test_the_overview_follows_a_control(rest: Any) -> None:
    page = await rest.page()
    await page.goto(rest.home + "/")
    await expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=20_000)
    await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet")
    async with rest.world.utility() as utility:
        program, now = await utility.program("fleet"), time.time()
        await utility.post_target(program, 6_000.0, start=now, duration_s=90, now=now, title="seen on the page")
    await expect(page.locator("h1")).to_contain_text("The fleet follows", timeout=60_000)
    await expect(page.locator("#said")).to_contain_text("The fleet follows", timeout=20_000)
    await expect(page.locator(".plot canvas")).to_have_count(1)
    await expect(page.locator("main")).to_contain_text("seen on the page")
    await rest.world.fault(0, "off")
    await expect(page.locator("#attention")).to_contain_text("battery1", timeout=60_000)
    await page.locator("#attention a").first.click()
    await expect(page.locator("h1")).to_contain_text("battery1")
    await expect(page.locator("main")).to_contain_text("Why it does not follow")
    await expect(page.locator("main")).to_contain_text("it does not answer")
    assert not rest.problems


async def test_a_newcomer_sees_changes_and_cancels_a_control_and_finds_out_why_one_device_is_silent(rest: Any) -> None:
    page = rest.reader
    async with rest.world.utility() as utility:
        program, now = await utility.program("fleet"), time.time()
        await utility.post_target(program, 9_000.0, start=now, duration_s=300, now=now, title="evening discharge")
    await expect(page.locator("h1")).to_contain_text("The fleet follows: 9.0", timeout=60_000)
    await rest.shot(page, "story-follows")

    # Change it: what would happen is shown before anything is sent.
    await page.get_by_role("link", name="Change", exact=True).first.click()
    await expect(page.locator("#preview")).to_contain_text("It will run", timeout=60_000)
    await page.get_by_label("How much").fill("4")
    await expect(page.locator("#preview")).to_contain_text("is superseded", timeout=60_000)
    await expect(page.locator("#preview .figures")).to_contain_text("4.00", timeout=60_000)
    assert await page.locator("#preview tbody tr").count() == 4
    await rest.shot(page, "story-preview")
    await page.get_by_role("button", name="Send").click()
    await page.wait_for_url(re.compile(r"/controls/op-"), timeout=60_000)
    await expect(page.locator("h1")).to_contain_text("active power 4.00")
    await page.goto(rest.home + "/")
    await expect(page.locator("h1")).to_contain_text("The fleet follows: ", timeout=60_000)
    await expect(page.locator(".figure.requested b")).to_contain_text("4.00", timeout=60_000)

    # Why one device does not respond.
    await rest.world.fault(1, "off")
    await expect(page.locator("#attention")).to_contain_text("battery2", timeout=60_000)
    await page.locator("#attention").get_by_role("link", name="battery2").click()
    await expect(page.locator("main")).to_contain_text("Why it does not follow")
    await expect(page.locator("main")).to_contain_text(re.compile("refused|timed out|no answer|does not answer"))
    await rest.shot(page, "story-why")

    # Cancel what is left, ours and, where it outlasts ours, the utility's; the fleet is let go.
    cancelled = 0
    while True:
        await page.goto(rest.home + "/")
        links = page.get_by_role("link", name="Cancel", exact=True)
        if await links.count() == 0:
            break
        cancelled += 1
        assert cancelled <= 2
        await links.first.click()
        await page.get_by_label("Reason").fill("seen enough of the story")
        # The page follows the control and may say so before the answer to the form is there, which loads it anew.
        async with page.expect_navigation(timeout=60_000):
            await page.get_by_role("button", name="Cancel this control").click()
        await expect(page.locator("h1")).to_contain_text("cancelled", timeout=60_000)
    assert cancelled
    await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet", timeout=60_000)
    await page.goto(rest.home + "/audit")
    await expect(page.locator("main")).to_contain_text("control.cancel")
    await expect(page.locator("main")).to_contain_text("seen enough of the story")

    # Out again: what changes something is not to be had any more.
    await page.get_by_text("admin", exact=True).first.click()
    await page.get_by_role("button", name="Sign out").click()
    await page.wait_for_url(rest.home + "/login", timeout=60_000)
    answer = await page.goto(rest.home + "/audit")
    assert "/login?next=/audit" in answer.url
    assert not rest.problems


async def test_a_form_that_nobody_answers_says_so_and_its_preview_counts_no_more(rest: Any) -> None:
    page = await rest.page(signed_in=rest.reader)
    await page.goto(rest.home + "/controls/new?group=fleet")
    await page.get_by_label("How much").fill("1")
    await expect(page.locator("#preview")).to_contain_text("kW", timeout=STEP)
    before = len(rest.problems)
    await page.route("**/controls/**", lambda route: route.abort("connectionrefused"))
    await page.get_by_label("How much").fill("2")
    await expect(page.locator("#preview")).to_have_text("The server does not answer.", timeout=STEP)
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("not known whether this was done", timeout=STEP)
    del rest.problems[before:]  # what the browser says of the connections that were refused


async def test_what_is_refused_before_a_page_is_asked_is_told_in_words(rest: Any) -> None:
    page = await rest.page(signed_in=rest.reader)
    await page.goto(rest.home + "/controls/new?group=fleet")
    await page.get_by_label("How much").fill("1")
    await expect(page.locator("#preview")).to_contain_text("kW", timeout=STEP)
    before = len(rest.problems)
    await page.evaluate("""document.body.setAttribute("hx-headers", '{"X-CSRF-Token": "of another session"}')""")
    await page.get_by_label("How much").fill("2")
    await expect(page.locator("#preview .notice")).to_contain_text("load the page anew", timeout=STEP)
    assert "{" not in await page.locator("#preview").inner_text()
    del rest.problems[before:]  # what the browser says of the answer 403
