"""pysunspec2's own client as the oracle: it scans, reads and writes the simulated device, and sees what we wrote."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.simulation.sunspec.config import UnitConfig

PROFILES: dict[str, list[int]] = {
    "7xx": [1, 701, 702, 703, 704, 713],
    "1xx": [1, 103, 120, 121, 122, 123, 124],
    "1xx_float": [1, 113, 120, 121, 122, 123, 124],
    "both": [1, 103, 120, 121, 122, 123, 124, 701, 702, 703, 704, 713],
}


def scanned(place: dict[str, Any]) -> Any:
    """The oracle's view of a device, scanned."""
    device = SunSpecModbusClientDeviceTCP(slave_id=place["unit_id"], ipaddr=place["host"], ipport=place["port"])
    device.scan()
    return device


@pytest.mark.parametrize("base", [40000, 0, 50000])
@pytest.mark.parametrize("profile", PROFILES)
async def test_the_oracle_finds_every_model_without_complaint(profile: Any, base: int, simulate: Any) -> None:
    async with simulate(UnitConfig(profile=profile, base_address=base)) as simulation:
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            assert device.base_addr == base
            assert [model.model_id for model in device.model_list] == PROFILES[profile]
            assert [model.error_info for model in device.model_list] == [""] * len(device.model_list)
            assert device.common[0].SN.value == "unit"
        finally:
            await asyncio.to_thread(device.close)


async def test_the_oracle_commands_the_simulator(simulate: Any) -> None:
    async with simulate(UnitConfig(ramp_w_per_s=1e6, time_constant_s=0.01, noise=0)) as simulation:
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            controls = device.models[704][0]
            controls.WSetMod.value = 1
            controls.WSet.cvalue = -2500
            controls.WSetRvrtTms.value = 30
            controls.WSetEna.value = 1
            await asyncio.to_thread(controls.write)
            await asyncio.to_thread(controls.read)
            assert simulation.state(0)["power_w"] == -2500
            assert controls.WSetRvrtRem.value == pytest.approx(30, abs=1)
            measured = device.models[701][0]
            deadline = time.monotonic() + 5
            while measured.W.cvalue != -2500 and time.monotonic() < deadline:
                await asyncio.to_thread(measured.read)
            assert measured.W.cvalue == -2500
            assert measured.InvSt.value == 3
        finally:
            await asyncio.to_thread(device.close)


async def test_the_oracle_cannot_write_what_is_read_only(simulate: Any) -> None:
    async with simulate(UnitConfig(profile="1xx")) as simulation:
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            inverter = device.models[103][0]
            inverter.W.cvalue = 100
            with pytest.raises(Exception, match=r"(?i)exception"):
                await asyncio.to_thread(inverter.write)
        finally:
            await asyncio.to_thread(device.close)


def _points(device: Any, model_id: int, *names: str) -> list[Any]:
    model = device.models[model_id][0]
    model.read()
    return [getattr(model, name).cvalue for name in names]


async def test_the_oracle_reads_what_the_driver_wrote_to_704(
    simulate: Any, driver_for: Callable[..., Any], clock: Any
) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation, revert_s=45)
        await driver.open()
        command = Setpoint(
            device_id="unit",
            issued=clock.now(),
            active_power_w=-1234.0,
            ceiling_w=3333.0,
            passed={
                ControlMode.POWER_FACTOR_INJECT: ModeValue(-0.95),
                ControlMode.ENTER_V_HIGH: ModeValue(104.5),
                ControlMode.ENTER_HZ_LOW: ModeValue(49.85),
                ControlMode.ENTER_DELAY: ModeValue(70_000),
            },
            connect=True,
        )
        ack = await driver.write(command)
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            names = ("WSetEna", "WSetMod", "WSet", "WSetPct", "WSetRvrtTms", "WMaxLimPctEna", "WMaxLimPct")
            seen = await asyncio.to_thread(_points, device, 704, *names)
            assert seen == [1, 1, -1234, -12.34, 45, 1, 33.33]
            assert [ack.written[f"704.{name}"] for name in names] == seen
            assert device.models[704][0].PFWInj.PF.cvalue == 0.95
            assert device.models[704][0].PFWInj.Ext.value == 1
            enter = ("ES", "ESVHi", "ESVLo", "ESHzHi", "ESHzLo", "ESDlyTms", "ESRndTms", "ESRmpTms")
            assert await asyncio.to_thread(_points, device, 703, *enter) == [1, 104.5, 91.7, 50.1, 49.85, 70_000, 0, 0]
        finally:
            await asyncio.to_thread(device.close)
            await driver.close()


async def test_the_oracle_reads_what_the_driver_wrote_to_12x(
    simulate: Any, driver_for: Callable[..., Any], clock: Any
) -> None:
    async with simulate(UnitConfig(profile="1xx")) as simulation:
        driver = driver_for(simulation, revert_s=45)
        await driver.open()
        await driver.write(
            Setpoint(
                device_id="unit",
                issued=clock.now(),
                active_power_w=-2500.0,
                ceiling_w=5000.0,
                reactive_power_var=-1100.0,
                ramp_s=7,
            )
        )
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            storage = ("StorCtl_Mod", "OutWRte", "InWRte", "InOutWRte_RvrtTms", "InOutWRte_RmpTms")
            assert await asyncio.to_thread(_points, device, 124, *storage) == [3, -25, 25, 45, 7]
            names = ("WMaxLimPct", "WMaxLim_Ena", "WMaxLimPct_RvrtTms", "VArMaxPct", "VArPct_Mod", "VArPct_Ena", "Conn")
            assert await asyncio.to_thread(_points, device, 123, *names) == [50, 1, 45, -25, 2, 1, 1]
        finally:
            await asyncio.to_thread(device.close)
            await driver.close()


async def test_driver_and_oracle_read_the_same_telemetry(
    simulate: Any, driver_for: Callable[..., Any], clock: Any
) -> None:
    async with simulate(UnitConfig(noise=0, soc=0.7)) as simulation:
        driver = driver_for(simulation)
        plate = await driver.open()
        snapshot = await driver.read()
        device = await asyncio.to_thread(scanned, simulation.places()[0])
        try:
            assert [snapshot.w, snapshot.hz] == await asyncio.to_thread(_points, device, 701, "W", "Hz")
            rated = await asyncio.to_thread(_points, device, 702, "WMaxRtg", "WChaRteMaxRtg", "VarMaxInjRtg")
            assert [plate.max_w, plate.max_charge_w, plate.max_var] == rated
            soc, energy = await asyncio.to_thread(_points, device, 713, "SoC", "WHAvail")
            assert snapshot.soc == pytest.approx(soc / 100)
            assert snapshot.available_wh == energy
        finally:
            await asyncio.to_thread(device.close)
            await driver.close()
