"""What came of all controls over a span of time, summed by control, program, group or device.

The engine's accounts and the store's rows are put together as in `measured`: what is in an account is not taken from
the store. Owns what a sum is made of, not how it is added up (domain.performance_sums).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, TargetKind
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.performance_sums import Summed, Totals
from gridiface.domain.ports import Began, FleetView, History, PerformanceView

#: Most intervals and beginnings that one question may look at.
MOST = 200_000

#: Intervals of running controls after which others have their turn.
_TURN = 500


class By(StrEnum):
    """What a sum is of."""

    CONTROL = "control"
    PROGRAM = "program"
    GROUP = "group"
    DEVICE = "device"


class TooMuch(Exception):
    """More lies in the span than one question may look at."""


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
        most: how many intervals and beginnings may be looked at.

    A control's and a program's sum, and that of the group which a control names, are of the account of the target
    itself; a group's around it, or within it, of the lines of its devices, as they are in groups now.
    """

    by: By
    start: Instant
    end: Instant
    fleet: FleetView
    sees: Callable[[Key, Control], bool]
    most: int = MOST
    _sums: dict[Key, Summed] = field(default_factory=dict)
    _controls: dict[Key, Control] = field(default_factory=dict)
    _around: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _counted: int = 0

    async def run(self, performance: PerformanceView, history: History) -> dict[Key, tuple[Control, Totals]]:
        """The sums, each with one of its controls.

        Raises:
            TooMuch: shorten the span.
            StoreUnavailable: the past cannot be read.
        """
        own, devices = self.by is not By.DEVICE, self.by in {By.GROUP, By.DEVICE}
        reach: dict[str, dict[str, Instant]] = {}
        async for part in history.accounted(self.start, self.end, own=own, devices=devices):
            control = part.control
            if control.id not in reach:
                reach[control.id] = await self._live(control, performance, devices=devices)
            held = reach[control.id]
            for interval in part.intervals:
                if interval.end <= held.get(interval.target_id, math.inf):
                    self._add(control, interval)
            for one in part.began:
                self._respond(control, one)
        return {key: (self._controls[key], summed.totals()) for key, summed in self._sums.items()}

    async def _live(self, control: Control, performance: PerformanceView, *, devices: bool) -> dict[str, Instant]:
        """Count what the engine's account has of a control; by target, from when on it has it."""
        since: dict[str, Instant] = {}
        at = 0
        for report in performance.report(control.id, devices=devices):
            if report.intervals:
                since[report.target_id] = report.intervals[0].start
            for interval in report.intervals:
                self._add(control, interval)
                at += 1
                if at % _TURN == 0:
                    await asyncio.sleep(0)
        return since

    def _add(self, control: Control, interval: PerformanceInterval) -> None:
        if interval.start >= self.end or interval.end <= self.start:
            return
        self._count()
        for key in self._keys(control, interval.target_id):
            if self.sees(key, control):
                self._sum(key, control).add(interval)

    def _respond(self, control: Control, one: Began) -> None:
        """A device began: it took from the control's start, or from when it was told of it, whichever is later."""
        self._count()
        begin = control.span.start if one.received is None else max(control.span.start, one.received)
        target = control.target
        keys: Iterable[Key] = self._keys(control, one.device_id)
        if self.by is By.GROUP and target.kind is TargetKind.GROUP:
            keys = (*keys, (target.id,))
        elif self.by in {By.CONTROL, By.PROGRAM}:
            keys = self._keys(control, target.id)
        for key in keys:
            if self.sees(key, control):
                self._sum(key, control).responded(max(0.0, one.started - begin))

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

    def _count(self) -> None:
        self._counted += 1
        if self._counted > self.most:
            raise TooMuch
