"""The local schedule at work: which windows are open, as claims that stand in last of all. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from gridiface.aggregation.deciding.arbitration import Claim, claims_of
from gridiface.domain.clock import Instant, Interval
from gridiface.domain.controls import Control, Source, Target
from gridiface.domain.local_time import window_at
from gridiface.domain.schedule import LocalSchedule

#: The protocol name of what the local schedule says.
PROTOCOL = "schedule"

#: All windows of a line.
ALWAYS = Interval(0.0, None)


class Schedules:
    """All lines of the local schedule and the controls that stand for those whose window is open."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._lines: tuple[LocalSchedule, ...] = ()
        self._open: dict[str, Control] = {}
        self._next: Instant | None = None
        self._looked_at: Instant | None = None
        #: Counts up when other windows are open.
        self.edition = 0

    def replace(self, lines: Iterable[LocalSchedule]) -> None:
        """Other lines from the next `advance` on."""
        self._lines = tuple(lines)
        self._looked_at = None

    def advance(self, now: Instant) -> tuple[list[Control], list[Control]]:
        """Open and close windows; (those that opened, those that closed)."""
        looked, following = self._looked_at, self._next
        if looked is not None and looked <= now and (following is None or now < following):
            return [], []
        edges: list[Instant] = []
        opened: dict[str, Control] = {}
        for line in self._lines:
            window, edge = window_at(now, line.window, self._zone)
            if edge is not None:
                edges.append(edge)
            if window is not None:
                control = stand_in(line, window)
                opened[control.id] = control
        begun = [control for name, control in opened.items() if self._open.get(name) != control]
        over = [control for name, control in self._open.items() if opened.get(name) != control]
        self.edition += bool(begun or over)
        self._open, self._next, self._looked_at = opened, min(edges, default=None), now
        return begun, over

    def ahead(self, at: Instant) -> Schedules:
        """The schedule as it will stand at `at`."""
        then = Schedules(self._zone)
        then.replace(self._lines)
        then.advance(at)
        return then

    def claims(self, target: Target) -> list[Claim]:
        """What the open windows of a target say."""
        return [claim for control in self._open.values() if control.target == target for claim in claims_of(control)]

    def targets(self) -> set[Target]:
        """Whom open windows speak of."""
        return {control.target for control in self._open.values()}

    def __contains__(self, control_id: str) -> bool:
        return control_id in self._open

    @property
    def next_edge(self) -> Instant | None:
        """When a window opens or closes next, as of the last look."""
        return self._next


def stand_in(line: LocalSchedule, window: Interval = ALWAYS) -> Control:
    """The control that stands for a line in one of its windows; without one for all of them, as what is kept of it."""
    return Control(
        id=f"{PROTOCOL}/{line.id}",
        source=Source(protocol=PROTOCOL, program=line.id),
        target=line.target,
        values=line.values,
        interval=window,
        created=window.start,
        is_default=True,
    )
