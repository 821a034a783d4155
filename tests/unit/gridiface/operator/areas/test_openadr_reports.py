"""Reports of the VENs of our VTN over HTTP: requested, cancelled, their data."""

from __future__ import annotations

from typing import Any

ROOT = "/vtn/vens/VEN-A/reports"


async def test_a_report_is_requested_and_cancelled(openadr: Any) -> None:
    status, row = await openadr.ask("POST", ROOT, {"specifier": "telemetry-usage", "granularity_s": 10, "back_s": 60})
    assert (status, row["state"], row["rids"], row["name"]) == (201, "asked", ["site/W"], "TELEMETRY_USAGE")
    assert row["start"] == int(openadr.house.clock.at)
    openadr.talk()
    assert row["id"] in openadr.own.core.pending_reports
    _, body = await openadr.ask("GET", ROOT, scope="read")
    assert [one["id"] for one in body["requests"]] == [row["id"]]
    status, body = await openadr.ask("POST", f"{ROOT}/cancel", {"ids": [row["id"]], "follow": True, "reason": "enough"})
    assert status == 200
    openadr.talk()
    assert not openadr.own.core.pending_reports


async def test_metadata_is_asked_for(openadr: Any) -> None:
    status, body = await openadr.ask("POST", f"{ROOT}/metadata", {})
    assert (status, body["requests"][0]["specifier"]) == (200, "METADATA")
    openadr.talk()
    assert openadr.vtn.core.waiting("VEN-A") == []


async def test_what_is_not_offered_or_not_running_is_refused(openadr: Any) -> None:
    assert (await openadr.ask("POST", ROOT, {"specifier": "other"}))[0] == 409
    body = {"specifier": "telemetry-usage", "rids": ["x"]}
    assert (await openadr.ask("POST", ROOT, body))[0] == 409
    body = {"specifier": "telemetry-usage", "granularity_s": 60, "back_s": 10}
    assert (await openadr.ask("POST", ROOT, body))[0] == 409
    assert (await openadr.ask("POST", f"{ROOT}/cancel", {"ids": ["x"]}))[0] == 409
    assert (await openadr.ask("GET", "/vtn/vens/NOBODY/reports", scope="read"))[0] == 404


async def test_data_are_the_newest_rows(openadr: Any, green_button: str) -> None:
    rows = [{"name": "TELEMETRY_USAGE", "rid": "site/W", "start": float(at), "value": at} for at in range(5)]
    rows.append({"name": "HISTORY_GREENBUTTON", "rid": "", "start": 9.0, "green_button": green_button})
    openadr.vtn.archive.kept["VEN-A"] = rows
    _, body = await openadr.ask("GET", f"{ROOT}/data?limit=2", scope="read")
    assert (body["total"], [row["start"] for row in body["rows"]]) == (6, [4.0, 9.0])
    _, body = await openadr.ask("GET", f"{ROOT}/data?report=TELEMETRY_USAGE&start=3", scope="read")
    assert [row["value"] for row in body["rows"]] == [3, 4]


async def test_every_request_that_a_test_harness_prompts_for_can_be_made(openadr: Any) -> None:
    later = {"start": "1970-01-02T00:00:15Z", "duration_s": 600}
    asked = [
        {"specifier": "telemetry-usage"},  # once
        {"specifier": "telemetry-usage", "granularity_s": 60, "back_s": 60, "duration_s": 300},
        {"specifier": "telemetry-usage", "granularity_s": 60, "back_s": 60, **later},
        {"specifier": "telemetry-usage", "start": "1970-01-01T00:00:00Z"},  # all that it has
        {"specifier": "METADATA"},
        {"specifier": "METADATA", "back_s": 60},
    ]
    rows = [(await openadr.ask("POST", ROOT, body)) for body in asked]
    assert [(status, row["state"]) for status, row in rows] == [(201, "asked")] * 6
    assert [row["rids"] for _, row in rows] == [["site/W"]] * 4 + [["0"]] * 2
    for _ in range(4):
        openadr.talk()
    # New metadata ends what was asked before it, at both ends, but for requests for metadata that go on (rule 306).
    running = openadr.own.core.requests
    assert rows[-1][1]["id"] in running
    assert set(running) <= set(openadr.vtn.core.reports("VEN-A").running)
    assert openadr.vtn.core.waiting("VEN-A") == []
