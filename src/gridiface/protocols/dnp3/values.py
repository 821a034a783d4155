"""Measured values into the layout of a variation: rounding, clamping, flags, state bits, times.

The one place where a number becomes octets (IEEE 1815 clause 11.6): singly for events, by numpy for static images.
Both ways give the same octets. It knows the rows of objects.py and nothing of points, headers or fragments.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gridiface.protocols.dnp3.objects import INTEGER_RANGE, TABLE, Field, Flags, Layout, Meaning, Variation

FLOAT32_MAX: Final = float(np.finfo(np.float32).max)

_OVER_RANGE: Final = np.uint8(0x20)
_REFERENCE_ERR: Final = np.uint8(0x40)
_NOT_ONLINE: Final = np.uint8(0xFE)

Floats = npt.NDArray[np.float64]
Octets = npt.NDArray[np.uint8]
Times = npt.NDArray[np.int64]


def fit(row: Variation, value: float, flags: int) -> tuple[float, int]:
    """Fits a number into a row's value field and says so in the flags (clause 11.6.1).

    Integers are rounded to the nearest (half to even) and clamped with OVER_RANGE; counters wrap; a float beyond
    single precision becomes the largest one with OVER_RANGE; not-a-number loses ONLINE and gains REFERENCE_ERR, as 0
    in an integer.
    """
    number = row.number or Field.I32
    if row.meaning is Meaning.COUNTER:
        return int(value) & INTEGER_RANGE[number][1], flags
    if math.isnan(value):
        flags = flags & ~Flags.ONLINE | Flags.REFERENCE_ERR
        return (0 if number in INTEGER_RANGE else value), flags
    if number is Field.F64:
        return value, flags
    if number is Field.F32:
        if abs(value) > FLOAT32_MAX:
            return math.copysign(FLOAT32_MAX, value), flags | Flags.OVER_RANGE
        return value, flags
    low, high = INTEGER_RANGE[number]
    if value < low:
        return low, flags | Flags.OVER_RANGE
    if value > high:
        return high, flags | Flags.OVER_RANGE
    return round(value), flags


def fit_many(row: Variation, values: Floats, flags: Octets, times: Times) -> npt.NDArray[np.void]:
    """The same for a whole column: one record per point, ready for `tobytes`."""
    image = np.zeros(len(values), dtype=row.dtype())
    flags = flags.copy()
    if row.number is not None:
        image["value"] = _fit_column(row, row.number, values, flags)
    if row.has_flags:
        image["flags"] = flags
    if row.time_octets == 6:
        image["time"] = times & 0xFFFFFFFF
        image["time_high"] = times >> 32 & 0xFFFF
    return image


def _fit_column(row: Variation, number: Field, values: Floats, flags: Octets) -> npt.NDArray[Any]:
    """The value column; sets flags in place where a value did not fit."""
    if row.meaning is Meaning.COUNTER:
        return values.astype(np.int64) & INTEGER_RANGE[number][1]
    lost = np.isnan(values)
    if lost.any():
        flags[lost] = flags[lost] & _NOT_ONLINE | _REFERENCE_ERR
    if number is Field.F64:
        return values
    if number is Field.F32:
        beyond = np.abs(values) > FLOAT32_MAX
        flags[beyond] |= _OVER_RANGE
        return np.clip(values, -FLOAT32_MAX, FLOAT32_MAX)
    low, high = INTEGER_RANGE[number]
    flags[(values < low) | (values > high)] |= _OVER_RANGE
    return np.where(lost, 0, np.rint(np.clip(values, low, high)))


Encoder = Callable[[float, int, int], bytes]


def _encoder(row: Variation) -> Encoder:
    """A function (value, flags or status, time in ms) -> octets of one object.

    State bits must already be in the flags; a status octet is never changed by what happens to the number.
    """
    codec = row.codec.pack
    if row.number is None:
        return _state_encoder(row)
    if not row.has_flags:
        return _status_encoder(row)
    if row.time_octets == 6:

        def timed(value: float, flags: int, time: int) -> bytes:
            value, flags = fit(row, value, flags)
            return codec(flags, value, time & 0xFFFFFFFF, time >> 32 & 0xFFFF)

        return timed

    def untimed(value: float, flags: int, _time: int) -> bytes:
        value, flags = fit(row, value, flags)
        return codec(flags, value)

    return untimed


def _status_encoder(row: Variation) -> Encoder:
    """Encoder of rows with a number and no flags: bare values, commands, command events."""
    codec = row.codec.pack
    if Field.STATUS not in row.fields:
        return lambda value, _flags, _time: codec(fit(row, value, 0)[0])
    if row.fields[0] is row.number:
        return lambda value, status, _time: codec(fit(row, value, 0)[0], status)
    if row.time_octets == 6:
        return lambda value, status, time: codec(status, fit(row, value, 0)[0], time & 0xFFFFFFFF, time >> 32 & 0xFFFF)
    return lambda value, status, _time: codec(status, fit(row, value, 0)[0])


def _state_encoder(row: Variation) -> Encoder:
    """Encoder of rows without a number: flags or status, with or without a time."""
    codec = row.codec.pack
    if row.time_octets == 6:
        return lambda _value, flags, time: codec(flags, time & 0xFFFFFFFF, time >> 32 & 0xFFFF)
    if row.time_octets == 2:
        return lambda _value, flags, time: codec(flags, time)
    return lambda _value, flags, _time: codec(flags)


ENCODERS: Final[dict[tuple[int, int], Encoder]] = {
    key: _encoder(row)
    for key, row in TABLE.items()
    if row.layout is Layout.FIXED and row.meaning is not Meaning.NONE and row.group not in (121, 122)
}
ENCODERS[13, 1] = _encoder(TABLE[13, 1])
ENCODERS[13, 2] = _encoder(TABLE[13, 2])


#: Rows whose objects many can be made of at once: numbers and states with flags, with an absolute time or none.
MANY: Final = frozenset(
    key for key in ENCODERS if TABLE[key].has_flags and TABLE[key].time_octets in (0, 6) and key[0] not in (121, 122)
)


def encode_many(
    row: Variation,
    width: int,
    points: Sequence[int],
    values: Sequence[float],
    flags: Sequence[int],
    times: Sequence[int],
) -> bytes:
    """Objects of a row of `MANY`, each behind its index of 1 or 2 octets; state bits must already be in the flags."""
    table = np.empty(len(points), dtype=[("index", "<u1" if width == 1 else "<u2"), ("object", row.dtype())])
    table["index"] = points
    table["object"] = fit_many(
        row,
        np.array(values, dtype=np.float64),
        np.array(flags, dtype=np.uint8),
        np.array(times, dtype=np.int64),
    )
    return table.tobytes()


def security_value(association: int, count: int) -> int:
    """The value of a security statistic event (g122): which association, and the count."""
    return association << 32 | count


def _statistic(value: float, flags: int, time: int) -> bytes:
    number = int(value)
    octets = bytes((flags,)) + (number >> 32).to_bytes(2, "little") + (number & 0xFFFFFFFF).to_bytes(4, "little")
    return octets + time.to_bytes(6, "little") if time else octets


ENCODERS[121, 1] = ENCODERS[122, 1] = lambda value, flags, _time: _statistic(value, flags, 0)
ENCODERS[122, 2] = _statistic
