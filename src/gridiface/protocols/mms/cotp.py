"""Transport class 0 (ISO 8073, X.224): connection, size of a unit, segments, disconnection.

Not owned: packets on TCP (tpkt). Class 0 has neither acknowledgements nor times of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import broken

CONNECTION_REQUEST = 0xE0
CONNECTION_CONFIRM = 0xD0
DISCONNECT_REQUEST = 0x80
DATA = 0xF0
ERROR = 0x70

_SIZE, _CALLING, _CALLED = 0xC0, 0xC1, 0xC2
_END = 0x80

#: Sizes of a unit that class 0 knows, as powers of two (X.224 clause 13.3.4 b; above 11 by ISO 8073's second edition).
MIN_SIZE_POWER, MAX_SIZE_POWER = 7, 13
#: What counts where nobody names a size.
_DEFAULT_POWER = 7
_MAX_SELECTOR = 32

DISCONNECT_REASONS = {
    0: "reason not specified",
    1: "congestion at the access point",
    2: "session entity not attached",
    3: "address unknown",
    128: "normal disconnect by the session entity",
    129: "congestion at connect time",
    130: "negotiation failed",
    131: "duplicate source reference",
    132: "references do not fit",
    133: "protocol error",
    135: "reference overflow",
    136: "refused on this network connection",
    138: "header or parameter length invalid",
}


@dataclass(frozen=True, slots=True)
class Connect:
    """A connection request or its confirmation."""

    source: int
    destination: int = 0
    size_power: int = 10
    calling: bytes = b""
    called: bytes = b""

    @property
    def size(self) -> int:
        """Octets of the longest unit, its header included."""
        return 1 << self.size_power


@dataclass(frozen=True, slots=True)
class Disconnect:
    """The transport connection ends or was refused."""

    reason: int

    @property
    def words(self) -> str:
        """The reason in words."""
        return DISCONNECT_REASONS.get(self.reason, f"reason {self.reason}")


@dataclass(frozen=True, slots=True)
class Data:
    """A segment of user data; `last` ends the unit of the layer above."""

    content: bytes
    last: bool


Unit = Connect | Disconnect | Data


def encode_connect(unit: Connect, *, confirm: bool = False) -> bytes:
    """A connection request, or the confirmation of one.

    Raises:
        LocalProtocolError: a selector that is too long, or a size that class 0 does not have.
    """
    if max(len(unit.calling), len(unit.called)) > _MAX_SELECTOR:
        raise LocalProtocolError(f"a transport selector has at most {_MAX_SELECTOR} octets")
    if not MIN_SIZE_POWER <= unit.size_power <= MAX_SIZE_POWER:
        raise LocalProtocolError(f"units of 2^{unit.size_power} octets")
    code = CONNECTION_CONFIRM if confirm else CONNECTION_REQUEST
    body = bytes((code,)) + unit.destination.to_bytes(2, "big") + unit.source.to_bytes(2, "big") + b"\0"
    body += bytes((_SIZE, 1, unit.size_power))
    for parameter, selector in ((_CALLING, unit.calling), (_CALLED, unit.called)):
        if selector:
            body += bytes((parameter, len(selector))) + selector
    return bytes((len(body),)) + body


def encode_disconnect(destination: int, source: int, reason: int = 128) -> bytes:
    """A request to end the connection."""
    body = bytes((DISCONNECT_REQUEST,)) + destination.to_bytes(2, "big") + source.to_bytes(2, "big")
    return bytes((6,)) + body + bytes((reason,))


def segments(content: bytes, size: int) -> list[bytes]:
    """Data units, none longer than `size` octets with its header of three."""
    room = size - 3
    starts = range(0, max(1, len(content)), room)
    last = len(content) - room
    return [bytes((2, DATA, _END if at >= last else 0)) + content[at : at + room] for at in starts]


def decode(unit: bytes) -> Unit:
    """One unit.

    Raises:
        RemoteProtocolError: it is none of class 0, or tells of an error.
    """
    if len(unit) < 3 or unit[0] + 1 > len(unit) or unit[0] < 2:
        raise broken("a transport unit shorter than its header")
    head, rest, kind = unit[1 : unit[0] + 1], unit[unit[0] + 1 :], unit[1] & 0xF0
    if unit[1] == DATA:
        if len(head) != 2:
            raise broken("a data unit of another class than 0")
        return Data(rest, bool(head[1] & _END))
    if kind in (CONNECTION_REQUEST, CONNECTION_CONFIRM) and len(head) >= 6:
        return _connect(head)
    if unit[1] == DISCONNECT_REQUEST and len(head) >= 6:
        return Disconnect(head[5])
    if unit[1] == ERROR and len(head) >= 4:
        raise broken(f"the transport layer rejects a unit: cause {head[3]}")
    raise broken(f"transport unit {unit[1]:#x} is none of class 0")


def _connect(head: bytes) -> Connect:
    if head[5] & 0xF0:
        raise broken(f"transport class {head[5] >> 4}; only class 0 runs on TCP")
    found: dict[int, bytes] = {}
    at = 6
    while at < len(head):
        if at + 2 > len(head) or at + 2 + head[at + 1] > len(head):
            raise broken("a transport parameter longer than its unit")
        found[head[at]] = head[at + 2 : at + 2 + head[at + 1]]
        at += 2 + head[at + 1]
    power = found.get(_SIZE, bytes((_DEFAULT_POWER,)))
    if len(power) != 1 or not MIN_SIZE_POWER <= power[0] <= MAX_SIZE_POWER:
        raise broken(f"units of a size that class 0 does not have: {power.hex()}")
    destination, source = int.from_bytes(head[1:3], "big"), int.from_bytes(head[3:5], "big")
    return Connect(source, destination, power[0], found.get(_CALLING, b""), found.get(_CALLED, b""))


class Reassembler:
    """Puts segments together; holds at most `limit` octets of them.

    Args:
        limit: the longest unit of the layer above.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._octets = 0

    def push(self, segment: Data) -> bytes | None:
        """A whole unit when this was its last segment.

        Raises:
            RemoteProtocolError: it grows above the limit.
        """
        # an empty segment that does not end would cost room and move nothing on
        if not segment.content and not segment.last:
            raise broken("an empty segment")
        self._octets += len(segment.content)
        if self._octets > self._limit:
            raise broken(f"a message of more than {self._limit} octets")
        self._parts.append(segment.content)
        if not segment.last:
            return None
        whole = b"".join(self._parts)
        self._parts.clear()
        self._octets = 0
        return whole
