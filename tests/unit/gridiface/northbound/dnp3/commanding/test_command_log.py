"""The command log: whose, what, which status; newest first; bounded."""

from gridiface.northbound.dnp3.commanding.command_log import CommandLog
from gridiface.protocols.dnp3.controls import (
    AnalogOutput,
    CommandMode,
    CommandRequest,
    CommandStatus,
    ControlRelayOutputBlock,
)
from gridiface.protocols.dnp3.outstation.handler import CommandDone
from gridiface.protocols.dnp3.points import PointConfig, PointType


def test_commands_newest_first(station):
    settings = station().settings
    log = CommandLog(3)
    analog = PointConfig(PointType.ANALOG_OUTPUT, 0, "MW set-point")
    relay = PointConfig(PointType.BINARY_OUTPUT, 1, "breaker")
    done = [
        CommandDone(1, None, CommandStatus.NOT_SUPPORTED, 41, 99),
        CommandDone(
            1, CommandRequest(analog, AnalogOutput(2.5), CommandMode.SELECT, 1, 0), CommandStatus.SUCCESS, 41, 0
        ),
        CommandDone(
            9,
            CommandRequest(relay, ControlRelayOutputBlock(0x81), CommandMode.DIRECT_OPERATE, 9, 0),
            CommandStatus.LOCAL,
            12,
            1,
        ),
    ]
    for number, notice in enumerate(done):
        log.note(settings, notice, float(number))
    newest, middle, oldest = log.newest("gw", 10)
    assert (newest.master, newest.point, newest.code, newest.value, newest.status) == (
        "9",
        "breaker",
        0x81,
        None,
        "LOCAL",
    )
    assert (middle.how, middle.value, middle.code) == ("select", 2.5, None)
    assert (oldest.point, oldest.index, oldest.status) == ("", 99, "NOT_SUPPORTED")
    assert middle.master == settings.masters[0].name
    log.note(settings, done[0], 3.0)
    assert [entry.at for entry in log.newest("gw", 10)] == [3.0, 2.0, 1.0]
    assert len(list(log.newest("gw", 1))) == 1
    assert list(log.newest("other", 10)) == []
