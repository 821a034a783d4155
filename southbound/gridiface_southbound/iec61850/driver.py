"""The IEC 61850 driver: any device that a reference table describes, as `gridiface.drivers.api.Driver`.

Owned here: what is polled and what is reported, one control or write after the other, quality and time of a snapshot.
Not owned: the order of a driver's work (points.driver), the association (link), what a device has (model).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import DeviceBusy, DeviceGone
from gridiface.errors import DeviceError, DeviceRejected, LocalProtocolError
from gridiface.protocols.mms.control import Controllable, Operation, Outcome
from gridiface.protocols.mms.control_values import AddCause, Command, Origin, control_value
from gridiface.protocols.mms.data import Kind
from gridiface.protocols.mms.pdu import Report
from gridiface.protocols.mms.quality import Position
from gridiface.protocols.mms.services import Status, WriteAnswer
from gridiface.protocols.mms.services import Write as WriteRequest
from gridiface_southbound.iec61850.config import Iec61850Config
from gridiface_southbound.iec61850.link import Link, link_for
from gridiface_southbound.iec61850.model import PASSING, Explorer, Found, Place, expect, read_places
from gridiface_southbound.iec61850.reports import Reports
from gridiface_southbound.iec61850.table import Point
from gridiface_southbound.iec61850.values import Reading, ReferenceImage, worst
from gridiface_southbound.points.driver import PointDriver
from gridiface_southbound.points.image import Raw, Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Poll

_log = logging.getLogger(__name__)

#: What makes a snapshot good or bad; other points that are bad are simply not known.
_JUDGED = frozenset({Meaning.W, Meaning.VAR, Meaning.SOC})


class Iec61850Driver(PointDriver[Point]):
    """Drives one device by its reference table; made by `create`."""

    Config: ClassVar[type[Iec61850Config]] = Iec61850Config

    def __init__(self, device_id: str, config: Iec61850Config, *, clock: Clock) -> None:
        super().__init__(device_id, config, config.table, clock=clock)
        self._config = config
        self._table = config.table
        self._link: Link | None = None
        self._image: ReferenceImage = ReferenceImage(config.table)
        self._found = Found()
        self._polled: dict[Poll, list[Point]] = {poll: [] for poll in Poll}
        self._readings: dict[str, Reading] = {}
        self._reports: Reports | None = None
        self._entries: dict[str, bytes] = {}
        self._newest = 0.0
        self._number = 0

    @classmethod
    def create(cls, device_id: str, config: Iec61850Config, *, clock: Clock) -> Iec61850Driver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock)

    # Opening -------------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._disconnect()
        self._image, self._readings, self._newest = ReferenceImage(self._table), {}, 0.0
        link = self._link = link_for(self._config, self._reported)
        try:
            await link.connect()
            self._found = await Explorer(link, self._table, self._config.values).explore()
            self._sort()
            await self._take(link, [p for points in self._polled.values() for p in points])
            await self._subscribe(link)
        except BaseException:
            await self._disconnect()
            raise

    async def _disconnect(self) -> None:
        link, self._link, self._reports = self._link, None, None
        if link is not None:
            await link.leave(self._reported)

    def _sort(self) -> None:
        """Which points are read how often; what shows a control is read after a write only."""
        asked = {identity.point for identity in self._table.identity}
        self._polled = {poll: [] for poll in Poll}
        for point in self._table.points:
            polled = point.polled
            if polled is Poll.NEVER and point.name in asked:
                polled = Poll.ONCE
            if polled is not Poll.NEVER and point.name in self._found.places:
                self._polled[polled].append(point)

    async def _subscribe(self, link: Link) -> None:
        """Reports that cannot be had are said once: their points are polled."""
        if not self._config.reports or not self._table.reports:
            return
        told = {point.name: self._found.places[point.name] for point in self._polled[Poll.FAST]}
        reports = self._reports = Reports(link, told, self._entries)
        for rule in self._table.reports:
            try:
                await reports.subscribe(rule, self._config.values)
            except DeviceRejected as error:
                _log.warning("%s: no reports, its points are polled: %s", self._id, error.reason)

    def _reported(self, report: Report) -> None:
        if self._reports is not None:
            self._reports.take(report)

    # Reading -------------------------------------------------------------------------------------------------------

    async def _refresh(self, *, slow: bool) -> None:
        link = self._open_link()
        told = frozenset[str]()
        if self._reports is not None:
            await self._reports.catch_up()
            told = self._reports.covered
        wanted = [p for p in self._polled[Poll.FAST] if p.name not in told] + (self._polled[Poll.SLOW] if slow else [])
        if wanted:
            await self._take(link, wanted)
        else:
            # whatever it answers, it is there: silence must not look like a value that does not change
            await link.ask(Status())
        if self._reports is not None:
            self._show({name: self._reports.heard[name] for name in told})

    async def _take(self, link: Link, points: Iterable[Point]) -> None:
        self._show(await read_places(link, self._placed(points)))

    def _placed(self, points: Iterable[Point]) -> list[tuple[Point, Place]]:
        return [(p, self._found.places[p.name]) for p in points if p.name in self._found.places]

    def _show(self, readings: dict[str, Reading]) -> None:
        self._readings |= readings
        self._image.data |= {name: reading.usable for name, reading in readings.items()}

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        """With the quality of what matters and the device's time of the power.

        The time beside a value is that of its last change: where it is no newer than before, the device has said just
        now that the value still holds.
        """
        judged, power = self._seen(_JUDGED), self._seen({Meaning.W})
        if any(reading.usable is None for reading in power):
            grade = Quality.BAD
        else:
            grade = worst(reading.quality for reading in judged if reading.quality is not Quality.BAD)
        times = [reading.at for reading in power if reading.at is not None]
        at = min(times, default=0.0)
        told = at if len(times) == len(power) and self._newest < at <= snapshot.received else snapshot.received
        self._newest = max(self._newest, told)
        return replace(snapshot, source_time=told, quality=grade)

    def _seen(self, meanings: Collection[Meaning]) -> list[Reading]:
        return [
            self._readings[p.name] for p in self._table.points if p.meaning in meanings and p.name in self._readings
        ]

    # One write -----------------------------------------------------------------------------------------------------

    async def _send(self, writes: Sequence[Write[Point]], shown: Sequence[Point]) -> ReferenceImage:
        link = self._open_link()
        for number, write in enumerate(writes, 1):
            what = f"write {number} of {len(writes)}, {write.point.name}"
            control = self._found.controls.get(write.point.name)
            await (
                self._write_plainly(link, write, what) if control is None else self._operate(link, control, write, what)
            )
        delay = self._delay(writes) if shown else 0.0
        if delay:
            await asyncio.sleep(delay)
        seen = await read_places(link, self._placed(shown)) if shown else {}
        return ReferenceImage(self._table, self._image.data | {name: self._status(name, seen[name]) for name in seen})

    def _status(self, name: str, reading: Reading) -> Raw | None:
        """What shows a point; of a switch that is told by a truth value and shows a position, that truth value."""
        control, place = self._found.controls.get(name), self._found.places[name]
        value = None if control is None else control.kind.at(("Oper", "ctlVal"))
        if value is None or value.kind is not Kind.BOOLEAN or place.spot.kind.kind is not Kind.BIT_STRING:
            return reading.raw
        return None if reading.raw not in (Position.OFF, Position.ON) else reading.raw == Position.ON

    async def _operate(self, link: Link, control: Controllable, write: Write[Point], what: str) -> None:
        rule = write.point.write
        checks = "00" if rule is None else f"{rule.synchro_check:d}{rule.interlock_check:d}"
        self._number = self._number % 255 + 1
        command = Command(
            write.data,
            Origin(self._config.category, self._config.identifier.encode()),
            self._number,
            self._clock.now(),
            checks=checks,
        )
        outcome = await link.operate(Operation(control, command))
        if not outcome.done and outcome.cause is not AddCause.POSITION_REACHED:
            raise _refusal(outcome, what)

    async def _write_plainly(self, link: Link, write: Write[Point], what: str) -> None:
        target = self._found.targets.get(write.point.name)
        if target is None:
            raise DeviceRejected(f"{what}: the device has no {write.point.ref}")
        name, kind = target
        try:
            request = WriteRequest((name,), (control_value(kind, write.data),))
        except LocalProtocolError as error:
            raise DeviceRejected(f"{what}: {error}") from error
        (refused,) = expect(await link.ask(request), WriteAnswer, what).results
        if refused is not None:
            raise (DeviceBusy if refused in PASSING else DeviceRejected)(f"{what}: {name}: {refused.words}")

    def _confirmed(self, write: Write[Point]) -> bool:
        """The termination of enhanced security says that the process has taken the value."""
        control = self._found.controls.get(write.point.name)
        return control is not None and control.model.enhanced

    def _open_link(self) -> Link:
        if self._link is None or not self._link.usable:
            raise DeviceGone("the association is lost" if self._link else "the driver is not open")
        return self._link


def _refusal(outcome: Outcome, what: str) -> DeviceError:
    """A control that was not carried out: which step, and AddCause where the device told it."""
    code = "" if outcome.cause is None else f" (AddCause {int(outcome.cause)})"
    kind = DeviceBusy if outcome.passing else DeviceRejected
    return kind(f"{what}: {outcome.step}: {outcome.words}{code}")
