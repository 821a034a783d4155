"""From points to few requests, and from replies back to points. Pure: bytes in, bytes out.

Owned here: which points share a request, and the requests for coils, discrete inputs and bits of registers (functions
1, 2, 5, 15, 22), which the register messages of modbus_pdu do not have. Items are joined only over points and declared
gaps: a register that the table does not name may not exist.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gridiface_southbound.modbus.codec import mask_octets
from gridiface_southbound.modbus.table import Area, Point, RegisterTable
from gridiface_southbound.modbus_pdu import Request, read_request, write_request, write_single_request

_READ_FUNCTIONS = {Area.COIL: 1, Area.DISCRETE: 2, Area.HOLDING: 3, Area.INPUT: 4}

#: Bits in one read (V1.1b3, 6.1).
MAX_BITS = 2000


class ReadBlock(NamedTuple):
    """One request and the points in its reply, each with its place."""

    area: Area
    start: int
    size: int
    points: tuple[tuple[Point, int], ...]

    def request(self) -> Request:
        """The request that reads it."""
        function = _READ_FUNCTIONS[self.area]
        if not self.area.bits:
            return read_request(self.start, self.size, function=function)
        size = (self.size + 7) // 8
        return Request(struct.pack(">BHH", function, self.start, self.size), bytes((function, size)), 2 + size)

    def cut(self, reply: bytes) -> Iterator[tuple[Point, bytes]]:
        """Each point with its registers, or of a bit one byte 0 or 1."""
        for point, at in self.points:
            if self.area.bits:
                yield point, bytes((reply[at // 8] >> at % 8 & 1,))
            else:
                yield point, reply[2 * at : 2 * (at + point.width)]

    def split(self) -> tuple[ReadBlock, ...]:
        """Each point by itself."""
        return tuple(ReadBlock(self.area, self.start + at, p.width, ((p, 0),)) for p, at in self.points)


def plan_reads(table: RegisterTable, points: Iterable[Point]) -> tuple[ReadBlock, ...]:
    """The requests that read the points, as few as gaps and the device's limit allow."""
    wanted = list(points)
    blocks: list[ReadBlock] = []
    for area in Area:
        mine = [point for point in wanted if point.area is area]
        limit = MAX_BITS if area.bits else table.max_registers
        blocks += _join(table, area, mine, limit)
    return tuple(blocks)


def _join(table: RegisterTable, area: Area, points: list[Point], limit: int) -> Iterator[ReadBlock]:
    passable = _passable(table, area)
    run: list[Point] = []
    start = end = 0
    for point in sorted(points, key=lambda p: (p.address, p.width)):
        first, last = table.start(point), table.start(point) + point.width
        if run and max(end, last) - start <= limit and (first <= end or _covered(passable, end, first)):
            run.append(point)
            end = max(end, last)
            continue
        if run:
            yield _block(table, area, run, start, end)
        run, start, end = [point], first, last
    if run:
        yield _block(table, area, run, start, end)


def _block(table: RegisterTable, area: Area, run: list[Point], start: int, end: int) -> ReadBlock:
    return ReadBlock(area, start, end - start, tuple((point, table.start(point) - start) for point in run))


def _passable(table: RegisterTable, area: Area) -> list[tuple[int, int]]:
    """What may be read over: declared gaps, and other points that can be read."""
    items: list[tuple[int, int]] = [(table.start(g), g.count) for g in table.gaps if g.area is area]
    items += [(table.start(p), p.width) for p in table.points if p.area is area and readable(p) and not p.optional]
    return sorted((start, start + count) for start, count in items)


def readable(point: Point) -> bool:
    """Whether the register answers a read: a point that is written and not read back may not."""
    return point.write is None or point.write.read_back is True or point.poll is not None


def _covered(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    at = start
    for first, last in spans:
        if first <= at < last:
            at = last
        if at >= end:
            return True
    return at >= end


def read_of(table: RegisterTable, point: Point) -> Request:
    """The request that reads one point."""
    return ReadBlock(point.area, table.start(point), point.width, ((point, 0),)).request()


def write_of(table: RegisterTable, point: Point, data: bytes, *, singly: bool = False) -> Request:
    """The request that writes a point's encoded registers, or a bit's one byte.

    Args:
        singly: the device does not know function 16: what may go out with 6 instead does.
    """
    address = table.start(point)
    match 6 if singly and point.single_will_do else point.function:
        case 5:
            pdu = struct.pack(">BHH", 5, address, 0xFF00 if data[0] else 0)
            return Request(pdu, pdu, 5)
        case 15:
            head = struct.pack(">BHH", 15, address, 1)
            return Request(head + bytes((1, data[0])), head, 5)
        case 22:
            others = bytes(~octet & 0xFF for octet in mask_octets(point))
            pdu = struct.pack(">BH", 22, address) + others + data
            return Request(pdu, pdu, 7)
        case 6:
            return write_single_request(address, data)
        case _:
            return write_request(address, data)
