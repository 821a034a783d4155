"""A TCP listener that has a cap, and goes on when descriptors run out.

TLS is asyncio's here; the listeners of 2030.5 and OpenADR need more of it (northbound/tls_listener.py).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import socket
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

from gridiface.streams.acceptor import EXHAUSTED, Acceptor, nothing_spare

_log = logging.getLogger("gridiface.tcp")

_PAUSE_S = 0.25


class TcpListener:
    """Accepts connections for a factory of protocols.

    Args:
        factory: makes the protocol of one connection.
        most: connections open at once; more are closed as they come.
        opened: how many are open now.
        spare: called when no descriptor is left; True: some was given up, accepting is tried again at once.
        tls: None: plain.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        *,
        most: int,
        opened: Callable[[], int],
        spare: Callable[[], bool] = nothing_spare,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._factory = factory
        self._most = most
        self._opened = opened
        self._tls = tls
        self._acceptor = Acceptor(self._take, self._failed, spare)
        self._tasks: set[asyncio.Task[None]] = set()
        self._full = False

    async def start(self, host: str, port: int, *, backlog: int = 128) -> None:
        """Listen on every address that `host` stands for; port 0 takes a free one.

        Raises:
            OSError: the name is unknown or the address cannot be taken.
        """
        await self._acceptor.start(host, port, backlog=backlog)

    @property
    def port(self) -> int:
        """The port; 0 while it does not listen."""
        return self._acceptor.port

    @property
    def connections(self) -> int:
        """Open connections, and those about to be."""
        return self._opened() + len(self._tasks)

    def close(self) -> None:
        """Accept nothing more; connections go on, what is not yet one is closed."""
        self._acceptor.close()
        for task in self._tasks:
            task.cancel()

    def _take(self, taken: socket.socket, _: tuple[Any, ...]) -> None:
        if self.connections >= self._most:
            self._turn_away(taken)
            return
        self._full = False
        task = asyncio.get_running_loop().create_task(self._adopt(taken))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._adopted, taken))

    def _adopted(self, taken: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            # A task that was cancelled before its first step could not.
            taken.close()

    def _turn_away(self, taken: socket.socket) -> None:
        taken.close()
        self.counters["refused_total"] += 1
        if not self._full:
            self._full = True
            _log.warning("port %d: %d connections are open, more are closed at once", self.port, self._most)

    def _failed(self, error: OSError) -> float:
        self.counters["exhausted" if error.errno in EXHAUSTED else "failed"] += 1
        _log.error("accepting a connection failed: %s; %d are open", error, self.connections)
        return _PAUSE_S

    async def _adopt(self, taken: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._factory, taken, ssl=self._tls)
        except (OSError, ssl.SSLError):
            taken.close()
