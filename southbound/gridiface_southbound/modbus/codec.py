"""One point between registers and numbers: word order, byte order, scale, offset. Pure.

A *raw* value is what the registers hold (an integer, a float, a text); a *value* is in the point's own unit.
Integers are scaled as fractions, so nothing is lost that the register can carry.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from functools import lru_cache
from operator import and_

from gridiface.domain.quantities import Rounding
from gridiface_southbound.modbus.table import Point
from gridiface_southbound.points.image import Raw
from gridiface_southbound.points.scaling import exact

#: Powers of ten beyond this are no scale factors but nonsense.
MAX_EXPONENT = 20

#: A float is at most this many of its own steps away from what was meant.
_STEPS = 8

_FLOATS = {"float32": (">f", ">I"), "float64": (">d", ">Q")}


def arrange(data: bytes, point: Point) -> bytes:
    """Registers between wire order and big-endian order; its own inverse."""
    if point.byte_order == "little":
        swapped = bytearray(data)
        swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
        data = bytes(swapped)
    if point.word_order == "little" and point.type != "string":
        data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
    return data


def mask_octets(point: Point) -> bytes:
    """The bits of the point's registers that are its own, as on the wire."""
    whole = (1 << 16 * point.width) - 1
    return arrange((whole if point.mask is None else point.mask).to_bytes(2 * point.width, "big"), point)


def own_bits(point: Point, data: bytes) -> bytes:
    """The point's registers without the bits of others."""
    return data if point.mask is None else bytes(map(and_, data, mask_octets(point)))


def among_others(point: Point, data: bytes, now: bytes) -> bytes:
    """The point's registers `data` with the bits of others as they are `now`."""
    return bytes(mine | theirs & ~mask for mine, theirs, mask in zip(data, now, mask_octets(point), strict=True))


def decode_raw(point: Point, data: bytes) -> Raw | None:
    """What the registers hold; None where that means: not available.

    `data` has exactly the point's registers; of a bit one byte, 0 or 1.
    """
    if point.type == "bit":
        return data[0]
    data = arrange(data, point)
    if point.type == "string":
        return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip() or None
    bits = int.from_bytes(data, "big")
    if point.mask is not None:
        bits = (bits & point.mask) >> point.shift
        return None if bits in point.not_available else bits
    if bits in point.not_available:
        return None
    if point.type in _FLOATS:
        number = float(struct.unpack(_FLOATS[point.type][0], data)[0])
        return number if math.isfinite(number) else None
    number = int.from_bytes(data, "big", signed=point.type.startswith("int"))
    return None if number in point.not_available else number


def decode(point: Point, data: bytes, exponent: int | None = 0) -> float | None:
    """The value in the point's unit; None: not available, out of its valid range, or its scale factor is unknown."""
    raw = decode_raw(point, data)
    if raw is None or isinstance(raw, str) or exponent is None or abs(exponent) > MAX_EXPONENT:
        return None
    value = _value_of(point, raw, exponent)
    if point.valid is not None and not point.valid[0] <= value <= point.valid[1]:
        return None
    return value


def encode(
    point: Point, value: float, exponent: int = 0, *, rounding: Rounding = Rounding.NEAREST
) -> tuple[bytes, float]:
    """(registers, the value that they really hold). Rounds to the nearest, towards zero, or up (`CEILING`).

    Raises:
        ValueError: the value is not finite, or beyond what the register or the point's valid range can hold.
    """
    if not math.isfinite(value):
        raise ValueError(f"{point.name}: {value!r} cannot be written")
    if point.valid is not None and not point.valid[0] <= value <= point.valid[1]:
        raise ValueError(f"{point.name}: {value:g} is outside {point.valid[0]:g}..{point.valid[1]:g} {point.unit}")
    if point.type == "bit":
        return bytes((int(bool(value)),)), float(bool(value))
    if point.type in _FLOATS:
        data, held = _encode_float(point, value, exponent, rounding)
        return arrange(data, point), held
    meant = (exact(value) - exact(point.offset)) / _factor(point.scale, exponent)
    raw = _rounded(meant, value, point.scale, rounding)
    low, high = raw_range(point)
    if not low <= raw <= high:
        raise ValueError(f"{point.name}: {value:g} {point.unit} does not fit into {point.type}")
    data = (raw << point.shift).to_bytes(2 * point.width, "big", signed=low < 0)
    return arrange(data, point), _value_of(point, raw, exponent)


def raw_range(point: Point) -> tuple[int, int]:
    """What an integer register, or its masked bits, can hold."""
    if point.mask is not None:
        return 0, point.mask >> point.shift
    bits = 16 * point.width
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if point.type.startswith("int") else (0, (1 << bits) - 1)


def value_range(point: Point, exponent: int = 0) -> tuple[float, float]:
    """The least and the most that can be written, in the point's unit."""
    low, high = -math.inf, math.inf
    if point.type == "bit":
        low, high = 0.0, 1.0
    elif point.type not in _FLOATS:
        ends = [_value_of(point, raw, exponent) for raw in raw_range(point)]
        low, high = min(ends), max(ends)
    if point.valid is not None:
        low, high = max(low, point.valid[0]), min(high, point.valid[1])
    return low, high


@lru_cache(maxsize=4096)
def _factor(scale: float, exponent: int) -> Fraction:
    return exact(scale) * Fraction(10) ** exponent


def _value_of(point: Point, raw: float, exponent: int) -> float:
    if not isinstance(raw, int):
        return raw * (point.scale * 10.0**exponent) + point.offset
    if point.scale == 1 and not exponent and not point.offset:
        return float(raw)
    return float(raw * _factor(point.scale, exponent) + exact(point.offset))


def _rounded(meant: Fraction, value: float, scale: float, rounding: Rounding) -> int:
    if rounding is Rounding.NEAREST:
        return round(meant)
    if rounding is Rounding.CEILING:
        return math.ceil(meant) if scale > 0 else math.floor(meant)
    # Towards zero of the VALUE: with an offset or a negative scale that is not towards zero of the register.
    down = (value >= 0) == (scale > 0)
    return math.floor(meant) if down else math.ceil(meant)


def _encode_float(point: Point, value: float, exponent: int, rounding: Rounding) -> tuple[bytes, float]:
    form, bits = _FLOATS[point.type]
    try:
        data = struct.pack(form, (value - point.offset) / (point.scale * 10.0**exponent))
    except OverflowError as error:
        raise ValueError(f"{point.name}: {value:g} does not fit into {point.type}") from error
    # Scaling and packing both round: what must not be exceeded is approached by the smallest steps of the register.
    for _ in range(_STEPS):
        number = float(struct.unpack(form, data)[0])
        held = _value_of(point, number, exponent)
        if not math.isfinite(held):
            break
        beyond = held > value if value >= 0 else held < value
        if rounding is not Rounding.TOWARD_ZERO or not beyond:
            return data, held
        data = _neighbour(data, bits, number, up=(value < 0) == (point.scale > 0))
    raise ValueError(f"{point.name}: {value!r} cannot be held by {point.type} without being exceeded")


def _neighbour(data: bytes, bits: str, number: float, *, up: bool) -> bytes:
    """The next float upwards or downwards: floats of one sign are ordered as their bits are."""
    if number == 0:
        smallest = struct.pack(bits, 1)
        return smallest if up else bytes((0x80 | smallest[0],)) + smallest[1:]
    pattern: int = struct.unpack(bits, data)[0]
    return struct.pack(bits, pattern + (1 if (number > 0) == up else -1))
