"""Outstations on a serial line by octets: noise, halves, pauses, echoes, several outstations on one pair of wires."""

from __future__ import annotations

import asyncio
import contextlib
import os
import struct
import tty

import pytest
from tests.dnp3_octets import Joiner, confirm, frame, frame_octets, request, segments, unframed
from tests.waiting import until

from gridiface.northbound.dnp3.settings import EndpointSettings, MasterEntry, SerialSettings, Transport
from gridiface.northbound.dnp3.wire import endpoint

CLASS_0 = "3c 01 06"
QUIET = (MasterEntry(name="iso", address=1),)
STATUS = 0xC9
BROADCAST = 0x01


class Wires:
    """The other end of the line: whole frames that outstations sent, and the fragments of each."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.frames: list[tuple[int, int, int, bytes]] = []
        self.fragments: dict[int, list[bytes]] = {10: [], 11: []}
        self._joiners = {10: Joiner(), 11: Joiner()}
        self._held = b""

    def readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._held += os.read(self.descriptor, 65_536)
        while len(self._held) >= 10 and len(self._held) >= (size := frame_octets(self._held[2])):
            whole, self._held = self._held[:size], self._held[size:]
            ((control, to, source, user),) = unframed(whole)
            self.frames.append((control, to, source, user))
            if control == 0x44:
                fragment = self._joiners[source].take(user)
                if fragment is not None:
                    self.fragments[source].append(fragment)

    def put(self, *octets: bytes) -> None:
        for one in octets:
            os.write(self.descriptor, one)

    async def answer(self, sequence: int, source: int = 10) -> bytes:
        def found() -> list[bytes]:
            return [one for one in self.fragments[source] if one[0] & 0x0F == sequence and one[1] == 129]

        await until(found, f"an answer of {source} to {sequence}")
        return found()[-1]

    async def linked(self, control: int, source: int = 10) -> None:
        await until(lambda: any((one[0], one[2]) == (control, source) for one in self.frames), f"{control:02x}")


@pytest.fixture
async def wires():
    ours, theirs = os.openpty()
    for descriptor in (ours, theirs):
        tty.setraw(descriptor)
    os.set_blocking(ours, False)
    found = Wires(ours)
    found.settings = EndpointSettings(
        transport=Transport.SERIAL, serial=SerialSettings(port=os.ttyname(theirs), baud_rate=115_200)
    )
    asyncio.get_running_loop().add_reader(ours, found.readable)
    yield found
    asyncio.get_running_loop().remove_reader(ours)
    os.close(ours)
    os.close(theirs)


def indications(answer: bytes) -> int:
    return struct.unpack("<H", answer[2:4])[0]


async def opened(server) -> None:
    await until(lambda: server.endpoints[0].sessions)


async def test_noise_between_and_inside_frames_costs_those_it_hits(serve, make_station, wires):
    async with serve([make_station(masters=QUIET)], [wires.settings]) as server:
        await opened(server)
        bad_head, bad_body = bytearray(request(1, 1, CLASS_0)), bytearray(request(2, 1, CLASS_0))
        bad_head[4] ^= 0x10
        bad_body[-1] ^= 0x01
        starts = b"\x05\x64\x05\x64\x05\x05\x64\xff\xc4\x0a\x00\x01\x00"
        wires.put(b"\xff\x00\x05", bytes(bad_head), b"\x05", bytes(bad_body), starts, request(3, 1, CLASS_0))
        assert len(await wires.answer(3)) > 100
        assert len(wires.fragments[10]) == 1


async def test_half_a_frame_does_not_swallow_the_polls_behind_it(serve, make_station, wires, monkeypatch):
    """A line that lost the rest of a long frame: its length would take in a dozen polls."""
    monkeypatch.setattr(endpoint, "FRAME_GAP", 0.05)
    async with serve([make_station(masters=QUIET)], [wires.settings]) as server:
        await opened(server)
        long = frame(segments(bytes([0xC1, 1]) + bytes(240))[0])
        wires.put(long[:40])
        await until(lambda: server.endpoints[0].sessions and _heard(server))
        await asyncio.sleep(0.1)
        wires.put(request(2, 1, CLASS_0))
        assert len(await wires.answer(2)) > 100


def _heard(server) -> bool:
    (session,) = server.endpoints[0].sessions
    return session.heard_at > session.began


async def test_pauses_between_octets_as_of_a_slow_line_are_none(serve, make_station, wires):
    async with serve([make_station(masters=QUIET)], [wires.settings]) as server:
        await opened(server)
        octets = request(4, 1, CLASS_0)
        for at in range(0, len(octets), 3):
            wires.put(octets[at : at + 3])
            await asyncio.sleep(0.02)
        assert len(await wires.answer(4)) > 100


async def test_two_outstations_on_one_line_answer_each_for_itself(serve, make_station, wires):
    stations = [make_station(masters=QUIET), make_station("second", 11, masters=QUIET)]
    async with serve(stations, [wires.settings]) as server:
        await opened(server)
        wires.put(frame(b"", STATUS), frame(b"", STATUS, to=11), frame(b"", STATUS, to=12))
        await wires.linked(0x0B, 10)
        await wires.linked(0x0B, 11)
        wires.put(frame(bytes([0xC0, 0xC5, 1]) + bytes.fromhex(CLASS_0), to=11))
        await wires.answer(5, 11)
        assert not wires.fragments[10]
        assert {source for _, _, source, _ in wires.frames} == {10, 11}
        # what one outstation of the line says to the master, or to nobody, is no request to the other
        wires.put(frame(bytes([0xC0, 0xC6, 129, 0, 0]), 0x44, to=1, source=10), frame(b"", 0x0B, to=1, source=11))
        wires.put(frame(bytes([0xC0, 0xC7, 1]) + bytes.fromhex(CLASS_0), 0x44, to=10, source=1))
        wires.put(frame(bytes([0xC0, 0xC8, 1]) + bytes.fromhex(CLASS_0)))
        await wires.answer(8, 10)
        assert [len(one) for one in wires.fragments.values()] == [1, 1]


@pytest.mark.parametrize("to", [0xFFFD, 0xFFFE, 0xFFFF])
async def test_a_broadcast_is_taken_by_all_on_the_line_and_answered_by_nobody(serve, make_station, wires, to):
    stations = [make_station(masters=QUIET), make_station("second", 11, masters=QUIET)]
    async with serve(stations, [wires.settings]) as server:
        await opened(server)
        clear = bytes([0xC0, 0xC1, 2]) + bytes.fromhex("50 01 00 07 07 00")
        wires.put(frame(clear, to=to))
        for number, source in ((10, 10), (11, 11)):
            poll = bytes([0xC1, 0xC0 | number, 1]) + bytes.fromhex("50 01 06")
            wires.put(frame(poll, to=source))
            answer = await wires.answer(number, source)
            assert indications(answer) & 0x81 == BROADCAST, "it was told, and the restart is cleared"
            assert bool(answer[0] & 0x20) is (to == 0xFFFE)
            if to == 0xFFFE:
                wires.put(frame(bytes([0xC2, 0xC0 | number, 0]), to=source))
            wires.put(frame(bytes([0xC3, 0xC0 | number + 1, 1]) + bytes.fromhex("50 01 06"), to=source))
            assert not indications(await wires.answer(number + 1, source)) & BROADCAST
        assert len(wires.fragments[10]) == len(wires.fragments[11]) == 2


async def test_the_echo_of_a_two_wire_line_is_no_request(serve, make_station, wires):
    async with serve([make_station(masters=QUIET)], [wires.settings]) as server:
        await opened(server)
        wires.put(request(1, 1, CLASS_0))
        await wires.answer(1)
        for control, to, source, user in list(wires.frames):
            wires.put(frame(user, control, to, source))  # the transceiver hears its own sender
        wires.put(frame(b"", STATUS))
        await wires.linked(0x0B)
        wires.put(request(2, 1, CLASS_0))
        await wires.answer(2)
        assert len(wires.fragments[10]) == 2


async def test_two_requests_that_collide_are_lost_and_asked_again(serve, make_station, wires, house):
    """Both masters of a line speak at once: what comes is neither's; each asks again and is answered."""
    masters = (MasterEntry(name="iso", address=1), MasterEntry(name="dso", address=2))
    async with serve([make_station(masters=masters)], [wires.settings]) as server:
        await opened(server)
        command = b"\x29\x03\x28\x01\x00\x00\x00" + struct.pack("<f", 1.5) + b"\0"
        one, other = request(1, 5, command), frame(bytes([0xC0, 0xC1, 5]) + command, source=2)
        wires.put(bytes(a & b for a, b in zip(one, other[3:] + other[:3], strict=True)))
        wires.put(one)
        await wires.answer(1)
        wires.put(other)
        await until(lambda: any(to == 2 for _, to, _, _ in wires.frames))
        assert server.counters["CommandDone"] == 2
        assert {control.source.identity for control in house.controls_seen.values()} == {"iso", "dso"}


async def test_confirmed_user_data_over_the_line(serve, make_station, wires, house):
    """Link confirms belong to such lines: each new frame count bit once, the same again is acknowledged only."""
    async with serve([make_station(masters=QUIET)], [wires.settings]) as server:
        await opened(server)
        command = b"\x29\x03\x28\x01\x00\x00\x00" + struct.pack("<f", 1.5) + b"\0"
        wires.put(frame(bytes([0xC0, 0xC1, 5]) + command, 0xF3))  # before a reset nobody listens
        wires.put(frame(b"", 0xC0))
        await wires.linked(0x00)
        wires.frames.clear()
        for number in range(3):
            wires.put(frame(bytes([0xC0 | number, 0xC2, 5]) + command, 0xF3))
        await until(lambda: [one[0] for one in wires.frames].count(0x00) == 3)
        await wires.answer(2)
        assert server.counters["CommandDone"] == 1
        wires.put(frame(bytes([0xC1, 0xC3, 1]) + bytes.fromhex(CLASS_0), 0xD3))
        await wires.answer(3)
        wires.put(confirm(3))
        assert [one[0] for one in wires.frames].count(0x00) == 4
