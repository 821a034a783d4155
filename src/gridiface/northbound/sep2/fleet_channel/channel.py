"""The way to members of the fleet that are 2030.5 inverters: a set-point becomes a control in their own program.

Implements domain.channels.DeviceChannel. A published control lasts as long as the set-point is valid; a newer one
supersedes it by its creation time; a release cancels it, and the default control of the program rules. What the
utility posts in that program stands above it (own_controls.py): the published control leaves those modes out, ends
before they begin, and comes back when they are over. What the inverter answers to these controls is told for the
controls that stand behind them (parents.py).
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import ENTER_SERVICE_MODES, Agenda, Delivery, DeliveryOutcome, Setpoint
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2.fleet_channel.derived_controls import DerivedControls
from gridiface.northbound.sep2.fleet_channel.own_controls import (
    derived_modes,
    families,
    first_conflict,
    next_edge,
    taken,
    without,
)
from gridiface.northbound.sep2.fleet_channel.parents import ENDS_ANYWAY_S, Parents
from gridiface.northbound.sep2.fleet_channel.planned import Planned
from gridiface.northbound.sep2.members.membership import OWN_DRIVERS
from gridiface.northbound.sep2.programs.curves import Curves, place_curve
from gridiface.northbound.sep2.programs.derived_defaults import DefaultChange
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.served.event_clock import cancelled, event_document, stands
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.protocols.sep2.events import modes_of
from gridiface.protocols.sep2.resources import DERCurve

#: Set-points that are planned, or shown, in one turn of the loop.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class _Plan:
    """One set-point on its way: what is stored, and what is shown when it is."""

    setpoint: Setpoint
    program: Program
    event: EventRecord | None = None
    cancelled: EventRecord | None = None
    changes: tuple[Change, ...] = ()
    curves: tuple[DERCurve, ...] = ()
    default: DefaultChange | None = None


class FleetChannel:
    """Publishes set-points as DERControls.

    Args:
        services: state, ports, settings.
        programs: how a control is made and shown.
        curves: where curves are served.
        clock: the shell's clock; `apply` has no time of its own.
    """

    def __init__(self, services: Services, programs: Programs, curves: Curves, clock: Clock) -> None:
        self._s = services
        self._programs = programs
        self._derived = DerivedControls(services, programs, curves)
        self._defaults = programs.defaults.derived
        self._clock = clock
        self._current: dict[str, EventRecord] = {}
        self._issued_at: dict[str, Instant] = {}
        self._held: dict[str, Setpoint] = {}
        self._wanted: dict[str, Setpoint] = {}
        self._edges: dict[str, Instant] = {}
        self.planned = Planned(services, programs, self._derived, self.serves)
        self.parents = Parents(services.state, self._running, self.planned.ahead)
        programs.on_posted = programs.on_came = self.posted

    # --- DeviceChannel ----------------------------------------------------------------------------------------------

    def serves(self, device_id: str) -> bool:
        """Whether the device, or its aggregator, fetches its controls here."""
        record = self._s.state.by_device.get(device_id)
        if record is None or not record.speaks or record.lfdi in self._s.state.disabled:
            return False
        device = self._s.fleet.device(device_id)
        return device is None or device.driver in OWN_DRIVERS

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> Sequence[Delivery]:
        """Publish the set-points, all in one transaction, and say so; the devices' answers come later."""
        async with self._s.locks.hold("fleet channel"):  # what one call shows, the next one plans with
            return await self._apply(setpoints, self._clock.now())

    async def plan(self, agendas: Sequence[Agenda]) -> Sequence[str]:
        """As `PlanChannel.plan`: scheduled controls in the inverters' own programs."""
        async with self._s.locks.hold("fleet channel"):
            return await self.planned.replace(agendas, self._clock.now())

    async def _apply(self, setpoints: Sequence[Setpoint], now: Instant) -> Sequence[Delivery]:
        answers: list[Delivery] = []
        plans: list[_Plan] = []
        for count, setpoint in enumerate(setpoints, 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)  # polls of thousands of inverters do not wait for all of their set-points
            outcome = self._plan_or_reject(setpoint, now)
            if isinstance(outcome, _Plan):
                plans.append(outcome)
                answers.append(_delivery(setpoint, DeliveryOutcome.PUBLISHED, now))
            else:
                answers.append(outcome)
        if not plans:
            return answers
        before = dict(self._issued_at)
        for plan in plans:
            if plan.event is not None or plan.cancelled is not None:
                self._issued_at[plan.setpoint.device_id] = now
        try:
            await self._s.ledger.commit([change for plan in plans for change in plan.changes])
        except StoreUnavailable as problem:
            self._issued_at = before
            failed = {plan.setpoint.device_id for plan in plans}
            return [
                replace(a, outcome=DeliveryOutcome.REJECTED, detail=str(problem)) if a.device_id in failed else a
                for a in answers
            ]
        for count, plan in enumerate(plans, 1):
            if count % _AT_ONCE == 0:
                await asyncio.sleep(0)
            self._show(plan, now)
        return answers

    def next_timer(self, now: Instant) -> Instant | None:
        """When a set-point that was held back may go out, or a posted control of its program begins or ends."""
        held = (self._due(device_id) for device_id in self._held)
        return min((*held, *self._edges.values()), default=None)

    def due(self, now: Instant) -> list[Setpoint]:
        """The set-points that may go out, or are to be looked at again, now; they are not named twice."""
        ready = [device_id for device_id in self._held if self._due(device_id) <= now]
        again = [device_id for device_id, edge in self._edges.items() if edge <= now]
        for device_id in again:
            del self._edges[device_id]
        return [
            *(self._held.pop(device_id) for device_id in ready),
            *(self._wanted[device_id] for device_id in again if device_id not in ready and device_id in self._wanted),
        ]

    async def posted(self, program: Program, now: Instant, devices: Sequence[str] = ()) -> None:
        """A control was posted to, or cancelled in, a program: what was derived may have to give way.

        Args:
            program: the program.
            now: s since 1970.
            devices: those below a node that it concerns; none: all.
        """
        if not program.fetched:
            return
        devices = devices or (sorted(program.members) if program.node else [program.target.id])
        again = {d: setpoint for d in devices if (setpoint := self._to_look_at(d, now)) is not None}
        if not again:
            return
        for device_id in again:
            self._issued_at.pop(device_id, None)
        deliveries = await self.apply(list(again.values()), deadline=now)
        for delivery in deliveries:
            if delivery.outcome is DeliveryOutcome.REJECTED and delivery.device_id in self._wanted:
                self._held[delivery.device_id] = again[delivery.device_id]

    def _to_look_at(self, device_id: str, now: Instant) -> Setpoint | None:
        setpoint = self._held.get(device_id) or self._wanted.get(device_id)
        if setpoint is None and self._conflicts(device_id, now):  # published before a restart
            return Setpoint(device_id=device_id, issued=now, release=True)
        return setpoint

    def _conflicts(self, device_id: str, now: Instant) -> bool:
        running = self._running(device_id, now)
        if running is None:
            return False
        fetches = self._s.state.programs_of_device(device_id)
        modes = families(modes_of(running.item.obj.derControlBase))
        return bool(modes & taken(fetches, now)) or first_conflict(fetches, modes, now) is not None

    def _due(self, device_id: str) -> Instant:
        return self._issued_at.get(device_id, 0.0) + self._s.settings.channel.min_period_s

    # --- planning ---------------------------------------------------------------------------------------------------

    def _plan_or_reject(self, setpoint: Setpoint, now: Instant) -> _Plan | Delivery:
        """A set-point that has no form on the wire (not finite, a curve that is none) fails alone."""
        try:
            return self._with_default(setpoint, self._plan(setpoint, now))
        except (ValueError, TypeError, LocalProtocolError) as problem:
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, str(problem))

    def _with_default(self, setpoint: Setpoint, outcome: _Plan | Delivery) -> _Plan | Delivery:
        """With what the set-point says of entering service: of that the inverter is told in its default control."""
        device_id = setpoint.device_id
        program = self._s.state.program_of_device(device_id)
        if program is None or (isinstance(outcome, Delivery) and outcome.outcome is DeliveryOutcome.REJECTED):
            return outcome
        change = self._defaults.plan(setpoint, program, self._s.state.programs_of_device(device_id))
        if change is None:
            return outcome
        plan = outcome if isinstance(outcome, _Plan) else _Plan(setpoint, program)
        return replace(plan, changes=(*plan.changes, *change.changes), default=change)

    def _plan(self, setpoint: Setpoint, now: Instant) -> _Plan | Delivery:
        device_id = setpoint.device_id
        program = self._s.state.program_of_device(device_id)
        if program is None or not self.serves(device_id):
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, "the device has no program here")
        self._held.pop(device_id, None)
        running = self._running(device_id, now)
        fetches = self._s.state.programs_of_device(device_id)
        self._remember(setpoint, fetches, now)
        parents = self._derived.parents(setpoint, program, fetches)
        fetched = bool(setpoint.control_ids) and not parents
        if setpoint.release or fetched:
            return self._plan_end(setpoint, program, running, now)
        owned = taken(fetches, now)
        curves: list[DERCurve] = []
        changes: list[Change] = []
        left = without(setpoint, owned)
        base = self._derived.base_of(program, left, owned, curves, changes)
        if base is None:
            enters = not ENTER_SERVICE_MODES.isdisjoint(setpoint.passed)  # told in its default control
            if owned or setpoint.let_go or enters:  # what it was told is over, and nothing is left that it can be told
                return self._plan_end(setpoint, program, running, now)
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, "the inverter supports none of the modes")
        until = self._until(left, fetches, derived_modes(base, left), now)
        if running is not None and self._derived.unchanged(setpoint, running, base, parents, until):
            return _delivery(setpoint, DeliveryOutcome.UNCHANGED, now)
        if now < self._due(device_id):
            self._held[device_id] = setpoint
            return _delivery(setpoint, DeliveryOutcome.PUBLISHED, now, "held back for the shortest period")
        record, more = self._derived.make(program, base, parents, (int(now), until), now)
        return self._replacing(running, _Plan(setpoint, program, record, None, (*changes, *more), tuple(curves)), now)

    def _remember(self, setpoint: Setpoint, fetches: Sequence[Program], now: Instant) -> None:
        """What the device is to hold, to come back to it when what is posted in its program begins or ends."""
        device_id = setpoint.device_id
        self._edges.pop(device_id, None)
        if setpoint.release or (setpoint.valid_until is not None and setpoint.valid_until <= now):
            self._wanted.pop(device_id, None)
            return
        self._wanted[device_id] = setpoint
        edges = [next_edge(fetches, now), self._next_planned(device_id, now)]
        if (edge := min((one for one in edges if one is not None), default=None)) is not None:
            self._edges[device_id] = float(edge)

    def _until(self, setpoint: Setpoint, fetches: Sequence[Program], modes: frozenset[str], now: Instant) -> int:
        """End of a derived control: that of the set-point, or the start of a posted control that asks the same."""
        end = setpoint.valid_until
        if end is None:
            end = now + self._s.settings.channel.min_duration_s
        others = [first_conflict(fetches, modes, now), self._next_planned(setpoint.device_id, now)]
        return max(int(now) + 1, min([math.ceil(end), *(one for one in others if one is not None)]))

    def _next_planned(self, device_id: str, now: Instant) -> int | None:
        """When what was planned for the device begins next: what it is told now ends then."""
        ahead = self.planned.ahead(device_id, now)
        return int(ahead[0].item.obj.interval.start) if ahead else None

    @staticmethod
    def _replacing(running: EventRecord | None, plan: _Plan, now: Instant) -> _Plan:
        """The plan; what ran is cancelled with it where the new control does not supersede all of it."""
        if running is None or plan.event is None:
            return plan
        before, after = (modes_of(record.item.obj.derControlBase) for record in (running, plan.event))
        if before <= after:
            return plan
        ended = cancelled(running, now)
        return replace(plan, cancelled=ended, changes=(*plan.changes, event_document(ended)))

    def _plan_end(
        self, setpoint: Setpoint, program: Program, running: EventRecord | None, now: Instant
    ) -> _Plan | Delivery:
        if running is None or running.end <= now + ENDS_ANYWAY_S:
            outcome = DeliveryOutcome.UNCHANGED if setpoint.release else DeliveryOutcome.PUBLISHED
            return _delivery(setpoint, outcome, now, "" if setpoint.release else "the device fetches it by itself")
        ended = cancelled(running, now)
        return _Plan(setpoint, program, None, ended, (event_document(ended),))

    def _running(self, device_id: str, now: Instant) -> EventRecord | None:
        """The server's own control that the inverter follows."""
        begun = self.planned.begun(device_id, now)
        if begun is not None:
            self._current[device_id] = begun
        record = self._current.get(device_id)
        if record is None or not stands(record) or record.end <= now:
            return None
        return record

    def _show(self, plan: _Plan, now: Instant) -> None:
        device_id = plan.setpoint.device_id
        if plan.default is not None:
            self._defaults.show(plan.default)
        for curve in plan.curves:
            place_curve(self._s, plan.program, curve.href or "", curve)
        if plan.cancelled is not None:
            self._current.pop(device_id, None)
            shown = self._s.state.events.get(plan.cancelled.item.obj.mRID)
            if shown is not None:
                self._s.tree.set(shown.item, plan.cancelled.item.obj)
        if plan.event is not None:
            self._current[device_id] = plan.event
            self._programs.publish(plan.event, now)
        else:
            self._s.events.refresh(plan.program, now)

    def resume(self, now: Instant) -> None:
        """After a restart: find the controls that inverters follow."""
        for record in self._s.state.events.values():
            if record.owner or not stands(record):
                continue
            program = self._s.state.programs[record.program]
            if record.server_made and record.item.obj.interval.start > now:
                self.planned.take(record, program.target.id)
            elif record.server_made and record.end > now:
                best = self._current.get(program.target.id)
                if best is None or best.item.obj.creationTime <= record.item.obj.creationTime:
                    self._current[program.target.id] = record


def _delivery(setpoint: Setpoint, outcome: DeliveryOutcome, now: Instant, detail: str = "") -> Delivery:
    return Delivery(device_id=setpoint.device_id, outcome=outcome, at=now, setpoint=setpoint, detail=detail)
