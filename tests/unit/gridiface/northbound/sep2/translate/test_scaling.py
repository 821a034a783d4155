from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.northbound.sep2.translate.scaling import (
    clamp,
    optional_unsigned,
    optional_watts,
    pf_size,
    power_factor,
    si,
    signed,
    unsigned,
    watts,
    wire_pf_size,
    wire_power_factor,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    ApparentPower,
    PowerFactor,
    PowerFactorWithExcitation,
    ReactivePower,
    VoltageRMS,
)


@pytest.mark.parametrize(
    ("value", "mantissa", "exponent"),
    [
        (32_767.0, 32_767, 0),
        (32_768.0, 3_277, 1),
        (-32_769.0, -3_277, 1),
        (327_670.0, 32_767, 1),
        (327_675.0, 3_277, 2),
        (32_767e9, 32_767, 9),
        (0.0, 0, 0),
        (50_000.0, 5000, 1),
        (-32_768.0, -32_768, 0),
        (100_000.0, 10_000, 1),
        (1_234_567.0, 12_346, 2),
    ],
)
def test_watts_take_the_smallest_multiplier_that_fits(value: float, mantissa: int, exponent: int) -> None:
    assert watts(value) == ActivePower(multiplier=exponent, value=mantissa)


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_a_power_survives_the_wire_within_its_precision(value: float) -> None:
    back = si(watts(value))
    assert back is not None
    assert abs(back - value) <= max(0.5, abs(value) / 6000)


def test_absent_stays_absent() -> None:
    assert si(None) is None
    assert optional_watts(None) is None


def test_unsigned_quantities_never_go_below_zero() -> None:
    assert unsigned(ApparentPower, -5.0) == ApparentPower(multiplier=0, value=0)
    assert unsigned(VoltageRMS, 230.5, finest=-1) == VoltageRMS(multiplier=-1, value=2305)


def test_reactive_power_keeps_its_sign() -> None:
    assert signed(ReactivePower, -2500.0) == ReactivePower(multiplier=0, value=-2500)


@pytest.mark.parametrize("value", [0.95, -0.95, 1.0, -0.8])
def test_excitation_true_is_absorbed_var_our_minus(value: float) -> None:
    wire = wire_power_factor(value)
    assert wire.excitation is (value < 0)
    assert power_factor(wire) == pytest.approx(value)
    assert power_factor(PowerFactorWithExcitation(displacement=95, excitation=True, multiplier=-2)) == -0.95


def test_clamp() -> None:
    assert [clamp(v, 0, 10) for v in (-1, 5, 11)] == [0, 5, 10]


@pytest.mark.parametrize("value", [32_768e9, -32_769e9, math.inf, -math.inf, math.nan])
def test_what_no_power_can_hold_is_no_power(value: float) -> None:
    with pytest.raises(ValueError, match=r"scaled|fit"):
        watts(value)


@pytest.mark.parametrize(
    ("value", "mantissa", "exponent"), [(65_535.0, 65_535, 0), (65_536.0, 6_554, 1), (655_350.0, 65_535, 1)]
)
def test_unsigned_quantities_take_the_smallest_multiplier_that_fits(value: float, mantissa: int, exponent: int) -> None:
    assert unsigned(ApparentPower, value) == ApparentPower(multiplier=exponent, value=mantissa)


def test_what_is_optional_is_the_same_or_absent() -> None:
    assert optional_watts(-7.0) == watts(-7.0)
    assert optional_unsigned(VoltageRMS, 230.5, finest=-1) == unsigned(VoltageRMS, 230.5, finest=-1)
    assert optional_unsigned(VoltageRMS, 230.4) == VoltageRMS(multiplier=0, value=230)
    assert optional_unsigned(VoltageRMS, None) is None


def test_the_size_of_a_power_factor_is_in_thousandths_without_a_sign() -> None:
    assert wire_pf_size(-0.95) == PowerFactor(displacement=950, multiplier=-3)
    assert pf_size(PowerFactor(displacement=95, multiplier=-2)) == 0.95
    assert (pf_size(None), wire_pf_size(None)) == (None, None)


def test_a_power_factor_of_nothing_absorbs_nothing() -> None:
    assert not wire_power_factor(0.0).excitation
