import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.quantities import (
    Rounding,
    from_hundredths_percent,
    from_power_of_ten,
    round_to_int,
    to_hundredths_percent,
    to_power_of_ten,
)


@pytest.mark.parametrize(
    ("value", "rounding", "expected"),
    [
        (2.5, Rounding.NEAREST, 2),
        (3.5, Rounding.NEAREST, 4),
        (-2.7, Rounding.TOWARD_ZERO, -2),
        (-2.1, Rounding.FLOOR, -3),
        (2.1, Rounding.CEILING, 3),
    ],
)
def test_rounding(value, rounding, expected):
    assert round_to_int(value, rounding) == expected


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_has_no_wire_form(value):
    with pytest.raises(ValueError, match="no integer form"):
        round_to_int(value)
    with pytest.raises(ValueError, match="cannot be scaled"):
        to_power_of_ten(value)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, (0, 0)), (32767.0, (32767, 0)), (32768.0, (3277, 1)), (-5e6, (-5000, 3))]
)
def test_the_finest_exponent_that_fits(value, expected):
    assert to_power_of_ten(value) == expected


@given(st.integers(-32768, 32767), st.integers(0, 9))
def test_what_fits_is_exact(mantissa, exponent):
    assert from_power_of_ten(*to_power_of_ten(from_power_of_ten(mantissa, exponent))) == mantissa * 10**exponent


@given(st.floats(0, 1e12))
def test_a_limit_on_the_wire_is_never_above_the_one_meant(value):
    assert from_power_of_ten(*to_power_of_ten(value, rounding=Rounding.TOWARD_ZERO)) <= value


def test_too_large_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        to_power_of_ten(1e30)


def test_finest_exponent_for_tenths():
    assert to_power_of_ten(230.1, finest=-1) == (2301, -1)
    assert from_power_of_ten(2301, -1) == 230.1


def test_hundredths_of_a_percent():
    assert from_hundredths_percent(2_500.0, 8_000.0) == 2_000.0
    assert to_hundredths_percent(2_000.0, 8_000.0) == 2_500
    assert to_hundredths_percent(1.0, 0.0) == 0
