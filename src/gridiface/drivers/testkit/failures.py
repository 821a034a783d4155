"""Checks of a driver whose device is away, refuses, lies or comes back, and of its own end."""

from __future__ import annotations

import asyncio
import contextlib

from gridiface.drivers.testkit.bench import Bench, command_for, opened, raises, require
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout


async def tells_silence(bench: Bench) -> None:
    """A silent device is a DeviceTimeout, in write and in read."""
    plate = await opened(bench)
    await bench.peer.fault("hang")
    async with raises(DeviceTimeout, "writing to a silent device"):
        await bench.driver.write(command_for(bench, plate, 0.5))
    async with raises(DeviceTimeout, "reading a silent device"):
        await bench.driver.read()


async def tells_a_missing_device(bench: Bench) -> None:
    """No connection is a DeviceTimeout, also when opening."""
    await bench.peer.fault("off")
    async with raises(DeviceTimeout, "opening a device that is off"):
        await bench.driver.open()
    async with raises(DeviceTimeout, "writing to a device that is not open"):
        await bench.driver.write(bench.setpoint(0.0))


async def tells_a_refusal_once(bench: Bench) -> None:
    """A refused write is a DeviceRejected, after one attempt."""
    plate = await opened(bench)
    start = await bench.peer.writes()
    await bench.driver.write(command_for(bench, plate, 0.5))
    good = await bench.peer.writes() - start
    await bench.peer.fault("reject")
    start = await bench.peer.writes()
    async with raises(DeviceRejected, "a write that the device refuses"):
        await bench.driver.write(command_for(bench, plate, 0.4))
    tried = await bench.peer.writes() - start
    require(1 <= tried <= good, f"a refused command was sent with {tried} requests, a good one with {good}: it retries")


async def believes_the_read_back_only(bench: Bench) -> None:
    """A device that confirms a write and does nothing has not acknowledged it."""
    plate = await opened(bench)
    await bench.driver.write(command_for(bench, plate, 0.5))
    await bench.peer.fault("ignore")
    async with raises(DeviceRejected, "a write that the device confirms and ignores"):
        await bench.driver.write(command_for(bench, plate, 0.25))


async def notices_wrong_values(bench: Bench) -> None:
    """A device that stores another value than it was told has not acknowledged it."""
    plate = await opened(bench)
    await bench.peer.fault("wrong_values")
    async with raises(DeviceRejected, "a write that the device stores wrongly"):
        await bench.driver.write(command_for(bench, plate, 0.5))


async def comes_back(bench: Bench) -> None:
    """After the device was away the same driver works again, by itself or after close and open."""
    plate = await opened(bench)
    await bench.peer.fault("off")
    with contextlib.suppress(DeviceError):
        await bench.driver.read()
    await bench.peer.fault("none")
    await bench.driver.close()
    await bench.driver.open()
    await bench.driver.write(command_for(bench, plate, 0.5))
    await bench.driver.read()


async def closes_twice(bench: Bench) -> None:
    """Close is idempotent, works before open, and leaves the device as it is."""
    await bench.driver.close()
    plate = await opened(bench)
    await bench.driver.write(command_for(bench, plate, 0.5))
    await bench.driver.close()
    await bench.driver.close()
    held = await bench.peer.held()
    require(held.active_power_w is not None or held.ceiling_w is not None, "closing the driver changed the device")
    async with raises(DeviceTimeout, "reading through a closed driver"):
        await bench.driver.read()


async def survives_cancellation(bench: Bench) -> None:
    """A call that is cancelled half-way leaves the driver usable."""
    plate = await opened(bench)
    await bench.peer.fault("hang")
    for call in (lambda: bench.driver.write(command_for(bench, plate, 0.5)), bench.driver.read):
        task = asyncio.ensure_future(call())
        # Far enough that the request is on its way, not so far that it has timed out.
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, DeviceError):
            await task
    await bench.peer.fault("none")
    with contextlib.suppress(DeviceTimeout):
        await bench.driver.read()
    ack = await bench.driver.write(command_for(bench, plate, 0.7))
    require(ack.written, "after a cancelled call nothing can be written")
    await bench.driver.read()
