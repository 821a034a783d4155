"""The account of each running control: requested, accepted, allocated, acknowledged, delivered, per interval.

Values hold from one sample to the next; an interval's figure is the time-weighted mean over it. Scores and settlement
of finished events are made in `settlement`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from gridiface.aggregation.accounting.capping import Capped
from gridiface.aggregation.accounting.device_lines import DeviceLines, DeviceMeans
from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.allocate.problem import IntArray
from gridiface.aggregation.deciding.late import Late
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.performance import LimitAccount, PerformanceInterval, PerformanceReport, worst_quality
from gridiface.domain.telemetry import Quality

#: Most intervals kept in memory for one control; older ones are in the store.
MOST_INTERVALS = 20_000


#: Devices whose lines are kept durable in a second: a large fleet's are not with every interval.
KEPT_PER_S = 25_000.0

#: An interval that is under way is made durable as it is so often: who dies loses no more of a long one, s.
KEEP_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a control on its own target; W, None = not known.

    `devices`: rows with lines of their own; `held`: what of their powers is this control's (see `held_of`), None: all.
    `capped`: how its limits are kept; None: it sets none.
    """

    requested_w: float | None
    accepted_w: float | None
    allocated_w: float | None
    acknowledged_w: float | None
    delivered_w: float | None
    quality: Quality
    devices: IntArray | None = None
    held: FloatArray | None = None
    capped: Capped | None = None

    @property
    def asks(self) -> bool:
        """Whether a power is asked for, not only a limit kept."""
        return self.requested_w is not None

    @property
    def values(self) -> tuple[float | None, ...]:
        """The five powers in order."""
        return (self.requested_w, self.accepted_w, self.allocated_w, self.acknowledged_w, self.delivered_w)


@dataclass(slots=True)
class _Limits:
    """How limits were kept: the bound that was passed most, or nearly; the excess over what was measured."""

    limit_w: float
    worst_w: float = -math.inf
    excess: float = 0.0
    known_s: float = 0.0
    over_s: float = 0.0
    peak_w: float = 0.0

    def add(self, capped: Capped, seconds: float) -> None:
        if capped.beyond_w is None or capped.excess_w is None:
            return
        if capped.beyond_w > self.worst_w:
            self.limit_w, self.worst_w = capped.limit_w, capped.beyond_w
        self.known_s += seconds
        self.excess += capped.excess_w * seconds
        self.over_s += seconds if capped.excess_w > 0 else 0.0
        self.peak_w = max(self.peak_w, capped.excess_w)

    def account(self) -> LimitAccount:
        if self.known_s <= 0:
            return LimitAccount(limit_w=self.limit_w)
        excess_w = self.excess / self.known_s
        return LimitAccount(limit_w=self.limit_w, excess_w=excess_w, over_s=self.over_s, peak_w=self.peak_w)


@dataclass(slots=True)
class _Means:
    """Time-weighted sums of the five powers; a power that was unknown for a while is the mean of the rest."""

    sums: list[float] = field(default_factory=lambda: [0.0] * 5)
    times: list[float] = field(default_factory=lambda: [0.0] * 5)
    counted: float = 0.0
    qualities: set[Quality] = field(default_factory=set)
    limits: _Limits | None = None

    def add(self, sample: Sample, seconds: float) -> None:
        for at, value in enumerate(sample.values):
            if value is not None:
                self.sums[at] += value * seconds
                self.times[at] += seconds
        self.counted += seconds
        self.qualities.add(sample.quality)
        if sample.capped is not None:
            self.limits = self.limits or _Limits(sample.capped.limit_w)
            self.limits.add(sample.capped, seconds)

    def interval(self, control_id: str, target_id: str, start: Instant, end: Instant) -> PerformanceInterval:
        means = [total / seconds if seconds > 0 else None for total, seconds in zip(self.sums, self.times, strict=True)]
        return PerformanceInterval(
            control_id=control_id,
            target_id=target_id,
            start=start,
            end=end,
            requested_w=means[0],
            accepted_w=means[1],
            allocated_w=means[2],
            acknowledged_w=means[3],
            delivered_w=means[4],
            quality=worst_quality(self.qualities),
            known=_part(self.times[4], self.counted),
            limit=None if self.limits is None else self.limits.account(),
        )


def _part(seconds: float, whole: float) -> float:
    """A part of a time, 0 to 1; what is missing by rounding alone is not missing."""
    return 0.0 if whole <= 0 else 1.0 if seconds >= whole * (1 - 1e-6) else seconds / whole


class Account:
    """One control's account. Call `sample` with what holds from now on, `close` at its end.

    `news`: the devices' lines as they were at the end of the last interval, to be made durable with it; who takes them
    sets it to None.

    Args:
        gap: a time before `now` of which nothing is known, and why; `latest`: it ends with the first sample, if that
            comes until then.
        keep_s: an interval that is under way is made durable so often, s.
    """

    def __init__(
        self,
        control_id: str,
        target_id: str,
        now: Instant,
        interval_s: float,
        *,
        gap: PerformanceInterval | None = None,
        latest: Instant = -math.inf,
        keep_s: float = KEEP_S,
    ) -> None:
        self.control_id, self.target_id = control_id, target_id
        self.until = now
        self._interval_s, self._keep_s = interval_s, keep_s
        self._opened = now
        self._means = _Means()
        self._held: Sample | None = None
        self._intervals: list[PerformanceInterval] = []
        self._whole = True
        self._devices = DeviceMeans()
        self._kept_at = now
        self.news: DeviceLines | None = None
        self._gap, self._gap_latest = gap, latest

    @property
    def due(self) -> Instant:
        """When the running interval ends or is to be kept as it is; infinity while none runs."""
        return min(self._ends, self._keeps) if self._held is not None else math.inf

    @property
    def _ends(self) -> Instant:
        return math.inf if self._held is None else self._opened + self._interval_s

    @property
    def _keeps(self) -> Instant:
        """Lines of many devices are kept less often, and the target's own interval with them, so that both agree."""
        return max(self._kept_at, self._opened) + max(self._keep_s, self._devices.count / KEPT_PER_S)

    def sample(self, sample: Sample | None, columns: Columns, now: Instant) -> list[PerformanceInterval]:
        """Account for the time since the last sample with what held then; finished intervals.

        A clock that was set back adds nothing. None ends the interval: what follows until the next sample is in none.
        So does another one that rules in the place of its set-point, and that one's end: what is delivered meanwhile
        is no answer to what it asks.
        """
        finished = self._filled(sample, now)
        while (ends := self._ends) <= now:
            self._hold(ends)
            finished.append(self._cut(ends))
        self._hold(now)
        if self._held is None:
            self._opened = now
        elif now > self._opened and (sample is None or sample.asks is not self._held.asks):
            finished.append(self._cut(now))
        elif now >= self._keeps:
            finished.append(self._means.interval(self.control_id, self.target_id, self._opened, now))
            self.news, self._kept_at = self.lines() if self._devices.count else None, now
        self.until = now
        self._held = sample
        if sample is None:
            self._devices.hold(columns, None, now)
        else:
            self._devices.hold(columns, sample.devices, now, sample.held)
        return finished

    def close(self, columns: Columns, now: Instant) -> tuple[list[PerformanceInterval], DeviceLines]:
        """End the account: the last interval of the target; the devices' lines."""
        self._gap_latest = -math.inf
        rest, self.news = self.sample(None, columns, now), None
        return rest, self.lines(over=True)

    def _filled(self, sample: Sample | None, now: Instant) -> list[PerformanceInterval]:
        """The gap before the account began, once it is known how long it is."""
        if self._gap is None or (sample is None and now < self._gap_latest):
            return []
        gap, self._gap = self._gap, None
        if sample is not None and self._held is None and gap.end < now <= self._gap_latest:
            gap = replace(gap, end=now)
        self._intervals.insert(0, gap)
        return [gap]

    def lines(self, *, over: bool = False) -> DeviceLines:
        """A line for each device that was there for a time."""
        return self._devices.lines(self.control_id, over=over)

    def shift_time(self, seconds: float) -> None:
        """Go on without a hole or an overlap after the clock was set."""
        self.until += seconds
        self._opened += seconds
        self._gap_latest += seconds
        self._kept_at += seconds
        self._devices.shift_time(seconds)

    def latest(self) -> PerformanceInterval | None:
        """The newest interval of the target's own account, cheap enough to be asked for every second."""
        if self.until > self._opened:
            return self._means.interval(self.control_id, self.target_id, self._opened, self.until)
        return self._intervals[-1] if self._intervals else None

    def reports(self, *, devices: bool = True) -> Sequence[PerformanceReport]:
        """The target's own report with its intervals, then one per device (`devices`), made as they are asked for."""
        own = list(self._intervals)
        if self.until > self._opened:
            own.append(self._means.interval(self.control_id, self.target_id, self._opened, self.until))
        first = PerformanceReport(
            control_id=self.control_id, target_id=self.target_id, intervals=tuple(own), whole=self._whole
        )
        if not devices or not self._devices.count:
            return [first]
        lines = self.lines()  # as they are now, whenever they are looked at
        return Late(lambda: chain((first,), map(report_of, lines.intervals())))

    def _hold(self, now: Instant) -> None:
        """What was held counts up to now, for the target and for its devices alike."""
        if (passed := now - self.until) > 0:
            self._devices.add(passed, now)
        seconds = now - max(self.until, self._opened)
        if self._held is not None and seconds > 0:
            self._means.add(self._held, seconds)
        self.until = max(self.until, now)

    def _cut(self, end: Instant) -> PerformanceInterval:
        interval = self._means.interval(self.control_id, self.target_id, self._opened, end)
        self._intervals.append(interval)
        if len(self._intervals) > MOST_INTERVALS:
            del self._intervals[:-MOST_INTERVALS]
            self._whole = False
        self._means, self._opened = _Means(), end
        if self._devices.count and end - self._kept_at >= self._devices.count / KEPT_PER_S:
            self.news, self._kept_at = self.lines(), end
        return interval


def report_of(line: PerformanceInterval) -> PerformanceReport:
    """The report of one device, which has one line."""
    return PerformanceReport(control_id=line.control_id, target_id=line.target_id, intervals=(line,))
