"""Master and outstation cores over real sockets, and the recorded session through an independent decoder."""

import asyncio
import os
import random
import shutil
import subprocess

import pytest

from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import MasterSettings, PointsReceived, TaskDone, TimeSync
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


def station(handler, *, unsolicited=True, analogs=1000, **more):
    points = [PointConfig(AI, index, event_class=2) for index in range(analogs)]
    for point_type in (BI, PointType.DOUBLE_BIT_INPUT, PointType.BINARY_OUTPUT, PointType.COUNTER):
        points += [PointConfig(point_type, index, event_class=1) for index in range(20)]
    points += [PointConfig(PointType.FROZEN_COUNTER, index, event_class=3) for index in range(20)]
    points += [PointConfig(PointType.ANALOG_OUTPUT, index, event_class=2) for index in range(20)]
    points += [PointConfig(PointType.OCTET_STRING, 0, event_class=3)]
    settings = AssociationSettings(1, unsolicited=UnsolicitedSettings() if unsolicited else None, **more)
    return Outstation(OutstationSettings(10), [settings], Database(points), handler, {242: "1", 252: "gridiface"})


def done(name):
    return lambda events: [event for event in events if isinstance(event, TaskDone) and event.name == name]


def points(events):
    return [
        item
        for event in events
        if isinstance(event, PointsReceived)
        for block in event.blocks
        for item in block.measurements()
    ]


async def full_session(server, peer):
    """A bit of everything that the two cores can say to each other."""
    await peer.until(done("clear restart"))
    database = server.outstation.database
    for number in range(300):
        database.update(1.7e9 + number, AI, number, number + 0.5)
        database.update(1.7e9 + number, BI, number % 20, number // 20 & 1)
    database.set_octets(1.7e9, 0, b"hello")
    server.pump()
    await peer.until(lambda events: sum(item.is_event for item in points(events)) >= 580)
    work = {
        "select": tasks.control([(1, ControlRelayOutputBlock(3, 1, 100, 100)), (2, AnalogOutput(5.5))], select=True),
        "direct": tasks.control(
            [(1, AnalogOutput(9, 1)), (2, AnalogOutput(9, 2)), (3, AnalogOutput(9, 4))], select=False
        ),
        "freeze": tasks.freeze(),
        "freeze clear": tasks.freeze(clear=True),
        "assign": tasks.assign_class(3, 30, [(0, 10)]),
        "range": tasks.range_poll(30, 2, 0, 999),
        "binary": tasks.range_poll(1, 0, 0, 19),
        "counter": tasks.range_poll(20, 6, 0, 19),
        "frozen": tasks.range_poll(21, 0, 0, 19),
        "attributes": tasks.range_poll(0, 254, 0, 0),
        "dead-bands": tasks.write_deadbands({1: 2.0}),
        "read dead-bands": tasks.range_poll(34, 0, 0, 19),
        "time": tasks.synchronise(TimeSync.LAN, peer.master.clock),
        "delay": tasks.synchronise(TimeSync.NON_LAN, peer.master.clock),
        "restart": tasks.restart(),
        "integrity": tasks.integrity_poll(),
    }
    for name, task in work.items():
        peer.master.submit(name, task)
    peer.pump()
    await peer.until(done("integrity"))
    return {event.name: event for event in peer.events if isinstance(event, TaskDone)}


async def test_a_session_over_tcp(serve, dial, accepting):
    async with serve(station(accepting)) as server, dial(Master(MasterSettings(1, 10)), server.port) as peer:
        results = await full_session(server, peer)
        assert [item.status for item in results["select"].outcomes] == [CommandStatus.SUCCESS] * 2
        assert {name for name, event in results.items() if event.failure} == {"restart"}
        assert len(accepting.operated) == 5
        events = [item for item in points(peer.events) if item.is_event and item.type is AI]
        assert [item.point for item in events[:300]] == list(range(300))


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark, the independent decoder, is not installed")
async def test_an_independent_decoder_finds_no_fault_in_a_recorded_session(serve, dial, accepting, tmp_path):
    async with serve(station(accepting)) as server, dial(Master(MasterSettings(1, 10)), server.port) as peer:
        await full_session(server, peer)
    path = tmp_path / "session.pcap"
    server.recorder.write_pcap(path)
    frames = sum(len(FrameReader().feed(octets)) for _, _, octets in server.recorder.packets)
    assert frames > 100
    command = ["tshark", "-r", str(path), "-o", "tcp.desegment_tcp_streams:TRUE", "-Y"]

    def decoded(display, field):
        arguments = [*command, display, "-T", "fields", "-e", field]
        run = subprocess.run(arguments, capture_output=True, text=True, timeout=100, check=True)
        return [line for line in run.stdout.splitlines() if line.strip()]

    def count(field):
        return sum(len(line.split(",")) for line in decoded("dnp3", field))

    assert count("dnp3.start") == frames
    assert decoded("_ws.malformed || dnp3.hdr.CRC.incorrect || dnp3.data_chunk.CRC.incorrect", "frame.number") == []
    for status in ("dnp.hdr.CRC.status", "dnp.data_chunk.CRC.status"):
        values = {value for line in decoded("dnp3", status) for value in line.split(",") if value}
        assert values <= {"1", "Good"}, status
    assert decoded("dnp3.al.func == 130", "frame.number") != []


async def test_59_after_each_spoilt_frame_the_link_still_answers(serve, accepting):
    source = random.Random(10)
    request = encode(Frame(0xC9, 10, 1))
    async with serve(station(accepting, analogs=50)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        parser = FrameReader()
        for number in range(int(os.environ.get("GRIDIFACE_FUZZ_TCP", "300"))):
            body = bytes((0xC0, 0xC0 | number & 15, source.randrange(35))) + source.randbytes(source.randrange(60))
            octets = bytearray(encode(Frame(0xC4, 10, 1, body)))
            if number % 2:
                octets[source.randrange(len(octets))] ^= 1 << source.randrange(8)
            # what a spoilt length swallows is filled up, so that the next start is looked for
            writer.write(bytes(octets) + bytes(300) + request)
            found = False
            while not found:
                frames = parser.feed(await asyncio.wait_for(reader.read(65_536), 60))
                found = any(frame.control == 0x0B for frame in frames)
        assert len(server.connections) == 1
        writer.close()
        await writer.wait_closed()


async def test_32_the_connection_answers_in_one_write_each(serve, accepting):
    async with serve(station(accepting, unsolicited=False)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c0 01 3c 01 06"))))
        frames, parser = [], FrameReader()
        while not frames or not frames[-1].payload[0] & 0x80:
            frames += parser.feed(await asyncio.wait_for(reader.read(65_536), 60))
        assert len(frames) == 9
        assert [item[1] for item in server.recorder.packets] == [True, False]
        writer.close()
        await writer.wait_closed()
