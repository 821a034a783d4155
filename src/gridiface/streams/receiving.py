"""A stream protocol whose octets land in one buffer per thread.

asyncio gives each reading of an `asyncio.Protocol` a fresh block of 256 KiB, which costs eight times as much as the
system's call itself for the short messages of this field. Owned here: that buffer. Not owned: what the octets mean.
"""

from __future__ import annotations

import asyncio
import threading

#: Octets of one reading at most; what is longer comes in several.
ROOM = 65_536


class _Buffer(threading.local):
    """The buffer of a thread: a loop fills it and has it read in one step, so all its connections can share it."""

    def __init__(self) -> None:
        self.view = memoryview(bytearray(ROOM))


_buffer = _Buffer()


def shared_buffer() -> memoryview:
    """The buffer of this thread; what is in it counts until the next reading of any connection."""
    return _buffer.view


class Receiver(asyncio.BufferedProtocol, asyncio.Protocol):
    """Base of a protocol that implements `data_received`, as one of `asyncio.Protocol` does."""

    def get_buffer(self, sizehint: int) -> memoryview:
        """As `asyncio.BufferedProtocol.get_buffer`."""
        return _buffer.view

    def buffer_updated(self, nbytes: int) -> None:
        """As `asyncio.BufferedProtocol.buffer_updated`: hands a copy of the octets on."""
        self.data_received(_buffer.view[:nbytes].tobytes())
