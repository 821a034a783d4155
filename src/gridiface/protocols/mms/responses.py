"""The octets of the confirmed services' responses (ISO 9506-2), and lists of values with errors among them."""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.protocols.mms import data as values
from gridiface.protocols.mms import types
from gridiface.protocols.mms.ber import (
    Element,
    boolean,
    broken,
    elements,
    fields,
    integer,
    number,
    required,
    single,
    text,
    tlv,
)
from gridiface.protocols.mms.data import Data
from gridiface.protocols.mms.errors import AccessError, access_error
from gridiface.protocols.mms.names import (
    Name,
    decode_variables,
    encode_variables,
    identifier,
    identifier_octets,
)
from gridiface.protocols.mms.services import (
    MAX_VARIABLES,
    DefineVariableList,
    DeleteVariableList,
    Done,
    GetNameList,
    GetVariableAccessAttributes,
    GetVariableListAttributes,
    Identify,
    IdentifyAnswer,
    NameList,
    Read,
    ReadAnswer,
    Request,
    Response,
    Status,
    StatusAnswer,
    VariableList,
    Write,
    WriteAnswer,
)
from gridiface.protocols.mms.types import Type


def decode_response(request: Request, element: Element) -> Response:
    """The response to a request.

    Raises:
        RemoteProtocolError: it is that of another service, or breaks the service's rules.
    """
    content = element.content
    match request, element.tag:
        case Status(), 0xA0:
            return _status(content)
        case Identify(), 0xA2:
            found = fields(content)
            return IdentifyAnswer(*(text(found.get(tag, b""))[:256] for tag in (0x80, 0x81, 0x82)))
        case GetNameList(), 0xA1:
            return _names(content)
        case GetVariableAccessAttributes(), 0xA6:
            return types.decode(single(required(fields(content), 0xA2, "the type")))
        case Read(), 0xA4:
            listed = required(fields(content), 0xA1, "the values that were read")
            return ReadAnswer(access_results(listed, _expected(request.what)))
        case Write(), 0xA5:
            return WriteAnswer(_write_results(content, len(request.values)))
        case _:
            return _list_response(request, element)


def _list_response(request: Request, element: Element) -> Response:
    match request, element.tag:
        case DefineVariableList(), 0x8B:
            return Done()
        case DeleteVariableList(), 0xAD:
            return Done(integer(required(fields(element.content), 0x81, "how many were removed")))
        case GetVariableListAttributes(), 0xAC:
            return _list_attributes(element.content)
        case _:
            raise broken(f"response {element.tag:#x} to {type(request).__name__}")


def _status(content: bytes) -> StatusAnswer:
    found = fields(content)
    return StatusAnswer(
        integer(required(found, 0x80, "the logical status")),
        integer(required(found, 0x81, "the physical status")),
    )


def access_results(content: bytes, expected: int | None = None) -> tuple[Data | AccessError, ...]:
    """Values, each of which may be an error instead.

    Raises:
        RemoteProtocolError: another number of them than `expected`.
    """
    found = elements(content, MAX_VARIABLES)
    if expected is not None and len(found) != expected:
        raise broken(f"{len(found)} values where {expected} were asked for")
    return tuple(access_error(e.content) if e.tag == 0x80 else values.decode(e) for e in found)


def _expected(what: tuple[Name, ...] | Name) -> int | None:
    return None if isinstance(what, Name) else len(what)


def _write_results(content: bytes, expected: int) -> tuple[AccessError | None, ...]:
    found = elements(content, MAX_VARIABLES)
    if len(found) != expected:
        raise broken(f"{len(found)} results where {expected} values were written")
    if any(e.tag not in (0x80, 0x81) for e in found):
        raise broken("a result that says neither success nor failure")
    return tuple(access_error(e.content) if e.tag == 0x80 else None for e in found)


def _names(content: bytes) -> NameList:
    found = fields(content)
    listed = elements(required(found, 0xA0, "the names"), MAX_VARIABLES)
    more = found.get(0x81)
    return NameList(tuple(identifier(e.content) for e in listed), True if more is None else boolean(more))


def _list_attributes(content: bytes) -> VariableList:
    found = fields(content)
    members = decode_variables(required(found, 0xA1, "the members"), MAX_VARIABLES)
    return VariableList(members, boolean(required(found, 0x80, "whether it can be removed")))


def encode_response(response: Response) -> bytes:
    """The service of a response, as a server answers; raises as `encode_request`."""
    match response:
        case StatusAnswer():
            return tlv(0xA0, number(0x80, response.logical), number(0x81, response.physical))
        case IdentifyAnswer():
            told = (response.vendor, response.model, response.revision)
            return tlv(0xA2, *(tlv(0x80 + n, word.encode()) for n, word in enumerate(told)))
        case NameList():
            names = tlv(0xA0, *(tlv(0x1A, identifier_octets(name)) for name in response.names))
            return tlv(0xA1, names, tlv(0x81, b"\xff" if response.more else b"\0"))
        case Type():
            return tlv(0xA6, tlv(0x80, b"\0"), tlv(0xA2, types.encode(response)))
        case ReadAnswer():
            return tlv(0xA4, tlv(0xA1, encode_results(response.results)))
        case WriteAnswer():
            return tlv(0xA5, *(tlv(0x81) if e is None else number(0x80, e) for e in response.results))
        case VariableList():
            flag = tlv(0x80, b"\xff" if response.deletable else b"\0")
            return tlv(0xAC, flag, tlv(0xA1, encode_variables(response.members)))
        case Done():
            return tlv(0x8B) if not response.count else tlv(0xAD, number(0x80, 1), number(0x81, response.count))


def encode_results(results: Sequence[Data | AccessError]) -> bytes:
    """Values, each of which may be an error instead."""
    return b"".join(number(0x80, r) if isinstance(r, AccessError) else values.encode(r) for r in results)
