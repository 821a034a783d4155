"""Listening sockets and what comes in by them: bound, accepted in turns, left alone for a while when it fails.

Owns the listening sockets only. Whether a connection may stay is the business of the listener it was made for.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Any

#: What the kernel says when the process, or the machine, has no room for a further connection.
EXHAUSTED = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))

_AT_ONCE = 64


def nothing_spare() -> bool:
    """For listeners that have no reserve."""
    return False


class Acceptor:
    """Accepts connections for a listener.

    Args:
        take: given each connection, non-blocking, and the peer's address; it owns the socket from then on.
        failed: told why accepting failed; returns the seconds to leave the socket alone.
        spare: called when no descriptor is left; True: some was given up, accepting is tried again at once.
    """

    def __init__(
        self,
        take: Callable[[socket.socket, tuple[Any, ...]], None],
        failed: Callable[[OSError], float],
        spare: Callable[[], bool] = nothing_spare,
    ) -> None:
        self._take = take
        self._failed = failed
        self._spare = spare
        self._sockets: list[socket.socket] = []

    async def start(self, host: str, port: int, *, backlog: int, reuse_port: bool = False) -> None:
        """Listen on every address that `host` stands for; port 0 takes a free one, the same for all.

        Raises:
            OSError: the name is unknown or an address cannot be taken; nothing is listened on.
        """
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
            for family, _, _, _, address in dict.fromkeys(found):
                chosen = (address[0], port or self.port, *address[2:])
                self._sockets.append(_listen(family, chosen, backlog=backlog, reuse_port=reuse_port))
        except OSError:
            self.close()
            raise
        for listening in self._sockets:
            loop.add_reader(listening, self._accept, listening)

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each socket."""
        return [item.getsockname()[:2] for item in self._sockets]

    @property
    def port(self) -> int:
        """The port; 0 while it does not listen."""
        return int(self._sockets[0].getsockname()[1]) if self._sockets else 0

    def close(self) -> None:
        """Accept nothing more; connections go on."""
        loop = asyncio.get_running_loop()
        for listening in self._sockets:
            loop.remove_reader(listening)
            listening.close()
        self._sockets.clear()

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            try:
                taken, address = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno in EXHAUSTED and self._spare():
                    continue
                self._pause(listening, self._failed(error))
                return
            taken.settimeout(0)
            self._take(taken, address)

    def _pause(self, listening: socket.socket, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(listening)
        loop.call_later(seconds, self._again, listening)

    def _again(self, listening: socket.socket) -> None:
        if listening in self._sockets:
            asyncio.get_running_loop().add_reader(listening, self._accept, listening)


def _listen(family: int, address: tuple[Any, ...], *, backlog: int, reuse_port: bool) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listening.bind(address)
        listening.listen(backlog)
        listening.settimeout(0)
    except OSError:
        listening.close()
        raise
    return listening
