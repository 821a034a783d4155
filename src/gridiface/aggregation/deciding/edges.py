"""When controls start and end: each edge comes once, whatever the clock does.

Of controls of single devices thousands may come in the same second. These are let come in parts, so that a signal of a
fast service that is due in the meantime does not wait for all of them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator

from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Control, TargetKind

#: Starts and ends of controls of single devices that come at once: some 60 ms of work.
AT_ONCE = 1_000

#: When a control starts (0) or ends (1), and which.
_Edge = tuple[Instant, int, str]


class Edges:
    """Those of one engine's controls."""

    def __init__(self) -> None:
        self._edges: list[_Edge] = []
        self._many: list[_Edge] = []

    def add(self, control: Control) -> None:
        """The start and the end of a control, where it has one."""
        many = control.target.kind is TargetKind.DEVICE and control.service_class not in FAST
        edges = self._many if many else self._edges
        for number, edge in enumerate((control.span.start, control.span.end)):
            if edge < float("inf"):
                heapq.heappush(edges, (edge, number, control.id))

    def due(self, now: Instant) -> Iterator[str]:
        """The controls that start or end until `now`; what is left of them is due with the next call."""
        while self._edges and self._edges[0][0] <= now:
            yield heapq.heappop(self._edges)[2]
        left = AT_ONCE
        while left and self._many and self._many[0][0] <= now:
            left -= 1
            yield heapq.heappop(self._many)[2]

    def next(self, matters: Callable[[str], bool]) -> Instant | None:
        """The first edge of a control that still matters; None: there is none."""
        found = [self._first(edges, matters) for edges in (self._edges, self._many)]
        return min((edge for edge in found if edge is not None), default=None)

    @staticmethod
    def _first(edges: list[_Edge], matters: Callable[[str], bool]) -> Instant | None:
        while edges:
            if matters(edges[0][2]):
                return edges[0][0]
            heapq.heappop(edges)
        return None
