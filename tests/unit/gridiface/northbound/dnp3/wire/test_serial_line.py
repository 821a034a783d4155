"""A serial line over a pair of pseudo-terminals: polls, a port not there, one that comes back, back-pressure."""

import asyncio
import contextlib
import os
import tty

import pytest
from tests.waiting import until

from gridiface.northbound.dnp3.settings import Deadlines, EndpointSettings, MasterEntry, SerialSettings, Transport
from gridiface.northbound.dnp3.wire.endpoint import Endpoint
from gridiface.northbound.dnp3.wire.journal import Journal
from gridiface.northbound.dnp3.wire.serial_line import SerialLine
from gridiface.protocols.dnp3.link import FrameReader

INTEGRITY = bytes.fromhex("056414c40a0001008fedc0c0013c02063c03063c04063c01068a51")
LINK_STATUS = bytes.fromhex("056405c90a000100feda")


class Hub:
    journal = Journal(0)

    def spare(self):
        return False

    def now(self):
        return asyncio.get_running_loop().time() + 1.7e9

    def heard(self, session):
        for endpoint in ():
            endpoint.displaced(session)

    def notices(self, station):
        while station.outstation.next_event() is not None:
            pass


@pytest.fixture
def pair():
    master, slave = os.openpty()
    tty.setraw(master)
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, os.ttyname(slave)
    for descriptor in (master, slave):
        with contextlib.suppress(OSError):
            os.close(descriptor)


def line_to(port, station, **masters):
    settings = EndpointSettings(
        transport=Transport.SERIAL,
        serial=SerialSettings(port=port, baud_rate=115_200),
        deadlines=Deadlines(reconnect=0.01, reconnect_most=0.02),
    )
    return Endpoint(settings, [station(masters=[MasterEntry(name="iso", address=1, **masters)])], Hub())


async def frames(descriptor, wanted, seconds=20):
    """So many frames from the line."""
    reader, found = FrameReader(), []
    async with asyncio.timeout(seconds):
        while len(found) < wanted:
            try:
                found += reader.feed(os.read(descriptor, 65_536))
            except BlockingIOError:
                await asyncio.sleep(0.005)
    return found


async def test_a_master_polls_over_a_line(pair, station):
    master, port = pair
    endpoint = line_to(port, station)
    await endpoint.start()
    try:
        await until(lambda: endpoint.sessions)
        os.write(master, b"\x00\xff noise" + LINK_STATUS)
        (answer,) = await frames(master, 1)
        assert (answer.control, answer.destination, answer.source) == (0x0B, 1, 10)
        for octet in INTEGRITY:  # a slow line brings them one by one
            os.write(master, bytes([octet]))
            await asyncio.sleep(0)
        (head,) = await frames(master, 1)
        assert head.payload[1] & 0xCF == 0xC0
        assert head.payload[2] == 0x81
    finally:
        await endpoint.stop()
    assert endpoint.port == 0
    assert not endpoint.sessions


async def test_a_port_that_is_not_there_is_tried_again(pair, station, tmp_path):
    master, port = pair
    link = tmp_path / "ttyUSB0"
    endpoint = line_to(str(link), station)
    await endpoint.start()
    try:
        await asyncio.sleep(0)
        assert not endpoint.sessions
        link.symlink_to(port)
        await until(lambda: endpoint.sessions)
        os.write(master, LINK_STATUS)
        assert len(await frames(master, 1)) == 1
    finally:
        await endpoint.stop()


async def test_a_line_that_is_pulled_out_comes_back(station, tmp_path):
    link = tmp_path / "ttyUSB0"
    first, slave = os.openpty()
    tty.setraw(slave)
    link.symlink_to(os.ttyname(slave))
    endpoint = line_to(str(link), station)
    await endpoint.start()
    try:
        await until(lambda: endpoint.sessions)
        (session,) = endpoint.sessions
        link.unlink()  # as udev does; another program may get a line of the same name at once
        os.close(first)
        os.close(slave)
        await until(lambda: session.closed)
        second, other = os.openpty()
        tty.setraw(second)
        tty.setraw(other)
        os.set_blocking(second, False)
        link.symlink_to(os.ttyname(other))
        await until(lambda: endpoint.sessions)
        os.write(second, LINK_STATUS)
        assert len(await frames(second, 1)) == 1
    finally:
        await endpoint.stop()
        os.close(second)
        os.close(other)


async def test_a_silent_line_is_neither_asked_nor_given_up(pair, station):
    master, port = pair
    endpoint = line_to(port, station)
    await endpoint.start()
    try:
        await until(lambda: endpoint.sessions)
        (session,) = endpoint.sessions
        session.handle_timer(Hub().now() + 1e6)
        assert not session.closed
        with pytest.raises(BlockingIOError):
            os.read(master, 1)
        # what ends a session does not end the line
        session.dismiss("a test")
        await until(lambda: endpoint.sessions and session not in endpoint.sessions)
        os.write(master, LINK_STATUS)
        assert len(await frames(master, 1)) == 1
    finally:
        await endpoint.stop()


async def test_octets_wait_while_the_line_is_full(pair):
    master, port = pair

    class Session:
        def __init__(self):
            self.paused, self.seen = False, []

        def pause(self):
            self.paused = True
            self.seen.append("pause")

        def resume(self):
            self.paused = False
            self.seen.append("resume")

        def close(self):
            self.seen.append("close")

    session = Session()

    class Door:
        def admit(self, peer, certificate, write, drop):
            self.write = write
            return session

        def gone(self, one):
            assert one is session

    door = Door()
    line = SerialLine(door, SerialSettings(port=port), 0.01, 0.01)
    task = asyncio.create_task(line.run())
    await until(lambda: line.open)
    sent = os.urandom(200_000)
    door.write(sent)
    assert session.seen == ["pause"]
    got = bytearray()
    async with asyncio.timeout(30):
        while len(got) < len(sent):
            try:
                got += os.read(master, 65_536)
            except BlockingIOError:
                await asyncio.sleep(0.001)
    assert bytes(got) == sent
    assert session.seen == ["pause", "resume"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    line.close()
    assert session.seen[-1] == "close"
    door.write(b"nothing comes of it")
