"""Our VENs over HTTP: link, events and our word on them, opt schedules, reports."""

from __future__ import annotations

import json
from typing import Any

from gridiface.protocols.openadr.events import Event, Signal


def send(openadr: Any, name: str = "E") -> None:
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(600,), values=(2.0,))
    start = float(int(openadr.house.clock.at + 100))
    event = Event(id=name, market_context="urn:p", dtstart=start, duration=600, signals=(signal,), startafter=60)
    openadr.vtn.core.create_event(event, ["VEN-A"], openadr.house.clock.at)
    openadr.talk()


async def test_the_link_is_shown(openadr: Any) -> None:
    _, body = await openadr.ask("GET", "/vens", scope="read")
    (row,) = body["vens"]
    assert (row["name"], row["registered"], row["ven_id"], row["vtn_id"]) == ("utility", True, "VEN-A", "VTN-1")
    assert (row["mode"], row["poll_s"], row["up"]) == ("pull", 10, True)
    assert (await openadr.ask("GET", "/vens/nobody/events", scope="read"))[0] == 404


async def test_our_word_on_an_event_is_changed(openadr: Any) -> None:
    send(openadr)
    _, body = await openadr.ask("GET", "/vens/utility/events", scope="read")
    (row,) = body["events"]
    assert (row["opt"], row["runs_from"], row["controls"]) == ("optIn", row["start"], ["control-of-E"])
    status, row = await openadr.ask("POST", "/vens/utility/events/E/opt", {"opt": "optOut", "reason": "works"})
    assert (status, row["opt"]) == (200, "optOut")
    openadr.talk()
    assert openadr.vtn.core.delivery("VEN-A", "E").opt == "optOut"
    body = {"opt": "optIn", "resources": ["site"]}
    status, row = await openadr.ask("POST", "/vens/utility/events/E/opt", body)
    assert (status, row["resources"]) == (200, {"site": "optIn"})
    openadr.talk()
    assert openadr.vtn.core.opt_of("VEN-A", "E", "site", 0.0) == "optIn"
    assert (await openadr.ask("POST", "/vens/utility/events/X/opt", {"opt": "optIn"}))[0] == 404
    assert (await openadr.ask("POST", "/vens/utility/events/E/opt", {"opt": "optIn", "reason": "refuse"}))[0] == 409
    entries = [json.loads(change.body) for change in openadr.own.along]
    assert [(entry["what"], entry["before"]) for entry in entries] == [
        ("openadr.own.opt", {"opt": "optIn"}),
        ("openadr.own.opt", {"opt": "optOut"}),
    ]


async def test_opt_schedules_are_made_and_taken_back(openadr: Any) -> None:
    body = {"spans": [{"start": "1970-01-01T01:00:00Z", "duration_s": 600}], "resources": ["site"]}
    status, answer = await openadr.ask("POST", "/vens/utility/schedules", body)
    (row,) = answer["schedules"]
    assert (status, row["opt"], row["spans"], row["reason"]) == (201, "optOut", [[3600.0, 600]], "x-schedule")
    openadr.talk()
    assert openadr.vtn.core.scheduled("VEN-A", "site", 3700.0, None) == "optOut"
    assert (await openadr.ask("DELETE", "/vens/utility/schedules/x"))[0] == 404
    status, answer = await openadr.ask("DELETE", f"/vens/utility/schedules/{row['id']}")
    assert (status, answer["schedules"]) == (200, [])
    openadr.talk()
    assert openadr.vtn.core.scheduled("VEN-A", "site", 3700.0, None) is None
    assert (await openadr.ask("POST", "/vens/utility/schedules", {"spans": []}))[0] == 422


async def test_reports_are_shown(openadr: Any) -> None:
    body = {"specifier": "telemetry-usage", "granularity_s": 10, "back_s": 60}
    await openadr.ask("POST", "/vtn/vens/VEN-A/reports", body)
    openadr.talk()
    _, answer = await openadr.ask("GET", "/vens/utility/reports", scope="read")
    assert answer["offers"][0]["points"] == [{"rid": "site/W", "type": "usage", "unit": "W", "resources": ["site"]}]
    assert [row["back_s"] for row in answer["requests"]] == [60]
    assert (await openadr.ask("GET", "/vens/utility/schedules", scope="read"))[1] == {"schedules": []}


async def test_the_registration_is_renewed_and_cancelled(openadr: Any) -> None:
    old = openadr.own.core.registration.registrationID
    for verb in ("register", "refresh"):
        status, row = await openadr.ask("POST", f"/vens/utility/{verb}", {"reason": "test"})
        assert (status, row["registered"]) == (200, True)
        openadr.talk()
    assert openadr.own.core.registration.registrationID == old
    await openadr.ask("POST", "/vens/utility/deregister", {})
    openadr.talk()
    assert openadr.own.core.registration.registrationID is None
    assert (await openadr.ask("POST", "/vens/utility/deregister", {}))[0] == 409


async def test_the_steps_of_a_registration_are_taken_again_by_hand(openadr: Any) -> None:
    await openadr.ask(
        "POST", "/vtn/vens/VEN-A/reports", {"specifier": "telemetry-usage", "granularity_s": 10, "back_s": 60}
    )
    openadr.talk()
    assert openadr.own.core.requests
    for verb in ("query", "offer", "metadata"):
        status, row = await openadr.ask("POST", f"/vens/utility/{verb}", {"reason": "test"})
        assert (status, row["registered"]) == (200, True)
        openadr.talk()
    assert not openadr.own.core.requests  # New metadata ends what was requested (rule 306).
    await openadr.ask("POST", "/vens/utility/deregister", {})
    openadr.talk()
    for verb, status in (("query", 200), ("offer", 409), ("metadata", 409), ("refresh", 409)):
        assert (await openadr.ask("POST", f"/vens/utility/{verb}", {}))[0] == status
    openadr.talk()
    assert openadr.own.core.registration.registrationID is None  # Asking registers nobody.


async def test_every_event_is_answered_as_the_operator_says(openadr: Any) -> None:
    status, row = await openadr.ask("PUT", "/vens/utility/answers", {"answers": "optOut", "reason": "works"})
    assert (status, row["answers"], openadr.own.answers) == (200, "optOut", "optOut")
    status, row = await openadr.ask("PUT", "/vens/utility/answers", {"answers": "engine"})
    assert (status, row["answers"], openadr.own.answers) == (200, "engine", "")
    assert (await openadr.ask("PUT", "/vens/utility/answers", {"answers": "maybe"}))[0] == 422
    entries = [json.loads(change.body) for change in openadr.own.along]
    assert [(entry["what"], entry["before"]) for entry in entries] == [
        ("openadr.own.answers", {"answers": "engine"}),
        ("openadr.own.answers", {"answers": "optOut"}),
    ]
