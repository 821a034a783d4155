from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.northbound.sep2.translate.scaling import (
    clamp,
    optional_watts,
    power_factor,
    si,
    signed,
    unsigned,
    watts,
    wire_power_factor,
)
from gridiface.protocols.sep2.resources import (
    ActivePower,
    ApparentPower,
    PowerFactorWithExcitation,
    ReactivePower,
    VoltageRMS,
)


@pytest.mark.parametrize(
    ("value", "mantissa", "exponent"),
    [(0.0, 0, 0), (50_000.0, 5000, 1), (-32_768.0, -32_768, 0), (100_000.0, 10_000, 1), (1_234_567.0, 12_346, 2)],
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
