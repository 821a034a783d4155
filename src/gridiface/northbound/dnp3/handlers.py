"""What masters may do and what comes of it: the outstation's callbacks as use cases on the domain's ports.

A command is judged at once (`ControlInbox.preview`); SUCCESS makes a `Commission`, which the shell carries out before
it lets the answer out: a command whose control could not be made durable is never acknowledged. No sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Outcome, OutcomeKind, Target
from gridiface.domain.ports import Change, ControlInbox, FleetView, Ledger
from gridiface.errors import GridifaceError, StoreUnavailable
from gridiface.northbound.dnp3.outputs import Outputs
from gridiface.northbound.dnp3.points import Action, PointEntry
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
from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus
from gridiface.protocols.dnp3.handler import OutstationHandler, RestartKind

_ENDINGS = frozenset(
    {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED, OutcomeKind.FAILED, OutcomeKind.REFUSED}
)
_PULSED = {Action.RAISE: 1.0, Action.LOWER: -1.0}

Changed = Callable[[Sequence[PointEntry]], None]


class CommandLost(GridifaceError):
    """A command that was judged SUCCESS could not be taken after all; its answer must not go out."""


@dataclass(slots=True, kw_only=True)
class Step:
    """One durable step: a control to submit or one to cancel, with documents, and what to remember then."""

    control: Control | None = None
    cancel: str | None = None
    changes: Sequence[Change] = ()
    then: Callable[[Acceptance | None], Sequence[PointEntry]] = lambda _: ()


@dataclass(slots=True, kw_only=True)
class Commission:
    """What a command leads to, in order. Commissions of one `slot` are carried out one after the other."""

    slot: str
    master: str
    steps: list[Step] = field(default_factory=list)


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

    # --- the outstation's callbacks --------------------------------------------------------------------------------

    def select(self, request: CommandRequest, now: float) -> CommandStatus:
        """May this command be operated? Nothing is changed."""
        return self._judge(request, now)[0]

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

    # --- for the shell -----------------------------------------------------------------------------------------------

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
        """A control ended: its output falls back to what else is in force, or to idle."""
        if outcome.device_id is None and outcome.kind in _ENDINGS:
            changed = self.outputs.end(outcome.control_id)
            if changed:
                self._changed(changed)

    # --- judging -----------------------------------------------------------------------------------------------------

    def _judge(self, request: CommandRequest, now: Instant) -> tuple[CommandStatus, Commission | None]:
        entry = self.settings.points.by_key[request.point.type, request.point.index]
        master = self._masters[request.master]
        refusal = self._refusal(entry, master, now)
        if refusal is not None:
            return refusal, None
        wire = wire_value(entry, request.command)
        if wire is None or entry.action is Action.NONE:
            return CommandStatus.NOT_SUPPORTED, None
        match entry.action:
            case Action.STORE:
                return CommandStatus.SUCCESS, self._storing(entry, wire, master)
            case Action.ENABLE:
                return self._switching(entry, on=bool(wire), master=master, now=now)
            case Action.RELEASE:
                return CommandStatus.SUCCESS, self._releasing(entry, master)
        sign = _PULSED.get(entry.action)
        if sign is None:
            return self._asking(entry, wire, self._signed(entry, entry.to_si(wire)), master, now)
        base = self.outputs.wanted(entry.own_slot, master.name) or 0.0
        step = sign * float(entry.argument) * pulses(request.command)
        return self._asking(entry, wire, base + step, master, now)

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

    def _submission(
        self, entry: PointEntry, wire: float, si: float, master: MasterEntry, now: Instant
    ) -> tuple[Step, CommandStatus]:
        target = entry.target or self.settings.target
        snapshot = self._fleet.snapshot(target)
        ramp = ramp_s(
            entry,
            si,
            now_w=None if snapshot is None else snapshot.w,
            ramp_w_per_s=self.outputs.number(entry.ramp_from) or 0.0,
        )
        control = self._control(entry, si, master, target, now, ramp)
        acceptance = self._inbox.preview(control, now)
        local = snapshot is not None and snapshot.local_control
        status = status_of(acceptance, local=local, strict=self.settings.out_of_range_above_ratings)

        def taken(answer: Acceptance | None) -> Sequence[PointEntry]:
            feasible = answer.feasible_w if answer is not None and entry.action is Action.SET_W else None
            return self.outputs.take(entry, master.name, control.id, wire=wire, si=si, feasible=feasible)

        document = self.outputs.document(entry.name, wire)
        return Step(control=control, changes=(document,), then=taken), status

    def _control(
        self, entry: PointEntry, si: float, master: MasterEntry, target: Target, now: Instant, ramp: float | None
    ) -> Control:
        self._number = max(self._number + 1, round(now * 1_000_000))
        sender = Sender(station=self.settings.name, master=master.name, authority=master.authority)
        hold = self._hold_s(entry)
        return control_of(entry, si, sender, target, now, number=self._number, hold_s=hold, ramp=ramp)

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
            then=lambda _: self.outputs.store(entry.name, wire, armed=armed),
        )
        return Commission(slot=entry.own_slot, master=master.name, steps=[step])

    def _switching(
        self, entry: PointEntry, *, on: bool, master: MasterEntry, now: Instant
    ) -> tuple[CommandStatus, Commission | None]:
        """An enabling output: on lets what was armed act, off takes away what acts."""
        depending = [other for other in self.settings.points.outputs() if other.enabled_by == entry.name]
        steps = self._storing(entry, float(on), master).steps
        if on:
            for other in depending:
                held = self.outputs.held[other.name]
                if not held.armed:
                    continue
                si = self._signed(other, other.to_si(held.value))
                step, status = self._submission(other, held.value, si, master, now)
                if status is not CommandStatus.SUCCESS:
                    return status, None
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
            document = self.outputs.document(item.entry.name, item.entry.idle)

            def ended(_: Acceptance | None, name: str = item.control_id) -> Sequence[PointEntry]:
                return self.outputs.end(name)

            steps.append(Step(cancel=item.control_id, changes=(document,), then=ended))
        return steps

    def _remember(self, commission: Commission) -> None:
        """What a command on its way asks for counts for the pulses that follow it."""
        for control in (step.control for step in commission.steps):
            if control is not None:
                value = next(iter(control.values.values())).value
                self.outputs.want(self._slot(control), commission.master, value)

    def _forget(self, commission: Commission) -> None:
        for control in (step.control for step in commission.steps):
            if control is not None:
                self.outputs.unwant(self._slot(control), commission.master)

    def _slot(self, control: Control) -> str:
        return self.settings.points.by_name[control.extra[POINT]].own_slot
