"""Checks of a driver whose device is well: what it reads, writes, rounds, leaves alone and lets go of."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from gridiface.domain.controls import ControlMode
from gridiface.domain.fleet import Capability
from gridiface.drivers.api import Ack
from gridiface.drivers.testkit.bench import Bench, asked_of, command_for, opened, raises, require, sets_watts, settle
from gridiface.errors import DeviceRejected


async def opens_and_tells_its_nameplate(bench: Bench) -> None:
    """Open gives ratings in W and what the device can do."""
    plate = await opened(bench)
    require(abs(plate.max_w - bench.max_w) <= bench.step_w, f"max_w is {plate.max_w} W, the device has {bench.max_w} W")
    charge = plate.max_charge_w
    require(abs(charge - bench.max_charge_w) <= bench.step_w, f"max_charge_w is {charge} W, not {bench.max_charge_w} W")
    require(plate.capabilities, "the nameplate names no capability")


async def writes_what_it_acknowledges(bench: Bench) -> None:
    """An Ack names points, their read-back, and what the device now really holds."""
    plate = await opened(bench)
    command = command_for(bench, plate, 0.5)
    ack = await bench.driver.write(command)
    held = await bench.peer.held()
    require(ack.device_id == bench.driver.device_id, "the Ack names another device")
    require(ack.written, "the Ack says that nothing was written")
    require(not ack.verified or ack.read_back, "the Ack claims a verification and has no read-back")
    told = held.active_power_w if sets_watts(plate) else held.ceiling_w
    claimed = ack.active_power_w if sets_watts(plate) else ack.ceiling_w
    if told is None or claimed is None:
        raise AssertionError(f"the device was told {told} W, the Ack says {claimed} W: one of them says nothing")
    asked = asked_of(command)
    require(abs(told - asked) <= bench.step_w, f"the device was told {told} W instead of {asked} W")
    require(abs(told - claimed) <= bench.step_w, f"the device holds {told} W, the Ack says {claimed} W")


async def positive_is_discharge(bench: Bench) -> None:
    """+ delivers, - takes, in commands and in telemetry."""
    if not sets_watts(await opened(bench)) or not bench.max_charge_w:
        return
    for watts in (0.4 * bench.max_w, -0.4 * bench.max_charge_w):
        if not watts:
            continue
        await bench.driver.write(bench.setpoint(watts))
        held = (await bench.peer.held()).active_power_w
        require(held is not None and held * watts > 0, f"told {watts} W, the device understood {held} W")
        await settle(bench, watts)
        seen = (await bench.driver.read()).w
        require(seen is not None and seen * watts > 0, f"the device delivers about {watts} W, the snapshot says {seen}")


async def reads_in_watts(bench: Bench) -> None:
    """A snapshot has W, not kW or raw registers, and times."""
    plate = await opened(bench)
    command = command_for(bench, plate, 0.3)
    await bench.driver.write(command)
    await settle(bench, asked_of(command))
    before = await bench.peer.power_w()
    snapshot = await bench.driver.read()
    require(snapshot.device_id == bench.driver.device_id, "the snapshot names another device")
    if snapshot.w is None:
        raise AssertionError("the snapshot has no power")
    room = 0.05 * (bench.max_w or bench.max_charge_w) + bench.step_w
    require(abs(snapshot.w - before) <= room, f"the device delivers {before:.0f} W, the snapshot says {snapshot.w:.0f}")
    require(snapshot.source_time <= snapshot.received, "the snapshot was measured after it was received")
    require(snapshot.soc is None or 0.0 <= snapshot.soc <= 1.0, f"soc {snapshot.soc} is not within 0..1")


async def stays_inside_the_rating(bench: Bench) -> None:
    """What is asked beyond the rating is held to it, or refused; never written."""
    if not sets_watts(await opened(bench)):
        return
    for watts in (3.0 * bench.max_w or 1000.0, -3.0 * max(bench.max_w, bench.max_charge_w)):
        ack: Ack | None = None
        with contextlib.suppress(DeviceRejected):
            ack = await bench.driver.write(bench.setpoint(watts))
        told = (await bench.peer.held()).active_power_w or 0.0
        inside = -bench.max_charge_w - bench.step_w <= told <= bench.max_w + bench.step_w
        require(inside, f"asked for {watts} W, {told} W was written to a device of {bench.max_w} W")
        require(ack is None or ack.notes, "the command was changed and the Ack has no note of it")


async def rounds_a_ceiling_down(bench: Bench) -> None:
    """A ceiling on the device is never above the one that was asked for."""
    plate = await opened(bench)
    if Capability.LIMIT_W not in plate.capabilities:
        return
    asked = bench.max_w / 3.0
    await bench.driver.write(bench.setpoint(ceiling=asked))
    ceiling = (await bench.peer.held()).ceiling_w
    require(ceiling is not None and ceiling <= asked + 1e-6, f"asked for at most {asked} W, the device has {ceiling} W")


async def leaves_alone_what_is_not_named(bench: Bench) -> None:
    """A command that names one quantity does not touch another."""
    plate = await opened(bench)
    if not {Capability.SET_W, Capability.LIMIT_W} <= plate.capabilities:
        return
    await bench.driver.write(bench.setpoint(ceiling=0.6 * bench.max_w))
    await bench.driver.write(bench.setpoint(0.2 * bench.max_w))
    held = await bench.peer.held()
    require(held.ceiling_w is not None, "a set-point took the ceiling away")
    require(held.active_power_w is not None, "the set-point did not arrive")


async def lets_go_of_one_quantity(bench: Bench) -> None:
    """A command that ends the set-point and keeps the ceiling does both."""
    plate = await opened(bench)
    if not {Capability.SET_W, Capability.LIMIT_W} <= plate.capabilities:
        return
    await bench.driver.write(bench.setpoint(0.4 * bench.max_w, ceiling=0.6 * bench.max_w))
    over = replace(bench.setpoint(ceiling=0.5 * bench.max_w), let_go=frozenset({ControlMode.SET_W}))
    ack = await bench.driver.write(over)
    held = await bench.peer.held()
    require(held.active_power_w is None, f"the set-point was let go of and the device holds {held.active_power_w} W")
    require(held.ceiling_w is not None, "letting go of the set-point took the ceiling away")
    require(ack.active_power_w is None and ack.written, f"the Ack says that the device holds {ack.active_power_w} W")


async def lets_go(bench: Bench) -> None:
    """Revert, and a command with `release`, end what was in force."""
    plate = await opened(bench)
    for release in (bench.driver.revert, lambda: bench.driver.write(bench.setpoint(release=True))):
        await bench.driver.write(command_for(bench, plate, 0.5))
        ack = await release()
        held = await bench.peer.held()
        require(ack.written, "letting go wrote nothing")
        require(held.active_power_w is None and held.ceiling_w is None, f"after letting go the device holds {held}")


async def refuses_an_empty_command(bench: Bench) -> None:
    """A command that asks for nothing is no success."""
    await opened(bench)
    before = await bench.peer.writes()
    async with raises(DeviceRejected, "a command that asks for nothing"):
        await bench.driver.write(bench.setpoint())
    require(await bench.peer.writes() == before, "a command that asks for nothing was written")
