"""The way to members of the fleet that are 2030.5 inverters: a set-point becomes a control in their own program.

Implements domain.ports.DeviceChannel. A published control lasts as long as the set-point is valid; a newer one
supersedes it by its creation time; a release cancels it, and the default control of the program rules. What the
inverter answers to these controls is told for the controls that stand behind them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Delivery, DeliveryOutcome, Outcome, OutcomeKind, Setpoint
from gridiface.domain.ports import Change
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2 import identities
from gridiface.northbound.sep2.event_clock import FINAL, event_document
from gridiface.northbound.sep2.handlers.curves import Curves, place_curve
from gridiface.northbound.sep2.handlers.programs import Programs
from gridiface.northbound.sep2.handlers.services import Services
from gridiface.northbound.sep2.membership import OWN_DRIVERS
from gridiface.northbound.sep2.state import EventRecord, Program
from gridiface.northbound.sep2.translate.answers import status_to_outcome
from gridiface.northbound.sep2.translate.setpoints import (
    InverterModes,
    base_power_w,
    modes_of_inverter,
    setpoint_to_base,
)
from gridiface.protocols.sep2.enums import EventStatusCode, ResponseRequired
from gridiface.protocols.sep2.resources import (
    CurveData,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    DERCurve,
    EventStatus,
)

#: Asked of an inverter where the control behind a set-point did not come over IEEE 2030.5.
_LIFE_CYCLE = int(ResponseRequired.RECEIVED | ResponseRequired.SPECIFIC)
#: A release this close to the end of a control lets it end by itself, s.
_ENDS_ANYWAY_S = 1.0


@dataclass(frozen=True, slots=True)
class _Plan:
    """One set-point on its way: what is stored, and what is shown when it is."""

    setpoint: Setpoint
    program: Program
    event: EventRecord | None = None
    cancelled: EventRecord | None = None
    changes: tuple[Change, ...] = ()
    curves: tuple[DERCurve, ...] = ()


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
        self._curves = curves
        self._clock = clock
        self._current: dict[str, EventRecord] = {}
        self._issued_at: dict[str, Instant] = {}
        self._held: dict[str, Setpoint] = {}
        self._ended: dict[str, OutcomeKind] = {}

    # --- DeviceChannel ----------------------------------------------------------------------------------------------

    def serves(self, device_id: str) -> bool:
        """Whether the device, or its aggregator, fetches its controls here."""
        record = self._s.state.by_device.get(device_id)
        if record is None or not record.speaks:
            return False
        device = self._s.fleet.device(device_id)
        return device is None or device.driver in OWN_DRIVERS

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> Sequence[Delivery]:
        """Publish the set-points, all in one transaction, and say so; the devices' answers come later."""
        now = self._clock.now()
        answers: list[Delivery] = []
        plans: list[_Plan] = []
        for setpoint in setpoints:
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
        for plan in plans:
            self._show(plan, now)
        return answers

    def next_timer(self, now: Instant) -> Instant | None:
        """When a set-point that was held back may go out."""
        return min((self._due(device_id) for device_id in self._held), default=None)

    def due(self, now: Instant) -> list[Setpoint]:
        """The set-points that were held back and may go out now; they are no longer held."""
        ready = [device_id for device_id in self._held if self._due(device_id) <= now]
        return [self._held.pop(device_id) for device_id in ready]

    def _due(self, device_id: str) -> Instant:
        return self._issued_at.get(device_id, 0.0) + self._s.settings.channel.min_period_s

    # --- planning ---------------------------------------------------------------------------------------------------

    def _plan_or_reject(self, setpoint: Setpoint, now: Instant) -> _Plan | Delivery:
        """A set-point that has no form on the wire (not finite, a curve that is none) fails alone."""
        try:
            return self._plan(setpoint, now)
        except (ValueError, TypeError, LocalProtocolError) as problem:
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, str(problem))

    def _plan(self, setpoint: Setpoint, now: Instant) -> _Plan | Delivery:
        device_id = setpoint.device_id
        program = self._s.state.program_of_device(device_id)
        if program is None or not self.serves(device_id):
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, "the device has no program here")
        self._held.pop(device_id, None)
        running = self._running(device_id, now)
        if setpoint.release or self._fetched_already(setpoint, program):
            return self._plan_end(setpoint, program, running, now)
        inverter = self.inverter(device_id)
        curves: list[DERCurve] = []
        changes: list[Change] = []
        base = setpoint_to_base(setpoint, inverter, lambda _, p: self._curve(program, p, curves, changes))
        if base == DERControlBase(rampTms=base.rampTms):
            return _delivery(setpoint, DeliveryOutcome.REJECTED, now, "the inverter supports none of the modes")
        if running is not None and self._unchanged(running, base, setpoint, inverter):
            return _delivery(setpoint, DeliveryOutcome.UNCHANGED, now)
        if now < self._due(device_id):
            self._held[device_id] = setpoint
            return _delivery(setpoint, DeliveryOutcome.PUBLISHED, now, "held back for the shortest period")
        record, more = self._make(setpoint, program, base, now)
        return _Plan(setpoint, program, record, None, (*changes, *more), tuple(curves))

    def _plan_end(
        self, setpoint: Setpoint, program: Program, running: EventRecord | None, now: Instant
    ) -> _Plan | Delivery:
        if running is None or _end(running) <= now + _ENDS_ANYWAY_S:
            outcome = DeliveryOutcome.UNCHANGED if setpoint.release else DeliveryOutcome.PUBLISHED
            return _delivery(setpoint, outcome, now, "" if setpoint.release else "the device fetches it by itself")
        cancelled = _cancelled(running, now)
        return _Plan(setpoint, program, None, cancelled, (event_document(cancelled),))

    def _running(self, device_id: str, now: Instant) -> EventRecord | None:
        """The server's own control that the inverter follows."""
        record = self._current.get(device_id)
        if record is None or record.item.obj.eventStatus.currentStatus in FINAL or _end(record) <= now:
            return None
        return record

    def _fetched_already(self, setpoint: Setpoint, program: Program) -> bool:
        """Whether the set-point only repeats what is in the device's own program as it is."""
        base = self._own_base(setpoint.control_ids, program)
        if base is None:
            return False
        inverter = self.inverter(setpoint.device_id)
        band = self._dead_band(inverter)
        if setpoint.active_power_w is not None:
            wanted = base_power_w(base, inverter)
            return wanted is not None and abs(wanted - setpoint.active_power_w) <= band
        if setpoint.ceiling_w is not None:
            ceiling = None if base.opModMaxLimW is None else base.opModMaxLimW / 10_000 * inverter.max_w
            return ceiling is not None and abs(ceiling - setpoint.ceiling_w) <= band
        return True

    def _own_base(self, control_ids: tuple[str, ...], program: Program) -> DERControlBase | None:
        """What the one control behind a set-point says, where it is a control or the default of this program."""
        if len(control_ids) != 1:
            return None
        if control_ids[0] == program.default_control:
            item = self._s.tree.item(f"{program.path}/dderc")
            return item.obj.derControlBase if item is not None and item.obj is not None else None
        events = self._s.state.parents_in(control_ids)
        return events[0].item.obj.derControlBase if events and events[0].program == program.number else None

    def _unchanged(
        self, running: EventRecord, base: DERControlBase, setpoint: Setpoint, inverter: InverterModes
    ) -> bool:
        """Whether the inverter may go on with the control it has."""
        event = running.item.obj
        if running.parents != setpoint.control_ids:
            return False
        if setpoint.valid_until is not None and _end(running) < setpoint.valid_until - _ENDS_ANYWAY_S:
            return False
        old, new = base_power_w(event.derControlBase, inverter), base_power_w(base, inverter)
        if old is not None and new is not None:
            same_rest = _without_power(event.derControlBase) == _without_power(base)
            return same_rest and abs(old - new) <= self._dead_band(inverter)
        return bool(event.derControlBase == base)

    def _dead_band(self, inverter: InverterModes) -> float:
        channel = self._s.settings.channel
        return max(channel.dead_band_w, channel.dead_band_rel * inverter.max_w)

    def inverter(self, device_id: str) -> InverterModes:
        """What the inverter said that it can be told."""
        record = self._s.state.by_device[device_id]
        return modes_of_inverter(self._s.stated(record, "dercap"), self._s.stated(record, "derg"))

    def _curve(self, program: Program, payload: Any, curves: list[DERCurve], changes: list[Change]) -> str:
        """The place of a curve in the inverter's program: the one that is there, or a new one."""
        settings = self._s.settings
        mrid = identities.mrid(settings.site, "dc", f"{program.mrid}/{sorted(payload.items())!r}", settings.pen)
        listing = self._s.tree.listing(f"{program.path}/dc")
        for item in listing.items.values() if listing is not None else ():
            if item.obj.mRID == mrid:
                return item.path
        curve = DERCurve(mRID=mrid, **_rebuilt(payload))
        path, change = self._curves.make(program, curve)
        curves.append(curve)
        changes += change
        return path

    def _make(
        self, setpoint: Setpoint, program: Program, base: DERControlBase, now: Instant
    ) -> tuple[EventRecord, list[Change]]:
        channel, second = self._s.settings.channel, int(now)
        until = setpoint.valid_until if setpoint.valid_until is not None else now + channel.min_duration_s
        number, changes = self._s.state.counters.take(f"derc/{program.number}")
        settings = self._s.settings
        unique = identities.mrid(settings.site, "derc", f"{program.mrid}/{number}", settings.pen)
        event = DERControl(
            # Of two made in the same second the later has the greater mRID, and so supersedes.
            mRID=f"{number:012X}{unique[12:]}",
            description="set-point",
            creationTime=second,
            eventStatus=EventStatus(currentStatus=0, dateTime=second, potentiallySuperseded=False),
            interval=DateTimeInterval(start=second, duration=max(1, math.ceil(until - second))),
            derControlBase=base,
            responseRequired=self._responses_wanted(setpoint),
        )
        event = self._programs.prepared(event, program, second)
        event.href = f"{program.path}/derc/{number}"
        record = self._programs.make_record(event, program, parents=setpoint.control_ids)
        return record, [*changes, event_document(record)]

    def _responses_wanted(self, setpoint: Setpoint) -> int:
        """What the controls behind the set-point want to hear; the life cycle where that is not known."""
        wanted = 0
        known = self._s.state.parents_in(setpoint.control_ids)
        for parent in known:
            wanted |= parent.item.obj.responseRequired or 0
        return wanted if len(known) == len(setpoint.control_ids) and known else wanted | _LIFE_CYCLE

    def _show(self, plan: _Plan, now: Instant) -> None:
        device_id = plan.setpoint.device_id
        for curve in plan.curves:
            place_curve(self._s, plan.program, curve.href or "", curve)
        if plan.event is not None:
            self._current[device_id] = plan.event
            self._programs.publish(plan.event, now)
        elif plan.cancelled is not None:
            self._current.pop(device_id, None)
            shown = self._s.state.events.get(plan.cancelled.item.obj.mRID)
            if shown is not None:
                self._s.tree.set(shown.item, plan.cancelled.item.obj)
            self._s.events.refresh(plan.program, now)

    def resume(self, now: Instant) -> None:
        """After a restart: find the controls that inverters follow."""
        for record in self._s.state.events.values():
            program = self._s.state.programs[record.program]
            if record.server_made and _end(record) > now:
                best = self._current.get(program.target.id)
                if best is None or best.item.obj.creationTime <= record.item.obj.creationTime:
                    self._current[program.target.id] = record

    # --- answers ----------------------------------------------------------------------------------------------------

    def note(self, outcome: Outcome) -> None:
        """How a control ended as a whole: answers that come afterwards are read in its light."""
        if outcome.device_id is None and outcome.kind in {
            OutcomeKind.COMPLETED,
            OutcomeKind.CANCELLED,
            OutcomeKind.SUPERSEDED,
            OutcomeKind.PARTIAL,
            OutcomeKind.FAILED,
        }:
            self._ended[outcome.control_id] = outcome.kind
            while len(self._ended) > 10_000:
                del self._ended[next(iter(self._ended))]

    def parent_outcomes(self, event: EventRecord, device_id: str, status: int, now: Instant) -> list[Outcome]:
        """What an inverter's answer to a server-made control means for the controls behind it.

        An end of the server-made control is an end of its parent only when the parent itself is over: while it
        runs, one published control just follows another.
        """
        step = status_to_outcome(status)
        if step is None:
            return []
        kind, reason = step
        found = []
        for parent in event.parents:
            told = kind
            if kind in {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED}:
                ending = self._ending(parent, device_id, now)
                if ending is None:
                    continue
                told = ending
            found.append(Outcome(control_id=parent, kind=told, at=now, device_id=device_id, reason=reason))
        return found

    def _ending(self, parent: str, device_id: str, now: Instant) -> OutcomeKind | None:
        """How a parent is over for a device; None while it runs."""
        known = self._s.state.by_control.get(parent)
        if known is not None:
            status = known.item.obj.eventStatus.currentStatus
            if status in {EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION}:
                return OutcomeKind.CANCELLED
            if status == EventStatusCode.SUPERSEDED:
                return OutcomeKind.SUPERSEDED
            if _end(known) <= now + _ENDS_ANYWAY_S:
                return OutcomeKind.COMPLETED
        ended = self._ended.get(parent)
        if ended in {OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED}:
            return ended
        if ended is not None:
            return OutcomeKind.COMPLETED
        running = self._running(device_id, now)
        if known is None and (running is None or parent not in running.parents):
            return OutcomeKind.COMPLETED
        return None


def _delivery(setpoint: Setpoint, outcome: DeliveryOutcome, now: Instant, detail: str = "") -> Delivery:
    return Delivery(device_id=setpoint.device_id, outcome=outcome, at=now, setpoint=setpoint, detail=detail)


def _end(record: EventRecord) -> int:
    interval = record.item.obj.interval
    return int(interval.start + interval.duration)


def _cancelled(record: EventRecord, now: Instant) -> EventRecord:
    """The record with its event cancelled; the shown one is not touched."""
    before = record.item.obj
    status = EventStatus(
        currentStatus=int(EventStatusCode.CANCELLED), dateTime=int(now), potentiallySuperseded=False, reason="released"
    )
    after = replace(before, version=((before.version or 0) + 1) & 0xFFFF, eventStatus=status)
    item = record.item
    return replace(record, item=type(item)(item.path, item.kind, item.audience, after, data=item.data))


def _without_power(base: DERControlBase) -> DERControlBase:
    return replace(base, opModTargetW=None, opModFixedW=None)


def _rebuilt(payload: dict[str, Any]) -> dict[str, Any]:
    points = [CurveData(**point) for point in payload.get("curveData", [])]
    return {**payload, "curveData": points}
