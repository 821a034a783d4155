"""Every screen in a real Chromium over a real server, in light, in dark and on a phone: no barrier, no error.

All of it looks at one world, in which every protocol runs and one thing of every kind is there.
"""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.pages import Pages
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    EndDeviceList,
    FlowReservationRequest,
    RequestStatus,
    SignedRealEnergy,
)
from gridiface.protocols.xmlwire import encode

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180), pytest.mark.xdist_group("screens")]

one_world = pytest.mark.asyncio(loop_scope="module")

#: Screens that are looked at in dark, too, and on a phone; every screen is in light.
DARK = {"/", "/sep2/curves/change", "/sep2/defaults/new", "/sep2/messages", "/sep2/demand-response/new",
        "/devices/{id}", "/controls", "/controls/{id}", "/controls/new", "/sep2/devices/{id}", "/dnp3/{id}",
        "/openadr/events/{id}", "/openadr/events/new", "/certificates", "/alarms", "/settlements/{id}"}  # fmt: skip

#: Screens that are looked at on a phone: those, and the ones whose tables are the widest.
PHONE = DARK | {"/audit", "/devices", "/groups", "/engine", "/performance", "/performance/sums",
                "/openadr/own/{id}", "/sep2/upstreams",
                "/sep2/flow", "/sep2/programs/{id}", "/users", "/portfolios/{id}"}  # fmt: skip

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
    controls = (await on.world.page("/api/v1/controls"))["controls"]
    control = next(one["id"] for one in controls if one["description"] == "evening discharge")
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
    return {
        **{f"/sep2/{name}/change": f"?href={quote(one['href'])}" for name, one in made.items()},
        "/sep2/flow/answer": f"?href={quote(await flow_requested(on), safe='')}",
        "/sep2/curves/new": f"?program={program}",
        "/sep2/defaults/new": f"?program={program}",
        "/devices/{id}": "battery2",
        "/devices/{id}/envelope": "battery2",
        "/groups/{id}": "fleet",
        "/groups/{id}/envelope": "fleet",
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
        # Only the newest messages are kept: which one is walked is said when it is (`look_at`).
        "/trace/{id}": "newest",
    }


async def flow_requested(on: Any) -> str:
    """The inverter asks for a flow reservation of an hour; where its request is."""
    now = int(time.time())
    asked = FlowReservationRequest(
        mRID="0F" * 12 + "0000B4F3",
        creationTime=now,
        durationRequested=3_600,
        energyRequested=SignedRealEnergy(multiplier=0, value=2_000),
        intervalRequested=DateTimeInterval(duration=7_200, start=now + 600),
        powerRequested=ActivePower(multiplier=0, value=2_000),
        requestStatus=RequestStatus(dateTime=now, requestStatus=0),
    )
    async with on.world._client("inverter1") as inverter:
        [own] = await inverter.members("/edev", EndDeviceList)
        status, headers, said = await inverter.request("POST", f"{own.href}/frq", encode(asked))
    assert status == 201, said
    return str(headers["location"])


def address(route: str, known: dict[str, str]) -> str:
    """Where a route's page is in this world."""
    thing = known.get(route, "")
    assert thing or "{" not in route, f"{route} is a new page: say in `things` which one is walked"
    return route.replace("{id}", quote(thing, safe="")) if "{" in route else route + thing


#: Widths between a phone's and a wall's, px: the narrowest of each range that the style sheet has rules for.
DESKS = (1601, 1301, 1271, 1024, 961, 320)

#: Every screen is walked in parts: each test stays far from its limit on a busy machine.
PARTS = 6


def walk(part: int) -> list[str]:
    """The routes of one part."""
    return sorted(filter(walked, routes()))[part::PARTS]


@pytest.fixture(scope="module")
def plan(everything: dict[str, Any]) -> dict[str, Any]:
    """The world of this module."""
    return {"batteries": 3, "inverters": 1, "settings": everything}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def known(world_stage: Any) -> dict[str, str]:
    """See `things`."""
    page = await world_stage.page()
    await world_stage.sign_in(page)
    found = await things(world_stage, page)
    await page.context.close()
    return found


async def misfits(page: Any, where: str) -> list[str]:
    """What is wider than what it stands in: the page, a table that has to be pushed; choices too narrow for words."""
    wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth")
    pushed = """[...document.querySelectorAll('.scroll')].filter(one => one.scrollWidth > one.clientWidth)
                .map(one => `${one.scrollWidth - one.clientWidth} px: ${one.innerText.slice(0, 60)}`)"""
    squeezed = """[...document.querySelectorAll('select')].filter(one => one.offsetWidth && one.offsetWidth < 70)
                  .map(one => one.name)"""
    found = [f"{where} is {wide} px wider than the screen"] if wide > 0 else []
    head = """[...document.querySelectorAll('.top .who summary')].filter(one => one.getClientRects().length
              && one.offsetHeight > 1.8 * parseFloat(getComputedStyle(one).fontSize)).map(one => one.innerText)"""
    found += [f"{where}: {one!r} is broken in the head" for one in await page.evaluate(head)]
    found += [f"{where}: a table has to be pushed by {one!r}" for one in await page.evaluate(pushed)]
    return found + [f"{where}: the choice {one} cannot be read" for one in await page.evaluate(squeezed)]


async def look_at(on: Any, page: Any, route: str, known: dict[str, str], look: str) -> None:
    """One page as it comes: there, with a policy that lets nothing in, one heading, and not wider than the screen."""
    if route == "/trace/{id}":
        [message] = (await on.api_get(page, "/trace?limit=1"))["messages"]
        known = known | {route: str(message["number"])}
    answer = await page.goto(on.home + address(route, known))
    assert answer.status == 200, (route, await page.locator("main").inner_text())
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert await page.locator("h1").count() == 1, route
    assert await misfits(page, f"{route} in {look}") == []
    cut = (
        "[...document.querySelectorAll('.figure b')].filter(b => b.scrollWidth > b.clientWidth).map(b => b.textContent)"
    )
    assert await page.evaluate(cut) == [], f"figures of {route} in {look} are cut off"
    await on.shot(page, f"{PICTURES.get(route, route.strip('/').replace('/', '-'))}-{look}")


@one_world
@pytest.mark.parametrize("part", range(PARTS))
async def test_every_screen_in_light_and_the_chosen_in_dark(on: Any, known: dict[str, str], part: int) -> None:
    barriers: list[str] = []
    page = await on.page(width=1280)
    await on.sign_in(page)
    for route in walk(part):
        await look_at(on, page, route, known, "light")
        barriers += await on.barriers(page)
        for width in DESKS:
            await page.set_viewport_size({"width": width, "height": 900})
            await page.evaluate("new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))")
            barriers += await misfits(page, f"{route} at {width} px")
        await page.set_viewport_size({"width": 1280, "height": 900})
        if route in DARK:
            await page.emulate_media(color_scheme="dark")
            assert await page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
            barriers += await on.barriers(page, colours_only=True)
            await on.shot(page, f"{PICTURES.get(route, route.strip('/').replace('/', '-'))}-dark")
            await page.emulate_media(color_scheme="light")
    assert not barriers
    assert not on.problems


@one_world
async def test_the_chosen_screens_fit_a_phone(on: Any, known: dict[str, str]) -> None:
    page = await on.page(width=390, height=844)
    await on.sign_in(page)
    for route in sorted(PHONE):
        await look_at(on, page, route, known, "phone")
    labels = "getComputedStyle(document.querySelector('td[data-label]'), '::before').content"
    await page.goto(on.home + "/groups")
    assert await page.evaluate(labels) == '"devices online"'
    await look_at(on, page, "/decisions", known, "phone")
    why = await page.locator("td.why:not(:empty)").first.bounding_box()
    assert why["x"] >= 0
    assert why["x"] + why["width"] <= 390
    assert not on.problems


def test_the_parts_together_are_every_screen() -> None:
    assert sorted(route for part in range(PARTS) for route in walk(part)) == sorted(filter(walked, routes()))


def test_every_page_that_is_mounted_is_walked() -> None:
    found = {path for path in routes() if walked(path)}
    assert len(found) > 45
    assert set(PICTURES) <= found
    assert found >= PHONE


@one_world
async def test_a_page_that_is_not_there_says_so_without_a_barrier(on: Any) -> None:
    page = await on.page()
    answer = await page.goto(on.home + "/devices/nobody")
    assert answer.status == 404
    assert not await on.barriers(page)


@one_world
async def test_what_is_unfolded_wrong_or_refused_has_no_barrier_either(on: Any, known: dict[str, str]) -> None:
    """Menus and folded parts open, faults in forms, answers of buttons, a sign-in that fails; on a desk and a phone."""
    barriers: list[str] = []
    page = await on.page(width=1280)
    await on.sign_in(page)
    for route in ("/devices", "/groups", "/openadr/events/new", "/sep2/curves/new", "/controls/new"):
        await page.goto(on.home + address(route, known))
        await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        barriers += await on.barriers(page)
    await page.goto(on.home + "/controls/new")
    # What the browser itself would keep back, the server refuses in the form.
    await page.evaluate("document.querySelector('form#ask').noValidate = true")
    await page.get_by_role("button", name="Send").click()
    await page.locator("[aria-invalid=true], .notice.bad, .fault").first.wait_for()
    barriers += await on.barriers(page)
    await page.goto(on.home + "/certificates")
    await page.locator("textarea").first.fill("no certificate")
    await page.get_by_role("button", name="Inspect").click()
    await page.locator(".notice.bad").wait_for()
    barriers += await on.barriers(page)
    await page.goto(on.home + "/account")
    await page.locator("input[type=password]").first.fill("not my password")
    await page.locator("input[type=password]").nth(1).fill("another long password 1")
    await page.get_by_role("button", name="Set it").click()
    await page.locator(".answer.bad:not(:empty)").wait_for()
    barriers += await on.barriers(page)
    phone = await on.page(width=390, height=844, signed_in=page)
    for route in ("/", "/devices", "/audit"):
        await phone.goto(on.home + route)
        await phone.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true; })")
        barriers += await on.barriers(phone)
    stranger = await on.page()
    await stranger.goto(on.home + "/login")
    await stranger.locator("input").first.fill("admin")
    await stranger.locator("input[type=password]").fill("a wrong one, long enough")
    await stranger.locator("form button").first.click()
    await stranger.locator("[role=alert]:not(:empty)").first.wait_for()
    barriers += await on.barriers(stranger)
    assert not barriers
    # The browser tells of each answer that is no success; nothing else may be wrong.
    assert all("status of 4" in one for one in on.problems), on.problems
