"""Recorded values of data points, from which reports are made.

Owns a bounded memory per data point and the choice of the value for an instant. A shell with a store of its own may
bring another SampleSource.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from gridiface.protocols.openadr.payloads.stream import (
    QUALITY_BAD,
    QUALITY_GOOD,
    OadrPayloadResourceStatus,
)
from gridiface.protocols.openadr.reports import ReportValue

PREVIOUS_USED = "No New Value - Previous Value Used"
_LEAST_KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A value at an instant; `duration` seconds where it speaks of the time after it."""

    at: float
    value: float | None = None
    status: OadrPayloadResourceStatus | None = None
    feed: bytes | None = None
    quality: str = QUALITY_GOOD
    duration: int | None = None


class SampleSource(Protocol):
    """Where values come from."""

    def at(self, specifier: str, rid: str, instant: float) -> Sample | None:
        """The last sample at `instant` or before."""
        ...

    def between(self, specifier: str, rid: str, start: float, end: float) -> Sequence[Sample]:
        """All samples with start <= at < end, oldest first."""
        ...


class SampleMemory:
    """Samples in memory, the newest `most` (at least 100) of each data point."""

    def __init__(self, most: int = 4096) -> None:
        self._most = max(most, _LEAST_KEPT)
        self._samples: dict[tuple[str, str], list[Sample]] = {}

    def record(self, specifier: str, rid: str, sample: Sample) -> None:
        """Keep a sample; one of the same instant is replaced, late ones go to their place."""
        kept = self._samples.setdefault((specifier, rid), [])
        place = bisect.bisect_left(kept, sample.at, key=lambda s: s.at)
        if place < len(kept) and kept[place].at == sample.at:
            kept[place] = sample
        else:
            kept.insert(place, sample)
        if len(kept) > self._most:
            del kept[0]

    def at(self, specifier: str, rid: str, instant: float) -> Sample | None:
        """As SampleSource.at."""
        kept = self._samples.get((specifier, rid), [])
        place = bisect.bisect_right(kept, instant, key=lambda s: s.at)
        return kept[place - 1] if place else None

    def between(self, specifier: str, rid: str, start: float, end: float) -> Sequence[Sample]:
        """As SampleSource.between."""
        kept = self._samples.get((specifier, rid), [])
        first = bisect.bisect_left(kept, start, key=lambda s: s.at)
        last = bisect.bisect_left(kept, end, key=lambda s: s.at)
        return kept[first:last]


def coarser(samples: Sequence[Sample], start: float, granularity: int, *, additive: bool) -> list[Sample]:
    """Samples of numbers put together to one for each `granularity` seconds from `start` on, the worst quality first.

    Args:
        samples: oldest first, each with its duration.
        start: where the first new interval begins.
        granularity: seconds; samples that are as long already stay as they are.
        additive: sums instead of means.
    """
    if granularity <= 0 or not samples or any((sample.duration or 0) >= granularity for sample in samples):
        return list(samples)
    groups: dict[int, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(math.floor((sample.at - start) / granularity), []).append(sample)
    made = []
    for number, members in groups.items():
        whole = sum(sample.value or 0.0 for sample in members)
        made.append(
            Sample(
                at=start + number * granularity,
                value=whole if additive else whole / len(members),
                quality=max((sample.quality for sample in members), key=_badness),
                duration=granularity,
            )
        )
    return made


def _badness(quality: str) -> int:
    order = ("Quality Good", "Quality Limit", "Quality Uncertain", "No New Value", "Quality Bad", "No Quality")
    return next((place for place, start in enumerate(order) if quality.startswith(start)), len(order))


def at_least_apart(samples: Sequence[Sample], period: float) -> list[Sample]:
    """Those of `samples`, oldest first, that lie at least `period` seconds after the one before (rule 317)."""
    kept: list[Sample] = []
    for sample in samples:
        if not kept or sample.at - kept[-1].at >= period:
            kept.append(sample)
    return kept


def same(one: Sample, other: Sample) -> bool:
    """Whether two samples say the same at different times."""
    return replace(one, at=other.at) == other


def value_of(rid: str, sample: Sample) -> ReportValue:
    """A sample as it is reported."""
    return ReportValue(
        rid=rid,
        start=sample.at,
        duration=sample.duration,
        value=sample.value,
        status=sample.status,
        feed=sample.feed,
        quality=sample.quality,
    )


def value_at(
    rid: str, sample: Sample | None, instant: float, granularity: int, *, is_status: bool, duration: int | None
) -> ReportValue:
    """The value of a data point at an instant; an old one says so, a missing one is a placeholder (rule 318)."""
    if sample is None or (sample.value is None and sample.status is None):
        status = OadrPayloadResourceStatus(oadrOnline=False, oadrManualOverride=False) if is_status else None
        value = None if is_status else 0.0
        return ReportValue(rid=rid, start=instant, duration=duration, value=value, status=status, quality=QUALITY_BAD)
    stale = granularity > 0 and instant - sample.at > granularity and sample.quality == QUALITY_GOOD
    return ReportValue(
        rid=rid,
        start=instant,
        duration=duration,
        value=sample.value,
        status=sample.status,
        quality=PREVIOUS_USED if stale else sample.quality,
    )
