"""The last minutes of every group: requested, allocated, delivered, once a second, for plots that begin with a past.

Sans I/O: `sample` takes what `Status` says at `now`. Bounded in groups and in points. Powers in W, + delivered.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.operator.rows.rows import GroupRow

#: Points per group (a quarter of an hour), and groups that are kept.
KEPT, GROUPS = 900, 200

#: The three powers of one group: requested, allocated, delivered.
Powers = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class Point:
    """All groups at one moment."""

    at: Instant
    groups: dict[str, Powers]


@dataclass(slots=True)
class Trend:
    """The newest points; `sample` once a second, `columns` for a plot."""

    _points: deque[Point] = field(default_factory=lambda: deque(maxlen=KEPT))

    def sample(self, rows: Iterable[GroupRow], now: Instant) -> Point:
        """Take one point in; a clock that was set back begins anew."""
        if self._points and now <= self._points[-1].at:
            if now > self._points[-1].at - 1.0:
                return self._points[-1]
            self._points.clear()
        powers: dict[str, Powers] = {}
        for row in rows:
            if len(powers) == GROUPS:
                break
            powers[row["id"]] = (row["requested_W"], row["allocated_W"], row["delivered_W"])
        point = Point(round(now, 2), powers)
        self._points.append(point)
        return point

    @property
    def newest(self) -> Point | None:
        """The last point."""
        return self._points[-1] if self._points else None

    def columns(self, group_id: str) -> Sequence[list[float | None]]:
        """(times, requested, allocated, delivered) of one group, oldest first."""
        own = [(point.at, point.groups[group_id]) for point in self._points if group_id in point.groups]
        return [[at for at, _ in own], *([powers[which] for _, powers in own] for which in range(3))]
