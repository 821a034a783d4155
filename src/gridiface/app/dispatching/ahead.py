"""What lies ahead of devices that can hold set-points with a start: worked out between control steps, and handed out.

Owns when the engine goes on with it, and who gets an agenda. What is planned is the engine's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gridiface.aggregation.engine import Engine
from gridiface.domain.channels import DeviceChannel, PlanChannel
from gridiface.domain.controls import Agenda


class Ahead:
    """The planning of one dispatch.

    Args:
        engine: plans.
        channels: the way to devices; those that are PlanChannels take agendas. Looked at each time.
        spawn: starts a task that the dispatch keeps.
    """

    def __init__(
        self,
        engine: Engine,
        channels: Sequence[DeviceChannel],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        self._engine, self._channels, self._spawn = engine, channels, spawn
        self._task: asyncio.Task[None] | None = None

    def go_on(self) -> None:
        """After a control step: see to it that what is to be planned is planned."""
        if self._engine.planning and (self._task is None or self._task.done()):
            self._task = self._spawn(self._work())

    async def _work(self) -> None:
        time, took = asyncio.get_running_loop().time, 0.0
        while self._engine.planning:
            await asyncio.sleep(took)  # devices and peers come first: half of the time is theirs, however much this is
            begun = time()
            agendas = self._engine.plan_ahead()
            took = time() - begun
            if agendas:
                await self._hand_out(agendas)

    async def _hand_out(self, agendas: Sequence[Agenda]) -> None:
        planners = [channel for channel in self._channels if isinstance(channel, PlanChannel)]
        mine: dict[int, list[Agenda]] = {}
        for agenda in agendas:
            at = next((i for i, channel in enumerate(planners) if channel.serves(agenda.device_id)), -1)
            mine.setdefault(at, []).append(agenda)
        self._engine.unplanned(agenda.device_id for agenda in mine.pop(-1, ()))
        for at, some in mine.items():
            self._engine.unplanned(await planners[at].plan(some))
