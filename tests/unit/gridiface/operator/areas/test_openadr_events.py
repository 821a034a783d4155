"""Events of our VTN over HTTP: made, changed, cancelled, copied, and where they stand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

PROGRAM = "http://program.example/dr"


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def form(**more: Any) -> dict[str, Any]:
    steps = [{"duration_s": 600, "value": -6}, {"duration_s": 600, "value": -3}]
    signal = {"name": "LOAD_DISPATCH", "type": "setpoint", "unit": "kW", "intervals": steps}
    return {"market_context": PROGRAM, "signals": [signal], "vens": ["VEN-A"], **more}


async def test_an_event_is_sent_acknowledged_changed_and_cancelled(openadr: Any) -> None:
    start = openadr.house.clock.at + 100
    status, body = await openadr.ask("POST", "/vtn/events", form(id="E", start=iso(start), startafter_s=60, priority=2))
    assert (status, body["status"], body["answers"]) == (
        *(201, "far"),
        {"opt_in": 0, "opt_out": 0, "silent": 0, "unsent": 1},
    )
    assert (body["start"], body["end"], body["startafter_s"], body["priority"]) == (start, start + 1200, 60, 2)
    assert [d["state"] for d in body["deliveries"]] == ["unsent"]
    openadr.talk()
    _, body = await openadr.ask("GET", "/vtn/events/E", scope="read")
    (row,) = body["deliveries"]
    assert (row["state"], row["opt"], row["liveness"]) == ("acknowledged", "optIn", "present")
    assert row["opted_at"] == openadr.house.clock.at

    signals = form()["signals"]
    signals[0]["intervals"][0]["value"] = -2
    status, body = await openadr.ask("PATCH", "/vtn/events/E", {"signals": signals, "reason": "less"})
    assert (status, body["modification"], body["modification_reason"]) == (200, 1, "less")
    assert body["answers"]["unsent"] == 1
    _, listed = await openadr.ask("GET", "/vtn/events?open=true&ven=VEN-A&status=far", scope="read")
    assert [row["id"] for row in listed["events"]] == ["E"]
    openadr.talk()
    said_at = openadr.house.clock.at
    assert (await openadr.ask("GET", "/vtn/events?open=true", scope="read"))[1]["events"] == []

    status, body = await openadr.ask("POST", "/vtn/events/E/cancel", {"reason": "rain"})
    assert (status, body["status"], body["modification"]) == (200, "cancelled", 2)
    openadr.talk()
    _, body = await openadr.ask("GET", "/vtn/events/E", scope="read")
    (ended,) = body["deliveries"]
    assert (ended["cancel_confirmed"], ended["cancel_refused"]) == (True, None)
    assert (ended["opt"], ended["opted_at"], body["answers"]["opt_in"]) == ("optIn", said_at, 1)
    entries = [json.loads(change.body) for change in openadr.vtn.along]
    assert [entry["what"].rpartition(".")[2] for entry in entries] == ["create", "modify", "cancel"]
    assert [entry["reason"] for entry in entries] == ["", "less", "rain"]


async def test_an_event_that_somebody_else_changed_is_not_changed_over_them(openadr: Any) -> None:
    start = openadr.house.clock.at + 100
    ask, path = openadr.house.ask, "/api/v1/openadr/vtn/events/E"
    await openadr.ask("POST", "/vtn/events", form(id="E", start=iso(start)))
    _, _, headers = await ask("GET", path, scope="read")
    openadr.talk()
    _, body, again = await ask("GET", path, scope="read", headers={"If-None-Match": headers["ETag"]})
    assert again["ETag"] == headers["ETag"]
    assert body["deliveries"][0]["state"] == "acknowledged"
    match = {"If-Match": headers["ETag"]}
    status, _, changed = await ask("PATCH", path, scope="admin", json={"priority": 1}, headers=match)
    assert status == 200
    assert changed["ETag"] != headers["ETag"]
    for method, to, asked in (("PATCH", path, {"priority": 2}), ("POST", f"{path}/cancel", {"reason": "old"})):
        assert (await ask(method, to, scope="admin", json=asked, headers=match))[0] == 412
    _, body, _ = await ask("GET", path, scope="read")
    assert (body["priority"], body["status"]) == (1, "far")
    fresh = {"If-Match": changed["ETag"]}
    assert (await ask("POST", f"{path}/cancel", scope="admin", json={"reason": "now"}, headers=fresh))[0] == 200


async def test_an_event_goes_to_whom_its_target_means(openadr: Any) -> None:
    body = form(target={"groups": ["north"]}, vens=["VEN-B"])
    _, made = await openadr.ask("POST", "/vtn/events", body)
    assert [row["ven"] for row in made["deliveries"]] == ["VEN-A", "VEN-B"]
    assert made["target"] == {"groups": ["north"]}
    body = form(target={"resources": ["site"]}, vens=None) | {"vens": []}
    _, made = await openadr.ask("POST", "/vtn/events", body)
    assert [row["ven"] for row in made["deliveries"]] == ["VEN-A"]
    _, made = await openadr.ask("POST", "/vtn/events", form(everyone=True))
    assert made["vens"] == 2
    assert (await openadr.ask("POST", "/vtn/events", form(vens=[])))[0] == 409


async def test_every_field_that_an_event_can_have_reaches_the_wire(openadr: Any) -> None:
    start = openadr.house.clock.at + 5000
    target = {
        "groups": ["g"],
        "group_names": ["G"],
        "resources": ["r"],
        "parties": ["p"],
        "device_assets": ["Thermostat"],
        "meter_assets": ["m"],
        "pnodes": ["n"],
        "aggregated_pnodes": ["a"],
        "delivery_points": ["d"],
        "service_areas": [{"id": "area", "positions": [1, 1, 1, 2, 2, 2, 1, 1]}],
        "service_locations": [{"id": "place", "positions": [1, 1, 1, 2, 2, 2, 1, 1]}],
        "transport_interfaces": [{"receipt": "x", "delivery": "y"}],
    }
    price = {"name": "ELECTRICITY_PRICE", "type": "price", "unit": "EUR/kWh", "id": "p"}
    price["intervals"] = [{"duration_s": 1200, "value": 0.31}]
    simple = {"name": "SIMPLE", "intervals": [{"duration_s": 1200, "value": 2}], "device_classes": ["Pool_Pump"]}
    baseline = {"id": "b", "name": "usual", "start": iso(start), "unit": "kW", "resources": ["r"]}
    baseline["intervals"] = [{"duration_s": 900, "value": 4}]
    body = form(
        start=iso(start),
        notification_s=3600,
        ramp_up_s=300,
        recovery_s=-60,
        test="yes",
        comment="good day",
        response_required=False,
        target=target,
        baseline=baseline,
    )
    body["signals"] += [price, simple]
    status, made = await openadr.ask("POST", "/vtn/events", body)
    assert status == 201, made
    openadr.talk()
    event = next(iter(openadr.own.core.events.values())).event
    assert (event.notification, event.ramp_up, event.recovery, event.is_test) == (3600, 300, -60, True)
    assert (event.comment, event.response_required) == ("good day", False)
    assert [signal.name for signal in event.signals] == ["LOAD_DISPATCH", "ELECTRICITY_PRICE", "SIMPLE"]
    assert event.signals[2].devices == ("Pool_Pump",)
    assert (event.baseline.name, event.baseline.values) == ("usual", (4.0,))
    assert [area.id for area in event.target.serviceArea] == ["area"]
    assert made["target"]["transport_interfaces"] == [["x", "y"]]
    assert (await openadr.ask("GET", f"/vtn/events/{made['id']}", scope="read"))[1]["deliveries"][0]["state"] == (
        "no answer wanted"
    )


async def test_a_copy_begins_now_and_goes_to_the_same_vens(openadr: Any) -> None:
    await openadr.ask("POST", "/vtn/events", form(id="E", start=iso(openadr.house.clock.at + 100)))
    status, body = await openadr.ask("POST", "/vtn/events/E/duplicate", {"id": "F"})
    assert (status, body["id"], body["start"], body["modification"]) == (201, "F", int(openadr.house.clock.at), 0)
    assert [row["ven"] for row in body["deliveries"]] == ["VEN-A"]
    status, body = await openadr.ask("POST", "/vtn/events/E/duplicate", {"vens": ["VEN-B"], "priority": 1})
    assert ([row["ven"] for row in body["deliveries"]], body["priority"]) == (["VEN-B"], 1)
    _, listed = await openadr.ask("GET", "/vtn/events?limit=2", scope="read")
    assert (len(listed["events"]), listed["total"]) == (2, 3)
    _, rest = await openadr.ask("GET", f"/vtn/events?after={listed['next']}", scope="read")
    assert len(rest["events"]) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("POST", "", form(signals=[]), 422),
        ("POST", "", form(signals=[{"name": "SIMPLE", "intervals": [{"duration_s": 60, "value": 7}]}]), 409),
        (
            "POST",
            "",
            form(signals=[{"name": "SIMPLE", "unit": "furlong", "intervals": [{"duration_s": 6, "value": 1}]}]),
            422,
        ),
        ("POST", "", form(vens=["NOBODY"]), 409),
        ("POST", "", form(start="1970-01-01T00:00:00Z", id="past"), 201),
        ("POST", "", form(start="yesterday"), 422),
        ("PATCH", "/E", {}, 422),
        ("PATCH", "/E", {"start": "1970-01-01T00:00:01Z"}, 409),
        ("PATCH", "/NONE", {"priority": 1}, 404),
        ("POST", "/NONE/cancel", {}, 404),
        ("POST", "/E/duplicate", {"id": "E"}, 409),
        ("GET", "?after=NONE", None, 400),
    ],
)
async def test_what_a_rule_forbids_is_refused(openadr: Any, method: str, path: str, body: Any, expected: int) -> None:
    await openadr.ask("POST", "/vtn/events", form(id="E"))
    status, answer = await openadr.ask(method, f"/vtn/events{path}", body)
    assert status == expected, answer
