"""Our outstation polled and operated by a master that somebody else wrote: dnp3py."""

import asyncio

import pytest

from gridiface.protocols.dnp3.controls import AnalogOutput
from gridiface.protocols.dnp3.master import tasks
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import MasterSettings, PointsReceived, TaskDone, TimeSync
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType

dnp3py = pytest.importorskip(
    "dnp3.master", reason="dnp3py, a foreign DNP3 master, is not installed (pip install dnp3py==0.6.0)"
)

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


@pytest.fixture
def outstation(accepting):
    points = [PointConfig(AI, index, event_class=2) for index in range(1000)]
    points += [PointConfig(BI, index, event_class=1) for index in range(50)]
    points += [PointConfig(PointType.COUNTER, index, event_class=3) for index in range(10)]
    points += [PointConfig(PointType.BINARY_OUTPUT, index) for index in range(10)]
    points += [PointConfig(PointType.ANALOG_OUTPUT, index) for index in range(10)]
    device = Outstation(OutstationSettings(10), [AssociationSettings(1)], Database(points), accepting)
    device.database.update_many(1.7e9, AI, [index * 0.5 for index in range(1000)])
    for index in range(0, 50, 3):
        device.database.update(1.7e9, BI, index, 1)
    for index in range(10):
        device.database.update(1.7e9, PointType.COUNTER, index, 100 + index)
    return device


@pytest.fixture
def master():
    return dnp3py.Master(
        config=dnp3py.MasterConfig(address=1, outstation_address=10), handler=dnp3py.DefaultSOEHandler()
    )


async def confirmed(outstation):
    """The poll is over when the answer is there; the confirmation may still be on its way."""
    buffer = outstation.associations[1].state.buffer
    async with asyncio.timeout(60):
        while len(buffer):
            await asyncio.sleep(0.01)


async def test_it_polls_a_thousand_points_and_their_events(serve, outstation, master):
    async with serve(outstation) as server, dnp3py.MasterTcpRunner(master, "127.0.0.1", server.port) as runner:
        responses = await runner.integrity_poll()
        assert len(responses) > 5
        seen = master.handler
        assert {index: point.value for index, point in seen.analog_inputs.items()} == {
            index: index * 0.5 for index in range(1000)
        }
        assert [index for index, point in sorted(seen.binary_inputs.items()) if point.value] == list(range(0, 50, 3))
        assert seen.counters[9].value == 109
        await confirmed(outstation)
        outstation.database.update(1.7e9 + 1, BI, 1, 1)
        await runner.class_poll()
        assert seen.binary_inputs[1].value
        await confirmed(outstation)


async def test_it_operates(serve, outstation, master, accepting):
    async with serve(outstation) as server, dnp3py.MasterTcpRunner(master, "127.0.0.1", server.port) as runner:
        select = master.command_builder().latch_on(3).build_select()
        operate = master.command_builder().latch_on(3).build_operate()
        await runner.request(master.build_select(select))
        await runner.request(master.build_operate(operate))
        direct = master.command_builder().add_analog(4, 12).build_direct_operate()
        await runner.request(master.build_direct_operate(direct))
    assert [(request.point.type, request.point.index) for request in accepting.operated] == [
        (PointType.BINARY_OUTPUT, 3),
        (PointType.ANALOG_OUTPUT, 4),
    ]
    assert outstation.database.value(PointType.BINARY_OUTPUT, 3)[0] == 1
    assert outstation.database.value(PointType.ANALOG_OUTPUT, 4)[0] == 12


async def test_our_master_polls_and_operates_an_outstation_that_somebody_else_wrote(dial):
    theirs = pytest.importorskip("dnp3.outstation", reason="dnp3py has no outstation here")
    runners = pytest.importorskip("dnp3.outstation.tcp_runner", reason="dnp3py has no outstation here")
    databases = pytest.importorskip("dnp3.database", reason="dnp3py has no outstation here")
    database = databases.Database()
    for index in range(50):
        database.add_analog_input(index)
        database.add_binary_input(index)
    database.add_analog_output(0)
    operated = []

    class Handler(theirs.DefaultCommandHandler):
        def select_analog_output(self, index, value):
            return theirs.CommandResult.success()

        def operate_analog_output(self, index, value, select_sequence=0):
            operated.append((index, value))
            return theirs.CommandResult.success()

        def direct_operate_analog_output(self, index, value):
            return self.operate_analog_output(index, value)

    device = theirs.Outstation(
        config=theirs.OutstationConfig(address=10, master_address=1), database=database, handler=Handler()
    )
    runner = runners.OutstationTcpRunner(device, host="127.0.0.1", port=0)
    serving = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(60):
            while runner.local_address is None or not runner.local_address[1]:
                await asyncio.sleep(0.01)
        ours = Master(MasterSettings(1, 10, time_sync=TimeSync.LAN))
        async with dial(ours, runner.local_address[1]) as peer:
            await peer.until(lambda events: done(events, "clear restart"))
            for index in range(50):
                database.update_analog_input(index, index * 2.0)
            ours.submit("poll", tasks.class_poll((1, 2, 3)))
            ours.submit("range", tasks.range_poll(30, 1, 0, 49))
            ours.submit("select", tasks.control([(0, AnalogOutput(7.0, 1))], select=True))
            ours.submit("direct", tasks.control([(0, AnalogOutput(8.0, 3))], select=False))
            ours.submit("time", tasks.synchronise(TimeSync.NON_LAN, ours.clock))
            peer.pump()
            await peer.until(lambda events: done(events, "time"))
    finally:
        await runner.stop()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    outcomes = {event.name: event for event in peer.events if isinstance(event, TaskDone)}
    assert {name for name, event in outcomes.items() if event.failure} == set()
    assert [item.status.name for name in ("select", "direct") for item in outcomes[name].outcomes] == ["SUCCESS"] * 2
    assert operated == [(0, 7.0), (0, 8.0)]
    values = {
        item.point: item.value
        for event in peer.events
        if isinstance(event, PointsReceived)
        for block in event.blocks
        for item in block.measurements()
        if item.type is AI
    }
    assert values == {index: index * 2.0 for index in range(50)}


def done(events, name):
    return any(isinstance(event, TaskDone) and event.name == name for event in events)
