from __future__ import annotations

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Device
from gridiface.northbound.sep2.translate.rates import kind_of
from gridiface.northbound.sep2.translate.ratings import (
    capability_to_nameplate,
    nameplate_to_capability,
    settings_from_wire,
)
from gridiface.northbound.sep2.translate.setpoints import base_power_w, modes_of_inverter, setpoint_to_base
from gridiface.protocols.sep2.resources import ActivePower, DERCapability, DERSettings


@pytest.mark.parametrize(
    ("der_type", "modes", "charge", "discharge", "expected"),
    [
        (80, 0x80, None, None, 5000.0),  # storage that states no rate for charging can be charged
        (80, 0x80, None, 3000, 3000.0),
        (80, 0x80, 4000, 3000, 4000.0),
        (80, 0x80, 0, None, 0.0),  # what is stated counts
        (81, 0x80, None, None, 5000.0),
        (82, 0x80, None, None, 5000.0),
        (80, 0x82, None, None, 0.0),  # discharge mode alone
        (80, 0x83, None, None, 5000.0),
        (83, 0x81, None, 3000, 3000.0),
        (83, 0x80, None, 3000, 0.0),  # it does not claim the charge mode
        (1, 0x81, None, None, 5000.0),
        (4, 0xFFFFFFFF, None, None, 0.0),
        (2, 0x80, None, None, 0.0),
    ],
)
def test_what_storage_takes_where_it_states_no_rate(
    der_type: int, modes: int, charge: int | None, discharge: int | None, expected: float
) -> None:
    def power(value: int | None) -> ActivePower | None:
        return None if value is None else ActivePower(multiplier=0, value=value)

    wire = DERCapability(
        modesSupported=modes,
        rtgMaxW=ActivePower(multiplier=0, value=5000),
        type=der_type,
        rtgMaxChargeRateW=power(charge),
        rtgMaxDischargeRateW=power(discharge),
    )
    assert capability_to_nameplate(wire).max_charge_w == expected
    assert modes_of_inverter(wire, None).max_charge_w == expected  # what its percentages are of


@pytest.mark.parametrize(
    ("der_type", "rated", "held", "export"),
    [
        (4, 0, 0, 5000.0),  # inverters without storage state 0
        (4, 0, None, 5000.0),
        (83, 3000, 2000, 5000.0),  # rtgMaxW is generation and storage together
        (83, 3000, None, 5000.0),
        (2, 0, 0, 5000.0),
        (1, 3000, 0, 5000.0),
        (80, 3000, None, 3000.0),
        (80, 3000, 2000, 2000.0),
        (80, 3000, 0, 0.0),  # set to deliver nothing
        (80, 0, None, 5000.0),
        (0, 0, 0, 5000.0),
    ],
)
def test_what_a_rate_of_discharge_bounds(der_type: int, rated: int | None, held: int | None, export: float) -> None:
    def power(value: int | None) -> ActivePower | None:
        return None if value is None else ActivePower(multiplier=0, value=value)

    capability = DERCapability(
        modesSupported=0x80, rtgMaxW=power(5000), type=der_type, rtgMaxDischargeRateW=power(rated)
    )
    wire = DERSettings(setGradW=0, setMaxW=power(5000), updatedTime=1, setMaxDischargeRateW=power(held))
    kind = kind_of(der_type)
    device = Device(
        id="d", nameplate=capability_to_nameplate(capability), settings=settings_from_wire(wire, None, kind), kind=kind
    )
    assert device.max_export_w == export
    told = nameplate_to_capability(device).rtgMaxDischargeRateW  # what is said of it further up
    assert (told is None or told.value == 0) == (not rated or der_type == 1)


@pytest.mark.parametrize(("der_type", "share"), [(83, 4000), (4, 4000), (1, 4000), (80, 8000), (81, 8000)])
def test_beside_generation_a_share_is_of_what_both_deliver(der_type: int, share: int) -> None:
    """opModFixedW in % of setMaxW or of setMaxDischargeRateW: 4 kW of an inverter of 10 kW with a storage of 5 kW."""
    capability = DERCapability(
        modesSupported=0x80,
        rtgMaxW=ActivePower(multiplier=1, value=1000),
        type=der_type,
        rtgMaxDischargeRateW=ActivePower(multiplier=0, value=5000),
    )
    inverter = modes_of_inverter(capability, None)
    base = setpoint_to_base(
        Setpoint(device_id="d", issued=0.0, active_power_w=4000.0), inverter, lambda name, payload: ""
    )
    assert base.opModFixedW == share
    assert base_power_w(base, inverter) == 4000.0
