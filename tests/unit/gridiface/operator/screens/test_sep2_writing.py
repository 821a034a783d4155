"""Forms of IEEE 2030.5 over a real server of it: made, changed and ended, with the audit entry of each."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from tests.unit.gridiface.app.fronts.test_sep2_surface import NOW, surface

from gridiface.errors import RemoteProtocolError
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea
from gridiface.operator.records.audit import SPACE

__all__ = ["surface"]  # the same server that the tests of the surface itself have

FORMS: dict[str, dict[str, str]] = {
    "messages": {"text": "Storm ahead", "priority": "2", "language": "en", "minutes": "60", "whom": "group:feeder"},
    "prices": {"price": "0.31", "currency": "978", "tier": "1", "minutes": "60"},
    "demand-response": {"DutyCycle.normalValue": "40", "minutes": "30", "category": "00000000", "primacy": "0"},
}
WIRE = {"messages": "/msg/1/txt/1", "prices": "/tp/1/rc/1/tti/1", "demand-response": "/dr/1/edc/1"}
OTHER = {"messages": {"text": "Calm again"}, "prices": {"price": "0.29"}, "demand-response": {"minutes": "20"}}


@pytest.fixture
async def writer(make_house: Any, signed_in: Any, surface: Any) -> Any:
    """(browser of an operator, the house, the server's desk)."""
    desk, kept = surface
    areas = [Sep2DevicesArea(desk), Sep2ProgramsArea(desk), Sep2ResourcesArea(desk)]
    house = await make_house(areas=lambda _: areas)
    house.clock.at = NOW
    return await signed_in(house, "operator"), kept, desk


async def sent(browser: Any, path: str, fields: dict[str, str], status: int = 303) -> Any:
    found, text, headers = await browser.ask("POST", path, data=fields, allow_redirects=False)
    assert found == status, text
    return headers["Location"] if status == 303 else text


async def shown(browser: Any, path: str, status: int = 200) -> str:
    found, text, _ = await browser.ask("GET", path)
    assert found == status, text
    return str(text)


def audited(kept: Any) -> str:
    return " ".join(doc.body.decode() for (space, _), doc in kept.kept.items() if space == SPACE)


@pytest.mark.parametrize("name", sorted(FORMS))
async def test_an_event_is_made_changed_and_cancelled(writer: Any, name: str) -> None:
    browser, kept, desk = writer
    assert "New" in await shown(browser, f"/sep2/{name}/new")
    assert await sent(browser, f"/sep2/{name}/new", FORMS[name]) == f"/sep2/{name}"
    first = WIRE[name]
    assert first in await shown(browser, f"/sep2/{name}")
    assert ".send" in audited(kept)
    change = f"/sep2/{name}/change?href={quote(first)}"
    text = await shown(browser, change)
    assert next(iter(FORMS[name].values())) in text
    await sent(browser, f"/sep2/{name}/change", FORMS[name] | OTHER[name] | {"href": first})
    again = first[:-1] + "2"
    assert desk.show(first)["EventStatus"]["currentStatus"] in {2, 4}
    assert desk.show(again)["EventStatus"]["currentStatus"] in {0, 1}
    assert "It is over" in await shown(browser, change)
    await sent(browser, f"/sep2/{name}/cancel", {"href": again, "reason": "seen enough"})
    assert desk.show(again)["EventStatus"]["currentStatus"] == 2
    assert "seen enough" in audited(kept)


@pytest.mark.parametrize("name", sorted(FORMS))
async def test_what_it_would_do_is_shown_before_anything_is_sent(writer: Any, name: str) -> None:
    browser, _, desk = writer
    text = await sent(browser, f"/sep2/{name}/preview", FORMS[name], 200)
    assert "feeder" in text if name == "messages" else "Every registered device" in text
    assert "that time" in text
    text = await sent(browser, f"/sep2/{name}/new", FORMS[name] | {"look": "1"}, 200)
    assert "For whom" in text
    root = "/" + WIRE[name].split("/")[1]
    assert desk.show(root)["all"] == 0
    await sent(browser, f"/sep2/{name}/new", FORMS[name])
    assert WIRE[name] in await sent(browser, f"/sep2/{name}/preview", FORMS[name], 200)
    assert "Not right yet" in await sent(browser, f"/sep2/{name}/preview", {"minutes": "5"}, 200)


async def test_a_curve_is_made_changed_and_taken_away(writer: Any) -> None:
    browser, kept, desk = writer
    program = desk.programs()[0]["number"]
    fields = {"program": str(program), "type": "11", "y_ref": "2", "points": "92 44\n108 -44"}
    assert "polyline" in await sent(browser, "/sep2/curves/preview", fields, 200)
    assert await sent(browser, "/sep2/curves/new", fields) == f"/sep2/programs/{program}"
    (curve,) = desk.show(f"/derp/{program}/dc")["members"]
    assert "92 44" in await shown(browser, f"/sep2/curves/change?href={curve['href']}")
    await sent(
        browser, "/sep2/curves/change", {**fields, "points": "90 44\n110 -44", "href": curve["href"], "remove": "1"}
    )
    (other,) = desk.show(f"/derp/{program}/dc")["members"]
    assert other["href"] != curve["href"]
    # One that a control uses stays, and that is told.
    await sent(browser, "/sep2/defaults/new", {"program": str(program), "opModVoltVar": other["href"]})
    again = {**fields, "points": "91 44\n110 -44", "href": other["href"], "remove": "1"}
    assert "the old one stays: a control uses the curve" in await sent(browser, "/sep2/curves/change", again, 409)
    assert desk.show(f"/derp/{program}/dc")["all"] == 2
    unused = next(one["href"] for one in desk.show(f"/derp/{program}/dc")["members"] if one["href"] != other["href"])
    await sent(browser, "/sep2/curves/cancel", {"href": unused, "reason": "drawn twice"})
    assert desk.show(f"/derp/{program}/dc")["all"] == 1
    assert "drawn twice" in audited(kept)


async def test_a_default_control_is_set_shown_and_taken_away(writer: Any) -> None:
    browser, kept, desk = writer
    program = str(desk.programs()[0]["number"])
    fields = {"program": program, "opModMaxLimW": "80", "setGradW": "0.27"}
    text = await sent(browser, "/sep2/defaults/preview", fields, 200)
    assert "Generate at most" in text
    assert "80 %" in text
    await sent(browser, "/sep2/defaults/new", fields)
    default = desk.show(f"/derp/{program}/dderc")
    assert (default["DERControlBase"], default["setGradW"]) == ({"opModMaxLimW": 8000}, 27)
    form = await shown(browser, f"/sep2/defaults/new?program={program}")
    assert 'name="opModMaxLimW" inputmode="decimal" value="80"' in form
    assert "says so already" in await sent(browser, "/sep2/defaults/preview", fields, 200)
    await sent(browser, "/sep2/defaults/cancel", {"href": f"/derp/{program}/dderc"})
    with pytest.raises(RemoteProtocolError, match="nothing is here"):
        desk.show(f"/derp/{program}/dderc")
    assert "sep2.default.set" in audited(kept)


async def test_what_is_refused_is_told_beside_its_field_and_the_form_stays(writer: Any) -> None:
    browser, _, _ = writer
    text = await sent(browser, "/sep2/prices/new", FORMS["prices"] | {"tier": "99"}, 422)
    assert 'id="tier-fault"' in text
    assert 'value="0.31"' in text
    # What only the server itself knows, too: it says which element it means.
    asked = {"SetPoint.coolingSetpoint": "18", "SetPoint.heatingSetpoint": "20", "minutes": "30"}
    text = await sent(browser, "/sep2/demand-response/new", asked, 422)
    assert 'id="SetPoint.coolingSetpoint-fault"' in text
    await sent(browser, "/sep2/curves/new", {"program": "999", "type": "11", "points": "1 1"}, 404)
    await shown(browser, "/sep2/messages/change?href=/derp/1", 404)
    await shown(browser, "/sep2/messages/change?href=http://elsewhere", 400)
    await sent(browser, "/sep2/messages/cancel", {"href": "/none"}, 404)


async def test_readers_look_and_nobody_sends_without_the_scope_or_the_token(
    make_house: Any, signed_in: Any, surface: Any
) -> None:
    desk, _ = surface
    house = await make_house(areas=lambda _: [Sep2DevicesArea(desk), Sep2ProgramsArea(desk), Sep2ResourcesArea(desk)])
    viewer = await signed_in(house, "viewer")
    assert '<form id="ask"' not in await shown(viewer, "/sep2/messages/new")
    await sent(viewer, "/sep2/messages/new", FORMS["messages"], 403)
    operator = await signed_in(house, "operator")
    operator.csrf = ""
    await sent(operator, "/sep2/messages/new", FORMS["messages"], 403)
    assert desk.show("/msg")["all"] == 0
