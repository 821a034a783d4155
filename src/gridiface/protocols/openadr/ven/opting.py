"""EiOpt of a VEN: opts of some resources to an event, and opt schedules.

Owns the making of its payloads; the VTN's answers are read in session.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.opt import (
    Available,
    AvailableList,
    OadrCancelOpt,
    OadrCreateOpt,
    Vavailability,
)
from gridiface.protocols.openadr.ven.state import State


class OptDesk:
    """The opts of one VEN."""

    def __init__(self, state: State) -> None:
        self._state = state

    def opt_resources(
        self, qualified: QualifiedEventID, resources: Sequence[str], opt_type: str, now: float, reason: str
    ) -> str:
        """An opt of resources to one event: no vavailability, no market context (rule 206); returns the optID."""
        target = EiTarget(resourceID=list(resources))
        return self._create(opt_type, reason, target, now, qualified=qualified)

    def add_schedule(
        self,
        opt_type: str,
        spans: Sequence[tuple[float, int]],
        now: float,
        *,
        reason: str,
        resources: Sequence[str],
        market_context: str | None,
    ) -> str:
        """A schedule of (start, seconds), 0 = open, without tolerance and ramps (rule 200); returns the optID."""
        own = self._state.registration.venID or ""
        target = EiTarget(resourceID=list(resources)) if resources else EiTarget(venID=[own])
        made = [Available(properties=Properties(dtstart=start, duration=length)) for start, length in spans]
        calendar = Vavailability(components=AvailableList(available=made))
        return self._create(opt_type, reason, target, now, calendar=calendar, market_context=market_context)

    def cancel_schedule(self, opt_id: str) -> None:
        """Take a schedule back."""
        own = self._state.registration.venID or ""
        self._state.post("cancel_opt", OadrCancelOpt(requestID=self._state.new_id(), optID=opt_id, venID=own))

    def _create(
        self,
        opt_type: str,
        reason: str,
        target: EiTarget,
        now: float,
        *,
        qualified: QualifiedEventID | None = None,
        calendar: Vavailability | None = None,
        market_context: str | None = None,
    ) -> str:
        if not self._state.registered:
            raise RefusedControl("not registered")
        opt_id = self._state.new_id()
        payload = OadrCreateOpt(
            optID=opt_id,
            optType=opt_type,
            optReason=reason,
            marketContext=market_context,
            venID=self._state.registration.venID or "",
            vavailability=calendar,
            createdDateTime=now,
            requestID=self._state.new_id(),
            qualifiedEventID=qualified,
            eiTarget=target,
        )
        self._state.post("create_opt", payload)
        return opt_id
