"""What lies ahead of devices that can hold set-points with a start: the plan at each coming edge, worked out before.

Worked out (`foresight`) for the instants at which scheduled controls begin and end. So a device that is only reached
every few minutes starts in time; what really holds at its start is told then, as to everybody. Regulation comes too
often to be planned.

With thousands of such devices that is more work than a control step: it is done in slices, between steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import isnan
from typing import NamedTuple

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.deciding.arbitration import is_information
from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.deciding.setpoints import Order
from gridiface.aggregation.foreseeing.foresight import Foresight
from gridiface.aggregation.listening.fleet import Fleet
from gridiface.aggregation.listening.metering import Metering
from gridiface.aggregation.slices import Slices
from gridiface.aggregation.splitting.vars import split_vars
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import group_target
from gridiface.domain.clock import Instant
from gridiface.domain.controls import FAST, Agenda, Setpoint

#: Edges that are looked at, the next ones first.
MOST_EDGES = 16

#: Least time between two looks, s.
LEAST_S = 1.0

#: How long a look is begun anew because who rules changed under it; then it is ended with what it has, s.
PATIENCE_S = 5.0

#: Set-points that one slice makes at most: a few milliseconds.
SLICE = 256

#: Set-points that differ by less are the same: W or var, and s.
_SAME_W, _SAME_S = 10.0, 1.0

#: Step in which what meters see is taken into what is published ahead, part of the group's rating.
_COARSE = 0.05


class _Item(NamedTuple):
    """What one device will be told from `starts` until `ends`; W and var, NaN = nothing."""

    starts: Instant
    ends: Instant
    watts: float
    ceiling: float
    var: float
    order: Order

    def like(self, other: _Item) -> bool:
        """Whether a device that holds the one need not be told the other."""
        return (
            abs(self.starts - other.starts) <= _SAME_S
            and abs(self.ends - other.ends) <= _SAME_S
            and _near(self.watts, other.watts)
            and _near(self.ceiling, other.ceiling)
            and _near(self.var, other.var)
            and _like(self.order, other.order)
        )


@dataclass(frozen=True, slots=True)
class _Edge:
    """What every device will be told from `at` on: arrays over the rows, W, var and instants.

    `ruled`: who is told anything. `goes_on`: who is only told to go on with what began at an earlier edge.
    """

    at: Instant
    orders: Sequence[Order]
    order: IntArray
    watts: FloatArray
    ceilings: FloatArray
    variances: FloatArray
    ends: FloatArray
    ruled: BoolArray
    goes_on: BoolArray

    def part(self, rows: IntArray) -> Iterator[tuple[bool, bool, float, float, float, float, int]]:
        """(ruled, goes on, end, W, ceiling, var, order's number) of some rows."""
        columns = (self.ruled, self.goes_on, self.ends, self.watts, self.ceilings, self.variances, self.order)
        return zip(*(column[rows].tolist() for column in columns), strict=True)


class _Runs:
    """What each device is told without a break up to an edge: the numbers it began with, whose order, and its end."""

    def __init__(self, count: int) -> None:
        self._numbers = np.full((3, count), np.nan)
        self._order: IntArray = np.full(count, -1, dtype=np.int64)
        self._ends: FloatArray = np.full(count, -np.inf)
        self._known: dict[tuple[str, ...], list[tuple[Order, int]]] = {}
        self._given = 0

    def follow(self, orders: Sequence[Order], edge: _Edge) -> Slices[BoolArray]:
        """Who only goes on at this edge; orders alike have one number over all edges."""
        given: list[int] = []
        for first in range(0, len(orders), SLICE):
            given += map(self._number, orders[first : first + SLICE])
            yield ()
        numbered = np.array([*given, -1], dtype=np.int64)[edge.order]
        numbers = np.stack((edge.watts, edge.ceilings, edge.variances))
        same = np.abs(numbers - self._numbers) <= _SAME_W
        same |= np.isnan(numbers) & np.isnan(self._numbers)
        goes_on: BoolArray = edge.ruled & (self._ends == edge.at) & (numbered == self._order) & same.all(axis=0)
        fresh = edge.ruled & ~goes_on
        self._numbers[:, fresh] = numbers[:, fresh]
        self._order[fresh] = numbered[fresh]
        self._ends[edge.ruled] = edge.ends[edge.ruled]
        return goes_on

    def _number(self, order: Order) -> int:
        alike = self._known.setdefault(order.control_ids, [])
        for known, number in alike:
            if _like(known, order):
                return number
        number, self._given = self._given, self._given + 1
        alike.append((order, number))
        return number


class Outlook:
    """Remembers what was planned for whom, and tells what is new."""

    def __init__(
        self,
        columns: Columns,
        book: ControlBook,
        fleet: Fleet,
        foresight: Foresight,
        metering: Metering,
        config: EngineConfig,
    ) -> None:
        self._c, self._book, self._fleet, self._config = columns, book, fleet, config
        self._foresight, self._metering = foresight, metering
        self._told: dict[str, tuple[_Item, ...]] = {}
        self._seen: Plan | None = None
        self._at: Instant = -np.inf
        self._began: Instant = -np.inf
        self._version = -1
        self._work: Iterator[tuple[Agenda, ...]] | None = None

    @property
    def busy(self) -> bool:
        """Whether a look is under way and waits for its next slice."""
        return self._work is not None

    def forget(self, device_id: str) -> None:
        """What a device holds is not known: it is told again at the next look."""
        self._told.pop(device_id, None)
        self._seen = None

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._at += seconds
        self._began += seconds
        self._work = self._seen = None

    def watch(self, plan: Plan, now: Instant) -> None:
        """Begin a look where one is due; cheap where not, or where nobody can hold an agenda.

        Args:
            plan: who rules now; a look is due when it is another one, or after `resplit_s`.
            now: when.
        """
        since = now - self._at
        due = plan is not self._seen or not 0.0 <= since < self._config.resplit_s
        if not due or not self._config.plan_ahead_s or 0.0 <= since < LEAST_S:
            return
        if self._work is not None and now - self._began >= PATIENCE_S:
            return  # it is ended first; the next look says what is different
        rows = np.flatnonzero((self._c.slots > 0) & self._c.enabled & self._c.counts)
        if not rows.size:
            self._work = None
            return
        if self._work is None:
            self._began = now
        self._seen, self._at, self._version = plan, now, self._c.version
        self._work = self._look(rows, now)

    def slice(self) -> tuple[Agenda, ...]:
        """Work a few milliseconds at the look that is under way; the agendas that turned out to be new."""
        if self._work is None:
            return ()
        if self._version != self._c.version:  # devices came or went: rows are not theirs any more
            self._work = self._seen = None
            return ()
        found = next(self._work, None)
        if found is None:
            self._work = None
        return found or ()

    def _look(self, rows: IntArray, now: Instant) -> Iterator[tuple[Agenda, ...]]:
        """One look: each edge in slices, then the agendas of some devices in each."""
        edges: list[_Edge] = []
        runs = _Runs(self._c.count)
        for edge, following in itertools.pairwise([*self._edges(now), np.inf]):
            solved = yield from self._solve(edge, following)
            edges.append(replace(solved, goes_on=(yield from runs.follow(solved.orders, solved))))
        size = max(1, SLICE // max(1, len(edges)))
        for first in range(0, rows.size, size):
            yield self._news(rows[first : first + size], edges, now)

    def _news(self, rows: IntArray, edges: Sequence[_Edge], now: Instant) -> tuple[Agenda, ...]:
        """The agendas of some devices that are not known to them already."""
        ahead: list[list[_Item]] = [[] for _ in range(rows.size)]
        for edge in edges:
            for planned, (ruled, goes_on, ends, watts, ceiling, var, order) in zip(ahead, edge.part(rows), strict=True):
                if goes_on:
                    planned[-1] = planned[-1]._replace(ends=ends)
                elif ruled:
                    planned.append(_Item(edge.at, ends, watts, ceiling, var, edge.orders[order]))
        found = []
        for row, planned in zip(rows.tolist(), ahead, strict=True):
            device_id: str = self._c.ids[row]
            new = tuple(planned[: int(self._c.slots[row])])
            old = self._told.get(device_id)
            self._told[device_id] = new
            # What has begun meanwhile is no news.
            kept = None if old is None else [one for one in old if one.starts > now]
            if kept is None or len(kept) != len(new) or not all(map(_Item.like, kept, new)):
                setpoints = tuple(_setpoint(device_id, item, now) for item in new)
                found.append(Agenda(device_id=device_id, issued=now, setpoints=setpoints))
        return tuple(found)

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

    def _solve(self, at: Instant, until: Instant) -> Slices[_Edge]:
        """What everybody will be told at an edge, until the next."""
        ahead = yield from self._foresight.looking(at, self._beside_w)
        plan, orders, solution = ahead.plan, ahead.orders, ahead.solution
        variances = split_vars(self._c, plan, ahead.demands.requested_var, solution.watts, self._beside_var)
        yield ()
        # By the number of the order; the last one more is "no order", which -1 finds.
        named = np.array([*(self._rules(order) for order in orders.all), False], dtype=np.bool_)
        says = np.array([*(order.parts > 0 for order in orders.all), False], dtype=np.bool_)
        asked = np.isfinite(solution.watts) | np.isfinite(solution.ceilings) | np.isfinite(variances)
        ruled = named[plan.order] & (asked | says[plan.order])
        ends = np.minimum([*(order.ends for order in orders.all), np.inf], until)
        ends = np.where(np.isfinite(ends), ends, at + self._config.open_validity_s)[plan.order]
        numbers = (solution.watts, solution.ceilings, variances)
        return _Edge(at, orders.all, plan.order, *numbers, ends, ruled, goes_on=np.zeros_like(ruled))

    def _beside_w(self, group_id: str) -> float:
        """What lies beside a group's members, W, in coarse steps: what is published is not changed for each kettle."""
        rows = self._fleet.rows(group_id)
        rated = np.maximum(self._c.export_w[rows] + self._c.import_w[rows], 1.0)
        return _coarsely(self._metering.known(group_target(group_id)), float(rated.sum()))

    def _beside_var(self, group_id: str) -> float:
        """The same of reactive power, var."""
        rows = self._fleet.rows(group_id)
        rated = float((self._c.var_inject[rows] + self._c.var_absorb[rows]).sum())
        return _coarsely(self._metering.known_var(group_target(group_id)), rated)

    def _rules(self, order: Order) -> bool:
        """Whether more than defaults stand behind an order."""
        entries = (self._book.get(name) for name in order.control_ids)
        return any(entry is not None and not entry.control.is_default for entry in entries)


def _setpoint(device_id: str, item: _Item, now: Instant) -> Setpoint:
    order = item.order
    return Setpoint(
        device_id=device_id,
        issued=now,
        starts=item.starts,
        active_power_w=_number(item.watts),
        ceiling_w=_number(item.ceiling),
        reactive_power_var=_number(item.var),
        connect=order.connect,
        energize=order.energize,
        passed=order.passed,
        valid_until=item.ends,
        ramp_s=order.ramp_s,
        control_ids=order.control_ids,
        service_class=order.service_class,
    )


def _coarsely(value: float, rated: float) -> float:
    """A value in steps of what is rated."""
    step = max(_COARSE * rated, 1.0)
    return step * round(value / step)


def _number(value: float) -> float | None:
    return None if isnan(value) else value


def _near(one: float, other: float) -> bool:
    return abs(one - other) <= _SAME_W or (isnan(one) and isnan(other))


def _like(one: Order, other: Order) -> bool:
    """Whether two orders tell a device the same on behalf of the same controls, apart from the end."""
    return one is other or (
        one.control_ids == other.control_ids
        and (one.connect, one.energize, one.ramp_s) == (other.connect, other.energize, other.ramp_s)
        and one.passed == other.passed
    )
