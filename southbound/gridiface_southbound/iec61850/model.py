"""What a device really has of a table: types, places, control models; and reading many places at once.

Owns the questions that are asked once, when the driver opens. Not owned: reports (reports), values (values).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, LocalProtocolError
from gridiface.protocols.mms.control import Controllable, Result
from gridiface.protocols.mms.control_values import ControlModel
from gridiface.protocols.mms.data import Data, Kind
from gridiface.protocols.mms.errors import AccessError, ServiceError
from gridiface.protocols.mms.names import Name
from gridiface.protocols.mms.pdu import Reject
from gridiface.protocols.mms.references import Constraint, Reference, parse, split
from gridiface.protocols.mms.services import (
    GetNameList,
    GetVariableAccessAttributes,
    NameList,
    ObjectClass,
    Read,
    ReadAnswer,
)
from gridiface.protocols.mms.types import Type
from gridiface_southbound.iec61850.link import Link
from gridiface_southbound.iec61850.table import Point, ReferenceTable
from gridiface_southbound.iec61850.values import Reading, Spot, spot
from gridiface_southbound.points.template import Scalar, text_of

T = TypeVar("T")

#: What a value and the name of a variable cost in a message, about; half of a message is left free.
_NAME_OCTETS = 16
_LEAF_OCTETS = 20
#: Pages of names that are asked for a hint, and names that one tells.
_MAX_PAGES = 64
_TOLD = 10
#: Errors after which the same read may succeed later.
PASSING = frozenset({AccessError.TEMPORARILY_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a point is seen: the variable of its data object with its type, and the spot in it."""

    variable: Name
    whole: Type
    spot: Spot


@dataclass(slots=True)
class Found:
    """A table on a device: where each point is seen, what is controlled, and what is written plainly."""

    places: dict[str, Place] = field(default_factory=dict)
    controls: dict[str, Controllable] = field(default_factory=dict)
    targets: dict[str, tuple[Name, Type]] = field(default_factory=dict)


class Explorer:
    """Asks a device for what a table names.

    Raises:
        DeviceTimeout, DeviceRejected, DeviceBusy: as `Driver.open`.
    """

    def __init__(self, link: Link, table: ReferenceTable, values: Mapping[str, Scalar]) -> None:
        self._link, self._table, self._values = link, table, dict(values)
        self._types: dict[Name, Type | str] = {}
        self._names: dict[str, list[str]] = {}

    async def explore(self) -> Found:
        """Where everything is; what is optional and not there is left out."""
        found = Found()
        for point in self._table.points:
            try:
                await (self._control(found, point) if point.controlled else self._attribute(found, point))
            except DeviceBusy:
                raise
            except DeviceRejected:
                if not point.optional:
                    raise
        return found

    async def _attribute(self, found: Found, point: Point) -> None:
        reference = self._reference(point.ref)
        place = await self._place(reference, point.constraint)
        if isinstance(place, str):
            hint = await self._hint(reference, point.constraint)
            raise DeviceRejected(f"{point.name}: {reference} [{point.constraint}]: {place}{hint}")
        found.places[point.name] = place
        if point.write is not None:
            found.targets[point.name] = reference.name(point.constraint), place.spot.kind

    async def _control(self, found: Found, point: Point) -> None:
        reference = self._reference(point.ref)
        kind = await self._type(reference.object_name(Constraint.CO))
        if isinstance(kind, str):
            hint = await self._hint(reference, Constraint.CO)
            raise DeviceRejected(f"{point.name}: {reference} is not controlled: {kind}{hint}")
        model = await self._control_model(reference)
        try:
            found.controls[point.name] = Controllable(reference, model, kind)
        except LocalProtocolError as error:
            raise DeviceRejected(f"{point.name}: {error}") from error
        status = await self._status(point, reference)
        if status is not None:
            found.places[point.name] = status
        elif point.write is not None and point.write.read_back is True:
            raise DeviceRejected(f"{point.name}: {reference} shows no status: give status, or read_back")

    async def _control_model(self, reference: Reference) -> ControlModel:
        name = reference._replace(path=(reference.path[0], "ctlModel")).name(Constraint.CF)
        (told,) = await read(self._link, [name])
        if not isinstance(told, Data) or told.value not in ControlModel.__members__.values():
            raise DeviceRejected(f"{reference}.ctlModel tells no control model")
        return ControlModel(told.value)

    async def _status(self, point: Point, reference: Reference) -> Place | None:
        """What shows a control: what the table says, else the measured value or the status of its own object."""
        rule = point.write
        if rule is not None and rule.status is not None:
            told = self._reference(rule.status)
            for constraint in (rule.status_fc,) if rule.status_fc else (Constraint.MX, Constraint.ST):
                place = await self._place(told, constraint)
                if isinstance(place, Place):
                    return place
            raise DeviceRejected(f"{point.name}: {told} is not there")
        tries = ((Constraint.MX, ("mxVal", "f")), (Constraint.MX, ("mxVal", "i")), (Constraint.ST, ("stVal",)))
        for constraint, path in tries:
            place = await self._place(reference._replace(path=(reference.path[0], *path)), constraint)
            if isinstance(place, Place):
                return place
        return None

    async def _place(self, reference: Reference, constraint: Constraint) -> Place | str:
        """Where an attribute is, or why it is nowhere."""
        variable = reference.object_name(constraint)
        whole = await self._type(variable)
        if isinstance(whole, str):
            return whole
        where = spot(whole, reference.attributes)
        return "the object has no such attribute" if where is None else Place(variable, whole, where)

    async def _type(self, name: Name) -> Type | str:
        if name not in self._types:
            result = await self._link.ask(GetVariableAccessAttributes(name))
            if isinstance(result, ServiceError | Reject) and not _may_pass(result):
                self._types[name] = result.words
            else:
                self._types[name] = expect(result, Type, f"the type of {name}")
        return self._types[name]

    async def _hint(self, reference: Reference, constraint: Constraint) -> str:
        """What the device has that is named nearly so: for who writes the table."""
        wanted = reference.name(constraint)
        near = difflib.get_close_matches(wanted.item, await self._listed(wanted.domain), n=1)
        found = split(Name(wanted.domain, near[0])) if near else None
        if found is not None:
            return f"; it has {found[0]} [{found[1]}]"
        devices = await self._listed("")
        return f"; its logical devices: {', '.join(devices[:_TOLD])}" if wanted.domain not in devices else ""

    async def _listed(self, domain: str) -> list[str]:
        """The names of a logical device's variables, or of the logical devices; none where it does not list them."""
        if domain not in self._names:
            names = self._names[domain] = []
            kind = ObjectClass.VARIABLE if domain else ObjectClass.DOMAIN
            for _ in range(_MAX_PAGES):
                told = await self._link.ask(GetNameList(kind, domain, names[-1] if names else ""))
                if not isinstance(told, NameList) or not told.names:
                    break
                names += told.names
                if not told.more:
                    break
        return self._names[domain]

    def _reference(self, text: str) -> Reference:
        try:
            return parse(text_of(text, self._values))
        except LocalProtocolError as error:
            raise DeviceRejected(str(error)) from error


def _may_pass(result: object) -> bool:
    return isinstance(result, ServiceError) and result.passing


def expect(result: Result, kind: type[T], what: str) -> T:
    """The answer that was hoped for.

    Raises:
        DeviceBusy: not now.
        DeviceRejected: not at all.
    """
    if isinstance(result, kind):
        return result
    words = result.words if isinstance(result, ServiceError | Reject) else type(result).__name__
    raise (DeviceBusy if _may_pass(result) else DeviceRejected)(f"{what}: {words}")


async def read(link: Link, names: Sequence[Name]) -> list[Data | AccessError]:
    """Some variables, in one message.

    Raises:
        DeviceTimeout, DeviceBusy, DeviceRejected: as `Driver.read`.
    """
    answer = expect(await link.ask(Read(tuple(names))), ReadAnswer, f"reading {names[0]}")
    return list(answer.results)


async def read_places(link: Link, wanted: Iterable[tuple[Point, Place]]) -> dict[str, Reading]:
    """What points show now, in as few messages as the agreed length allows.

    Raises:
        DeviceTimeout, DeviceBusy, DeviceRejected: as `Driver.read`; an optional point that is refused is not known.
    """
    by_variable: dict[Name, list[tuple[Point, Place]]] = {}
    for point, place in wanted:
        by_variable.setdefault(place.variable, []).append((point, place))
    found: dict[str, Reading] = {}
    for names in _batches({name: members[0][1].whole for name, members in by_variable.items()}, link.max_octets):
        for name, value in zip(names, await read(link, names), strict=True):
            for point, place in by_variable[name]:
                found[point.name] = _reading(point, place, value)
    return found


def _reading(point: Point, place: Place, value: Data | AccessError) -> Reading:
    if isinstance(value, Data):
        return place.spot.read(value, place.whole)
    if point.optional:
        return Reading(None)
    kind = DeviceBusy if value in PASSING else DeviceRejected
    raise kind(f"reading {point.name} ({place.variable}): {value.words}")


def _batches(types: Mapping[Name, Type], octets: int) -> Iterator[list[Name]]:
    room = octets // 2
    batch: list[Name] = []
    used = 0
    for name, kind in types.items():
        cost = max(len(name.domain) + len(name.item) + _NAME_OCTETS, _octets(kind))
        if batch and used + cost > room:
            yield batch
            batch, used = [], 0
        batch.append(name)
        used += cost
    if batch:
        yield batch


def _octets(kind: Type) -> int:
    """About how long a value is."""
    match kind.kind:
        case Kind.STRUCTURE:
            return 4 + sum(_octets(part) for _, part in kind.components)
        case Kind.ARRAY:
            return 4 + (kind.size or 1) * (_LEAF_OCTETS if kind.element is None else _octets(kind.element))
        case Kind.VISIBLE_STRING | Kind.MMS_STRING | Kind.OCTET_STRING:
            return 4 + abs(kind.size or _LEAF_OCTETS)
        case _:
            return _LEAF_OCTETS
