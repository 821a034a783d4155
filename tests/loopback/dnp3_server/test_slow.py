"""R13, R14 on DNP3: silent, slow and deaf peers beside a good master; an end of file descriptors is survived."""

import asyncio
import contextlib
import os
import resource
import socket
from pathlib import Path

import pytest
from tests.waiting import until

from gridiface.northbound.dnp3.settings import Deadlines, EndpointSettings
from gridiface.protocols.dnp3.link import Frame, encode
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.fuzz import TcpFuzz

CLASS_0 = encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c0 01 3c 01 06")))
#: Nothing unasked: reads would wait for the confirm of a null response.
DISABLE_UNSOLICITED = encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c1 15 3c 02 06 3c 03 06 3c 04 06")))
PATIENT = EndpointSettings(
    port=0, connections=400, connections_per_address=400, deadlines=Deadlines(first_frame=1.0, write=1.0)
)


async def ended(reader, seconds=30):
    """Whether the other side closed."""
    async with asyncio.timeout(seconds):
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
    return True


async def test_a_good_master_is_served_beside_silent_and_slow_ones_which_are_closed(serve, dial):
    async with serve(endpoints=[PATIENT]) as server:
        silent = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(150)]
        slow = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(30)]

        async def drip(writer):
            with contextlib.suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b"\x05")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        drips = [asyncio.create_task(drip(writer)) for _, writer in slow]
        async with dial(server.port) as master:
            for _ in range(20):
                await master.poll()
            assert master.value(PointType.ANALOG_INPUT, 0) == pytest.approx(1.25)
            for reader, _ in (*silent, *slow):
                assert await ended(reader)
            assert len(server.endpoints[0].sessions) == 1
            await master.poll()
        for task in drips:
            task.cancel()
        await asyncio.gather(*drips, return_exceptions=True)
        for _, writer in (*silent, *slow):
            writer.close()


async def test_a_master_that_takes_nothing_is_given_up(serve, dial, caplog):
    caplog.set_level("INFO", "gridiface")
    async with serve(endpoints=[PATIENT]) as server:
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        deaf.sendall(DISABLE_UNSOLICITED)
        deaf.setblocking(False)
        await until(lambda: server.endpoints[0].sessions, "it is a master")
        (session,) = server.endpoints[0].sessions

        def is_given_up():
            with contextlib.suppress(BlockingIOError, ConnectionError):
                deaf.send(CLASS_0 * 200)
            return session.closed

        await until(is_given_up, "it is given up")
        assert "closed: it takes nothing" in caplog.text
        async with dial(server.port) as master:
            await master.poll()
        deaf.close()


async def test_when_descriptors_run_out_it_goes_on_and_accepts_again(serve, dial):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serve(endpoints=[PATIENT]) as server:
        async with dial(server.port) as master:
            taken = []
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, len(_open_files()) + 12), hard))
            try:
                with contextlib.suppress(OSError):
                    while True:
                        taken.append(socket.create_connection(("127.0.0.1", server.port), 1))
                        await asyncio.sleep(0)
                await master.poll()  # who is there already is served
            finally:
                for one in taken:
                    one.close()
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(Exception):
                    async with dial(server.port) as master:
                        await master.poll()
                        break
                await asyncio.sleep(0.1)


async def test_after_each_of_ten_thousand_spoilt_frames_the_link_answers(serve):
    inputs = int(os.environ.get("GRIDIFACE_FUZZ_TCP", "10000"))
    async with serve(endpoints=[PATIENT]) as server:
        report = await asyncio.to_thread(TcpFuzz("127.0.0.1", server.port).run, inputs)
    assert report.inputs == inputs
    assert not report.unanswered, report.failures


def _open_files():
    return list(Path("/proc/self/fd").iterdir())
