"""Unsolicited reporting of one association: when to report, retries, the offline interval.

Owns the null report at start, the sequence of unsolicited responses, the triggers per class and the confirm
timer (IEEE 1815 clauses 4.4.2 and 5.1.1.1). What a fragment holds is response.py; the collision with requests is
association.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridiface.protocols.dnp3.application import CON, FIN, FIR, IIN, UNS, FunctionCode, response_octets
from gridiface.protocols.dnp3.outstation.handler import ConfirmTimedOut
from gridiface.protocols.dnp3.outstation.response import EventPart, EventSource, Series
from gridiface.protocols.dnp3.outstation.settings import Trigger, UnsolicitedSettings
from gridiface.protocols.dnp3.outstation.state import AssociationState

_HEADER_OCTETS = 4


@dataclass(slots=True)
class _Report:
    """A report that waits for its confirm."""

    octets: bytes
    sequence: int
    keys: list[int]
    deadline: float
    attempts: int = 1
    null: bool = False
    more: bool = False


class Reporter:
    """Sends unsolicited responses through `send(octets, now)`; the owner calls `pump` whenever something may be due.

    `indications(now)` are what a response that goes out now tells of the outstation.
    """

    def __init__(
        self,
        state: AssociationState,
        settings: UnsolicitedSettings,
        send: Callable[[bytes, float], None],
        indications: Callable[[float], int],
    ) -> None:
        self._state = state
        self._settings = settings
        self._send = send
        self._indications = indications
        self._sequence = 0
        self._report: _Report | None = None
        self._cancelled: _Report | None = None
        self._null_due = True
        self._drain = False
        self._resume_at = 0.0
        self._backed_off = False

    @property
    def waiting(self) -> bool:
        """True while a confirm is awaited."""
        return self._report is not None

    @property
    def tells_broadcast(self) -> bool:
        """Whether the report that waits for its confirm tells of a broadcast (IIN1.0)."""
        return self._report is not None and bool(self._report.octets[2] & IIN.BROADCAST)

    def pump(self, now: float) -> None:
        """Sends a report when one is due and none waits for its confirm."""
        if self._report is not None or now < self._resume_at:
            return
        if not (self._null_due or self._drain or self._triggered(now)):
            self._backed_off = False
        elif self._settings.backoff and not self._backed_off:
            # others may report at this moment too: wait a random time, then look again
            self._backed_off = True
            self._resume_at = now + self._settings.backoff * self._settings.jitter()
        else:
            self._backed_off = False
            self._transmit([] if self._null_due else sorted(self._state.enabled), now)

    def confirm(self, sequence: int, now: float) -> bool:
        """Takes a confirm with UNS = 1; False when it belongs to no report that waits."""
        late = self._cancelled
        if late is not None and late.sequence == sequence and (late.null or now < late.deadline):
            self._cancelled = None
            if not late.null:
                # the master has them: told again they would be there twice
                self._state.buffer.confirm(late.keys)
                return True
            self._null_due = False
            if self._report is not None and self._report.null:
                self._report = None
            return True
        report = self._report
        if report is None or report.sequence != sequence:
            return False
        self._report = self._cancelled = None
        if report.null:
            self._null_due = False
        self._state.buffer.confirm(report.keys)
        self._drain = report.more
        for number in self._state.enabled:
            self._state.first_waiting[number] = now
        return True

    def cancel(self, now: float) -> None:
        """Ends the wait for a confirm (DISABLE_UNSOLICITED): events go back, a null report is retried later.

        A confirm that crossed it on the way still counts, for as long as it was waited for: a master disables as soon
        as it connects, which is when events of the time without it are reported.
        """
        report = self._report
        if report is None:
            return
        self._report = None
        self._state.buffer.release(report.keys)
        self._drain = False
        self._cancelled = report
        if report.null:
            self._resume_at = report.deadline

    def interrupt(self) -> None:
        """The connection is gone: events go back, and the next one starts afresh."""
        if self._report is not None:
            self._state.buffer.release(self._report.keys)
        self._report = self._cancelled = None
        self._drain = self._backed_off = False
        self._resume_at = 0.0

    def restart(self) -> None:
        """The device restarted: a null report comes first again."""
        self.interrupt()
        self._null_due = True

    def resume(self) -> None:
        """The master was heard: an offline interval ends."""
        if (self._cancelled is None or not self._cancelled.null) and not self._backed_off:
            self._resume_at = 0.0

    def next_timer(self) -> float | None:
        """When `handle_timer` is due next; None when nothing is pending."""
        if self._report is not None:
            return self._report.deadline
        due = [self._resume_at] if self._null_due else []
        for number in self._state.enabled:
            waiting, trigger = self._state.buffer.waiting(number), self._trigger(number)
            if waiting >= trigger.count and waiting:
                due.append(self._resume_at)
            elif waiting and trigger.hold_time:
                due.append(max(self._resume_at, self._since(number) + trigger.hold_time))
        return min(due, default=None)

    def _since(self, number: int) -> float:
        """When the oldest event of a class began to wait."""
        return self._state.first_waiting.get(number, 0.0)

    def handle_timer(self, now: float, *, read_waits: bool = False) -> bool:
        """Retries or gives up a report whose confirm is overdue; True when the wait ended without one.

        `read_waits`: a READ was put off for the report. It is answered in its place, with the events that the report
        held (test procedure 8.11.2.5); what is to be reported then begins anew.
        """
        report = self._report
        if report is None or now < report.deadline:
            return False
        retries = self._settings.retries
        if retries is not None and report.attempts > retries:
            self._give_up(report, now)
            return True
        if read_waits:
            self._give_up(report, now, offline=False)
            return True
        if report.null and self._outdated(report, now):
            # what it told is no longer so (8.11.2.1); a confirm of what came before is one of this, too
            self._report = None
            self._transmit([], now, attempts=report.attempts + 1)
            self._cancelled = report
            return True
        if self._settings.regenerate and not report.null:
            self._report = None
            self._state.buffer.release(report.keys)
            self._transmit(sorted(self._state.enabled), now, attempts=report.attempts + 1)
            return True
        report.attempts += 1
        report.deadline = now + self._settings.confirm_timeout
        self._send(report.octets, now)
        return True

    def _outdated(self, report: _Report, now: float) -> bool:
        """Whether the indications changed since a report was made, but for a broadcast that it told of."""
        told = int.from_bytes(report.octets[2:4], "little")
        return bool((self._state.indications(now) ^ told) & ~IIN.BROADCAST)

    def _give_up(self, report: _Report, now: float, *, offline: bool = True) -> None:
        self._report = None
        self._state.buffer.release(report.keys)
        self._drain = False
        self._resume_at = now + self._settings.offline_interval if offline else now
        self._state.station.tell(ConfirmTimedOut(self._state.master, unsolicited=True))

    def _trigger(self, number: int) -> Trigger:
        return self._settings.triggers.get(number) or Trigger()

    def _triggered(self, now: float) -> bool:
        """Whether an enabled class has enough events, or one that is old enough."""
        for number in self._state.enabled:
            waiting = self._state.buffer.waiting(number)
            trigger = self._trigger(number)
            # a class with a count and no hold time waits for the count alone
            late = trigger.hold_time and now >= self._since(number) + trigger.hold_time
            if waiting and (waiting >= trigger.count or late):
                return True
        return False

    def _transmit(self, classes: list[int], now: float, attempts: int = 1) -> None:
        """Sends a report of some classes; of none for the null report."""
        state = self._state
        capacity = state.settings.max_tx_fragment - _HEADER_OCTETS
        # an event takes two octets at least: the fragment is full before this list is used up
        source = EventSource(state.buffer, capacity // 2)
        series = Series([EventPart(source, tuple(classes))] if classes else [])
        fragment = series.next_fragment(capacity)
        self._drain = False
        if classes and not fragment.keys:
            return
        sequence = self._sequence
        self._sequence = (sequence + 1) & 0x0F
        octets = response_octets(
            FIR | FIN | CON | UNS | sequence,
            FunctionCode.UNSOLICITED_RESPONSE,
            self._indications(now),
            bytes(fragment.data),
        )
        deadline = now + self._settings.confirm_timeout
        self._cancelled = None
        self._report = _Report(
            octets, sequence, fragment.keys, deadline, attempts, null=not classes, more=not series.done
        )
        self._send(octets, now)
