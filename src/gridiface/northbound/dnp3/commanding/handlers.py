"""What masters may do and what comes of it: the outstation's callbacks as use cases on the domain's ports.

A command is judged at once (`ControlInbox.preview`); SUCCESS makes a `Commission`, which the shell carries out before
it lets the answer out: a command whose control could not be made durable is never acknowledged. No sockets, no clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Outcome, OutcomeKind
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import StoreUnavailable
from gridiface.northbound.dnp3.commanding.commissions import CommandLost, Commission, Step
from gridiface.northbound.dnp3.commanding.judging import Judge
from gridiface.northbound.dnp3.commanding.outputs import Outputs
from gridiface.northbound.dnp3.der.records import Records
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.protocols.dnp3.controls import CommandRequest, CommandStatus
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler, RestartKind

_log = logging.getLogger("gridiface.dnp3")

_ENDINGS = frozenset(
    {OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED, OutcomeKind.FAILED, OutcomeKind.REFUSED}
)
#: Status codes of an activation (g91v1).
_ACTIVATED, _REFUSED = 0, 1
_SCHEDULES_SLOT = "schedules carried out"

Changed = Callable[[Sequence[PointEntry]], bool]


class StationHandler(OutstationHandler):
    """The callbacks of one outstation.

    Args:
        settings: of the outstation.
        inbox, ledger, fleet: the ports.
        changed: called with the outputs whose status points have to follow; whether that made events.
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
        self.records = Records(settings.name, settings.points, self.outputs.curve_in_use, self.outputs.curve_named)
        self.judge = Judge(settings, self.outputs, self.records, inbox=inbox, fleet=fleet, in_trouble=self._refuses)
        self._masters: Mapping[int, MasterEntry] = {master.address: master for master in settings.masters}
        self._inbox = inbox
        self._ledger = ledger
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
        return self.judge.judge(request, now, trial=True)[0]

    def operate(self, request: CommandRequest, now: float) -> CommandStatus:
        """Judge, and leave a commission for the shell."""
        status, commission = self.judge.judge(request, now)
        self._take_up(commission)
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

    def _refuses(self, now: Instant) -> bool:
        return self._trouble_until is not None and now < self._trouble_until

    @property
    def in_trouble(self) -> bool:
        """Whether the store refused the last write."""
        return self._trouble_until is not None

    def clock_set(self, seconds: float) -> None:
        """The wall clock was set by so much: commands are refused for as long as before."""
        if self._trouble_until is not None:
            self._trouble_until += seconds

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
            self.judge.forget(commission)
            self.records.forget_coming()
            commission.undo()
            self.follow(changed)
            raise
        self._trouble_until = None
        return changed

    def follow(self, changed: Sequence[PointEntry]) -> bool:
        """Status points and read-backs of outputs become what the outputs hold; whether that made events."""
        return bool(changed) and self._changed(changed)

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
        self.follow(self.outputs.end(outcome.control_id))
        if outcome.kind is OutcomeKind.COMPLETED and entry is not None:
            self._take_up(self.judge.reverted(entry, master, outcome.at))

    def run_schedules(self, now: Instant, *, local: bool = False) -> None:
        """Command what schedules have due; commissions wait to be fetched with `take`.

        `local`: the outstation is in local mode. That they were carried out is noted once all of it is durable; what
        the store refused is due again when it takes writes.
        """
        if self._refuses(now):
            return
        carried = self.records.carried_out(now)
        taken: list[Commission] = []
        for name, one in carried.due:
            entry = self.settings.points.by_key[one.type, one.index]
            status, commission = self.judge.scheduled(entry, one.value, name, now, local=local)
            _log.info("outstation %s, a schedule of %s: %s = %g: %s", self.settings.name, name, entry.name, one.value,
                      status.name)  # fmt: skip
            self._take_up(commission)
            taken += [] if commission is None else [commission]
        if not carried.documents:
            return
        noted = Commission(slot=_SCHEDULES_SLOT, master="", steps=[Step(changes=carried.documents)], undo=carried.undo)
        waiting = len(taken)

        def durable(_: Acceptance | None) -> Sequence[PointEntry]:
            nonlocal waiting
            waiting -= 1
            if not waiting:
                self._pending.append(noted)
            return ()

        for commission in taken:
            commission.steps.append(Step(then=durable))
            commission.undo = carried.undo
        if not taken:
            self._pending.append(noted)

    def _take_up(self, commission: Commission | None) -> None:
        if commission is not None:
            self._pending.append(commission)
            self.judge.remember(commission)
