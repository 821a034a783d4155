"""The state of one association that requests read and change, apart from sequences and timers.

Owns classes, indications, clock offset, selection and event buffer of one master, and the state that all masters of an
outstation share. The flow of fragments is association.py; the functions are reading.py, writing.py, controlling.py
and functions.py.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.controls import SelectGuard
from gridiface.protocols.dnp3.files import FileStore
from gridiface.protocols.dnp3.outstation.attributes import AttributeSet
from gridiface.protocols.dnp3.outstation.database import Change, Database
from gridiface.protocols.dnp3.outstation.events import Event, EventBuffer
from gridiface.protocols.dnp3.outstation.file_transfer import FileTransfer
from gridiface.protocols.dnp3.outstation.handler import Notice, OutstationHandler
from gridiface.protocols.dnp3.outstation.response import Part
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, TimePolicy
from gridiface.protocols.dnp3.points import PointType

MAX_NOTICES = 4096
MAX_PLANNED_FREEZES = 16
MIN_FREEZE_INTERVAL_MS = 1000
"""The standard allows any interval of g50v2; each freeze costs an event per point, so that shorter ones are refused."""

_HOUR_MS = 3_600_000
_LAST_MS = (1 << 48) - 1

_DEVICE_RESTART = int(IIN.DEVICE_RESTART)
_NEED_TIME = int(IIN.NEED_TIME)
_LOCAL_CONTROL = int(IIN.LOCAL_CONTROL)
_DEVICE_TROUBLE = int(IIN.DEVICE_TROUBLE)
_CONFIG_CORRUPT = int(IIN.CONFIG_CORRUPT)

FreezeTargets = list[tuple[PointType, int, int]]


@dataclass(slots=True)
class PlannedFreeze:
    """A freeze at a time (seconds since 1970), repeated every `interval` seconds unless that is 0."""

    due: float
    interval: float
    targets: FreezeTargets


@dataclass(slots=True)
class Reply:
    """What a function answers: indications, and objects as octets or as parts to be cut into fragments.

    `after` is called once the reply has been handed to the link.
    """

    iin: int = 0
    objects: bytes = b""
    parts: list[Part] | None = None
    after: Callable[[float], None] | None = None


@dataclass(slots=True)
class Station:
    """What all associations of an outstation share."""

    settings: OutstationSettings
    database: Database
    handler: OutstationHandler
    attributes: AttributeSet
    notices: deque[Notice] = field(default_factory=lambda: deque(maxlen=MAX_NOTICES))
    local_control: bool = False
    device_trouble: bool = False
    config_corrupt: bool = False
    files: FileStore | None = None
    restarts: list[Callable[[float], None]] = field(default_factory=list)

    def restart_all(self, now: float) -> None:
        """Puts every association into the state after a restart."""
        for restart in self.restarts:
            restart(now)

    def tell(self, notice: Notice) -> None:
        """Queues a notice; the oldest is lost when nobody fetches them."""
        self.notices.append(notice)


class AssociationState:
    """One master's view of the outstation."""

    def __init__(self, settings: AssociationSettings, station: Station, now: float) -> None:
        self.settings = settings
        self.station = station
        self.buffer = EventBuffer(settings.event_capacity, drop_oldest=settings.drop_oldest)
        self.guard = SelectGuard(settings.select_timeout)
        self.classes: dict[PointType, list[int]] = {}
        self.enabled: set[int] = set()
        self.restarted = True
        self.recorded_at: float | None = None
        self.clock_offset_ms = 0
        self.synchronised_at: float | None = None
        self.user = 0
        self.files: FileTransfer | None = None
        if station.files is not None:
            self.files = FileTransfer(
                station.files,
                settings.master,
                max_tx_fragment=settings.max_tx_fragment,
                max_rx_fragment=settings.max_rx_fragment,
            )
        self.security_counts: list[int] | None = None
        self.security_association = 0
        self.first_waiting: dict[int, float] = {}
        self.freezes: list[PlannedFreeze] = []
        self.restart(now)
        station.database.listen(self._on_changes)

    @property
    def master(self) -> int:
        """The master's link address."""
        return self.settings.master

    def restart(self, now: float) -> None:
        """Everything volatile as after a restart; events stay."""
        self.restarted = True
        self.enabled.clear()
        self.guard.drop()
        self.recorded_at = None
        if self.files is not None:
            self.files.clear()
        self.freezes.clear()
        self.synchronised_at = None
        for name, column in self.station.database.columns.items():
            self.classes[name] = [config.event_class for config in column.configs]

    def indications(self, now: float) -> int:
        """IIN1 and IIN2 as they are apart from broadcast and the errors of a request."""
        found = self.buffer.indications()
        station = self.station
        if self.restarted:
            found |= _DEVICE_RESTART
        if self.needs_time(now):
            found |= _NEED_TIME
        if station.local_control:
            found |= _LOCAL_CONTROL
        if station.device_trouble:
            found |= _DEVICE_TROUBLE
        if station.config_corrupt:
            found |= _CONFIG_CORRUPT
        return found

    def needs_time(self, now: float) -> bool:
        """IIN1.4: no time was written since the start, or too long ago (clause 4.5.5)."""
        if not self.settings.need_time:
            return False
        if self.synchronised_at is None:
            return True
        interval = self.settings.time_sync_interval
        return interval is not None and now - self.synchronised_at > interval

    def set_time(self, time_ms: int, now: float) -> int:
        """Takes a master's time as of `now`; returns its offset from the host's clock in ms."""
        self.clock_offset_ms = time_ms - round(now * 1000)
        self.synchronised_at = now
        return self.clock_offset_ms

    def time_ms(self, now: float) -> int:
        """The time as this master set it, ms since 1970; beyond 48 bits the last that they hold."""
        return min(max(0, round(now * 1000) + self.clock_offset_ms), _LAST_MS)

    def stamp_ms(self, now: float) -> int:
        """The time that what happens now is told with, as that of events: this master's where its policy says so."""
        return self.time_ms(now) if self.settings.time_policy is TimePolicy.SHIFT_EVENTS else round(now * 1000)

    def clock_set(self, seconds: float) -> None:
        """The host's clock was set by so much: the master's time, where it wrote one, goes on as it was."""
        for number in self.first_waiting:
            self.first_waiting[number] += seconds
        if self.synchronised_at is None:
            return
        self.synchronised_at += seconds
        if self.clock_offset_ms:
            self.clock_offset_ms -= round(seconds * 1000)
            for plan in self.freezes:
                plan.due += seconds

    def plan_freeze(self, time_ms: int, interval_ms: int, targets: FreezeTargets, now: float) -> None:
        """Remembers a freeze (clauses 4.4.5 and A.22.2).

        Time 0 means now, and with an interval the beginning of the hour, by the master's clock; a time gone by means
        the next of its intervals. A repeated freeze takes the place of the one of the same points.

        Raises:
            RemoteProtocolError: too many are planned, or the interval is too short.
        """
        if 0 < interval_ms < MIN_FREEZE_INTERVAL_MS:
            raise RemoteProtocolError(f"an interval of {interval_ms} ms is too short", answer=IIN.PARAMETER_ERROR)
        if not time_ms and interval_ms:
            time_ms = self.time_ms(now) // _HOUR_MS * _HOUR_MS
        due = (time_ms - self.clock_offset_ms) / 1000 if time_ms else now
        interval = interval_ms / 1000
        if due < now and interval:
            due += interval * math.ceil((now - due) / interval)
        others = [plan for plan in self.freezes if not (interval and plan.interval and plan.targets == targets)]
        if len(others) >= MAX_PLANNED_FREEZES:
            raise RemoteProtocolError("too many planned freezes", answer=IIN.PARAMETER_ERROR)
        self.freezes = [*others, PlannedFreeze(due, interval, targets)]

    def run_freezes(self, now: float) -> None:
        """Executes the freezes that are due; one that was missed several times is executed once."""
        for plan in list(self.freezes):
            if plan.due > now:
                continue
            for point_type, low, high in plan.targets:
                self.station.database.freeze(now, point_type, low, high, clear=False)
            if plan.interval:
                plan.due += plan.interval * (math.floor((now - plan.due) / plan.interval) + 1)
            else:
                self.freezes.remove(plan)

    def _on_changes(self, changes: Sequence[Change], now: float) -> None:
        """Keeps the events of points that have a class for this master."""
        timing = self._timing()
        columns, classes = self.station.database.columns, self.classes
        batch: list[Event] = []
        of_class = 0
        for event, point_type, at, command_class in changes:
            event_class = command_class or classes[point_type][at]
            if not event_class:
                continue
            alone = columns[point_type].most_recent[at]
            if event_class != of_class or alone:
                self._keep(batch, of_class, now)
                batch, of_class = [], event_class
            batch.append(event if timing is None else _told(event, *timing))
            if alone:
                self._keep(batch, of_class, now, most_recent_only=True)
                batch = []
        self._keep(batch, of_class, now)

    def add(self, event: Event, event_class: int, now: float) -> None:
        """Keeps an event that no point made: its time is told, and it waits, as those of points are and do."""
        timing = self._timing()
        self._keep([event if timing is None else _told(event, *timing)], event_class, now)

    def _timing(self) -> tuple[int, bool] | None:
        """How far this master's clock is from the host's, ms, and whether it counts; None: events stay as they are."""
        shift = self.clock_offset_ms if self.settings.time_policy is TimePolicy.SHIFT_EVENTS else 0
        # who needs a master's time has none that counts before it was written once (clause A.23, procedure 8.15)
        synchronised = not self.settings.need_time or self.synchronised_at is not None
        return None if synchronised and not shift else (shift, synchronised)

    def _keep(self, events: list[Event], event_class: int, now: float, *, most_recent_only: bool = False) -> None:
        if not events:
            return
        if not self.buffer.waiting(event_class):
            self.first_waiting[event_class] = now
        self.buffer.add_many(events, event_class, most_recent_only=most_recent_only)


def _told(event: Event, shift: int, synchronised: bool) -> Event:
    """An event in the time of a master's clock."""
    return event._replace(time=max(0, event.time + shift), synchronised=event.synchronised and synchronised)
