"""DNS messages as far as service discovery needs them: names, questions, PTR, SRV, TXT, A and AAAA records.

Reading takes bytes from anybody on the network: names are capped, pointers only lead backwards, record data that is
cut short is refused. Anything but a well-formed message raises RemoteProtocolError and nothing else.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from gridiface.errors import LocalProtocolError, RemoteProtocolError

#: Labels of a domain name, from the left; letter case is kept and does not count.
Name = tuple[bytes, ...]

CLASS_IN = 1
#: Of a question's class: answer me by unicast (RFC 6762, 5.4). Of a record's class: forget other records (10.2).
TOP_BIT = 0x8000
RESPONSE_FLAGS = 0x8400
_OPCODE = 0x7800
_MOST_RECORDS = 512
_MOST_NAME = 255
_HEADER = struct.Struct("!6H")
_QUESTION = struct.Struct("!2H")
_RECORD = struct.Struct("!2HIH")
_SRV = struct.Struct("!3H")


class RecordType(IntEnum):
    """The types that matter here; ANY asks for all of a name."""

    A = 1
    PTR = 12
    TXT = 16
    AAAA = 28
    SRV = 33
    ANY = 255


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service runs (SRV)."""

    host: Name
    port: int
    priority: int = 0
    weight: int = 0


#: What a record says: a name (PTR), a Service (SRV), an address, or octets (TXT and all that is not understood).
Data = Name | Service | ipaddress.IPv4Address | ipaddress.IPv6Address | bytes


@dataclass(frozen=True, slots=True)
class Question:
    """`unicast`: the answer is wanted by unicast (QU)."""

    name: Name
    type: int
    unicast: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One resource record. `unique`: nobody else has records of this name and type (cache-flush). `ttl` in seconds."""

    name: Name
    type: int
    data: Data
    ttl: int
    unique: bool = False

    def lasting(self, ttl: int) -> Record:
        """The same record with another time to live; 0 is a good-bye."""
        return replace(self, ttl=ttl)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One datagram."""

    id: int = 0
    is_response: bool = False
    truncated: bool = False
    questions: tuple[Question, ...] = ()
    answers: tuple[Record, ...] = ()
    authorities: tuple[Record, ...] = ()
    additionals: tuple[Record, ...] = ()

    @property
    def records(self) -> tuple[Record, ...]:
        """What it says, wherever it stands."""
        return self.answers + self.additionals


def name_of(text: str, *before: bytes) -> Name:
    """Labels of a dotted text, after those of `before`."""
    return (*before, *(part.encode() for part in text.strip(".").split(".") if part))


def text_of(name: Name) -> str:
    """A name for people."""
    return ".".join(label.decode("utf-8", "replace") for label in name)


def fold(name: Name) -> Name:
    """A name to compare by: ASCII letters in lower case."""
    return tuple(label.lower() for label in name)


def text_pairs(pairs: Mapping[str, str | None]) -> bytes:
    """TXT data of keys and values in this order; a value of None is a key alone.

    Raises:
        LocalProtocolError: a pair is longer than 255 octets.
    """
    made = bytearray()
    for key, value in pairs.items():
        octets = (key if value is None else f"{key}={value}").encode()
        if len(octets) > 255:
            raise LocalProtocolError(f"{key} is too long for a TXT record")
        made += bytes((len(octets),)) + octets
    return bytes(made) or b"\0"


def pairs_of(data: bytes) -> dict[str, str | None]:
    """Keys, in lower case, and values of TXT data; of a key given twice the first counts (RFC 6763, 6.4)."""
    found: dict[str, str | None] = {}
    at = 0
    while at < len(data):
        octets = data[at + 1 : at + 1 + data[at]]
        at += 1 + data[at]
        key, equals, value = octets.partition(b"=")
        if key:
            found.setdefault(
                key.decode("ascii", "replace").lower(), value.decode("utf-8", "replace") if equals else None
            )
    return found


# --- writing ----------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self) -> None:
        self.octets = bytearray()
        self._known: dict[Name, int] = {}

    def name(self, name: Name) -> None:
        """A name, ending in a pointer to what stands there already."""
        for at in range(len(name)):
            rest = fold(name[at:])
            known = self._known.get(rest)
            if known is not None:
                self.octets += struct.pack("!H", 0xC000 | known)
                return
            if len(self.octets) < 0x3FFF:
                self._known[rest] = len(self.octets)
            label = name[at]
            if not 0 < len(label) < 64:
                raise LocalProtocolError(f"{label!r} is no label of a name")
            self.octets += bytes((len(label),)) + label
        self.octets.append(0)

    def record(self, record: Record) -> None:
        self.name(record.name)
        kind = CLASS_IN | (TOP_BIT if record.unique else 0)
        self.octets += _RECORD.pack(record.type, kind, record.ttl, 0)
        begin = len(self.octets)
        match record.data:
            case bytes():
                self.octets += record.data
            case Service():
                self.octets += _SRV.pack(record.data.priority, record.data.weight, record.data.port)
                self.name(record.data.host)
            case ipaddress.IPv4Address() | ipaddress.IPv6Address():
                self.octets += record.data.packed
            case _:
                self.name(record.data)
        struct.pack_into("!H", self.octets, begin - 2, len(self.octets) - begin)


def encode(message: Message) -> bytes:
    """A message as one datagram."""
    writer = _Writer()
    flags = (RESPONSE_FLAGS if message.is_response else 0) | (0x0200 if message.truncated else 0)
    parts = (message.answers, message.authorities, message.additionals)
    writer.octets += _HEADER.pack(message.id, flags, len(message.questions), *(len(part) for part in parts))
    for question in message.questions:
        writer.name(question.name)
        writer.octets += _QUESTION.pack(question.type, CLASS_IN | (TOP_BIT if question.unicast else 0))
    for part in parts:
        for record in part:
            writer.record(record)
    return bytes(writer.octets)


# --- reading ----------------------------------------------------------------------------------------------------------


class _Reader:
    def __init__(self, octets: bytes) -> None:
        self.octets, self.at = octets, 0

    def take(self, layout: struct.Struct) -> tuple[int, ...]:
        if self.at + layout.size > len(self.octets):
            raise RemoteProtocolError("the message is cut short")
        found: tuple[int, ...] = layout.unpack_from(self.octets, self.at)
        self.at += layout.size
        return found

    def name(self) -> Name:
        labels: list[bytes] = []
        length, back = 0, self.at
        at, end = self.at, 0
        while True:
            if at >= len(self.octets):
                raise RemoteProtocolError("a name is cut short")
            size = self.octets[at]
            if size >= 0xC0:
                if at + 1 >= len(self.octets):
                    raise RemoteProtocolError("a pointer is cut short")
                end = end or at + 2
                at = (size & 0x3F) << 8 | self.octets[at + 1]
                if at >= back:  # each pointer leads further back: there is no loop
                    raise RemoteProtocolError("a pointer leads forward")
                back = at
                continue
            if size >= 0x40:
                raise RemoteProtocolError("a label of an unknown kind")
            at += 1
            if not size:
                break
            label = self.octets[at : at + size]
            length += size + 1
            if len(label) < size or length > _MOST_NAME:
                raise RemoteProtocolError("a name is cut short or too long")
            labels.append(label)
            at += size
        self.at = end or at
        return tuple(labels)

    def record(self) -> Record:
        name = self.name()
        kind, klass, ttl, size = self.take(_RECORD)
        end = self.at + size
        if end > len(self.octets):
            raise RemoteProtocolError("record data is cut short")
        data = self._data(kind, klass & ~TOP_BIT, end)
        self.at = end
        return Record(name, kind, data, ttl, bool(klass & TOP_BIT))

    def _data(self, kind: int, klass: int, end: int) -> Data:
        octets = self.octets[self.at : end]
        if klass != CLASS_IN:
            return octets
        if kind == RecordType.PTR:
            return self.name()
        if kind == RecordType.SRV and len(octets) > _SRV.size:
            priority, weight, port = self.take(_SRV)
            return Service(self.name(), port, priority, weight)
        if kind == RecordType.A and len(octets) == 4:
            return ipaddress.IPv4Address(octets)
        if kind == RecordType.AAAA and len(octets) == 16:
            return ipaddress.IPv6Address(octets)
        return octets


def decode(octets: bytes) -> Message:
    """A datagram as a message.

    Raises:
        RemoteProtocolError: it is not one, or not of the standard query kind.
    """
    reader = _Reader(octets)
    number, flags, *counts = reader.take(_HEADER)
    if flags & _OPCODE or sum(counts) > _MOST_RECORDS:
        raise RemoteProtocolError("no standard query, or too much in it")
    questions: list[Question] = []
    for _ in range(counts[0]):
        name = reader.name()
        kind, klass = reader.take(_QUESTION)
        questions.append(Question(name, kind, bool(klass & TOP_BIT)))
    answers, authorities, additionals = (_records(reader, count) for count in counts[1:])
    return Message(
        id=number,
        is_response=bool(flags & 0x8000),
        truncated=bool(flags & 0x0200),
        questions=tuple(questions),
        answers=answers,
        authorities=authorities,
        additionals=additionals,
    )


def _records(reader: _Reader, count: int) -> tuple[Record, ...]:
    return tuple(reader.record() for _ in range(count))


def sorted_data(records: Sequence[Record]) -> list[tuple[int, bytes]]:
    """Records in the order in which simultaneous probes are compared (RFC 6762, 8.2)."""
    return sorted((record.type, _plain(record)) for record in records)


def _plain(record: Record) -> bytes:
    writer = _Writer()
    match record.data:
        case bytes():
            return record.data
        case Service():
            writer.octets += _SRV.pack(record.data.priority, record.data.weight, record.data.port)
            writer.name(record.data.host)
        case ipaddress.IPv4Address() | ipaddress.IPv6Address():
            return record.data.packed
        case _:
            writer.name(record.data)
    return bytes(writer.octets)
