"""A UDP socket to one peer with the face of a stream transport, for a protocol that has both.

Owned here: the socket, and how octets become datagrams. Not owned: what they mean; `split` says where they are cut.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, cast


class DatagramCarrier(asyncio.Transport, asyncio.DatagramProtocol):
    """One peer's datagrams as a transport of `protocol`; each `write` is cut into datagrams by `split`.

    A peer whose port is closed (the network says so) ends it, as it would a connection.
    """

    def __init__(self, protocol: asyncio.Protocol, split: Callable[[bytes], Iterable[bytes]]) -> None:
        super().__init__()
        self._protocol = protocol
        self._split = split
        self._socket: asyncio.DatagramTransport | None = None

    # --- as a transport ----------------------------------------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Nothing of a stream: who looks for its socket wants to set what only a stream has."""
        return default

    def is_closing(self) -> bool:
        """Whether it is closed."""
        return self._socket is None or self._socket.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what does not arrive is the protocol's to notice."""
        if self._socket is not None and not self._socket.is_closing():
            for datagram in self._split(bytes(data)):
                self._socket.sendto(datagram)

    def close(self) -> None:
        """Close it."""
        self.abort()

    def abort(self) -> None:
        """Close it at once; twice is once."""
        if self._socket is not None:
            self._socket.abort()

    # --- as a datagram protocol --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        # asyncio's own datagram transport is no subclass of DatagramTransport in Python 3.11
        self._socket = cast(asyncio.DatagramTransport, transport)
        self._protocol.connection_made(self)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One datagram of the peer."""
        self._protocol.data_received(data)

    def error_received(self, exc: Exception) -> None:
        """The peer's port is closed, or there is no way to it."""
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._socket = None
        self._protocol.connection_lost(exc)
