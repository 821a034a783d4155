"""Runs one DNP3 master: `python -m gridiface.simulation.dnp3`.

Its configuration is the first line of standard input (JSON, see config.MasterConfig). It prints {"ready": true} when
the start-up tasks are done, then answers one line to each line: {"operate": {"analog": 0, "value": 1.5}},
{"poll": [1, 2, 3, 0]}, {"points": true}, {"events": true}, {"state": true}. It connects again when the connection is
lost, and ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic import ValidationError

from gridiface.pki.contexts import KeyPair, client_context
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed
from gridiface.simulation.dnp3.config import MasterConfig, Request
from gridiface.simulation.lines import input_lines, say

_RETRY_S = 0.2
_READY_S = 3600.0


def _shown(item: Measurement) -> dict[str, Any]:
    value = item.value.hex() if isinstance(item.value, bytes) else item.value
    return {"type": item.type.value, "index": item.point, "value": value, "flags": item.flags, "time": item.time}


async def answer(client: MasterClient, line: str) -> dict[str, Any]:
    """The answer to one line; {"error": ...} where it cannot be done."""
    try:
        request = Request.model_validate_json(line)
        if request.operate is not None:
            index, command = request.operate.command()
            status = await client.operate(index, command, select=request.operate.select)
            return {"status": status.name}
        if request.poll is not None:
            done = await client.poll(request.poll)
            return {"points": len(client.points), "iin": int(done.iin)}
    except (ValidationError, MasterFailed) as problem:
        return {"error": str(problem)}
    if request.points:
        return {"points": [_shown(item) for item in client.points.values()]}
    if request.events:
        taken = [_shown(item) for item in client.events]
        client.events.clear()
        return {"events": taken}
    return {
        "connected": client.connected,
        "restarts": client.restarts,
        "points": len(client.points),
        "events": len(client.events),
        "done": client.done,
        "failed": client.failed[-20:],
    }


async def keep_connected(client: MasterClient) -> None:
    """Connect, and again whenever the connection is lost."""
    while True:
        if not client.connected:
            try:
                await client.connect()
            except MasterFailed:
                await asyncio.sleep(_RETRY_S)
                continue
        await asyncio.sleep(_RETRY_S)


async def serve() -> int:
    """Run until the standard input closes; the exit code."""
    lines = input_lines()
    config = MasterConfig.model_validate_json(await lines.get() or "")
    tls = None
    if config.tls is not None:
        pair = KeyPair(config.tls.certificate, config.tls.key)
        tls = client_context("modern", key_pairs=[pair], roots=config.tls.roots)
    client = MasterClient(config.core(), config.host, config.port, tls=tls)
    for classes, period in config.polls:
        client.core.add_poll(classes, period, time.time())
    running = asyncio.create_task(keep_connected(client))
    announced = asyncio.create_task(_announce(client, config))
    try:
        while (line := await lines.get()) is not None:
            if line.strip():
                say(await answer(client, line))
    finally:
        announced.cancel()
        running.cancel()
        await asyncio.gather(announced, running, return_exceptions=True)
        await client.close()
    return 0


async def _announce(client: MasterClient, config: MasterConfig) -> None:
    wanted = "integrity poll" if config.integrity else "enable unsolicited"
    if config.integrity or config.unsolicited:
        await client.until(lambda: wanted in client.done, seconds=_READY_S)
    else:
        await client.until(lambda: client.connected, seconds=_READY_S)
    say({"ready": True, "points": len(client.points)})


if __name__ == "__main__":
    raise SystemExit(asyncio.run(serve()))
