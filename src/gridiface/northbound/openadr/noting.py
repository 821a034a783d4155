"""What our VTN's core notices, as lines of the log. Owns their words and levels only."""

from __future__ import annotations

import logging

from gridiface.logfields import about
from gridiface.protocols.openadr.vtn.notices import Notice, Undelivered, VenCancelled, VenRegistered

_log = logging.getLogger("gridiface.openadr")


def say(notice: Notice) -> None:
    """Write it down, with the VEN as a field of the line."""
    with about(venID=str(getattr(notice, "venID", ""))):
        _say_of(notice)


def _say_of(notice: Notice) -> None:
    match notice:
        case VenRegistered():
            _log.info("VEN %s %s", notice.venID, "registered again" if notice.again else "registered")
        case VenCancelled():
            _log.warning("VEN %s is not registered any more, by %s", notice.venID, notice.by)
        case Undelivered():
            _log.warning("VEN %s never answered %s, sent %d times", notice.venID, notice.kind, notice.attempts)
        case _:
            _log.debug("%s", notice)
