"""The outstation over UDP by octets: what a network does to datagrams, and who may not be told what is another's."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from dataclasses import replace

import pytest
from tests.dnp3_octets import Joiner, confirm, frame, request, segments, unframed
from tests.waiting import until

from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry, Transport
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings

CLASS_0 = "3c 01 06"
CLASS_123 = "3c 02 06 3c 03 06 3c 04 06"


class Peer(asyncio.DatagramProtocol):
    """A master's socket: datagrams as they came, and the application fragments in them."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.fragments: list[bytes] = []
        self.joiner = Joiner()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        self.datagrams.append(data)
        assert len(data) <= 292
        for control, _, _, user in unframed(data):
            if control == 0x44:
                whole = self.joiner.take(user)
                if whole is not None:
                    self.fragments.append(whole)

    def send(self, octets: bytes) -> None:
        self.transport.sendto(octets)

    def answers(self, sequence: int) -> list[bytes]:
        return [one for one in self.fragments if one[1] == 129 and one[0] & 0x0F == sequence]

    async def answer(self, sequence: int) -> bytes:
        await until(lambda: self.answers(sequence), f"an answer to {sequence}")
        return self.answers(sequence)[-1]


@pytest.fixture
async def peers():
    """A function that opens sockets to a port, from an address of the loopback."""
    opened = contextlib.ExitStack()

    async def open_one(port: int, host: str = "127.0.0.1") -> Peer:
        transport, peer = await asyncio.get_running_loop().create_datagram_endpoint(
            Peer, remote_addr=("127.0.0.1", port), local_addr=(host, 0)
        )
        opened.callback(transport.close)
        return peer

    open_one.opened = opened
    with opened:
        yield open_one


QUIET = (MasterEntry(name="iso", address=1),)
UDP = EndpointSettings(port=0, transport=Transport.UDP)


async def alive(peer: Peer, sequence: int) -> None:
    peer.send(request(sequence, 1, CLASS_0))
    assert len(await peer.answer(sequence)) > 100


async def test_doubled_datagrams_are_done_once(serve, make_station, peers, house):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        peer = await peers(server.port)
        operate = request(3, 5, b"\x29\x03\x28\x01\x00\x00\x00" + struct.pack("<f", 1.5) + b"\0")
        for _ in range(5):
            peer.send(operate)
        await until(lambda: len(peer.answers(3)) == 5, "each repeat is answered")
        assert len(set(peer.answers(3))) == 1  # with the same octets
        assert len(house.controls_seen) == 1
        for _ in range(3):
            peer.send(request(4, 1, CLASS_0))
        await until(lambda: len(peer.answers(4)) == 3)
        await alive(peer, 5)


async def test_requests_that_overtake_each_other(serve, make_station, peers):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        peer = await peers(server.port)
        order = list(range(16))
        random.Random(1).shuffle(order)
        for number in order:
            peer.send(request(number, 1, "1e 05 00 00 03"))
        await until(lambda: all(peer.answers(number) for number in order))
        assert [one[0] & 0x0F for one in peer.fragments] == order


async def test_a_datagram_of_many_frames_and_many_datagrams_of_one_fragment(serve, make_station, peers):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        peer = await peers(server.port)
        peer.send(b"".join(request(number, 1, "1e 05 00 00 03") for number in range(8)))
        await until(lambda: len(peer.fragments) == 8)
        # a long request in three segments: each in a datagram of its own, then all in one
        long = bytes([0xC8, 1]) + b"\x1e\x05\x00\x00\x00" * 100
        parts = [frame(user) for user in segments(long)]
        assert len(parts) == 3
        for part in parts:
            peer.send(part)
        await peer.answer(8)
        peer.send(b"".join(frame(user) for user in segments(bytes([0xC9]) + long[1:], 3)))
        await peer.answer(9)
        # out of order it is nothing, and harms nothing
        fresh = [frame(user) for user in segments(bytes([0xCA]) + long[1:], 6)]
        for at in (0, 2, 1):
            peer.send(fresh[at])
        peer.send(fresh[0])
        peer.send(fresh[1])
        peer.send(fresh[1])  # doubled
        peer.send(fresh[2])
        peer.send(fresh[2])
        await peer.answer(10)
        assert len(peer.answers(10)) == 1
        await alive(peer, 11)


async def test_half_frames_and_garbage_do_not_reach_into_the_next_datagram(serve, make_station, peers):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        peer = await peers(server.port)
        whole = request(1, 1, CLASS_0)
        for cut in range(1, len(whole)):
            peer.send(whole[:cut])
            peer.send(whole[cut:])
        peer.send(b"")
        peer.send(b"\x05")
        peer.send(bytes(random.Random(2).randbytes(1400)))
        peer.send(b"\x00\x05\x64" + whole + b"\x05\x64\x05")
        await peer.answer(1)
        await alive(peer, 2)
        assert len(peer.answers(1)) == 1


TOLD = (MasterEntry(name="iso", address=1, unsolicited=UnsolicitedSettings(confirm_timeout=0.2, retries=None)),)


def reports(peer: Peer) -> list[bytes]:
    return [one for one in peer.fragments if one[1] == 130]


async def settle(peer: Peer) -> None:
    """The null report is confirmed, what waits is taken, class 1 to 3 are told unasked from now on."""
    peer.send(request(0, 1, CLASS_0))
    await until(lambda: reports(peer))
    peer.send(confirm(reports(peer)[-1][0] & 0x0F, unsolicited=True))
    await peer.answer(0)
    peer.send(request(1, 20, CLASS_123))
    await peer.answer(1)


async def change(server, house, w: float) -> None:
    house.snapshot_ = replace(house.snapshot_, w=w)
    server.refresh(server.now())


def tells(peer: Peer, mw: float) -> bool:
    """Confirms what is told unasked; whether a value was in it."""
    for one in reports(peer):
        peer.send(confirm(one[0] & 0x0F, unsolicited=True))
    return any(struct.pack("<f", mw) in one for one in reports(peer))


@pytest.mark.parametrize(
    "octets",
    [b"\0", b"\x05\x64", frame(b"\xc0\xc0\x01", source=77), frame(control=0x44)],
    ids=["garbage", "half a start", "another master", "no master"],
)
async def test_who_shows_no_frame_of_the_master_is_told_nothing(serve, make_station, peers, house, octets):
    async with serve([make_station(masters=TOLD)], [UDP]) as server:
        master, stranger = await peers(server.port), await peers(server.port, "127.0.0.2")
        await settle(master)
        stranger.send(octets)
        await until(lambda: len(server.endpoints[0].sessions) == 2)
        await change(server, house, 2.5e6)
        await until(lambda: tells(master, 2.5), "the report reaches the master")
        assert not stranger.datagrams


async def test_a_stranger_before_the_master_is_told_nothing(serve, make_station, peers):
    async with serve([make_station(masters=TOLD)], [UDP]) as server:
        master, stranger = await peers(server.port), await peers(server.port, "127.0.0.2")
        stranger.send(b"\0")
        await until(lambda: len(server.endpoints[0].sessions) == 1)
        await settle(master)
        assert not stranger.datagrams


async def test_the_configured_master_is_told_of_the_start_before_it_speaks(serve, make_station, peers):
    """IEEE 1815 clause 13.2.3: unsolicited responses go to the master's address; others are still answered."""
    loop = asyncio.get_running_loop()
    listening, master = await loop.create_datagram_endpoint(Peer, local_addr=("127.0.0.1", 0))
    peers.opened.callback(listening.close)
    where = listening.get_extra_info("sockname")
    endpoint = EndpointSettings(port=0, transport=Transport.UDP, peer=where)
    async with serve([make_station(masters=TOLD)], [endpoint]) as server:
        await until(lambda: len(reports(master)) >= 2, "the null report, retried")
        assert {(one[0] & 0xF0, one[1], one[2] & 0x80, len(one)) for one in reports(master)} == {(0xF0, 130, 0x80, 4)}
        other = await peers(server.port)
        await settle(other)  # the same master from another port: it has the association from now on
        told = len(master.datagrams)
        other.send(request(3, 1, CLASS_0))
        await other.answer(3)
        assert len(master.datagrams) == told


def set_point(sequence: int, mw: float, function: int = 5) -> bytes:
    """DIRECT_OPERATE, or SELECT and OPERATE, of analog output 0."""
    return request(sequence, function, b"\x29\x03\x28\x01\x00\x00\x00" + struct.pack("<f", mw) + b"\0")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"])
async def test_a_command_repeated_from_another_port_is_done_once(serve, make_station, peers, host):
    """IEEE 1815 clause 13.2.3: an association is a pair of addresses; where its datagrams come from is none of it."""
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        before, after = await peers(server.port), await peers(server.port, host)
        after.joiner = before.joiner  # one dialogue: segments are numbered on
        before.send(set_point(3, 1.5))
        first = await before.answer(3)
        after.send(set_point(3, 1.5))
        assert await after.answer(3) == first
        assert server.counters["CommandDone"] == 1
        before.send(set_point(3, 1.5))  # and back
        await until(lambda: len(before.answers(3)) == 2)
        assert server.counters["CommandDone"] == 1
        before.send(set_point(4, 2.5))
        await before.answer(4)
        assert server.counters["CommandDone"] == 2
        assert [session.peer[1] for session in server.endpoints[0].sessions] == [
            before.transport.get_extra_info("sockname")[1]
        ]


async def test_what_was_selected_is_operated_from_another_port(serve, make_station, peers, house):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        before, after = await peers(server.port), await peers(server.port)
        before.send(set_point(3, 1.5, 3))
        await before.answer(3)
        after.send(set_point(4, 1.5, 4))
        assert (await after.answer(4))[-1] == 0
        assert len(house.controls_seen) == 1


@pytest.mark.parametrize("broken", [False, True], ids=["durable", "lost"])
async def test_a_repeat_from_another_port_is_answered_once_the_command_is_durable(
    serve, make_station, peers, house, broken
):
    let_go, asked = asyncio.Event(), []
    submit = house.submit

    async def slowly(control, now, *, along=()):
        asked.append(control)
        await let_go.wait()
        return await submit(control, now, along=along)

    house.submit = slowly
    async with serve([make_station(masters=QUIET)], [UDP], store_pause_s=0.05) as server:
        before, after = await peers(server.port), await peers(server.port)
        before.send(set_point(3, 1.5))
        await until(lambda: asked)
        after.send(set_point(3, 1.5))
        third = await peers(server.port)
        await until(lambda: len(server.endpoints[0].sessions) == 1 and server.endpoints[0].counters["admitted"] == 2)
        third.send(set_point(3, 1.5))
        await until(lambda: server.endpoints[0].counters["admitted"] == 3)
        house.broken = broken
        let_go.set()
        if broken:
            await until(lambda: not server.endpoints[0].sessions, "its answer must not go out")
            house.broken = False
            await until(lambda: server.now() > server.station("gateway").handler._trouble_until)
            third.send(set_point(3, 1.5))  # that was not done: now it is
        await third.answer(3)
        assert not before.datagrams
        assert not after.datagrams
        assert (len(asked), len(house.controls_seen)) == (1 + broken, 1)


async def test_reports_follow_the_master_to_its_new_port(serve, make_station, peers, house):
    async with serve([make_station(masters=TOLD)], [UDP]) as server:
        before, after = await peers(server.port), await peers(server.port)
        await settle(before)
        after.send(request(2, 1, CLASS_0))
        await after.answer(2)
        await change(server, house, 2.5e6)
        await until(lambda: tells(after, 2.5))
        assert not any(struct.pack("<f", 2.5) in one for one in reports(before))


async def test_frame_count_and_half_a_fragment_follow_the_master_to_its_new_port(serve, make_station, peers):
    async with serve([make_station(masters=QUIET)], [UDP]) as server:
        before, after = await peers(server.port), await peers(server.port)
        after.joiner = before.joiner
        before.send(frame(b"", 0xC0))
        await until(lambda: before.datagrams)
        command = bytes([0xC0, 0xC3, 5, 0x29, 3, 0x28, 1, 0, 0, 0]) + struct.pack("<f", 1.5) + b"\0"
        before.send(frame(command, 0xF3))
        first = await before.answer(3)
        after.send(frame(command, 0xF3))  # the acknowledgement was lost: the same frame count bit again
        await until(lambda: after.datagrams)
        assert [control for control, *_ in unframed(after.datagrams[0])] == [0x00], "acknowledged, and not taken anew"
        after.send(frame(b"", 0xD2))
        await until(lambda: len(after.datagrams) == 2)
        long = bytes([0xC4, 1]) + bytes.fromhex("3c 01 06") + b"\x3c\x01\x06" * 90
        halves = segments(long, 5)
        assert len(halves) == 2
        after.send(frame(halves[0]))
        before.send(frame(halves[1]))
        await before.answer(4)
        assert server.counters["CommandDone"] == 1
        assert first
