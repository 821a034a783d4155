"""What our VTN's core notices, as lines of the log and as the last trouble of each VEN. Owns their words only."""

from __future__ import annotations

import logging

from gridiface.domain.clock import Instant
from gridiface.logfields import about
from gridiface.northbound.openadr.wire.clocks import words_of
from gridiface.protocols.openadr.vtn.notices import (
    CertificateDropped,
    EventAnswered,
    Notice,
    ReportReceived,
    ReportsPending,
    Undelivered,
    VenCancelled,
    VenRegistered,
    WishUnmet,
)

_log = logging.getLogger("gridiface.openadr")


class Troubles:
    """What a VEN refused or never answered last, in words, by venID; since the start."""

    def __init__(self) -> None:
        self._last: dict[str, str] = {}
        self._ahead: dict[str, str] = {}

    def of(self, ven_id: str) -> str:
        """The words, "" for none."""
        both = (self._ahead.get(ven_id, ""), self._last.get(ven_id, ""))
        return "; ".join(words for words in both if words)

    def note(self, notice: Notice, now: Instant) -> None:
        """Take a notice in."""
        if isinstance(notice, ReportReceived):
            self._look_at_clock(notice.venID, notice.created - now)
        match notice:
            case ReportsPending(refused=refused) if refused:
                self._last[notice.venID] = f"a report request: {refused}"
            case WishUnmet():
                self._last[notice.venID] = f"{notice.name} cannot be requested: {notice.reason}"
            case EventAnswered(cancelled=True, opt="optOut"):
                self._last[notice.venID] = f"cannot end event {notice.eventID}: {notice.description or notice.code}"
            case Undelivered():
                self._last[notice.venID] = f"never answered {notice.kind}"
            case VenCancelled() | VenRegistered(again=False) | CertificateDropped():
                self._last.pop(notice.venID, None)
                self._ahead.pop(notice.venID, None)

    def _look_at_clock(self, ven_id: str, ahead: float) -> None:
        """What was made later than now was made by a clock that is ahead; what is older may have waited."""
        words = words_of(max(0.0, ahead))
        if words and ven_id not in self._ahead:
            _log.warning("VEN %s: its clock is %s", ven_id, words)
        if words:
            self._ahead[ven_id] = f"its clock is {words}"
        else:
            self._ahead.pop(ven_id, None)


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
        case EventAnswered(cancelled=True, opt="optOut"):
            words = (notice.venID, notice.eventID, notice.code, notice.description)
            _log.warning("VEN %s cannot end event %s: %s %s", *words)
        case Undelivered():
            _log.warning("VEN %s never answered %s, sent %d times", notice.venID, notice.kind, notice.attempts)
        case WishUnmet():
            _log.warning("VEN %s: %s cannot be requested: %s", notice.venID, notice.name, notice.reason)
        case ReportsPending(refused=refused) if refused:
            _log.warning("VEN %s refused a report request: %s", notice.venID, refused)
        case _:
            _log.debug("%s", notice)
