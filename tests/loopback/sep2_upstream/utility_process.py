"""A utility's server in a process of its own, on a clock that may run fast: the whole gridiface, nothing replaced.

First line of standard input: {"config": PATH, "begin": s since 1970, "speed": factor}. Says {"ready": true, "port": n}
when it listens, then takes lines {"set": {"post_rate": ...}}; ends when its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from pathlib import Path

from gridiface.app.config import load_config
from gridiface.app.wiring import GridServer


class FastClock:
    """The wall clock, `speed` times as fast since `begin`."""

    def __init__(self, begin: float, speed: float) -> None:
        self._begin, self._speed = begin, speed

    def now(self) -> float:
        return self._begin + (time.time() - self._begin) * self._speed

    def monotonic(self) -> float:
        return self.now()


async def main() -> None:
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    plan = json.loads(await lines.get() or "")
    server = GridServer(load_config(Path(plan["config"])), clock=FastClock(plan["begin"], plan["speed"]))
    try:
        await server.start()
        print(json.dumps({"ready": True, "port": server.ports()["sep2"]}), flush=True)
        while await lines.get() is not None:
            pass
    finally:
        await server.stop()


asyncio.run(main())
