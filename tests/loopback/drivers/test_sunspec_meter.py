"""SunSpec meters laid out by pysunspec2 and served by pymodbus."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import DeviceKind
from gridiface.errors import DeviceRejected

METER = {
    **{"ID": 203, "A": 52, "AphA": 52, "A_SF": -1, "PhV": 2305, "PhVphA": 2305, "V_SF": -1, "Hz": 5001, "Hz_SF": -2},
    **{"W": 1200, "WphA": 1200, "W_SF": 0, "TotWhExp": 5, "TotWhImp": 7, "TotWh_SF": 0, "Evt": 0},
}
FLOATS = {
    **{"ID": 213, "A": 5.2, "AphA": 5.2, "PhV": 230.5, "Hz": 50.01, "W": 1200.0, "VA": 1250.0},
    **{"TotWhExp": 5.0, "TotWhImp": 7.0, "Evt": 0},
}
INVERTER = {
    **{"ID": 103, "A": 10, "AphA": 10, "AphB": 10, "AphC": 10, "A_SF": 0, "PhVphA": 230, "PhVphB": 230, "PhVphC": 230},
    **{"V_SF": 0, "W": 4000, "W_SF": 0, "Hz": 50, "Hz_SF": 0, "WH": 1, "WH_SF": 0, "TmpCab": 30, "Tmp_SF": 0, "St": 4},
    **{"Evt1": 0, "Evt2": 0},
}


@pytest.mark.parametrize("model", [METER, FLOATS], ids=["203", "213"])
async def test_a_meter_is_read_and_takes_no_command(model: Any, opened: Any) -> None:
    async with opened([model], meter_positive="taken", rating_w=None) as (device, driver):
        assert driver.kind is DeviceKind.METER
        seen = await driver.read()
        assert (seen.w, round(seen.hz, 2)) == (-1200, 50.01)
        with pytest.raises(DeviceRejected, match="nothing was written"):
            await driver.write(Setpoint(device_id="m", issued=time.time(), active_power_w=1.0))
        assert device.writes == []


async def test_the_meter_in_an_inverters_map_is_a_device_of_its_own(opened: Any) -> None:
    async with opened([INVERTER, METER]) as (_, inverter):
        assert inverter.kind is DeviceKind.PV
        assert (await inverter.read()).w == 4000
    async with opened([INVERTER, METER], kind="meter", meter_positive="delivered") as (_, meter):
        assert (await meter.read()).w == 1200


async def test_a_meter_whose_direction_is_not_said_is_not_guessed(opened: Any) -> None:
    with pytest.raises(DeviceRejected, match="meter_positive"):
        async with opened([METER]):
            pass
