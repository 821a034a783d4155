"""A Modbus device whose wire can be made to misbehave: its answers are made here by hand, frame by frame."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.loading import load_table

#: A power at 0, a set-point at 1 which is read back, a helper at 2.
TABLE: dict[str, Any] = {
    "kind": "battery",
    "address_base": 0,
    "nameplate": {"max_w": 5000, "max_charge_w": 5000},
    "points": [
        {"name": "power", "meaning": "w", "address": 0, "type": "int16", "unit": "W", "positive": "delivered"},
        {
            "name": "target",
            "meaning": "set_w",
            "address": 1,
            "type": "int16",
            "unit": "W",
            "positive": "delivered",
            "write": {"release": [{"point": "target", "value": 0}]},
        },
    ],
}

#: (the request's frame without what carries it: unit and PDU; the good answer's frame) -> what is sent, with pauses.
Manner = Callable[["OddDevice", bytes, bytes], list[float | bytes]]


def crc(data: bytes) -> bytes:
    """CRC-16 of a serial frame, low byte first (MODBUS over Serial Line V1.02, 6.2.2)."""
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


class OddDevice:
    """Answers functions 3, 6 and 16 from its registers, in its manner."""

    def __init__(self, *, rtu: bool) -> None:
        self.rtu = rtu
        self.registers = {0: 1200, 1: 0, 2: 7}
        self.manner: Manner = lambda device, request, answer: [answer]
        self.requests: list[bytes] = []
        self.written: list[tuple[int, int]] = []
        self.connections = 0
        self.before: bytes = b""
        self._writers: set[asyncio.StreamWriter] = set()
        #: Functions that it does not know.
        self.unknown: set[int] = set()

    def frame(self, body: bytes, transaction: int) -> bytes:
        """Unit and PDU on the wire."""
        return body + crc(body) if self.rtu else struct.pack(">HHH", transaction, 0, len(body)) + body

    def answer(self, body: bytes) -> bytes:
        """The good answer's unit and PDU."""
        unit, function, first, second = struct.unpack(">BBHH", body[:6])
        if function in self.unknown:
            return bytes((unit, function | 0x80, 1))
        if function == 3:
            span = range(first, first + second)
            if not all(at in self.registers for at in span):
                return bytes((unit, 0x83, 2))
            return bytes((unit, 3, 2 * second)) + b"".join(struct.pack(">H", self.registers[at]) for at in span)
        if function == 6:
            self._write(first, second)
            return body
        for at in range(second):
            self._write(first + at, int.from_bytes(body[7 + 2 * at : 9 + 2 * at], "big"))
        return body[:6]

    def _write(self, address: int, value: int) -> None:
        self.written.append((address, value))
        self.registers[address] = value
        if address == 1:
            self.registers[0] = value

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                transaction, body = await self._request(reader)
                self.requests.append(body)
                good = self.frame(self.answer(body), transaction)
                for part in self.manner(self, body, good):
                    if isinstance(part, bytes):
                        writer.write(part)
                        await writer.drain()
                    else:
                        await asyncio.sleep(part)
                self.before = good
        self._writers.discard(writer)
        writer.close()

    def cut(self) -> None:
        """Its connections end, as when it restarts."""
        for writer in self._writers:
            writer.transport.abort()

    async def _request(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        if not self.rtu:
            transaction, _, length = struct.unpack(">HHH", await reader.readexactly(6))
            return transaction, await reader.readexactly(length)
        head = await reader.readexactly(6)
        rest = await reader.readexactly(1) if head[1] == 16 else b""
        body = head + rest + (await reader.readexactly(rest[0]) if rest else b"")
        assert await reader.readexactly(2) == crc(body)
        return 0, body

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        """Its port."""
        server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    def config(self, port: int, **keys: Any) -> ModbusConfig:
        """A driver's keys for it."""
        carrier = "rtu_over_tcp" if self.rtu else "tcp"
        keys = {
            "table": load_table(keys.pop("content", TABLE)),
            "host": "127.0.0.1",
            "port": port,
            "carrier": carrier,
            **keys,
        }
        return ModbusConfig.model_validate({"timeout_s": 0.3, **keys})


# Manners -----------------------------------------------------------------------------------------------------------


def in_pieces(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Byte by byte."""
    return list(_alternately(answer))


def _alternately(answer: bytes) -> Iterator[float | bytes]:
    for byte in answer:
        yield bytes((byte,))
        yield 0.002


def late(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """After the time-out."""
    return [0.45, answer]


def silent(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Nothing."""
    return []


def short(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Its end is missing."""
    return [answer[:-1]]


def of_the_request_before(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """The answer to the request before, and not this one's."""
    return [device.before]


def after_the_one_before(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """The answer to the request before once more, then this one's."""
    return [device.before, answer]


def twice(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """A repeater on the way."""
    return [answer, answer]


def echoed(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """A two-wire adapter that hears itself."""
    return [request + crc(request) if device.rtu else answer, answer]


def after_another_unit(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Unit 2, whose time is over, speaks first."""
    return [*by_another_unit(device, request, answer), answer]


def noise_before(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """The line rings when the driver of the device is switched on."""
    return [b"\x00\xff", answer]


def noise_after(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """And when it is switched off."""
    return [answer + b"\x00"]


def damaged(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """One bit of a register."""
    at = -3
    return [answer[:at] + bytes((answer[at] ^ 1,)) + answer[at + 1 :]]


def _altered(device: OddDevice, answer: bytes, change: Callable[[bytearray], None]) -> list[float | bytes]:
    transaction = 0 if device.rtu else int.from_bytes(answer[:2], "big")
    body = bytearray(answer[:-2] if device.rtu else answer[6:])
    change(body)
    return [device.frame(bytes(body), transaction)]


def by_another_unit(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Unit 2 answers for 1."""

    def change(body: bytearray) -> None:
        body[0] = 2

    return _altered(device, answer, change)


def another_function(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Input registers where holding registers were asked for."""

    def change(body: bytearray) -> None:
        body[1] = 4 if body[1] == 3 else 15

    return _altered(device, answer, change)


def one_register_more(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """More than was asked for."""

    def change(body: bytearray) -> None:
        if body[1] == 3:
            body[2] += 2
        body += b"\x00\x01"

    return _altered(device, answer, change)


def one_register_less(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:
    """Less than was asked for."""

    def change(body: bytearray) -> None:
        if body[1] == 3:
            body[2] -= 2
        del body[-2:]

    return _altered(device, answer, change)


def refusing(code: int) -> Manner:
    """Everything, with an exception."""

    def manner(device: OddDevice, request: bytes, answer: bytes) -> list[float | bytes]:

        def change(body: bytearray) -> None:
            body[1:] = bytes((request[1] | 0x80, code))

        return _altered(device, answer, change)

    return manner
