"""EiOpt of a VEN: opts of some resources to an event, and opt schedules.

Owns the making of its payloads; the VTN's answers are read in session.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.market import same_context
from gridiface.protocols.openadr.payloads.common import EiTarget, Properties, QualifiedEventID
from gridiface.protocols.openadr.payloads.opt import (
    Available,
    AvailableList,
    OadrCancelOpt,
    OadrCreateOpt,
    Vavailability,
)
from gridiface.protocols.openadr.ven.state import OptSchedule, State


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
        calendar: str = "",
    ) -> str:
        """A schedule of (start, seconds), 0 = open, without tolerance and ramps (rule 200); returns the optID.

        It is kept until it is over or taken back, and told again to a VTN that we register with anew. As at the VTN
        (rule 203) it replaces those of its type and market context: all, or those of its resources.

        Raises:
            RefusedControl: there is no span, or one has a negative duration.
        """
        made = OptSchedule(
            optID=self._state.new_id(),
            opt=opt_type,
            reason=reason,
            spans=[[start, length] for start, length in spans],
            resources=list(resources),
            market_context=market_context,
            calendar=calendar,
        )
        if not spans or any(length < 0 for _, length in spans):
            raise RefusedControl("a schedule has a span at least, and no negative durations")
        self._replace(made)
        self._state.put("schedule", made.optID, made)
        if self._state.registered:
            self._tell(made, now)
        return made.optID

    def cancel_schedule(self, opt_id: str) -> None:
        """Take a schedule back.

        Raises:
            RefusedControl: there is no such schedule.
        """
        if opt_id not in self._state.schedules:
            raise RefusedControl(f"there is no opt schedule {opt_id}")
        self._state.drop("schedule", opt_id)
        if self._state.registered:
            own = self._state.registration.venID or ""
            self._state.post("cancel_opt", OadrCancelOpt(requestID=self._state.new_id(), optID=opt_id, venID=own))

    def registered_anew(self, now: float) -> None:
        """The VTN knows nothing of us: tell it the schedules that are not over."""
        for made in list(self._state.schedules.values()):
            if made.end > now:
                self._tell(made, now)

    def tick(self, now: float) -> None:
        """Forget what is over."""
        for made in [made for made in self._state.schedules.values() if made.end <= now]:
            self._state.drop("schedule", made.optID)

    def next_end(self) -> float:
        """When `tick` has something to do; infinity when never."""
        return min((made.end for made in self._state.schedules.values()), default=math.inf)

    def _replace(self, made: OptSchedule) -> None:
        for old in list(self._state.schedules.values()):
            if old.opt != made.opt or not same_context(old.market_context, made.market_context):
                continue
            if made.resources and not old.resources:
                continue  # It holds for the other resources still.
            old.resources = [name for name in old.resources if name not in made.resources] if made.resources else []
            if old.resources:
                self._state.put("schedule", old.optID, old)
            else:
                self._state.drop("schedule", old.optID)

    def _tell(self, made: OptSchedule, now: float) -> None:
        own = self._state.registration.venID or ""
        target = EiTarget(resourceID=list(made.resources)) if made.resources else EiTarget(venID=[own])
        spans = [Available(properties=Properties(dtstart=start, duration=int(length))) for start, length in made.spans]
        calendar = Vavailability(components=AvailableList(available=spans))
        self._create(
            made.opt,
            made.reason,
            target,
            now,
            opt_id=made.optID,
            calendar=calendar,
            market_context=made.market_context,
        )

    def _create(
        self,
        opt_type: str,
        reason: str,
        target: EiTarget,
        now: float,
        *,
        opt_id: str = "",
        qualified: QualifiedEventID | None = None,
        calendar: Vavailability | None = None,
        market_context: str | None = None,
    ) -> str:
        if not self._state.registered:
            raise RefusedControl("not registered")
        opt_id = opt_id or self._state.new_id()
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
