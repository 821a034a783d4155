"""Readings give way to large batches of commands, and not for long."""

from __future__ import annotations

import asyncio
from typing import Any

from gridiface.domain.controls import Setpoint
from gridiface.drivers.dispatcher import PART, Dispatcher
from gridiface.drivers.poller import Poller
from gridiface.drivers.precedence import MOST_S, Precedence


async def waited(precedence: Precedence) -> float:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await precedence.give_way()
    return loop.time() - began


def test_nobody_waits_where_no_large_batch_is_under_way(virtual: Any) -> None:
    async def tale() -> None:
        precedence = Precedence()
        assert await waited(precedence) == 0.0
        with precedence.claimed():
            pass
        assert await waited(precedence) == 0.0

    virtual(tale())


def test_a_reading_waits_for_the_last_of_several_batches(virtual: Any) -> None:
    async def tale() -> None:
        precedence = Precedence()

        async def batch(seconds: float) -> None:
            with precedence.claimed():
                await asyncio.sleep(seconds)

        batches = [asyncio.create_task(batch(seconds)) for seconds in (0.1, 0.25)]
        await asyncio.sleep(0)
        assert round(await waited(precedence), 3) == 0.25
        await asyncio.gather(*batches)

    virtual(tale())


def test_a_batch_that_takes_long_holds_a_reading_only_so_long(virtual: Any) -> None:
    async def tale() -> None:
        precedence = Precedence()
        with precedence.claimed():
            assert round(await waited(precedence), 3) == MOST_S

    virtual(tale())


def test_devices_are_read_after_thousands_were_told(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    """The dispatcher claims it for a large batch and not for a small one; the poller gives way."""

    async def tale() -> None:
        loop = asyncio.get_running_loop()
        dispatcher = Dispatcher(clock=virtual_clock)
        told = [scripted(f"d{n}", seconds=0.2) for n in range(PART + 1)]
        for driver in told:
            dispatcher.add(driver)
        await dispatcher.start()
        read: list[float] = []

        class Read:
            def __init__(self, inner: Any) -> None:
                self._inner = inner

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

            async def read(self) -> Any:
                read.append(loop.time())
                return await self._inner.read()

        async def nothing(_: Any) -> None:
            return None

        poller = Poller(clock=virtual_clock, on_snapshots=nothing, precedence=dispatcher.precedence)
        began = loop.time()

        def setpoints(drivers: list[Any], watts: float) -> list[Setpoint]:
            now = virtual_clock.now()
            return [Setpoint(device_id=d.device_id, issued=now, active_power_w=watts) for d in drivers]

        large = asyncio.create_task(dispatcher.apply(setpoints(told, 100.0), deadline=virtual_clock.now() + 5.0))
        await asyncio.sleep(0)
        poller.add(Read(scripted("meter")), period_s=100.0)
        await poller.start()
        await large
        await asyncio.sleep(0.05)
        assert [round(at - began, 2) for at in read] == [0.2]

        small = asyncio.create_task(dispatcher.apply(setpoints(told[:PART], 200.0), deadline=virtual_clock.now() + 5.0))
        await asyncio.sleep(0)
        poller.add(Read(scripted("other")), period_s=100.0)
        await asyncio.sleep(0.05)
        assert len(read) == 2
        await small
        await poller.stop()
        await dispatcher.stop()

    virtual(tale())
