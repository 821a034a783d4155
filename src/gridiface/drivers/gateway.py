"""Gathers the commands of one gateway's units into one `write_many`. Owns no connection and no retry.

A gateway's unit drivers call `WriteBatcher.write` from their own `write` and answer `connection = None`: what comes in
one turn of the event loop goes out together, and the gateway itself is never asked twice at a time.
"""

from __future__ import annotations

import asyncio

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import Ack, Gateway
from gridiface.errors import DeviceError, DeviceRejected


class WriteBatcher:
    """The single writes of many units as few gateway writes.

    Args:
        gateway: who takes them.
        max_units: commands in one message.
    """

    def __init__(self, gateway: Gateway, *, max_units: int = 1000) -> None:
        self._gateway = gateway
        self._max_units = max_units
        self._waiting: list[tuple[Setpoint, asyncio.Future[Ack]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`, for one unit. A caller that is cancelled before the message went out is left out."""
        answer: asyncio.Future[Ack] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return await answer

    async def _send(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._max_units], self._waiting[self._max_units :]
                batch = [(command, answer) for command, answer in batch if not answer.done()]
                if batch:
                    await self._send_batch(batch)
        finally:
            self._sender = None

    async def _send_batch(self, batch: list[tuple[Setpoint, asyncio.Future[Ack]]]) -> None:
        results: list[Ack | DeviceError]
        try:
            results = list(await self._gateway.write_many([command for command, _ in batch]))
        except DeviceError as error:
            results = [error] * len(batch)
        if len(results) != len(batch):
            results = [DeviceRejected("the gateway answered for another number of units")] * len(batch)
        for (_, answer), result in zip(batch, results, strict=True):
            if answer.done():
                continue
            if isinstance(result, DeviceError):
                answer.set_exception(result)
            else:
                answer.set_result(result)
