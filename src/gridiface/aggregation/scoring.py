"""The account of each running control: requested, accepted, allocated, acknowledged, delivered, per interval.

Values hold from one sample to the next; an interval's figure is the time-weighted mean over it. Scores and settlement
of finished events are made in `settlement`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from gridiface.aggregation.allocate.problem import IntArray, span
from gridiface.aggregation.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.performance import PerformanceInterval, PerformanceReport, worst_quality
from gridiface.domain.telemetry import Quality

#: Most intervals kept in memory for one control; older ones are in the store.
MOST_INTERVALS = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a control on its own target; W, None = not known."""

    requested_w: float | None
    accepted_w: float | None
    allocated_w: float | None
    acknowledged_w: float | None
    delivered_w: float | None
    quality: Quality

    @property
    def values(self) -> tuple[float | None, ...]:
        """The five powers in order."""
        return (self.requested_w, self.accepted_w, self.allocated_w, self.acknowledged_w, self.delivered_w)


@dataclass(slots=True)
class _Means:
    """Time-weighted sums of the five powers; a power that was unknown for a while is the mean of the rest."""

    sums: list[float] = field(default_factory=lambda: [0.0] * 5)
    times: list[float] = field(default_factory=lambda: [0.0] * 5)
    qualities: set[Quality] = field(default_factory=set)

    def add(self, sample: Sample, seconds: float) -> None:
        for at, value in enumerate(sample.values):
            if value is not None:
                self.sums[at] += value * seconds
                self.times[at] += seconds
        self.qualities.add(sample.quality)

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
        )


def _run(places: IntArray) -> IntArray | slice:
    """The same places as a slice where each follows the one before."""
    return span(places) if places.size and bool((np.diff(places) == 1).all()) else places


class DeviceMeans:
    """Means of allocated, acknowledged and delivered power of each device that a control concerns."""

    def __init__(self, device_ids: tuple[str, ...]) -> None:
        self.device_ids = device_ids
        self._sums = np.zeros((3, len(device_ids)))
        self._times = np.zeros((3, len(device_ids)))
        self._rows: IntArray | slice = slice(0, 0)
        self._places: IntArray | slice = slice(0, 0)
        self._version = -1
        self._row: int | None = None

    def add(self, columns: Columns, seconds: float) -> None:
        """The columns' present values held for `seconds`."""
        if self._version != columns.version:
            found = [(columns.row[name], at) for at, name in enumerate(self.device_ids) if name in columns.row]
            self._rows = _run(np.array([row for row, _ in found], dtype=np.int64))
            self._places = _run(np.array([at for _, at in found], dtype=np.int64))
            self._version = columns.version
            self._row = found[0][0] if len(found) == len(self.device_ids) == 1 else None
        if self._row is not None:
            self._add_one(columns, self._row, seconds)
            return
        c, rows = columns, self._rows
        told, measured = c.told_w[rows], c.w[rows]
        acknowledged = np.where(c.acknowledged[rows], told, 0.0)
        for at, values in enumerate((told, acknowledged, measured)):
            known = np.isfinite(values)
            self._sums[at, self._places] += np.where(known, values, 0.0) * seconds
            self._times[at, self._places] += known * seconds

    def _add_one(self, c: Columns, row: int, seconds: float) -> None:
        told, measured = float(c.told_w[row]), float(c.w[row])
        acknowledged = told if c.acknowledged[row] else 0.0
        for at, value in enumerate((told, acknowledged, measured)):
            if math.isfinite(value):
                self._sums[at, 0] += value * seconds
                self._times[at, 0] += seconds

    def intervals(self, control_id: str, start: Instant, end: Instant) -> list[PerformanceInterval]:
        """One interval per device over the whole control."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = self._sums / self._times
        columns = [[None if value != value else value for value in row] for row in means.tolist()]  # noqa: PLR0124 - NaN
        return [
            PerformanceInterval(
                control_id=control_id,
                target_id=device_id,
                start=start,
                end=end,
                requested_w=told,
                accepted_w=told,
                allocated_w=told,
                acknowledged_w=acknowledged,
                delivered_w=delivered,
                quality=Quality.BAD if delivered is None else Quality.GOOD,
            )
            for device_id, told, acknowledged, delivered in zip(self.device_ids, *columns, strict=True)
        ]


class Account:
    """One control's account. Call `sample` with what holds from now on, `close` at its end."""

    def __init__(
        self, control_id: str, target_id: str, device_ids: tuple[str, ...], now: Instant, interval_s: float
    ) -> None:
        self.control_id, self.target_id = control_id, target_id
        self.started, self.until = now, now
        self.closed = False
        self._interval_s = interval_s
        self._opened = now
        self._means = _Means()
        self._held: Sample | None = None
        self._intervals: list[PerformanceInterval] = []
        self._devices = DeviceMeans(device_ids)

    @property
    def due(self) -> Instant:
        """When the running interval ends."""
        return self._opened + self._interval_s

    def sample(self, sample: Sample | None, columns: Columns, now: Instant) -> list[PerformanceInterval]:
        """Account for the time since the last sample with what held then; finished intervals.

        A clock that was set back adds nothing; None ends the account's knowledge until the next sample.
        """
        finished = []
        seconds = max(0.0, now - self.until)
        if seconds > 0:
            self._devices.add(columns, seconds)
        while self.due <= now:
            self._hold(self.due)
            finished.append(self._cut(self.due))
        self._hold(now)
        self.until = now
        self._held = sample
        return finished

    def close(self, columns: Columns, now: Instant) -> list[PerformanceInterval]:
        """End the account: the last interval of the target, then one per device."""
        finished = self.sample(None, columns, now)
        if self.until > self._opened:
            finished.append(self._cut(self.until))
        self.closed = True
        return finished + self._devices.intervals(self.control_id, self.started, max(self.until, self.started))

    def shift_time(self, seconds: float) -> None:
        """Go on without a hole or an overlap after the clock was set."""
        self.until += seconds
        self._opened += seconds

    def latest(self) -> PerformanceInterval | None:
        """The newest interval of the target's own account, cheap enough to be asked for every second."""
        if not self.closed and self.until > self._opened:
            return self._means.interval(self.control_id, self.target_id, self._opened, self.until)
        return self._intervals[-1] if self._intervals else None

    def reports(self) -> list[PerformanceReport]:
        """The target's own report with all its intervals, then one per device."""
        own = list(self._intervals)
        if not self.closed and self.until > self._opened:
            own.append(self._means.interval(self.control_id, self.target_id, self._opened, self.until))
        devices = self._devices.intervals(self.control_id, self.started, max(self.until, self.started))
        first = PerformanceReport(control_id=self.control_id, target_id=self.target_id, intervals=tuple(own))
        return [
            first,
            *(
                PerformanceReport(control_id=self.control_id, target_id=interval.target_id, intervals=(interval,))
                for interval in devices
                if interval.target_id != self.target_id
            ),
        ]

    def _hold(self, now: Instant) -> None:
        seconds = now - max(self.until, self._opened)
        if self._held is not None and seconds > 0:
            self._means.add(self._held, seconds)
        self.until = max(self.until, now)

    def _cut(self, end: Instant) -> PerformanceInterval:
        interval = self._means.interval(self.control_id, self.target_id, self._opened, end)
        self._intervals.append(interval)
        del self._intervals[:-MOST_INTERVALS]
        self._means, self._opened = _Means(), end
        return interval
