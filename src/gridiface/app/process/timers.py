"""One loop that wakes whoever has something due: the control period, the next event edge, a kick.

Event edges come from the parts themselves (`next_timer`), so a jump of the wall clock is seen at the next look and
nothing is remembered twice; the loop never sleeps longer than the control period. Housekeeping (purge, reload of
revocations) runs on APScheduler, see housekeeping.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from gridiface.domain.clock import Clock, ClockWatch, Instant

_log = logging.getLogger("gridiface.timers")

#: Edges this close are handled at once: an event must not start a rounding error late.
_GRAIN_S = 0.001

#: Kicks that come in a burst are answered together.
_COALESCE_S = 0.002

#: Least time between two steps that nobody kicked: an engine that always has something due must not take the core.
_LEAST_S = 0.005


class Timed(Protocol):
    """A part with edges in time."""

    def next_timer(self, now: Instant) -> Instant | None:
        """When it wants to be woken; None = not by itself."""
        ...

    def handle_timer(self, now: Instant) -> None:
        """Called at or after that time; also called early, which must do no harm."""
        ...


@dataclass(slots=True)
class TimerLoop:
    """Runs `step(now)` every period, when it is `due`, at every edge of a part, and soon after `kick()`.

    `jumped` is told when the wall clock was set: by how many seconds against the monotonic one, + forwards. Raises
    nothing: a part that fails is logged and the others go on.
    """

    clock: Clock
    period_s: float
    step: Callable[[Instant], None]
    parts: list[Timed] = field(default_factory=list)
    due: Callable[[Instant], Instant | None] = lambda now: None
    jumped: Callable[[float, Instant], None] = lambda seconds, now: None
    failures: int = 0
    _watch: ClockWatch = field(default_factory=ClockWatch)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def kick(self) -> None:
        """Ask for a step now rather than at the next period."""
        self._wake.set()

    async def run(self) -> None:
        """Loop until cancelled."""
        while True:
            now = self.clock.now()
            self._guard(self._compare_clocks, now)
            for part in self.parts:
                due = part.next_timer(now)
                if due is not None and due <= now + _GRAIN_S:
                    self._guard(part.handle_timer, max(now, due))
            self._guard(self.step, now)
            await self._sleep()

    async def _sleep(self) -> None:
        now = self.clock.now()
        edges = [due for part in self.parts if (due := part.next_timer(now)) is not None]
        step_due = self.due(now)
        if step_due is not None:
            edges.append(max(step_due, now + _LEAST_S))
        wait = max(0.0, min([self.period_s, *(due - now for due in edges)]))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()
        await asyncio.sleep(_COALESCE_S)

    def _compare_clocks(self, now: Instant) -> None:
        """Notice that the wall clock was set; between two looks both clocks run alike."""
        by = self._watch.look(now, self.clock.monotonic())
        if by:
            _log.warning("the clock was set by %+.3f s", by)
            self.jumped(by, now)

    def _guard(self, work: Callable[[Instant], None], now: Instant) -> None:
        try:
            work(now)
        except Exception:  # one failing part must not stop the others from keeping their times
            self.failures += 1
            _log.exception("a timed part failed")
