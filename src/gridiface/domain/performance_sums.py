"""Performance summed over a span of time. Pure: intervals and response times in, figures out.

Every figure of a sum has its definition at `Totals`; powers are means over their intervals, so a part of an interval
counts with its part of the time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from gridiface.domain.clock import Instant
from gridiface.domain.performance import LimitAccount, PerformanceInterval, worst_quality
from gridiface.domain.response_counts import ResponseCounts
from gridiface.domain.telemetry import Quality

#: The powers of an interval whose energies are summed, in the order of `Totals`.
_POWERS = ("requested_w", "accepted_w", "allocated_w", "acknowledged_w", "delivered_w")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseTimes:
    """How long devices took to begin, s; None without any. `p95_s`: the nearest rank, 95 % took at most so long."""

    count: int
    mean_s: float | None
    median_s: float | None
    p95_s: float | None
    max_s: float | None

    @classmethod
    def of(cls, seconds: Sequence[float], counted: ResponseCounts | None = None) -> ResponseTimes:
        """The statistics of times in any order, and of those that are counted by their size."""
        if counted is not None and counted.count:
            return cls._with(seconds, counted)
        if not seconds:
            return cls(count=0, mean_s=None, median_s=None, p95_s=None, max_s=None)
        ranked = sorted(seconds)
        return cls(
            count=len(ranked),
            mean_s=fmean(ranked),
            median_s=median(ranked),
            p95_s=ranked[math.ceil(0.95 * len(ranked)) - 1],
            max_s=ranked[-1],
        )

    @classmethod
    def _with(cls, seconds: Sequence[float], counted: ResponseCounts) -> ResponseTimes:
        """Number, mean and longest are exact, the others as exact as the sizes are."""
        ranked = sorted([*((one, 1) for one in seconds), *counted.values()])
        count = len(seconds) + counted.count

        def at(place: int) -> float:
            for value, many in ranked:
                place -= many
                if place < 0:
                    return value
            return ranked[-1][0]

        return cls(
            count=count,
            mean_s=(sum(seconds) + counted.total_s) / count,
            median_s=(at((count - 1) // 2) + at(count // 2)) / 2,
            p95_s=at(math.ceil(0.95 * count) - 1),
            max_s=max([*seconds, counted.max_s]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegulationFigures:
    """How well regulation signals were followed, by hours of 10-second samples (PJM Manual 12, section 4.5).

    Attributes:
        score, correlation, delay, precision: 0 to 1; `score` is the mean of the other three.
        hours: how many hours have a score.
        samples, missing: of these hours, samples of which both powers are known, and others.
    """

    score: float
    correlation: float
    delay: float
    precision: float
    hours: int
    samples: int
    missing: int

    @classmethod
    def mean(cls, parts: Sequence[RegulationFigures]) -> RegulationFigures | None:
        """Of hours or of targets, each by its known samples; None without any."""
        samples = sum(one.samples for one in parts)
        if not samples:
            return None
        means = {
            name: sum(getattr(one, name) * one.samples for one in parts) / samples
            for name in ("score", "correlation", "delay", "precision")
        }
        hours, missing = sum(one.hours for one in parts), sum(one.missing for one in parts)
        return cls(**means, hours=hours, samples=samples, missing=missing)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFigures:
    """How the limits of controls were kept over a span.

    Attributes:
        seconds: for so long there was a limit; of several controls each for itself.
        limit_w: the bound, W, + delivered to the grid: a limit on what is taken is negative; None: they differ.
        kept: part of the measured time for which no limit was passed, 0 to 1; None where nothing was measured.
        over_s: for so long it was passed, as far as it was measured.
        excess_wh: the energy beyond it, Wh >= 0; `peak_w`: the most by which it was passed, W. Both None like `kept`.
    """

    seconds: float
    limit_w: float | None
    kept: float | None
    over_s: float | None
    excess_wh: float | None
    peak_w: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitPortion:
    """What the intervals of one target's limits come to: as `LimitFigures`, still to be added up.

    `low_w`, `high_w`: the least and the largest bound; `excess`: what is beyond it over time, W s; `judged_s`: the time
    for which it was measured.
    """

    seconds: float = 0.0
    low_w: float = math.inf
    high_w: float = -math.inf
    judged_s: float = 0.0
    excess: float = 0.0
    over_s: float = 0.0
    peak_w: float = 0.0

    @classmethod
    def of(cls, limit: LimitAccount, seconds: float, part: float, known_s: float) -> LimitPortion:
        """Of one interval, as far as it lies in a span: so many seconds, which are that part of it."""
        bounds = (math.inf, -math.inf) if limit.limit_w is None else (limit.limit_w, limit.limit_w)
        if limit.excess_w is None:
            return cls(seconds=seconds, low_w=bounds[0], high_w=bounds[1])
        return cls(
            seconds=seconds,
            low_w=bounds[0],
            high_w=bounds[1],
            judged_s=known_s,
            excess=limit.excess_w * known_s,
            over_s=(limit.over_s or 0.0) * part,
            peak_w=limit.peak_w or 0.0,
        )

    def plus(self, other: LimitPortion) -> LimitPortion:
        """Both together."""
        return LimitPortion(
            seconds=self.seconds + other.seconds,
            low_w=min(self.low_w, other.low_w),
            high_w=max(self.high_w, other.high_w),
            judged_s=self.judged_s + other.judged_s,
            excess=self.excess + other.excess,
            over_s=self.over_s + other.over_s,
            peak_w=max(self.peak_w, other.peak_w),
        )

    @property
    def figures(self) -> LimitFigures | None:
        """What it comes to; None without any time."""
        if self.seconds <= 0:
            return None
        judged = self.judged_s > 0
        return LimitFigures(
            seconds=self.seconds,
            limit_w=self.low_w if self.low_w == self.high_w else None,
            kept=max(0.0, 1.0 - self.over_s / self.judged_s) if judged else None,
            over_s=self.over_s if judged else None,
            excess_wh=self.excess / 3600 if judged else None,
            peak_w=self.peak_w if judged else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What the intervals of a span come to.

    Attributes:
        controls: how many controls have a part in it.
        seconds: the time of all intervals; controls that run side by side each count with theirs.
        requested_wh, accepted_wh, allocated_wh, acknowledged_wh, delivered_wh: net energies, + delivered to the grid:
            the mean power of each interval over its time, of delivered power over the part for which it was measured;
            None where it never is known.
        tracking_error: the energy between delivered and requested, over the energy requested, both without regard to
            sign and where both powers are known; None where nothing was requested. It is made of the means of
            intervals: within one, too much and too little cancel.
        availability: the part of `seconds` for which the delivered power was measured, 0 to 1; None without any time.
        acknowledged: the part of the allocated energy that was acknowledged, both without regard to sign, 0 to 1; None
            where nothing was allocated.
        quality: the worst of all intervals.
        responses: of the devices that began within the span.
        regulation: how well its regulation signals were followed; None without any.
        limit: how its limits were kept; None without any.
    """

    controls: int
    seconds: float
    requested_wh: float | None
    accepted_wh: float | None
    allocated_wh: float | None
    acknowledged_wh: float | None
    delivered_wh: float | None
    tracking_error: float | None
    availability: float | None
    acknowledged: float | None
    quality: Quality
    responses: ResponseTimes
    regulation: RegulationFigures | None = None
    limit: LimitFigures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """What the intervals of one target, each with its part of a span, come to.

    Attributes:
        count: how many intervals.
        seconds, known_s: their time, and the part of it for which the delivered power was measured.
        energies: of the five powers, W s, the delivered one over `known_s`; None where it never is known.
        missed, asked: |delivered - requested| and |requested| over the time for which both are known, W s.
        told, taken: |allocated| and |acknowledged| where both are known, W s.
        quality: the worst.
        limit: of its limits; None: it sets none.
    """

    count: int
    seconds: float
    known_s: float
    energies: tuple[float | None, float | None, float | None, float | None, float | None]
    missed: float
    asked: float
    told: float
    taken: float
    quality: Quality
    limit: LimitPortion | None = None


@dataclass(slots=True)
class Summed:
    """Adds up what belongs together over [start, end); `totals` may be asked at any time."""

    start: Instant
    end: Instant
    _controls: set[str] = field(default_factory=set)
    _seconds: float = 0.0
    _known_s: float = 0.0
    _energies: list[float] = field(default_factory=lambda: [0.0] * len(_POWERS))
    _met: list[bool] = field(default_factory=lambda: [False] * len(_POWERS))
    _missed: float = 0.0
    _asked: float = 0.0
    _told: float = 0.0
    _taken: float = 0.0
    _qualities: set[Quality] = field(default_factory=set)
    _responses: list[float] = field(default_factory=list)
    _limit: LimitPortion = field(default_factory=LimitPortion)
    _counted: ResponseCounts = field(default_factory=ResponseCounts)

    def add(self, interval: PerformanceInterval) -> None:
        """Count the part of an interval that lies in the span; one beside it adds nothing."""
        seconds = min(interval.end, self.end) - max(interval.start, self.start)
        if seconds <= 0:
            return
        known_s = 0.0 if interval.delivered_w is None else seconds * interval.known
        self._controls.add(interval.control_id)
        self._qualities.add(interval.quality)
        self._seconds += seconds
        self._known_s += known_s
        for at, name in enumerate(_POWERS):
            watts = getattr(interval, name)
            if watts is not None:
                self._met[at] = True
                self._energies[at] += watts * (known_s if name == "delivered_w" else seconds) / 3600
        if interval.requested_w is not None and interval.delivered_w is not None:
            self._missed += abs(interval.delivered_w - interval.requested_w) * known_s
            self._asked += abs(interval.requested_w) * known_s
        if interval.allocated_w is not None and interval.acknowledged_w is not None:
            self._told += abs(interval.allocated_w) * seconds
            self._taken += abs(interval.acknowledged_w) * seconds
        if interval.limit is not None:
            part = seconds / (interval.end - interval.start)
            self._limit = self._limit.plus(LimitPortion.of(interval.limit, seconds, part, known_s))

    def put(self, control_id: str, portion: Portion) -> None:
        """Count what a control's intervals come to within the span."""
        self._controls.add(control_id)
        self._qualities.add(portion.quality)
        self._seconds += portion.seconds
        self._known_s += portion.known_s
        for at, energy in enumerate(portion.energies):
            if energy is not None:
                self._met[at] = True
                self._energies[at] += energy / 3600
        self._missed += portion.missed
        self._asked += portion.asked
        self._told += portion.told
        self._taken += portion.taken
        if portion.limit is not None:
            self._limit = self._limit.plus(portion.limit)

    def responded(self, seconds: float) -> None:
        """Count one device's response time."""
        self._responses.append(seconds)

    def took(self, responses: ResponseCounts) -> None:
        """Count the response times of one device to many signals."""
        self._counted.merge(responses)

    @property
    def empty(self) -> bool:
        """Whether no interval lies in the span."""
        return not self._controls

    def totals(self) -> Totals:
        """What it comes to so far."""
        found = [wh if met else None for wh, met in zip(self._energies, self._met, strict=True)]
        return Totals(
            controls=len(self._controls),
            seconds=self._seconds,
            requested_wh=found[0],
            accepted_wh=found[1],
            allocated_wh=found[2],
            acknowledged_wh=found[3],
            delivered_wh=found[4],
            tracking_error=_over(self._missed, self._asked),
            availability=_over(self._known_s, self._seconds),
            acknowledged=_over(self._taken, self._told),
            quality=worst_quality(self._qualities),
            responses=ResponseTimes.of(self._responses, self._counted),
            limit=self._limit.figures,
        )


def _over(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
