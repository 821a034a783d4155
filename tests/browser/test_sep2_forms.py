"""What a utility publishes over IEEE 2030.5, written in forms by a real browser: made, looked at, changed, ended."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

#: Limit of one step, ms; a busy machine takes its time.
STEP = 30_000

#: By kind: what is filled in, what the list then shows, what is changed, and what it shows then.
EVENTS: dict[str, tuple[dict[str, str], str, tuple[str, str], str]] = {
    "messages": ({"Text": "Storm ahead"}, "Storm ahead", ("Text", "Calm again"), "Calm again"),
    "prices": ({"Price": "0.31", "Currency": "978"}, "0.31 EUR per kWh", ("Price", "0.29"), "0.29 EUR per kWh"),
    "demand-response": ({"Duty cycle": "40"}, "duty cycle 40 %", ("Duty cycle", "60"), "duty cycle 60 %"),
}


async def test_events_are_made_changed_and_cancelled_in_forms(stage: Any) -> None:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect
    async with stage(batteries=1, inverters=1) as on:
        page = await on.page()
        page.on("dialog", lambda dialog: dialog.accept())
        await on.sign_in(page)
        for kind, (fields, shown, (changed, value), then) in EVENTS.items():
            await page.goto(f"{on.home}/sep2/{kind}/new")
            await page.get_by_label("Who").select_option("group:fleet")
            for label, text in fields.items():
                await page.get_by_label(label, exact=True).fill(text)
            await expect(page.locator("#preview")).to_contain_text("the whole fleet", timeout=STEP)
            await page.get_by_role("button", name="Send").click()
            await page.wait_for_url(f"{on.home}/sep2/{kind}", timeout=STEP)
            row = page.locator("tbody tr", has_text=shown)
            await expect(row).to_contain_text("active")
            await row.get_by_role("link", name="Change or cancel").click()
            await expect(page.get_by_label(changed, exact=True)).to_have_value(next(iter(fields.values())))
            await page.get_by_label(changed, exact=True).fill(value)
            await page.get_by_role("button", name="Send the change").click()
            await page.wait_for_url(f"{on.home}/sep2/{kind}", timeout=STEP)
            await expect(page.locator("tbody tr", has_text=then)).to_contain_text("active")
            await expect(page.locator("tbody tr", has_text=shown)).to_contain_text(re.compile("cancelled|superseded"))
            await page.locator("tbody tr", has_text=then).get_by_role("link", name="Change or cancel").click()
            await page.get_by_label("Reason").fill("seen enough")
            await page.get_by_role("button", name=re.compile("^Cancel this")).click()
            await page.wait_for_url(f"{on.home}/sep2/{kind}", timeout=STEP)
            await expect(page.locator("tbody tr", has_text=then)).to_contain_text("cancelled")
        await page.goto(on.home + "/audit")
        for said in ("sep2.message.send", "sep2.price.send", "sep2.dr-event.send", "sep2.event.cancel", "seen enough"):
            await expect(page.locator("main")).to_contain_text(said)
    assert not on.problems
    assert not on.outside


async def test_curves_and_defaults_are_set_in_forms_and_what_is_wrong_is_told_at_its_field(stage: Any) -> None:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect
    async with stage(batteries=1, inverters=1) as on:
        page = await on.page()
        page.on("dialog", lambda dialog: dialog.accept())
        await on.sign_in(page)
        await page.goto(on.home + "/sep2/programs/1")
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
    assert not [one for one in on.problems if "422" not in one]
    assert not on.outside


async def test_a_message_is_looked_at_and_sent_without_javascript(stage: Any) -> None:
    expect = pytest.importorskip("playwright.async_api", reason="playwright is not installed").expect
    async with stage(batteries=1, inverters=1) as on:
        signed_in = await on.page()
        await on.sign_in(signed_in)
        page = await on.page(script=False)
        await page.context.add_cookies(await signed_in.context.cookies())
        await page.goto(on.home + "/sep2/messages/new")
        await page.get_by_label("Text").fill("Storm ahead")
        await page.get_by_role("button", name="Look first").click()
        await expect(page.locator("#preview")).to_contain_text("Every registered device", timeout=STEP)
        await page.get_by_role("button", name="Send").click()
        await expect(page.locator("tbody tr", has_text="Storm ahead")).to_contain_text("active", timeout=STEP)
