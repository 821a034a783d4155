"""Requested against delivered, per interval, device and group. Pure values and their sums.

Energy is integrated from power by the trapezoid of successive samples; powers here are time-weighted means over
the interval they belong to. All powers + delivered to the grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gridiface.domain.clock import Instant
from gridiface.domain.response_counts import ResponseCounts
from gridiface.domain.telemetry import Quality
from gridiface.domain.values import often_made

#: A device's line in the fast services, whose controls follow each other every few seconds, goes on over those of one
#: program for so long at most, s. It is under the id of the control with which it began.
LONGEST_LINE_S = 900.0


@often_made
class LimitAccount:
    """How the limits of a control were kept over an interval: of several the one that is passed most, at each moment.

    `limit_w`: the bound that was passed most, or came nearest to it, W, + delivered to the grid (a limit on what is
    taken is negative); None: of several intervals, whose bounds differ. Over the time for which it was measured:
    `excess_w` the mean by which it was passed, W >= 0; `over_s` for how long it was; `peak_w` the most. Up to 0.5 % of
    a limit and 10 W beyond it are not counted. None = not measured.
    """

    limit_w: float | None
    excess_w: float | None = None
    over_s: float | None = None
    peak_w: float | None = None


#: The figures of a `LimitAccount`, in order.
LIMIT_FIGURES = ("limit_w", "excess_w", "over_s", "peak_w")


@often_made
class PerformanceInterval:
    """What was asked of a target over [start, end), and what came of it.

    `requested_w` by the sender; `accepted_w` what the engine promised; `allocated_w` the sum of set-points;
    `acknowledged_w` the part whose delivery was acknowledged; `delivered_w` measured. None = nothing known.
    `known`: the part of the time for which it was measured, 0 to 1; `delivered_w` is the mean over that part.
    `reason`: why nothing is known of all of it, for people; empty: it was accounted for.
    `limit`: how the control's limits were kept; None: it sets none. Of a control of limits alone, and while another one
    rules in the place of its set-point, `delivered_w` is the power that they bound. `responses`: of a device's line in
    the fast services, how long it took to take each signal.
    """

    control_id: str
    target_id: str
    start: Instant
    end: Instant
    requested_w: float | None
    accepted_w: float | None
    allocated_w: float | None
    acknowledged_w: float | None
    delivered_w: float | None
    quality: Quality = Quality.GOOD
    known: float = 1.0
    reason: str = ""
    limit: LimitAccount | None = None
    responses: ResponseCounts | None = None

    @property
    def tracking_error(self) -> float | None:
        """|delivered - requested| as a fraction of |requested|; None where either is unknown or nothing was asked."""
        if self.requested_w is None or self.delivered_w is None or self.requested_w == 0:
            return None
        return abs(self.delivered_w - self.requested_w) / abs(self.requested_w)


@dataclass(frozen=True, slots=True, kw_only=True)
class PerformanceReport:
    """The account of one control on one target.

    `whole`: False where it has lost its oldest intervals, which are in the store alone.
    """

    control_id: str
    target_id: str
    intervals: tuple[PerformanceInterval, ...]
    whole: bool = True

    def mean(self, field: str, *, start: Instant | None = None, end: Instant | None = None) -> float | None:
        """Time-weighted mean of one of the `*_w` fields over the intervals inside [start, end); None if unknown.

        What was delivered weighs by the time for which it is known. Of a control that asks for a power the time does
        not count in which another one ruled in its place and its limits alone were kept.
        """
        asks = any(one.requested_w is not None for one in self.intervals)
        chosen = [
            ((i.end - i.start) * (i.known if field == "delivered_w" else 1.0), value)
            for i in self.intervals
            if (start is None or i.start >= start)
            and (end is None or i.end <= end)
            and not (asks and i.requested_w is None)
            and (value := getattr(i, field)) is not None
        ]
        total = sum(weight for weight, _ in chosen)
        return None if total <= 0 else sum(weight * value for weight, value in chosen) / total

    @property
    def limit(self) -> LimitAccount | None:
        """How the limits were kept over all of it; None: there are none."""
        found = [(one, one.limit) for one in self.intervals if one.limit is not None]
        if not found:
            return None
        bounds = {limit.limit_w for _, limit in found}
        limit_w = bounds.pop() if len(bounds) == 1 else None
        judged = [((one.end - one.start) * one.known, limit) for one, limit in found if limit.excess_w is not None]
        known_s = sum(length for length, _ in judged)
        if known_s <= 0:
            return LimitAccount(limit_w=limit_w)
        return LimitAccount(
            limit_w=limit_w,
            excess_w=sum(length * (one.excess_w or 0.0) for length, one in judged) / known_s,
            over_s=sum(one.over_s or 0.0 for _, one in judged),
            peak_w=max(one.peak_w or 0.0 for _, one in judged),
        )

    @property
    def known(self) -> float | None:
        """The part of the time of all intervals for which `delivered_w` was measured, 0 to 1; None without any."""
        total = sum(i.end - i.start for i in self.intervals)
        return None if total <= 0 else sum((i.end - i.start) * i.known for i in self.intervals) / total


def energy_wh(samples: Sequence[tuple[Instant, float]]) -> float:
    """Energy under (time, W) samples in time order, by trapezoids, Wh; 0 for fewer than two samples."""
    joules = 0.0
    for (t0, w0), (t1, w1) in pairwise(samples):
        joules += (t1 - t0) * (w0 + w1) / 2
    return joules / 3600.0


#: Qualities from the most trustworthy to the least.
TRUST = (Quality.GOOD, Quality.ESTIMATED, Quality.STALE, Quality.SUBSTITUTED, Quality.BAD)


def worst_quality(qualities: Iterable[Quality]) -> Quality:
    """The least trustworthy of several; GOOD for none."""
    return max(qualities, key=TRUST.index, default=Quality.GOOD)
