"""What a VEN says next: the steps after a start, answers, what waits in the outbox, and polls.

Owns the order of what is sent. Does not own when a step is due (registration.py), nor what is under way (session.py).
"""

from __future__ import annotations

import math

from gridiface.protocols.openadr.payloads import event
from gridiface.protocols.openadr.payloads.envelope import Payload
from gridiface.protocols.openadr.ven.registration import (
    CANCEL,
    POLL,
    Registrar,
)
from gridiface.protocols.openadr.ven.reporting import ReportDesk
from gridiface.protocols.openadr.ven.state import State, Waiting


class Outbound:
    """The sending half of one VEN."""

    def __init__(self, state: State, reports: ReportDesk, registrar: Registrar) -> None:
        self._state = state
        self._reports = reports
        self._registrar = registrar

    def next(self, now: float) -> tuple[str, Payload] | None:
        """Kind and payload of what goes to the VTN next; None: nothing does."""
        return self._step(now) if self._registrar.link.steps else self._of_both(now)

    def done(self, kind: str, payload: Payload) -> None:
        """What `next` gave need not be sent again."""
        steps = self._registrar.link.steps
        if steps and kind == steps[0]:
            if kind != POLL:
                steps.pop(0)
            return
        for key, item in self._state.outbox.items():
            if item.payload is payload:
                self._state.drop("outbox", key)
                return

    def _step(self, now: float) -> tuple[str, Payload] | None:
        step = self._registrar.link.steps[0]
        # An answer that is due goes first, whatever the steps are.
        waiting = self._first_waiting(now) if self._state.registered else None
        if waiting and waiting.urgent:
            return waiting.kind, waiting.payload
        own = self._state.registration
        match step:
            case "query":
                return step, self._registrar.query()
            case "create":
                return step, self._registrar.create()
            case "register_report":
                self._reports.registering()
                return step, self._reports.register_report(now)
            case "request_event":
                body = event.EiRequestEvent(requestID=self._state.new_id(), venID=own.venID or "")
                return step, event.OadrRequestEvent(eiRequestEvent=body)
            case _:
                return POLL, event.OadrPoll(venID=own.venID or "")

    def _of_both(self, now: float) -> tuple[str, Payload] | None:
        """Answers first; then what waits and polls in turns, or a VTN that is slow at reports could tell no event."""
        waiting, poll = self._first_waiting(now), self._poll(now)
        if waiting is None:
            return None if self._ending else poll
        if poll and self._registrar.polls_before(now) and not (waiting.urgent or self._ending):
            return poll
        return waiting.kind, waiting.payload

    @property
    def _ending(self) -> bool:
        """A poll after the end of the registration, whose answer may have been lost, would hear that nobody is here."""
        return any(item.kind == CANCEL for item in self._state.outbox.values())

    def next_due(self) -> float:
        """When the first of what waits may be sent; infinity where nothing waits, minus infinity: at any time."""
        kinds = {item.kind for item in self._state.outbox.values()}
        return min(map(self._registrar.free_at, kinds), default=math.inf)

    def _first_waiting(self, now: float) -> Waiting | None:
        items = [item for item in self._state.outbox.values() if self._registrar.free_at(item.kind) <= now]
        return next((item for item in items if item.urgent), None) or next(iter(items), None)

    def _poll(self, now: float) -> tuple[str, Payload] | None:
        link = self._registrar.link
        if not self._registrar.polls or not self._state.registered or now < link.next_poll:
            return None
        return POLL, event.OadrPoll(venID=self._state.registration.venID or "")
