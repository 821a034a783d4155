"""What an outstation has to tell, as lines of the log: commands, refusals, times written, restarts, lost confirms.

Owns the words and levels; which notices there are is protocols.dnp3.handler's, counting them server.py's.
"""

from __future__ import annotations

import logging

from gridiface.logfields import about
from gridiface.protocols.dnp3.outstation.handler import (
    CommandDone,
    ConfirmTimedOut,
    LinkLost,
    Notice,
    RequestRefused,
    RestartRequested,
    TimeWritten,
)

_log = logging.getLogger("gridiface.dnp3")

_TOLD = (CommandDone, TimeWritten, RequestRefused, ConfirmTimedOut, LinkLost)


def log_notice(name: str, notice: Notice) -> None:
    """Write a notice of the outstation of this name, with its association as the record's field."""
    if not _log.isEnabledFor(_level(notice)):
        return
    # a lost link is of all masters of its connection
    association = name if isinstance(notice, LinkLost) else f"{name}/{notice.master}"
    with about(association=association):
        _write(name, notice)


def _level(notice: Notice) -> int:
    """The level at which `_write` writes it."""
    if isinstance(notice, RestartRequested):
        return logging.WARNING
    return logging.INFO if isinstance(notice, _TOLD) else logging.DEBUG


def _write(name: str, notice: Notice) -> None:
    match notice:
        case CommandDone():
            point = "" if notice.request is None else f" ({notice.request.point.label})"
            how = "" if notice.request is None else f" {notice.request.mode.value}"
            _log.info("outstation %s, master %d:%s g%d index %d%s: %s",
                      name, notice.master, how, notice.group, notice.index, point, notice.status.name)  # fmt: skip
        case TimeWritten():
            _log.info("outstation %s, master %d: its clock is %+d ms from ours", name, notice.master, notice.offset_ms)
        case RestartRequested():
            _log.warning("outstation %s, master %d: %s restart", name, notice.master, notice.kind.value)
        case RequestRefused():
            _log.info("outstation %s, master %d: function %d refused: %s",
                      name, notice.master, notice.function, notice.reason)  # fmt: skip
        case ConfirmTimedOut():
            _log.info("outstation %s, master %d: no confirm in time", name, notice.master)
        case LinkLost():
            _log.info("outstation %s: a peer does not answer the link status request", name)
        case _:
            _log.debug("outstation %s: %s", name, notice)
