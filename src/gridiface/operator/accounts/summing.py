"""What came of all controls over a span of time, summed by control, program, group or device.

The engine's accounts and the store's rows are put together as in `measured`: what is in an account is not taken from
the store. Owns what a sum is made of, not how it is added up (domain.performance_sums).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control, ControlMode, TargetKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.performance_sums import RegulationFigures, Summed, Totals
from gridiface.domain.ports import NOTHING, WHOLE, Began, FleetView, History, PerformanceView, Reach
from gridiface.domain.response_counts import ResponseCounts
from gridiface.operator.records.measured import TURN

#: Most intervals and beginnings that one question may look at.
MOST = 2_000_000


class By(StrEnum):
    """What a sum is of."""

    CONTROL = "control"
    PROGRAM = "program"
    GROUP = "group"
    DEVICE = "device"


class TooMuch(Exception):
    """More lies in the span than one question may look at."""


def regulates(control: Control) -> bool:
    """Whether a control is a regulation signal, which has a score."""
    return ControlMode.REGULATION in control.values


#: What a sum is of: the id of a control, a group or a device; of a program protocol, program and identity.
Key = tuple[str, ...]


@dataclass(slots=True)
class Summing:
    """One question: its sums while they are made. Call `run` once.

    Args:
        by: what the sums are of.
        start, end: s since 1970, [start, end).
        fleet: which groups a device is in now.
        sees: whether the asker may see a sum; of a program's controls each is asked for.
        since: when this server began: of a control that began later nothing is in the store alone.
        defaults: defaults and lines of the local schedule have a part in the sums, too.
        most: how many intervals and beginnings may be looked at.

    A control's and a program's sum, and that of the group which a control names, are of the account of the target
    itself; a group's around it, or within it, of the lines of its devices, as they are in groups now.
    """

    by: By
    start: Instant
    end: Instant
    fleet: FleetView
    sees: Callable[[Key, Control], bool]
    since: Instant = math.inf
    defaults: bool = False
    most: int = MOST
    _sums: dict[Key, Summed] = field(default_factory=dict)
    _controls: dict[Key, Control] = field(default_factory=dict)
    _around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _series: dict[Key, dict[str, list[PerformanceInterval]]] = field(default_factory=dict)
    _counted: int = 0

    async def run(self, performance: PerformanceView, history: History) -> dict[Key, tuple[Control, Totals]]:
        """The sums, each with one of its controls.

        Raises:
            TooMuch: shorten the span.
            StoreUnavailable: the past cannot be read.
        """
        own, devices = self.by is not By.DEVICE, self.by in {By.GROUP, By.DEVICE}
        reach: dict[str, Reach] = {}
        limits = {"own": own, "devices": devices}
        parts = history.accounted(
            self.start, self.end, **limits, reach=reach.__getitem__, series=regulates if own else lambda _: False
        )
        async for part in parts:
            control = part.control
            if control.is_default and not self.defaults:
                reach[control.id] = NOTHING
            elif control.id not in reach:
                reach[control.id] = await self._live(
                    control, performance, devices=devices or control.service_class in FAST
                )
            for target_id, portion in part.portions:
                self._count(portion.count)
                for summed in self._places(control, target_id):
                    summed.put(control.id, portion)
            for one in part.began:
                self._respond(control, one)
            for device_id, counted in part.took:
                self._took(control, device_id, counted)
            for interval in part.series:
                self._follow(control, interval)
        scores = await asyncio.to_thread(self._scores, performance)
        return {
            key: (self._controls[key], replace(summed.totals(), regulation=scores.get(key)))
            for key, summed in self._sums.items()
        }

    def _follow(self, control: Control, interval: PerformanceInterval) -> None:
        """Keep an interval of a regulation signal for its score."""
        self._count()
        for key in self._keys(control, interval.target_id):
            if self.sees(key, control):
                self._series.setdefault(key, {}).setdefault(interval.target_id, []).append(interval)

    def _scores(self, performance: PerformanceView) -> dict[Key, RegulationFigures]:
        """How well signals were followed, of each sum that has some; of several targets by their samples."""
        found = {}
        for key, targets in self._series.items():
            scores = [performance.score(intervals, self.start, self.end) for intervals in targets.values()]
            score = RegulationFigures.mean([one for one in scores if one is not None])
            if score is not None:
                found[key] = score
        return found

    async def _live(self, control: Control, performance: PerformanceView, *, devices: bool) -> Reach:
        """Count what the engine's account has of a control; what is to be taken from the store."""
        own = began = line = math.inf
        whole, at = True, 0
        for report in performance.report(control.id, devices=devices):
            whole &= report.whole
            if report.intervals:
                first = report.intervals[0].start
                began = min(began, first)
                if report.target_id == control.target.id:
                    own = first
                else:
                    line = min(line, first)
            series = report.target_id == control.target.id and self.by is not By.DEVICE and regulates(control)
            for interval in report.intervals:
                self._add(control, interval)
                if series and interval.start < self.end and interval.end > self.start:
                    self._follow(control, interval)
                at += 1
                if at % TURN == 0:
                    await asyncio.sleep(0)
        if began == math.inf:
            return WHOLE
        # Nothing of it is of an earlier start; of what stands in, earlier times have accounts of their own.
        later = whole and not control.is_default and min(began, control.span.start) > self.since
        if control.service_class in FAST:
            # Lines of devices that began with it may have ended, and been recorded, long before it is forgotten.
            return Reach(-math.inf if later else own, line)
        return NOTHING if later else Reach(began if own == math.inf else own, began)

    def _add(self, control: Control, interval: PerformanceInterval) -> None:
        if interval.start >= self.end or interval.end <= self.start:
            return
        self._count()
        for summed in self._places(control, interval.target_id):
            summed.add(interval)
        if interval.responses is not None and interval.start >= self.start:
            self._took(control, interval.target_id, interval.responses)

    def _places(self, control: Control, target_id: str) -> Iterator[Summed]:
        """The sums that the lines of a target have a part in, as far as the asker may see them."""
        for key in self._keys(control, target_id):
            if self.sees(key, control):
                yield self._sum(key, control)

    def _respond(self, control: Control, one: Began) -> None:
        """A device began: it took from the control's start, or from when it was told of it, whichever is later."""
        self._count()
        begin = control.span.start if one.received is None else max(control.span.start, one.received)
        for summed in self._of_device(control, one.device_id):
            summed.responded(max(0.0, one.started - begin))

    def _took(self, control: Control, device_id: str, counted: ResponseCounts) -> None:
        """A device took many signals: its line is under the control with which it began."""
        self._count()
        for summed in self._of_device(control, device_id):
            summed.took(counted)

    def _of_device(self, control: Control, device_id: str) -> Iterator[Summed]:
        """The sums that the response times of a device have a part in."""
        target = control.target
        keys: Iterable[Key] = self._keys(control, device_id)
        if self.by is By.GROUP and target.kind is TargetKind.GROUP:
            keys = (*keys, (target.id,))
        elif self.by in {By.CONTROL, By.PROGRAM}:
            keys = self._keys(control, target.id)
        for key in keys:
            if self.sees(key, control):
                yield self._sum(key, control)

    def _keys(self, control: Control, target_id: str) -> Iterable[Key]:
        """The sums that the line of a target has a part in."""
        own = target_id == control.target.id
        group = control.target.kind is TargetKind.GROUP
        match self.by:
            case By.CONTROL:
                return ((control.id,),) if own else ()
            case By.PROGRAM:
                source = control.source
                return ((source.protocol, source.program, source.identity),) if own else ()
            case By.DEVICE:
                return () if own and group else ((target_id,),)
            case By.GROUP if own and group:
                return ((target_id,),)
            case By.GROUP:
                named = control.target.id if group else None
                return tuple((name,) for name in self._groups(target_id) if name != named)

    def _groups(self, device_id: str) -> tuple[str, ...]:
        if device_id not in self._around:
            self._around[device_id] = tuple(self.fleet.groups_of(device_id))
        return self._around[device_id]

    def _sum(self, key: Key, control: Control) -> Summed:
        found = self._sums.get(key)
        if found is None:
            found = self._sums[key] = Summed(self.start, self.end)
            self._controls[key] = control
        return found

    def _count(self, more: int = 1) -> None:
        self._counted += more
        if self._counted > self.most:
            raise TooMuch
