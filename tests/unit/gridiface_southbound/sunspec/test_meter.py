"""SunSpec meters: which device is one, which direction is positive, and what is not implemented."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.fleet import DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import Quality
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.meter import meter_in, nameplate, snapshot
from gridiface_southbound.sunspec.scan import DeviceMap, ModelPlace

TOLD = {
    **{"W": -120, "WphA": -40, "WphB": -50, "WphC": -30, "W_SF": 1, "VA": 125, "VA_SF": 1},
    **{"VAR": 30, "VARphA": 10, "VAR_SF": 1, "Hz": 5001, "Hz_SF": -2, "AphA": 52, "A_SF": -1},
    **{"PhVphA": 2305, "V_SF": -1, "Evt": 1 << 2},
}


def config(**keys: Any) -> SunSpecConfig:
    return SunSpecConfig(host="h", **({"meter_positive": "taken"} | keys))


def map_of(*model_ids: int) -> DeviceMap:
    return DeviceMap(40000, tuple(ModelPlace(m, 40002 + 200 * at, 100) for at, m in enumerate(model_ids)))


def test_which_device_is_a_meter() -> None:
    assert meter_in(map_of(1, 201), None) == ModelPlace(201, 40202, 100)
    assert meter_in(map_of(1, 103, 203), None) is None
    inverters = meter_in(map_of(1, 103, 203), DeviceKind.METER)
    assert inverters is not None
    assert inverters.id == 203
    assert meter_in(map_of(1, 103), None) is None
    with pytest.raises(DeviceRejected, match="no meter model"):
        meter_in(map_of(1, 103), DeviceKind.METER)


@pytest.mark.parametrize(("positive", "sign"), [("taken", -1), ("delivered", 1)])
@pytest.mark.parametrize(("model_id", "between"), [(201, "PPVphAB"), (202, "PhVphAB"), (203, "PhVphAB")])
def test_the_direction_is_as_configured(positive: str, sign: int, model_id: int, between: str, block: Any) -> None:
    seen = snapshot("m", block(model_id, TOLD | {between: 3990}), config(meter_positive=positive), now=5.0)
    assert (seen.w, seen.var, seen.va, seen.hz) == (-1200 * sign, 300 * sign, 1250, 50.01)
    assert seen.phase_w == {Phase.A: -400 * sign, Phase.B: -500 * sign, Phase.C: -300 * sign}
    assert seen.phase_var == {Phase.A: 100 * sign}
    assert seen.volts == {Phase.AN: 230.5, Phase.AB: 399.0}
    assert seen.amps == {Phase.A: 5.2}
    assert len(seen.alarms) == 1
    assert seen.quality is Quality.GOOD


def test_a_meter_of_floats(block: Any) -> None:
    seen = snapshot("m", block(213, {"W": 12.5, "WphA": 12.5, "PPVphAB": 400.0}), config(), now=5.0)
    assert (seen.w, seen.var, seen.phase_w[Phase.A], seen.volts[Phase.AB]) == (-12.5, None, -12.5, 400.0)


def test_without_a_total_the_phases_are_added_and_without_both_it_is_bad(block: Any) -> None:
    parts = {"WphA": 10, "WphB": 20, "W_SF": 0}
    assert snapshot("m", block(203, parts), config(), now=5.0).w == -30
    nothing = snapshot("m", block(203, {}), config(), now=5.0)
    assert (nothing.w, nothing.quality) == (None, Quality.BAD)


def test_who_it_is_and_that_its_direction_must_be_said(block: Any) -> None:
    blocks = {1: block(1, {"Mn": "ACME", "Md": "Meter", "SN": "7"})}
    plate = nameplate(blocks, config())
    assert (plate.max_w, plate.max_charge_w, plate.capabilities) == (0.0, 0.0, frozenset())
    assert (plate.manufacturer, plate.serial) == ("ACME", "7")
    with pytest.raises(DeviceRejected, match="set meter_positive"):
        nameplate(blocks, config(meter_positive=None))
