"""Who rules what, laid out over the rows: made anew when a control starts or ends or the fleet changes, not each step.

A plan holds a tree of the groups that have something to say (nodes), what single devices are asked, and for each
row its order: on whose behalf it is commanded and which modes are handed on to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray, Strategy
from gridiface.aggregation.deciding.acceptance import supports
from gridiface.aggregation.deciding.arbitration import Claim, Ruling, precedence
from gridiface.aggregation.deciding.setpoints import Order, Orders
from gridiface.aggregation.envelope.limits import Limits
from gridiface.aggregation.slices import PART, Slices
from gridiface.aggregation.state.columns import FASTEST_FIRST, Columns
from gridiface.domain.controls import CLASS_TIMING, PASS_THROUGH_MODES, Control, ControlMode, ModeValue, ServiceClass
from gridiface.domain.curves import curves_in
from gridiface.domain.fleet import Capability, Group


@dataclass(slots=True)
class Node:
    """A group that has a ruling or limits.

    `rows`: all its devices. `loose`: those not inside a node below that has a target of its own. `meter`: row of
    the device that measures its total. `inside`: the nearest nodes below.
    """

    group: Group
    rows: IntArray
    ruling: Ruling
    limits: Limits
    strategy: Strategy
    meter: int | None = None
    inside: tuple[Node, ...] = ()
    loose: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    orders: tuple[Ruling, ...] = ()

    @property
    def bound(self) -> bool:
        """Whether it has a total of its own, which those around it have to take as it is."""
        return self.ruling.leading is not None

    @property
    def id(self) -> str:
        """The group's id."""
        return self.group.id

    def walk(self) -> Iterable[Node]:
        """This node and all below, outermost first."""
        yield self
        for child in self.inside:
            yield from child.walk()

    def unbound(self) -> Iterable[Node]:
        """This node and those below that lie in no total inside it."""
        yield self
        for child in self.limited_below():
            yield from child.unbound()

    def finish(self) -> None:
        """Work out `loose` here and below, once `inside` is known."""
        taken = [child.rows for child in self.bound_below()]
        self.loose = np.setdiff1d(self.rows, np.concatenate(taken)) if taken else self.rows
        for child in self.inside:
            child.finish()

    def rank(self, ranks: dict[int, list[IntArray]], *, lowest: int) -> int:
        """Add the loose rows to those of its rank, here and in bound nodes inside; one more than the highest of these.

        `lowest`: of nodes in which none lies.
        """
        own = max([lowest, *(child.rank(ranks, lowest=lowest) + 1 for child in self.bound_below())])
        ranks.setdefault(own, []).append(self.loose)
        return own

    def bound_below(self) -> list[Node]:
        """The outermost nodes below that have totals of their own."""
        found: list[Node] = []
        for child in self.inside:
            found.extend([child] if child.bound else child.bound_below())
        return found

    def limited_below(self) -> list[Node]:
        """The nearest nodes below without totals of their own."""
        return [child for child in self.inside if not child.bound]


@dataclass(slots=True)
class Plan:
    """See the module's page. Arrays over the rows; NaN = nothing asked. `floors`: rows that must charge to be ready.

    `power_ends`: when the power that rules each ends; infinite where none does, or without an end. `number` counts the
    plans of one planner; `fresh`: the rows of single devices that are ruled otherwise than in the one before;
    `standing`: those in whose rulings a default or the schedule may have a part. None: not known.
    """

    roots: tuple[Node, ...]
    order: IntArray
    device_w: FloatArray
    device_var: FloatArray
    device_high: FloatArray
    device_low: FloatArray
    off: BoolArray
    single: bool
    period_s: float
    rulings: Mapping[int, Ruling]
    floors: IntArray
    power_ends: FloatArray
    number: int = -1
    fresh: Set[int] | None = None
    standing: Set[int] | None = None

    @property
    def nested(self) -> bool:
        """Whether there is more to keep in mind than the total of each of several groups beside each other."""
        return self.single or any(root.inside or root.limits.any for root in self.roots)

    def inside_out(self) -> list[IntArray]:
        """Rows that others have to take as they are, by how deep they lie: first those in which nothing lies.

        Single devices with a set-point of their own, then groups with totals inside of others.
        """
        ranks: dict[int, list[IntArray]] = {}
        if self.single:
            ranks[0] = [np.flatnonzero(np.isfinite(self.device_w))]
        for root in self.roots:
            root.rank(ranks, lowest=int(self.single))
        top = max(ranks, default=0)
        return [np.concatenate(ranks[rank]) for rank in sorted(ranks) if rank < top or not self.roots]

    def nodes(self) -> list[Node]:
        """All nodes, outermost first."""
        return [node for root in self.roots for node in root.walk()]

    def node(self, group_id: str) -> Node | None:
        """The node of a group."""
        return next((node for node in self.nodes() if node.id == group_id), None)


def empty_plan(columns: Columns) -> Plan:
    """A plan in which nobody asks anything."""
    count = columns.count
    return Plan(
        roots=(),
        order=np.full(count, -1, dtype=np.int64),
        device_w=np.full(count, np.nan),
        device_var=np.full(count, np.nan),
        device_high=np.full(count, np.inf),
        device_low=np.full(count, -np.inf),
        off=np.zeros(count, dtype=np.bool_),
        single=False,
        period_s=60.0,
        rulings={},
        floors=np.empty(0, dtype=np.int64),
        power_ends=np.full(count, np.inf),
    )


def note_ends(plan: Plan, own: Callable[[Plan], None] | None = None) -> None:
    """Fill `plan.power_ends`: of a device its own power's, else that of the innermost group's that has one.

    `own` fills in devices' own where they are known already; None: they are taken from the rulings.
    """
    for node in plan.nodes():
        if node.ruling.powers:
            plan.power_ends[node.loose] = node.ruling.ends
    if own is not None:
        own(plan)
        return
    for row, ruling in plan.rulings.items():
        if ruling.powers:
            plan.power_ends[row] = ruling.ends


def give_orders(
    plan: Plan,
    columns: Columns,
    orders: Orders,
    passing: Mapping[str, list[Ruling]],
    anew: Callable[[], Sequence[int]] | None = None,
) -> Slices[None]:
    """Fill `plan.order` and `plan.off`, in slices where many devices have rulings of their own.

    Args:
        plan: with its nodes and device rulings.
        columns: the fleet.
        orders: numbers the orders.
        passing: group id -> rulings of that group and those around it, innermost first.
        anew: fills in what stays of single devices, and says which of them need another order; None: all do.
    """
    for root in plan.roots:
        for node in root.walk():
            _order_rows(plan, columns, orders, node.rows, passing[node.id])
    single = list(plan.rulings) if anew is None else anew()
    innermost = _innermost(plan, single)
    for number, row in enumerate(single, 1):
        around = passing[innermost[row]] if row in innermost else []
        _order_row(plan, columns, orders, row, [plan.rulings[row], *around])
        if not number % PART:
            yield ()
    alone = plan.floors[plan.order[plan.floors] < 0]
    if alone.size:
        plan.order[alone] = orders.number(Order((), key=("departure",)))


def _innermost(plan: Plan, single: Sequence[int]) -> dict[int, str]:
    """The innermost node around each of these rows."""
    rows = np.array(sorted(single), dtype=np.int64)
    found: dict[int, str] = {}
    for root in plan.roots:
        for node in root.walk():
            found |= dict.fromkeys(np.intersect1d(rows, node.rows, assume_unique=True).tolist(), node.id)
    return found


def _order_rows(plan: Plan, columns: Columns, orders: Orders, rows: IntArray, rulings: list[Ruling]) -> None:
    """The orders of rows under the same rulings; who is too slow for a fast signal is not told on its behalf."""
    for service in FASTEST_FIRST:
        behind = columns.slow[rows] > FASTEST_FIRST.index(service)
        theirs = [_without(ruling, service) for ruling in rulings] if behind.any() else rulings
        if any(one is not other for one, other in zip(theirs, rulings, strict=True)):
            _order_able(plan, columns, orders, rows[behind], theirs)
            rows = rows[~behind]
    _order_able(plan, columns, orders, rows, rulings)


def _order_row(plan: Plan, columns: Columns, orders: Orders, row: int, rulings: list[Ruling]) -> None:
    """As `_order_rows`, of one device: thousands may have rulings of their own."""
    slow = int(columns.slow[row])
    for place, service in enumerate(FASTEST_FIRST if slow else ()):
        if slow > place:
            rulings = [_without(ruling, service) for ruling in rulings]
    if any(ruling.passed or ruling.curves for ruling in rulings):
        _order_able(plan, columns, orders, np.array([row]), rulings)
    else:
        plan.order[row] = orders.number(make_order(rulings, {}))


def _without(ruling: Ruling, service: ServiceClass) -> Ruling:
    """What is left of a ruling for who is too slow for a service: of a fast response, which is short, the set-point."""

    def is_fast(claim: Claim | None) -> bool:
        return claim is not None and claim.control.service_class is service

    if not any(is_fast(claim) for claim in ruling.powers):
        return ruling
    rest = replace(ruling, regulation=None if is_fast(ruling.regulation) else ruling.regulation)
    if service is ServiceClass.FAST_FREQUENCY:
        return rest
    shared = {lane: claim for lane, claim in ruling.shared.items() if not is_fast(claim)}
    return replace(rest, power=None if is_fast(ruling.power) else ruling.power, shared=shared)


def _order_able(plan: Plan, columns: Columns, orders: Orders, rows: IntArray, rulings: list[Ruling]) -> None:
    """One order for all rows; several where what is handed on depends on what a device can do."""
    handed = _handed_on(rulings)
    if not handed:
        plan.order[rows] = orders.number(make_order(rulings, {}))
        return
    by_ability: dict[frozenset[Capability], list[int]] = {}
    for row in rows.tolist():
        by_ability.setdefault(columns.devices[row].nameplate.capabilities, []).append(row)
    for able, group in by_ability.items():
        mine = {mode: fitting for mode, claims in handed.items() if (fitting := _fitting(able, mode, claims))}
        plan.order[group] = orders.number(make_order(rulings, mine))
    closed = any(
        claim.value.value == 0.0
        for mode in (ControlMode.CONNECT, ControlMode.ENERGIZE)
        for claim in handed.get(mode, ())
    )
    plan.off[rows] = closed


def _fitting(able: frozenset[Capability], mode: ControlMode, claims: list[Claim]) -> list[Claim]:
    """What of a mode is handed on to a device that can do so much: of curves each by itself, else all or nothing."""
    if mode is ControlMode.CURVE:
        return [claim for claim in claims if supports(able, mode, claim.value)]
    return claims if supports(able, mode, claims[0].value) else []


def _handed_on(rulings: list[Ruling]) -> dict[ControlMode, list[Claim]]:
    """The claims of modes that are handed on: the innermost of each, and of each curve; of connect and energize all.

    Of these any "off" wins.
    """
    found: dict[ControlMode, list[Claim]] = {}
    for ruling in rulings:
        for mode, claim in ruling.passed.items():
            if mode in (ControlMode.CONNECT, ControlMode.ENERGIZE):
                found.setdefault(mode, []).append(claim)
            else:
                found.setdefault(mode, [claim])
        for claim in ruling.curves:
            inner = found.setdefault(ControlMode.CURVE, [])
            if all(claim.kind != other.kind for other in inner):
                inner.append(claim)
    return found


def make_order(rulings: list[Ruling], handed: Mapping[ControlMode, list[Claim]]) -> Order:
    """The order for devices under `rulings` (innermost first) that can do the modes in `handed`.

    Of the powers and vars only the innermost count: the totals of groups around it take them as they are.
    """
    controls: dict[str, Control] = {}
    power: Control | None = None
    var_seen = False
    for ruling in rulings:
        for claim in ruling.limits:
            controls[claim.control.id] = claim.control
        if power is None:
            own = [claim.control for claim in ruling.powers]
            controls.update({control.id: control for control in own})
            power = min(own, key=lambda one: CLASS_TIMING[one.service_class].period_s, default=None)
        if ruling.var is not None and not var_seen:
            controls[ruling.var.control.id] = ruling.var.control
            var_seen = True
    for claims in handed.values():
        controls.update({claim.control.id: claim.control for claim in claims})
    chosen = sorted(controls.values(), key=precedence, reverse=True) if len(controls) > 1 else [*controls.values()]
    ids = tuple(control.id for control in chosen)
    ends = min((control.span.end for control in chosen), default=float("inf"))
    leading = power or (chosen[0] if chosen else None)
    device_ramp = next((c.ramp_s for c in chosen if c.ramp_s is not None), None)
    kinds = tuple(sorted({claim.kind for claims in handed.values() for claim in claims}))
    service = ServiceClass.DISPATCH if leading is None else leading.service_class
    ramp_s = device_ramp if leading is not None and leading.target.kind == "device" else None
    key = (ids, tuple(control.created for control in chosen), kinds, ends, service, ramp_s)
    return Order(
        control_ids=ids,
        service_class=service,
        connect=_switch(handed.get(ControlMode.CONNECT)),
        energize=_switch(handed.get(ControlMode.ENERGIZE)),
        passed=_values(handed),
        ramp_s=ramp_s,
        ends=ends,
        key=key,
    )


def _switch(claims: list[Claim] | None) -> bool | None:
    return all(claim.value.value == 1.0 for claim in claims) if claims else None


def _values(handed: Mapping[ControlMode, list[Claim]]) -> dict[ControlMode, ModeValue]:
    """The modes as they came. Several curves travel as one payload: a mapping of curve name to value."""
    values: dict[ControlMode, ModeValue] = {}
    for mode, claims in handed.items():
        if mode in (ControlMode.CONNECT, ControlMode.ENERGIZE) or mode not in PASS_THROUGH_MODES:
            continue
        several = mode is ControlMode.CURVE and len(claims) > 1
        values[mode] = ModeValue(float(len(claims)), payload=_merged(claims)) if several else claims[0].value
    return values


def _merged(claims: list[Claim]) -> dict[str, Any]:
    """Curves of several controls in one payload; the first named wins where two name the same."""
    found: dict[str, Any] = {}
    for claim in claims:
        for name, curve in curves_in(claim.value).items():
            found.setdefault(name, curve)
    return found
