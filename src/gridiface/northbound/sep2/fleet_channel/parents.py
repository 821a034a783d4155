"""What an inverter's answers to server-made controls mean for the controls that stand behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EventRecord
from gridiface.northbound.sep2.translate.answers import status_to_outcome
from gridiface.protocols.sep2.enums import EventStatusCode

#: A control this close to its end is over, s.
ENDS_ANYWAY_S = 1.0
_OVER = frozenset(
    {
        OutcomeKind.COMPLETED,
        OutcomeKind.CANCELLED,
        OutcomeKind.SUPERSEDED,
        OutcomeKind.PARTIAL,
        OutcomeKind.FAILED,
    }
)
_ENDED_KEPT = 10_000


class Parents:
    """Remembers how controls ended as a whole.

    Args:
        state: the controls that came in over IEEE 2030.5.
        running: the server-made control that a device follows now, None without one.
        ahead: those that it is to follow later.
    """

    def __init__(
        self,
        state: State,
        running: Callable[[str, Instant], EventRecord | None],
        ahead: Callable[[str, Instant], Iterable[EventRecord]] = lambda device_id, now: (),
    ) -> None:
        self._state = state
        self._running, self._ahead = running, ahead
        self._ended: dict[str, OutcomeKind] = {}
        #: Which devices have begun a control: what of it is published anew may come too late for them.
        self._began: dict[str, set[str]] = {}

    def note(self, outcome: Outcome) -> None:
        """How a control ended as a whole: answers that come afterwards are read in its light."""
        if outcome.device_id is None and outcome.kind in _OVER:
            self._ended[outcome.control_id] = outcome.kind
            while len(self._ended) > _ENDED_KEPT:
                del self._ended[next(iter(self._ended))]

    def outcomes(self, event: EventRecord, device_id: str, status: int, now: Instant) -> list[Outcome]:
        """What an inverter's answer to a server-made control means for the controls behind it.

        An end of the server-made control is an end of its parent only when the parent itself is over: while it
        runs, one published control just follows another. Neither is it refused where the device has begun it: what was
        published anew of it came too late (254), or was no more than before.
        """
        step = status_to_outcome(status)
        if step is None:
            return []
        kind, reason = step
        found = []
        for parent in event.parents:
            told = kind
            if kind is OutcomeKind.STARTED:
                self._begun(parent, device_id)
            elif kind is OutcomeKind.REFUSED and device_id in self._began.get(parent, ()):
                continue
            if kind in {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED}:
                ending = self._ending(parent, device_id, now)
                if ending is None:
                    continue
                told = ending
            found.append(Outcome(control_id=parent, kind=told, at=now, device_id=device_id, reason=reason))
        return found

    def _begun(self, parent: str, device_id: str) -> None:
        self._began.setdefault(parent, set()).add(device_id)
        while len(self._began) > _ENDED_KEPT:
            del self._began[next(iter(self._began))]

    def _ending(self, parent: str, device_id: str, now: Instant) -> OutcomeKind | None:
        """How a parent is over for a device; None while it runs."""
        known = self._state.by_control.get(parent)
        if known is not None:
            status = known.item.obj.eventStatus.currentStatus
            if status in {EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION}:
                return OutcomeKind.CANCELLED
            if status == EventStatusCode.SUPERSEDED:
                return OutcomeKind.SUPERSEDED
            if known.end <= now + ENDS_ANYWAY_S:
                return OutcomeKind.COMPLETED
        ended = self._ended.get(parent)
        if ended in {OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED}:
            return ended
        if ended is not None:
            return OutcomeKind.COMPLETED
        carrying = [self._running(device_id, now), *self._ahead(device_id, now)]
        if known is None and not any(record is not None and parent in record.parents for record in carrying):
            return OutcomeKind.COMPLETED
        return None
