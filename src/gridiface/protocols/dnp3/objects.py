"""Every object group and variation of DNP3 that we speak: one row each, which drives parser, writer, docs and tests.

Owns the layout of objects on the wire (IEEE 1815 Annex A). How a measured value is fitted into a layout is
values.py; whether a group may be read or written, and by whom, is not known here; nor are object headers.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import Enum, IntFlag
from typing import Final

import numpy as np


class Flags(IntFlag):
    """The flags octet (clause 11.6); bits 5 and 6 have a name per type of point."""

    ONLINE = 0x01
    RESTART = 0x02
    COMM_LOST = 0x04
    REMOTE_FORCED = 0x08
    LOCAL_FORCED = 0x10
    CHATTER_FILTER = 0x20
    ROLLOVER = 0x20
    OVER_RANGE = 0x20
    DISCONTINUITY = 0x40
    REFERENCE_ERR = 0x40
    STATE = 0x80


class Field(Enum):
    """A field of an object: name on the wire, struct code, octets, numpy type."""

    FLAGS = ("flags", "B", "u1")
    STATUS = ("status", "B", "u1")
    U8 = ("value", "B", "u1")
    U16 = ("value", "H", "<u2")
    U32 = ("value", "I", "<u4")
    I16 = ("value", "h", "<i2")
    I32 = ("value", "i", "<i4")
    F32 = ("value", "f", "<f4")
    F64 = ("value", "d", "<f8")
    TIME48 = ("time", "IH", "<u4,<u2")
    TIME16 = ("time", "H", "<u2")
    CODE = ("code", "B", "u1")
    COUNT = ("count", "B", "u1")
    ON_MS = ("on_ms", "I", "<u4")
    OFF_MS = ("off_ms", "I", "<u4")
    INTERVAL = ("interval", "I", "<u4")
    UNITS = ("units", "B", "u1")
    ASSOCIATION = ("association", "H", "<u2")

    # members are singletons; the hash of Enum is a Python call
    __hash__ = object.__hash__

    @property
    def label(self) -> str:
        """The field's name: value, flags, time, ..."""
        return self.value[0]

    @property
    def code(self) -> str:
        """The struct code, little-endian, without padding."""
        return self.value[1]


INTEGER_RANGE: Final = {
    Field.U8: (0, 0xFF),
    Field.U16: (0, 0xFFFF),
    Field.U32: (0, 0xFFFFFFFF),
    Field.I16: (-0x8000, 0x7FFF),
    Field.I32: (-0x80000000, 0x7FFFFFFF),
}
_VALUES = frozenset((*INTEGER_RANGE, Field.F32, Field.F64))


class Layout(Enum):
    """How the objects of a variation lie on the wire."""

    FIXED = "fields of fixed size"
    PACKED = "one bit per point, low bit first"
    PACKED2 = "two bits per point, low bits first"
    EMPTY = "no data"
    OCTETS = "as many octets as the variation's number"
    SIZED = "free format, size given by qualifier 5B"
    ATTRIBUTE = "type octet, length octet, data"


class Meaning(Enum):
    """What the value field is, which decides how a number is fitted into it."""

    NONE = "no number"
    STATE = "state bits in the flags octet"
    COUNTER = "counts modulo the field's range"
    ANALOG = "a number, clamped with OVER_RANGE"


@dataclass(frozen=True, slots=True)
class Variation:
    """One row of the object table.

    `size` is the octets of one object without index or size prefix (0 when packed or of variable size); `pack` and
    `unpack` work on the raw fields in wire order, with times as one number of milliseconds.
    """

    group: int
    variation: int
    name: str
    fields: tuple[Field, ...] = ()
    layout: Layout = Layout.FIXED
    meaning: Meaning = Meaning.NONE
    codec: struct.Struct = field(init=False, repr=False, compare=False)
    size: int = field(init=False, compare=False)
    has_flags: bool = field(init=False, compare=False)
    time_octets: int = field(init=False, compare=False)
    number: Field | None = field(init=False, compare=False)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "codec", struct.Struct("<" + "".join(item.code for item in self.fields)))
        put(self, "size", self.variation if self.layout is Layout.OCTETS else self.codec.size)
        put(self, "has_flags", Field.FLAGS in self.fields)
        put(self, "time_octets", 6 if Field.TIME48 in self.fields else 2 if Field.TIME16 in self.fields else 0)
        put(self, "number", next((item for item in self.fields if item in _VALUES), None))

    def octets(self, count: int) -> int | None:
        """Octets that `count` objects take; None where each object tells its own size."""
        if self.layout is Layout.PACKED:
            return (count + 7) // 8
        if self.layout is Layout.PACKED2:
            return (count + 3) // 4
        if self.layout in (Layout.SIZED, Layout.ATTRIBUTE):
            return None
        return count * self.size

    def pack(self, *values: float) -> bytes:
        """Raw fields in wire order to octets; raises struct.error when one does not fit."""
        if self.time_octets != 6:
            return self.codec.pack(*values)
        wire: list[float] = []
        for item, value in zip(self.fields, values, strict=True):
            if item is Field.TIME48:
                time = int(value)
                wire += (time & 0xFFFFFFFF, time >> 32 & 0xFFFF)
            else:
                wire.append(value)
        return self.codec.pack(*wire)

    def unpack(self, octets: bytes) -> dict[str, float]:
        """Octets of one object to its fields by name; times as milliseconds."""
        wire = list(self.codec.unpack(octets))
        found: dict[str, float] = {}
        for item in self.fields:
            value = wire.pop(0)
            if item is Field.TIME48:
                value |= wire.pop(0) << 32
            found[item.label] = value
        return found

    def dtype(self) -> np.dtype[np.void]:
        """The numpy record of one object, for encoding and decoding many at once."""
        columns: list[tuple[str, str]] = []
        for item in self.fields:
            if item is Field.TIME48:
                columns += [("time", "<u4"), ("time_high", "<u2")]
            else:
                columns.append((item.label, item.value[2]))
        return np.dtype(columns)


_F, _T, _R = Field.FLAGS, Field.TIME48, Field.TIME16
_CROB = (Field.CODE, Field.COUNT, Field.ON_MS, Field.OFF_MS, Field.STATUS)


def _state(group: int, variation: int, name: str, *fields: Field, packed: Layout | None = None) -> Variation:
    return Variation(group, variation, name, fields, packed or Layout.FIXED, Meaning.STATE)


def _counters(group: int, name: str, rows: dict[int, tuple[Field, ...]]) -> list[Variation]:
    return [Variation(group, number, name, fields, meaning=Meaning.COUNTER) for number, fields in rows.items()]


def _analogs(group: int, name: str, rows: dict[int, tuple[Field, ...]]) -> list[Variation]:
    return [Variation(group, number, name, fields, meaning=Meaning.ANALOG) for number, fields in rows.items()]


_U16, _U32, _I16, _I32, _F32, _F64 = Field.U16, Field.U32, Field.I16, Field.I32, Field.F32, Field.F64
_STATUS = Field.STATUS

_COUNTER_EVENT = {
    1: (_F, _U32),
    2: (_F, _U16),
    3: (_F, _U32),
    4: (_F, _U16),
    5: (_F, _U32, _T),
    6: (_F, _U16, _T),
    7: (_F, _U32, _T),
    8: (_F, _U16, _T),
}
_ANALOG_EVENT = {
    1: (_F, _I32),
    2: (_F, _I16),
    3: (_F, _I32, _T),
    4: (_F, _I16, _T),
    5: (_F, _F32),
    6: (_F, _F64),
    7: (_F, _F32, _T),
    8: (_F, _F64, _T),
}
_ANALOG_COMMAND_EVENT = {
    number: tuple(_STATUS if item is _F else item for item in fields) for number, fields in _ANALOG_EVENT.items()
}

_ROWS: list[Variation] = [
    _state(1, 1, "binary input, packed", packed=Layout.PACKED),
    _state(1, 2, "binary input with flags", _F),
    _state(2, 1, "binary input event", _F),
    _state(2, 2, "binary input event with absolute time", _F, _T),
    _state(2, 3, "binary input event with relative time", _F, _R),
    _state(3, 1, "double-bit input, packed", packed=Layout.PACKED2),
    _state(3, 2, "double-bit input with flags", _F),
    _state(4, 1, "double-bit input event", _F),
    _state(4, 2, "double-bit input event with absolute time", _F, _T),
    _state(4, 3, "double-bit input event with relative time", _F, _R),
    _state(10, 1, "binary output status, packed", packed=Layout.PACKED),
    _state(10, 2, "binary output status with flags", _F),
    _state(11, 1, "binary output event", _F),
    _state(11, 2, "binary output event with time", _F, _T),
    Variation(12, 1, "control relay output block", _CROB),
    Variation(12, 2, "pattern control block", _CROB),
    Variation(12, 3, "pattern mask", layout=Layout.PACKED),
    Variation(13, 1, "binary output command event", (_STATUS,)),
    Variation(13, 2, "binary output command event with time", (_STATUS, _T)),
    *_counters(
        20,
        "counter",
        {
            1: (_F, _U32),
            2: (_F, _U16),
            3: (_F, _U32),
            4: (_F, _U16),
            5: (_U32,),
            6: (_U16,),
            7: (_U32,),
            8: (_U16,),
        },
    ),
    *_counters(21, "frozen counter", {**_COUNTER_EVENT, 9: (_U32,), 10: (_U16,), 11: (_U32,), 12: (_U16,)}),
    *_counters(22, "counter event", _COUNTER_EVENT),
    *_counters(23, "frozen counter event", _COUNTER_EVENT),
    *_analogs(
        30,
        "analog input",
        {1: (_F, _I32), 2: (_F, _I16), 3: (_I32,), 4: (_I16,), 5: (_F, _F32), 6: (_F, _F64)},
    ),
    *_analogs(
        31,
        "frozen analog input",
        {
            1: (_F, _I32),
            2: (_F, _I16),
            3: (_F, _I32, _T),
            4: (_F, _I16, _T),
            5: (_I32,),
            6: (_I16,),
            7: (_F, _F32),
            8: (_F, _F64),
        },
    ),
    *_analogs(32, "analog input event", _ANALOG_EVENT),
    *_analogs(33, "frozen analog input event", _ANALOG_EVENT),
    *_analogs(34, "analog input dead-band", {1: (_U16,), 2: (_U32,), 3: (_F32,)}),
    *_analogs(40, "analog output status", {1: (_F, _I32), 2: (_F, _I16), 3: (_F, _F32), 4: (_F, _F64)}),
    *_analogs(
        41,
        "analog output",
        {1: (_I32, _STATUS), 2: (_I16, _STATUS), 3: (_F32, _STATUS), 4: (_F64, _STATUS)},
    ),
    *_analogs(42, "analog output event", _ANALOG_EVENT),
    *_analogs(43, "analog output command event", _ANALOG_COMMAND_EVENT),
    Variation(50, 1, "time and date", (_T,)),
    Variation(50, 2, "time and date with interval", (_T, Field.INTERVAL)),
    Variation(50, 3, "time and date at the last recorded time", (_T,)),
    Variation(50, 4, "indexed time and date with long interval", (_T, Field.INTERVAL, Field.UNITS)),
    Variation(51, 1, "common time of occurrence, synchronised", (_T,)),
    Variation(51, 2, "common time of occurrence, unsynchronised", (_T,)),
    Variation(52, 1, "time delay, seconds", (_R,)),
    Variation(52, 2, "time delay, milliseconds", (_R,)),
    Variation(60, 1, "class 0 data", layout=Layout.EMPTY),
    Variation(60, 2, "class 1 data", layout=Layout.EMPTY),
    Variation(60, 3, "class 2 data", layout=Layout.EMPTY),
    Variation(60, 4, "class 3 data", layout=Layout.EMPTY),
    Variation(70, 1, "file identifier (superseded)", layout=Layout.SIZED),
    Variation(70, 2, "file authentication", layout=Layout.SIZED),
    Variation(70, 3, "file command", layout=Layout.SIZED),
    Variation(70, 4, "file command status", layout=Layout.SIZED),
    Variation(70, 5, "file transport", layout=Layout.SIZED),
    Variation(70, 6, "file transport status", layout=Layout.SIZED),
    Variation(70, 7, "file descriptor", layout=Layout.SIZED),
    Variation(70, 8, "file specification string", layout=Layout.SIZED),
    Variation(80, 1, "internal indications, packed", layout=Layout.PACKED),
    Variation(91, 1, "status of requested operation", layout=Layout.SIZED),
    *[
        Variation(group, size, f"{name} of {size} octets", layout=Layout.OCTETS)
        for group, name in (
            (110, "octet string"),
            (111, "octet string event"),
            (112, "virtual terminal output block"),
            (113, "virtual terminal event"),
        )
        for size in range(1, 256)
    ],
    *[
        Variation(120, number, name, layout=Layout.SIZED)
        for number, name in (
            (1, "authentication challenge"),
            (2, "authentication reply"),
            (5, "authentication session key status"),
            (6, "authentication session key change"),
            (7, "authentication error"),
            (8, "authentication user certificate"),
            (9, "authentication message authentication code"),
            (10, "authentication user status change"),
            (11, "authentication update key change request"),
            (12, "authentication update key change reply"),
            (13, "authentication update key change"),
            (14, "authentication update key change signature"),
            (15, "authentication update key change confirmation"),
        )
    ],
    Variation(120, 3, "authentication aggressive mode request", (Field.U32, Field.ASSOCIATION)),
    Variation(120, 4, "authentication session key status request", (Field.ASSOCIATION,)),
    *_counters(121, "security statistic", {1: (_F, Field.ASSOCIATION, _U32)}),
    *_counters(
        122,
        "security statistic event",
        {1: (_F, Field.ASSOCIATION, _U32), 2: (_F, Field.ASSOCIATION, _U32, _T)},
    ),
    *[Variation(0, number, "device attribute", layout=Layout.ATTRIBUTE) for number in range(1, 256)],
]

TABLE: Final[dict[tuple[int, int], Variation]] = {(row.group, row.variation): row for row in _ROWS}
"""Every row by (group, variation); variation 0 ("any") is a wish in requests, never a row."""

GROUPS: Final = frozenset(row.group for row in _ROWS)


def find(group: int, variation: int) -> Variation | None:
    """The row of a group and variation, None when we do not know it."""
    return TABLE.get((group, variation))
