"""Our outstation polled and operated by a master that somebody else wrote: dnp3py."""

import pytest

from gridiface.protocols.dnp3.database import Database
from gridiface.protocols.dnp3.outstation import Outstation
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface.protocols.dnp3.settings import AssociationSettings, OutstationSettings

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
        assert len(outstation.associations[1].state.buffer) == 0
        outstation.database.update(1.7e9 + 1, BI, 1, 1)
        await runner.class_poll()
        assert seen.binary_inputs[1].value
        assert len(outstation.associations[1].state.buffer) == 0


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
