"""One control step of the product: envelope, targets with trim, solve, look-ahead, and what must be sent.

Owns the state that lives from step to step: trims, the last results. What rules comes as a plan, what meters see beside
the members from `metering`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.allocate.quiet import to_send
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.demands import Demands
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.deciding.setpoints import RECONNECT, SWITCHES, Orders, Wanted, differs, order_news, send
from gridiface.aggregation.envelope.limits import Envelope, envelope
from gridiface.aggregation.hailing import Hail, Hailing, hailed
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.splitting import probing
from gridiface.aggregation.splitting.closed_loop import Pace, Trim, judge_lack
from gridiface.aggregation.splitting.fast_ramp import FastRamp
from gridiface.aggregation.splitting.handover import FETCHED_S, FETCHES, Handover, without_ramps
from gridiface.aggregation.splitting.look_ahead import look_ahead
from gridiface.aggregation.splitting.quickness import Quickness
from gridiface.aggregation.splitting.solution import NodeResult, Settings, Solution, Step
from gridiface.aggregation.splitting.solver import Solver
from gridiface.aggregation.splitting.telling import Telling
from gridiface.aggregation.splitting.to_the_end import note_lasts
from gridiface.aggregation.splitting.trying import held_on_trial, try_to_move
from gridiface.aggregation.splitting.vars import split_vars
from gridiface.aggregation.state.column_table import UNLIMITED
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog, device_target, group_target
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Setpoint

#: A limit of a single device is kept to this, W.
_LEAST_W = 1e-3


class Stepper:
    """Runs control steps over the columns."""

    def __init__(
        self, columns: Columns, orders: Orders, metering: Metering, config: EngineConfig, log: DecisionLog
    ) -> None:
        self._c, self._orders, self._config, self._log = columns, orders, config, log
        self._metering = metering
        self.results: dict[str, NodeResult] = {}
        self.trims: dict[str, Trim] = {}
        self._carried: Mapping[str, float] = {}
        self._split_at = self._ran_at = -np.inf
        self._renewed = False
        self._holding = 0
        self._pace = Pace(columns)
        self.handover = Handover(columns, config.response_s)
        self.fast_ramp = FastRamp(columns, config.fast_ramp_per_s)
        self._telling = Telling(columns, config.shortfall_rel, log)
        #: When those may be told something again who are not heard; see `hailing`.
        self.hail_due: Instant = np.inf
        #: Of the last step: where each device was by its commands, W; who had to charge for its departure.
        self.position: FloatArray = np.empty(0)
        self.floors: IntArray = np.empty(0, dtype=np.int64)

    def bounds(self, now: Instant, horizon_s: float) -> Envelope:
        """The envelope at `now`."""
        return envelope(
            self._c,
            now,
            horizon_s=horizon_s,
            hold_time_s=self._config.hold_time_s,
            soc_derate=self._config.soc_derate,
            departure_margin=self._config.departure_margin,
        )

    def changed(self) -> None:
        """The plan or the fleet changed: the last split must not be used again."""
        self._renewed = True

    def shift_time(self, seconds: float) -> None:
        """The clock was set: keep the distances."""
        for trim in self.trims.values():
            if trim.at is not None:
                trim.at += seconds
        self._pace.shift_time(seconds)
        self.handover.shift_time(seconds)
        self.fast_ramp.fading.shift_time(seconds)
        self._split_at += seconds
        self._ran_at += seconds

    def held(self) -> dict[str, float]:
        """What the trims of the last step's groups with a total add, W."""
        return {name: self.trims[name].watts for name, one in self.results.items() if one.wanted is not None}

    def carry(self, trims: Mapping[str, float]) -> None:
        """Begin the first step of a run with what the trims added before it, W."""
        self._carried = trims

    def run(self, plan: Plan, demands: Demands, now: Instant) -> Step:
        """One step. Notes in the columns what is told."""
        note_lasts(self._c, plan, now, self._config)
        bounds = self.bounds(now, plan.period_s)
        bounds = held_on_trial(self._c, bounds)
        self.position, self.floors = bounds.position, bounds.floors
        residuals = {node.id: self._metering.beside(node.id, now) for node in plan.nodes()}
        self._pace.look()
        self._renewed |= bounds.holding != self._holding
        self._holding = bounds.holding
        bound = [node for node in plan.nodes() if node.bound]
        self.handover.look(bound, self.results.keys() | self._carried, bounds, now, resumed=self._carried)
        reuse = not (self._renewed or self.handover.active) and now - self._split_at < self._config.resplit_s
        if not reuse:
            self._split_at = now
        self._renewed = False
        self.fast_ramp.arrived.clear()
        asked = {
            node.id: self._target(node, demands, bounds, residuals[node.id].watts, plan.period_s, now) for node in bound
        }
        targets, on_top = ({name: one[at] for name, one in asked.items()} for at in (0, 1))
        settings = Settings.of(self._config, reuse=reuse)
        quickness = Quickness(self._c, plan, bounds)
        quickness.keep(
            lambda asked: Solver(self._c, plan, bounds, asked, residuals, settings).solve().watts,
            lambda node: targets[node.id],
        )
        inside, whole = quickness.bounds, dict[str, NodeResult]()

        def solver_in(near: Envelope) -> Solver:
            return Solver(self._c, plan, near, lambda node: targets[node.id], residuals, settings)

        if self.handover.active:
            end = without_ramps(inside, bounds, held_on_trial(self._c, self.bounds(now, UNLIMITED)))
            asked_w = {node.id: targets[node.id] - residuals[node.id].watts for node in bound}
            inside, whole = self.handover.hold_back(bound, inside, solver_in(end).solve(), asked_w, now)
        solver = solver_in(inside)
        solution = solver.solve()
        if whole and (wider := self.handover.wider(solution)) is not None:
            solver = solver_in(wider)
            solution = solver.solve()
        for name, one in whole.items():
            solution.results[name] = replace(solution.results[name], low=one.low, high=one.high)
        quickness.account(solution, self._log, now)
        look_ahead(self._c, plan, bounds, residuals, solution, self._config, self._log, now)
        hail = Hailing(self._c, plan, solution, solver.leeway, self._deadband(), now).look()
        self._telling.tell_powers(plan, solution, lambda node: self._in_the_end(node, demands), now)
        self.results, self._ran_at, self._carried = solution.results, now, {}
        above = probing.margins(self._c, plan, bounds, solution, residuals, on_top)
        try_to_move(self._c, plan, bounds, solution, solver.leeway, on_top, above)
        vars_ = split_vars(self._c, plan, demands.requested_var, solution.watts, self._beside_var, above)
        self._telling.tell_vars(plan, demands, vars_, self._beside_var, now)
        self._renewed |= probing.found_more(self._c, bounds, solution)
        return self._emit(plan, solution, vars_, above, bounds, hail, now)

    # Targets.

    def _target(
        self, node: Node, demands: Demands, bounds: Envelope, beside_w: float, period_s: float, now: Instant
    ) -> tuple[float, float]:
        """What a bound node is asked in this step, and what may come on top of that; see `FastRamp`."""
        wanted = self.fast_ramp.way_back(node, bounds, beside_w)
        if wanted is None:
            wanted = self.requested(node, demands, now)
            wanted += self._trim(node, wanted, bounds, now)
        # Steps may come sooner than the period (a kick, a failure): the ramp counts the time that passed.
        elapsed = min(max(now - self._ran_at, 0.0), period_s)
        return self.fast_ramp.asked(node, bounds, wanted, beside_w, self.results.get(node.id), elapsed)

    @staticmethod
    def requested(node: Node, demands: Demands, now: Instant) -> float:
        """What is asked of a bound node now: on its way along the control's own ramp, W."""
        return demands.requested(node.id, node.ruling, now)

    def _trim(self, node: Node, wanted: float, bounds: Envelope, now: Instant) -> float:
        trim = self.trims.setdefault(node.id, Trim())
        last = self.results.get(node.id)
        config = self._config
        if last is None:  # it begins; or goes on after a restart
            trim.watts = self._carried.get(node.id, 0.0) if config.trim_gain > 0 else 0.0
        if config.trim_gain <= 0 or last is None:
            trim.at = now
            return trim.watts
        before = trim.watts
        counted = self._counted_on(node.loose, bounds)
        trim.give_up(self._told_anew(node.loose, counted))
        rating = float(bounds.weight[node.loose[bounds.free[node.loose]]].sum())
        trim.update(
            self._missing(node, bounds, counted, now),
            now,
            gain=config.trim_gain,
            limit_w=config.trim_limit * rating,
            quiet_w=max(self._config.total_tolerance * abs(wanted), 1.0),
        )
        step = round(trim.watts / max(0.02 * abs(wanted), 100.0))
        if before != trim.watts and self._log.news("trim", node.id, value=step):
            reason = f"measured total is off what was told: {trim.watts:+.0f} W are added"
            self._log.add(now, group_target(node.id), "trim", "adjusted", reason, value=trim.watts)
        return trim.watts

    def _counted_on(self, rows: IntArray, bounds: Envelope) -> BoolArray:
        """Who of these is to do what it was told: not who fails, nor whose owner has set it to less since then."""
        c, here = self._c, span(rows)
        told = c.told_w[here]
        counted: BoolArray = (told <= c.export_w[here]) & (told >= -c.import_w[here])  # neither, where none was told
        counted &= np.isfinite(c.w[here]) & bounds.free[here]
        return counted

    def _told_anew(self, rows: IntArray, counted: BoolArray) -> float:
        """What those of `rows` lacked last who are counted on no more, W: this step gives it to others."""
        c = self._c
        gone = rows[(c.lack_w[span(rows)] != 0.0) & ~counted]
        lacked = float(c.lack_w[gone].sum())
        c.lack_w[gone] = 0.0
        return lacked

    def _missing(self, node: Node, bounds: Envelope, counted: BoolArray, now: Instant) -> float | None:
        """Expected minus measured power of the node's loose devices that are commanded and seen, W.

        What one lacks that is still to fetch what it was told is not known yet: others would make up for it now, and be
        too much when it follows. Its part stays as it was judged last, until it answers, its power has come half the
        way, or it had so much time that it will not follow any more.
        """
        c, rows = self._c, node.loose
        here = span(rows)
        since = c.waits_since[here]
        waits = counted & np.isfinite(since)
        if waits.any():
            there = waits & ~(2.0 * np.abs(c.w[rows] - c.told_w[rows]) > np.abs(c.w[rows] - c.from_w[rows]))
            c.waits_since[rows[there]] = np.nan
            waits &= ~there & (now - since < np.maximum(FETCHED_S, FETCHES * c.latency_s[rows]))
        seen = counted & ~waits & (c.received[here] >= c.from_at[here])
        if not seen.any():
            return None
        mine = rows[seen]
        lack = judge_lack(c, mine, self._config.response_s)
        lasting = self._pace.lasting(mine, lack, 0.5 * bounds.weight[span(mine)], 1.0 / self._config.trim_gain)
        return float(lasting.sum()) + float(c.lack_w[rows[waits]].sum())

    def _in_the_end(self, node: Node, demands: Demands) -> float | None:
        """What is to be there once a ramp is over, W; None while a fast response comes back."""
        return None if self.fast_ramp.fading.leads_back(node) else self.requested(node, demands, np.inf)

    def _beside_var(self, group_id: str) -> float:
        return self._metering.known_var(group_target(group_id))

    def is_short(self, node_id: str, asked: float) -> bool:
        """Whether the last step fell short of `asked` for this node."""
        result = self.results.get(node_id)
        return result is not None and self._telling.reach(asked, result)[1]

    # Sending.

    def _emit(
        self,
        plan: Plan,
        solution: Solution,
        vars_: FloatArray,
        above: FloatArray,
        bounds: Envelope,
        hail: Hail | None,
        now: Instant,
    ) -> Step:
        c = self._c
        barred = c.blocked | c.quarantined | ~c.enabled
        handing_on = self._orders.handing_on[plan.order]  # -1 finds the last: nothing
        # Who is off the grid can be told to come back, and who is off by our word must be.
        switched = (c.cut | (handing_on & SWITCHES > 0)) & ~c.local
        reachable = (c.usable | switched) & ~(barred | c.down | c.lost)
        asked = np.isfinite(solution.watts) | np.isfinite(solution.ceilings) | np.isfinite(vars_)
        asked |= handing_on > 0
        order = np.where(reachable & asked, plan.order, -1)
        self.hail_due = np.inf if hail is None else hail.due
        if hail is not None:
            order = np.where(hail.say, plan.order, order)
        cut = reachable & c.cut & ~(c.usable | c.answers) & (order < 0)
        if cut.any():
            order[cut] = self._orders.number(RECONNECT)
        nothing = order < 0
        for values in (solution.watts, solution.ceilings, vars_):
            values[nothing] = np.nan
        self._refuse_nonsense(solution, now)
        wanted = Wanted(solution.watts, solution.ceilings, vars_, order)
        tell, adopt = order_news(c, order, self._orders)
        moved = self._moved(plan, solution)
        moved |= differs(c.told_var, wanted.vars, self._deadband())
        moved |= probing.news(c, above, self._deadband())
        send_rows = (order >= 0) & (tell | moved | (now >= c.renew_at) | ~c.told)
        release = c.told & nothing & (reachable | barred)
        if hail is not None:
            send_rows |= hail.say
            release |= hail.release
            hailed(c, np.flatnonzero(hail.say | hail.release), now)
        gone = c.told & nothing & ~release
        c.told_w[gone] = np.nan  # what it holds is unknown; told anew, or released, when it is back
        c.told_order[gone] = -1
        sent = np.flatnonzero(send_rows | release)
        adopted = np.flatnonzero(adopt & ~send_rows)
        c.told_order[adopted] = order[adopted]
        batch: Sequence[Setpoint] = ()
        if sent.size:
            batch = send(c, sent, wanted, bounds.position, self._orders, now, self._config.open_validity_s, above)
        return Step(batch, sent, adopted, wanted)

    def _deadband(self) -> FloatArray:
        c, config = self._c, self._config
        return np.maximum(config.deadband_w, config.deadband_rel * np.maximum(c.export_w, c.import_w))

    def _moved(self, plan: Plan, solution: Solution) -> BoolArray:
        """Whose power or ceiling moved enough, group by group so that each total stays inside its tolerance."""
        c, deadband = self._c, self._deadband()
        moved = np.zeros(c.count, dtype=np.bool_)
        for told, wanted in ((c.told_w, solution.watts), (c.told_ceiling_w, solution.ceilings)):
            news = differs(told, wanted, deadband)
            if plan.single:  # a limit of one device bears no dead-band
                news |= np.isfinite(wanted) & (told > plan.device_high + _LEAST_W)
                news |= np.isfinite(wanted) & (told < plan.device_low - _LEAST_W)
            # Groups inside first: what moves in one of them and out of another is nothing for the total.
            small = np.isfinite(wanted) & (told != wanted) & ~news
            for node in reversed(plan.nodes()) if small.any() else ():
                if not small[node.rows].any():
                    continue
                rows = node.rows[np.isfinite(wanted[node.rows])]
                result = solution.results.get(node.id)
                total = float(wanted[rows].sum()) if result is None else result.total
                band = np.where(news[rows], -1.0, deadband[rows])  # who is told anyhow has none
                tolerance = max(self._config.total_tolerance * abs(total), 0.5)
                news[rows] = to_send(told[rows], wanted[rows], band, tolerance)
            moved |= news
        return moved

    def _refuse_nonsense(self, solution: Solution, now: Instant) -> None:
        """Nothing that is not a number a device could hold ever leaves."""
        most = np.maximum(np.maximum(self._c.export_w, self._c.import_w), 1.0)
        with np.errstate(invalid="ignore"):
            wrong = np.isinf(solution.watts) | (np.abs(solution.watts) > most * (1 + 1e-9))
        for row in np.flatnonzero(wrong).tolist():
            reason = f"{solution.watts[row]:g} W is beyond the device's rating"
            self._log.add(now, device_target(self._c.ids[row]), "look-ahead", "refused", reason)
        solution.watts[wrong] = self._c.told_w[wrong]
