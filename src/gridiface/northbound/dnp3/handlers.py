"""What masters may do and what comes of it: the outstation's callbacks as use cases on the domain's ports.

A command is judged at once (`ControlInbox.preview`); SUCCESS makes a `Commission`, which the shell carries out before
it lets the answer out: a command whose control could not be made durable is never acknowledged. No sockets, no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Outcome, OutcomeKind, Target, TargetKind
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.commissions import CommandLost, Commission, Step
from gridiface.northbound.dnp3.der_droop import droop_payload, with_parameters
from gridiface.northbound.dnp3.outputs import Outputs
from gridiface.northbound.dnp3.points import Action, PointEntry
from gridiface.northbound.dnp3.records import Records
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.northbound.dnp3.translate_commands import (
    POINT,
    Sender,
    control_of,
    in_range,
    pulses,
    ramp_s,
    status_of,
    wire_value,
)
from gridiface.northbound.dnp3.translate_points import ratings_of
from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus
from gridiface.protocols.dnp3.handler import OutstationHandler, RestartKind

_log = logging.getLogger("gridiface.dnp3")

_ENDINGS = frozenset(
    {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED, OutcomeKind.FAILED, OutcomeKind.REFUSED}
)
#: Status codes of an activation (g91v1).
_ACTIVATED, _REFUSED = 0, 1
_WITH_PAYLOAD = frozenset({Action.CURVE, Action.DROOP})
_PULSED = {Action.RAISE: 1.0, Action.LOWER: -1.0}

Changed = Callable[[Sequence[PointEntry]], None]


class StationHandler(OutstationHandler):
    """The callbacks of one outstation.

    Args:
        settings: of the outstation.
        inbox, ledger, fleet: the ports.
        changed: called with the outputs whose status points have to follow.
        store_pause_s: after a failure of the store, commands are refused for so long.

    After each call into the outstation fetch `take()` and carry the commissions out.
    """

    def __init__(
        self,
        settings: StationSettings,
        *,
        inbox: ControlInbox,
        ledger: Ledger,
        fleet: FleetView,
        changed: Changed,
        store_pause_s: float = 5.0,
    ) -> None:
        self.settings = settings
        self.outputs = Outputs(settings.name, settings.points)
        self.records = Records(settings.name, settings.points, self.outputs.curve_in_use)
        self.blocked: dict[str, str] = {}
        self._masters: Mapping[int, MasterEntry] = {master.address: master for master in settings.masters}
        self._inbox = inbox
        self._ledger = ledger
        self._fleet = fleet
        self._changed = changed
        self._store_pause_s = store_pause_s
        self._trouble_until: Instant | None = None
        self._number = 0
        self._pending: list[Commission] = []
        #: Called with the name of a configuration that a master wants to be activated; False: there is none.
        self.activation: Callable[[str], bool] = lambda _: False

    # --- the outstation's callbacks --------------------------------------------------------------------------------

    def select(self, request: CommandRequest, now: float) -> CommandStatus:
        """May this command be operated? Nothing is changed."""
        return self._judge(request, now, trial=True)[0]

    def operate(self, request: CommandRequest, now: float) -> CommandStatus:
        """Judge, and leave a commission for the shell."""
        status, commission = self._judge(request, now)
        if commission is not None:
            self._pending.append(commission)
            self._remember(commission)
        return status

    def restart(self, kind: RestartKind, master: int, now: float) -> float | None:
        """Restart of the associations (IIN1.7, unsolicited off), where the station allows it; the process goes on."""
        return self.settings.restart_s if self._masters[master].may_control else None

    def may_change_deadband(self, index: int, deadband: float, master: int, now: float) -> bool:
        """Where the station allows it, for masters that may control."""
        return self.settings.deadband_writes and self._masters[master].may_control

    def activate_config(self, names: list[str], master: int, now: float) -> tuple[int, list[int]] | None:
        """The configuration that was written and is not in force yet, where the station allows it."""
        if not self.settings.configuration_writes:
            return None
        if not self._masters[master].may_control:
            return 0, [_REFUSED] * len(names)
        return 0, [_ACTIVATED if self.activation(name) else _REFUSED for name in names]

    # --- for the shell -----------------------------------------------------------------------------------------------

    def commission(self, commission: Commission) -> None:
        """Something else that has to be durable before the answer to it goes out."""
        self._pending.append(commission)

    @property
    def pending(self) -> bool:
        """Whether `take` has something to hand out."""
        return bool(self._pending)

    def take(self) -> list[Commission]:
        """What is to be carried out, oldest first; each is handed out once."""
        taken, self._pending = self._pending, []
        return taken

    @property
    def in_trouble(self) -> bool:
        """Whether the store refused the last write."""
        return self._trouble_until is not None

    async def carry_out(self, commission: Commission, now: Instant) -> list[PointEntry]:
        """Make a command's consequences durable; returns the outputs whose status points have to `follow`.

        They follow after the answer has left, before anything else can come.

        Raises:
            CommandLost: it was refused after all.
            StoreUnavailable: it could not be made durable. In both cases its answer must not go out; what was done
                before has been followed.
        """
        changed: list[PointEntry] = []
        try:
            for step in commission.steps:
                changed += step.then(await self._carry_out(step, now))
        except (StoreUnavailable, CommandLost) as problem:
            if isinstance(problem, StoreUnavailable):
                self._trouble_until = now + self._store_pause_s
            self._forget(commission)
            self.records.forget_coming()
            commission.undo()
            self.follow(changed)
            raise
        self._trouble_until = None
        return changed

    def follow(self, changed: Sequence[PointEntry]) -> None:
        """Status points and read-backs of outputs become what the outputs hold."""
        if changed:
            self._changed(changed)

    async def _carry_out(self, step: Step, now: Instant) -> Acceptance | None:
        if step.control is not None:
            acceptance = await self._inbox.submit(step.control, now, along=step.changes)
            if not acceptance.will_run:
                raise CommandLost(f"{step.control.id}: {acceptance.verdict}, {acceptance.reason}")
            return acceptance
        if step.cancel is not None and await self._inbox.cancel(
            step.cancel, now, reason="by its master", along=step.changes
        ):
            return None
        if step.changes:
            await self._ledger.commit(step.changes)
        return None

    def on_outcome(self, outcome: Outcome) -> None:
        """A control ended: its output falls back to what else is in force, or to idle.

        When the hold time of the last control of a mode is over, the mode is off again; `take` has the commission.
        """
        if outcome.device_id is not None or outcome.kind not in _ENDINGS:
            return
        entry, master = self.outputs.owner(outcome.control_id)
        changed = self.outputs.end(outcome.control_id)
        self.follow(changed)
        if outcome.kind is OutcomeKind.COMPLETED and entry is not None and entry.keeps:
            self._revert(entry.enabled_by, master)

    def _revert(self, mode: str, master: str) -> None:
        depending = {other.name for other in self.settings.points.outputs() if other.enabled_by == mode}
        by_name = {one.name: one for one in self.settings.masters}
        if mode and self.outputs.is_on(mode) and not self.outputs.controls_of(names=depending) and master in by_name:
            entry = self.settings.points.by_name[mode]
            self._pending.append(self._storing(entry, 0.0, by_name[master]))

    # --- judging -----------------------------------------------------------------------------------------------------

    def _judge(
        self, request: CommandRequest, now: Instant, *, trial: bool = False
    ) -> tuple[CommandStatus, Commission | None]:
        entry = self.settings.points.by_key[request.point.type, request.point.index]
        master = self._masters[request.master]
        refusal = self._refusal(entry, master, now)
        if refusal is not None:
            return refusal, None
        wire = wire_value(entry, request.command)
        if wire is None or entry.action is Action.NONE:
            return CommandStatus.NOT_SUPPORTED, None
        if entry.action is Action.EDIT:
            return self._editing(entry, wire, master, now, trial=trial)
        sign = _PULSED.get(entry.action)
        if sign is not None:
            base = self.outputs.wanted(entry.own_slot, master.name) or 0.0
            step = sign * float(entry.argument) * pulses(request.command)
            return self._asking(entry, wire, base + step, master, now)
        return self._decide(entry, wire, master, now)

    def _decide(
        self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant
    ) -> tuple[CommandStatus, Commission | None]:
        """What a value for an output leads to."""
        match entry.action:
            case Action.STORE:
                return self._keeping(entry, wire, master, now)
            case Action.ENABLE:
                return self._switching(entry, on=bool(wire), master=master, now=now)
            case Action.RELEASE:
                return CommandStatus.SUCCESS, self._releasing(entry, master)
            case Action.CURVE if wire == 0:
                # no curve: what it did ends, the output reads 0
                steps = [*self._ending([entry.name], None), *self._storing(entry, wire, master).steps]
                return CommandStatus.SUCCESS, Commission(slot=entry.own_slot, master=master.name, steps=steps)
        return self._asking(entry, wire, self._signed(entry, entry.to_si(wire)), master, now)

    def run_schedules(self, now: Instant) -> None:
        """Command what schedules have due; commissions wait to be fetched with `take`."""
        due = self.records.due(now)
        by_name = {master.name: master for master in self.settings.masters}
        for name, one in due:
            entry, master = self.settings.points.by_key[one.type, one.index], by_name.get(name)
            status, commission = CommandStatus.NOT_AUTHORIZED, None
            refusal = CommandStatus.NOT_AUTHORIZED if master is None else self._refusal(entry, master, now)
            if master is not None and refusal is None:
                status, commission = self._decide(entry, one.value, master, now)
            _log.info("outstation %s, a schedule of %s: %s = %g: %s", self.settings.name, name, entry.name, one.value,
                      (refusal or status).name)  # fmt: skip
            if commission is not None:
                self._pending.append(commission)
                self._remember(commission)
        for edit in self.records.carried_out(now):
            if edit.document is not None:
                step = Step(changes=(edit.document,))
                self._pending.append(Commission(slot=edit.slot, master="", steps=[step]))

    def _editing(
        self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant, *, trial: bool
    ) -> tuple[CommandStatus, Commission | None]:
        """A write to a field of an edit window."""
        edit = self.records.edit(entry, wire, master.name, now, trial=trial)
        if edit.status is not CommandStatus.SUCCESS:
            return edit.status, None
        changes = () if edit.document is None else (edit.document,)

        def taken(_: Acceptance | None) -> Sequence[PointEntry]:
            names = [] if edit.then is None else edit.then()
            points = self.settings.points.by_name
            return [
                changed
                for name in names
                for changed in self.outputs.store(name, self.records.value(name, points[name]))
            ]

        step = Step(changes=changes, then=taken)
        return CommandStatus.SUCCESS, Commission(slot=edit.slot, master=master.name, steps=[step])

    def _refusal(self, entry: PointEntry, master: MasterEntry, now: Instant) -> CommandStatus | None:
        """What can be said before the command is looked at."""
        if not master.may_control or (entry.masters and master.name not in entry.masters):
            return CommandStatus.NOT_AUTHORIZED
        if "" in self.blocked or entry.name in self.blocked:
            return CommandStatus.BLOCKED
        if self._trouble_until is not None and now < self._trouble_until:
            return CommandStatus.PROCESSING_LIMITED
        return None

    def _asking(
        self, entry: PointEntry, wire: float, si: float, master: MasterEntry, now: Instant
    ) -> tuple[CommandStatus, Commission | None]:
        """A command that asks for a control."""
        if not in_range(entry, si):
            return CommandStatus.OUT_OF_RANGE, None
        if not self.outputs.is_on(entry.enabled_by):
            if entry.action in _PULSED:
                return CommandStatus.BLOCKED, None
            return CommandStatus.SUCCESS, self._storing(entry, wire, master, armed=True)
        hold = self._hold_s(entry)
        standing = self.outputs.in_force(entry.own_slot, master.name)
        same = standing is not None and standing.entry.name == entry.name and standing.si == si
        if same and not hold and self.outputs.wanted(entry.own_slot, master.name) == si:
            return CommandStatus.SUCCESS, None
        step, status = self._submission(entry, wire, si, master, now)
        if status is not CommandStatus.SUCCESS:
            return status, None
        return status, Commission(slot=entry.own_slot, master=master.name, steps=[step])

    def _keeping(
        self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant
    ) -> tuple[CommandStatus, Commission | None]:
        """A value that is kept; what acts with it as its parameter acts anew."""
        commission = self._storing(entry, wire, master)
        for other in self.settings.points.users_of(entry.name):
            acts = self.outputs.in_force(other.own_slot, master.name)
            if acts is None or acts.entry.name != other.name:
                continue
            held = self.outputs.held[other.name].value
            step, status = self._submission(other, held, acts.si, master, now, coming={entry.name: wire})
            if status is not CommandStatus.SUCCESS:
                return status, None
            commission.steps.append(step)
        return CommandStatus.SUCCESS, commission

    def _payload(self, entry: PointEntry, si: float, now: Instant, coming: Mapping[str, float]) -> Any:
        """What a curve or droop carries beside its value; None: it cannot be carried out."""
        parameters, points = entry.parameters, self.settings.points.by_name

        def of(name: str) -> float | None:
            output = parameters.get(name)
            if output is None:
                return None
            wire = coming.get(output)
            return points[output].to_si(self.outputs.expected(output).value if wire is None else wire)

        if entry.action is Action.DROOP:
            return droop_payload(si, of, self._rated_w(entry.target or self.settings.target))
        curve = self.records.curve(si, entry.argument, now)
        return None if curve is None else with_parameters(curve, of)

    def _rated_w(self, target: Target) -> float | None:
        names = [target.id] if target.kind is TargetKind.DEVICE else self._fleet.members(target.id)
        return ratings_of([device for name in names if (device := self._fleet.device(name)) is not None]).w

    def _submission(
        self,
        entry: PointEntry,
        wire: float,
        si: float,
        master: MasterEntry,
        now: Instant,
        coming: Mapping[str, float] = MappingProxyType({}),
    ) -> tuple[Step, CommandStatus]:
        target = entry.target or self.settings.target
        snapshot = self._fleet.snapshot(target)
        ramp = ramp_s(
            entry,
            si,
            now_w=None if snapshot is None else snapshot.w,
            ramp_w_per_s=self.outputs.number(entry.ramp_from) or 0.0,
            ramp_time_s=self.outputs.number(entry.ramp_time_from) or 0.0,
        )
        payload = None
        if entry.action in _WITH_PAYLOAD:
            payload = self._payload(entry, si, now, coming)
            if payload is None:
                return Step(), CommandStatus.OUT_OF_RANGE
        control = self._control(entry, si, master, target, now, ramp, payload)
        acceptance = self._inbox.preview(control, now)
        local = snapshot is not None and snapshot.local_control
        status = status_of(acceptance, local=local, strict=self.settings.out_of_range_above_ratings)

        def taken(answer: Acceptance | None) -> Sequence[PointEntry]:
            feasible = answer.feasible_w if answer is not None and entry.action is Action.SET_W else None
            return self.outputs.take(entry, master.name, control.id, wire=wire, si=si, feasible=feasible)

        document = self.outputs.document(entry.name, wire)
        return Step(control=control, changes=(document,), then=taken), status

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
        sender = Sender(station=self.settings.name, master=master.name, authority=master.authority)
        hold = self._hold_s(entry)
        window = self.outputs.number(entry.window_from) or 0.0
        return control_of(
            entry,
            si,
            sender,
            target,
            now,
            number=self._number,
            hold_s=hold,
            ramp=ramp,
            window_s=window,
            payload=payload,
        )

    def _hold_s(self, entry: PointEntry) -> float | None:
        """How long a control of this output lasts, s; None: until changed."""
        return self.outputs.number(entry.hold_from) or entry.hold_s

    def _signed(self, entry: PointEntry, si: float) -> float:
        """The value with the sign that another output gives it: on turns it round."""
        return -si if entry.sign_from and self.outputs.held[entry.sign_from].value else si

    # --- what needs no control of its own ---------------------------------------------------------------------------

    def _storing(self, entry: PointEntry, wire: float, master: MasterEntry, *, armed: bool = False) -> Commission:
        step = Step(
            changes=(self.outputs.document(entry.name, wire, armed=armed),),
            soon=(entry.name, wire, armed),
            then=lambda _: self.outputs.store(entry.name, wire, armed=armed),
        )
        return Commission(slot=entry.own_slot, master=master.name, steps=[step])

    def _switching(
        self, entry: PointEntry, *, on: bool, master: MasterEntry, now: Instant
    ) -> tuple[CommandStatus, Commission | None]:
        """An enabling output: on lets what was armed act, off takes away what acts; on again renews hold times."""
        depending = [other for other in self.settings.points.outputs() if other.enabled_by == entry.name]
        steps = self._storing(entry, float(on), master).steps
        if on:
            for other in depending:
                held = self.outputs.expected(other.name)
                renewed = self._hold_s(other) and self.outputs.in_force(other.own_slot, master.name)
                acts = held.armed or other.action is Action.DROOP
                if not acts and not (renewed and renewed.entry.name == other.name):
                    continue
                if other.action is Action.CURVE and not held.value:
                    continue
                si = self._signed(other, other.to_si(held.value))
                step, status = self._submission(other, held.value, si, master, now)
                if status is not CommandStatus.SUCCESS:
                    # the value is at fault, not the switch
                    return CommandStatus.BLOCKED if status is CommandStatus.OUT_OF_RANGE else status, None
                steps.append(step)
        else:
            steps += self._ending([other.name for other in depending], None)
        return CommandStatus.SUCCESS, Commission(slot=entry.own_slot, master=master.name, steps=steps)

    def _releasing(self, entry: PointEntry, master: MasterEntry) -> Commission:
        """Everything that this master has in force ends."""
        return Commission(slot=entry.own_slot, master=master.name, steps=self._ending(None, master.name))

    def _ending(self, names: Sequence[str] | None, master: str | None) -> list[Step]:
        steps = []
        for item in self.outputs.controls_of(master=master, names=names):
            kept = item.entry.keeps
            value = self.outputs.held[item.entry.name].value if kept else item.entry.idle
            document = self.outputs.document(item.entry.name, value, armed=kept)

            def ended(_: Acceptance | None, name: str = item.control_id) -> Sequence[PointEntry]:
                return self.outputs.end(name)

            steps.append(Step(cancel=item.control_id, changes=(document,), then=ended))
        return steps

    def _remember(self, commission: Commission) -> None:
        """What a command on its way asks for counts for the pulses that follow it."""
        for step in commission.steps:
            if step.soon is not None:
                self.outputs.expect(*step.soon)
            if step.control is not None:
                value = next(iter(step.control.values.values())).value
                self.outputs.want(self._slot(step.control), commission.master, value)

    def _forget(self, commission: Commission) -> None:
        self.outputs.expect_nothing()
        for control in (step.control for step in commission.steps):
            if control is not None:
                self.outputs.unwant(self._slot(control), commission.master)

    def _slot(self, control: Control) -> str:
        return self.settings.points.by_name[control.extra[POINT]].own_slot
