"""The outstation by octets: frames and objects are made and taken apart by the tests, without the product's codecs."""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.dnp3_octets import confirm, frame_octets, request, unframed


class Line:
    """A master of octets over TCP: `ask` sends one request and gives the answer's IIN and objects."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sequence = 0

    async def ask(self, function: int, objects: str = "") -> tuple[int, bytes]:
        number = self.sequence = (self.sequence + 1) % 16
        self.writer.write(request(number, function, objects))
        answer, objects_of = b"", b""
        while True:
            header = await asyncio.wait_for(self.reader.readexactly(10), 60)
            rest = await self.reader.readexactly(frame_octets(header[2]) - len(header))
            ((*_, user),) = unframed(header + rest)
            answer += user[1:]
            if not user[0] & 0x80:
                continue
            control, code, indications = answer[0], answer[1], struct.unpack("<H", answer[2:4])[0]
            part, answer = answer[4:], b""
            if code != 129 or control & 0x0F != number:
                continue  # told unasked
            objects_of += part
            if control & 0x20:
                self.writer.write(confirm(number))
            if control & 0x40:
                return indications, objects_of


@pytest.fixture
async def line(serve):
    async with serve() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        yield Line(reader, writer)
        writer.close()


PARAMETER, UNKNOWN, NO_FUNCTION = 0x0400, 0x0200, 0x0100


async def test_the_last_time_of_48_bits(line):
    """A millisecond later nothing can say what time it is: it stays the last one, and does not become 1970."""
    indications, _ = await line.ask(2, "32 01 07 01 ff ff ff ff ff ff")
    assert not indications & (PARAMETER | UNKNOWN)
    await asyncio.sleep(0.005)
    _, octets = await line.ask(1, "32 01 07 01")
    assert octets.hex(" ") == "32 01 07 01 ff ff ff ff ff ff"
    assert (await line.ask(1, "3c 01 06"))[1]  # and everything else is answered


@pytest.mark.parametrize(
    ("variation", "octets", "kept"),
    [
        (1, "07 00", {1: "07 00", 2: "07 00 00 00", 3: "00 00 e0 40"}),
        (2, "40 42 0f 00", {1: "ff ff", 2: "40 42 0f 00", 3: "00 24 74 49"}),
        (3, "00 00 e0 40", {1: "07 00", 2: "07 00 00 00", 3: "00 00 e0 40"}),
    ],
)
async def test_each_variation_of_a_dead_band_is_written_and_read(line, variation, octets, kept):
    indications, _ = await line.ask(2, f"22 {variation:02x} 00 00 00 {octets}")
    assert not indications & (PARAMETER | UNKNOWN | NO_FUNCTION)
    for other, wanted in kept.items():
        indications, answer = await line.ask(1, f"22 {other:02x} 00 00 00")
        assert answer.hex(" ") == f"22 {other:02x} 00 00 00 {wanted}"
    assert (await line.ask(1, "22 00 00 00 00"))[1][:1] == b"\x22"


@pytest.mark.parametrize("octets", ["00 00 c0 7f", "00 00 80 7f", "00 00 80 bf"], ids=["nan", "infinity", "-1"])
async def test_no_dead_band_is_refused_and_the_old_one_stays(line, octets):
    before = await line.ask(1, "22 03 00 00 00")
    indications, _ = await line.ask(2, f"22 03 00 00 00 {octets}")
    assert indications & PARAMETER
    assert (await line.ask(1, "22 03 00 00 00"))[1] == before[1]


@pytest.mark.parametrize(
    "group", ["71 00", "32 00", "22 00", "6e 00"], ids=["g113", "g50", "g34", "g110 without points"]
)
async def test_what_has_no_class_takes_none(line, group):
    indications, answer = await line.ask(22, f"3c 02 06 {group} 06")
    assert indications & (UNKNOWN | PARAMETER)
    assert answer == b""
