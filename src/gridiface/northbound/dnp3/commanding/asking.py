"""Outputs into controls: what an output and its value ask of the engine, and what the engine says to it.

Owns ramps, hold times, signs, curves and droop of a control, its number, and the step that makes it durable. Whether a
command may ask at all is judging.py's. No I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Target, TargetKind, Verdict
from gridiface.domain.fleet import Device
from gridiface.domain.ports import ControlInbox, FleetView
from gridiface.northbound.dnp3.commanding.commissions import Step
from gridiface.northbound.dnp3.commanding.outputs import Outputs
from gridiface.northbound.dnp3.der.droop import droop_payload, with_parameters
from gridiface.northbound.dnp3.der.records import Records
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.northbound.dnp3.translate.commands import (
    Sender,
    control_of,
    empties_window,
    feasible_of,
    ramp_s,
    rated_s,
    status_of,
)
from gridiface.northbound.dnp3.translate.ratings import ratings_of
from gridiface.protocols.dnp3.controls import CommandStatus

_WITH_PAYLOAD = frozenset({Action.CURVE, Action.DROOP})


class Asking:
    """What outputs of one station ask of the engine.

    Args:
        settings: of the outstation.
        outputs, records: what they hold.
        inbox, fleet: the ports.
    """

    def __init__(
        self,
        settings: StationSettings,
        outputs: Outputs,
        records: Records,
        *,
        inbox: ControlInbox,
        fleet: FleetView,
    ) -> None:
        self._settings = settings
        self._outputs = outputs
        self._records = records
        self._inbox = inbox
        self._fleet = fleet
        self._number = 0
        self._senders = {
            master.name: Sender(station=settings.name, master=master.name, authority=master.authority)
            for master in settings.masters
        }

    def submission(
        self,
        entry: PointEntry,
        wire: float,
        si: float,
        master: MasterEntry,
        now: Instant,
        coming: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[Step, CommandStatus]:
        """The step that makes a control of a value, and the engine's answer to it.

        Args:
            entry: the output.
            wire, si: its value in wire units, and the SI value after sign.
            master: who asks.
            now: when.
            coming: wire values of other outputs that are about to be stored.
        """
        target = entry.target or self._settings.target
        ramp = self._ramp_s(entry, si, target) if entry.ramp_from or entry.ramp_time_from or entry.rates_from else None
        if empties_window(entry, si, lambda action: self._bound(action, target, master)):
            return Step(), CommandStatus.OUT_OF_RANGE
        payload = None
        if entry.action in _WITH_PAYLOAD:
            payload = self._payload(entry, si, now, coming)
            if payload is None:
                return Step(), CommandStatus.OUT_OF_RANGE
        control = self._control(entry, si, master, target, now, ramp, payload)
        acceptance = self._inbox.preview(control, now)
        local = acceptance.verdict is Verdict.BLOCKED and self._under_local_control(target)
        status = status_of(acceptance, local=local, strict=self._settings.out_of_range_above_ratings)

        def taken(answer: Acceptance | None) -> Sequence[PointEntry]:
            feasible = None if answer is None else feasible_of(entry.action, si, answer)
            return self._outputs.take(entry, master.name, control.id, wire=wire, si=si, feasible=feasible)

        document = self._outputs.document(entry.name, wire)
        return Step(control=control, changes=(document,), then=taken), status

    def _rated_s(self, entry: PointEntry, si: float, target: Target) -> float | None:
        """How long the way to a set-point takes at the ramp rates that its mode has, s; None: they do not count."""
        rates, here = entry.rates, self._power_w(target)
        if here is None or not self._outputs.is_on(rates["use"]):
            return None
        ratings = ratings_of(self._members(target))
        goal = si if entry.action is Action.SET_W else si / 100.0 * (ratings.set_w or 0.0)
        discharge = ratings.discharge_w or ratings.w or 0.0
        return rated_s(
            goal, here, lambda name: self._outputs.number(rates[name]) or 0.0, discharge, ratings.charge_w or 0.0
        )

    def _ramp_s(self, entry: PointEntry, si: float, target: Target) -> float | None:
        if entry.rates_from:
            rated = self._rated_s(entry, si, target)
            if rated:
                return rated
        return ramp_s(
            entry,
            si,
            now_w=lambda: self._power_w(target),
            ramp_w_per_s=self._outputs.number(entry.ramp_from) or 0.0,
            ramp_time_s=self._outputs.number(entry.ramp_time_from) or 0.0,
        )

    def _control(
        self,
        entry: PointEntry,
        si: float,
        master: MasterEntry,
        target: Target,
        now: Instant,
        ramp: float | None,
        payload: Any = None,
    ) -> Control:
        self._number = max(self._number + 1, round(now * 1_000_000))
        hold = self.hold_s(entry)
        window = self._outputs.number(entry.window_from) or 0.0
        return control_of(
            entry,
            si,
            self._senders[master.name],
            target,
            now,
            number=self._number,
            hold_s=hold,
            ramp=ramp,
            window_s=window,
            payload=payload,
        )

    def _bound(self, action: Action, target: Target, master: MasterEntry) -> float | None:
        """A bound of a window for entering service: as this master has it in force, else as members are set."""
        for entry in self._settings.points.outputs():
            if entry.action is action and (entry.target or self._settings.target) == target:
                standing = self._outputs.wanted(entry.own_slot, master.name)
                if standing is not None:
                    return standing
        return ratings_of(self._members(target)).enter.get(action.value)

    def _power_w(self, target: Target) -> float | None:
        """What the target gives now. The state of a group is summed up anew each time: ask where it is needed only."""
        snapshot = self._fleet.snapshot(target)
        return None if snapshot is None else snapshot.w

    def _under_local_control(self, target: Target) -> bool:
        snapshot = self._fleet.snapshot(target)
        return snapshot is not None and snapshot.local_control

    def hold_s(self, entry: PointEntry) -> float | None:
        """How long a control of this output lasts, s; None: until changed."""
        return self._outputs.number(entry.hold_from) or entry.hold_s

    def least(self, entry: PointEntry) -> float:
        """The smallest value of an output that limits nothing: the target's rating, as far as the output can say it."""
        rated = self._rated_w(entry.target or self._settings.target) or 0.0
        return min(rated, entry.to_si(entry.maximum))

    def somebody_can(self, entry: PointEntry) -> bool:
        """Whether a member of the output's target has a capability that the output needs."""
        members = self._members(entry.target or self._settings.target)
        return not ratings_of(members).capabilities.isdisjoint(entry.needs.split())

    def nobody_can(self, entry: PointEntry) -> bool:
        """Whether no member has a capability that the output needs. A target without members waits for some."""
        known = bool(entry.needs) and bool(self._members(entry.target or self._settings.target))
        return known and not self.somebody_can(entry)

    def signed(self, entry: PointEntry, si: float, coming: Mapping[str, float] = MappingProxyType({})) -> float:
        """The value with the sign that another output gives it, or is about to (`coming`): on turns it round."""
        if not entry.sign_from:
            return si
        turned = coming.get(entry.sign_from, self._outputs.expected(entry.sign_from).value)
        return -si if turned else si

    def _payload(self, entry: PointEntry, si: float, now: Instant, coming: Mapping[str, float]) -> Any:
        """What a curve or droop carries beside its value; None: it cannot be carried out."""
        parameters, points = entry.parameters, self._settings.points.by_name

        def of(name: str) -> float | None:
            output = parameters.get(name)
            if output is None:
                return None
            wire, entry = coming.get(output), points[output]
            held = self._outputs.expected(output).value if wire is None else wire
            if entry.not_below and held >= entry.maximum:
                return None  # a limit at the most that its point can say is none
            return entry.to_si(held)

        if entry.action is Action.DROOP:
            return droop_payload(si, of, self._rated_w(entry.target or self._settings.target))
        curve = self._records.curve(si, entry.argument, now)
        return None if curve is None else with_parameters(curve, of)

    def _rated_w(self, target: Target) -> float | None:
        return ratings_of(self._members(target)).w

    def _members(self, target: Target) -> list[Device]:
        names = [target.id] if target.kind is TargetKind.DEVICE else self._fleet.members(target.id)
        return [device for name in names if (device := self._fleet.device(name)) is not None]
