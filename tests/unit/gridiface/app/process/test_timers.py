"""The timer loop under a clock of its own."""

from __future__ import annotations

import asyncio

from gridiface.app.process.timers import TimerLoop


class Part:
    """Wants to be woken at given times."""

    def __init__(self, *due: float) -> None:
        self.due = list(due)
        self.woken: list[float] = []

    def next_timer(self, now: float) -> float | None:
        return self.due[0] if self.due else None

    def handle_timer(self, now: float) -> None:
        while self.due and self.due[0] <= now:
            self.woken.append(self.due.pop(0))


class LoopClock:
    """Seconds since the loop began; wall and monotonic alike."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


async def run_until(loop: TimerLoop, condition: asyncio.Event) -> None:
    task = asyncio.create_task(loop.run())
    try:
        async with asyncio.timeout(60):
            await condition.wait()
    finally:
        task.cancel()


async def test_edges_wake_the_part_though_the_period_is_long() -> None:
    clock, done = LoopClock(), asyncio.Event()
    part = Part(clock.now() + 0.02, clock.now() + 0.05)
    loop = TimerLoop(clock, 3600.0, lambda _: done.set() if not part.due else None, [part])
    await run_until(loop, done)
    assert len(part.woken) == 2


async def test_kick_brings_the_next_step_forward() -> None:
    steps, done = [], asyncio.Event()

    def step(now: float) -> None:
        steps.append(now)
        if len(steps) == 1:
            loop.kick()
        else:
            done.set()

    loop = TimerLoop(LoopClock(), 3600.0, step)
    await run_until(loop, done)
    assert len(steps) == 2


async def test_failing_part_does_not_stop_the_others() -> None:
    clock, done = LoopClock(), asyncio.Event()

    class Broken(Part):
        def handle_timer(self, now: float) -> None:
            self.due.clear()
            raise RuntimeError("broken on purpose")

    good = Part(clock.now())
    loop = TimerLoop(clock, 0.01, lambda _: done.set(), [Broken(clock.now()), good])
    await run_until(loop, done)
    assert loop.failures == 1
    assert len(good.woken) == 1
