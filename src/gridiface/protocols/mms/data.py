"""Values as MMS carries them (ISO 9506-2 clause 14.4.2): decode, encode, and the two kinds of time.

A bit string is a text of 0 and 1, bit 0 first. Not owned: what a value means (quality, control, reporting).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import (
    MAX_DEPTH,
    Element,
    bit_octets,
    bits,
    boolean,
    broken,
    elements,
    integer,
    signed_octets,
    text,
    tlv,
    unsigned,
)

#: 1984-01-01 in days since 1970: where binary time begins.
_BINARY_EPOCH_DAYS = 5113
_DAY_S = 86_400
_FRACTIONS = 1 << 24


class Kind(IntEnum):
    """The kinds of values, by the number of their tag; floats by their width."""

    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    BIT_STRING = 4
    INTEGER = 5
    UNSIGNED = 6
    FLOAT32 = 7
    OCTET_STRING = 9
    VISIBLE_STRING = 10
    GENERALIZED_TIME = 11
    BINARY_TIME = 12
    BCD = 13
    BOOLEAN_ARRAY = 14
    OBJECT_ID = 15
    MMS_STRING = 16
    UTC_TIME = 17
    FLOAT64 = 107


_CONSTRUCTED = frozenset({Kind.ARRAY, Kind.STRUCTURE})
_BITS = frozenset({Kind.BIT_STRING, Kind.BOOLEAN_ARRAY})
_NUMBERS = frozenset({Kind.INTEGER, Kind.UNSIGNED, Kind.BCD})
_FLOATS = frozenset({Kind.FLOAT32, Kind.FLOAT64})
_TEXTS = frozenset({Kind.VISIBLE_STRING, Kind.MMS_STRING, Kind.GENERALIZED_TIME})
_OCTETS = frozenset({Kind.OCTET_STRING, Kind.OBJECT_ID})


@dataclass(frozen=True, slots=True)
class UtcTime:
    """Eight octets: seconds since 1970, fraction in 2^-24 s, and the clock's quality (IEC 61850-8-1, 8.1.3.7)."""

    seconds: int
    fraction: int = 0
    quality: int = 0

    @classmethod
    def at(cls, instant: float, quality: int = 10) -> UtcTime:
        """The time of an instant, seconds since 1970; the default claims ten bits of accuracy, a millisecond."""
        ticks = round(instant * _FRACTIONS)
        return cls(ticks // _FRACTIONS & 0xFFFFFFFF, ticks % _FRACTIONS, quality)

    @property
    def instant(self) -> float:
        """Seconds since 1970."""
        return self.seconds + self.fraction / _FRACTIONS

    @property
    def leap_seconds_known(self) -> bool:
        """Whether leap seconds were accounted for."""
        return bool(self.quality & 0x80)

    @property
    def clock_failure(self) -> bool:
        """Whether the clock is defective."""
        return bool(self.quality & 0x40)

    @property
    def not_synchronised(self) -> bool:
        """Whether nothing sets the clock."""
        return bool(self.quality & 0x20)

    @property
    def accuracy_bits(self) -> int | None:
        """How many bits of the fraction count; None: not told."""
        return None if self.quality & 0x1F == 0x1F else self.quality & 0x1F


@dataclass(frozen=True, slots=True)
class BinaryTime:
    """Milliseconds since midnight, and the days since 1984-01-01 where six octets were told."""

    milliseconds: int
    days: int | None = None

    @classmethod
    def at(cls, instant: float) -> BinaryTime:
        """The time of an instant, seconds since 1970."""
        days, milliseconds = divmod(round(instant * 1000), _DAY_S * 1000)
        return cls(milliseconds, max(0, days - _BINARY_EPOCH_DAYS))

    @property
    def instant(self) -> float | None:
        """Seconds since 1970; None where no day was told."""
        return None if self.days is None else (self.days + _BINARY_EPOCH_DAYS) * _DAY_S + self.milliseconds / 1000


@dataclass(frozen=True, slots=True)
class Data:
    """One value: bool, int, float, text (strings; bit strings as 0 and 1), bytes, a time, or a tuple of Data."""

    kind: Kind
    value: Any

    @property
    def items(self) -> tuple[Data, ...]:
        """The parts of an array or structure; none of anything else."""
        return self.value if self.kind in _CONSTRUCTED else ()


def structure(*items: Data) -> Data:
    """A structure of values."""
    return Data(Kind.STRUCTURE, items)


# Reading -----------------------------------------------------------------------------------------------------------


def decode(element: Element, depth: int = 0) -> Data:
    """One value.

    Raises:
        RemoteProtocolError: it is none, or nested too deeply.
    """
    if element.tag in (0xA1, 0xA2):
        if depth >= MAX_DEPTH:
            raise broken(f"values nested deeper than {MAX_DEPTH}")
        kind = Kind(element.tag & 0x1F)
        return Data(kind, tuple(decode(item, depth + 1) for item in elements(element.content)))
    number = element.tag & 0x1F
    if element.tag & 0xE0 != 0x80 or number not in _PRIMITIVES:
        raise broken(f"{element.tag:#x} is no value")
    return _primitive(Kind(number), element.content)


_PRIMITIVES = frozenset(int(kind) for kind in Kind) - {1, 2, int(Kind.FLOAT64)}


def _primitive(kind: Kind, content: bytes) -> Data:
    if kind is Kind.BOOLEAN:
        return Data(kind, boolean(content))
    if kind in _BITS:
        return Data(kind, bits(content))
    if kind in _NUMBERS:
        return Data(kind, unsigned(content) if kind is Kind.UNSIGNED else integer(content))
    if kind is Kind.FLOAT32:
        return _float(content)
    if kind in _TEXTS:
        return Data(kind, text(content))
    if kind is Kind.UTC_TIME:
        return Data(kind, utc_time(content))
    if kind is Kind.BINARY_TIME:
        return Data(kind, binary_time(content))
    return Data(kind, content)


def _float(content: bytes) -> Data:
    if len(content) == 5 and content[0] == 8:
        return Data(Kind.FLOAT32, struct.unpack(">f", content[1:])[0])
    if len(content) == 9 and content[0] == 11:
        return Data(Kind.FLOAT64, struct.unpack(">d", content[1:])[0])
    raise broken(f"a floating-point value of {len(content)} octets")


def utc_time(content: bytes) -> UtcTime:
    """A time of eight octets; raises as `decode`."""
    if len(content) != 8:
        raise broken(f"a UTC time of {len(content)} octets")
    return UtcTime(int.from_bytes(content[:4], "big"), int.from_bytes(content[4:7], "big"), content[7])


def binary_time(content: bytes) -> BinaryTime:
    """A time of day, of four or six octets; raises as `decode`."""
    if len(content) not in (4, 6):
        raise broken(f"a binary time of {len(content)} octets")
    days = int.from_bytes(content[4:], "big") if len(content) == 6 else None
    return BinaryTime(int.from_bytes(content[:4], "big"), days)


# Writing -----------------------------------------------------------------------------------------------------------


def encode(data: Data) -> bytes:
    """The value's octets.

    Raises:
        LocalProtocolError: the value does not fit its kind.
    """
    if data.kind in _CONSTRUCTED:
        return tlv(0xA0 | data.kind, *map(encode, data.items))
    tag = 0x87 if data.kind in _FLOATS else 0x80 | data.kind
    try:
        return tlv(tag, _content(data.kind, data.value))
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise LocalProtocolError(f"{data.value!r} is no {data.kind.name}: {error}") from error


def _content(kind: Kind, value: Any) -> bytes:
    if kind is Kind.BOOLEAN:
        return b"\xff" if value else b"\0"
    if kind in _BITS:
        return bit_octets(value)
    if kind in _NUMBERS:
        if kind is Kind.UNSIGNED and value < 0:
            raise ValueError("it is negative")
        return signed_octets(int(value))
    if kind in _FLOATS:
        return b"\x08" + struct.pack(">f", value) if kind is Kind.FLOAT32 else b"\x0b" + struct.pack(">d", value)
    if kind in _TEXTS:
        return bytes(value.encode("utf-8"))
    return _octets(kind, value)


def _octets(kind: Kind, value: Any) -> bytes:
    if kind is Kind.UTC_TIME:
        head = value.seconds.to_bytes(4, "big") + value.fraction.to_bytes(3, "big")
        return bytes(head + bytes((value.quality,)))
    if kind is Kind.BINARY_TIME:
        days = b"" if value.days is None else value.days.to_bytes(2, "big")
        return bytes(value.milliseconds.to_bytes(4, "big") + days)
    return bytes(value)


def float32(value: float) -> float:
    """The nearest value that four octets hold; infinite where none is."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)
