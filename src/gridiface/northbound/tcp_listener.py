"""A plain TCP listener that has a cap, and goes on when descriptors run out. TLS is tls_listener.py's."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections import Counter
from collections.abc import Callable

_log = logging.getLogger("gridiface.tcp")

_ACCEPT_AT_ONCE = 64
_PAUSE_S = 0.25
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def nothing_spare() -> bool:
    """For listeners that have no reserve."""
    return False


class TcpListener:
    """Accepts connections for a factory of protocols.

    Args:
        factory: makes the protocol of one connection.
        most: connections open at once; more are closed as they come.
        opened: how many are open now.
        spare: called when no descriptor is left; True: some was given up, accepting is tried again at once.
    """

    def __init__(
        self,
        factory: Callable[[], asyncio.Protocol],
        *,
        most: int,
        opened: Callable[[], int],
        spare: Callable[[], bool] = nothing_spare,
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._factory = factory
        self._most = most
        self._opened = opened
        self._spare = spare
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._full = False

    async def start(self, host: str, port: int, *, backlog: int = 128) -> None:
        """Listen on every address that `host` stands for; port 0 takes a free one.

        Raises:
            OSError: the name is unknown or the address cannot be taken.
        """
        # asyncio finds and binds the addresses; what comes in is accepted here
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, host, port, backlog=backlog, start_serving=False)
        self._sockets = [socket.socket(fileno=socket.dup(item.fileno())) for item in server.sockets]
        server.close()
        for listening in self._sockets:
            listening.settimeout(0)
            listening.listen(backlog)
            loop.add_reader(listening, self._accept, listening)

    @property
    def port(self) -> int:
        """The port; 0 while it does not listen."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else 0

    @property
    def connections(self) -> int:
        """Open connections, and those about to be."""
        return self._opened() + len(self._tasks)

    def close(self) -> None:
        """Accept nothing more; connections go on."""
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_ACCEPT_AT_ONCE):
            try:
                taken, _ = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in EXHAUSTED and self._spare():
                    continue
                self._pause(listening, error)
                return
            if self.connections >= self._most:
                self._turn_away(taken)
                continue
            self._full = False
            taken.settimeout(0)
            task = asyncio.get_running_loop().create_task(self._adopt(taken))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _turn_away(self, taken: socket.socket) -> None:
        taken.close()
        self.counters["refused_total"] += 1
        if not self._full:
            self._full = True
            _log.warning("%d connections are open, more are closed at once", self._most)

    def _pause(self, listening: socket.socket, error: OSError) -> None:
        self.counters["exhausted" if error.errno in EXHAUSTED else "failed"] += 1
        _log.error("accepting a connection failed: %s; %d are open", error, self.connections)
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(_PAUSE_S, self._again, listening)

    def _again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)

    async def _adopt(self, taken: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._factory, taken)
        except OSError:
            taken.close()
