"""Connections and datagrams that are refused."""

import asyncio

from gridiface.northbound.dnp3.wire.connection import TcpConnection, UdpSocket


class Refusing:
    """An end point that lets nobody in."""

    def __init__(self):
        self.asked = []

    def admit(self, peer, certificate, write, drop, *, expected=False):
        self.asked.append(peer)

    def gone(self, session):
        raise AssertionError("nobody was in")


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__({"peername": ("192.0.2.1", 7)})
        self.aborted = False

    def abort(self):
        self.aborted = True

    def set_write_buffer_limits(self, high=None, low=None):
        assert high

    def write(self, data):
        raise AssertionError("a refused peer gets no octet")


async def test_a_refused_connection_is_aborted_without_an_octet():
    door = Refusing()
    connection, transport = TcpConnection(door), Transport()
    connection.connection_made(transport)
    connection.data_received(b"hello")
    connection.pause_writing()
    connection.resume_writing()
    connection.connection_lost(None)
    assert transport.aborted
    assert door.asked == [("192.0.2.1", 7)]
    assert connection.closed.is_set()


async def test_a_refused_datagram_is_dropped():
    door = Refusing()
    socket = UdpSocket(door, most=1)
    socket.datagram_received(b"hello", ("192.0.2.1", 7))
    socket.error_received(OSError("refused"))
    socket.connection_lost(None)
    assert door.asked == [("192.0.2.1", 7)]
