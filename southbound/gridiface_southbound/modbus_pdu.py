"""Modbus messages as bytes: requests, what a good reply looks like, and the TCP framing (MBAP). Pure, holds no socket.

Owned here: function codes 3, 4, 6 and 16 of the MODBUS Application Protocol V1.1b3, what a good reply to any of its
reads and writes is, and the MBAP header of the MODBUS Messaging on TCP/IP guide V1.0b. Not owned: when to send,
time-outs and connections (modbus_link), and what a register means (a driver).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple, overload

from gridiface.errors import DeviceRejected, LocalProtocolError, RemoteProtocolError

READ_HOLDING = 3
READ_INPUT = 4
WRITE_SINGLE = 6
WRITE_MULTIPLE = 16

#: Registers in one request: clauses 6.3 and 6.12.
MAX_READ = 125
MAX_WRITE = 123

#: The exception codes of clause 7, and 7 of the protocol's first edition (Modicon PI-MBUS-300).
EXCEPTION_NAMES = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge, still working",
    6: "server device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}

ILLEGAL_FUNCTION = 1
#: Codes after which the same request may succeed later.
PASSING = frozenset({5, 6, 10, 11})
#: What a gateway answers in the place of a unit behind it.
_UNREACHED = frozenset({10, 11})

_MBAP = struct.Struct(">HHHB")
_TRANSACTION = 2  # octets of a header before what is the same for each frame of a kind
_MAX_LENGTH = 254  # unit id and a PDU of at most 253 bytes


class ExceptionReply(DeviceRejected):
    """The device answered a request with an exception code."""

    def __init__(self, function: int, code: int) -> None:
        name = EXCEPTION_NAMES.get(code, "unknown exception")
        super().__init__(f"Modbus function {function} refused with exception {code} ({name})")
        self.function = function
        self.code = code


class Request(NamedTuple):
    """One request and the shape its reply must have: how it begins and how long it is."""

    pdu: bytes
    head: bytes
    length: int


class Frame(NamedTuple):
    """One MBAP frame."""

    transaction: int
    unit: int
    pdu: bytes


def read_request(address: int, count: int, *, function: int = READ_HOLDING) -> Request:
    """Read `count` registers from `address`.

    Raises:
        LocalProtocolError: more than 125 registers, none, or beyond register 65535.
    """
    if not 1 <= count <= MAX_READ or address < 0 or address + count > 0x10000:
        raise LocalProtocolError(f"cannot read {count} registers at {address} in one request")
    return Request(struct.pack(">BHH", function, address, count), bytes((function, 2 * count)), 2 + 2 * count)


def write_request(address: int, registers: bytes) -> Request:
    """Write registers (big-endian bytes) from `address` with function 16.

    Raises:
        LocalProtocolError: more than 123 registers, none, half a register, or beyond register 65535.
    """
    count, odd = divmod(len(registers), 2)
    if odd or not 1 <= count <= MAX_WRITE or address < 0 or address + count > 0x10000:
        raise LocalProtocolError(f"cannot write {len(registers)} bytes at {address} in one request")
    head = struct.pack(">BHH", WRITE_MULTIPLE, address, count)
    return Request(head + bytes((2 * count,)) + registers, head, 5)


def write_single_request(address: int, register: bytes) -> Request:
    """Write one register (two bytes) with function 6; the reply is an echo.

    Raises:
        LocalProtocolError: not exactly one register, or beyond register 65535.
    """
    if len(register) != 2 or not 0 <= address <= 0xFFFF:
        raise LocalProtocolError(f"function 6 writes one register, not {len(register)} bytes at {address}")
    pdu = struct.pack(">BH", WRITE_SINGLE, address) + register
    return Request(pdu, pdu, 5)


def reply_data(request: Request, pdu: bytes) -> bytes | ExceptionReply:
    """What a reply brings: the registers or bits read (empty after a write), or the exception.

    Raises:
        RemoteProtocolError: the reply does not belong to the request.
    """
    if len(pdu) == request.length and pdu.startswith(request.head):
        # 1 and 2 read bits, 3 and 4 registers; the reply to a write brings nothing new.
        return pdu[2:] if request.pdu[0] <= READ_INPUT else b""
    if len(pdu) == 2 and pdu[0] == request.pdu[0] | 0x80:
        return ExceptionReply(request.pdu[0], pdu[1])
    raise RemoteProtocolError(f"reply {pdu[:8].hex()} ({len(pdu)} bytes) does not answer {request.pdu[:8].hex()}")


def from_unit(replies: Sequence[bytes | ExceptionReply]) -> bool:
    """Whether the unit itself answered, not a gateway in its place."""
    return not any(isinstance(reply, ExceptionReply) and reply.code in _UNREACHED for reply in replies)


def encode_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """One MBAP frame as bytes."""
    return _MBAP.pack(transaction, 0, len(pdu) + 1, unit) + pdu


class PairShape:
    """A write and the read that shows it, with all that stays the same made before: frames without transactions.

    Args:
        unit: to which both go.
        address, count: the registers that are written.
        read: the read.

    Attributes:
        size: octets of both good replies together.
        shown_at: where among them the second begins.
        data_at: where the registers that it brings begin.
    """

    __slots__ = ("_between", "_head", "_lead", "_read", "_shown", "_taken", "data_at", "shown_at", "size", "unit")

    def __init__(self, unit: int, address: int, count: int, read: Request) -> None:
        self.unit = unit
        self._head = head = struct.pack(">BHHB", WRITE_MULTIPLE, address, count, 2 * count)
        self._read = read
        # Each is cut behind its transaction, which alone is new each time; the reply to a write repeats five octets.
        self._lead = encode_frame(0, unit, head + bytes(2 * count))[_TRANSACTION : _MBAP.size + len(head)]
        self._between = encode_frame(0, unit, read.pdu)[_TRANSACTION:]
        self._taken = encode_frame(0, unit, head[:5])[_TRANSACTION:]
        self._shown = _MBAP.pack(0, 0, read.length + 1, unit)[_TRANSACTION:] + read.head
        self.shown_at = _TRANSACTION + len(self._taken)
        self.data_at = self.shown_at + _TRANSACTION + len(self._shown)
        self.size = self.shown_at + _MBAP.size + read.length

    def frames(self, first: bytes, second: bytes, registers: bytes) -> bytes:
        """Both requests as bytes; `first` and `second` are their transactions, two octets each."""
        return b"".join((first, self._lead, registers, second, self._between))

    def heads(self, first: bytes, second: bytes) -> tuple[bytes, bytes]:
        """How the good replies to both begin."""
        return first + self._taken, second + self._shown

    def requests(self, registers: bytes) -> tuple[Request, Request]:
        """The write and the read one by one."""
        return Request(self._head + registers, self._head[:5], 5), self._read


class WriteThenRead(Sequence[Request]):
    """Two requests of a known shape; they are made one by one only where somebody looks at them."""

    __slots__ = ("registers", "shape")

    def __init__(self, shape: PairShape, registers: bytes) -> None:
        self.shape, self.registers = shape, registers

    def __len__(self) -> int:
        return 2

    @overload
    def __getitem__(self, index: int) -> Request: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Request, ...]: ...
    def __getitem__(self, index: int | slice) -> Request | tuple[Request, ...]:
        return self.shape.requests(self.registers)[index]


class FrameDecoder:
    """Cuts a byte stream into MBAP frames. Holds at most one unfinished frame (260 bytes) beyond what it was fed."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    @property
    def amid(self) -> bool:
        """Whether a frame has begun and its end is still to come."""
        return bool(self._rest)

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Take bytes in and yield each whole frame; must be exhausted before the next call.

        Raises:
            RemoteProtocolError: the stream is not Modbus/TCP; nothing after it can be trusted.
        """
        if self._rest:
            data = self._rest + data
            self._rest = b""
        position, end = 0, len(data)
        while end - position >= 7:
            transaction, protocol, length, unit = _MBAP.unpack_from(data, position)
            if protocol != 0 or not 2 <= length <= _MAX_LENGTH:
                raise RemoteProtocolError(f"not a Modbus/TCP header: protocol {protocol}, length {length}")
            following = position + 6 + length
            if following > end:
                break
            yield Frame(transaction, unit, data[position + 7 : following])
            position = following
        if position < end:
            self._rest = data[position:]
