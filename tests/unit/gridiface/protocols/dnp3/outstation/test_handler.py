from gridiface.protocols.dnp3.controls import AnalogOutput, CommandMode, CommandRequest, CommandStatus
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler, RestartKind
from gridiface.protocols.dnp3.points import PointConfig, PointType


def test_the_default_handler_refuses_what_changes_the_world():
    handler = OutstationHandler()
    point = PointConfig(PointType.ANALOG_OUTPUT, 0)
    request = CommandRequest(point, AnalogOutput(1.0), CommandMode.DIRECT_OPERATE, 1)
    assert handler.select(request, 0.0) is handler.operate(request, 0.0) is CommandStatus.NOT_SUPPORTED
    assert handler.restart(RestartKind.COLD, 1, 0.0) is None
    assert not handler.write_octets(0, b"x", 1, 0.0)
    assert not handler.terminal_input(0, b"x", 1, 0.0)
    assert handler.activate_config([], 1, 0.0) is None
    assert not handler.may_write_attribute(247, 1, 0.0)
    assert handler.may_change_deadband(0, 1.0, 1, 0.0)
