"""The outstation's callbacks, and commissions carried out on ports: order, faults of the store, what is lost."""

import pytest

from gridiface.domain.controls import Outcome, OutcomeKind, Verdict
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.commanding.commissions import CommandLost
from gridiface.northbound.dnp3.settings import MasterEntry
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
)
from gridiface.protocols.dnp3.outstation.handler import RestartKind
from gridiface.protocols.dnp3.points import PointType

NOW = 1.7e9
ON, OFF, PULSE = ControlRelayOutputBlock(3), ControlRelayOutputBlock(4), ControlRelayOutputBlock(1)


def only(house):
    (control,) = house.live.values()
    return control


async def test_select_changes_nothing(station, house):
    one = station()
    point = one.database.find(PointType.ANALOG_OUTPUT, 0)
    request = CommandRequest(point, AnalogOutput(1.0), CommandMode.SELECT, 1)
    assert one.handler.select(request, NOW) is CommandStatus.SUCCESS
    assert one.handler.take() == []
    assert not house.live


async def test_a_devices_part_that_ends_is_not_the_end(operate, house):
    await operate("MW set-point", AnalogOutput(2.0))
    outcome = Outcome(control_id=only(house).id, kind=OutcomeKind.COMPLETED, at=NOW, device_id="b1")
    operate.station.on_outcome(outcome)
    assert operate.station.handler.outputs.runs("MW set-point")


async def test_a_store_that_fails_blocks_commands_for_a_while(operate, house):
    house.broken = True
    with pytest.raises(StoreUnavailable):
        await operate("MW set-point", AnalogOutput(2.0))
    assert operate.station.handler.in_trouble
    assert operate.station.handler.outputs.held["MW set-point"].value == 0
    house.broken = False
    assert await operate("MW set-point", AnalogOutput(2.0), now=NOW + 1) is CommandStatus.PROCESSING_LIMITED
    assert await operate("MW set-point", AnalogOutput(2.0), now=NOW + 6) is CommandStatus.SUCCESS
    assert not operate.station.handler.in_trouble


async def test_a_control_refused_after_its_preview_is_lost(operate, house):
    await operate("MW set-point", AnalogOutput(1.0))
    handler = operate.station.handler
    point = operate.station.database.find(PointType.ANALOG_OUTPUT, 0)
    handler.operate(CommandRequest(point, AnalogOutput(2.0), CommandMode.OPERATE, 1), NOW + 1)
    house.verdict = Verdict.BLOCKED
    (commission,) = handler.take()
    with pytest.raises(CommandLost):
        await handler.carry_out(commission, NOW + 1)
    assert handler.outputs.held["MW set-point"].value == 1.0
    assert handler.outputs.wanted("MW set-point", "iso") == 1e6


def test_restart_and_deadbands_are_for_those_who_may_control(station):
    masters = [MasterEntry(name="iso", address=1), MasterEntry(name="eye", address=2, may_control=False)]
    handler = station(masters=masters, restart_s=2.0).handler
    assert handler.restart(RestartKind.COLD, 1, NOW) == 2.0
    assert handler.restart(RestartKind.WARM, 2, NOW) is None
    assert handler.may_change_deadband(0, 1.0, 1, NOW)
    assert not handler.may_change_deadband(0, 1.0, 2, NOW)
