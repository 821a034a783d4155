"""What a response says of points: object headers to columns of values, flags and times.

The reverse of response.py, for masters. Owns the meaning of static and event objects; objects that are no points
(times, attributes, files) stay object headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from gridiface.protocols.dnp3.application import (
    INDEXED,
    PREFIX_OCTETS,
    RANGES,
    ObjectHeader,
)
from gridiface.protocols.dnp3.objects import Flags, Layout, Variation
from gridiface.protocols.dnp3.points import (
    BY_EVENT_GROUP,
    BY_STATIC_GROUP,
    KINDS,
    OCTET_TYPES,
    STATE_BITS,
    PointType,
)

_COMMON_TIME = 51


class Measurement(NamedTuple):
    """One value of one point: `time` in ms since 1970 where the object had one, `flags` without state bits."""

    type: PointType
    point: int
    value: float | bytes
    flags: int
    time: int | None
    synchronised: bool
    is_event: bool
    is_command: bool


@dataclass(frozen=True, slots=True)
class PointBlock:
    """Points of one object header, as columns of equal length.

    `flags` are without state bits, ONLINE where the variation has none; for command events (`is_command`) they are the
    status. `times` is None where the variation has none. Octet strings stand in `strings`, and `values` is empty then.
    """

    type: PointType
    group: int
    variation: int
    indices: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]
    flags: npt.NDArray[np.uint8]
    times: npt.NDArray[np.int64] | None = None
    synchronised: bool = True
    strings: tuple[bytes, ...] = ()

    @property
    def is_event(self) -> bool:
        """Whether this header held events rather than static values."""
        return self.group != KINDS[self.type].static_group

    @property
    def is_command(self) -> bool:
        """Whether this header held command events (g13, g43)."""
        return self.group == KINDS[self.type].command_event_group != 0

    def measurements(self) -> Iterator[Measurement]:
        """One by one, in the order received."""
        times = [None] * len(self.indices) if self.times is None else self.times.tolist()
        values: Iterable[float | bytes] = self.strings or self.values.tolist()
        for index, value, flags, time in zip(self.indices.tolist(), values, self.flags.tolist(), times, strict=True):
            yield Measurement(self.type, index, value, flags, time, self.synchronised, self.is_event, self.is_command)


def point_blocks(headers: Iterable[ObjectHeader]) -> Iterator[PointBlock]:
    """The points among the objects of a response, in order; other objects are passed over."""
    base, synchronised = 0, True
    for header in headers:
        if header.group == _COMMON_TIME and len(header.body) == 6:
            base, synchronised = int.from_bytes(header.body, "little"), header.variation == 1
            continue
        point_type = BY_STATIC_GROUP.get(header.group) or BY_EVENT_GROUP.get(header.group)
        if point_type is None or header.row is None or not header.count:
            continue
        if header.qualifier not in RANGES and header.qualifier not in INDEXED:
            continue
        if point_type in OCTET_TYPES:
            yield _octets(point_type, header)
        elif header.row.layout in (Layout.PACKED, Layout.PACKED2):
            yield _packed(point_type, header)
        elif header.row.layout is Layout.FIXED:
            yield _fixed(point_type, header, header.row, base, synchronised=synchronised)


def _indices(header: ObjectHeader) -> npt.NDArray[np.int64]:
    return np.asarray(header.indices, dtype=np.int64)


def _octets(point_type: PointType, header: ObjectHeader) -> PointBlock:
    strings = tuple(octets for _, octets in header.objects())
    flags = np.full(header.count, Flags.ONLINE, dtype=np.uint8)
    return PointBlock(
        point_type,
        header.group,
        header.variation,
        _indices(header),
        np.empty(0),
        flags,
        strings=strings,
    )


def _packed(point_type: PointType, header: ObjectHeader) -> PointBlock:
    width = 2 if header.row is not None and header.row.layout is Layout.PACKED2 else 1
    values = np.array(header.bits(width), dtype=np.float64)
    flags = np.full(header.count, Flags.ONLINE, dtype=np.uint8)
    return PointBlock(point_type, header.group, header.variation, _indices(header), values, flags)


def _fixed(point_type: PointType, header: ObjectHeader, row: Variation, base: int, *, synchronised: bool) -> PointBlock:
    prefix = PREFIX_OCTETS.get(header.qualifier, 0)
    columns = [("index", "<u1" if prefix == 1 else "<u2")] if prefix else []
    dtype = np.dtype([*columns, *((name, row.dtype()[name].str) for name in row.dtype().names or ())])
    table = np.frombuffer(header.body, dtype=dtype, count=header.count)
    indices = table["index"].astype(np.int64) if prefix else _indices(header)
    tag = "flags" if row.has_flags else "status"
    tagged = tag in (dtype.names or ())
    octets = table[tag] if tagged else np.full(header.count, Flags.ONLINE, dtype=np.uint8)
    values, flags = _values(point_type, header, table, octets)
    times = None
    if row.time_octets == 6:
        times = table["time"].astype(np.int64) | table["time_high"].astype(np.int64) << 32
    elif row.time_octets == 2:
        times = table["time"].astype(np.int64) + base
    known = synchronised or row.time_octets != 2
    return PointBlock(point_type, header.group, header.variation, indices, values, flags, times, synchronised=known)


def _values(
    point_type: PointType,
    header: ObjectHeader,
    table: npt.NDArray[np.void],
    octets: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.uint8]]:
    """Values and flags; states come out of the flags octet, or of the status octet of a command event."""
    if header.group == 13:
        return (octets >> 7).astype(np.float64), octets & np.uint8(0x7F)
    state = STATE_BITS.get(point_type)
    if state is None:
        return table["value"].astype(np.float64), octets
    shift, mask = state
    return (octets >> shift & mask).astype(np.float64), octets & np.uint8(0xFF ^ mask << shift)
