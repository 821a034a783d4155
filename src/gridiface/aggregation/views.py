"""What others may see of the engine: `domain.ports.FleetView` and `PerformanceView`. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache

import numpy as np

from gridiface.aggregation.accounting.accounts import Accounts
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.foreseeing.feasible import Feasibility
from gridiface.aggregation.foreseeing.horizon import Horizon
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.glance import group_total
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.running import Running
from gridiface.aggregation.settlement.regulation_hours import scored
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Setpoint, Share, Target, TargetKind
from gridiface.domain.envelope import EnvelopeSpan, Sure
from gridiface.domain.fleet import Device, Group
from gridiface.domain.performance import PerformanceInterval, PerformanceReport
from gridiface.domain.performance_sums import RegulationFigures
from gridiface.domain.telemetry import GroupTotal, Quality, Snapshot


class FleetViews:
    """The methods of `FleetView`, as of the last call that brought a time (`_now`)."""

    _fleet: Fleet
    _running: Running
    _feasibility: Feasibility
    _horizon: Horizon
    _metering: Metering
    _now: Instant | None

    @property
    def pace_s(self) -> float:
        """Time between control steps while what rules now goes on, s."""
        return self._running.plan.period_s

    def device(self, device_id: str) -> Device | None:
        """The device, or None."""
        return self._fleet.device(device_id)

    def devices(self) -> Sequence[Device]:
        """All devices, by id."""
        return self._fleet.devices()

    def group(self, group_id: str) -> Group | None:
        """The group, or None."""
        return self._fleet.tree.groups.get(group_id)

    def groups(self) -> Sequence[Group]:
        """All groups, by id."""
        return self._fleet.groups()

    def members(self, group_id: str) -> Sequence[str]:
        """All devices below a group, through nested groups, each once."""
        return self._fleet.members(group_id)

    def groups_of(self, device_id: str) -> Sequence[str]:
        """The groups that a device is below, innermost first; none before it is here."""
        return () if self._fleet.device(device_id) is None else self._fleet.tree.around(device_id)

    def snapshot(self, target: Target) -> Snapshot | None:
        """The newest state of a device, or the rolled-up state of a group."""
        now = 0.0 if self._now is None else self._now
        if target.kind is TargetKind.DEVICE:
            return self._fleet.current(target.id, now)
        return self._snapshot(target, lambda: self._running.bounds(now), now)

    def _snapshot(self, target: Target, bounds: Callable[[], Envelope], now: Instant) -> Snapshot | None:
        return self._fleet.snapshot(target, bounds, self._metering.last, self._limits_w(target.id), now)

    def setpoint(self, device_id: str) -> Setpoint | None:
        """What the device was told last."""
        return self._fleet.setpoint(device_id)

    def barred(self, target: Target) -> str:
        """Why nobody of a target may be controlled now; empty where somebody may."""
        return self._fleet.barred(target)

    def qualities(self) -> Mapping[str, Quality | None]:
        """The quality of each device's newest data, None without any."""
        return self._fleet.qualities(0.0 if self._now is None else self._now)

    def silent(self) -> Mapping[str, Quality | None]:
        """The devices whose newest data are bad, stale or not there, with their quality."""
        return self._fleet.silent(0.0 if self._now is None else self._now)

    def counts(self) -> Mapping[Quality | None, int]:
        """How many devices have newest data of each quality; None: no data."""
        return self._fleet.counts(0.0 if self._now is None else self._now)

    def totals(self) -> Sequence[GroupTotal]:
        """All groups as one each, by id."""
        now = 0.0 if self._now is None else self._now
        trusted = self._fleet.trusted(now)
        bounds = cache(lambda: self._running.bounds(now))  # of the whole fleet: once for all groups
        return [
            group_total(
                self._fleet.columns,
                self._fleet.rows(group.id),
                self._snapshot(Target(TargetKind.GROUP, group.id), bounds, now),
                trusted,
            )
            for group in self._fleet.groups()
        ]

    def shares(self, control: Control, now: Instant) -> Sequence[Share]:
        """Who would get what of a control that is only previewed."""
        return self._feasibility.shares(control, now)

    def envelope(self, target: Target, times: Sequence[Instant], now: Instant) -> Iterator[EnvelopeSpan]:
        """What a target can be counted on for, span by span."""
        return self._horizon.spans(target, times, now)

    def sure(self, device_ids: Sequence[str], until: Instant, now: Instant) -> Iterator[Sure]:
        """What each device can be counted on for until then, for each instant at which something begins or ends."""
        return self._horizon.sure(device_ids, until, now)

    def _limits_w(self, group_id: str) -> tuple[float, float]:
        """(low, high) of a group's total now, W."""
        group, node = self._fleet.tree.groups.get(group_id), self._running.node(group_id)
        tops, bottoms = [np.inf], [np.inf]
        if group is not None:
            tops += [] if group.max_export_w is None else [group.max_export_w]
            bottoms += [] if group.max_import_w is None else [group.max_import_w]
        if node is not None:
            tops += [] if node.limits.high is None else [node.limits.high.watts]
            bottoms += [] if node.limits.low is None else [node.limits.low.watts]
        return -min(bottoms), min(tops)


class PerformanceViews:
    """`PerformanceView`: the accounts, read."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def report(self, control_id: str, *, devices: bool = True) -> Sequence[PerformanceReport]:
        """One report per target that the control concerned, the control's own target first; alone without `devices`."""
        return self._accounts.reports(control_id, devices=devices)

    def latest(self, control_id: str) -> PerformanceInterval | None:
        """The newest interval of one control's own target."""
        return self._accounts.latest(control_id)

    def running(self) -> Mapping[str, PerformanceInterval]:
        """The newest interval of each running control of a group, by control."""
        return self._accounts.running()

    @staticmethod
    def score(intervals: Sequence[PerformanceInterval], start: Instant, end: Instant) -> RegulationFigures | None:
        """How well the regulation signals in these intervals of one target were followed in [start, end)."""
        return scored(intervals, start, end)
