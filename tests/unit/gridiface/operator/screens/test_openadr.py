"""Pages of OpenADR: events made, changed and watched in a browser; VENs; our own VENs."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

FIELDS = {
    "market_context": "http://program.example/dr",
    "signal": "LOAD_DISPATCH",
    "type": "setpoint",
    "unit": "kW",
    "steps": "10 -6",
    "vens": "VEN-A",
    "answer": "1",
    "zone": "UTC",
}


async def send(browser: Any, path: str, **more: str) -> tuple[int, Any, Any]:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return await browser.ask("POST", path, data=urlencode(FIELDS | more), headers=headers, allow_redirects=False)


async def test_an_event_is_made_changed_and_watched_in_forms(openadr: Any, signed_in: Any) -> None:
    browser = await signed_in(openadr.house, "operator")
    _, text, _ = await browser.ask("GET", "/openadr/events/new")
    assert "VEN-A" in text
    status, _, headers = await send(browser, "/openadr/events/new")
    assert status == 303, headers
    place = headers["Location"]
    openadr.talk()
    for path in (place, f"/parts{place}"):
        _, text, _ = await browser.ask("GET", path)
        assert "LOAD_DISPATCH setpoint" in text
        assert "optIn" in text
        assert "acknowledged" in text
    _, text, _ = await browser.ask("GET", "/openadr?q=load_dispatch")
    assert "1 opted in" in text
    status, text, _ = await browser.ask("GET", f"{place}/change")
    assert "10 -6" in text
    status, _, headers = await send(browser, f"{place}/change", steps="10 -2", reason="less")
    assert (status, headers["Location"]) == (303, place)
    _, text, _ = await browser.ask("GET", place)
    assert "not fetched yet" in text
    assert "less" in text


async def test_what_is_refused_is_told_in_the_form(openadr: Any, signed_in: Any) -> None:
    browser = await signed_in(openadr.house, "operator")
    status, text, _ = await send(browser, "/openadr/events/new", vens="NOBODY", steps="30 7")
    assert status == 409, text
    assert "Not sent" in text
    assert "30 7" in text
    viewer = await signed_in(openadr.house, "viewer")
    assert (await send(viewer, "/openadr/events/new"))[0] == 403


async def test_vens_and_our_own(openadr: Any, signed_in: Any) -> None:
    browser = await signed_in(openadr.house, "engineer")
    _, text, _ = await browser.ask("GET", "/openadr/vens?liveness=present")
    assert "VEN-A" in text
    _, text, _ = await browser.ask("GET", "/openadr/vens?q=nobody")
    assert "No VEN fits" in text
    openadr.vtn.archive.kept["VEN-A"] = [
        {"name": "TELEMETRY_USAGE", "rid": "site/W", "start": 90.0, "value": 4.5, "quality": "Quality Good"}
    ]
    _, text, _ = await browser.ask("GET", "/openadr/vens/VEN-A")
    for said in ("TELEMETRY_USAGE", "site/W", "4.5", "north"):
        assert said in text
    _, text, _ = await browser.ask("GET", "/openadr/own")
    assert "http://vtn.example" in text
    await send(
        browser, "/openadr/events/new", market_context="urn:p", signal="SIMPLE", type="level", unit="", steps="9 2"
    )
    openadr.talk()
    _, text, _ = await browser.ask("GET", "/openadr/own/utility")
    assert "SIMPLE level" in text
    assert "Opt out" in text
    assert (await browser.ask("GET", "/openadr/own/other"))[0] == 404


async def test_a_vtn_is_told_when_we_do_not_take_part(openadr: Any, signed_in: Any) -> None:
    browser = await signed_in(openadr.house, "operator")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    asked = urlencode({"opt": "optOut", "start": "2030-01-01T18:00", "zone": "UTC", "hours": "4"})
    path = "/openadr/own/utility/schedule"
    status, _, _ = await browser.ask("POST", path, data=asked, headers=form, allow_redirects=False)
    assert status == 303
    _, text, _ = await browser.ask("GET", "/openadr/own/utility")
    assert "x-schedule" in text
    assert "4\u202fh" in text
    status, text, _ = await browser.ask("POST", path, data=urlencode({"start": ""}), headers=form)
    assert (status, "Not told" in text) == (422, True)
