"""The reports that a device sends by itself: control blocks taken, data sets, and what each entry tells.

Owns which points are told and need not be polled. Not owned: what a report is (gridiface.protocols.mms.reporting).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, LocalProtocolError
from gridiface.protocols.mms import reporting
from gridiface.protocols.mms.data import Data
from gridiface.protocols.mms.errors import AccessError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Report as InformationReport
from gridiface.protocols.mms.references import data_set_name, data_set_text, parse, split
from gridiface.protocols.mms.reporting import ControlBlock, Wish
from gridiface.protocols.mms.services import (
    DefineVariableList,
    DeleteVariableList,
    Done,
    GetVariableAccessAttributes,
    GetVariableListAttributes,
    VariableList,
    Write,
    WriteAnswer,
)
from gridiface.protocols.mms.types import Type
from gridiface_southbound.iec61850.link import Link
from gridiface_southbound.iec61850.model import Place, expect, read
from gridiface_southbound.iec61850.table import ReportRule
from gridiface_southbound.iec61850.values import Reading, dig, instant, quality, scalar
from gridiface_southbound.points.template import Scalar, text_of

_log = logging.getLogger(__name__)

_OWN = "gridiface"
#: A buffered block is kept for us so long after a connection is lost, seconds.
_RESERVED_S = 60


@dataclass(frozen=True, slots=True)
class _Route:
    """Where a member of a data set goes: a point, and the member's way into the point's data object."""

    point: str
    place: Place
    path: tuple[str, ...]

    @property
    def whole(self) -> bool:
        """Whether the member holds the point's value; else it may be its quality or its time."""
        return self.place.spot.value[: len(self.path)] == self.path


@dataclass(slots=True)
class _Subscription:
    """A control block that is enabled: its report id, its data set, where each member goes, the newest number.

    `current` after the first answer to an interrogation: what comes before it may be from the buffer, and old.
    """

    block: ControlBlock
    report_id: str
    data_set: str
    routes: tuple[tuple[_Route, ...], ...]
    sequence: int | None = None
    current: bool = False


class Reports:
    """The reports of one association.

    Args:
        link: the association.
        places: where the points are that are to be told.
        entries: the newest entry of each buffered block, kept over associations.
    """

    def __init__(self, link: Link, places: Mapping[str, Place], entries: dict[str, bytes]) -> None:
        self.heard: dict[str, Reading] = {}
        self.gaps = 0
        self._link, self._entries = link, entries
        self._places: dict[Name, list[tuple[str, Place]]] = {}
        for name, place in places.items():
            self._places.setdefault(place.variable, []).append((name, place))
        self._subscriptions: list[_Subscription] = []
        self._early: list[reporting.Report] = []
        self._whole_wanted: list[ControlBlock] = []

    @property
    def covered(self) -> frozenset[str]:
        """The points that are told and have been: they need not be polled."""
        current = (one for one in self._subscriptions if one.current)
        told = {route.point for one in current for routes in one.routes for route in routes if route.whole}
        return frozenset(told & self.heard.keys())

    async def subscribe(self, rule: ReportRule, values: Mapping[str, Scalar]) -> None:
        """Take a control block and have it report.

        Raises:
            DeviceTimeout: no answer.
            DeviceRejected: there is none that is free, or it cannot be set up.
        """
        reasons: list[str] = []
        for name in rule.names:
            try:
                await self._take(rule, text_of(name, values), values)
            except DeviceRejected as error:
                reasons.append(error.reason)
            else:
                return
        raise DeviceRejected("; ".join(reasons))

    async def catch_up(self) -> None:
        """Ask for whole reports where something was lost; raises as `subscribe`."""
        wanted, self._whole_wanted = self._whole_wanted, []
        for block in wanted:
            await self._write(block, [block.interrogation()])

    def take(self, report: InformationReport) -> None:
        """What the device sent.

        Raises:
            RemoteProtocolError: it is broken.
        """
        told = reporting.decode(report)
        if told is None:
            return
        one = self._subscription(told)
        if one is None:
            # it may come before its block is known as ours; one is kept, for the entry of a buffer is sent once
            self._early = [*self._early[-31:], told]
            return
        self._taken(one, told)

    # Setting up ----------------------------------------------------------------------------------------------------

    async def _take(self, rule: ReportRule, name: str, values: Mapping[str, Scalar]) -> None:
        block = await self._block(name, buffered=rule.buffered)
        (seen,) = await read(self._link, [block.variable])
        if isinstance(seen, AccessError):
            raise DeviceRejected(f"{name}: {seen.words}")
        if block.attribute(seen, "RptEna"):
            raise DeviceBusy(f"{name} is in use")
        await self._reserve(block, name)
        wish = Wish(
            integrity_ms=round(rule.integrity_s * 1000),
            buffer_ms=round(rule.buffer_s * 1000),
            data_set=await self._wanted_set(rule, block, values),
            entry_id=self._entries.get(name, b""),
        )
        await self._set_up(block, wish)
        (seen,) = await read(self._link, [block.variable])
        if isinstance(seen, AccessError) or not block.attribute(seen, "DatSet"):
            raise DeviceRejected(f"{name} has no data set: give data_set")
        data_set = str(block.attribute(seen, "DatSet"))
        members = await self._members(data_set)
        # a block without an identifier of its own reports under its name (IEC 61850-7-2 clause 17.2.2.2)
        report_id = str(block.attribute(seen, "RptID") or block.variable)
        one = _Subscription(block, report_id, data_set, tuple(map(self._routes, members)))
        await self._write(block, [block.enabling(on=True)])
        self._subscriptions.append(one)
        early, self._early = self._early, []
        for report in early:
            if self._subscription(report) is one:
                self._taken(one, report)
        try:
            await self._write(block, [block.interrogation()])
        except DeviceRejected:
            self._subscriptions.remove(one)
            await self._write(block, [block.enabling(on=False)])
            raise

    async def _block(self, name: str, *, buffered: bool) -> ControlBlock:
        try:
            reference = parse(name)
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error
        variable = reference.object_name("BR" if buffered else "RP")
        kind = expect(await self._link.ask(GetVariableAccessAttributes(variable)), Type, name)
        try:
            return ControlBlock(reference, buffered, kind)
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error

    async def _reserve(self, block: ControlBlock, name: str) -> None:
        """Where the device lets blocks be reserved: another client may hold it."""
        wanted = block.reservation(_RESERVED_S)
        if wanted is None:
            return
        try:
            await self._write(block, [wanted])
        except DeviceRejected as error:
            if not block.buffered:
                raise DeviceBusy(f"{name} is reserved by another client") from error

    async def _set_up(self, block: ControlBlock, wish: Wish) -> None:
        try:
            await self._write(block, block.settings(wish))
        except DeviceRejected:
            if not wish.entry_id:
                raise
            # the buffer has gone on: the entry is not there any more
            await self._write(block, block.settings(replace(wish, entry_id=b"")))

    async def _wanted_set(self, rule: ReportRule, block: ControlBlock, values: Mapping[str, Scalar]) -> str:
        if rule.data_set != "own":
            return text_of(rule.data_set, values).replace(".", "$") if rule.data_set else ""
        members = tuple(self._places)
        name = Name("@", _OWN)
        if block.buffered:
            # what belongs to an association ends with it; a buffer goes on
            name = Name(block.reference.device, f"{block.reference.node}${_OWN}")
            await self._link.ask(DeleteVariableList(name))
        result = await self._link.ask(DefineVariableList(name, members))
        expect(result, Done, f"making data set {name}")
        return data_set_text(name)

    async def _members(self, data_set: str) -> tuple[Name, ...]:
        try:
            name = data_set_name(data_set)
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error
        result = await self._link.ask(GetVariableListAttributes(name))
        return expect(result, VariableList, f"the members of {data_set}").members

    async def _write(self, block: ControlBlock, values: Iterable[tuple[Name, Data]]) -> None:
        for name, value in values:
            result = expect(await self._link.ask(Write((name,), (value,))), WriteAnswer, f"writing {name}")
            (error,) = result.results
            if error is not None:
                raise DeviceRejected(f"{block.reference}: {name.item}: {error.words}")

    # What comes ----------------------------------------------------------------------------------------------------

    def _subscription(self, report: reporting.Report) -> _Subscription | None:
        fitting = [one for one in self._subscriptions if one.report_id == report.report_id]
        named = [one for one in fitting if report.data_set in ("", one.data_set)]
        return next(iter(named), None)

    def _taken(self, one: _Subscription, report: reporting.Report) -> None:
        self._count(one, report)
        if report.entry_id:
            self._entries[str(one.block.reference)] = report.entry_id
        one.current = one.current or any(
            entry.reasons is None or reporting.Trigger.GENERAL_INTERROGATION in entry.reasons
            for entry in report.entries
        )
        if not one.current:
            return
        for entry in report.entries:
            if entry.place >= len(one.routes):
                # the data set was changed behind us: nothing of this can be placed
                self._want_whole(one.block)
                return
            for route in one.routes[entry.place]:
                self._tell(route, entry.value)

    def _count(self, one: _Subscription, report: reporting.Report) -> None:
        """A number that was left out, or a buffer that ran over: something was lost."""
        number, last = report.sequence, one.sequence
        one.sequence = number
        # before the first one everything was read
        follows = number is None or number in (last, (last or 0) + 1, 0)
        if last is None or (follows and not report.overflow):
            return
        self.gaps += 1
        _log.info("%s: reports were lost before number %s", one.block.reference, number)
        self._want_whole(one.block)

    def _want_whole(self, block: ControlBlock) -> None:
        if block not in self._whole_wanted:
            self._whole_wanted.append(block)

    def _tell(self, route: _Route, value: Data | AccessError) -> None:
        before, spot = self.heard.get(route.point, Reading(None)), route.place.spot
        if route.whole:
            self.heard[route.point] = _whole(route, value, before)
        elif isinstance(value, AccessError):
            return
        elif route.path == spot.quality:
            self.heard[route.point] = replace(before, quality=quality(value))
        elif route.path == spot.time:
            self.heard[route.point] = replace(before, at=instant(value))

    def _routes(self, member: Name) -> tuple[_Route, ...]:
        """Where a member goes: to every point of its data object."""
        found = split(member)
        if found is None:
            return ()
        reference, constraint = found
        there = self._places.get(reference.object_name(constraint), [])
        return tuple(_Route(name, place, reference.attributes) for name, place in there)


def _whole(route: _Route, value: Data | AccessError, before: Reading) -> Reading:
    """What a member that holds the point's value says of it, and of its quality and time where it holds those too."""
    if isinstance(value, AccessError):
        return Reading(None)
    spot, path = route.place.spot, route.path
    kind = route.place.whole.at(path)
    if kind is None:
        return before

    def part(wanted: tuple[str, ...] | None) -> Data | None:
        if wanted is None or wanted[: len(path)] != path:
            return None
        steps = kind.place(wanted[len(path) :])
        return None if steps is None else dig(value, steps)

    seen, grade, at = part(spot.value), part(spot.quality), part(spot.time)
    told = before.quality if grade is None else quality(grade)
    raw = None if seen is None else scalar(seen)
    return Reading(raw, told, before.at if at is None else instant(at))
