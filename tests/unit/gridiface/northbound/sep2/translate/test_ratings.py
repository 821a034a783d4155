from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.domain.fleet import (
    CURVE_CAPABILITIES,
    TRIP_CAPABILITIES,
    Capability,
    Device,
    DeviceKind,
    Nameplate,
    Settings,
)
from gridiface.northbound.sep2.translate.rates import kind_of
from gridiface.northbound.sep2.translate.ratings import (
    CAPABILITY_MODES,
    CATEGORIES,
    DER_TYPES,
    GROUP_MODES,
    capabilities_of,
    capability_to_nameplate,
    device_to_settings,
    group_capability,
    group_settings,
    modes_of,
    nameplate_to_capability,
    settings_from_wire,
    stores_energy,
)
from gridiface.protocols.sep2.enums import DERControlModes
from gridiface.protocols.xmlwire import encode

PLATE = Nameplate(
    max_w=50_000.0,
    max_charge_w=40_000.0,
    max_discharge_w=50_000.0,
    max_va=55_000.0,
    max_var=20_000.0,
    max_var_neg=15_000.0,
    energy_wh=100_000.0,
    nominal_v=230.0,
    min_v=195.5,
    max_v=264.5,
    max_a=72.5,
    max_charge_va=44_000.0,
    over_excited_w=46_000.0,
    over_excited_pf=0.92,
    under_excited_w=47_500.0,
    under_excited_pf=0.95,
    susceptance_s=0.021,
    normal_category=2,
    abnormal_category=3,
    capabilities=frozenset(Capability)
    # those for which the standard has no bit
    - {Capability.SCHEDULE, Capability.CURVES, Capability.FREQUENCY_DROOP_LEAST, Capability.FREQUENCY_DROOP_MOST}
    - {Capability.LOW_FREQUENCY_CESSATION, Capability.HIGH_FREQUENCY_CESSATION},
)
BATTERY = Device(id="b", nameplate=PLATE, settings=Settings(max_w=45_000.0, ramp_w_per_s=450.0, updated=7.0))
PV = Device(id="p", kind=DeviceKind.PV, nameplate=Nameplate(max_w=10_000.0))


def test_a_nameplate_survives_the_wire() -> None:
    assert capability_to_nameplate(nameplate_to_capability(BATTERY)) == PLATE


def test_conditions_for_entering_service_survive_the_wire() -> None:
    told = Settings(
        enter_v_high=105.0, enter_v_low=91.7, enter_hz_high=60.1, enter_hz_low=59.5,
        enter_delay_s=600.0, enter_random_s=1.5, enter_ramp_s=1000.0,
    )  # fmt: skip
    wire = device_to_settings(replace(BATTERY, settings=told), 1.0)
    assert (wire.setESHighVolt, wire.setESLowFreq, wire.setESDelay, wire.setESRampTms) == (
        10_500,
        5950,
        60_000,
        100_000,
    )
    back = settings_from_wire(wire)
    names = [name for name in Settings.__slots__ if name.startswith("enter_")]
    assert [getattr(back, name) for name in names] == [getattr(told, name) for name in names]
    assert settings_from_wire(device_to_settings(BATTERY, 1.0)).enter_delay_s is None


def test_a_category_that_is_not_specified_is_none() -> None:
    wire = nameplate_to_capability(BATTERY)
    wire.rtgNormalCategory = wire.rtgAbnormalCategory = 0
    plate = capability_to_nameplate(wire)
    assert (plate.normal_category, plate.abnormal_category) == (None, None)


def test_var_absorbed_is_negative_on_the_wire() -> None:
    wire = nameplate_to_capability(BATTERY)
    assert wire.rtgMaxVarNeg is not None
    assert wire.rtgMaxVarNeg.value == -15_000


def test_settings_survive_the_wire() -> None:
    wire = device_to_settings(BATTERY, 1.0)
    back = settings_from_wire(wire)
    assert back.max_w == 45_000.0
    assert back.ramp_w_per_s == pytest.approx(450.0)
    assert back.max_var_neg == 15_000.0
    assert (back.min_v, back.max_v, back.max_charge_va) == (195.5, 264.5, 44_000.0)
    assert back.updated == 7.0
    assert wire.setGradW == 100  # 1 % of setMaxW per second


def test_unset_settings_show_the_nameplate_and_the_time_of_change() -> None:
    wire = device_to_settings(PV, 123.0)
    assert (wire.setMaxW.value, wire.setGradW, wire.updatedTime) == (10_000, 0, 123)


@pytest.mark.parametrize("capability", CAPABILITY_MODES)
def test_each_capability_has_its_modes(capability: Capability) -> None:
    modes = modes_of({capability}, charges=False)
    assert capability in capabilities_of(modes)
    assert modes & CAPABILITY_MODES[capability] == CAPABILITY_MODES[capability]


def test_a_device_that_does_not_tell_which_curves_has_those_that_shape_its_power() -> None:
    modes = modes_of({Capability.CURVES}, charges=False)
    assert capabilities_of(modes) == CURVE_CAPABILITIES - TRIP_CAPABILITIES


def test_charge_and_discharge_bits_say_what_a_set_point_may_do() -> None:
    both = modes_of({Capability.SET_W}, charges=True)
    assert both & DERControlModes.CHARGE
    assert both & DERControlModes.DISCHARGE
    assert not modes_of({Capability.SET_W}, charges=False) & DERControlModes.CHARGE
    assert not modes_of({Capability.LIMIT_W}, charges=True) & DERControlModes.DISCHARGE


@pytest.mark.parametrize("kind", DeviceKind)
def test_every_kind_has_type_and_category(kind: DeviceKind) -> None:
    assert kind in DER_TYPES
    assert kind in CATEGORIES


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (4, DeviceKind.PV),
        (80, DeviceKind.BATTERY),
        (83, DeviceKind.PV_BATTERY),
        (6, DeviceKind.GENERATOR),
        (0, DeviceKind.OTHER),
        (77, DeviceKind.OTHER),
    ],
)
def test_kind_of_a_der_type(number: int, kind: DeviceKind) -> None:
    assert kind_of(number) is kind


def test_a_group_is_the_sum_of_its_members() -> None:
    wire = group_capability([BATTERY, PV])
    assert (wire.rtgMaxW.value, wire.rtgMaxW.multiplier, wire.type) == (6000, 1, 1)
    assert wire.modesSupported & GROUP_MODES == GROUP_MODES
    settings = group_settings([BATTERY, PV], 5.0)
    assert (settings.setMaxW.value, settings.setMaxW.multiplier) == (5500, 1)  # 45 kW + 10 kW
    assert settings.setGradW == 0  # one member has no ramp of its own


def test_a_group_lists_what_its_members_can() -> None:
    """What only some can is handed on to those: a utility that looks at the group alone must know of it."""
    curves = frozenset({Capability.VOLT_VAR, Capability.LOW_VOLTAGE_CESSATION, Capability.SET_VAR})
    able = replace(PV, nameplate=replace(PV.nameplate, capabilities=curves))
    plain = replace(BATTERY, nameplate=replace(BATTERY.nameplate, capabilities=frozenset({Capability.SET_W})))
    bits = DERControlModes.VOLT_VAR | DERControlModes.LVRT_MOMENTARY_CESSATION | DERControlModes.FIXED_VAR
    for members, wanted in (([plain, able], bits), ([plain], DERControlModes(0))):
        assert group_capability(members).modesSupported & bits == wanted
        assert group_settings(members, 5.0).modesEnabled & bits == wanted
    assert not group_capability([plain, able]).modesSupported & DERControlModes.LVRT_MUST_TRIP


def test_the_ramps_of_a_group_add_up_where_all_have_one() -> None:
    settings = group_settings([BATTERY, replace(BATTERY, id="c")], 5.0)
    assert settings.setGradW == 100


def test_an_empty_group_is_still_valid() -> None:
    assert encode(group_capability([]))
    assert encode(group_settings([], 0.0))


def test_only_storage_stores() -> None:
    assert stores_energy(BATTERY)
    assert not stores_energy(PV)


def test_a_device_that_claims_to_charge_and_no_mode_for_power_is_told_power() -> None:
    bits = DERControlModes
    storage = int(bits.CHARGE | bits.DISCHARGE | bits.CONNECT | bits.ENERGIZE)
    assert capabilities_of(storage) == {
        Capability.SET_W,
        Capability.LIMIT_W,
        Capability.CONNECT,
        Capability.ENERGIZE,
    }
    assert capabilities_of(int(bits.CHARGE | bits.MAX_LIM_W)) == {Capability.LIMIT_W}
    assert capabilities_of(int(bits.CONNECT)) == {Capability.CONNECT}
