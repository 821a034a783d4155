"""Points between registers and numbers: known registers, then any value there and back."""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gridiface.domain.quantities import Rounding
from gridiface_southbound.modbus import codec
from gridiface_southbound.modbus.table import WIDTHS, Point
from gridiface_southbound.points.scaling import from_si, si_factor, to_si

INTEGERS = ["int16", "uint16", "int32", "uint32", "int64", "uint64"]
ORDERS = st.sampled_from(["big", "little"])
SCALES = st.sampled_from([1.0, 0.1, 0.01, 0.001, 10.0, 100.0, 2.5, -1.0, -0.1])


def point(**keys: Any) -> Point:
    return Point(**({"name": "p", "address": 0, "type": "uint16"} | keys))


@pytest.mark.parametrize(
    ("keys", "registers", "value"),
    [
        ({"type": "uint16"}, "ff38", 65336.0),
        ({"type": "int16"}, "ff38", -200.0),
        ({"type": "int32"}, "fffe 7960", -100_000.0),
        # Low word first: the words change places, the bytes in them do not.
        ({"type": "int32", "word_order": "little"}, "7960 fffe", -100_000.0),
        ({"type": "int32", "byte_order": "little"}, "feff 6079", -100_000.0),
        ({"type": "int32", "word_order": "little", "byte_order": "little"}, "6079 feff", -100_000.0),
        ({"type": "uint64", "word_order": "little"}, "0004 0003 0002 0001", float(0x0001000200030004)),
        ({"type": "float32"}, "43 66 80 00", 230.5),
        ({"type": "float32", "word_order": "little"}, "8000 4366", 230.5),
        ({"type": "float64"}, "3ff8 0000 0000 0000", 1.5),
        # Tenths come out as people write them.
        ({"type": "uint16", "scale": 0.1}, "0003", 0.3),
        ({"type": "int16", "scale": 0.1, "offset": -40}, "01f5", 10.1),
        ({"type": "enum"}, "0004", 4.0),
        ({"type": "bitfield", "length": 2}, "0001 0002", 65538.0),
        ({"type": "int32", "not_available": (0x80000000,)}, "8000 0000", None),
        ({"type": "int16", "not_available": (-32768,)}, "8000", None),
        ({"type": "float32"}, "7fc0 0000", None),
        ({"type": "uint16", "valid": (0, 100)}, "0065", None),
        ({"type": "uint16", "valid": (0, 100)}, "0064", 100.0),
    ],
)
def test_known_registers(keys: dict[str, Any], registers: str, value: float | None) -> None:
    place, data = point(**keys), bytes.fromhex(registers)
    assert codec.decode(place, data) == value
    if value is not None:
        assert codec.encode(place, value) == (data, value)


def test_texts_end_at_the_first_zero() -> None:
    place = point(type="string", length=4)
    assert codec.decode_raw(place, b"INV 7 \0x") == "INV 7"
    assert codec.decode_raw(place, bytes(8)) is None
    assert codec.decode_raw(point(type="string", length=2, byte_order="little"), b"BADC") == "ABCD"
    # Words of a text are in reading order whatever the order of numbers is.
    assert codec.decode_raw(point(type="string", length=2, word_order="little"), b"ABCD") == "ABCD"


def test_scale_factors_are_powers_of_ten() -> None:
    place = point(type="int16", scale_factor="sf")
    assert codec.decode(place, b"\x04\xd2", -2) == 12.34
    assert codec.decode(place, b"\x04\xd2", None) is None
    assert codec.decode(place, b"\x04\xd2", 21) is None
    assert codec.encode(place, 12.34, -2) == (b"\x04\xd2", 12.34)


@given(st.sampled_from(INTEGERS), st.data(), ORDERS, ORDERS, SCALES, st.integers(-3, 3))
def test_each_register_value_survives(
    kind: str, data: Any, words: Any, order: Any, scale: float, exponent: int
) -> None:
    place = point(type=kind, word_order=words, byte_order=order, scale=scale)
    low, high = codec.raw_range(place)
    raw = data.draw(st.integers(max(low, -(2**50)), min(high, 2**50)))
    registers = codec.arrange(raw.to_bytes(2 * place.width, "big", signed=low < 0), place)
    value = codec.decode(place, registers, exponent)
    assert value is not None
    assert value == float(raw * Fraction(repr(scale)) * Fraction(10) ** exponent)
    assert codec.encode(place, value, exponent) == (registers, value)


@given(
    st.sampled_from([*INTEGERS, "float32", "float64"]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    SCALES,
    st.sampled_from([0.0, 5.0, -40.0]),
)
def test_a_limit_is_never_written_above_itself(kind: str, value: float, scale: float, offset: float) -> None:
    place = point(type=kind, scale=scale, offset=offset)
    try:
        registers, held = codec.encode(place, value, rounding=Rounding.TOWARD_ZERO)
    except ValueError:
        return
    assert held <= value if value >= 0 else held >= value
    assert codec.decode(place, registers) == held


@given(st.sampled_from(INTEGERS), st.floats(allow_nan=False, allow_infinity=False), SCALES)
def test_rounding_is_to_the_nearest_or_refused(kind: str, value: float, scale: float) -> None:
    place = point(type=kind, scale=scale)
    exact = Fraction(repr(value)) / Fraction(repr(scale))
    low, high = codec.raw_range(place)
    if low <= round(exact) <= high:
        registers, _ = codec.encode(place, value)
        raw = codec.decode_raw(place, registers)
        assert isinstance(raw, int)
        assert abs(raw - exact) <= Fraction(1, 2)
    else:
        with pytest.raises(ValueError, match="does not fit"):
            codec.encode(place, value)


@given(st.floats(), st.sampled_from(sorted(set(WIDTHS) - {"string", "bit"})))
def test_encoding_any_number_gives_registers_or_value_error(value: float, kind: str) -> None:
    place = point(type=kind, valid=(-1e6, 1e6))
    try:
        registers, held = codec.encode(place, value)
    except ValueError:
        return
    assert len(registers) == 2 * place.width
    assert math.isfinite(held)


@given(st.binary(min_size=8, max_size=8), st.sampled_from(sorted(set(WIDTHS) - {"bit"})), ORDERS, ORDERS)
def test_any_registers_decode(data: bytes, kind: str, words: Any, order: Any) -> None:
    place = point(type=kind, word_order=words, byte_order=order, length=4 if WIDTHS[kind] is None else None)
    registers = data[: 2 * place.width]
    value = codec.decode(place, registers)
    assert value is None or math.isfinite(value)
    assert codec.arrange(codec.arrange(registers, place), place) == registers


@given(st.floats(-1e9, 1e9), st.sampled_from(["delivered", "taken"]), st.sampled_from(["W", "kW", "MW"]))
def test_sign_and_unit_there_and_back(watts: float, positive: Any, unit: str) -> None:
    assume(abs(watts) > 1e-6)
    place = point(meaning="w", positive=positive, unit=unit, type="int16")
    factor = si_factor(place, {})
    assert factor is not None
    value = from_si(watts, factor)
    assert (value * watts > 0) == (positive == "delivered")
    assert to_si(value, factor) == pytest.approx(watts)


def test_percent_and_ampere_name_their_base() -> None:
    of_rating = point(
        meaning="limit_w", unit="%", percent_of="max_w", write={"release": [{"point": "p", "value": 100}]}
    )
    assert si_factor(of_rating, {"max_w": 5000.0}) == 50
    assert si_factor(of_rating, {"max_w": None}) is None
    amps = point(meaning="w", unit="A", watts_per_amp=690, positive="taken")
    assert si_factor(amps, {}) == -690


def test_the_range_of_a_register() -> None:
    assert codec.value_range(point(type="int16", scale=0.1)) == (-3276.8, 3276.7)
    assert codec.value_range(point(type="uint16", scale=-1.0)) == (-65535.0, 0.0)
    assert codec.value_range(point(type="uint16", valid=(5, 10))) == (5, 10)
    assert codec.value_range(point(type="float32")) == (-math.inf, math.inf)
    assert struct.unpack(">f", codec.encode(point(type="float32"), 0.1, rounding=Rounding.TOWARD_ZERO)[0])[0] <= 0.1
