"""Deadlines of exchanges, cheap enough for ten thousand at once.

Owned here: when an exchange has taken too long. A timer of the loop per exchange would cost more than the exchange
itself. Not owned: who may use a connection now (`gridiface.drivers.gate`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol
from weakref import WeakKeyDictionary


class Watched(Protocol):
    """An exchange that must end in time."""

    #: When it must have ended, in the loop's time.
    deadline: float

    def late(self) -> None:
        """Its time is over; called only where it has not ended, or again if it was given more time."""
        ...


class Deadlines:
    """The deadlines of one loop: a queue for each length of time, and one timer for each queue."""

    __slots__ = ("_loop", "_queues")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queues: dict[float, deque[tuple[float, Watched]]] = {}

    @classmethod
    def of(cls, loop: asyncio.AbstractEventLoop) -> Deadlines:
        """The deadlines of this loop."""
        return _of_loops.setdefault(loop, cls(loop))

    def watch(self, what: Watched, timeout_s: float) -> None:
        """Call `what.late()` after `timeout_s`, unless its `deadline` has been changed by then."""
        what.deadline = when = self._loop.time() + timeout_s
        queue = self._queues.get(timeout_s)
        if queue is None:
            queue = self._queues[timeout_s] = deque()
        queue.append((when, what))
        if len(queue) == 1:
            self._loop.call_at(when, self._look, timeout_s)

    def _look(self, timeout_s: float) -> None:
        queue, now = self._queues[timeout_s], self._loop.time()
        over = []
        # What ended long ago or has another deadline now leaves with those whose time has come.
        while queue and (queue[0][0] <= now or queue[0][1].deadline != queue[0][0]):
            when, what = queue.popleft()
            if what.deadline == when:
                over.append(what)
        if queue:
            self._loop.call_at(queue[0][0], self._look, timeout_s)
        for what in over:
            what.deadline = ENDED
            what.late()


#: The deadline of what has ended.
ENDED = float("-inf")

_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Deadlines] = WeakKeyDictionary()
