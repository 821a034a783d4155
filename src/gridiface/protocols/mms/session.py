"""Session (X.225), kernel and duplex functional units: connect, accept, refuse, data, finish, disconnect, abort."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import broken


class Kind(IntEnum):
    """The identifiers of session units (clause 8.3)."""

    DATA = 1
    FINISH = 9
    DISCONNECT = 10
    REFUSE = 12
    CONNECT = 13
    ACCEPT = 14
    ABORT = 25
    ABORT_ACCEPT = 26


_ITEM, _OPTIONS, _VERSION = 5, 19, 22
_TRANSPORT_DISCONNECT, _REQUIREMENTS, _REASON = 17, 20, 50
_CALLING, _CALLED, _USER_DATA, _EXTENDED_USER_DATA = 51, 52, 193, 194
_DUPLEX = b"\0\2"
_VERSION_2 = b"\2"
_GIVE_TOKENS = b"\1\0"
_MAX_SELECTOR = 16
_MAX_PARAMETERS = 32

REFUSE_REASONS = {
    0: "rejection by the called user, no reason given",
    1: "the called user is congested",
    2: "rejection by the called user",
    129: "selector unknown",
    130: "no user attached to the selector",
    131: "congestion at connect time",
    132: "proposed protocol versions not supported",
    133: "rejection by the session entity",
    134: "implementation restriction of the session entity",
}


@dataclass(frozen=True, slots=True)
class SessionUnit:
    """One session unit; `reason` is that of a refusal."""

    kind: Kind
    user_data: bytes = b""
    calling: bytes = b""
    called: bytes = b""
    reason: int | None = None

    @property
    def words(self) -> str:
        """The reason of a refusal in words."""
        return REFUSE_REASONS.get(self.reason or 0, f"reason {self.reason}")


def encode(unit: SessionUnit) -> bytes:
    """A unit as it goes to the transport layer.

    Raises:
        LocalProtocolError: a selector that is too long.
    """
    if max(len(unit.calling), len(unit.called)) > _MAX_SELECTOR:
        raise LocalProtocolError(f"a session selector has at most {_MAX_SELECTOR} octets")
    match unit.kind:
        case Kind.DATA:
            # a data unit stands behind an empty one that gives no tokens (clause 6.3.6)
            return _GIVE_TOKENS + bytes((Kind.DATA, 0)) + unit.user_data
        case Kind.CONNECT | Kind.ACCEPT:
            body = _parameter(_ITEM, _parameter(_OPTIONS, b"\0") + _parameter(_VERSION, _VERSION_2))
            body += _parameter(_REQUIREMENTS, _DUPLEX)
            body += _parameter(_CALLING, unit.calling) if unit.calling else b""
            body += _parameter(_CALLED, unit.called) if unit.called else b""
        case Kind.REFUSE:
            body = _parameter(_REASON, bytes((unit.reason or 0,)))
        case Kind.FINISH:
            body = _parameter(_TRANSPORT_DISCONNECT, b"\1")
        case Kind.ABORT:
            # the transport connection goes with it; the user has asked for it
            body = _parameter(_TRANSPORT_DISCONNECT, b"\3")
        case _:
            body = b""
    if unit.user_data and unit.kind is not Kind.REFUSE:
        extended = unit.kind is Kind.CONNECT and len(unit.user_data) > 512
        body += _parameter(_EXTENDED_USER_DATA if extended else _USER_DATA, unit.user_data)
    return bytes((unit.kind,)) + _length(len(body)) + body


def decode(data: bytes) -> SessionUnit:
    """One unit.

    Raises:
        RemoteProtocolError: it is none that kernel and duplex have.
    """
    if data[:2] == _GIVE_TOKENS and len(data) >= 4:
        if data[2:4] != bytes((Kind.DATA, 0)):
            raise broken(f"session unit {data[2]} behind tokens")
        return SessionUnit(Kind.DATA, data[4:])
    if not data or data[0] not in Kind.__members__.values() or data[0] == Kind.DATA:
        raise broken(f"session unit {data[0] if data else 'of no octets'} is none of kernel and duplex")
    length, at = _take_length(data, 1)
    if at + length != len(data):
        raise broken("a session unit of another length than it says")
    return _unit(Kind(data[0]), data[at:])


def _unit(kind: Kind, body: bytes) -> SessionUnit:
    found = _parameters(body)
    item = _parameters(found.get(_ITEM, b""))
    versions = item.get(_VERSION, found.get(_VERSION))
    if kind in (Kind.CONNECT, Kind.ACCEPT) and versions is not None and not (versions and versions[0] & 2):
        raise broken("session version 2 is not offered")
    reason = found.get(_REASON)
    if reason is not None and not reason:
        raise broken("a refusal without its reason")
    # in a refusal user data stand behind the reason's first octet
    user_data = found.get(_USER_DATA, found.get(_EXTENDED_USER_DATA, b"" if reason is None else reason[1:]))
    return SessionUnit(
        kind, user_data, found.get(_CALLING, b""), found.get(_CALLED, b""), None if reason is None else reason[0]
    )


def _parameters(body: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(body):
        if len(found) >= _MAX_PARAMETERS:
            raise broken("too many session parameters")
        kind = body[at]
        length, at = _take_length(body, at + 1)
        if at + length > len(body):
            raise broken("a session parameter longer than its unit")
        found[kind] = body[at : at + length]
        at += length
    return found


def _take_length(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise broken("a session unit ends before a length")
    if data[at] != 0xFF:
        return data[at], at + 1
    if at + 3 > len(data):
        raise broken("a session unit ends in a length")
    return data[at + 1] << 8 | data[at + 2], at + 3


def _length(size: int) -> bytes:
    if size < 0xFF:
        return bytes((size,))
    if size > 0xFFFF:
        raise LocalProtocolError(f"a session unit of {size} octets")
    return b"\xff" + size.to_bytes(2, "big")


def _parameter(kind: int, content: bytes) -> bytes:
    return bytes((kind,)) + _length(len(content)) + content
