"""Every screen in a real Chromium over a real server, in light, in dark and on a phone: no barrier, no error."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest

from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.pages import Pages

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

LOOKS: dict[str, dict[str, Any]] = {"light": {}, "dark": {"scheme": "dark"}, "phone": {"width": 390, "height": 844}}

#: Screens that are looked at in dark, too, and on a phone; every screen is in light.
DARK = {"/", "/sep2/curves/change", "/sep2/defaults/new", "/sep2/messages", "/sep2/demand-response/new",
        "/devices/{id}", "/controls", "/controls/{id}", "/controls/new", "/sep2/devices/{id}", "/dnp3/{id}",
        "/openadr/events/{id}", "/openadr/events/new", "/certificates", "/alarms", "/settlements/{id}"}  # fmt: skip

#: Names of pictures that the documentation shows, by route.
PICTURES = {"/": "overview", "/devices": "devices", "/devices/{id}": "device", "/groups": "groups",
            "/groups/{id}": "group", "/controls": "controls", "/controls/{id}": "control",
            "/controls/new": "control-new",
            "/sep2": "sep2", "/sep2/programs/{id}": "sep2-program", "/sep2/devices/{id}": "sep2-device",
            "/sep2/resources": "sep2-resources",
            "/sep2/curves/change": "sep2-curve", "/sep2/messages": "sep2-messages",
            "/openadr": "openadr", "/openadr/events/{id}": "openadr-event",
            "/openadr/events/new": "openadr-new", "/openadr/vens/{id}": "ven", "/dnp3/{id}": "dnp3",
            "/certificates": "certificates", "/trace": "trace", "/alarms": "alarms", "/settlements/{id}": "settlement",
            "/decisions": "decisions", "/start": "start", "/users": "users"}  # fmt: skip


def routes() -> set[str]:
    """Every page that a server can have, from the table that it mounts them from."""
    areas: list[Any] = [kind.__new__(kind) for kind in AREAS]
    desk: Any = SimpleNamespace(status=None, peers={})
    return {page.path for page in Pages(desk, areas=areas).pages() if page.method == "GET"}


def walked(path: str) -> bool:
    """Whether a route is a page, and no file, part of a page, or stream."""
    return not path.startswith(("/static/", "/parts/")) and path != "/live"


async def things(on: Any, page: Any) -> dict[str, str]:
    """One thing of every kind in the world, by the route of its page: the address."""
    async with on.world.utility() as utility:
        program, now = await utility.program("fleet"), time.time()
        await utility.post_target(program, 9_000.0, start=now, duration_s=120, now=now, title="evening discharge")
    signal = {
        "name": "LOAD_DISPATCH",
        "type": "setpoint",
        "unit": "kW",
        "intervals": [{"duration_s": 600, "value": -2}],
    }
    body = {"market_context": "http://utility.example/dr", "everyone": True, "signals": [signal]}
    event = (await on.api(page, "/openadr/vtn/events", body))["id"]
    asset = {"id": "battery1", "asset_type": "battery", "zip": "94105", "capacity_kwh": 10, "max_discharge_kw": 5}
    portfolio = (await on.api(page, "/portfolios", {"name": "roofs", "assets": [asset]}))["id"]
    await on.world.fault(1, "off")
    control = (await on.world.page("/api/v1/controls"))["controls"][0]["id"]
    lfdi = (await on.world.page("/api/v1/sep2/end-devices"))["end_devices"][0]["lfdi"]
    settled = {"event": "evening-1", "devices": ["battery1"], "start": time.time() - 20, "end": time.time() - 2,
               "method": "meter-before-after", "interval_s": 2}  # fmt: skip
    await on.api(page, "/settlements", settled, status=200)
    program = (await on.api_get(page, "/sep2/programs?limit=1"))["programs"][0]["number"]
    points = [{"xvalue": 92, "yvalue": 44}, {"xvalue": 98, "yvalue": 0}, {"xvalue": 108, "yvalue": -44}]
    curve = {"CurveData": points, "curveType": 11, "yRefType": 2, "xMultiplier": 0, "yMultiplier": 0}
    made = {
        "curves": await on.api(page, "/sep2/curves", {"program": program, "curve": curve}),
        "messages": await on.api(page, "/sep2/messages", {"text": "Storm ahead", "group": "fleet"}),
        "prices": await on.api(page, "/sep2/prices", {"price": 0.31, "currency": 978}),
        "demand-response": await on.api(page, "/sep2/dr-events", {"asked": {"DutyCycle": {"normalValue": 40}}}),
    }
    await on.api(
        page, "/sep2/default-control", {"program": program, "base": {"opModMaxLimW": 8000}}, status=200, verb="PUT"
    )
    message = (await on.api_get(page, "/trace?limit=1"))["messages"][0]["number"]
    return {
        **{f"/sep2/{name}/change": f"?href={quote(one['href'])}" for name, one in made.items()},
        "/sep2/curves/new": f"?program={program}",
        "/sep2/defaults/new": f"?program={program}",
        "/sep2/defaults/change": f"?href=/derp/{program}/dderc",
        "/devices/{id}": "battery2",
        "/groups/{id}": "fleet",
        "/controls/{id}": control,
        "/controls/new": f"?from={quote(control, safe='')}",
        "/sep2/programs/{id}": "1",
        "/sep2/devices/{id}": lfdi,
        "/sep2/upstreams/{id}": "utility-east",
        "/openadr/events/{id}": event,
        "/openadr/events/{id}/change": event,
        "/openadr/vens/{id}": "VEN-A",
        "/openadr/own/{id}": "program",
        "/dnp3/{id}": "gateway",
        "/settlements/{id}": "evening-1",
        "/portfolios/{id}": portfolio,
        "/trace/{id}": str(message),
    }


def address(route: str, known: dict[str, str]) -> str:
    """Where a route's page is in this world."""
    thing = known.get(route, "")
    assert thing or "{" not in route, f"{route} is a new page: say in `things` which one is walked"
    return route.replace("{id}", quote(thing, safe="")) if "{" in route else route + thing


#: Light has every screen, so it is walked in parts: each test stays far from its limit on a busy machine.
PARTS = (("light", 0, 3), ("light", 1, 3), ("light", 2, 3), ("dark", 0, 1), ("phone", 0, 1))


def walk(look: str, part: int, parts: int) -> list[str]:
    """The routes of one part of a look."""
    chosen = sorted(route for route in routes() if walked(route) and (look == "light" or route in DARK))
    return chosen[part::parts]


@pytest.mark.parametrize(("look", "part", "parts"), PARTS)
async def test_every_screen_in_every_look(
    stage: Any, everything: dict[str, Any], look: str, part: int, parts: int
) -> None:
    barriers: list[str] = []
    async with stage(batteries=3, inverters=1, settings=everything) as on:
        page = await on.page()
        await on.sign_in(page)
        known = await things(on, page)
        await page.context.close()
        page = await on.page(**LOOKS[look])
        await on.sign_in(page)
        for route in walk(look, part, parts):
            answer = await page.goto(on.home + address(route, known))
            assert answer.status == 200, (route, await page.locator("main").inner_text())
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert await page.locator("h1").count() == 1, route
            wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{route} in {look} is {wide} px wider than the screen"
            barriers += [] if look == "phone" else await on.barriers(page)
            await on.shot(page, f"{PICTURES.get(route, route.strip('/').replace('/', '-'))}-{look}")
    assert not barriers
    assert not on.outside
    assert not on.problems


async def test_a_page_that_is_not_there_says_so_without_a_barrier(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        page = await on.page()
        answer = await page.goto(on.home + "/devices/nobody")
        assert answer.status == 404
        assert not await on.barriers(page)
    assert not on.outside


def test_the_parts_together_are_every_screen_in_light_and_those_of_the_other_looks() -> None:
    seen = {look: [route for own, part, parts in PARTS if own == look for route in walk(own, part, parts)]
            for look in LOOKS}  # fmt: skip
    assert sorted(seen["light"]) == sorted(filter(walked, routes()))
    assert sorted(seen["dark"]) == sorted(seen["phone"]) == sorted(DARK)


def test_every_page_that_is_mounted_is_walked() -> None:
    found = {path for path in routes() if walked(path)}
    assert len(found) > 45
    assert set(PICTURES) <= found
    assert found >= DARK


async def test_the_overview_follows_a_control(stage: Any) -> None:
    async with stage(batteries=2, inverters=1) as on:
        page = await on.page()
        expect = _expect()
        await page.goto(on.home + "/")
        await expect(page.locator("#live")).to_have_attribute("data-state", "on", timeout=20_000)
        await expect(page.locator("h1")).to_contain_text("Nothing is asked of the fleet")
        async with on.world.utility() as utility:
            program, now = await utility.program("fleet"), time.time()
            await utility.post_target(program, 6_000.0, start=now, duration_s=90, now=now, title="seen on the page")
        await expect(page.locator("h1")).to_contain_text("The fleet follows", timeout=60_000)
        await expect(page.locator("#said")).to_contain_text("The fleet follows", timeout=20_000)
        await expect(page.locator(".plot canvas")).to_have_count(1)
        await expect(page.locator("main")).to_contain_text("seen on the page")
        await on.world.fault(0, "off")
        await expect(page.locator("#attention")).to_contain_text("battery1", timeout=60_000)
        await page.locator("#attention a").first.click()
        await expect(page.locator("h1")).to_contain_text("battery1")
        await expect(page.locator("main")).to_contain_text("Why it does not follow")
        await expect(page.locator("main")).to_contain_text("it does not answer")
    assert not on.problems
    assert not on.outside


async def test_pages_tell_the_same_without_javascript(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        page = await on.page(script=False)
        for path, said in (("/", "Nothing is asked"), ("/devices", "battery1"), ("/devices/battery1", "Identity")):
            await page.goto(on.home + path)
            assert said in await page.locator("main").inner_text()


async def test_a_form_works_without_javascript_or_before_it_is_there(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        signed_in = await on.page()
        await on.sign_in(signed_in)
        page = await on.page(script=False)
        await page.context.add_cookies(await signed_in.context.cookies())
        async with on.world.utility() as utility:
            program, now = await utility.program("fleet"), time.time()
            await utility.post_target(program, 1_000.0, start=now, duration_s=300, now=now, title="to be cancelled")
        await page.goto(on.home + "/controls")
        await page.get_by_role("link", name="Cancel", exact=True).first.click()
        await page.get_by_label("Reason").fill("seen enough")
        await page.get_by_role("button", name="Cancel this control").click()
        await _expect()(page.locator("h1")).to_contain_text("cancelled", timeout=60_000)


async def test_keyboard_reaches_everything_in_order(stage: Any) -> None:
    async with stage(batteries=1, inverters=0) as on:
        page = await on.page()
        await page.goto(on.home + "/")
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


def _expect() -> Any:
    playwright = pytest.importorskip("playwright.async_api", reason="playwright is not installed")
    return playwright.expect
