"""The column "2030.5 inverter" of the commands' translation table."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.northbound.sep2.translate.setpoints import (
    InverterModes,
    base_ceiling_w,
    base_power_w,
    modes_of_inverter,
    setpoint_to_base,
)
from gridiface.protocols.sep2.enums import DERControlModes as Mode
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DERCapability,
    DERControlBase,
    DERSettings,
    FixedVar,
    Link,
    ReactivePower,
)


def setpoint(**fields: Any) -> Setpoint:
    return Setpoint(device_id="d", issued=0.0, **fields)


def inverter(modes: int, **fields: Any) -> InverterModes:
    return InverterModes(**{"modes": modes, "max_w": 10_000.0, "max_charge_w": 8_000.0, **fields})


def to_base(point: Setpoint, modes: InverterModes) -> DERControlBase:
    return setpoint_to_base(point, modes, lambda name, _: f"/dc/{name}")


@pytest.mark.parametrize(
    ("modes", "power", "base"),
    [
        (Mode.TARGET_W | Mode.FIXED_W, 5000.0, DERControlBase(opModTargetW=ActivePower(multiplier=0, value=5000))),
        (Mode.TARGET_W, -5000.0, DERControlBase(opModTargetW=ActivePower(multiplier=0, value=-5000))),
        (Mode.FIXED_W | Mode.MAX_LIM_W, 5000.0, DERControlBase(opModFixedW=5000)),
        (Mode.FIXED_W, -4000.0, DERControlBase(opModFixedW=-5000)),
        (Mode.FIXED_W, -9000.0, DERControlBase(opModFixedW=-10_000)),
        (Mode.MAX_LIM_W, 2500.0, DERControlBase(opModMaxLimW=2500)),
        (Mode.MAX_LIM_W, -2500.0, DERControlBase(opModMaxLimW=0)),
        (Mode.CONNECT, 2500.0, DERControlBase()),
    ],
)
def test_power_goes_into_the_best_mode_there_is(modes: int, power: float, base: DERControlBase) -> None:
    assert to_base(setpoint(active_power_w=power), inverter(modes)) == base


def test_storage_counts_discharge_against_its_discharge_rate() -> None:
    found = to_base(setpoint(active_power_w=2500.0), inverter(Mode.FIXED_W, max_discharge_w=5000.0))
    assert found.opModFixedW == 5000


def test_an_inverter_that_has_not_said_anything_is_told_watts() -> None:
    assert to_base(setpoint(active_power_w=1.0), InverterModes()).opModTargetW == ActivePower(multiplier=0, value=1)


def test_a_ceiling_is_never_above_what_was_meant() -> None:
    found = to_base(setpoint(ceiling_w=3333.39), inverter(Mode.MAX_LIM_W))
    assert found.opModMaxLimW == 3333


def test_the_lower_of_ceiling_and_power_rules_where_there_is_only_a_ceiling() -> None:
    found = to_base(setpoint(active_power_w=4000.0, ceiling_w=3000.0), inverter(Mode.MAX_LIM_W))
    assert found.opModMaxLimW == 3000


@pytest.mark.parametrize(
    ("enabled", "profile", "base"),
    [
        (None, True, DERControlBase(opModGenLimW=ActivePower(multiplier=0, value=3333))),
        (0x01, True, DERControlBase()),
        (None, False, DERControlBase()),
    ],
    ids=["supported", "not enabled", "the profile is off"],
)
def test_a_client_of_csip_aus_without_max_lim_w_is_told_a_ceiling_by_gen_lim_w(
    enabled: int | None, profile: bool, base: DERControlBase
) -> None:
    capability = DERCapability(
        modesSupported=Mode.CONNECT, rtgMaxW=ActivePower(multiplier=4, value=1), type=4, doeModesSupported=0x05
    )
    settings = DERSettings(
        setGradW=0, setMaxW=ActivePower(multiplier=4, value=1), updatedTime=0, doeModesEnabled=enabled
    )
    modes = modes_of_inverter(capability, settings, csip_aus=profile)
    found = to_base(setpoint(ceiling_w=3333.9), modes)
    assert found == base
    assert base_ceiling_w(found, modes) == (3333.0 if base.opModGenLimW else None)


def test_max_lim_w_goes_before_gen_lim_w() -> None:
    both = inverter(Mode.MAX_LIM_W, gen_lim=True)
    found = to_base(setpoint(ceiling_w=2500.0), both)
    assert found == DERControlBase(opModMaxLimW=2500)
    assert base_ceiling_w(found, both) == 2500.0


def test_var_connect_energize_and_ramp() -> None:
    point = setpoint(reactive_power_var=-500.0, connect=True, energize=False, ramp_s=2.0)
    every = inverter(int(~Mode(0)), max_var=5000.0)
    found = to_base(point, every)
    assert found.opModTargetVar is not None
    assert (found.opModTargetVar.value, found.opModConnect, found.opModEnergize, found.rampTms) == (
        -500,
        True,
        False,
        200,
    )
    percent = to_base(setpoint(reactive_power_var=-500.0), inverter(Mode.FIXED_VAR, max_var=5000.0))
    assert percent == DERControlBase(opModFixedVar=FixedVar(refType=2, value=-1000))


def test_passed_modes_are_handed_on_where_they_are_supported() -> None:
    passed = {
        ControlMode.POWER_FACTOR_INJECT: ModeValue(0.95),
        ControlMode.CURVE: ModeValue(2.0, payload={"opModVoltVar": {}, "opModVoltWatt": {}}),
        ControlMode.PRICE: ModeValue(1.0),
    }
    found = to_base(setpoint(passed=passed), inverter(Mode.VOLT_VAR | Mode.FIXED_PF_INJECT_W))
    assert found.opModVoltVar == Link(href="/dc/opModVoltVar")
    assert found.opModVoltWatt is None
    assert found.opModFixedPFInjectW is not None


def test_modes_are_those_supported_and_enabled() -> None:
    capability = DERCapability(
        modesSupported=Mode.TARGET_W | Mode.MAX_LIM_W, rtgMaxW=ActivePower(multiplier=0, value=9000), type=4
    )
    settings = DERSettings(
        modesEnabled=int(Mode.MAX_LIM_W | Mode.CONNECT),
        setGradW=0,
        setMaxW=ActivePower(multiplier=0, value=8000),
        updatedTime=0,
    )
    assert modes_of_inverter(None, None) == InverterModes()
    assert modes_of_inverter(capability, None).max_w == 9000.0
    found = modes_of_inverter(capability, settings)
    assert (found.modes, found.max_w) == (Mode.MAX_LIM_W, 8000.0)


@pytest.mark.parametrize(
    ("base", "watts"),
    [
        (DERControlBase(opModTargetW=ActivePower(multiplier=1, value=50)), 500.0),
        (DERControlBase(opModFixedW=5000), 5000.0),
        (DERControlBase(opModFixedW=-5000), -4000.0),
        (DERControlBase(opModMaxLimW=5000), None),
    ],
)
def test_the_power_that_a_base_names(base: DERControlBase, watts: float | None) -> None:
    assert base_power_w(base, inverter(0)) == watts


def power(value: int) -> ActivePower:
    return ActivePower(multiplier=0, value=value)


@pytest.mark.parametrize(
    ("rated", "set_", "charge", "discharge", "var"),
    [
        ((None, None, None), (None, None, None), 0.0, None, None),
        ((4000, 5000, 3000), (None, None, None), 4000.0, 5000.0, 3000.0),
        ((4000, 5000, 3000), (3000, 2000, 1000), 3000.0, 2000.0, 1000.0),
        ((None, None, None), (3000, 2000, 1000), 3000.0, 2000.0, 1000.0),
        ((0, 0, 0), (0, 0, 0), 0.0, None, 0.0),  # nothing of the kind
        ((4000, 5000, 3000), (0, 0, 0), 4000.0, 5000.0, 3000.0),
    ],
)
def test_rates_are_those_set_else_those_rated(
    rated: tuple[int | None, ...], set_: tuple[int | None, ...], charge: float, discharge: float | None, var: float
) -> None:
    def fields(prefix: str, values: tuple[int | None, ...]) -> dict[str, Any]:
        kinds = (("MaxChargeRateW", ActivePower), ("MaxDischargeRateW", ActivePower), ("MaxVar", ReactivePower))
        return {
            f"{prefix}{name}": cls(multiplier=0, value=value)
            for (name, cls), value in zip(kinds, values, strict=True)
            if value is not None
        }

    capability = DERCapability(modesSupported=Mode.FIXED_W, rtgMaxW=power(9000), type=0, **fields("rtg", rated))
    settings = DERSettings(setGradW=0, setMaxW=power(8000), updatedTime=0, **fields("set", set_))
    found = modes_of_inverter(capability, settings if any(set_) or set_ == (0, 0, 0) else None)
    assert (found.max_charge_w, found.max_discharge_w, found.max_var) == (charge, discharge, var)


def test_an_inverter_that_states_no_discharge_is_told_shares_of_its_power() -> None:
    capability = DERCapability(modesSupported=Mode.FIXED_W, rtgMaxW=power(9000), rtgMaxDischargeRateW=power(0), type=4)
    settings = DERSettings(setGradW=0, setMaxW=power(8000), setMaxDischargeRateW=power(0), updatedTime=0)
    assert to_base(setpoint(active_power_w=4000.0), modes_of_inverter(capability, settings)).opModFixedW == 5000


def test_a_share_of_var_stays_within_its_base() -> None:
    found = to_base(setpoint(reactive_power_var=-9000.0), inverter(Mode.FIXED_VAR, max_var=5000.0))
    assert found.opModFixedVar == FixedVar(refType=2, value=-10_000)
    assert to_base(setpoint(reactive_power_var=1.0), inverter(Mode.FIXED_VAR)) == DERControlBase()


def test_what_a_device_cannot_be_told_is_left_out() -> None:
    point = setpoint(connect=False, energize=True, passed={ControlMode.POWER_FACTOR_INJECT: ModeValue(0.9)})
    assert to_base(point, inverter(Mode.CONNECT)) == DERControlBase(opModConnect=False)
    assert to_base(point, inverter(Mode.ENERGIZE)) == DERControlBase(opModEnergize=True)
