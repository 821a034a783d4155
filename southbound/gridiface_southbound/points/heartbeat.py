"""The sign of life that a device wants from its controller. Owns the task; not the link and not the table."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from gridiface.errors import DeviceError
from gridiface_southbound.points.table import Heartbeat


def beat(rule: Heartbeat, count: int) -> int:
    """What the point holds at the `count`th beat, counted from 0."""
    match rule.kind:
        case "toggle":
            return (count + 1) % 2
        case "constant":
            return rule.value
        case _:
            return (count + 1) % rule.modulo


class Pulse:
    """Writes the heartbeat every period from `start` to `stop`; a beat that fails is counted and the next one comes.

    Args:
        rule: what to write and how often.
        write: writes one value; raises DeviceError.
    """

    def __init__(self, rule: Heartbeat, write: Callable[[int], Awaitable[None]]) -> None:
        self._rule = rule
        self._write = write
        self._task: asyncio.Task[None] | None = None
        self.beats = 0
        self.failures = 0

    async def start(self) -> None:
        """The first beat, then the task.

        Raises:
            DeviceError: the device does not take it.
        """
        await self.stop()
        await self._beat()
        self._task = asyncio.create_task(self._run(), name="heartbeat of a device")

    async def stop(self) -> None:
        """No beat after this. Twice is once; never raises."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        # Not for ever: what carries a beat may swallow the cancellation that comes with its answer.
        while self._task is asyncio.current_task():
            # Counted from the plan, not from the last beat; after a long silence the missed ones are not made up.
            due = max(due + self._rule.period_s, loop.time())
            await asyncio.sleep(due - loop.time())
            with contextlib.suppress(DeviceError):
                await self._beat()

    async def _beat(self) -> None:
        value = beat(self._rule, self.beats)
        try:
            await self._write(value)
        except DeviceError:
            self.failures += 1
            raise
        self.beats += 1
