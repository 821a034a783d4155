"""Device attributes (g0): what a device says of itself, in the standard set (index 0).

Owns the type codes and their octets, and the attributes that follow from configuration and database. Reading and
writing them as requests is reading.py and writing.py.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.points import PointType

ALL_ATTRIBUTES = 254
LIST_OF_ATTRIBUTES = 255
WRITABLE: Final = frozenset((203, 204, 205, 206, 207, 208, 244, 245, 246, 247))

AttributeValue = str | int | float | bytes


class AttributeType(IntEnum):
    """Data type codes of g0 (Annex A.1)."""

    VSTR = 1
    UINT = 2
    INT = 3
    FLT = 4
    OSTR = 5
    BSTR = 6
    TIME = 7
    LIST = 254


NAMES: Final[dict[int, tuple[str, AttributeType]]] = {
    196: ("configuration ID", AttributeType.VSTR),
    197: ("configuration version", AttributeType.VSTR),
    198: ("configuration build date", AttributeType.TIME),
    199: ("configuration last change date", AttributeType.TIME),
    203: ("device location altitude", AttributeType.FLT),
    204: ("device location longitude", AttributeType.FLT),
    205: ("device location latitude", AttributeType.FLT),
    206: ("secondary operator name", AttributeType.VSTR),
    207: ("primary operator name", AttributeType.VSTR),
    208: ("system name", AttributeType.VSTR),
    209: ("secure authentication version", AttributeType.UINT),
    210: ("security statistics per association", AttributeType.UINT),
    216: ("max binary outputs per request", AttributeType.UINT),
    217: ("local timing accuracy, us", AttributeType.UINT),
    218: ("duration of timing accuracy, s", AttributeType.UINT),
    219: ("supports analog output events", AttributeType.INT),
    220: ("max analog output index", AttributeType.UINT),
    221: ("number of analog outputs", AttributeType.UINT),
    222: ("supports binary output events", AttributeType.INT),
    223: ("max binary output index", AttributeType.UINT),
    224: ("number of binary outputs", AttributeType.UINT),
    225: ("supports frozen counter events", AttributeType.INT),
    226: ("supports frozen counters", AttributeType.INT),
    227: ("supports counter events", AttributeType.INT),
    228: ("max counter index", AttributeType.UINT),
    229: ("number of counters", AttributeType.UINT),
    230: ("supports frozen analog inputs", AttributeType.INT),
    231: ("supports analog input events", AttributeType.INT),
    232: ("max analog input index", AttributeType.UINT),
    233: ("number of analog inputs", AttributeType.UINT),
    234: ("supports double-bit input events", AttributeType.INT),
    235: ("max double-bit input index", AttributeType.UINT),
    236: ("number of double-bit inputs", AttributeType.UINT),
    237: ("supports binary input events", AttributeType.INT),
    238: ("max binary input index", AttributeType.UINT),
    239: ("number of binary inputs", AttributeType.UINT),
    240: ("max transmit fragment", AttributeType.UINT),
    241: ("max receive fragment", AttributeType.UINT),
    242: ("software version", AttributeType.VSTR),
    243: ("hardware version", AttributeType.VSTR),
    244: ("owner", AttributeType.VSTR),
    245: ("location", AttributeType.VSTR),
    246: ("user ID code", AttributeType.VSTR),
    247: ("user-assigned device name", AttributeType.VSTR),
    248: ("serial number", AttributeType.VSTR),
    249: ("subset and conformance", AttributeType.VSTR),
    250: ("product name and model", AttributeType.VSTR),
    252: ("manufacturer", AttributeType.VSTR),
}
_COUNTED: Final = {
    PointType.ANALOG_OUTPUT: (219, 220, 221),
    PointType.BINARY_OUTPUT: (222, 223, 224),
    PointType.COUNTER: (227, 228, 229),
    PointType.ANALOG_INPUT: (231, 232, 233),
    PointType.DOUBLE_BIT_INPUT: (234, 235, 236),
    PointType.BINARY_INPUT: (237, 238, 239),
}


def encode_value(kind: AttributeType, value: AttributeValue) -> bytes:
    """Type octet, length octet, data; text is cut at 255 octets."""
    if isinstance(value, str):
        data = value.encode("utf-8", "replace")[:255]
    elif isinstance(value, bytes):
        data = value[:255]
    elif isinstance(value, float) and kind is AttributeType.FLT:
        data = struct.pack("<f", value)
    elif kind is AttributeType.TIME:
        data = int(value).to_bytes(6, "little")
    else:
        data = _integer(int(value), signed=kind is AttributeType.INT)
    return bytes((kind, len(data))) + data


def _integer(value: int, *, signed: bool) -> bytes:
    """The shortest of 1, 2 or 4 octets that holds the number."""
    for width in (1, 2, 4):
        reach = 8 * width - (1 if signed else 0)
        if (-(1 << reach) if signed else 0) <= value < 1 << reach:
            return value.to_bytes(width, "little", signed=signed)
    return (0xFFFFFFFF).to_bytes(4, "little")


def decode_value(octets: bytes) -> tuple[int, AttributeValue]:
    """Type code and value of an attribute object.

    Raises:
        RemoteProtocolError: the length does not fit the type, or text that is not UTF-8.
    """
    kind, data = octets[0], octets[2:]
    try:
        if kind == AttributeType.VSTR:
            return kind, data.decode("utf-8")
        if kind == AttributeType.FLT:
            return kind, float(struct.unpack("<f" if len(data) == 4 else "<d", data)[0])
        if kind in (AttributeType.UINT, AttributeType.INT, AttributeType.TIME):
            return kind, int.from_bytes(data, "little", signed=kind == AttributeType.INT)
    except (UnicodeDecodeError, struct.error) as error:
        raise RemoteProtocolError("attribute data do not fit", answer=IIN.PARAMETER_ERROR) from error
    return kind, data


@dataclass(slots=True)
class AttributeSet:
    """The attributes of one device: given ones, and those that follow from its points.

    Args:
        given: values by variation, such as 242 software version or 252 manufacturer.
    """

    given: dict[int, AttributeValue] = field(default_factory=dict)

    def derive(self, database: Database, *, max_tx: int, max_rx: int, max_controls: int) -> None:
        """Fills in what follows from points and limits, so that the answers are true."""
        for point_type, (events, last, count) in _COUNTED.items():
            column = database.columns[point_type]
            self.given[events] = int(any(config.event_class for config in column.configs))
            self.given[count] = len(column)
            if len(column):
                self.given[last] = column.configs[-1].index
        frozen = database.columns[PointType.FROZEN_COUNTER]
        self.given[225] = int(any(config.event_class for config in frozen.configs))
        self.given[226] = int(len(frozen) > 0)
        self.given[230] = int(len(database.columns[PointType.FROZEN_ANALOG_INPUT]) > 0)
        self.given[216] = max_controls
        self.given[240] = max_tx
        self.given[241] = max_rx

    def octets(self, variation: int) -> bytes | None:
        """The object of a variation, None when there is no such attribute."""
        if variation == LIST_OF_ATTRIBUTES:
            pairs = b"".join(bytes((number, number in WRITABLE)) for number in self.variations())
            return bytes((AttributeType.LIST, len(pairs))) + pairs
        if variation not in self.given:
            return None
        kind = NAMES[variation][1] if variation in NAMES else AttributeType.VSTR
        return encode_value(kind, self.given[variation])

    def variations(self) -> list[int]:
        """The attributes there are, in order."""
        return sorted(self.given)

    def write(self, variation: int, octets: bytes) -> None:
        """Takes a new value of a writable attribute.

        Raises:
            RemoteProtocolError: not writable, or of another type.
        """
        if variation not in WRITABLE:
            raise RemoteProtocolError("attribute is read-only", answer=IIN.PARAMETER_ERROR)
        kind, value = decode_value(octets)
        if kind != NAMES[variation][1]:
            raise RemoteProtocolError("attribute of another type", answer=IIN.PARAMETER_ERROR)
        self.given[variation] = value
