"""Energy counters: Wh and varh of a target, counted from its power, and their durable form. Pure.

Each period counts the power that was known at its begin. Where the telemetry was lost, nothing is counted: a counter
never tells of energy that nobody saw. What was counted since it was last kept is lost when the process is killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.northbound.dnp3.pointmap.meanings import Measure

SPACE = "dnp3.energy"
KEEP_EVERY_S = 60.0
_LONGEST_S = 60.0
_HOUR = 3600.0
_WRAPS = 2**32
_KINDS = (Measure.ENERGY_OUT, Measure.ENERGY_IN, Measure.REACTIVE_OUT, Measure.REACTIVE_IN)


class EnergyCounters:
    """The counters of one outstation.

    Args:
        station: its name.
        targets: what is counted.
    """

    def __init__(self, station: str, targets: Iterable[Target]) -> None:
        self._station = station
        self._counts: dict[Target, list[float]] = {target: [0.0] * len(_KINDS) for target in targets}
        self._last: dict[Target, tuple[Instant, float, float]] = {}
        self._kept_at: Instant | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """What is counted."""
        return tuple(self._counts)

    def count(self, target: Target, snapshot: Snapshot | None, now: Instant) -> None:
        """The power of a target as it is now; the time since the last call counts with the power of then."""
        before = self._last.pop(target, None)
        if before is not None and 0 < now - before[0] <= _LONGEST_S:
            hours = (now - before[0]) / _HOUR
            counts = self._counts[target]
            for at, amount in ((0, before[1]), (2, before[2])):
                counts[at if amount > 0 else at + 1] += abs(amount) * hours
        if snapshot is not None and snapshot.quality is not Quality.BAD and snapshot.w is not None:
            self._last[target] = now, snapshot.w, snapshot.var or 0.0

    def clock_set(self, seconds: float) -> None:
        """The wall clock was set by so much: what passed since the last call counts as long as it was."""
        self._last = {target: (at + seconds, w, var) for target, (at, w, var) in self._last.items()}
        if self._kept_at is not None:
            self._kept_at += seconds

    def value(self, target: Target, measure: Measure) -> float | None:
        """What a counter shows, whole Wh or varh; it begins anew after 2**32."""
        counts = self._counts.get(target)
        return None if counts is None else float(int(counts[_KINDS.index(measure)]) % _WRAPS)

    def due(self, now: Instant) -> bool:
        """Whether the counts are to be kept; the first time is a period after the first call."""
        if self._kept_at is None or now < self._kept_at:
            self._kept_at = now
        return bool(self._counts) and now - self._kept_at >= KEEP_EVERY_S

    def document(self, now: Instant) -> PutDocument:
        """The counts, to be kept."""
        self._kept_at = now
        body = {f"{target.kind.value}/{target.id}": counts for target, counts in self._counts.items()}
        return PutDocument(SPACE, self._station, json.dumps(body, sort_keys=True).encode())

    def load(self, documents: Iterable[Document]) -> None:
        """Go on from what was kept; what cannot be read counts from 0."""
        for document in documents:
            if document.space != SPACE or document.key != self._station:
                continue
            try:
                body = json.loads(document.body)
                for target in self._counts:
                    found = body.get(f"{target.kind.value}/{target.id}")
                    if found is not None:
                        self._counts[target] = [max(0.0, float(number)) for number in found][: len(_KINDS)]
            except (ValueError, TypeError, AttributeError):
                return
