"""The confirmed services that are asked for (ISO 9506-2): requests and the types of their responses; requests' octets.

Not owned: the responses' octets (responses), invoke identifiers and errors (pdu).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from gridiface.protocols.mms import data as values
from gridiface.protocols.mms.ber import (
    Element,
    broken,
    elements,
    fields,
    integer,
    number,
    required,
    single,
    tlv,
)
from gridiface.protocols.mms.data import Data
from gridiface.protocols.mms.errors import AccessError
from gridiface.protocols.mms.names import (
    Name,
    decode_name,
    decode_specification,
    decode_variables,
    encode_name,
    encode_specification,
    encode_variables,
    identifier,
    identifier_octets,
)
from gridiface.protocols.mms.types import Type

#: Variables that one request or list may name, and names that one answer may hold.
MAX_VARIABLES = 8192


class ObjectClass(IntEnum):
    """What getNameList lists."""

    VARIABLE = 0
    VARIABLE_LIST = 2
    DOMAIN = 9


@dataclass(frozen=True, slots=True)
class Status:
    """Asks how the device is; answered by `StatusAnswer`."""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """Logical state (0: all services are allowed) and physical state (0: operational)."""

    logical: int
    physical: int


@dataclass(frozen=True, slots=True)
class Identify:
    """Asks who made the device; answered by `IdentifyAnswer`."""


@dataclass(frozen=True, slots=True)
class IdentifyAnswer:
    """Who made it."""

    vendor: str
    model: str
    revision: str


@dataclass(frozen=True, slots=True)
class GetNameList:
    """Asks for names: of domains, or of one domain's variables or lists; goes on after `after`."""

    kind: ObjectClass
    domain: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class NameList:
    """Names; `more`: the device has others."""

    names: tuple[str, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class GetVariableAccessAttributes:
    """Asks what type a variable is; answered by a `Type`."""

    name: Name


@dataclass(frozen=True, slots=True)
class Read:
    """Reads variables, or a whole list by its name; answered by one Data or AccessError each."""

    what: tuple[Name, ...] | Name


@dataclass(frozen=True, slots=True)
class ReadAnswer:
    """One value or error for each variable, in order."""

    results: tuple[Data | AccessError, ...]


@dataclass(frozen=True, slots=True)
class Write:
    """Writes variables, or a whole list by its name, one value each."""

    what: tuple[Name, ...] | Name
    values: tuple[Data, ...]


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """For each variable None where it was written, else the error."""

    results: tuple[AccessError | None, ...]


@dataclass(frozen=True, slots=True)
class DefineVariableList:
    """Makes a list of variables: a data set; answered by `Done`."""

    name: Name
    members: tuple[Name, ...]


@dataclass(frozen=True, slots=True)
class DeleteVariableList:
    """Removes a list that was made; answered by `Done`, whose count is 0 where it stayed."""

    name: Name


@dataclass(frozen=True, slots=True)
class Done:
    """It was done; `count`: how many lists were removed."""

    count: int = 0


@dataclass(frozen=True, slots=True)
class GetVariableListAttributes:
    """Asks for the members of a list."""

    name: Name


@dataclass(frozen=True, slots=True)
class VariableList:
    """The members of a list, in order; `deletable`: it was made by a client."""

    members: tuple[Name, ...]
    deletable: bool


ListRequest = DefineVariableList | DeleteVariableList | GetVariableListAttributes
Request = Status | Identify | GetNameList | GetVariableAccessAttributes | Read | Write | ListRequest
Response = StatusAnswer | IdentifyAnswer | NameList | Type | ReadAnswer | WriteAnswer | Done | VariableList

_STATUS, _NAME_LIST, _IDENTIFY, _READ, _WRITE = 0, 1, 2, 4, 5
_ATTRIBUTES, _DEFINE_LIST, _LIST_ATTRIBUTES, _DELETE_LIST = 6, 11, 12, 13

#: The bits of servicesSupported (ISO 9506-2 ServiceSupportOptions) that the services here have.
STATUS_BIT, NAME_LIST_BIT, IDENTIFY_BIT = 0, 1, 2
READ_BIT, WRITE_BIT, ATTRIBUTES_BIT, DEFINE_LIST_BIT = 4, 5, 6, 11
LIST_ATTRIBUTES_BIT, DELETE_LIST_BIT, INFORMATION_REPORT_BIT = 12, 13, 79
CONCLUDE_BIT, CANCEL_BIT = 83, 84


# Requests ----------------------------------------------------------------------------------------------------------


def encode_request(request: Request) -> bytes:
    """The service of a request.

    Raises:
        LocalProtocolError: a name that is none, or a value that does not fit its kind.
    """
    match request:
        case Status():
            return tlv(0x80 | _STATUS, b"\0")
        case Identify():
            return tlv(0x80 | _IDENTIFY)
        case GetNameList():
            return _encode_get_names(request)
        case GetVariableAccessAttributes():
            return tlv(0xA0 | _ATTRIBUTES, tlv(0xA0, encode_name(request.name)))
        case Read():
            return tlv(0xA0 | _READ, tlv(0xA1, encode_specification(request.what)))
        case Write():
            listed = tlv(0xA0, *map(values.encode, request.values))
            return tlv(0xA0 | _WRITE, encode_specification(request.what), listed)
        case _:
            return _encode_list_request(request)


def _encode_list_request(request: ListRequest) -> bytes:
    match request:
        case DefineVariableList():
            members = tlv(0xA0, encode_variables(request.members))
            return tlv(0xA0 | _DEFINE_LIST, encode_name(request.name), members)
        case DeleteVariableList():
            return tlv(0xA0 | _DELETE_LIST, number(0x80, 0), tlv(0xA1, encode_name(request.name)))
        case GetVariableListAttributes():
            return tlv(0xA0 | _LIST_ATTRIBUTES, encode_name(request.name))


def _encode_get_names(request: GetNameList) -> bytes:
    scope = tlv(0x81, identifier_octets(request.domain)) if request.domain else tlv(0x80)
    after = tlv(0x82, identifier_octets(request.after)) if request.after else b""
    return tlv(0xA0 | _NAME_LIST, tlv(0xA0, number(0x80, request.kind)), tlv(0xA1, scope), after)


def decode_request(element: Element) -> Request | None:
    """A request as a server takes it; None: a service that is not here.

    Raises:
        RemoteProtocolError: it breaks the rules of its service.
    """
    reader = _READERS.get(element.tag)
    return None if reader is None else reader(element.content)


def _decode_read(content: bytes) -> Read:
    return Read(decode_specification(single(required(fields(content), 0xA1, "what is read")), MAX_VARIABLES))


def _decode_write(content: bytes) -> Write:
    what, listed = _pair(content)
    members = elements(listed.content, MAX_VARIABLES)
    return Write(decode_specification(what, MAX_VARIABLES), tuple(map(values.decode, members)))


def _decode_definition(content: bytes) -> DefineVariableList:
    named, members = _pair(content)
    return DefineVariableList(decode_name(named), decode_variables(members.content, MAX_VARIABLES))


def _decode_deletion(content: bytes) -> DeleteVariableList:
    return DeleteVariableList(decode_name(single(required(fields(content), 0xA1, "the list's name"))))


def _decode_get_names(content: bytes) -> GetNameList:
    found = fields(content)
    kind = integer(single(required(found, 0xA0, "the class of objects")).content)
    if kind not in ObjectClass.__members__.values():
        raise broken(f"objects of class {kind} are not listed")
    scope = single(required(found, 0xA1, "the scope"))
    domain = identifier(scope.content) if scope.tag == 0x81 else ""
    return GetNameList(ObjectClass(kind), domain, identifier(found.get(0x82, b"")))


def _pair(content: bytes) -> tuple[Element, Element]:
    found = elements(content, 2)
    if len(found) != 2:
        raise broken(f"{len(found)} parts where two belong")
    return found[0], found[1]


_READERS: dict[int, Callable[[bytes], Request]] = {
    0x80 | _STATUS: lambda _: Status(),
    0x80 | _IDENTIFY: lambda _: Identify(),
    0xA0 | _NAME_LIST: _decode_get_names,
    0xA0 | _READ: _decode_read,
    0xA0 | _WRITE: _decode_write,
    0xA0 | _ATTRIBUTES: lambda content: GetVariableAccessAttributes(decode_name(single(single(content).content))),
    0xA0 | _DEFINE_LIST: _decode_definition,
    0xA0 | _LIST_ATTRIBUTES: lambda content: GetVariableListAttributes(decode_name(single(content))),
    0xA0 | _DELETE_LIST: _decode_deletion,
}
