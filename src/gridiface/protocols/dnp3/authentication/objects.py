"""The objects of group 120 on the wire: one class each, octets in, octets out.

Owns layouts (IEEE 1815-2012 Annex A.45). What they mean together is the two state machines'.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN, Fragment, ObjectHeader, parse_request
from gridiface.protocols.dnp3.heads import count_head, sized_object

GROUP = 120


def _short(what: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"{what} object is too short", answer=IIN.PARAMETER_ERROR)


class _Sized:
    """Reading of a fixed head with a tail behind it."""

    HEAD: ClassVar[struct.Struct]
    VARIATION: ClassVar[int]

    @classmethod
    def split(cls, octets: bytes) -> tuple[tuple[int, ...], bytes]:
        """The numbers of the head and the octets behind them."""
        if len(octets) < cls.HEAD.size:
            raise _short(cls.__name__)
        return cls.HEAD.unpack_from(octets), octets[cls.HEAD.size :]

    def octets(self) -> bytes:
        """The object without header."""
        raise NotImplementedError

    def with_header(self) -> bytes:
        """Header, size and object."""
        return sized_object(GROUP, self.VARIATION, self.octets())


@dataclass(frozen=True, slots=True)
class Challenge(_Sized):
    """g120v1."""

    HEAD: ClassVar = struct.Struct("<IHBB")
    VARIATION: ClassVar = 1
    sequence: int
    user: int
    algorithm: int
    reason: int
    data: bytes

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.sequence, self.user, self.algorithm, self.reason) + self.data

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it is too short."""
        (sequence, user, algorithm, reason), data = cls.split(octets)
        if len(data) < 4:
            raise _short("challenge")
        return cls(sequence, user, algorithm, reason, data)


@dataclass(frozen=True, slots=True)
class Reply(_Sized):
    """g120v2."""

    HEAD: ClassVar = struct.Struct("<IH")
    VARIATION: ClassVar = 2
    sequence: int
    user: int
    mac: bytes

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.sequence, self.user) + self.mac

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it is too short."""
        (sequence, user), code = cls.split(octets)
        return cls(sequence, user, code)


@dataclass(frozen=True, slots=True)
class SessionKeyStatus(_Sized):
    """g120v5; `unsigned` is what enters the key change message."""

    HEAD: ClassVar = struct.Struct("<IHBBBH")
    VARIATION: ClassVar = 5
    sequence: int
    user: int
    wrap: int
    status: int
    algorithm: int
    data: bytes
    mac: bytes = b""

    def unsigned(self) -> bytes:
        """The object without its MAC."""
        head = self.HEAD.pack(self.sequence, self.user, self.wrap, self.status, self.algorithm, len(self.data))
        return head + self.data

    def octets(self) -> bytes:
        """The object without header."""
        return self.unsigned() + self.mac

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it is too short."""
        (sequence, user, wrap, status, algorithm, length), rest = cls.split(octets)
        if len(rest) < length or length < 4:
            raise _short("session key status")
        return cls(sequence, user, wrap, status, algorithm, rest[:length], rest[length:])


@dataclass(frozen=True, slots=True)
class SessionKeyChange(_Sized):
    """g120v6."""

    HEAD: ClassVar = struct.Struct("<IH")
    VARIATION: ClassVar = 6
    sequence: int
    user: int
    wrapped: bytes

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.sequence, self.user) + self.wrapped

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it is too short."""
        (sequence, user), wrapped = cls.split(octets)
        return cls(sequence, user, wrapped)


@dataclass(frozen=True, slots=True)
class Error(_Sized):
    """g120v7; nobody signs it."""

    HEAD: ClassVar = struct.Struct("<IHHBIH")
    VARIATION: ClassVar = 7
    sequence: int
    user: int
    association: int
    code: int
    time_ms: int
    text: str = ""

    def octets(self) -> bytes:
        """The object without header."""
        time = self.time_ms
        head = self.HEAD.pack(
            self.sequence, self.user, self.association, self.code, time & 0xFFFFFFFF, time >> 32 & 0xFFFF
        )
        return head + self.text.encode()

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when it is too short."""
        (sequence, user, association, code, low, high), text = cls.split(octets)
        return cls(sequence, user, association, code, high << 32 | low, text.decode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class UserStatusChange(_Sized):
    """g120v10 of a symmetric method; `certified` is what the authority signs."""

    HEAD: ClassVar = struct.Struct("<BBIHHHHH")
    VARIATION: ClassVar = 10
    method: int
    operation: int
    sequence: int
    role: int
    days: int
    name: str
    certification: bytes = b""

    def certified(self) -> bytes:
        """From the operation to the name: the method and the length of the certification data are not signed."""
        name = self.name.encode()
        return struct.pack("<BIHHH", self.operation, self.sequence, self.role, self.days, len(name)) + name

    def octets(self) -> bytes:
        """The object without header; the public key is empty."""
        name = self.name.encode()
        head = self.HEAD.pack(
            self.method,
            self.operation,
            self.sequence,
            self.role,
            self.days,
            len(name),
            0,
            len(self.certification),
        )
        return head + name + self.certification

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when lengths do not fit, or a name is not UTF-8."""
        (method, operation, sequence, role, days, names, keys, certifications), rest = cls.split(octets)
        if len(rest) != names + keys + certifications:
            raise _short("user status change")
        return cls(method, operation, sequence, role, days, _name(rest[:names]), rest[names + keys :])


@dataclass(frozen=True, slots=True)
class UpdateKeyChangeRequest(_Sized):
    """g120v11."""

    HEAD: ClassVar = struct.Struct("<BHH")
    VARIATION: ClassVar = 11
    method: int
    name: str
    data: bytes

    def octets(self) -> bytes:
        """The object without header."""
        name = self.name.encode()
        return self.HEAD.pack(self.method, len(name), len(self.data)) + name + self.data

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when lengths do not fit, or a name is not UTF-8."""
        (method, names, length), rest = cls.split(octets)
        if len(rest) != names + length or length < 4:
            raise _short("update key change request")
        return cls(method, _name(rest[:names]), rest[names:])


@dataclass(frozen=True, slots=True)
class UpdateKeyChangeReply(_Sized):
    """g120v12."""

    HEAD: ClassVar = struct.Struct("<IHH")
    VARIATION: ClassVar = 12
    sequence: int
    user: int
    data: bytes

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.sequence, self.user, len(self.data)) + self.data

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when lengths do not fit."""
        (sequence, user, length), rest = cls.split(octets)
        if len(rest) != length or length < 4:
            raise _short("update key change reply")
        return cls(sequence, user, rest)


@dataclass(frozen=True, slots=True)
class UpdateKeyChange(_Sized):
    """g120v13."""

    HEAD: ClassVar = struct.Struct("<IHH")
    VARIATION: ClassVar = 13
    sequence: int
    user: int
    encrypted: bytes

    def octets(self) -> bytes:
        """The object without header."""
        return self.HEAD.pack(self.sequence, self.user, len(self.encrypted)) + self.encrypted

    @classmethod
    def parse(cls, octets: bytes) -> Self:
        """Raises RemoteProtocolError when lengths do not fit."""
        (sequence, user, length), rest = cls.split(octets)
        if len(rest) != length:
            raise _short("update key change")
        return cls(sequence, user, rest)


def _name(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RemoteProtocolError("a user name is not UTF-8", answer=IIN.PARAMETER_ERROR) from error


def find(fragment: Fragment, variation: int) -> bytes | None:
    """The first object of g120 in a variation, without header; None when there is none."""
    for header in fragment.headers:
        if header.group == GROUP and header.variation == variation and header.count == 1:
            return next(octets for _, octets in header.objects())
    return None


def status_request(fragment: Fragment) -> bytes | None:
    """The user number in a request of g120v4, which has no size of its own; None when there is none."""
    for header in fragment.headers:
        if (header.group, header.variation, len(header.body)) == (GROUP, 4, 2):
            return header.body
    return None


def groups_of(octets: bytes) -> frozenset[int]:
    """The groups of a request's objects; none of one that does not parse, and changes nothing."""
    try:
        return frozenset(header.group for header in parse_request(octets).headers)
    except RemoteProtocolError:
        return frozenset()


def key_status_request(user: int) -> bytes:
    """g120v4 with its header."""
    return count_head(GROUP, 4, 1) + user.to_bytes(2, "little")


def aggressive_request(sequence: int, user: int) -> bytes:
    """g120v3 with its header: the first object of an aggressive request."""
    return count_head(GROUP, 3, 1) + struct.pack("<IH", sequence, user)


def is_aggressive(headers: tuple[ObjectHeader, ...]) -> bool:
    """Whether a request begins with g120v3 and ends with g120v9."""
    if len(headers) < 2:
        return False
    first, last = headers[0], headers[-1]
    return (first.group, first.variation, last.group, last.variation) == (GROUP, 3, GROUP, 9) and (
        first.count == last.count == 1 and len(first.body) == 6
    )
