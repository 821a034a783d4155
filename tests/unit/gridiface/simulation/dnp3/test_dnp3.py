"""The simulated master: its lines, its configuration, and the bare one of the benchmarks."""

import asyncio

import pytest
from pydantic import ValidationError

from gridiface.protocols.dnp3.application import FunctionCode
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.heads import all_head
from gridiface.protocols.dnp3.master.settings import MasterSettings, TimeSync
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.simulation.children import Child
from gridiface.simulation.dnp3.__main__ import answer
from gridiface.simulation.dnp3.bare import BareMaster
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed
from gridiface.simulation.dnp3.config import MasterConfig, Operate, Request

NOW = 1.7e9


class Accepting(OutstationHandler):
    def operate(self, request, now):
        return CommandStatus.SUCCESS

    select = operate


class Peer(asyncio.Protocol):
    """A bare outstation on a socket."""

    def __init__(self, outstation):
        self.outstation = outstation

    def connection_made(self, transport):
        self.transport = transport
        self.channel = self.outstation.open(NOW)
        self.pump()

    def data_received(self, data):
        self.channel.receive(data, NOW)
        self.pump()

    def connection_lost(self, exc):
        self.channel.close()

    def pump(self):
        self.transport.write(self.channel.to_send(NOW))


@pytest.fixture
async def port():
    points = [PointConfig(PointType.ANALOG_INPUT, index, event_class=1) for index in range(300)]
    points.append(PointConfig(PointType.ANALOG_OUTPUT, 0))
    points.append(PointConfig(PointType.BINARY_OUTPUT, 0))
    association = AssociationSettings(1, unsolicited=UnsolicitedSettings())
    outstation = Outstation(OutstationSettings(10), [association], Database(points), Accepting(), now=NOW)
    outstation.database.update(NOW, PointType.ANALOG_INPUT, 7, 3.5)
    listener = await asyncio.get_running_loop().create_server(lambda: Peer(outstation), "127.0.0.1", 0)
    yield listener.sockets[0].getsockname()[1]
    listener.close()


@pytest.fixture
async def client(port):
    made = MasterClient(MasterSettings(1, 10, time_sync=TimeSync.NONE), "127.0.0.1", port)
    await made.connect()
    await made.until(lambda: "integrity poll" in made.done)
    yield made
    await made.close()


async def test_a_line_is_answered_by_a_line(client):
    assert await answer(client, '{"operate": {"analog": 0, "value": 2, "select": true}}') == {"status": "SUCCESS"}
    assert (await answer(client, '{"operate": {"binary": 5}}'))["status"] == "NOT_SUPPORTED"
    assert (await answer(client, '{"poll": [0]}'))["points"] == 302
    points = (await answer(client, '{"points": true}'))["points"]
    assert {"type": "analog input", "index": 7, "value": 3.5, "flags": 1, "time": 1_700_000_000_000}.items() <= next(
        item | {"time": 1_700_000_000_000} for item in points if item["type"] == "analog input" and item["index"] == 7
    ).items()
    assert (await answer(client, '{"events": true}'))["events"][0]["value"] == 3.5
    assert (await answer(client, '{"events": true}'))["events"] == []
    state = await answer(client, '{"state": true}')
    assert state["connected"]
    assert state["done"]["integrity poll"] >= 1
    for wrong in ("{}", "nonsense", '{"operate": {}}', '{"points": true, "events": true}'):
        assert "error" in await answer(client, wrong)


async def test_without_a_connection_tasks_fail(client):
    await client.close()
    assert not client.connected
    with pytest.raises(MasterFailed):
        await client.poll()
    with pytest.raises(MasterFailed):
        await client.until(lambda: False, 0.01)


async def test_nobody_there():
    unused = MasterClient(MasterSettings(1, 10), "127.0.0.1", 1)
    with pytest.raises(MasterFailed):
        await unused.connect()
    assert unused.value(PointType.ANALOG_INPUT, 0) is None


async def test_a_bare_master_takes_every_fragment(port):
    def work():
        with BareMaster(port) as bare:
            return [bare.exchange(bare.prepare(FunctionCode.READ, all_head(60, 1))) for _ in range(20)]

    heads = await asyncio.to_thread(work)
    assert len(heads) == 20
    assert all(head[1] == FunctionCode.RESPONSE and head[0] & 0x40 for head in heads)


def test_commands_and_settings_of_lines():
    assert Operate(analog=3, value=2.0, variation=1).command() == (3, AnalogOutput(2.0, 1))
    assert Operate(binary=1, code=0x41).command() == (1, ControlRelayOutputBlock(0x41))
    for wrong in ({}, {"analog": 1, "binary": 1}, {"analog": 70_000}):
        with pytest.raises(ValidationError):
            Operate(**wrong)
    with pytest.raises(ValidationError):
        Request()
    core = MasterConfig(port=1, time_sync="lan", integrity=False).core()
    assert (core.time_sync, core.startup_integrity) == (TimeSync.LAN, False)


@pytest.mark.processes
async def test_the_process_polls_and_ends_with_its_input(port):
    child = Child("the master", ["-m", "gridiface.simulation.dnp3"], {"port": port, "polls": [[[1, 2, 3], 0.1]]})
    try:
        assert (await child.start())["ready"]
        await child.send({"poll": [0]})
        assert (await child.receive())["points"] == 302
    finally:
        assert await child.stop() == 0
