"""What the resources of our VEN used, interval by interval, durably: the source of history reports.

Owns the integration of the fleet's power over fixed intervals and the documents that hold them, one per resource and
day. An interval that was not watched as a whole says so by its quality. Does not own any report.
"""

from __future__ import annotations

import bisect
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import FleetView
from gridiface.domain.telemetry import Quality
from gridiface.northbound.openadr.settings import ResourceSettings
from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD, QUALITY_GOOD
from gridiface.protocols.openadr.ven import Sample

_PREFIX = "history/"
_DAY_S = 86_400
#: A look is worth at most so long: what lies further back was not watched, s.
_MOST_LOOK_S = 5.0
#: Parts of an interval that were watched, for a good and for an uncertain value.
_WHOLE, _SOME = 0.95, 0.5
UNCERTAIN = "Quality Uncertain - Sub Normal"
_USABLE = frozenset({Quality.GOOD, Quality.ESTIMATED, Quality.SUBSTITUTED})

Row = tuple[int, float, float]  # start, mean W (+ delivered), part of the interval that was watched


@dataclass(slots=True)
class _Open:
    """The interval that runs."""

    start: int
    joules: float = 0.0
    watched: float = 0.0


@dataclass(slots=True)
class _Kept:
    """One resource."""

    rows: list[Row] = field(default_factory=list)
    open: _Open | None = None
    looked: Instant | None = None
    watts: float | None = None


class FleetHistory:
    """Means and energies of each resource over intervals of fixed length.

    Args:
        space: of the VEN's documents.
        resources: what is watched.
        fleet: where snapshots are.
        period_s: length of an interval; intervals begin at multiples of it since 1970.
        keep_s: how far back is kept.
    """

    def __init__(
        self,
        space: str,
        resources: Sequence[ResourceSettings],
        fleet: FleetView,
        *,
        period_s: int,
        keep_s: int,
    ) -> None:
        self._space = space
        self._resources = {resource.resource: resource for resource in resources}
        self._fleet = fleet
        self.period_s = period_s
        self._keep_s = keep_s
        self._kept = {name: _Kept() for name in self._resources}
        self._dirty: set[tuple[str, int]] = set()
        self._gone: set[tuple[str, int]] = set()

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart."""
        for key in sorted(documents):
            name, _, day = key.removeprefix(_PREFIX).rpartition("/")
            if key.startswith(_PREFIX) and name in self._kept and day.isdigit():
                self._kept[name].rows += [(int(s), float(w), float(p)) for s, w, p in json.loads(documents[key])]

    def look(self, now: Instant) -> None:
        """Take the present in; call it every second or so."""
        for name, resource in self._resources.items():
            kept = self._kept[name]
            # A clock that was set back goes on from where it is: what lies ahead of it was never.
            if kept.looked is not None and now > kept.looked:
                self._add(name, kept, max(kept.looked, now - _MOST_LOOK_S), now)
            kept.looked = now
            snapshot = self._fleet.snapshot(resource.target)
            usable = snapshot is not None and snapshot.quality in _USABLE
            kept.watts = snapshot.w if snapshot is not None and usable else None

    def changes(self) -> list[Change]:
        """What is to be stored since the last call."""
        dirty, self._dirty = self._dirty, set()
        gone, self._gone = self._gone, set()
        made: list[Change] = [
            PutDocument(
                self._space,
                f"{_PREFIX}{name}/{day}",
                json.dumps([row for row in self._kept[name].rows if row[0] // _DAY_S == day]).encode(),
            )
            for name, day in sorted(dirty - gone)
        ]
        return [*made, *(DeleteDocument(self._space, f"{_PREFIX}{name}/{day}") for name, day in sorted(gone))]

    def between(self, resource: str, unit: Literal["W", "Wh"], start: float, end: float) -> list[Sample]:
        """The intervals that lie wholly in [start, end): mean power or energy, + consumption unless configured so."""
        kept, settings = self._kept[resource], self._resources[resource]
        first = bisect.bisect_left(kept.rows, start, key=lambda row: row[0])
        last = bisect.bisect_right(kept.rows, end - self.period_s, key=lambda row: row[0])
        sign = 1.0 if settings.generation_positive else -1.0
        hours = self.period_s / 3600 if unit == "Wh" else 1.0
        return [
            Sample(at=float(at), value=sign * mean * hours + 0.0, quality=_quality(part), duration=self.period_s)
            for at, mean, part in kept.rows[first:last]
        ]

    def _add(self, name: str, kept: _Kept, begin: Instant, end: Instant) -> None:
        """The power of the last look held from `begin` to `end`."""
        while begin < end:
            start = int(begin // self.period_s) * self.period_s
            if kept.open is None:
                kept.open = _Open(start)
            elif kept.open.start != start:
                self._close(name, kept, kept.open, start)
                kept.open = _Open(start)
            until = min(end, float(start + self.period_s))
            if kept.watts is not None:
                kept.open.joules += kept.watts * (until - begin)
                kept.open.watched += until - begin
            if until == start + self.period_s:
                self._close(name, kept, kept.open, int(until))
                kept.open = None
            begin = until

    def _close(self, name: str, kept: _Kept, done: _Open, following: int) -> None:
        at = bisect.bisect_left(kept.rows, done.start, key=lambda row: row[0])
        known = kept.rows[at : at + 1]
        same = bool(known) and known[0][0] == done.start
        if same and known[0][2] * self.period_s >= done.watched:
            return  # It was begun before a restart, or the clock went back: the better one of two stays.
        mean = done.joules / done.watched if done.watched else 0.0
        kept.rows[at : at + same] = [(done.start, mean, done.watched / self.period_s)]
        self._dirty.add((name, done.start // _DAY_S))
        oldest = following - self._keep_s
        old = [row for row in kept.rows if row[0] < oldest]
        if old:
            del kept.rows[: len(old)]
            left = {row[0] // _DAY_S for row in kept.rows}
            self._gone |= {(name, row[0] // _DAY_S) for row in old if row[0] // _DAY_S not in left}


def _quality(part: float) -> str:
    if part >= _WHOLE:
        return QUALITY_GOOD
    return UNCERTAIN if part >= _SOME else QUALITY_BAD
