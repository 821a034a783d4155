"""The account of each running control: requested, accepted, allocated, acknowledged, delivered, per interval.

Values hold from one sample to the next; an interval's figure is the time-weighted mean over it. Scores and settlement
of finished events are made in `settlement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import IntArray, span
from gridiface.aggregation.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.performance import PerformanceInterval, PerformanceReport, worst_quality
from gridiface.domain.telemetry import Quality

#: Most intervals kept in memory for one control; older ones are in the store.
MOST_INTERVALS = 20_000


#: What makes the intervals of an account's devices, one after the other.
Lines = Callable[[], Iterator[PerformanceInterval]]

#: Devices whose intervals are worked out together, as they are asked for.
_PART = 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One moment of a control on its own target; W, None = not known. `devices`: rows with lines of their own."""

    requested_w: float | None
    accepted_w: float | None
    allocated_w: float | None
    acknowledged_w: float | None
    delivered_w: float | None
    quality: Quality
    devices: IntArray | None = None

    @property
    def values(self) -> tuple[float | None, ...]:
        """The five powers in order."""
        return (self.requested_w, self.accepted_w, self.allocated_w, self.acknowledged_w, self.delivered_w)


@dataclass(slots=True)
class _Means:
    """Time-weighted sums of the five powers; a power that was unknown for a while is the mean of the rest."""

    sums: list[float] = field(default_factory=lambda: [0.0] * 5)
    times: list[float] = field(default_factory=lambda: [0.0] * 5)
    counted: float = 0.0
    qualities: set[Quality] = field(default_factory=set)

    def add(self, sample: Sample, seconds: float) -> None:
        for at, value in enumerate(sample.values):
            if value is not None:
                self.sums[at] += value * seconds
                self.times[at] += seconds
        self.counted += seconds
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
            known=_part(self.times[4], self.counted),
        )


def _part(seconds: float, whole: float) -> float:
    """A part of a time, 0 to 1; what is missing by rounding alone is not missing."""
    return 0.0 if whole <= 0 else 1.0 if seconds >= whole * (1 - 1e-6) else seconds / whole


class DeviceMeans:
    """Means of allocated, acknowledged and delivered power of each device, over the time for which the target held it.

    What was held last counts until the next `hold`, as in the target's own account: so the devices' energies sum up to
    the target's. Who joins late or leaves early has a line for that time; who is not heard delivers nothing known.
    """

    def __init__(self) -> None:
        self._ids: npt.NDArray[np.object_] = np.empty(0, dtype=np.object_)
        self._sums, self._times = np.empty((3, 0)), np.empty((3, 0))
        self._since, self._until, self._counted = np.empty(0), np.empty(0), np.empty(0)
        self._rows: IntArray | None = None
        self._places: IntArray | slice = slice(0, 0)
        self._held = np.empty((3, 0))

    def add(self, seconds: float, until: Instant) -> None:
        """What was held counts for so many seconds, which end now."""
        places = self._places
        if not self._held.size:
            return
        known = np.isfinite(self._held)
        self._sums[:, places] += np.where(known, self._held, 0.0) * seconds
        self._times[:, places] += known * seconds
        self._counted[places] += seconds
        self._until[places] = until

    def hold(self, columns: Columns, rows: IntArray | None, now: Instant) -> None:
        """The present values of `rows` count from now on. The same array stands for the same devices."""
        if rows is None or not rows.size:
            self._held = np.empty((3, 0))
            return
        if rows is not self._rows:
            self._rows, self._places = rows, self._placed(columns.ids[rows], now)
        c, here = columns, span(rows)
        told = c.told_w[here]
        acknowledged = np.where(c.acknowledged[here] | np.isnan(told), told, 0.0)
        self._held = np.array([told, acknowledged, np.where(c.lost[here] | c.quarantined[here], np.nan, c.w[here])])

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._since += seconds
        self._until += seconds

    def _placed(self, device_ids: npt.NDArray[np.object_], now: Instant) -> IntArray | slice:
        """Where the devices' lines stand, in their order; new ones begin now."""
        first = not self._ids.size
        known = set(self._ids.tolist())
        new = device_ids if first else device_ids[[name not in known for name in device_ids.tolist()]]
        count = new.size
        self._ids = np.concatenate([self._ids, new])
        self._sums, self._times = (np.pad(one, ((0, 0), (0, count))) for one in (self._sums, self._times))
        self._since, self._until = (np.pad(one, (0, count), constant_values=now) for one in (self._since, self._until))
        self._counted = np.pad(self._counted, (0, count))
        if first:
            return slice(0, count)
        place = {name: at for at, name in enumerate(self._ids.tolist())}
        return np.array([place[name] for name in device_ids.tolist()], dtype=np.int64)

    def intervals(self, control_id: str) -> Iterator[PerformanceInterval]:
        """One interval for each device that was there for a time; made in parts, as they are asked for."""
        for first in range(0, self._ids.size, _PART):
            yield from self._part(control_id, slice(first, first + _PART))

    def _part(self, control_id: str, places: slice) -> Iterator[PerformanceInterval]:
        sums, times = self._sums[:, places], self._times[:, places]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / times
            known = np.nan_to_num(np.minimum(times[2] / self._counted[places], 1.0))
        columns = [[None if value != value else value for value in row] for row in means.tolist()]  # noqa: PLR0124 - NaN
        known[known >= 1 - 1e-6] = 1.0
        spans = (self._since[places].tolist(), self._until[places].tolist(), known.tolist())
        return (
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
                quality=Quality.BAD if delivered is None else Quality.GOOD if heard == 1 else Quality.ESTIMATED,
                known=heard,
            )
            for device_id, told, acknowledged, delivered, start, end, heard in zip(
                self._ids[places].tolist(), *columns, *spans, strict=True
            )
            if end > start
        )


class Account:
    """One control's account. Call `sample` with what holds from now on, `close` at its end."""

    def __init__(self, control_id: str, target_id: str, now: Instant, interval_s: float) -> None:
        self.control_id, self.target_id = control_id, target_id
        self.until = now
        self._interval_s = interval_s
        self._opened = now
        self._means = _Means()
        self._held: Sample | None = None
        self._intervals: list[PerformanceInterval] = []
        self._devices = DeviceMeans()

    @property
    def due(self) -> Instant:
        """When the running interval ends; infinity while none runs."""
        return math.inf if self._held is None else self._opened + self._interval_s

    def sample(self, sample: Sample | None, columns: Columns, now: Instant) -> list[PerformanceInterval]:
        """Account for the time since the last sample with what held then; finished intervals.

        A clock that was set back adds nothing. None ends the interval: what follows until the next sample is in none.
        """
        finished = []
        seconds = max(0.0, now - self.until)
        if seconds > 0:
            self._devices.add(seconds, now)
        while self.due <= now:
            self._hold(self.due)
            finished.append(self._cut(self.due))
        self._hold(now)
        self.until = now
        if self._held is None:
            self._opened = now
        elif sample is None and now > self._opened:
            finished.append(self._cut(now))
        self._held = sample
        self._devices.hold(columns, None if sample is None else sample.devices, now)
        return finished

    def close(self, columns: Columns, now: Instant) -> tuple[list[PerformanceInterval], Lines]:
        """End the account: the last interval of the target; what makes one per device."""
        return self.sample(None, columns, now), self.lines

    def lines(self) -> Iterator[PerformanceInterval]:
        """One interval for each device that was there for a time."""
        return self._devices.intervals(self.control_id)

    def shift_time(self, seconds: float) -> None:
        """Go on without a hole or an overlap after the clock was set."""
        self.until += seconds
        self._opened += seconds
        self._devices.shift_time(seconds)

    def latest(self) -> PerformanceInterval | None:
        """The newest interval of the target's own account, cheap enough to be asked for every second."""
        if self.until > self._opened:
            return self._means.interval(self.control_id, self.target_id, self._opened, self.until)
        return self._intervals[-1] if self._intervals else None

    def reports(self) -> list[PerformanceReport]:
        """The target's own report with all its intervals, then one per device."""
        own = list(self._intervals)
        if self.until > self._opened:
            own.append(self._means.interval(self.control_id, self.target_id, self._opened, self.until))
        first = PerformanceReport(control_id=self.control_id, target_id=self.target_id, intervals=tuple(own))
        return [
            first,
            *(
                PerformanceReport(control_id=self.control_id, target_id=interval.target_id, intervals=(interval,))
                for interval in self.lines()
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
