"""What is particular to the SunSpec driver: scale factors that change, habits it learns, timers that really run out."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import ENTER_SERVICE_MODES, ControlMode, ModeValue, Setpoint
from gridiface.domain.fleet import Capability, DeviceKind
from gridiface.drivers.api import DeviceBusy, DeviceForgot
from gridiface.errors import DeviceRejected, DeviceTimeout, StoreUnavailable
from gridiface.simulation.sunspec.config import UnitConfig
from gridiface.simulation.sunspec.device import Fault


def told(watts: float | None = None, **more: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), active_power_w=watts, **more)


@pytest.mark.parametrize("profile", ["7xx", "1xx"])
async def test_scale_factors_that_change_at_run_time(profile: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(profile=profile)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(1000.0, ceiling_w=6000.0))
        for watts in (2000.0, 3000.0, -4000.0):
            await simulation.set_fault(0, Fault.RESCALE)
            ack = await driver.write(told(watts, ceiling_w=5000.0))
            state = simulation.state(0)
            assert state["power_w"] == pytest.approx(watts, abs=10)
            assert state["ceiling_w"] == pytest.approx(5000.0, abs=10)
            assert ack.active_power_w == pytest.approx(state["power_w"])
        await driver.close()


async def test_a_device_without_function_16_is_learnt_once(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(function_16=False)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(1000.0))
        ack = await driver.write(told(2500.0))
        # In percent from then on: 2,500 W are one register instead of two.
        assert ack.written["704.WSetMod"] == 0
        assert simulation.state(0)["power_w"] == 2500.0
        await driver.close()


async def test_the_devices_own_timer_lets_go(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation, revert_s=1)
        await driver.open()
        ack = await driver.write(told(1000.0))
        assert ack.revert_s == 1
        deadline = time.monotonic() + 10
        while simulation.state(0)["power_w"] is not None:
            assert time.monotonic() < deadline, "the revert timer never ran out"
            await asyncio.sleep(0.02)
        await driver.close()


async def test_the_timer_ends_with_the_command(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation, revert_s=60)
        await driver.open()
        ack = await driver.write(told(1000.0, valid_until=time.time() + 9.5))
        assert ack.revert_s == 10
        await driver.close()


async def test_without_timer_the_ack_says_so(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(copies=2)) as simulation:
        driver = driver_for(simulation, revert_s=None)
        await driver.open()
        assert (await driver.write(told(1000.0))).revert_s is None
        await driver.close()
    async with simulate(UnitConfig(revert_timers=False)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        assert (await driver.write(told(1000.0))).revert_s is None
        await driver.close()


@pytest.mark.parametrize("profile", ["7xx", "1xx"])
async def test_cease_and_return_to_service(profile: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(profile=profile)) as simulation:
        driver = driver_for(simulation)
        plate = await driver.open()
        assert Capability.CONNECT in plate.capabilities
        await driver.write(told(connect=True, energize=False))
        assert simulation.state(0)["connected"] is False
        assert (await driver.read()).connected is False
        await driver.write(told(energize=True))
        assert simulation.state(0)["connected"] is True
        await driver.write(told(connect=False))
        await driver.revert()
        assert simulation.state(0)["connected"] is True
        await driver.close()


async def test_letting_go_touches_only_what_was_touched(simulate: Any, driver_for: Any) -> None:
    """An installer's own ceiling or shut-down is not ours to lift."""
    async with simulate(UnitConfig()) as simulation:
        device = simulation.devices[0]
        device.image.put_raw(704, "WMaxLimPctEna", 1)
        device.image.put_raw(703, "ES", 0)
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(1000.0))
        await driver.revert()
        assert device.image.raw(704, "WMaxLimPctEna") == 1
        assert device.image.raw(703, "ES") == 0
        assert device.image.raw(704, "WSetEna") == 0
        await driver.close()


@pytest.mark.parametrize("profile", ["7xx", "1xx"])
async def test_a_release_reaches_what_was_switched_on_before_a_restart(
    profile: Any, simulate: Any, driver_for: Any
) -> None:
    """Without a timer of the device nothing else would take it back."""
    async with simulate(UnitConfig(profile=profile, revert_timers=False)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(ceiling_w=2000.0, reactive_power_var=-500.0))
        await driver.close()
        after = driver_for(simulation)
        await after.open()
        await after.write(told(release=True, let_go=frozenset({ControlMode.SET_VAR})))
        state = simulation.state(0)
        assert (state["reactive_var"], state["ceiling_w"]) == (None, 2000.0)  # what is not named may be an installer's
        await after.write(told(release=True, let_go=frozenset({ControlMode.MAX_W_PERCENT, ControlMode.CURVE})))
        assert simulation.state(0)["ceiling_w"] is None
        await after.close()


@pytest.mark.parametrize("profile", ["7xx", "1xx"])
async def test_reactive_power_and_power_factor_exclude_each_other(profile: Any, simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(profile=profile)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(reactive_power_var=-2200.0))
        assert simulation.state(0)["reactive_var"] == pytest.approx(-2200.0)
        await driver.write(told(passed={ControlMode.POWER_FACTOR_INJECT: ModeValue(0.9)}))
        state = simulation.state(0)
        assert (state["reactive_var"], state["power_factor"]) == (None, 0.9)
        await driver.write(told(reactive_power_var=100.0))
        assert simulation.state(0)["power_factor"] is None
        await driver.close()


async def test_what_cannot_be_done_is_skipped_with_a_reason(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        ack = await driver.write(told(500.0, passed={ControlMode.CURVE: ModeValue(0.0)}))
        assert ack.skipped == ("curve: it names none",)
        with pytest.raises(DeviceRejected, match="nothing was written: curve"):
            await driver.write(told(passed={ControlMode.CURVE: ModeValue(0.0)}))
        await driver.close()


async def test_a_busy_device_may_be_tried_again(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await simulation.set_fault(0, Fault.BUSY)
        with pytest.raises(DeviceBusy, match="busy"):
            await driver.write(told(1.0))
        await driver.close()


async def test_units_behind_one_gateway_share_a_connection(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(copies=5), shared_port=True) as simulation:
        drivers = [driver_for(simulation, index, shared_connection=True) for index in range(5)]
        assert {driver.connection for driver in drivers} == {f"127.0.0.1:{simulation.places()[0]['port']}"}
        plates = await asyncio.gather(*(driver.open() for driver in drivers))
        assert [plate.serial for plate in plates] == [f"unit-{n}" for n in range(1, 6)]
        await asyncio.gather(*(driver.write(told(100.0 * n)) for n, driver in enumerate(drivers, 1)))
        assert [simulation.state(n)["power_w"] for n in range(5)] == [100, 200, 300, 400, 500]
        for driver in drivers:
            await driver.close()


async def test_a_device_that_is_no_sunspec_device(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(base_address=1234)) as simulation:
        driver = driver_for(simulation)
        with pytest.raises(DeviceRejected, match="no SunSpec marker"):
            await driver.open()
        await driver.close()
        found = driver_for(simulation, base_address=1234)
        assert (await found.open()).max_w == 10_000
        await found.close()


async def test_a_silent_device_cannot_be_opened(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        await simulation.set_fault(0, Fault.HANG)
        driver = driver_for(simulation, timeout_s=0.05)
        with pytest.raises(DeviceTimeout):
            await driver.open()
        await driver.close()


async def test_a_power_cycle_in_between_is_survived(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(1000.0))
        simulation.power_cycle(0)
        assert simulation.state(0)["power_w"] is None
        for _ in range(50):
            await asyncio.sleep(0.01)
            try:
                await driver.write(told(1500.0))
                break
            except DeviceTimeout:
                continue
        assert simulation.state(0)["power_w"] == 1500.0
        await driver.close()


async def test_kinds_and_map(simulate: Any, driver_for: Any) -> None:
    units = (UnitConfig(name="b"), UnitConfig(name="p", kind="pv"), UnitConfig(name="h", profile="1xx"))
    async with simulate(*units) as simulation:
        kinds = []
        for index in range(3):
            driver = driver_for(simulation, index)
            await driver.open()
            kinds.append(driver.kind)
            assert driver.map is not None
            assert driver.map.reasons == ()
            await driver.close()
        assert kinds == [DeviceKind.BATTERY, DeviceKind.PV, DeviceKind.PV_BATTERY]


def enters(**values: float) -> dict[ControlMode, ModeValue]:
    return {ControlMode(name): ModeValue(value) for name, value in values.items()}


async def test_when_to_return_to_service_is_written_read_back_and_given_back(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        image = simulation.devices[0].image
        driver = driver_for(simulation)
        plate = await driver.open()
        assert Capability.ENTER_SERVICE in plate.capabilities
        before = driver.settings
        passed = enters(enter_v_high=104, enter_v_low=93, enter_hz_high=50.05, enter_hz_low=49.8, enter_delay_s=120)
        ack = await driver.write(told(passed=passed | enters(enter_random_s=30, enter_ramp_s=60)))
        assert (ack.written, ack.verified, ack.skipped) == (ack.read_back, True, ())
        settings = driver.settings
        shown = [getattr(settings, mode.value) for mode in sorted(ENTER_SERVICE_MODES)]
        assert shown == [120, 50.05, 49.8, 60, 30, 104, 93]
        assert [image.get(703, name) for name in ("ESDlyTms", "ESHzHi", "ESVLo", "ESRmpTms")] == [120, 50.05, 93, 60]
        assert image.raw(703, "ES") == 1
        await driver.write(told(passed=passed))
        assert driver.settings is settings  # the same once more is no change of settings
        await driver.write(told(1000.0, passed=enters(enter_v_high=104), let_go=ENTER_SERVICE_MODES))
        assert (driver.settings.enter_v_high, driver.settings.enter_delay_s) == (104, before.enter_delay_s)
        await driver.revert()
        assert replace(driver.settings, updated=before.updated) == before
        await driver.close()


async def test_what_settings_held_is_given_back_by_another_process(simulate: Any, driver_for: Any) -> None:
    kept = [b""]

    async def keep(body: bytes) -> None:
        kept.append(body)

    async with simulate(UnitConfig()) as simulation:
        image = simulation.devices[0].image
        before = image.get(703, "ESDlyTms")
        first = driver_for(simulation)
        first.recall(kept[-1], keep)
        await first.open()
        await first.write(told(passed=enters(enter_delay_s=120)))
        await first.close()
        second = driver_for(simulation)
        second.recall(kept[-1], keep)
        await second.open()
        await second.write(told(passed=enters(enter_delay_s=90)))
        assert image.get(703, "ESDlyTms") == 90
        await second.revert()
        assert (image.get(703, "ESDlyTms"), kept[-1]) == (before, b"")
        await second.close()


async def test_nothing_is_written_whose_former_value_cannot_be_kept(simulate: Any, driver_for: Any) -> None:
    async def keep(body: bytes) -> None:
        raise StoreUnavailable("the disk is full")

    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation)
        driver.recall(b"", keep)
        await driver.open()
        with pytest.raises(DeviceBusy, match="the disk is full"):
            await driver.write(told(passed=enters(enter_delay_s=120)))
        assert simulation.state(0)["writes"] == 0
        await driver.close()


async def test_a_device_that_does_not_take_a_setting_over_is_not_acknowledged(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await simulation.set_fault(0, Fault.IGNORE)
        with pytest.raises(DeviceBusy, match="ESDlyTms reads"):
            await driver.write(told(passed=enters(enter_delay_s=120)))
        await driver.close()


async def test_without_function_16_settings_are_written_register_by_register(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig(function_16=False)) as simulation:
        driver = driver_for(simulation)
        await driver.open()
        await driver.write(told(passed=enters(enter_delay_s=100_000, enter_v_high=104)))
        image = simulation.devices[0].image
        assert (image.get(703, "ESDlyTms"), image.get(703, "ESVHi")) == (100_000, 104)
        await driver.close()


@pytest.mark.parametrize("profile", ["7xx", "1xx"])
@pytest.mark.parametrize("revert_s", [None, 60.0])
async def test_a_restart_between_two_readings_is_found_out(
    profile: Any, revert_s: float | None, simulate: Any, driver_for: Any
) -> None:
    """It answers as before, holds nothing, and would be taken for obeying until its timer, or for ever."""
    async with simulate(UnitConfig(profile=profile)) as simulation:
        driver = driver_for(simulation, revert_s=revert_s)
        await driver.open()
        await driver.write(told(1000.0))
        await driver.write(told(1200.0))
        await driver.read()
        simulation.power_cycle(0)
        with pytest.raises(DeviceForgot, match="reads"):
            await driver.read()
        await driver.open()
        await driver.read()
        await driver.write(told(1200.0))
        await driver.read()
        assert simulation.state(0)["power_w"] == pytest.approx(1200.0, abs=5)
        await driver.close()


async def test_what_was_let_go_of_is_not_missed(simulate: Any, driver_for: Any) -> None:
    async with simulate(UnitConfig()) as simulation:
        driver = driver_for(simulation, revert_s=None)
        await driver.open()
        await driver.write(told(1000.0))
        await driver.revert()
        simulation.power_cycle(0)
        assert (await driver.read()).device_id == driver.device_id
        await driver.close()
