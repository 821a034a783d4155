"""The live state as plain data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.operator.rows.rows import DeviceRow
from gridiface.operator.rows.status import Status


def test_groups_show_what_is_asked_told_and_done(status: Status) -> None:
    fleet = status.at(100.0)["groups"][0]
    assert (fleet["requested_W"], fleet["allocated_W"], fleet["delivered_W"]) == (3000.0, 3000.0, 2900.0)
    assert fleet["devices"] == 2


def test_nothing_is_requested_after_the_end(status: Status) -> None:
    assert status.at(1000.0)["groups"][0]["requested_W"] is None
    assert status.at(1000.0)["controls"][0]["state"] == "completed"


def test_outcomes_are_counted_once_per_device_and_step(status: Status) -> None:
    for device in ("a", "a", "b", None):
        status.on_outcome(Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=91.0, device_id=device))
    shown = status.at(100.0)
    assert shown["controls"][0]["responses"]["started"] == 2
    assert [step["device"] for step in shown["outcomes"]] == [None, "b", "a"]


def test_devices_without_data_are_not_online(status: Status) -> None:
    assert status.at(100.0)["devices"] == {"total": 2, "online": 1}
    assert status.device_counts(100.0, {"b", "nobody"}) == {"total": 1, "online": 0}
    assert status.device_row(status.fleet.devices()[1])["delivered_W"] is None


def test_everything_is_json(status: Status) -> None:
    assert json.loads(json.dumps(status.at(100.0)))["counters"] == {"readings": 7}


def test_all_devices_are_looked_at_once_a_second_and_after_a_set_clock(status: Status) -> None:
    looked = []
    qualities = status.fleet.qualities
    status.fleet.qualities = lambda: looked.append(1) or qualities()  # type: ignore[method-assign] # spy
    for now in (100.0, 100.5, 101.0, 50.0):
        status.qualities(now)
    assert len(looked) == 3
    assert status.qualities(50.0)["b"] is None


def test_what_is_shown_each_second_makes_no_entry_for_each_device(status: Status) -> None:
    def each() -> Any:
        raise AssertionError("an entry for each device of the fleet")

    status.fleet.qualities = status.fleet.devices = each  # type: ignore[method-assign] # spy
    assert status.at(100.0)["devices"] == {"total": 2, "online": 1}
    status.blocked = lambda: {"a", "gone"}
    status.on_deliveries([])
    assert status.troubled(100.0) == ["a", "b"]
    assert set(status.totals(100.0)) == {group.id for group in status.fleet.groups()}


def test_a_long_schedule_does_not_hide_what_runs(status: Status) -> None:
    running = status.controls()[0]
    later = [replace(running, id=f"s{n}", interval=Interval(1000.0 + n, 1.0)) for n in range(80)]
    status.controls = lambda: [*later, running]
    assert status.at(100.0)["controls"][0]["id"] == running.id


def test_who_is_not_believed_says_so_before_it_is_said_that_it_does_not_follow(status: Status) -> None:
    off = status.device_row(status.fleet.devices()[0])
    does: DeviceRow = {**off, "setpoint_W": off["delivered_W"]}
    assert status.why(does) == ""
    assert "on its way" in status.why(off)
    status.distrust = {off["id"]: "quarantined"}.__getitem__
    assert "its telemetry is not believed" in status.why(does)
    assert "its telemetry is not believed" in status.why(off, following=False)
    status.distrust = {off["id"]: "charge in doubt"}.__getitem__
    assert status.why(does) == ""
    assert "state of charge is in doubt" in status.why(off)
