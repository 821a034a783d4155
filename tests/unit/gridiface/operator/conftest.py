"""A fleet of two devices in two nested groups, with one running control."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import (
    Control,
    ControlMode,
    ModeValue,
    Setpoint,
    Source,
    Target,
    TargetKind,
)
from gridiface.domain.fleet import Device, Group, Nameplate
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.telemetry import Snapshot
from gridiface.operator.status import Status


class FakeFleet:
    """FleetView and PerformanceView with fixed answers."""

    def __init__(self) -> None:
        self._devices = [Device(id=name, nameplate=Nameplate(max_w=5000), driver="sunspec") for name in ("a", "b")]
        self._groups = [Group(id="fleet", members=("feeder",)), Group(id="feeder", members=("a", "b"), parent="fleet")]

    def device(self, device_id: str) -> Device | None:
        return next((d for d in self._devices if d.id == device_id), None)

    def devices(self) -> Sequence[Device]:
        return self._devices

    def group(self, group_id: str) -> Group | None:
        return next((g for g in self._groups if g.id == group_id), None)

    def groups(self) -> Sequence[Group]:
        return self._groups

    def members(self, group_id: str) -> Sequence[str]:
        return ["a", "b"]

    def snapshot(self, target: Target) -> Snapshot | None:
        if target == Target(TargetKind.DEVICE, "b"):
            return None
        return Snapshot(device_id=target.id, source_time=99.0, received=99.0, w=2900.0, soc=0.5)

    def setpoint(self, device_id: str) -> Setpoint | None:
        return Setpoint(device_id=device_id, issued=90.0, active_power_w=1500.0)

    def report(self, control_id: str) -> Sequence[PerformanceReport]:
        if control_id != "c1":
            return []
        interval = PerformanceInterval(
            control_id="c1",
            target_id="fleet",
            start=90.0,
            end=95.0,
            requested_w=3000.0,
            accepted_w=3000.0,
            allocated_w=3000.0,
            acknowledged_w=3000.0,
            delivered_w=2900.0,
        )
        return [PerformanceReport(control_id="c1", target_id="fleet", intervals=(interval,))]


def control() -> Control:
    return Control(
        id="c1",
        source=Source(protocol="sep2"),
        target=Target(TargetKind.GROUP, "fleet"),
        values={ControlMode.SET_W: ModeValue(3000.0)},
        interval=Interval(90.0, 30.0),
        created=80.0,
        description="evening peak",
    )


@pytest.fixture
def status() -> Status:
    fleet = FakeFleet()
    return Status("plant", fleet, fleet, lambda: [control()], lambda: {"readings": 7})
