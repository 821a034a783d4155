"""The sign of life: it ends when it is told to, whatever carries it."""

from __future__ import annotations

import asyncio

from gridiface_southbound.points.heartbeat import Pulse
from gridiface_southbound.points.table import Heartbeat


async def test_it_ends_also_where_what_carries_it_swallows_the_cancellation() -> None:
    beating = asyncio.Event()

    async def write(value: int) -> None:
        if value == 1:
            return
        beating.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return  # as Python 3.11's wait_for does where the answer is there

    pulse = Pulse(Heartbeat(point="life", period_s=0.001), write)
    await pulse.start()
    await beating.wait()
    stopping = asyncio.create_task(pulse.stop())
    done, _ = await asyncio.wait({stopping}, timeout=30)
    assert done
    assert pulse.beats == 2
