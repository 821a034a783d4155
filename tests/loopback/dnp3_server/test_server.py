"""Masters over real sockets: polls, commands with every status, quality, durable answers, policies, restart."""

import asyncio
import contextlib
import shutil
import subprocess
from dataclasses import replace
from ipaddress import ip_network

import pytest
from tests.waiting import until

from gridiface.domain.controls import ControlMode, Outcome, OutcomeKind, Verdict
from gridiface.domain.telemetry import Quality
from gridiface.northbound.dnp3.settings import Deadlines, EndpointSettings, MasterEntry, Mode, NewConnection, Transport
from gridiface.northbound.dnp3.tags import Tags
from gridiface.protocols.dnp3.application import IIN
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.link import Frame, FrameReader, encode
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointType
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT
AO, BO = PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT
SETPOINT = 0


async def test_an_integrity_poll_shows_the_fleet(serve, dial):
    async with serve() as server, dial(server.port) as master:
        await master.poll()
        assert master.value(AI, 0) == pytest.approx(1.25)
        assert master.value(AI, 1) == pytest.approx(-0.2)
        assert master.value(AI, 10) == pytest.approx(60)
        assert master.value(AI, 8) == pytest.approx(5)
        assert master.value(BI, 0) == 1
        assert master.points[AI, 0].flags == Flags.ONLINE
        assert master.points[AI, 3].flags == Flags.RESTART  # nobody tells the frequency


async def test_a_set_point_becomes_a_control_and_is_read_back(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        assert await master.operate(SETPOINT, AnalogOutput(2.5), select=True) is CommandStatus.SUCCESS
        (control,) = house.controls_seen.values()
        assert control.values[ControlMode.SET_W].value == 2.5e6
        assert control.interval.duration is None
        assert control.source.protocol == "dnp3"
        assert control.source.identity == "iso"
        await master.poll()
        assert master.value(AO, SETPOINT) == 2.5
        assert master.value(AI, 16) == 2.5
        assert master.value(BI, 7) == 1


async def test_a_new_value_is_a_new_control_of_the_same_program(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        for value in (1.0, 1.0, 2.0):
            assert await master.operate(SETPOINT, AnalogOutput(value)) is CommandStatus.SUCCESS
        first, second = house.controls_seen.values()
        assert first.source.program == second.source.program
        assert (first.id, first.created) < (second.id, second.created)


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.ACCEPTED, CommandStatus.SUCCESS),
        (Verdict.PARTIAL, CommandStatus.SUCCESS),
        (Verdict.SUPERSEDED, CommandStatus.AUTOMATION_INHIBIT),
        (Verdict.UNSUPPORTED, CommandStatus.NOT_SUPPORTED),
        (Verdict.INVALID, CommandStatus.FORMAT_ERROR),
        (Verdict.BLOCKED, CommandStatus.BLOCKED),
        (Verdict.NOT_ALLOWED, CommandStatus.NOT_AUTHORIZED),
    ],
)
async def test_the_status_is_the_engines_verdict(serve, dial, house, verdict, status):
    house.verdict = verdict
    async with serve() as server, dial(server.port) as master:
        assert await master.operate(SETPOINT, AnalogOutput(1.0)) is status
        assert bool(house.controls_seen) is (status is CommandStatus.SUCCESS)


async def test_what_is_feasible_is_read_back(serve, dial, house):
    house.verdict, house.feasible_w = Verdict.PARTIAL, 3e6
    async with serve() as server, dial(server.port) as master:
        assert await master.operate(SETPOINT, AnalogOutput(9.0)) is CommandStatus.SUCCESS
        await master.poll()
        assert (master.value(AO, SETPOINT), master.value(AI, 16)) == (9.0, 3.0)


async def test_statuses_that_need_no_engine(serve, dial, make_station, house):
    watcher = MasterEntry(name="watcher", address=2, may_control=False)
    masters = (MasterEntry(name="iso", address=1), watcher)
    async with serve([make_station(masters=masters, out_of_range_above_ratings=True)]) as server:
        async with dial(server.port) as master:
            assert await master.operate(3, AnalogOutput(-1.0)) is CommandStatus.OUT_OF_RANGE
            assert await master.operate(99, AnalogOutput(1.0)) is CommandStatus.NOT_SUPPORTED
            assert await master.operate(1, ControlRelayOutputBlock(0)) is CommandStatus.NOT_SUPPORTED
            assert await master.operate(SETPOINT, AnalogOutput(float("nan"))) is CommandStatus.FORMAT_ERROR
            house.verdict = Verdict.PARTIAL
            assert await master.operate(SETPOINT, AnalogOutput(1.0)) is CommandStatus.OUT_OF_RANGE
            await server.set_tags("gateway", Tags(blocked={"MW set-point": "maintenance"}))
            assert await master.operate(SETPOINT, AnalogOutput(1.0)) is CommandStatus.BLOCKED
            await server.set_tags("gateway", Tags(local=True))
            assert await master.operate(2, AnalogOutput(1.0)) is CommandStatus.LOCAL
            assert (await master.poll()).iin & IIN.LOCAL_CONTROL
        async with dial(server.port, address=2) as other:
            await server.set_tags("gateway", Tags())
            assert await other.operate(2, AnalogOutput(1.0)) is CommandStatus.NOT_AUTHORIZED
    assert not house.controls_seen


async def test_a_command_that_cannot_be_made_durable_is_not_acknowledged(serve, dial, house):
    house.broken = True
    async with serve(store_pause_s=0.05) as server:
        async with dial(server.port) as master:
            with pytest.raises(MasterFailed):
                await master.operate(SETPOINT, AnalogOutput(1.0))
        async with dial(server.port) as master:
            await master.poll()
            assert master.value(AO, SETPOINT) == 0
            house.broken = False
            await until(lambda: server.now() > server.station("gateway").handler._trouble_until)
            assert await master.operate(SETPOINT, AnalogOutput(1.0)) is CommandStatus.SUCCESS
        assert server.counters["commands_lost"] == 1


async def test_the_store_gets_a_rest_after_a_failure(serve, dial, house):
    house.broken = True
    async with serve(store_pause_s=60) as server:
        async with dial(server.port) as master:
            with pytest.raises(MasterFailed):
                await master.operate(SETPOINT, AnalogOutput(1.0))
        server.refresh(server.now())
        async with dial(server.port) as master:
            assert await master.operate(SETPOINT, AnalogOutput(1.0)) is CommandStatus.PROCESSING_LIMITED
            assert (await master.poll()).iin & IIN.DEVICE_TROUBLE


async def test_quality_goes_out_as_flags(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        for quality, flags in (
            (Quality.STALE, Flags.ONLINE | Flags.LOCAL_FORCED),
            (Quality.ESTIMATED, Flags.ONLINE | Flags.COMM_LOST),
            (Quality.BAD, Flags.COMM_LOST),
        ):
            house.snapshot_ = replace(house.snapshot_, quality=quality)
            server.refresh(server.now())
            await master.poll()
            assert master.points[AI, 0].flags == flags
            assert master.value(AI, 0) == pytest.approx(1.25)
        assert master.value(BI, 3) == 0


async def test_changes_are_told_unasked(serve, dial, house):
    async with serve() as server, dial(server.port, startup_integrity=True, enable_classes=(1, 2, 3)) as master:
        await master.until(lambda: "enable unsolicited" in master.done and "clear restart" in master.done)
        master.events.clear()
        house.snapshot_ = replace(house.snapshot_, w=2e6, source_time=1.7e9 + 4)
        server.refresh(server.now())
        await master.until(lambda: any(item.point == 0 and item.value == 2.0 for item in master.events))
        told = next(item for item in master.events if item.type is AI and item.point == 0)
        assert told.time == round((1.7e9 + 4) * 1000)


async def test_an_ended_control_falls_back_to_idle(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        await master.operate(SETPOINT, AnalogOutput(2.5))
        (name,) = house.controls_seen
        server.on_outcome(Outcome(control_id=name, kind=OutcomeKind.SUPERSEDED, at=server.now()))
        await master.poll()
        assert (master.value(AO, SETPOINT), master.value(BI, 7)) == (0, 0)


async def test_agc_off_arms_set_points_and_on_lets_them_act(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        await master.operate(SETPOINT, AnalogOutput(1.0))
        assert await master.operate(0, ControlRelayOutputBlock(4)) is CommandStatus.SUCCESS
        assert len(house.cancelled) == 1
        assert await master.operate(SETPOINT, AnalogOutput(3.0)) is CommandStatus.SUCCESS
        assert await master.operate(2, ControlRelayOutputBlock(1)) is CommandStatus.BLOCKED
        assert not house.controls_seen
        assert await master.operate(0, ControlRelayOutputBlock(3)) is CommandStatus.SUCCESS
        (control,) = house.controls_seen.values()
        assert control.values[ControlMode.SET_W].value == 3e6


async def test_pulses_add_up(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        await master.operate(2, ControlRelayOutputBlock(1, count=3))
        await master.operate(3, ControlRelayOutputBlock(1))
        assert [c.values[ControlMode.REGULATION].value for c in house.controls_seen.values()] == [3e5, 2e5]
        await master.poll()
        assert master.value(AO, 1) == pytest.approx(0.2)
        assert await master.operate(4, ControlRelayOutputBlock(3)) is CommandStatus.SUCCESS
        await master.poll()
        assert master.value(AO, 1) == 0


async def test_a_restart_keeps_outputs_and_tells_iin17(serve, dial, house):
    async with serve() as server, dial(server.port) as master:
        await master.operate(SETPOINT, AnalogOutput(2.0))
        await master.operate(6, AnalogOutput(7.0))
    async with serve() as server, dial(server.port, startup_integrity=True) as master:
        await master.until(lambda: "clear restart" in master.done)
        assert master.restarts == 1
        done = await master.poll()
        assert not done.iin & IIN.DEVICE_RESTART
        assert (master.value(AO, SETPOINT), master.value(AI, 16), master.value(AI, 22)) == (2.0, 2.0, 7.0)


async def test_masters_have_their_own_buffers(serve, dial, make_station, house):
    masters = [MasterEntry(name=f"m{number}", address=number) for number in (1, 2)]
    async with (
        serve([make_station(masters=masters)]) as server,
        dial(server.port) as one,
        dial(server.port, address=2) as two,
    ):
        for master in (one, two):
            await master.poll()
            master.events.clear()
        house.snapshot_ = replace(house.snapshot_, w=4e6)
        server.refresh(server.now())
        for master in (one, two):
            await master.poll((1, 2, 3))
            assert [item.value for item in master.events if item.type is AI and item.point == 0] == [4.0]


async def test_a_master_that_comes_again_takes_over(serve, dial):
    async with serve() as server, dial(server.port) as old:
        await old.poll()
        async with dial(server.port) as new:
            await new.poll()
            await until(lambda: not old.connected)
            assert new.connected


@pytest.mark.parametrize(("policy", "old_lives"), [(NewConnection.REFUSE, True), (NewConnection.REPLACE, False)])
async def test_the_policy_for_a_new_connection(serve, dial, policy, old_lives):
    endpoints = [EndpointSettings(port=0, new_connection=policy)]
    async with serve(endpoints=endpoints) as server, dial(server.port) as old:
        await old.poll()
        async with dial(server.port) as new:
            await until(lambda: old.connected != new.connected)
            assert old.connected is old_lives


async def test_an_unlisted_address_gets_no_octet(serve, make_station):
    masters = [
        MasterEntry(name="iso", address=1, sources=(ip_network("192.0.2.0/24"),), unsolicited=UnsolicitedSettings())
    ]
    async with serve([make_station(masters=masters)]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(100), 60) == b""
        writer.close()
        assert server.endpoints[0].counters["refused_unlisted"] == 1


async def test_who_sends_no_frame_of_a_master_is_closed(serve):
    endpoint = EndpointSettings(port=0, deadlines=Deadlines(first_frame=0.1))
    async with serve(endpoints=[endpoint]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        async with asyncio.timeout(60):
            with contextlib.suppress(ConnectionResetError):
                while await reader.read(4096):
                    pass
        await until(lambda: not server.endpoints[0].sessions)
        writer.close()


async def test_two_outstations_behind_one_port(serve, dial, make_station):
    stations = [make_station("a", 10), make_station("b", 11, points="der")]
    async with serve(stations) as server, dial(server.port) as one, dial(server.port, outstation=11) as two:
        await one.poll()
        assert one.value(AI, 0) == pytest.approx(1.25)
        await two.poll()
        assert two.value(AI, 537) == 1_250_000
        assert (two.value(AI, 47), two.value(AI, 48)) == (600, 625)  # 0.6, of a window from 0.1 to 0.9


async def test_udp_answers_in_whole_frames(serve, make_station):
    async with serve([make_station()], [EndpointSettings(port=0, transport=Transport.UDP)]) as server:
        loop = asyncio.get_running_loop()
        received = asyncio.Queue()

        class Peer(asyncio.DatagramProtocol):
            def datagram_received(self, data, addr):
                received.put_nowait(data)

        transport, _ = await loop.create_datagram_endpoint(Peer, remote_addr=("127.0.0.1", server.port))
        transport.sendto(encode(Frame(0xC4, 10, 1, bytes.fromhex("c0 c0 01 3c 01 06"))))
        frames = []
        while not any(frame.payload[1] & 0x0F == 0 and frame.payload[0] & 0x80 for frame in frames if frame.payload):
            datagram = await asyncio.wait_for(received.get(), 60)
            assert len(datagram) <= 292
            frames += FrameReader().feed(datagram)
        assert {frame.destination for frame in frames} == {1}
        transport.close()


async def test_it_calls_a_master_that_listens(serve, dial):
    loop = asyncio.get_running_loop()
    master = MasterClient(MasterSettings(1, 10, enable_classes=()), "127.0.0.1", 0)
    listener = await loop.create_server(lambda: master, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    endpoint = EndpointSettings(mode=Mode.CONNECT, peer=("127.0.0.1", port), deadlines=Deadlines(reconnect=0.05))
    async with serve(endpoints=[endpoint]):
        await master.until(lambda: "integrity poll" in master.done)
        assert master.value(AI, 0) == pytest.approx(1.25)
        await master.close()
        await until(lambda: master.connected)  # it calls again
    listener.close()
    await master.close()


async def test_a_dual_end_point_calls_only_while_its_master_does_not(serve, dial):
    loop = asyncio.get_running_loop()
    called = MasterClient(MasterSettings(1, 10, enable_classes=()), "127.0.0.1", 0)
    listener = await loop.create_server(lambda: called, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    endpoint = EndpointSettings(port=0, mode=Mode.DUAL, peer=("127.0.0.1", port), deadlines=Deadlines(reconnect=0.05))
    async with serve(endpoints=[endpoint]) as server:
        await called.until(lambda: "integrity poll" in called.done)
        async with dial(server.port) as master:  # it comes by itself: the association is carried there
            await master.poll()
            await until(lambda: not called.connected)
            assert master.value(AI, 0) == pytest.approx(1.25)
            assert len(server.endpoints[0].sessions) == 1
        await until(lambda: called.connected)  # it is gone: called again
    listener.close()
    await called.close()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark, the independent decoder, is not installed")
async def test_an_independent_decoder_opens_the_journal(serve, dial, tmp_path):
    async with serve() as server:
        async with dial(server.port, startup_integrity=True, enable_classes=(1, 2, 3)) as master:
            await master.until(lambda: "enable unsolicited" in master.done)
            await master.operate(SETPOINT, AnalogOutput(1.5), select=True)
            await master.operate(0, ControlRelayOutputBlock(4))
            server.refresh(server.now())
            await master.poll()
        path = tmp_path / "journal.pcap"
        path.write_bytes(server.journal.pcap())
        lines = list(server.journal.lines())
    command = ["tshark", "-r", str(path), "-o", "tcp.desegment_tcp_streams:TRUE"]

    def decoded(display, name):
        run = subprocess.run([*command, "-Y", display, "-T", "fields", "-e", name], capture_output=True, text=True,
                             timeout=100, check=True)  # fmt: skip
        return [value for line in run.stdout.split() for value in line.split(",")]

    assert len(decoded("dnp3", "dnp3.start")) == len(lines)
    assert decoded("_ws.malformed || dnp3.hdr.CRC.incorrect || dnp3.data_chunk.CRC.incorrect", "frame.number") == []
    assert any("OPERATE" in line and "g41v3 x1" in line for line in lines)


async def test_log_records_carry_the_association(serve, dial, told):
    async with serve() as server, dial(server.port) as master:
        await master.operate(SETPOINT, AnalogOutput(2.5), select=True)
        name = next(iter(server.stations))
        await until(lambda: [line for line in told if "SUCCESS" in line["message"]])
        (line, *_) = [line for line in told if "SUCCESS" in line["message"]]
        assert line["association"].startswith(f"{name}/")
