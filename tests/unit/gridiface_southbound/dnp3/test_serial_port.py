"""A serial line as a transport, on a pseudo-terminal."""

import asyncio
import os
import tty

from gridiface_southbound.dnp3.config import Dnp3Config
from gridiface_southbound.dnp3.serial_port import SerialPort


class Taker(asyncio.Protocol):
    def __init__(self):
        self.came, self.lost = b"", asyncio.Event()

    def data_received(self, data):
        self.came += data

    def connection_lost(self, exc):
        self.lost.set()


async def test_octets_go_both_ways_and_a_far_end_that_is_gone_is_told():
    far, near = os.openpty()
    tty.setraw(far)
    os.set_blocking(far, False)
    config = Dnp3Config.model_validate({"serial_port": os.ttyname(near), "inputs": [{"shows": "w", "index": 0}]})
    taker = Taker()
    port = SerialPort(config, taker)
    assert (port.is_closing(), port.get_extra_info("socket")) == (False, None)
    os.write(far, b"hello")
    big, read = bytes(range(256)) * 200, b""
    port.write(big)
    async with asyncio.timeout(20):
        while len(read) < len(big) or taker.came != b"hello":
            await asyncio.sleep(0.005)
            try:
                read += os.read(far, 65_536)
            except BlockingIOError:
                continue
    assert read == big
    os.close(near)
    os.close(far)
    async with asyncio.timeout(20):
        await taker.lost.wait()
    assert port.is_closing()
    port.abort()
    port.write(b"into nothing")


async def test_a_far_end_that_takes_nothing_is_given_up():
    far, near = os.openpty()
    tty.setraw(far)
    config = Dnp3Config.model_validate({"serial_port": os.ttyname(near), "inputs": [{"shows": "w", "index": 0}]})
    taker = Taker()
    port = SerialPort(config, taker)
    for _ in range(20):
        port.write(bytes(65_536))
    async with asyncio.timeout(20):
        await taker.lost.wait()
    os.close(near)
    os.close(far)
