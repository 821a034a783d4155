"""One connection: bursts, and the short look at replies that says what the long one says."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import DeviceError
from gridiface_southbound.modbus_connection import BURST, Connection, Exchange, LinkCounters, Outbox, QuickExchange
from gridiface_southbound.modbus_pdu import PairShape, WriteThenRead, encode_frame, read_request, write_request


class Wire(asyncio.Transport):
    """What was sent, in segments."""

    def __init__(self) -> None:
        self.segments: list[bytes] = []
        self.aborted = False

    def write(self, data: Any) -> None:
        self.segments.append(bytes(data))

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Owner:
    """Remembers what it was told of its exchanges."""

    def __init__(self) -> None:
        self.overdues: list[Exchange] = []
        self.problems: list[DeviceError | None] = []

    def overdue(self, exchange: Exchange) -> None:
        self.overdues.append(exchange)

    def settled(self, exchange: Exchange, problem: DeviceError | None) -> None:
        self.problems.append(problem)


WRITE, READ = write_request(40_300, b"\0\1\0\2"), read_request(40_300, 2)
PAIR = WriteThenRead(PairShape(7, 40_300, 2, READ), b"\0\1\0\2")
GOOD = encode_frame(1, 7, WRITE.head) + encode_frame(2, 7, READ.head + b"\0\1\0\2")


def begun(loop: asyncio.AbstractEventLoop) -> tuple[Connection, Owner, list[Any]]:
    """A connection on which a write and a read are under way, and what is found in the end."""
    owner, found = Owner(), []
    connection = Connection(LinkCounters(), Outbox(loop))
    connection.connection_made(Wire())
    connection.send_pair(QuickExchange(7, PAIR, owner, found.append), PAIR)
    return connection, owner, found


async def test_many_connections_send_in_bursts() -> None:
    outbox = Outbox(asyncio.get_running_loop())
    transports = [Wire() for _ in range(BURST + 3)]
    for transport in transports:
        outbox.put(transport, b"\0\1\0\0\0\2\1\3")
    assert [len(transport.segments) for transport in transports] == [1] * BURST + [0] * 3
    transports[-1].aborted = True
    await asyncio.sleep(0)
    assert [len(transport.segments) for transport in transports] == [1] * (BURST + 2) + [0]


async def test_replies_count_once_however_they_are_cut() -> None:
    for cut in range(len(GOOD) + 1):
        connection, owner, found = begun(asyncio.get_running_loop())
        for piece in (GOOD[:cut], GOOD[cut:]):
            if piece:
                connection.data_received(piece)
        assert found == [[b"", b"\0\1\0\2"]], cut
        assert owner.problems == [None]
        connection.data_received(b"")
        assert len(found) == 1


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_the_short_look_takes_nothing_that_the_long_one_would_not(at: int, change: int) -> None:
    data = bytearray(GOOD)
    data[at] ^= change
    loop = asyncio.new_event_loop()
    try:
        short, _, taken = begun(loop)
        short.data_received(bytes(data))
        long, _, said = begun(loop)
        assert long.running is not None
        long.running.pair = None
        long.data_received(bytes(data))
        assert [repr(one) for one in taken] == [repr(one) for one in said]
    finally:
        loop.close()


@pytest.mark.parametrize("last", [0, 0xFFFD, 0xFFFE, 0xFFFF])
async def test_a_pair_sends_what_its_requests_send_one_by_one(last: int) -> None:
    sent, wires = [], []
    for pair in (True, False):
        outbox, wire = Outbox(asyncio.get_running_loop()), Wire()
        connection = Connection(LinkCounters(), outbox)
        connection.connection_made(wire)
        connection._transaction = last
        connection.abandoned = {last + 1 & 0xFFFF, last + 2 & 0xFFFF, 500}
        exchange = QuickExchange(7, PAIR, Owner(), lambda _: None)
        if pair:
            connection.send_pair(exchange, PAIR)
        else:
            connection.send(exchange, range(2))
        outbox.flush()
        sent.append((exchange.positions, connection.abandoned, connection.counters.requests, connection.running))
        wires.append(wire.segments)
        assert connection.running is exchange
    assert sent[0][:3] == sent[1][:3] == ({last + 1 & 0xFFFF: 0, last + 2 & 0xFFFF: 1}, {500}, 2)
    assert (
        wires[0]
        == wires[1]
        == [encode_frame(last + 1 & 0xFFFF, 7, WRITE.pdu) + encode_frame(last + 2 & 0xFFFF, 7, READ.pdu)]
    )


async def test_an_exchange_hands_its_deadline_on() -> None:
    owner = Owner()
    exchange = QuickExchange(1, [READ], owner, lambda _: None)
    exchange.late()
    assert owner.overdues == [exchange]


async def test_nothing_is_sent_on_a_connection_that_is_closed() -> None:
    connection = Connection(LinkCounters(), Outbox(asyncio.get_running_loop()))
    with pytest.raises(DeviceError, match="closed"):
        connection.send(QuickExchange(1, [READ], Owner(), lambda _: None), range(1))
    with pytest.raises(DeviceError, match="closed"):
        connection.send_pair(QuickExchange(7, PAIR, Owner(), lambda _: None), PAIR)


async def test_an_exchange_that_is_over_holds_neither_itself_nor_who_made_it() -> None:
    connection, owner, found = begun(asyncio.get_running_loop())
    exchange = connection.running
    assert isinstance(exchange, QuickExchange)
    assert exchange in gc.get_referents(exchange)
    connection.data_received(GOOD)
    assert found
    assert owner.problems == [None]
    held = gc.get_referents(exchange)
    assert exchange not in held
    assert not any(getattr(thing, "__self__", None) is found for thing in held)
    exchange.future.set_result(None)
    assert len(found) == 1
