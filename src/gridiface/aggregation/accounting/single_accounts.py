"""The accounts of controls of single devices, as columns: a utility may send one to each of thousands of inverters.

Sums them up as `scoring.Account` does for one control; that is what its tests compare it with. What holds comes as
`Samples`. Where thousands run, their intervals are as many times longer as keeps the rows to be recorded within
`ROWS_PER_S`; in the fast services they are not, whose scores need them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.accounting.scoring import KEEP_S, Sample
from gridiface.aggregation.accounting.single_samples import DELIVERED, REQUESTED, Samples
from gridiface.aggregation.accounting.single_spans import Kept, Spans
from gridiface.aggregation.allocate import BoolArray, FloatArray
from gridiface.aggregation.allocate.problem import IntArray
from gridiface.aggregation.deciding.arbitration import asks_power
from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, LIMIT_MODES, Control
from gridiface.domain.performance import PerformanceInterval, PerformanceReport

#: Rows of these accounts that become durable in a second.
ROWS_PER_S = 500.0

#: Rows of the figures: sums over time of the five powers, W s; for how long each was known, s; the time counted; when
#: the interval began, up to when it is counted, when it was last recorded, how long intervals are; of the limits, as
#: in `scoring`: the bound, the worst beyond it, the sum of the excess, the time known, the time over, the peak.
_SUMS, _TIMES = slice(0, 5), slice(5, 10)
_COUNTED, _OPENED, _UNTIL, _KEPT_AT, _LENGTH = 10, 11, 12, 13, 14
_LIMIT_W, _WORST_W, _EXCESS, _KNOWN_S, _OVER_S, _PEAK_W = 15, 16, 17, 18, 19, 20
_LIMITS, _FIGURES = slice(15, 21), 21

#: What holds for all of them from now on; None: ask for each by its control's id.
Look = Callable[["SingleAccounts"], Samples]
Make = Callable[[str], Sample | None]

#: The modes that set limits, in the order of `SingleAccounts.bounds`.
BOUNDS = tuple(sorted(LIMIT_MODES))

#: What is to be recorded.
Record = Spans | PerformanceInterval


@dataclass(slots=True)
class _Fresh:
    """An account that begins. `gap`: a time before it of which nothing is known; see `scoring.Account`."""

    serial: int
    control: Control
    at: Instant
    gap: PerformanceInterval | None
    latest: Instant


@dataclass(frozen=True, slots=True)
class _Closed:
    serial: int
    first: Instant


class SingleAccounts:
    """All of them that are open, and what is left of those that were.

    `controls`: those of the open ones, in the order of their columns; `edition` counts up when these change. Of each:
    `asks`, whether it asks for a power; `bounds`, its limits in the order of `BOUNDS`, NaN: none.
    """

    def __init__(self, interval_s: float, keep_finished: int) -> None:
        self._interval_s, self._keep = interval_s, keep_finished
        self.controls: list[Control] = []
        self.edition = 0
        self._place: dict[str, int] = {}
        self._fresh: dict[str, _Fresh] = {}
        self._closed: dict[str, _Closed] = {}
        self._gaps: dict[int, tuple[PerformanceInterval, Instant]] = {}
        self._led: dict[int, PerformanceInterval] = {}
        self._kept = Kept()
        self._serial = 0
        self._serials: IntArray = np.empty(0, dtype=np.int64)
        self._ids: npt.NDArray[np.object_] = np.empty((2, 0), dtype=np.object_)
        self._fast: BoolArray = np.empty(0, dtype=np.bool_)
        self._figures: FloatArray = np.empty((_FIGURES, 0))
        self._worst: npt.NDArray[np.int8] = np.empty(0, dtype=np.int8)
        self._has_limits: BoolArray = np.empty(0, dtype=np.bool_)
        self._first: FloatArray = np.empty(0)
        self._held = Samples.nothing(0)
        self.asks: BoolArray = np.empty(0, dtype=np.bool_)
        self.bounds: FloatArray = np.empty((len(BOUNDS), 0))

    def __len__(self) -> int:
        return len(self._place) + len(self._fresh)

    def __contains__(self, control_id: str) -> bool:
        return control_id in self._place or control_id in self._fresh

    def open(
        self, control: Control, now: Instant, gap: PerformanceInterval | None = None, latest: Instant = -math.inf
    ) -> None:
        """Begin the account of a control of one device."""
        self._serial += 1
        self._fresh[control.id] = _Fresh(self._serial, control, now, gap, latest)

    def sample(self, make: Make, look: Look | None, now: Instant) -> list[Record]:
        """Account for the time since the last sample with what held then; what is to be recorded."""
        if not len(self):
            return []
        self._begin()
        return self._sample(self._asked(make) if look is None else look(self), now)

    def close(self, control_ids: Collection[str], now: Instant) -> list[Record]:
        """End the accounts of some controls that have one here; their last intervals."""
        self._begin()
        places = np.array([self._place[name] for name in control_ids], dtype=np.int64)
        held = self._held.held.copy()
        held[places] = False
        for serial in self._gaps.keys() & set(self._serials[places].tolist()):
            self._gaps[serial] = self._gaps[serial][0], -math.inf
        found = self._sample(replace(self._held, held=held), now, keep=False)
        for name, serial, first in zip(
            control_ids, self._serials[places].tolist(), self._first[places].tolist(), strict=True
        ):
            self._closed[name] = _Closed(serial, first)
        while len(self._closed) > self._keep:
            self._led.pop(self._closed.pop(next(iter(self._closed))).serial, None)
        self._leave(places)
        return found

    def due(self) -> Instant:
        """When the first running interval ends or is to be recorded as it is; infinity while none runs."""
        held = self._held.held
        if not held.any():
            return math.inf
        ends, keeps = self._ends(), self._keeps()
        return float(np.minimum(ends, keeps)[held].min())

    def reports(self, control_id: str) -> list[PerformanceReport]:
        """The report of one control; empty where it has no account here."""
        self._begin()
        place, closed = self._place.get(control_id), self._closed.get(control_id)
        if place is not None:
            closed = _Closed(int(self._serials[place]), float(self._first[place]))
        if closed is None:
            return []
        serial, first = closed.serial, closed.first
        own = self._kept.of(serial)
        whole = bool(own) and own[0].start == first if math.isfinite(first) else True
        own = [*([self._led[serial]] if serial in self._led else []), *own]
        if place is not None and (running := self._under_way(place)) is not None:
            own.append(running)
        if not own:
            return []
        target_id = own[0].target_id
        return [PerformanceReport(control_id=control_id, target_id=target_id, intervals=tuple(own), whole=whole)]

    def latest(self, control_id: str) -> PerformanceInterval | None:
        """The newest interval of one control; None where it never ran, or is over for long."""
        self._begin()
        place, closed = self._place.get(control_id), self._closed.get(control_id)
        if place is not None:
            if (running := self._under_way(place)) is not None:
                return running
            closed = _Closed(int(self._serials[place]), math.nan)
        return None if closed is None else self._kept.newest(closed.serial) or self._led.get(closed.serial)

    def ids(self) -> list[str]:
        """The controls that have an open account here."""
        return [*self._place, *self._fresh]

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._begin()
        self._figures[_OPENED : _KEPT_AT + 1] += seconds
        self._gaps = {serial: (gap, latest + seconds) for serial, (gap, latest) in self._gaps.items()}

    # Columns.

    def _begin(self) -> None:
        """Give columns to those that were opened since."""
        if not self._fresh:
            return
        fresh, self._fresh = list(self._fresh.values()), {}
        self._place |= {one.control.id: len(self.controls) + at for at, one in enumerate(fresh)}
        self.controls += [one.control for one in fresh]
        self._gaps |= {one.serial: (one.gap, one.latest) for one in fresh if one.gap is not None}
        figures = np.zeros((_FIGURES, len(fresh)))
        figures[_OPENED : _KEPT_AT + 1] = [one.at for one in fresh]
        figures[_WORST_W] = -math.inf
        ids = np.empty((2, len(fresh)), dtype=np.object_)
        ids[0], ids[1] = [one.control.id for one in fresh], [one.control.target.id for one in fresh]
        self._serials = np.concatenate([self._serials, [one.serial for one in fresh]])
        self._ids = np.concatenate([self._ids, ids], axis=1)
        self._fast = np.concatenate([self._fast, [one.control.service_class in FAST for one in fresh]])
        self._figures = np.concatenate([self._figures, figures], axis=1)
        self._worst = np.concatenate([self._worst, np.zeros(len(fresh), dtype=np.int8)])
        self._has_limits = np.concatenate([self._has_limits, np.zeros(len(fresh), dtype=np.bool_)])
        self._first = np.concatenate([self._first, np.full(len(fresh), np.nan)])
        self._held = self._held.beside(Samples.nothing(len(fresh)))
        self.asks = np.concatenate([self.asks, [asks_power(one.control.values) for one in fresh]])
        self.bounds = np.concatenate([self.bounds, np.array([_bounds(one.control) for one in fresh]).T], axis=1)
        self._resized()

    def _leave(self, places: IntArray) -> None:
        """Take columns out."""
        stays = np.ones(len(self.controls), dtype=np.bool_)
        stays[places] = False
        self.controls = [control for control, stay in zip(self.controls, stays.tolist(), strict=True) if stay]
        self._place = {control.id: place for place, control in enumerate(self.controls)}
        self._serials, self._ids, self._fast = self._serials[stays], self._ids[:, stays], self._fast[stays]
        self._figures, self._worst = self._figures[:, stays], self._worst[stays]
        self._has_limits, self._first = self._has_limits[stays], self._first[stays]
        self.asks, self.bounds = self.asks[stays], self.bounds[:, stays]
        self._held = self._held.of(stays)
        self._resized()

    def _resized(self) -> None:
        self.edition += 1
        times = math.ceil(int((~self._fast).sum()) / (ROWS_PER_S * self._interval_s))
        self._figures[_LENGTH] = self._interval_s * np.where(self._fast, 1, max(times, 1))

    # Time.

    def _ends(self) -> FloatArray:
        f = self._figures
        ends: FloatArray = np.maximum(f[_OPENED] + f[_LENGTH], f[_UNTIL])
        return ends

    def _keeps(self) -> FloatArray:
        f = self._figures
        keeps: FloatArray = np.maximum(f[_KEPT_AT], f[_OPENED]) + max(KEEP_S, len(self.controls) / ROWS_PER_S)
        return keeps

    def _asked(self, make: Make) -> Samples:
        found = Samples.nothing(len(self.controls))
        for place, control in enumerate(self.controls):
            found.put(place, make(control.id))
        return found

    def _sample(self, samples: Samples, now: Instant, *, keep: bool = True) -> list[Record]:
        found: list[Record] = [*self._filled(samples.held, now)]
        while (over := np.flatnonzero(self._held.held & (self._figures[_OPENED] + self._figures[_LENGTH] <= now))).size:
            ends = self._ends()[over]
            self._hold(over, ends)
            found.append(self._cut(over, ends))
        everyone = np.arange(len(self.controls))
        self._hold(everyone, np.full(everyone.size, now))
        f, held = self._figures, self._held.held
        f[_OPENED, ~held] = now
        asks = np.isfinite(samples.values[REQUESTED]) == np.isfinite(self._held.values[REQUESTED])
        stops = np.flatnonzero(held & ~(samples.held & asks) & (now > f[_OPENED]))
        if stops.size:
            found.append(self._cut(stops, np.full(stops.size, now)))
        kept = np.flatnonzero(held & samples.held & (now >= self._keeps()))
        if keep and kept.size:
            found.append(self._spans(kept, np.full(kept.size, now)))
            f[_KEPT_AT, kept] = now
        f[_UNTIL] = now
        self._held = samples
        return found

    def _filled(self, holds: BoolArray, now: Instant) -> list[PerformanceInterval]:
        """The gaps before accounts began, once it is known how long they are."""
        found = []
        for serial, (gap, latest) in list(self._gaps.items()):
            place = int(np.searchsorted(self._serials, serial))
            if not holds[place] and now < latest:
                continue
            del self._gaps[serial]
            heard = bool(holds[place] and not self._held.held[place] and gap.end < now <= latest)
            self._led[serial] = replace(gap, end=now) if heard else gap
            found.append(self._led[serial])
        return found

    def _hold(self, places: IntArray, until: FloatArray) -> None:
        """What was held counts up to these instants."""
        f, held = self._figures, self._held
        seconds = until - np.maximum(f[_UNTIL, places], f[_OPENED, places])
        f[_UNTIL, places] = np.maximum(f[_UNTIL, places], until)
        counts = held.held[places] & (seconds > 0)
        if not counts.all():
            places, seconds = places[counts], seconds[counts]
        values = held.values[:, places]
        known = np.isfinite(values)
        f[_SUMS, places] += np.where(known, values, 0.0) * seconds
        f[_TIMES, places] += known * seconds
        f[_COUNTED, places] += seconds
        self._worst[places] = np.maximum(self._worst[places], held.trust[places])
        self._hold_limits(places, seconds)

    def _hold_limits(self, places: IntArray, seconds: FloatArray) -> None:
        held, f = self._held, self._figures
        limited = held.limited[places]
        if not limited.any():
            return
        places, seconds = places[limited], seconds[limited]
        new = places[~self._has_limits[places]]
        f[_LIMIT_W, new], self._has_limits[new] = held.limit_w[new], True
        known = np.isfinite(held.beyond_w[places])
        places, seconds = places[known], seconds[known]
        beyond, excess = held.beyond_w[places], held.excess_w[places]
        worse = places[beyond > f[_WORST_W, places]]
        f[_LIMIT_W, worse], f[_WORST_W, worse] = held.limit_w[worse], held.beyond_w[worse]
        f[_KNOWN_S, places] += seconds
        f[_EXCESS, places] += excess * seconds
        f[_OVER_S, places] += np.where(excess > 0, seconds, 0.0)
        f[_PEAK_W, places] = np.maximum(f[_PEAK_W, places], excess)

    def _cut(self, places: IntArray, ends: FloatArray) -> Spans:
        """End the intervals of some; others begin."""
        spans, f = self._spans(places, ends), self._figures
        self._first[places] = np.where(np.isfinite(self._first[places]), self._first[places], spans.start)
        self._kept.add(spans)
        f[:_OPENED, places] = 0.0
        f[_OPENED, places] = ends
        f[_LIMITS, places] = 0.0
        f[_WORST_W, places] = -math.inf
        self._worst[places], self._has_limits[places] = 0, False
        return spans

    def _spans(self, places: IntArray, ends: FloatArray) -> Spans:
        """The intervals under way of some, as they are."""
        f = self._figures[:, places]
        times, counted, judged = f[_TIMES], f[_COUNTED], f[_KNOWN_S]
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.where(times > 0, f[_SUMS] / times, np.nan)
            known = np.where(times[DELIVERED] >= counted * (1 - 1e-6), 1.0, times[DELIVERED] / counted)
            excess = f[_EXCESS] / judged
        known[counted <= 0] = 0.0
        limits = np.where(judged > 0, [f[_LIMIT_W], excess, f[_OVER_S], f[_PEAK_W]], np.nan)
        limits[0] = f[_LIMIT_W]
        controls, targets = self._ids[:, places]
        return Spans(
            self._serials[places],
            controls,
            targets,
            f[_OPENED],
            ends,
            means,
            self._worst[places],
            known,
            self._has_limits[places],
            limits,
        )

    def _under_way(self, place: int) -> PerformanceInterval | None:
        until = self._figures[_UNTIL, place]
        if until <= self._figures[_OPENED, place]:
            return None
        return next(self._spans(np.array([place]), np.array([until])).intervals())


def _bounds(control: Control) -> list[float]:
    return [control.values[mode].value if mode in control.values else math.nan for mode in BOUNDS]
