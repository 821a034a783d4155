"""What a master asks by itself: the start-up of a connection, and what indications call for (IEEE 1815 clause 4.5).

Owns which of these tasks wait or run, when a start-up that failed is tried again, and the rest that a remedy gets when
its own answer tells the same again: an outstation that never clears an indication is not asked without end. Queue and
requests are master.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.master.queue import STARTUP, Queued
from gridiface.protocols.dnp3.master.settings import (
    EventsLost,
    Failure,
    MasterEvent,
    MasterSettings,
    OutstationRestarted,
    TimeSync,
)
from gridiface.protocols.dnp3.master.tasks import (
    Clock,
    Task,
    class_poll,
    clear_restart,
    integrity_poll,
    set_unsolicited,
    synchronise,
)

DISABLE, INTEGRITY, ENABLE = "disable unsolicited", "integrity poll", "enable unsolicited"
CLEAR_RESTART, TIME, EVENTS = "clear restart", "time synchronisation", "event poll"
_START_UP = frozenset((DISABLE, INTEGRITY, ENABLE))
_CLASS_BITS = {1: IIN.CLASS_1_EVENTS, 2: IIN.CLASS_2_EVENTS, 3: IIN.CLASS_3_EVENTS}
_CLASSES = IIN.CLASS_1_EVENTS | IIN.CLASS_2_EVENTS | IIN.CLASS_3_EVENTS

Push = Callable[[str, Task, int], object]


class AutomaticTasks:
    """The tasks that nobody submits; each waits or runs once at most.

    Args:
        settings: of the master.
        clock: the time of the last call into it.
        push: queues a task by name and priority; `ended` must be called when it came to its end.
    """

    def __init__(self, settings: MasterSettings, clock: Clock, push: Push) -> None:
        self._settings, self._clock, self._push = settings, clock, push
        self._names: set[str] = set()
        self._retry_at: float | None = None
        self._again_at: dict[str, float] = {}
        self._overflowed = False

    def forget(self) -> None:
        """The connection is gone."""
        self._names.clear()
        self._again_at.clear()
        self._overflowed = False
        self._retry_at = None

    def waits(self, name: str) -> bool:
        """Whether a task waits or runs."""
        return name in self._names

    def begin(self, name: str, task: Task, priority: int = STARTUP) -> None:
        """Queue a task, unless it waits or runs already."""
        if name not in self._names:
            self._names.add(name)
            self._push(name, task, priority)

    def ended(self, queued: Queued, failure: Failure | None, now: float) -> None:
        """A task, of whomever, came to its end; a start-up without an answer is tried again."""
        self._names.discard(queued.name)
        if failure is Failure.TIMEOUT and queued.priority == STARTUP:
            self._retry_at = now + self._settings.retry_delay

    def start_up(self) -> None:
        """What a new connection or a restart of the outstation asks for."""
        settings = self._settings
        if settings.startup_disable and settings.enable_classes:
            self.begin(DISABLE, set_unsolicited((1, 2, 3), enable=False))
        if settings.startup_integrity:
            self.begin(INTEGRITY, integrity_poll())
        if settings.enable_classes:
            self.begin(ENABLE, set_unsolicited(settings.enable_classes, enable=True))

    def heed(self, iin: IIN, answered: str = "", *, fruitful: bool = False) -> list[MasterEvent]:
        """Queue what the indications of a response call for; returns what is to be told.

        Args:
            iin: the indications.
            answered: the task that the response has ended, if any: what it was to put right and did not waits.
            fruitful: whether the response held objects: a poll that brings events may go on at once.
        """
        told = {name for name, bits in self._remedies() if iin & bits}
        for name in [name for name in self._again_at if name not in told]:
            del self._again_at[name]
        if answered in told and not (answered == EVENTS and fruitful):
            self._again_at[answered] = self._clock.now + self._settings.retry_delay
        events: list[MasterEvent] = []
        if INTEGRITY in told and not self._overflowed:
            events.append(EventsLost())
        self._overflowed = INTEGRITY in told
        for name in (CLEAR_RESTART, TIME, INTEGRITY, EVENTS):
            if name in self._names or name in self._again_at or name not in told:
                continue
            starting = self._names & _START_UP
            self._remedy(name, iin)
            if name == CLEAR_RESTART:
                events.append(OutstationRestarted())
                if not starting:
                    self.start_up()
        return events

    def next_timer(self) -> float | None:
        """When `handle_timer` is due; None when nothing waits for its time."""
        due = [*self._again_at.values()] if self._retry_at is None else [self._retry_at, *self._again_at.values()]
        return min(due, default=None)

    def handle_timer(self, now: float) -> None:
        """Try again what is due."""
        if self._retry_at is not None and now >= self._retry_at:
            self._retry_at = None
            self.start_up()
        for name in [name for name, at in self._again_at.items() if now >= at]:
            del self._again_at[name]
            self._remedy(name, _CLASSES)

    def _remedies(self) -> Iterator[tuple[str, IIN]]:
        """Names of the tasks that indications call for here."""
        yield CLEAR_RESTART, IIN.DEVICE_RESTART
        if self._settings.time_sync is not TimeSync.NONE:
            yield TIME, IIN.NEED_TIME
        if self._settings.integrity_on_overflow:
            yield INTEGRITY, IIN.EVENT_BUFFER_OVERFLOW
        if self._settings.poll_on_events:
            yield EVENTS, _CLASSES

    def _remedy(self, name: str, iin: IIN) -> None:
        if name == CLEAR_RESTART:
            self.begin(name, clear_restart())
        elif name == TIME:
            self.begin(name, synchronise(self._settings.time_sync, self._clock))
        elif name == INTEGRITY:
            self.begin(name, integrity_poll())
        else:
            self.begin(name, class_poll([number for number, bit in _CLASS_BITS.items() if iin & bit]))
