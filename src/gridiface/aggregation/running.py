"""The running fleet: keeps the plan current, runs steps over it, and knows how each device's part begins and ends."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from gridiface.aggregation.accounting.standing import Standing, standing_in
from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.allocate.guarded import Guarded
from gridiface.aggregation.allocate.problem import BoolArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.demands import Demands
from gridiface.aggregation.deciding.ending import AtItsEnd
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.plan import Node, Plan, empty_plan
from gridiface.aggregation.deciding.planner import Planner
from gridiface.aggregation.deciding.schedules import Schedules
from gridiface.aggregation.deciding.setpoints import CEILING, PARTS, PARTS_OF, POWER, SWITCHES, Orders
from gridiface.aggregation.envelope import doubt
from gridiface.aggregation.envelope.limits import Envelope
from gridiface.aggregation.foreseeing.foresight import Foresight
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.loops import Loops
from gridiface.aggregation.sampling import Sampling, set_points
from gridiface.aggregation.slices import at_once
from gridiface.aggregation.splitting.handover import STEP_S
from gridiface.aggregation.splitting.singles import Singles
from gridiface.aggregation.splitting.solution import Step
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target, group_target
from gridiface.aggregation.stepper import Stepper
from gridiface.domain.clock import Instant
from gridiface.domain.controls import (
    CLASS_TIMING,
    Control,
    ControlMode,
    OutcomeKind,
    ServiceClass,
    Target,
    TargetKind,
)

#: Orders are thrown out when so many have gathered, beside three times those that were used at the last time.
MANY_ORDERS = 512

#: A shortfall counts from so long after the start on: before, the fleet may still be on its way, s.
SETTLING_S = 30.0

#: A ramp that a control asks for is walked in so many steps, none shorter than this, s.
RAMP_STEPS, RAMP_STEP_S = 20, 1.0


def _settling_s(control: Control) -> float:
    """How long after its start a shortfall does not count yet: at most half of a short control."""
    length = control.span.duration
    return SETTLING_S if length is None else min(SETTLING_S, length / 2)


class Running:
    """One fleet under way. `replan` is set when a control or the fleet changed; the next step lays out a new plan."""

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        orders: Orders,
        stepper: Stepper,
        metering: Metering,
        schedules: Schedules,
        config: EngineConfig,
        log: DecisionLog,
    ) -> None:
        self._c, self._book, self._fleet, self._orders = columns, book, fleet, orders
        self._stepper, self._metering, self._config = stepper, metering, config
        self.planner = Planner(columns, book, orders, schedules, fleet.shares)
        self.foresight = Foresight(columns, book, fleet, schedules, self.planner, config)
        self._demands = Demands()
        #: Whose fast response is over.
        self.fading = stepper.fast_ramp.fading
        #: What closed loops hold, over a restart.
        self.loops = Loops(stepper, metering)
        self._singles = Singles(columns, config, log)
        self.plan: Plan = empty_plan(columns)
        #: Defaults and lines of the schedule that are in force by the plan, by control id.
        self.standing: dict[str, Standing] = {}
        self.replan = True
        self.starting: list[Entry] = []
        self._log = log
        self._here: tuple[int, Collection[str]] = (-1, ())
        self._sampling = Sampling(columns, book, fleet, stepper, metering)

    @property
    def at_work(self) -> bool:
        """Whether something is asked of somebody, so that steps are due each period."""
        return bool(self.plan.roots) or self.plan.single or bool(self.plan.floors.size)

    def step(self, now: Instant) -> Step:
        """One control step, with a new plan where one is due."""
        if self.replan or len(self.plan.order) != self._c.count:
            if len(self._orders.all) > MANY_ORDERS + 2 * self._orders.used:
                self._orders.compact(self._c)
                self.planner.renumbered()
            bounds, fading = self.bounds(now), self.fading.coming(self.plan, now)
            self.plan, self._demands = at_once(
                self.planner.making(
                    self._fleet.tree,
                    self._fleet.rows,
                    lambda group_id: self._metering.beside(group_id, now).watts,
                    self._config,
                    bounds,
                    now,
                    fading,
                    self._fleet.edition,
                )
            )
            self.fading.begin(self.plan)
            self.standing = standing_in(self.plan)
            self._stepper.changed()
            self.replan = False
        step = self._stepper.run(self.plan, self._demands, now)
        self.replan |= self.fading.end(self._stepper.fast_ramp.arrived, now)
        if not np.array_equal(self._stepper.floors, self.plan.floors):
            self.replan = True
        self._note_floors(now)
        self._note_faults(now)
        self._singles.look(self.plan, step.wanted.watts, now)
        self._begin_devices(step, now)
        self._note_shortfalls(now)
        return step

    @property
    def position(self) -> FloatArray:
        """Where the last step found each device by its commands, W."""
        return self._stepper.position

    def period_s(self, now: Instant) -> float:
        """Time to the next step after one at `now`: the plan's, or a part of the shortest ramp that is under way, s."""
        ramps = [
            max(ramp_s / RAMP_STEPS, RAMP_STEP_S)
            for node in self.plan.nodes()
            for ramp_s in self._demands.ramps(node.id, node.ruling, now)
        ]
        if self._stepper.handover.active:
            ramps.append(STEP_S)
        if self.fading:
            ramps.append(CLASS_TIMING[ServiceClass.FAST_FREQUENCY].period_s)
        return min([self.plan.period_s, *ramps])

    def bounds(self, now: Instant) -> Envelope:
        """The envelope at `now` for the period at work."""
        return self._stepper.bounds(now, self.plan.period_s)

    def node(self, group_id: str) -> Node | None:
        """The group's node in the plan."""
        return self.plan.node(group_id)

    def sampling(self, now: Instant) -> Sampling:
        """What holds for each control from now on; it stands until something changes."""
        return self._sampling.at(self.plan, self._demands, self.standing, now)

    def standing_w(self, target: Target) -> float | None:
        """What the plan asks of a target but for regulation, W; None: no more than that."""
        if target.kind is TargetKind.DEVICE:
            row = self._c.row.get(target.id)
            ruling = None if row is None else self.plan.rulings.get(row)
            total = None if row is None or row >= len(self.plan.device_w) else float(self.plan.device_w[row])
        else:
            node = self.node(target.id)
            ruling = None if node is None or self.fading.leads_back(node) else node.ruling
            total = self._demands.requested_w.get(target.id)
        if ruling is None or total is None or ruling.leading in (None, ruling.regulation):
            return None
        return total - (0.0 if ruling.regulation is None else ruling.regulation.value.value)

    def resume(self, entry: Entry) -> None:
        """A control ran before a restart: its devices may hold what they were told for it."""
        c, rows = self._c, self._fleet.rows_of(entry.control.target)
        c.told[rows] = True
        holds = POWER
        for mode, one in entry.control.values.items():
            part = PARTS_OF.get(mode, PARTS.get(mode, 0))
            if part & SWITCHES and one.value:
                continue  # what keeps it on the grid need not be taken back
            if part == CEILING and mode is not ControlMode.MAX_W_PERCENT:
                rated = c.export_w[rows]
                if bool((rated > 0.0).all()) and float(rated.sum()) <= one.value:
                    continue  # nobody was told a ceiling: one that is there is the installer's
            holds |= part
        c.holds[rows] |= holds
        c.cut[rows] |= bool(holds & SWITCHES)
        doubt.resumed(c, c.rows([name for name in entry.told.get(OutcomeKind.STARTED, ()) if name is not None]))
        self.starting.append(entry)

    def ending(self, entry: Entry) -> AtItsEnd:
        """How the devices' parts in a control that ends now ended."""
        c, target = self._c, entry.control.target
        began, failures = entry.told.get(OutcomeKind.STARTED, ()), dict(entry.failures)
        if target.kind is TargetKind.DEVICE:
            row = c.row.get(target.id)
            if row is None:
                return AtItsEnd(began, frozenset(), None, frozenset(), frozenset(), failures)
            here, barred = frozenset({target.id}), bool(c.blocked[row] or not c.enabled[row])
            if barred:
                failures[target.id] = "blocked by the operator" if c.blocked[row] else "not enabled any more"
            away = here if barred or c.down[row] or c.lost[row] else frozenset()
            return AtItsEnd(began, here, None, here, away, failures)
        gone = c.down | c.lost | c.blocked | ~c.enabled
        failures |= dict.fromkeys(c.ids[~c.enabled].tolist(), "not enabled any more")
        failures |= dict.fromkeys(c.ids[c.blocked].tolist(), "blocked by the operator")
        if self._here[0] != c.version:
            self._here = c.version, c.row.copy()
        inside, away = self._fleet.tree.inside(target.id), frozenset(c.ids[gone].tolist())
        return AtItsEnd(began, self._here[1], target.id, inside, away, failures)

    def _note_floors(self, now: Instant) -> None:
        """Say who must charge for its departure from now on: once for each departure."""
        c = self._c
        for row in self._stepper.floors.tolist():
            leaves = float(c.leave_at[row])
            if self._log.news("departure", c.ids[row], value=leaves):
                goal = f"{c.leave_soc[row]:.0%} in {(leaves - now) / 60:.0f} min"
                reason = f"it must charge from now on to be at {goal}: set-points give way to that"
                self._log.add(now, device_target(c.ids[row]), "departure", "charging", reason)

    def _note_faults(self, now: Instant) -> None:
        """Say which strategy of another package did not answer as it has to: once, until it does."""
        guarded = {node.strategy: node.id for node in self.plan.nodes() if isinstance(node.strategy, Guarded)}
        for strategy, group_id in guarded.items():
            fault, strategy.fault = strategy.fault, ""
            if self._log.news("strategy fault", strategy.name, value=fault) and fault:
                reason = f"{strategy.name}: {fault}: water-filling splits instead"
                self._log.add(now, group_target(group_id), "strategy", "failed", reason)

    def _note_shortfalls(self, now: Instant) -> None:
        for node in self.plan.nodes():
            for claim in set_points(node.ruling):
                entry = self._book.get(claim.control.id)
                if entry is None or entry.short or now - entry.control.span.start < _settling_s(entry.control):
                    continue
                part = self._demands.parts.get(claim.control.id)
                cut = part is not None and abs(part.asked - part.given) > max(0.01 * abs(part.asked), 1.0)
                asked = self._stepper.requested(node, self._demands, now)
                entry.short = cut or self._stepper.is_short(node.id, asked)

    def _begin_devices(self, step: Step, now: Instant) -> None:
        """Tell the start of devices that need not be told anything; the others start with their acknowledgement."""
        self._begin_adopted(step, now)
        if not self.starting:
            return
        begin, waiting = list[Entry](), list[Entry]()
        for entry in self.starting:
            if entry.active:  # one that a higher authority covers for now begins when its turn comes
                (begin if self._rules(entry) else waiting).append(entry)
        self.starting = waiting
        told_now = np.zeros(self._c.count, dtype=np.bool_)
        told_now[step.sent] = True
        for entry in begin:
            self._begin(entry, step, told_now, now)

    def _rules(self, entry: Entry) -> bool:
        """Whether a control has a part in what its target is asked now."""
        target = entry.control.target
        if target.kind is TargetKind.DEVICE:
            row = self._c.row.get(target.id)
            ruling = None if row is None else self.plan.rulings.get(row)
        else:
            node = self.plan.node(target.id)
            ruling = None if node is None else node.ruling
        return ruling is not None and any(one.id == entry.control.id for one in ruling.controls)

    def _begin_adopted(self, step: Step, now: Instant) -> None:
        c = self._c
        rows = step.adopted[~c.answers[step.adopted]]
        for number in np.unique(step.wanted.order[rows]).tolist():
            ids = c.ids[rows[step.wanted.order[rows] == number]].tolist()
            for control_id in self._orders.all[number].control_ids:
                entry = self._book.get(control_id)
                if entry is not None:
                    self._book.start(entry, ids, now)

    def _begin(self, entry: Entry, step: Step, told_now: BoolArray, now: Instant) -> None:
        """Start the devices of one control that are told nothing new, and note those that are not there."""
        c = self._c
        if entry.control.target.kind is TargetKind.DEVICE:
            self._begin_one(entry, step, told_now, now)
            return
        mine = self._fleet.reported(entry.control.target)
        self._book.concern(entry, entry.reported(c.ids[mine].tolist()), now)
        found, which = np.unique(step.wanted.order[mine], return_inverse=True)
        orders = self._orders.all
        naming = [at >= 0 and entry.control.id in orders[at].control_ids for at in found.tolist()]
        named = np.array(naming, dtype=np.bool_)[which]
        sent = told_now[mine]
        away = c.down[mine] | c.lost[mine] | c.blocked[mine] | ~c.usable[mine]
        for device_id in entry.reported(c.ids[mine[away]].tolist()):
            entry.failures.setdefault(device_id, "not available at its start")
        at_once = mine[~away & (~named | (~sent & c.acknowledged[mine]))]
        if at_once.size:
            self._book.start(entry, c.ids[at_once].tolist(), now)

    def _begin_one(self, entry: Entry, step: Step, told_now: BoolArray, now: Instant) -> None:
        """As `_begin`, of a control of one device: thousands may begin in one second."""
        c, row = self._c, self._c.row.get(entry.control.target.id)
        if row is None or c.answers[row] or not c.counts[row]:
            return
        mine = entry.reported([entry.control.target.id])
        self._book.concern(entry, mine, now)
        if c.down[row] or c.lost[row] or c.blocked[row] or not c.usable[row]:
            for device_id in mine:
                entry.failures.setdefault(device_id, "not available at its start")
            return
        number = int(step.wanted.order[row])
        named = number >= 0 and entry.control.id in self._orders.all[number].control_ids
        if not named or (not told_now[row] and c.acknowledged[row]):
            self._book.start(entry, [entry.control.target.id], now)
