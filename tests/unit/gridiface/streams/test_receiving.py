"""Octets over a real socket pair land in the thread's buffer and come out as bytes of their own."""

import asyncio
import socket
import threading

from gridiface.streams.receiving import ROOM, Receiver


class _Kept(Receiver):
    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        self.pieces.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def _talk(message: bytes) -> list[bytes]:
    here, there = socket.socketpair()
    there.setblocking(False)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.connect_accepted_socket(_Kept, here)
    await loop.sock_sendall(there, message)
    there.close()
    await asyncio.wait_for(protocol.ended.wait(), 30)
    return protocol.pieces


async def test_what_was_sent_arrives_in_order_however_long_it_is() -> None:
    message = bytes(range(256)) * (3 * ROOM // 256)
    pieces = await _talk(message)
    assert b"".join(pieces) == message
    assert len(pieces) >= 3
    assert all(isinstance(piece, bytes) and len(piece) <= ROOM for piece in pieces)


async def test_two_connections_share_the_buffer_and_keep_what_is_theirs() -> None:
    one, two = await asyncio.gather(_talk(b"a" * 5_000), _talk(b"b" * 5_000))
    assert (b"".join(one), b"".join(two)) == (b"a" * 5_000, b"b" * 5_000)


def test_each_thread_has_a_buffer_of_its_own() -> None:
    buffers = [Receiver().get_buffer(-1)]
    thread = threading.Thread(target=lambda: buffers.append(Receiver().get_buffer(-1)))
    thread.start()
    thread.join(30)
    buffers.append(Receiver().get_buffer(-1))
    assert buffers[0] is buffers[2]
    assert buffers[0] is not buffers[1]
