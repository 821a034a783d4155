"""The active lists of what is no event: billing periods and overrides of supply interruption, by their interval alone.

Wakes when the next interval begins or ends. Nothing here is stored: the lists follow from their members.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served.event_clock import BACK_S
from gridiface.northbound.sep2.served.nodes import Listing
from gridiface.northbound.sep2.served.tree import Tree

#: Last part of the path of a list of intervals, and of the list of its active members.
_ACTIVE: Mapping[str, str] = {"bp": "actbp", "si": "actsi"}


class ActiveIntervals:
    """Keeps the active lists as the clock says."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._due: dict[str, float] = {}
        #: What is shown holds from `since` until `due`; whoever reads at another time lets `look` look first.
        self.since: float = -math.inf
        self.due: float = math.inf

    def next_timer(self, now: Instant) -> Instant | None:
        """When the next interval begins or ends; None: none will."""
        if now < self.since:
            return now
        return min(self._due.values(), default=None)

    def handle_timer(self, now: Instant) -> None:
        """Bring the lists that are due up to date. May be called early. A clock that was set back changes all."""
        if now < self.since:
            self.refresh_all(now)
        self.since = int(now) - BACK_S
        for path in [path for path, due in self._due.items() if due <= now]:
            self.refresh(path, now)
        self.due = min(self._due.values(), default=math.inf)

    def look(self, paths: Iterable[str], now: Instant) -> None:
        """As `EventClock.look`; these are few, so that all that are due are brought up to date."""
        self.handle_timer(now)

    def refresh(self, path: str, now: Instant) -> None:
        """Bring the active list beside the list at `path` up to date; other lists have none."""
        self._due.pop(path, None)
        active_name = _ACTIVE.get(path.rpartition("/")[2])
        listing = self._tree.listing(path)
        active = self._tree.listing(f"{path.rpartition('/')[0]}/{active_name}") if active_name is not None else None
        if listing is None or active is None:
            return
        edges = self._sort(listing, active, int(now))
        if edges:
            self._due[path] = float(min(edges))
            self.due = min(self.due, self._due[path])

    def _sort(self, listing: Listing, active: Listing, second: int) -> list[int]:
        """Put each member where it belongs; returns when that changes."""
        edges: list[int] = []
        for item in list(listing.items.values()):
            start = item.obj.interval.start
            end = start + item.obj.interval.duration
            if start <= second < end:
                self._tree.join(item, active.path)
            else:
                self._tree.leave(item, active.path)
            edges += [edge for edge in (start, end) if edge > second]
        return edges

    def refresh_all(self, now: Instant) -> None:
        """Bring all up to date; for the start."""
        for root in ("/bill", "/ppy"):
            for path in list(self._tree.below(root)):
                if path.rpartition("/")[2] in _ACTIVE:
                    self.refresh(path, now)
