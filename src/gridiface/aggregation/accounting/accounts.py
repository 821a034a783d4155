"""The accounts of running and finished controls: opened at their start, sampled each tick, closed at their end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from gridiface.aggregation.accounting import standing
from gridiface.aggregation.accounting.device_lines import DeviceLines
from gridiface.aggregation.accounting.runs import Runs
from gridiface.aggregation.accounting.scoring import Account, Sample, report_of
from gridiface.aggregation.accounting.single_accounts import Look, Record, SingleAccounts
from gridiface.aggregation.accounting.single_spans import Spans
from gridiface.aggregation.accounting.standing import Standing
from gridiface.aggregation.allocate import IntArray
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.late import Late
from gridiface.aggregation.envelope.rollup import Total
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control, TargetKind
from gridiface.domain.performance import PerformanceInterval, PerformanceReport

#: While controls run, performance is sampled at least so often, s.
SAMPLE_S = 1.0

#: Times of which nothing is known, each of one control.
Gaps = Iterable[PerformanceInterval]


class Accounts:
    """One account per control that asks something of devices, and per default or line of the schedule in force.

    Those of controls of single devices are columns together.
    """

    def __init__(self, columns: Columns, interval_s: float, keep_finished: int) -> None:
        self._c, self._interval_s, self._keep = columns, interval_s, keep_finished
        self._open: dict[str, Account] = {}
        self._singles = SingleAccounts(interval_s, keep_finished)
        self._gaps: dict[str, PerformanceInterval] = {}
        self._gaps_latest = -math.inf
        self._fast: dict[str, Control] = {}
        self._runs = Runs(columns, interval_s)
        self._standing: Mapping[str, Standing] = {}
        #: Accounts of what stands in, in the order in which they are looked at.
        self._turns: deque[str] = deque()
        self._closed: dict[str, Account] = {}
        self._finished: list[Record] = []
        self._lines: list[DeviceLines] = []

    def absent(self, gaps: Gaps, latest: Instant) -> None:
        """Nothing is known of these times: they lead the accounts of their controls, or are all that there is.

        `latest`: a gap goes on until its devices are heard again, at most until then.
        """
        self._gaps, self._gaps_latest = {one.control_id: one for one in gaps}, latest

    def open(self, entry: Entry, now: Instant) -> None:
        """Begin the account of a control that starts."""
        control = entry.control
        if control.id in self._open or control.id in self._singles:
            return
        gap = self._gaps.pop(control.id, None)
        if control.target.kind is TargetKind.DEVICE:
            self._singles.open(control, now, gap, self._gaps_latest)
            return
        self._open[control.id] = Account(
            control.id, control.target.id, now, self._interval_s, gap=gap, latest=self._gaps_latest
        )
        if control.service_class in FAST:
            self._fast[control.id] = control

    def stand(self, found: Mapping[str, Standing], now: Instant) -> None:
        """What stands in from now on: whose account begins, and whose ends; one that changes is another."""
        if found is self._standing:
            return
        before, self._standing = self._standing, found
        over = {name for name, one in before.items() if found.get(name) != one}
        begun = [name for name, one in found.items() if before.get(name) != one]
        self._turns = deque((*begun, *(name for name in self._turns if name not in over)))
        self.close(over, now)
        for name in begun:
            target = found[name].control.target.id
            self._open[name] = Account(name, target, now, standing.INTERVAL_S, keep_s=standing.KEEP_S)

    def close(self, control_ids: Collection[str], now: Instant) -> None:
        """End those of some controls, where there are any."""
        singles = [control_id for control_id in control_ids if control_id in self._singles]
        if singles:
            self._finished.extend(self._singles.close(singles, now))
        for control_id in control_ids:
            account = self._open.pop(control_id, None)
            if account is not None:
                self._close(account, now)
            elif (gap := self._gaps.pop(control_id, None)) is not None:  # it ended meanwhile
                self._finished.append(gap)

    def _close(self, account: Account, now: Instant) -> None:
        control_id = account.control_id
        self._closed[control_id] = account
        if (control := self._fast.pop(control_id, None)) is not None:
            self._lines.extend(self._runs.sample(control, None, now))
        while len(self._closed) > self._keep:
            del self._closed[next(iter(self._closed))]
        rest, lines = account.close(self._c, now)
        self._finished.extend(rest)
        self._lines.append(lines)

    def sample(self, make: Callable[[str], Sample | None], now: Instant, look: Look | None = None) -> None:
        """Give every open account what holds from now on; of many that stand in some, those that begin first.

        `look`: makes that for all controls of single devices together; None: they are asked for one by one, too.
        """
        many = max(standing.AT_ONCE, math.ceil(len(self._turns) / standing.TURNS))
        turns = [self._turns.popleft() for _ in range(min(many, len(self._turns)))]
        self._turns.extend(turns)
        for control_id in (*(name for name in self._open if name not in self._standing), *turns):
            account = self._open[control_id]
            sample, fast = make(control_id), self._fast.get(control_id)
            if fast is not None:
                self._lines.extend(self._runs.sample(fast, sample, now))
                sample = None if sample is None else replace(sample, devices=None)
            self._finished.extend(account.sample(sample, self._c, now))
            if account.news is not None:
                self._lines.append(account.news)
                account.news = None
        self._finished.extend(self._singles.sample(make, look, now))
        self._lines.extend(self._runs.expire(now))

    def responded(self, control_id: str, device_id: str, seconds: float) -> None:
        """A device took a signal of the fast services, s after it was told; nothing of other controls."""
        control = self._fast.get(control_id)
        if control is not None:
            self._runs.responded(control, device_id, seconds)

    def suspend(self, now: Instant) -> None:
        """End all of them: the engine stops, the controls go on."""
        self.close([*self._open, *self._singles.ids()], now)
        self._lines.extend(self._runs.suspend(now))

    def drain(self) -> tuple[Sequence[PerformanceInterval], tuple[DeviceLines, ...]]:
        """What is to be recorded since the last call: intervals that have ended, the target's first; devices' lines."""
        finished, self._finished = self._finished, []
        lines, self._lines = tuple(one for one in self._lines if one.ids.size), []
        over = [one for one in lines if one.over]
        if not finished and not over:
            return (), lines
        return Late(lambda: chain(_made(finished), chain.from_iterable(one.intervals() for one in over))), lines

    def reports(self, control_id: str, *, devices: bool = True) -> Sequence[PerformanceReport]:
        """The reports of one control, its own target first (alone without `devices`); empty where it never ran."""
        account = self._open.get(control_id) or self._closed.get(control_id)
        found = self._singles.reports(control_id) if account is None else account.reports(devices=devices)
        lines = self._runs.lines(control_id) if devices else None
        if lines is None:
            return found
        return Late(lambda: chain(found, map(report_of, lines.intervals())))

    def latest(self, control_id: str) -> PerformanceInterval | None:
        """The newest interval of one control's own target; None where it never ran."""
        account = self._open.get(control_id) or self._closed.get(control_id)
        return self._singles.latest(control_id) if account is None else account.latest()

    def running(self) -> dict[str, PerformanceInterval]:
        """The newest interval of each open account's own target, by control; none of single devices."""
        newest = ((control_id, account.latest()) for control_id, account in self._open.items())
        return {control_id: interval for control_id, interval in newest if interval is not None}

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        for account in self._open.values():
            account.shift_time(seconds)
        self._singles.shift_time(seconds)
        self._runs.shift_time(seconds)

    def due(self, sampled: Instant) -> Instant | None:
        """When to sample next after `sampled`: soon, and where an interval ends; None while no account is open."""
        if not len(self):
            return None
        ends = (account.due for name, account in self._open.items() if name not in self._standing)
        return min([sampled + SAMPLE_S, self._singles.due(), *ends])

    def __len__(self) -> int:
        return len(self._open) + len(self._singles) + len(self._runs)


def _made(records: Iterable[Record]) -> Iterator[PerformanceInterval]:
    for record in records:
        if isinstance(record, Spans):
            yield from record.intervals()
        else:
            yield record


def sample_of(
    columns: Columns,
    rows: IntArray,
    total: Total,
    requested: float | None,
    accepted: float | None,
    devices: IntArray | None = None,
) -> Sample:
    """What holds for one control now."""
    c = columns
    if rows.size == 1:
        watts = float(c.told_w[rows[0]])
        told_w = watts if math.isfinite(watts) else None
        return Sample(
            requested_w=requested,
            accepted_w=accepted,
            allocated_w=told_w,
            acknowledged_w=None if told_w is None else told_w if c.acknowledged[rows[0]] else 0.0,
            delivered_w=total.w if total.known else None,
            quality=total.quality,
            devices=devices,
        )
    here = span(rows)
    told = c.told_w[here]
    commanded = np.isfinite(told)
    acknowledged = commanded & c.acknowledged[here]
    return Sample(
        requested_w=requested,
        accepted_w=accepted,
        allocated_w=float(told[commanded].sum()) if commanded.any() else None,
        acknowledged_w=float(told[acknowledged].sum()) if commanded.any() else None,
        delivered_w=total.w if total.known else None,
        quality=total.quality,
        devices=devices,
    )
