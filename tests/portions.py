"""What a store makes of intervals over a span, worked out plainly, for fakes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.performance_sums import LimitPortion, Portion


def portions(
    intervals: Iterable[PerformanceInterval], start: float = 0.0, end: float = 1e9
) -> Iterator[tuple[str, Portion]]:
    """Each interval that overlaps [start, end) as a portion of its target. All its powers must be known."""
    for one in intervals:
        seconds = min(one.end, end) - max(one.start, start)
        if seconds <= 0:
            continue
        powers = (one.requested_w, one.accepted_w, one.allocated_w, one.acknowledged_w)
        asked, _, told, taken = (watts * seconds for watts in powers if watts is not None)
        assert one.requested_w is not None
        assert one.delivered_w is not None
        known_s = seconds * one.known
        yield (
            one.target_id,
            Portion(
                count=1,
                seconds=seconds,
                known_s=known_s,
                energies=(asked, one.accepted_w and one.accepted_w * seconds, told, taken, one.delivered_w * known_s),
                missed=abs(one.delivered_w - one.requested_w) * known_s,
                asked=abs(one.requested_w) * known_s,
                told=abs(told),
                taken=abs(taken),
                quality=one.quality,
                limit=None
                if one.limit is None
                else LimitPortion.of(one.limit, seconds, seconds / (one.end - one.start), known_s),
            ),
        )
