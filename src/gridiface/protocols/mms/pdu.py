"""The units of MMS (ISO 9506-2 MMSpdu): initiate, confirmed services and errors, reports, reject, cancel, conclude."""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.mms.ber import (
    Element,
    bit_octets,
    bits,
    broken,
    elements,
    fields,
    integer,
    number,
    required,
    single,
    tlv,
    unsigned,
)
from gridiface.protocols.mms.data import Data
from gridiface.protocols.mms.errors import AccessError, ServiceError, decode_service_error, encode_service_error
from gridiface.protocols.mms.names import Name, decode_specification, encode_specification
from gridiface.protocols.mms.responses import access_results, encode_results
from gridiface.protocols.mms.services import (
    ATTRIBUTES_BIT,
    CANCEL_BIT,
    CONCLUDE_BIT,
    DEFINE_LIST_BIT,
    DELETE_LIST_BIT,
    IDENTIFY_BIT,
    INFORMATION_REPORT_BIT,
    LIST_ATTRIBUTES_BIT,
    MAX_VARIABLES,
    NAME_LIST_BIT,
    READ_BIT,
    STATUS_BIT,
    WRITE_BIT,
)

_REQUEST, _RESPONSE, _ERROR, _UNCONFIRMED, _REJECT = 0xA0, 0xA1, 0xA2, 0xA3, 0xA4
_CANCEL, _CANCELLED, _CANCEL_ERROR = 0x85, 0x86, 0xA7
_INITIATE, _INITIATED, _INITIATE_ERROR = 0xA8, 0xA9, 0xAA
_CONCLUDE, _CONCLUDED, _CONCLUDE_ERROR = 0x8B, 0x8C, 0xAD
_INVOKE = 0x02

#: ISO 9506's second edition.
VERSION = 1
#: str1, str2, vnam, valt, vlis of ParameterSupportOptions: what IEC 61850-8-1 clause 6.2 wants.
PARAMETERS = "11110010000"
SERVICES = "".join(
    "1" if bit in {
        STATUS_BIT, NAME_LIST_BIT, IDENTIFY_BIT, READ_BIT, WRITE_BIT, ATTRIBUTES_BIT, DEFINE_LIST_BIT,
        LIST_ATTRIBUTES_BIT, DELETE_LIST_BIT, INFORMATION_REPORT_BIT, CONCLUDE_BIT, CANCEL_BIT,
    } else "0"
    for bit in range(85)
)  # fmt: skip

#: What is rejected, and the commonest reasons of a confirmed request's reject.
_REJECTED = {
    1: "confirmed request", 2: "confirmed response", 3: "confirmed error", 4: "unconfirmed unit", 5: "unit",
    6: "cancel request", 7: "cancel response", 8: "cancel error", 9: "conclude request", 10: "conclude response",
    11: "conclude error",
}  # fmt: skip
_REQUEST_REASONS = {
    0: "other", 1: "unrecognized service", 2: "unrecognized modifier", 3: "invalid invoke identifier",
    4: "invalid argument", 5: "invalid modifier", 6: "too many requests outstanding", 8: "recursion too deep",
    9: "value out of range",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Initiate:
    """What is proposed, or agreed on: longest unit in octets, requests without answer each way, nesting."""

    max_octets: int | None = 65_000
    calling: int = 5
    called: int = 5
    nesting: int = 10
    version: int = VERSION
    parameters: str = PARAMETERS
    services: str = SERVICES


@dataclass(frozen=True, slots=True)
class Initiated:
    """The answer to an Initiate."""

    terms: Initiate


@dataclass(frozen=True, slots=True)
class InitiateFailed:
    """The peer does not agree."""

    error: ServiceError


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A confirmed service: of a request with `answer` False, else of its response."""

    invoke: int
    service: Element
    answer: bool = True


@dataclass(frozen=True, slots=True)
class Failed:
    """A confirmed service failed as a whole."""

    invoke: int
    error: ServiceError


@dataclass(frozen=True, slots=True)
class Report:
    """An informationReport: the variables or the name of their list, and their values."""

    what: tuple[Name, ...] | Name
    results: tuple[Data | AccessError, ...]


@dataclass(frozen=True, slots=True)
class Reject:
    """The peer did not understand a unit; of which request, where it says so."""

    invoke: int | None
    reason: int
    code: int

    @property
    def words(self) -> str:
        """In words."""
        why = _REQUEST_REASONS.get(self.code, f"code {self.code}") if self.reason == 1 else f"code {self.code}"
        return f"{_REJECTED.get(self.reason, f'unit {self.reason}')} rejected: {why}"


@dataclass(frozen=True, slots=True)
class Cancel:
    """A request is called off (`error` None and `answer` False), or the answer to that."""

    invoke: int
    answer: bool = False
    error: ServiceError | None = None


@dataclass(frozen=True, slots=True)
class Conclude:
    """The association is to end, or may: the answer; `error`: it may not yet."""

    answer: bool = False
    error: ServiceError | None = None


Unit = Initiate | Initiated | InitiateFailed | Confirmed | Failed | Report | Reject | Cancel | Conclude


# Reading -----------------------------------------------------------------------------------------------------------


def decode(data: bytes) -> Unit | None:
    """One unit; None: an unconfirmed service that is not here, which nobody answers.

    Raises:
        RemoteProtocolError: it is none.
    """
    unit = single(data)
    match unit.tag:
        case 0xA0 | 0xA1:
            return _confirmed(unit)
        case 0xA2:
            found = fields(unit.content)
            error = decode_service_error(required(found, 0xA2, "the error of a service"))
            return Failed(unsigned(required(found, 0x80, "the invoke identifier")), error)
        case 0xA3:
            return _unconfirmed(single(unit.content))
        case 0xA4:
            return _reject(unit.content)
        case 0xA8:
            return _initiate(unit.content)
        case 0xA9:
            return Initiated(_initiate(unit.content))
        case 0xAA:
            return InitiateFailed(decode_service_error(unit.content))
        case _:
            return _ending(unit)


def _ending(unit: Element) -> Unit:
    """Cancel and conclude, both with their answers."""
    match unit.tag:
        case 0x85:
            return Cancel(unsigned(unit.content))
        case 0x86:
            return Cancel(unsigned(unit.content), answer=True)
        case 0xA7:
            found = fields(unit.content)
            error = decode_service_error(required(found, 0xA1, "the error of a cancel"))
            return Cancel(unsigned(required(found, 0x80, "the invoke identifier")), answer=True, error=error)
        case 0x8B:
            return Conclude()
        case 0x8C:
            return Conclude(answer=True)
        case 0xAD:
            return Conclude(answer=True, error=decode_service_error(unit.content))
        case _:
            raise broken(f"{unit.tag:#x} is no unit of MMS")


def _confirmed(unit: Element) -> Confirmed:
    parts = elements(unit.content, 4)
    if len(parts) < 2 or parts[0].tag != _INVOKE:
        raise broken("a confirmed service without its invoke identifier")
    # a list of modifiers, which nobody sends, would stand between both
    service = parts[2] if parts[1].tag == 0x30 and len(parts) > 2 else parts[1]
    return Confirmed(unsigned(parts[0].content), service, answer=unit.tag == _RESPONSE)


def _unconfirmed(service: Element) -> Report | None:
    if service.tag != 0xA0:
        return None
    parts = elements(service.content, 2)
    if len(parts) != 2 or parts[1].tag != 0xA0:
        raise broken("a report of another form")
    what = decode_specification(parts[0], MAX_VARIABLES)
    return Report(what, access_results(parts[1].content, None if isinstance(what, Name) else len(what)))


def _reject(content: bytes) -> Reject:
    found = elements(content, 2)
    invoke = next((unsigned(e.content) for e in found if e.tag == 0x80), None)
    reason = next((e for e in found if e.tag != 0x80), None)
    if reason is None:
        raise broken("a reject without its reason")
    return Reject(invoke, reason.tag & 0x1F, integer(reason.content))


def _initiate(content: bytes) -> Initiate:
    found = fields(content)
    detail = fields(required(found, 0xA4, "the detail of initiate"))
    octets = found.get(0x80)
    nesting = found.get(0x83)
    return Initiate(
        None if octets is None else integer(octets),
        integer(required(found, 0x81, "requests outstanding, calling")),
        integer(required(found, 0x82, "requests outstanding, called")),
        10 if nesting is None else integer(nesting),
        integer(required(detail, 0x80, "the version")),
        bits(required(detail, 0x81, "the parameters supported")),
        bits(required(detail, 0x82, "the services supported")),
    )


# Writing -----------------------------------------------------------------------------------------------------------


def encode_initiate(terms: Initiate, *, answer: bool = False) -> bytes:
    """An initiate request or its response."""
    detail = tlv(
        0xA4,
        number(0x80, terms.version),
        tlv(0x81, bit_octets(terms.parameters)),
        tlv(0x82, bit_octets(terms.services)),
    )
    octets = b"" if terms.max_octets is None else number(0x80, terms.max_octets)
    counts = number(0x81, terms.calling) + number(0x82, terms.called) + number(0x83, terms.nesting)
    return tlv(_INITIATED if answer else _INITIATE, octets, counts, detail)


def encode_confirmed(invoke: int, service: bytes, *, answer: bool = False) -> bytes:
    """A confirmed request or response."""
    return tlv(_RESPONSE if answer else _REQUEST, number(_INVOKE, invoke), service)


def encode_failure(invoke: int, error: ServiceError) -> bytes:
    """A confirmed error."""
    return tlv(_ERROR, number(0x80, invoke), tlv(0xA2, encode_service_error(error)))


def encode_report(report: Report) -> bytes:
    """An informationReport."""
    return tlv(_UNCONFIRMED, tlv(0xA0, encode_specification(report.what), tlv(0xA0, encode_results(report.results))))


def encode_reject(reject: Reject) -> bytes:
    """A reject."""
    invoke = b"" if reject.invoke is None else number(0x80, reject.invoke)
    return tlv(_REJECT, invoke, number(0x80 | reject.reason, reject.code))


def encode_cancel(cancel: Cancel) -> bytes:
    """A cancel request or its answer."""
    if cancel.error is not None:
        return tlv(_CANCEL_ERROR, number(0x80, cancel.invoke), tlv(0xA1, encode_service_error(cancel.error)))
    return number(_CANCELLED if cancel.answer else _CANCEL, cancel.invoke)


def encode_conclude(*, answer: bool = False) -> bytes:
    """A conclude request or its response."""
    return tlv(_CONCLUDED if answer else _CONCLUDE)
