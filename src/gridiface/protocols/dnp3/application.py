"""Application layer: function codes, internal indications, fragment headers and object headers.

Owns how a fragment splits into header, object headers and object data (IEEE 1815 clause 4); how object headers are
written is heads.py. What a function does is not known here. Parsing is total: any octets give a fragment or a
RemoteProtocolError whose `answer` is the IIN to respond with.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from functools import lru_cache
from typing import NamedTuple

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.objects import Layout, Variation, find

FIR = 0x80
FIN = 0x40
CON = 0x20
UNS = 0x10
SEQUENCE_MASK = 0x0F

MAX_OBJECT_HEADERS = 128
"""Object headers we take in one request; one with more is refused (clause 4.2.2 sets no figure).

A response has no such limit: events of alternating types have a header each, to keep their order.
"""


class FunctionCode(IntEnum):
    """Application function codes (clause 4.2.2.5)."""

    CONFIRM = 0
    READ = 1
    WRITE = 2
    SELECT = 3
    OPERATE = 4
    DIRECT_OPERATE = 5
    DIRECT_OPERATE_NR = 6
    IMMED_FREEZE = 7
    IMMED_FREEZE_NR = 8
    FREEZE_CLEAR = 9
    FREEZE_CLEAR_NR = 10
    FREEZE_AT_TIME = 11
    FREEZE_AT_TIME_NR = 12
    COLD_RESTART = 13
    WARM_RESTART = 14
    INITIALIZE_DATA = 15
    INITIALIZE_APPL = 16
    START_APPL = 17
    STOP_APPL = 18
    SAVE_CONFIG = 19
    ENABLE_UNSOLICITED = 20
    DISABLE_UNSOLICITED = 21
    ASSIGN_CLASS = 22
    DELAY_MEASURE = 23
    RECORD_CURRENT_TIME = 24
    OPEN_FILE = 25
    CLOSE_FILE = 26
    DELETE_FILE = 27
    GET_FILE_INFO = 28
    AUTHENTICATE_FILE = 29
    ABORT_FILE = 30
    ACTIVATE_CONFIG = 31
    AUTHENTICATE_REQ = 32
    AUTH_REQ_NO_ACK = 33
    RESPONSE = 129
    UNSOLICITED_RESPONSE = 130
    AUTHENTICATE_RESP = 131


NO_REPLY = frozenset(
    (
        FunctionCode.CONFIRM,
        FunctionCode.DIRECT_OPERATE_NR,
        FunctionCode.IMMED_FREEZE_NR,
        FunctionCode.FREEZE_CLEAR_NR,
        FunctionCode.FREEZE_AT_TIME_NR,
        FunctionCode.AUTH_REQ_NO_ACK,
    )
)
RESPONSES = frozenset((FunctionCode.RESPONSE, FunctionCode.UNSOLICITED_RESPONSE, FunctionCode.AUTHENTICATE_RESP))
_WITH_DATA = frozenset(
    (
        FunctionCode.WRITE,
        FunctionCode.SELECT,
        FunctionCode.OPERATE,
        FunctionCode.DIRECT_OPERATE,
        FunctionCode.DIRECT_OPERATE_NR,
        FunctionCode.OPEN_FILE,
        FunctionCode.CLOSE_FILE,
        FunctionCode.DELETE_FILE,
        FunctionCode.GET_FILE_INFO,
        FunctionCode.AUTHENTICATE_FILE,
        FunctionCode.ABORT_FILE,
        FunctionCode.ACTIVATE_CONFIG,
        FunctionCode.AUTHENTICATE_REQ,
        FunctionCode.AUTH_REQ_NO_ACK,
        *RESPONSES,
    )
)
_READ = int(FunctionCode.READ)
_REQUESTS = frozenset(int(code) for code in FunctionCode if code not in RESPONSES)
_FREEZE_AT_TIME = frozenset((FunctionCode.FREEZE_AT_TIME, FunctionCode.FREEZE_AT_TIME_NR))


class IIN(IntFlag):
    """Internal indications (clause 4.5): IIN1 in the low octet, IIN2 in the high one, as they stand on the wire."""

    NONE = 0
    BROADCAST = 0x0001
    CLASS_1_EVENTS = 0x0002
    CLASS_2_EVENTS = 0x0004
    CLASS_3_EVENTS = 0x0008
    NEED_TIME = 0x0010
    LOCAL_CONTROL = 0x0020
    DEVICE_TROUBLE = 0x0040
    DEVICE_RESTART = 0x0080
    NO_FUNC_CODE_SUPPORT = 0x0100
    OBJECT_UNKNOWN = 0x0200
    PARAMETER_ERROR = 0x0400
    EVENT_BUFFER_OVERFLOW = 0x0800
    ALREADY_EXECUTING = 0x1000
    CONFIG_CORRUPT = 0x2000


class Qualifier(IntEnum):
    """Qualifier octets in use: prefix code in the high nibble, range code in the low one (clause 4.2.2.7)."""

    RANGE8 = 0x00
    RANGE16 = 0x01
    ALL = 0x06
    COUNT8 = 0x07
    COUNT16 = 0x08
    COUNT8_INDEX8 = 0x17
    COUNT16_INDEX16 = 0x28
    COUNT8_SIZE16 = 0x5B


_QUALIFIERS = {int(code): code for code in Qualifier}
_RANGE_OCTETS = {
    Qualifier.RANGE8: 1,
    Qualifier.RANGE16: 2,
    Qualifier.ALL: 0,
    Qualifier.COUNT8: 1,
    Qualifier.COUNT16: 2,
    Qualifier.COUNT8_INDEX8: 1,
    Qualifier.COUNT16_INDEX16: 2,
    Qualifier.COUNT8_SIZE16: 1,
}
PREFIX_OCTETS = {
    Qualifier.COUNT8_INDEX8: 1,
    Qualifier.COUNT16_INDEX16: 2,
    Qualifier.COUNT8_SIZE16: 2,
}
RANGES = frozenset((Qualifier.RANGE8, Qualifier.RANGE16))
COUNTS = frozenset((Qualifier.COUNT8, Qualifier.COUNT16))
INDEXED = frozenset((Qualifier.COUNT8_INDEX8, Qualifier.COUNT16_INDEX16))


@dataclass(slots=True)
class ObjectHeader:
    """One object header with the octets of its objects; never changed once made (not frozen, for speed).

    `head` is the header as received (for echoes), `body` the octets behind it: prefixes and objects, or the bare index
    list of a request without data. `count` is the number of points or objects meant; 0 with qualifier 06 ("all").
    """

    group: int
    variation: int
    qualifier: Qualifier
    count: int
    start: int
    head: bytes
    body: bytes
    row: Variation | None

    @property
    def stop(self) -> int:
        """The last index of a range."""
        return self.start + self.count - 1

    @property
    def indices(self) -> range | tuple[int, ...]:
        """The indices meant by a range or an index prefix; empty for other qualifiers."""
        if self.qualifier in RANGES:
            return range(self.start, self.start + self.count)
        if self.qualifier not in INDEXED or not self.count:
            return ()
        octets = PREFIX_OCTETS[self.qualifier]
        step = len(self.body) // self.count
        return tuple(int.from_bytes(self.body[at : at + octets], "little") for at in range(0, len(self.body), step))

    def objects(self) -> Iterator[tuple[int, bytes]]:
        """(index, octets) of each object; index 0 upwards where the qualifier gives none. Not for packed rows."""
        prefix = PREFIX_OCTETS.get(self.qualifier, 0)
        at = 0
        for number in range(self.count):
            lead = int.from_bytes(self.body[at : at + prefix], "little")
            at += prefix
            size = lead if self.qualifier is Qualifier.COUNT8_SIZE16 else self._size_at(at)
            index = lead if self.qualifier in INDEXED else self.start + number
            yield index, self.body[at : at + size]
            at += size

    def bits(self, width: int = 1) -> list[int]:
        """The values of a packed row, in order of index."""
        mask = (1 << width) - 1
        per_octet = 8 // width
        return [self.body[at // per_octet] >> (at % per_octet * width) & mask for at in range(self.count)]

    def _size_at(self, at: int) -> int:
        if self.row is None:
            return 0
        return 2 + self.body[at + 1] if self.row.layout is Layout.ATTRIBUTE else self.row.size


class Fragment(NamedTuple):
    """A whole application fragment: control, function, IIN (responses only) and object headers."""

    control: int
    function: int
    iin: IIN
    headers: tuple[ObjectHeader, ...]
    octets: bytes

    @property
    def sequence(self) -> int:
        """The application sequence number, 0 to 15."""
        return self.control & SEQUENCE_MASK

    @property
    def unsolicited(self) -> bool:
        """The UNS bit."""
        return bool(self.control & UNS)


def parse_request(octets: bytes) -> Fragment:
    """A request's octets to its headers.

    Raises:
        RemoteProtocolError: with the IIN to answer (clause 4.5): NO_FUNC_CODE_SUPPORT, OBJECT_UNKNOWN or
            PARAMETER_ERROR; the caller has already looked at the first two octets.
    """
    function = octets[1]
    if function not in _REQUESTS:
        raise RemoteProtocolError(f"unknown function code {function}", answer=IIN.NO_FUNC_CODE_SUPPORT)
    if function == _READ:
        return Fragment(octets[0], function, IIN.NONE, _read_headers(octets[2:]), octets)
    return Fragment(octets[0], function, IIN.NONE, _headers(function, octets, 2), octets)


def parse_response(octets: bytes) -> Fragment:
    """A response's octets to IIN and headers.

    Raises:
        RemoteProtocolError: too short, not a response, or object data that do not parse.
    """
    if len(octets) < 4 or octets[1] not in RESPONSES:
        raise RemoteProtocolError("not a response fragment", answer=IIN.PARAMETER_ERROR)
    iin = IIN(int.from_bytes(octets[2:4], "little") & 0x3FFF)
    return Fragment(octets[0], octets[1], iin, _headers(octets[1], octets, 4), octets)


@lru_cache(maxsize=256)
def _read_headers(octets: bytes) -> tuple[ObjectHeader, ...]:
    """The headers of a READ; polls repeat, so the last ones are kept parsed."""
    return _headers(FunctionCode.READ, octets, 0)


def _headers(function: int, octets: bytes, at: int) -> tuple[ObjectHeader, ...]:
    found: list[ObjectHeader] = []
    while at < len(octets):
        if len(found) >= MAX_OBJECT_HEADERS and function not in RESPONSES:
            raise RemoteProtocolError("too many object headers", answer=IIN.PARAMETER_ERROR)
        header, at = _header(function, octets, at)
        found.append(header)
    return tuple(found)


class _Plan(NamedTuple):
    """What the first three octets of an object header tell of those behind them.

    `width` octets of range field follow, and for each object `step` octets; None: the data have to be looked at.
    """

    qualifier: Qualifier
    width: int
    ranged: bool
    step: int | None
    row: Variation | None


@lru_cache(maxsize=1024)
def _plan(function: int, lead: bytes) -> _Plan:
    """The plan of a header by its group, variation and qualifier octets; the same few come again and again."""
    group, variation, code = lead
    qualifier = _QUALIFIERS.get(code)
    if qualifier is None:
        raise RemoteProtocolError(f"qualifier 0x{code:02x} not supported", answer=IIN.PARAMETER_ERROR)
    row = find(group, variation)
    ranged = qualifier in RANGES
    step: int | None = PREFIX_OCTETS.get(qualifier, 0)
    if _carries_data(function, group):
        plain = row is not None and row.layout is Layout.FIXED and qualifier is not Qualifier.COUNT8_SIZE16
        step = (step or 0) + row.size if row is not None and plain else None
    return _Plan(qualifier, _RANGE_OCTETS[qualifier] * (2 if ranged else 1), ranged, step, row)


def _header(function: int, octets: bytes, at: int) -> tuple[ObjectHeader, int]:
    """One object header with its data, and where the next begins."""
    field_at = at + 3
    if len(octets) < field_at:
        raise RemoteProtocolError("truncated object header", answer=IIN.PARAMETER_ERROR)
    qualifier, width, ranged, step, row = _plan(function, octets[at:field_at])
    body_at = field_at + width
    if body_at > len(octets):
        raise RemoteProtocolError("truncated range field", answer=IIN.PARAMETER_ERROR)
    start, count = 0, int.from_bytes(octets[field_at:body_at], "little")
    if ranged:
        start, count = _extent(octets[field_at:body_at], width // 2)
    end = body_at + (_data_octets(row, qualifier, count, octets, body_at) if step is None else count * step)
    if end > len(octets):
        raise RemoteProtocolError("truncated object data", answer=IIN.PARAMETER_ERROR)
    group, variation = octets[at], octets[at + 1]
    header = ObjectHeader(group, variation, qualifier, count, start, octets[at:body_at], octets[body_at:end], row)
    return header, end


def _extent(field: bytes, width: int) -> tuple[int, int]:
    """(start, count) that the two ends of a range tell."""
    start = int.from_bytes(field[:width], "little")
    stop = int.from_bytes(field[width:], "little")
    if stop < start:
        raise RemoteProtocolError("range stops before it starts", answer=IIN.PARAMETER_ERROR)
    return start, stop - start + 1


def _carries_data(function: int, group: int) -> bool:
    """Whether objects follow the header: by function, and for those that ride in any request by group."""
    if function in _WITH_DATA or group in (70, 120):
        return True
    return function in _FREEZE_AT_TIME and group == 50


def _data_octets(row: Variation | None, qualifier: Qualifier, count: int, octets: bytes, at: int) -> int:
    """How many octets prefixes and objects take from `at`; may point behind the end of the fragment."""
    if qualifier is Qualifier.ALL:
        return 0
    if row is None:
        raise RemoteProtocolError("object unknown", answer=IIN.OBJECT_UNKNOWN)
    prefix = PREFIX_OCTETS.get(qualifier, 0)
    if qualifier is Qualifier.COUNT8_SIZE16:
        if row.layout is not Layout.SIZED:
            raise RemoteProtocolError("object of fixed format with qualifier 5B", answer=IIN.PARAMETER_ERROR)
        return _walk(octets, at, count, prefix, 0)
    if row.layout is Layout.EMPTY:
        # a count of nothing would cost a walk through nothing
        raise RemoteProtocolError("objects without data have no count here", answer=IIN.PARAMETER_ERROR)
    if row.layout is Layout.SIZED:
        raise RemoteProtocolError("free-format object without qualifier 5B", answer=IIN.PARAMETER_ERROR)
    if row.layout is Layout.ATTRIBUTE:
        return _walk(octets, at, count, prefix, 2)
    if row.layout in (Layout.PACKED, Layout.PACKED2) and prefix:
        raise RemoteProtocolError("packed objects cannot have an index each", answer=IIN.PARAMETER_ERROR)
    return count * prefix + (row.octets(count) or 0)


def _walk(octets: bytes, at: int, count: int, prefix: int, lead: int) -> int:
    """Octets of objects that tell their own size: in a 16-bit prefix, or (`lead` 2) in their second octet."""
    here = at
    for _ in range(count):
        body = here + prefix
        if body + lead > len(octets):
            raise RemoteProtocolError("truncated object data", answer=IIN.PARAMETER_ERROR)
        here = body + (lead + octets[body + 1] if lead else int.from_bytes(octets[here:body], "little"))
    return here - at


def response_octets(control: int, function: int, iin: int, objects: bytes) -> bytes:
    """A response fragment: control, function, IIN1, IIN2, objects."""
    return bytes((control, function, iin & 0xFF, iin >> 8)) + objects
