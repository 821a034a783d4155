"""What a command leads to: its status, and the steps that have to be durable before the status goes out.

Owns who may command, ranges, armed values, modes that are switched, what is kept, released and edited. Controls are
made by asking.py; carrying out is handlers.py's. No I/O, no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control
from gridiface.domain.ports import ControlInbox, FleetView
from gridiface.northbound.dnp3.commanding.asking import Asking
from gridiface.northbound.dnp3.commanding.commissions import Commission, Step
from gridiface.northbound.dnp3.commanding.outputs import Outputs
from gridiface.northbound.dnp3.der.records import Records
from gridiface.northbound.dnp3.pointmap.meanings import Action
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.northbound.dnp3.translate.commands import POINT, in_range, pulses, wire_value
from gridiface.northbound.dnp3.translate.modes import Modes, Value
from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus

_log = logging.getLogger("gridiface.dnp3")

_PULSED = {Action.RAISE: 1.0, Action.LOWER: -1.0}
Verdict = tuple[CommandStatus, Commission | None]


class Judge:
    """Judges the commands of one station's masters.

    Args:
        settings: of the outstation.
        outputs, records: what they hold.
        inbox, fleet: the ports.
        in_trouble: whether the store refuses writes at a time.

    Attributes:
        blocked: reason by output; "" stands for all.
    """

    def __init__(
        self,
        settings: StationSettings,
        outputs: Outputs,
        records: Records,
        *,
        inbox: ControlInbox,
        fleet: FleetView,
        in_trouble: Callable[[Instant], bool],
    ) -> None:
        self.blocked: dict[str, str] = {}
        self._points = settings.points
        self._masters: Mapping[int, MasterEntry] = {master.address: master for master in settings.masters}
        self._by_name = {master.name: master for master in settings.masters}
        self._outputs = outputs
        self._records = records
        self._modes = Modes(settings.points)
        self._asking = Asking(settings, outputs, records, inbox=inbox, fleet=fleet)
        self._in_trouble = in_trouble

    def judge(self, request: CommandRequest, now: Instant, *, trial: bool = False) -> Verdict:
        """A master's command; nothing is changed yet, but for edits that later commands build on (not by a trial)."""
        entry = self._points.by_key[request.point.type, request.point.index]
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
            base = self._outputs.wanted(entry.own_slot, master.name) or 0.0
            step = sign * float(entry.argument) * pulses(request.command)
            return self._controlling(entry, wire, base + step, master, now)
        return self._decide(entry, wire, master, now)

    def scheduled(self, entry: PointEntry, value: float, master: str, now: Instant, *, local: bool = False) -> Verdict:
        """What a schedule has due, judged like a command of the master who enabled it; `local`: in local mode."""
        if local:
            return CommandStatus.LOCAL, None
        own = self._by_name.get(master)
        refusal = CommandStatus.NOT_AUTHORIZED if own is None else self._refusal(entry, own, now)
        if own is None or refusal is not None:
            return refusal or CommandStatus.NOT_AUTHORIZED, None
        return self._decide(entry, value, own, now)

    def reverted(self, entry: PointEntry, master: str, now: Instant) -> Commission | None:
        """After a control of an output ended by itself: its mode is off again, unless something of it still acts."""
        mode, own = entry.enabled_by, self._by_name.get(master)
        if not mode or own is None or not entry.keeps or not self._outputs.is_on(mode):
            return None
        if self._outputs.controls_of(names={other.name for other in self._modes.depending(mode)}):
            return None
        return self._ranking(self._points.by_name[mode], 0.0, own, now)[1]

    def remember(self, commission: Commission) -> None:
        """What a command on its way asks for counts for those that follow it."""
        for step in commission.steps:
            if step.soon is not None:
                self._outputs.expect(*step.soon)
            if step.control is not None:
                value = next(iter(step.control.values.values())).value
                self._outputs.want(self._slot(step.control), commission.master, value)

    def forget(self, commission: Commission) -> None:
        """A command on its way came to nothing."""
        self._outputs.expect_nothing()
        for control in (step.control for step in commission.steps):
            if control is not None:
                self._outputs.unwant(self._slot(control), commission.master)

    def _slot(self, control: Control) -> str:
        return self._points.by_name[control.extra[POINT]].own_slot

    # --- what a value for an output leads to -------------------------------------------------------------------------

    def _refusal(self, entry: PointEntry, master: MasterEntry, now: Instant) -> CommandStatus | None:
        """What can be said before the command is looked at."""
        if not master.may_control or (entry.masters and master.name not in entry.masters):
            return CommandStatus.NOT_AUTHORIZED
        if "" in self.blocked or entry.name in self.blocked:
            return CommandStatus.BLOCKED
        return CommandStatus.PROCESSING_LIMITED if self._in_trouble(now) else None

    def _decide(self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant) -> Verdict:
        barred = self._barred(entry, wire)
        if barred is not None:
            return barred, None
        match entry.action:
            case Action.STORE | Action.ENABLE if self._modes.ranks(entry.name):
                return self._ranking(entry, wire, master, now)
            case Action.STORE:
                return self._keeping(entry, wire, master, now)
            case Action.RELEASE:
                return CommandStatus.SUCCESS, self._commission(entry, master, self._ending(None, master.name))
            case Action.CURVE if wire == 0:
                # no curve: what it did ends, the output reads 0
                steps = [*self._ending([entry.name], None), self._storing(entry, wire)]
                return CommandStatus.SUCCESS, self._commission(entry, master, steps)
            case Action.CURVE if (unfit := self._records.unfit(wire, entry.argument)) is not None:
                return unfit, None
        return self._controlling(entry, wire, self._asking.signed(entry, entry.to_si(wire)), master, now)

    def _barred(self, entry: PointEntry, wire: float) -> CommandStatus | None:
        """Why an output does not take this value now: permission, range, or nobody who could do it."""
        if entry.permitted_by and not self._outputs.is_on(entry.permitted_by):
            return CommandStatus.BLOCKED
        if self._beyond(entry, wire):
            return CommandStatus.OUT_OF_RANGE
        switched_on = entry.action is Action.ENABLE and wire != 0
        return CommandStatus.NOT_SUPPORTED if switched_on and self._asking.nobody_can(entry) else None

    def _beyond(self, entry: PointEntry, wire: float) -> bool:
        """Whether an output that takes some values only, for want of members that could be told others, takes this."""
        if entry.only is None and not entry.not_below:
            return False
        if entry.needs and self._asking.somebody_can(entry):
            return False
        if entry.only is not None:
            return wire != entry.only
        return entry.to_si(wire) < self._asking.least(entry)

    def _editing(self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant, *, trial: bool) -> Verdict:
        """A write to a field of an edit window."""
        edit = self._records.edit(entry, wire, master.name, now, trial=trial)
        if edit.status is not CommandStatus.SUCCESS:
            return edit.status, None
        changes = () if edit.document is None else (edit.document,)

        def taken(_: Acceptance | None) -> Sequence[PointEntry]:
            names = [] if edit.then is None else edit.then()
            points = self._points.by_name
            return [
                changed
                for name in names
                for changed in self._outputs.store(name, self._records.value(name, points[name]))
            ]

        step = Step(changes=changes, then=taken)
        return CommandStatus.SUCCESS, Commission(slot=edit.slot, master=master.name, steps=[step])

    def _controlling(self, entry: PointEntry, wire: float, si: float, master: MasterEntry, now: Instant) -> Verdict:
        """A command that asks for a control."""
        if not in_range(entry, si):
            return CommandStatus.OUT_OF_RANGE, None
        if not self._modes.acts(entry.enabled_by, self._expected):
            if entry.action in _PULSED:
                return CommandStatus.BLOCKED, None
            return CommandStatus.SUCCESS, self._commission(entry, master, [self._storing(entry, wire, armed=True)])
        hold = self._asking.hold_s(entry)
        standing = self._outputs.in_force(entry.own_slot, master.name)
        same = standing is not None and standing.entry.name == entry.name and standing.si == si
        if same and not hold and self._outputs.wanted(entry.own_slot, master.name) == si:
            return CommandStatus.SUCCESS, None
        step, status = self._asking.submission(entry, wire, si, master, now)
        if status is CommandStatus.NOT_SUPPORTED and entry.or_kept:
            return self._keeping(entry, wire, master, now)
        if status is not CommandStatus.SUCCESS:
            return status, None
        return status, self._commission(entry, master, [step])

    def _keeping(self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant) -> Verdict:
        """A value that is kept; what acts with it as its parameter acts anew."""
        steps = [self._storing(entry, wire)]
        for other in self._points.users_of(entry.name):
            acts = self._outputs.in_force(other.own_slot, master.name)
            if acts is None or acts.entry.name != other.name:
                continue
            held, coming = self._outputs.held[other.name].value, {entry.name: wire}
            si = acts.si
            if other.sign_from == entry.name:
                si = self._asking.signed(other, other.to_si(held), coming)
                if si == acts.si:
                    continue
            if other.name in self.blocked:
                return CommandStatus.BLOCKED, None
            step, status = self._asking.submission(other, held, si, master, now, coming=coming)
            if status is not CommandStatus.SUCCESS:
                return status, None
            steps.append(step)
        return CommandStatus.SUCCESS, self._commission(entry, master, steps)

    # --- modes -------------------------------------------------------------------------------------------------------

    def _expected(self, name: str) -> float:
        return self._outputs.expected(name).value

    def _after(self, entry: PointEntry, wire: float) -> Value:
        return lambda name: wire if name == entry.name else self._expected(name)

    def _ranking(self, entry: PointEntry, wire: float, master: MasterEntry, now: Instant) -> Verdict:
        """A mode is switched, or has another priority: what may act now acts, what may no longer ends.

        A mode that is on and is switched on again renews its hold times.
        """
        steps = [self._storing(entry, wire)]
        after = self._after(entry, wire)
        begin, cease = self._modes.changed(self._expected, after)
        for mode in cease:
            steps += self._ending([other.name for other in self._modes.depending(mode)], None)
        if entry.action is Action.ENABLE and wire and entry.name not in begin and self._modes.acts(entry.name, after):
            begin.append(entry.name)
        for mode in begin:
            found, status = self._beginning(mode, master, now)
            if status is not CommandStatus.SUCCESS and mode == entry.name:
                # the value is at fault, not the switch
                return CommandStatus.BLOCKED if status is CommandStatus.OUT_OF_RANGE else status, None
            if status is not CommandStatus.SUCCESS:
                _log.warning("output %s may act again, and cannot: %s", mode, status.name)
            steps += found
        return CommandStatus.SUCCESS, self._commission(entry, master, steps)

    def _beginning(self, mode: str, master: MasterEntry, now: Instant) -> tuple[list[Step], CommandStatus]:
        """What was armed acts; what acts already has its hold time renewed."""
        steps = []
        for other in self._modes.depending(mode):
            held = self._outputs.expected(other.name)
            renewed = self._asking.hold_s(other) and self._outputs.in_force(other.own_slot, master.name)
            acts = held.armed or other.action is Action.DROOP
            if not acts and not (renewed and renewed.entry.name == other.name):
                continue
            if other.action is Action.CURVE and not held.value:
                continue
            if other.name in self.blocked:
                # a tag keeps an output from acting, not only from being written
                return [], CommandStatus.BLOCKED
            si = self._asking.signed(other, other.to_si(held.value))
            step, status = self._asking.submission(other, held.value, si, master, now)
            if status is not CommandStatus.SUCCESS:
                return [], status
            steps.append(step)
        return steps, CommandStatus.SUCCESS

    # --- steps -------------------------------------------------------------------------------------------------------

    @staticmethod
    def _commission(entry: PointEntry, master: MasterEntry, steps: list[Step]) -> Commission:
        return Commission(slot=entry.own_slot, master=master.name, steps=steps)

    def _storing(self, entry: PointEntry, wire: float, *, armed: bool = False) -> Step:
        return Step(
            changes=(self._outputs.document(entry.name, wire, armed=armed),),
            soon=(entry.name, wire, armed),
            then=lambda _: self._outputs.store(entry.name, wire, armed=armed),
        )

    def _ending(self, names: Iterable[str] | None, master: str | None) -> list[Step]:
        """Controls in force end: of some outputs or of all, of one master or of all."""
        steps = []
        for item in self._outputs.controls_of(master=master, names=names):
            kept = item.entry.keeps
            value = self._outputs.held[item.entry.name].value if kept else item.entry.idle
            document = self._outputs.document(item.entry.name, value, armed=kept)

            def ended(_: Acceptance | None, name: str = item.control_id) -> Sequence[PointEntry]:
                return self._outputs.end(name)

            steps.append(Step(cancel=item.control_id, changes=(document,), then=ended))
        return steps
