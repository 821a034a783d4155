"""What lies ahead of devices that can hold set-points with a start: the plan at each coming edge, worked out now.

The same planner and solver as the control step, asked for the instants at which scheduled controls begin and end, over
the lasting envelope (no ramps, nothing measured later). So a device that is only reached every few minutes starts in
time; what really holds at its start is told then, as to everybody. Regulation comes too often to be planned.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.arbitration import Claim
from gridiface.aggregation.columns import Columns
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.fleet import Fleet
from gridiface.aggregation.lifecycle import FAST, ControlBook, Entry, is_information
from gridiface.aggregation.limits import lasting_envelope
from gridiface.aggregation.plan import Plan
from gridiface.aggregation.planner import Planner
from gridiface.aggregation.schedules import Schedules
from gridiface.aggregation.setpoints import Orders
from gridiface.aggregation.solver import Settings, Solver
from gridiface.aggregation.vars import split_vars
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Agenda, Setpoint, Target

#: Edges that are looked at, the next ones first.
MOST_EDGES = 16

#: Least time between two looks, s.
LEAST_S = 1.0

#: Set-points that differ by less are the same: W or var, and s.
_SAME_W, _SAME_S = 10.0, 1.0


class BookAhead:
    """The controls as they will stand at `at`; a `planner.Book`."""

    def __init__(self, book: ControlBook, at: Instant) -> None:
        self._book, self._at = book, at

    def get(self, control_id: str) -> Entry | None:
        """See `ControlBook.get`."""
        return self._book.get(control_id)

    def targets(self) -> set[Target]:
        """Whom controls speak of then."""
        running = {entry.control.target for entry in self._book.ahead() if entry.control.span.contains(self._at)}
        return running | self._book.default_targets()

    def claims(self, target: Target) -> list[Claim]:
        """The modes that controls claim of this target then."""
        return [c for e in self._book.live(target) if e.control.span.contains(self._at) for c in e.claims]

    def default_claims(self, target: Target) -> list[Claim]:
        """See `ControlBook.default_claims`."""
        return self._book.default_claims(target)


class Outlook:
    """Remembers what was planned for whom, and tells what is new."""

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        schedules: Schedules,
        ruling: Planner,
        config: EngineConfig,
    ) -> None:
        self._c, self._book, self._fleet, self._config = columns, book, fleet, config
        self._schedules, self._ruling = schedules, ruling
        self._told: dict[str, tuple[Setpoint, ...]] = {}
        self._seen: Plan | None = None
        self._at: Instant = -np.inf

    def forget(self, device_id: str) -> None:
        """What a device holds is not known: it is told again at the next look."""
        self._told.pop(device_id, None)
        self._seen = None

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._at += seconds

    def look(self, plan: Plan, now: Instant) -> tuple[Agenda, ...]:
        """The agendas that changed since the last look; cheap where nobody can hold one, or no look is due.

        Args:
            plan: who rules now; a look is due when it is another one, or after `resplit_s`.
            now: when.
        """
        rows = np.flatnonzero((self._c.slots > 0) & self._c.enabled & self._c.counts)
        since = now - self._at
        due = plan is not self._seen or not 0.0 <= since < self._config.resplit_s
        if not rows.size or not self._config.plan_ahead_s or not due or 0.0 <= since < LEAST_S:
            return ()
        self._seen, self._at = plan, now
        ahead: dict[str, list[Setpoint]] = {device_id: [] for device_id in self._c.ids[rows].tolist()}
        edges = self._edges(now)
        for edge, following in itertools.pairwise([*edges, np.inf]):
            for setpoint in self._at_edge(rows, edge, following, now):
                _append(ahead[setpoint.device_id], setpoint)
        return tuple(self._news(rows, ahead, now))

    def _news(self, rows: IntArray, ahead: dict[str, list[Setpoint]], now: Instant) -> list[Agenda]:
        found = []
        for row, (device_id, planned) in zip(rows.tolist(), ahead.items(), strict=True):
            new = tuple(planned[: int(self._c.slots[row])])
            old = self._told.get(device_id)
            # What has begun meanwhile is no news.
            kept = None if old is None else tuple(one for one in old if (one.starts or 0.0) > now)
            if kept is None or len(kept) != len(new) or not all(map(_same, kept, new)):
                found.append(Agenda(device_id=device_id, issued=now, setpoints=new))
            self._told[device_id] = new
        return found

    def _edges(self, now: Instant) -> list[Instant]:
        """When scheduled controls begin, and when those or running ones end, from now on."""
        last = now + self._config.plan_ahead_s
        edges: set[Instant] = set()
        for entry in self._book.ahead():
            control = entry.control
            if control.service_class in FAST or is_information(control):
                continue
            edges |= {edge for edge in (control.span.start, control.span.end) if now < edge <= last}
        return sorted(edges)[:MOST_EDGES]

    def _at_edge(self, rows: IntArray, at: Instant, until: Instant, now: Instant) -> list[Setpoint]:
        """What those rows will be told at an edge, until the next."""
        c, config, orders = self._c, self._config, Orders()
        bounds = lasting_envelope(c, config.hold_time_s, config.soc_derate)
        planner = Planner(c, BookAhead(self._book, at), orders, self._schedules.ahead(at), self._fleet.shares)
        planner.chosen = self._ruling.chosen
        plan, demands = planner.make(self._fleet.tree, self._fleet.rows, config, bounds, at)
        settings = Settings(tolerance=config.total_tolerance, phase_spread=config.phase_spread)
        solution = Solver(c, plan, bounds, lambda node: demands.requested_w[node.id], {}, settings).solve()
        variances = split_vars(c, plan, demands.requested_var, solution.watts)
        found = []
        for row in rows.tolist():
            number = int(plan.order[row])
            if number < 0:
                continue
            order = orders.all[number]
            numbers = _numbers(row, solution.watts, solution.ceilings, variances)
            ruled = any(
                (e := self._book.get(name)) is not None and not e.control.is_default for name in order.control_ids
            )
            if not ruled or (numbers == (None, None, None) and not order.parts):
                continue
            ends = min(order.ends, until)
            found.append(
                Setpoint(
                    device_id=c.ids[row],
                    issued=now,
                    starts=at,
                    active_power_w=numbers[0],
                    ceiling_w=numbers[1],
                    reactive_power_var=numbers[2],
                    connect=order.connect,
                    energize=order.energize,
                    passed=order.passed,
                    valid_until=ends if np.isfinite(ends) else at + config.open_validity_s,
                    ramp_s=order.ramp_s,
                    control_ids=order.control_ids,
                    service_class=order.service_class,
                )
            )
        return found


def _numbers(row: int, *columns: FloatArray) -> tuple[float | None, ...]:
    return tuple(None if np.isnan(column[row]) else float(column[row]) for column in columns)


def _append(planned: list[Setpoint], new: Setpoint) -> None:
    """Put a set-point behind the others; where it only goes on, the last one lasts longer."""
    last = planned[-1] if planned else None
    if last is not None and last.valid_until == new.starts and _same(replace(new, starts=last.starts), last, end=False):
        planned[-1] = replace(last, valid_until=new.valid_until)
    else:
        planned.append(new)


def _same(one: Setpoint, other: Setpoint, *, end: bool = True) -> bool:
    """Whether two planned set-points say the same."""
    pairs = [
        (one.active_power_w, other.active_power_w, _SAME_W),
        (one.ceiling_w, other.ceiling_w, _SAME_W),
        (one.reactive_power_var, other.reactive_power_var, _SAME_W),
        (one.starts, other.starts, _SAME_S),
    ]
    if end:
        pairs.append((one.valid_until, other.valid_until, _SAME_S))
    near = all(a == b or (a is not None and b is not None and abs(a - b) <= band) for a, b, band in pairs)
    rest = ("connect", "energize", "passed", "control_ids", "ramp_s")
    return near and all(getattr(one, name) == getattr(other, name) for name in rest)
