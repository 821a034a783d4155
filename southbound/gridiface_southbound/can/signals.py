"""Signals in the bytes of a frame, and values for them. Pure."""

from __future__ import annotations

import math
import struct

from gridiface.domain.quantities import Rounding
from gridiface_southbound.can.table import Frame, Point
from gridiface_southbound.points.image import Unplannable, Write
from gridiface_southbound.points.scalar import ScalarImage

_FLOATS = {32: ("<f", "<I"), 64: ("<d", "<Q")}


def extract(point: Point, frame: Frame, data: bytes) -> int | float:
    """The bare value of a signal; `data` has the frame's length. A float may be no number."""
    bits = int.from_bytes(data, point.byte_order) >> point.shift(8 * frame.length) & (1 << point.length) - 1
    if point.format == "float":
        form, whole = _FLOATS[point.length]
        return float(struct.unpack(form, struct.pack(whole, bits))[0])
    if point.format == "signed" and bits >> point.length - 1:
        return bits - (1 << point.length)
    return bits


def insert(point: Point, frame: Frame, data: bytes, raw: float) -> bytes:
    """The frame with a signal in it; other bits stay."""
    if point.format == "float":
        form, whole = _FLOATS[point.length]
        bits = int(struct.unpack(whole, struct.pack(form, raw))[0])
    else:
        bits = int(raw) & (1 << point.length) - 1
    shift = point.shift(8 * frame.length)
    number = int.from_bytes(data, point.byte_order) & ~(((1 << point.length) - 1) << shift)
    return (number | bits << shift).to_bytes(frame.length, point.byte_order)


class SignalImage(ScalarImage[Point]):
    """The signals of a device, by point name; what is written must fit into its bits."""

    def range_of(self, point: Point) -> tuple[float, float]:
        """As `Image.range_of`."""
        low, high = super().range_of(point)
        if point.raw_range is None:
            return low, high
        ends = [raw * point.scale + point.offset for raw in point.raw_range]
        return max(low, min(ends)), min(high, max(ends))

    def encoded(self, point: Point, value: float, rounding: Rounding = Rounding.NEAREST) -> Write[Point]:
        """As `Image.encoded`."""
        write = super().encoded(point, value, rounding)
        if point.raw_range is not None and not point.raw_range[0] <= write.data <= point.raw_range[1]:
            raise Unplannable(f"{point.name}: {value:g} {point.unit} does not fit into {point.length} bits")
        if point.raw_range is None and point.length == 32:
            held = struct.unpack("<f", struct.pack("<f", write.data))[0] if abs(write.data) < 3.4e38 else math.inf
            if not math.isfinite(held):
                raise Unplannable(f"{point.name}: {value:g} {point.unit} does not fit into 32 bits")
        return write
