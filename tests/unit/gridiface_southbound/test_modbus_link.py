"""The link's bookkeeping on a transport in memory: matching, abandoned requests, sharing. Sockets: tests/loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from tests.clocks import VirtualLoop

from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus_connection import Connection, Outbox
from gridiface_southbound.modbus_link import TcpLink
from gridiface_southbound.modbus_pdu import (
    FrameDecoder,
    PairShape,
    Request,
    WriteThenRead,
    encode_frame,
    read_request,
    write_request,
)
from gridiface_southbound.silence import Silence

ONE, TWO = read_request(1, 1), read_request(2, 1)


class MemoryTransport(asyncio.Transport):
    """Hands what is written to the test's `device`, which may answer at once."""

    def __init__(self, connection: Connection, device: Callable[[int, int, bytes], bytes]) -> None:
        super().__init__()
        self.connection = connection
        self.device = device
        self.aborted = False
        self.segments: list[bytes] = []

    def write(self, data: Any) -> None:
        self.segments.append(data)
        replies = b"".join(self.device(*frame) for frame in FrameDecoder().feed(data))
        if replies:
            asyncio.get_running_loop().call_soon(self.connection.data_received, replies)

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True
        asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)


class MemoryLink(TcpLink):
    """A link whose connections are in memory."""

    def __init__(
        self, device: Callable[[int, int, bytes], bytes], kind: type[MemoryTransport] | None = None, **options: Any
    ) -> None:
        super().__init__("memory", 1, **options)
        self.device = device
        self.kind = kind or MemoryTransport
        self.transports: list[MemoryTransport] = []

    async def _connect(self) -> Connection:
        self.counters.connects += 1
        connection = Connection(self.counters, Outbox(asyncio.get_running_loop()))
        transport = self.kind(connection, self.device)
        connection.connection_made(transport)
        self.transports.append(transport)
        self._connection = connection
        return connection


def echo(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Answers a read with the address that was read."""
    return encode_frame(transaction, unit, bytes((pdu[0], 2)) + pdu[1:3])


def written(transaction: int, unit: int, pdu: bytes) -> bytes:
    """Takes a write."""
    return encode_frame(transaction, unit, pdu[:5])


async def test_requests_of_one_exchange_go_out_in_one_segment() -> None:
    link = MemoryLink(echo)
    assert await link.exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]
    assert len(link.transports[0].segments) == 1
    assert await link.exchange(1, [], timeout_s=1) == []


async def test_without_pipelining_one_after_the_other() -> None:
    link = MemoryLink(echo, pipelined=False)
    assert await link.exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]
    assert len(link.transports[0].segments) == 2


async def test_replies_may_come_in_any_order() -> None:
    held: list[bytes] = []

    def backwards(transaction: int, unit: int, pdu: bytes) -> bytes:
        held.insert(0, echo(transaction, unit, pdu))
        return b"".join(held) if len(held) == 2 else b""

    assert await MemoryLink(backwards).exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]


async def test_exchanges_never_overlap() -> None:
    under_way: list[int] = []

    def device(transaction: int, unit: int, pdu: bytes) -> bytes:
        under_way.append(unit)
        return echo(transaction, unit, pdu)

    link = MemoryLink(device)
    await asyncio.gather(*(link.exchange(unit, [ONE, TWO], timeout_s=1) for unit in range(1, 6)))
    assert under_way == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert link.counters.connects == 1


async def test_a_write_that_is_not_answered_is_never_sent_again() -> None:
    sent: list[bytes] = []

    def reads_only(transaction: int, unit: int, pdu: bytes) -> bytes:
        sent.append(pdu)
        return echo(transaction, unit, pdu) if pdu[0] == 3 else b""

    link = MemoryLink(reads_only)
    with pytest.raises(DeviceTimeout):
        await link.exchange(1, [ONE, write_request(5, b"\0\0")], timeout_s=0.01)
    assert len(sent) == 2
    assert link.pipelined


async def test_a_cancelled_exchange_frees_the_link() -> None:
    silent = [True]
    link = MemoryLink(lambda *frame: b"" if silent[0] else echo(*frame))
    task = asyncio.ensure_future(link.exchange(1, [ONE], timeout_s=10))
    for _ in range(4):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    silent[0] = False
    late = link.transports[0]
    late.connection.data_received(echo(1, 1, ONE.pdu))
    assert await link.exchange(1, [TWO], timeout_s=1) == [b"\0\2"]
    assert link.counters.late_replies == 1


async def test_closing_fails_what_waits() -> None:
    link = MemoryLink(lambda *_: b"")
    task = asyncio.ensure_future(link.exchange(1, [ONE], timeout_s=10))
    await asyncio.sleep(0)
    await link.close()
    await link.close()
    with pytest.raises(DeviceTimeout, match="closed"):
        await task
    assert not link.connected


async def test_an_answer_that_nobody_asked_for_closes_the_connection() -> None:
    link = MemoryLink(lambda t, u, pdu: echo(t + 1, u, pdu))
    with pytest.raises(DeviceRejected, match="nobody asked for"):
        await link.exchange(1, [ONE], timeout_s=1)
    assert link.transports[0].aborted


async def test_a_device_that_answers_the_first_of_several_writes_only_is_found_out_the_second_time() -> None:
    segments: list[int] = []

    def device(transaction: int, unit: int, pdu: bytes) -> bytes:
        here = sum(len(one.segments) for one in link.transports)
        first = here not in segments
        segments.append(here)
        return encode_frame(transaction, unit, pdu[:5]) if first else b""

    link = MemoryLink(device)
    writes = [write_request(1, b"\0\1"), write_request(9, b"\0\2")]
    for _ in range(2):
        with pytest.raises(DeviceTimeout):
            await link.exchange(1, writes, timeout_s=0.05)
    assert await link.exchange(1, writes, timeout_s=1) == [b"", b""]
    sent = [len(segment) for transport in link.transports for segment in transport.segments]
    assert sent == [30, 30, 15, 15]


async def test_a_second_answer_to_a_request_is_dropped() -> None:
    link = MemoryLink(lambda t, u, pdu: (encode_frame(t - 1, u, b"\x83\x02") if t > 1 else b"") + echo(t, u, pdu))
    assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
    assert await link.exchange(1, [TWO], timeout_s=1) == [b"\0\2"]
    assert link.counters.late_replies == 1
    assert link.counters.connects == 1


async def settled() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_an_exchange_may_begin_without_anybody_waiting() -> None:
    link, found = MemoryLink(echo), []
    assert not link.begin(1, [ONE], found.append, timeout_s=1)  # not connected: `exchange` does that
    await link.exchange(1, [ONE], timeout_s=1)
    assert link.begin(1, [ONE, TWO], found.append, timeout_s=1)
    assert found == []
    assert not link.begin(1, [TWO], found.append, timeout_s=1)  # in use
    later = asyncio.create_task(link.exchange(1, [TWO], timeout_s=1))
    await settled()
    assert found == [[b"\0\1", b"\0\2"]]
    assert await later == [b"\0\2"]
    assert link.begin(1, [TWO], found.append, timeout_s=1)
    await settled()
    assert found[1:] == [[b"\0\2"]]
    await link.close()


@pytest.mark.parametrize("unit", [1, 9])
async def test_a_pair_reaches_the_unit_that_it_is_begun_for(unit: int) -> None:
    """Its frames were made for unit 1; for another they are made anew."""

    def device(transaction: int, unit: int, pdu: bytes) -> bytes:
        return encode_frame(transaction, unit, pdu[:5] if pdu[0] == 16 else b"\3\2\0\5")

    link, found = MemoryLink(device), []
    await link.exchange(unit, [ONE], timeout_s=1)
    pair = WriteThenRead(PairShape(1, 7, 1, read_request(7, 1)), b"\0\5")
    assert link.begin(unit, pair, found.append, timeout_s=1)
    await settled()
    assert found == [[b"", b"\0\5"]]
    assert [frame.unit for frame in FrameDecoder().feed(link.transports[0].segments[-1])] == [unit, unit]
    assert await link.exchange(unit, pair, timeout_s=1) == [b"", b"\0\5"]
    await link.close()


async def test_a_turn_that_somebody_waits_for_is_not_taken_from_him() -> None:
    link, found = MemoryLink(echo), []
    await link.exchange(1, [ONE], timeout_s=1)
    waiting = [asyncio.create_task(link.exchange(1, [TWO], timeout_s=1)) for _ in range(2)]
    for _ in range(20):
        if link.begin(1, [ONE], found.append, timeout_s=1):
            break
        await asyncio.sleep(0)
    assert [await each for each in waiting] == [[b"\0\2"]] * 2
    await settled()
    assert len(found) <= 1


async def test_what_was_begun_ends_with_an_error_once_and_frees_the_link() -> None:
    answers = [echo]
    link, found = MemoryLink(lambda *frame: answers[0](*frame)), []
    await link.exchange(1, [ONE], timeout_s=1)
    answers[0] = lambda *frame: b""
    assert link.begin(1, [ONE, TWO], found.append, timeout_s=0.01)
    while not found:
        await asyncio.sleep(0.005)
    assert isinstance(found[0], DeviceTimeout)
    assert link.begin(1, [ONE], found.append, timeout_s=1)
    link.transports[0].abort()
    await settled()
    assert isinstance(found[1], DeviceTimeout)
    assert not link.begin(1, [ONE], found.append, timeout_s=1)
    answers[0] = echo
    assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
    answers[0] = lambda *frame: b"\0\1\0\1nonsense"
    assert link.begin(1, [ONE], found.append, timeout_s=1)
    await settled()
    assert isinstance(found[2], DeviceRejected)
    assert len(found) == 3


async def test_a_device_that_answers_the_first_request_only_is_found_out_when_nobody_waits_too() -> None:
    def first_only(transaction: int, unit: int, pdu: bytes) -> bytes:
        return echo(transaction, unit, pdu) if pdu[1:3] == b"\0\1" else b""

    link, found = MemoryLink(first_only), []
    await link.exchange(1, [ONE], timeout_s=1)
    assert link.begin(1, [ONE, TWO], found.append, timeout_s=0.01)
    while not found:
        await asyncio.sleep(0.005)
    assert isinstance(found[0], DeviceTimeout)
    assert not link.pipelined
    assert not link.begin(1, [ONE], found.append, timeout_s=1)


@pytest.mark.parametrize("gateway", ["is silent", "answers in its place"])
def test_a_dead_unit_behind_a_gateway_is_asked_seldom_and_costs_nobody_the_connection(gateway: str) -> None:
    asked: list[int] = []

    def device(transaction: int, unit: int, pdu: bytes) -> bytes:
        asked.append(unit)
        if unit != 9:
            return echo(transaction, unit, pdu)
        return b"" if gateway == "is silent" else encode_frame(transaction, unit, bytes((pdu[0] | 0x80, 11)))

    async def polls(link: MemoryLink) -> None:
        for _ in range(600):
            for unit in (1, 9, 2):
                with contextlib.suppress(DeviceTimeout):
                    await link.exchange(unit, [ONE], timeout_s=1)
            await asyncio.sleep(1)

    async def tale() -> None:
        link = MemoryLink(device, silence=Silence())
        await polls(link)
        assert asked.count(1) == asked.count(2) == 600
        assert link.counters.connects == 1
        now = asyncio.get_running_loop().time()
        assert now < 600 + 0.15 * now, "what its time-outs took"

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(tale())
    if gateway == "is silent":
        assert 20 < asked.count(9) < 120


def test_a_gateway_that_is_silent_altogether_is_called_anew() -> None:
    async def tale() -> None:
        link = MemoryLink(lambda *_: b"", silence=Silence())
        for unit in (1, 2, 1):
            with pytest.raises(DeviceTimeout):
                await link.exchange(unit, [ONE], timeout_s=1)
        assert link.counters.connects == 2

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(tale())


class OneAnswer(MemoryTransport):
    """Closes after its first answer."""

    def write(self, data: Any) -> None:
        if not self.segments:
            super().write(data[: 6 + int.from_bytes(data[4:6], "big")])
            asyncio.get_running_loop().call_soon(self._end)

    def _end(self) -> None:
        self.aborted = True
        self.connection.connection_lost(None)


async def test_a_device_that_closes_after_each_answer_gets_a_connection_for_each_request() -> None:
    link = MemoryLink(lambda *frame: written(*frame) if frame[2][0] == 16 else echo(*frame), kind=OneAnswer)
    for address in (1, 2, 3):
        assert await link.exchange(1, [read_request(address, 1), TWO], timeout_s=1) == [bytes((0, address)), b"\0\2"]
        while link.connected and not link._lone:
            await asyncio.sleep(0)
    connects = link.connects
    for value in (b"\0\1", b"\0\2"):
        assert await link.exchange(1, [write_request(7, value), ONE], timeout_s=1) == [b"", b"\0\1"]
    assert (link.connects, link.connected) == (connects, True), "no sign of a restart"
    assert len(link.transports) == link.counters.connects > connects


async def test_one_that_closes_when_it_has_nothing_to_do_is_not_taken_for_one_of_those() -> None:
    link = MemoryLink(echo)
    for _ in range(4):
        assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
        connection = link.transports[-1].connection
        connection._made -= 10
        connection.connection_lost(None)
    assert await link.exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]
    assert link.pipelined


class Unreachable(MemoryLink):
    """Takes no connection while it is `down`."""

    down = False

    async def _connect(self) -> Connection:
        if self.down:
            self.counters.connects += 1
            raise DeviceTimeout("nobody there")
        return await super()._connect()


async def test_a_device_that_goes_down_after_one_answer_is_not_taken_for_one_of_those() -> None:
    link = Unreachable(echo)
    assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
    link.transports[-1].connection.connection_lost(None)
    link.down = True
    for _ in range(3):
        with pytest.raises(DeviceTimeout):
            await link.exchange(1, [ONE], timeout_s=1)
    link.down = False
    assert await link.exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]
    assert (link.pipelined, len(link.transports), len(link.transports[-1].segments)) == (True, 2, 1)


async def test_one_of_those_that_could_not_be_reached_may_have_restarted() -> None:
    link = Unreachable(echo, kind=OneAnswer)
    while not link._lone:
        await link.exchange(1, [ONE], timeout_s=1)
        while link.connected and not link._lone:
            await asyncio.sleep(0)
    connects = link.connects
    link.down = True
    with pytest.raises(DeviceTimeout):
        await link.exchange(1, [ONE], timeout_s=1)
    assert not link.connected
    link.down = False
    assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
    assert link.connects > connects


async def test_silence_is_kept_after_a_connect_and_after_each_answer() -> None:
    times: list[float] = []

    def device(transaction: int, unit: int, pdu: bytes) -> bytes:
        times.append(asyncio.get_running_loop().time())
        return echo(transaction, unit, pdu)

    link = MemoryLink(device)
    link.pause_s = 0.02
    began = asyncio.get_running_loop().time()
    assert not link.begin(1, [ONE], lambda _: None, timeout_s=1)
    assert await link.exchange(1, [ONE, TWO], timeout_s=1) == [b"\0\1", b"\0\2"]
    assert await link.exchange(1, [ONE], timeout_s=1) == [b"\0\1"]
    assert all(later - earlier >= 0.02 for earlier, later in pairwise([began, *times]))


@pytest.mark.parametrize(("pdu", "answer"), [("0100000003", "010105"), ("0200000009", "02020501")])
async def test_bits_are_read_as_registers_are(pdu: str, answer: str) -> None:
    request = Request(bytes.fromhex(pdu), bytes.fromhex(answer)[:2], len(answer) // 2)
    link = MemoryLink(lambda transaction, unit, _: encode_frame(transaction, unit, bytes.fromhex(answer)))
    assert await link.exchange(1, [request], timeout_s=1) == [bytes.fromhex(answer)[2:]]
