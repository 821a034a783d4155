import logging

import pytest

from gridiface.logfields import current
from gridiface.northbound.dnp3.notices import log_notice
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandMode, CommandRequest, CommandStatus
from gridiface.protocols.dnp3.outstation.handler import (
    CommandDone,
    ConfirmTimedOut,
    LinkLost,
    RequestRefused,
    RestartCleared,
    RestartKind,
    RestartRequested,
    TimeWritten,
)
from gridiface.protocols.dnp3.points import PointConfig, PointType

_POINT = PointConfig(PointType.ANALOG_OUTPUT, 7, name="set-point")
_REQUEST = CommandRequest(_POINT, AnalogOutput(1.0), CommandMode.DIRECT_OPERATE, 1)


@pytest.mark.parametrize(
    ("notice", "level", "line"),
    [
        (
            CommandDone(1, _REQUEST, CommandStatus.SUCCESS, 41, 7),
            "INFO",
            "outstation gw, master 1: direct operate g41 index 7 (set-point): SUCCESS",
        ),
        (
            CommandDone(1, None, CommandStatus.NOT_SUPPORTED, 12, 9),
            "INFO",
            "outstation gw, master 1: g12 index 9: NOT_SUPPORTED",
        ),
        (TimeWritten(1, 0, -3), "INFO", "outstation gw, master 1: its clock is -3 ms from ours"),
        (RestartRequested(1, RestartKind.COLD, 5.0), "WARNING", "outstation gw, master 1: cold restart"),
        (RequestRefused(1, 13, "no"), "INFO", "outstation gw, master 1: function 13 refused: no"),
        (ConfirmTimedOut(1, False), "INFO", "outstation gw, master 1: no confirm in time"),
        (LinkLost(0), "INFO", "outstation gw: a peer does not answer the link status request"),
        (RestartCleared(1), "DEBUG", "outstation gw: RestartCleared(master=1)"),
    ],
)
def test_each_notice_is_a_line_at_its_level(caplog, notice, level, line):
    caplog.set_level("DEBUG", "gridiface.dnp3")
    log_notice("gw", notice)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [(level, line)]


def test_what_is_below_the_level_is_not_written(caplog):
    caplog.set_level("WARNING", "gridiface.dnp3")
    log_notice("gw", ConfirmTimedOut(1, False))
    assert not caplog.records


@pytest.mark.parametrize(
    ("notice", "association"),
    [(ConfirmTimedOut(0, False), "gw/0"), (ConfirmTimedOut(5, False), "gw/5"), (LinkLost(0), "gw")],
)
def test_the_record_names_its_association(notice, association):
    seen = []
    log = logging.getLogger("gridiface.dnp3")
    watch = logging.Handler()
    watch.emit = lambda _: seen.append(current().get("association"))
    log.addHandler(watch)
    before = log.level
    log.setLevel(logging.INFO)
    try:
        log_notice("gw", notice)
    finally:
        log.setLevel(before)
        log.removeHandler(watch)
    assert seen == [association], "0 is a link address like another; a lost link is of all masters on it"
