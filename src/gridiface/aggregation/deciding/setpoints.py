"""What devices are told: orders (everything but the number), batches of set-points, and which of them must be sent.

A batch holds arrays and makes its `Setpoint` objects on access: a step over 100,000 devices costs no object each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import isnan
from typing import overload

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.envelope import doubt
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import PASS_THROUGH_MODES, ControlMode, ModeValue, ServiceClass, Setpoint

#: What a device can be told, one bit each: SET_W its power, MAX_W_PERCENT its ceiling, SET_VAR its reactive power.
PARTS: Mapping[ControlMode, int] = {
    mode: 1 << bit
    for bit, mode in enumerate(
        (ControlMode.SET_W, ControlMode.MAX_W_PERCENT, ControlMode.SET_VAR, *sorted(PASS_THROUGH_MODES))
    )
}

_NEVER = float("inf")
_NOTHING: frozenset[ControlMode] = frozenset()

#: The bits of what takes a device off the grid and back.
SWITCHES = PARTS[ControlMode.CONNECT] | PARTS[ControlMode.ENERGIZE]

POWER, CEILING, VAR = (PARTS[mode] for mode in (ControlMode.SET_W, ControlMode.MAX_W_PERCENT, ControlMode.SET_VAR))

#: What modes come to that are not handed on as they are: limits upwards may become ceilings.
PARTS_OF: Mapping[ControlMode, int] = {
    **dict.fromkeys((ControlMode.SET_VAR, ControlMode.SET_VAR_PERCENT), VAR),
    **dict.fromkeys((ControlMode.EXPORT_LIMIT, ControlMode.GENERATION_LIMIT, ControlMode.MAX_W_PERCENT), CEILING),
}


@cache
def modes_of(parts: int) -> frozenset[ControlMode]:
    """The modes whose bits are set."""
    return frozenset(mode for mode, bit in PARTS.items() if parts & bit)


@dataclass(frozen=True, slots=True)
class Order:
    """What several devices are told alike: on whose behalf, until when, and the modes that are handed on.

    `ends` is the first end of the controls behind it, infinity where all are open-ended. `key` identifies it.
    """

    control_ids: tuple[str, ...]
    service_class: ServiceClass = ServiceClass.DISPATCH
    connect: bool | None = None
    energize: bool | None = None
    passed: Mapping[ControlMode, ModeValue] = field(default_factory=dict)
    ramp_s: float | None = None
    ends: Instant = float("inf")
    key: tuple[object, ...] = ()

    @property
    def parts(self) -> int:
        """The bits of what is handed on."""
        found = sum(PARTS[mode] for mode in self.passed)
        found |= PARTS[ControlMode.CONNECT] if self.connect is not None else 0
        return found | (PARTS[ControlMode.ENERGIZE] if self.energize is not None else 0)

    @property
    def cuts(self) -> bool:
        """Whether it takes the device off the grid."""
        return self.connect is False or self.energize is False

    def same_effect(self, other: Order) -> bool:
        """Whether a device that follows `self` need not be told `other`: only the names behind it differ."""
        return (
            self.connect == other.connect
            and self.energize == other.energize
            and self.passed == other.passed
            and self.ramp_s == other.ramp_s
            and self.ends >= other.ends
        )


#: So many batches are kept before those that nobody was told last are looked for.
_MANY_BATCHES = 8

RELEASE = Order((), key=("release",))

#: For a device that we took off the grid and that says so: it is let go of that, and told the rest when it is back.
RECONNECT = Order((), key=("reconnect",))


class Orders:
    """Numbers for orders, so that a column can hold them."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[object, ...], int] = {}
        self.all: list[Order] = []
        self._ends: FloatArray = np.array([np.inf])
        self._parts: IntArray = np.array([0], dtype=np.int64)
        self._cuts: BoolArray = np.array([False])
        #: How many were followed when they were thrown out last.
        self.used = 0

    def number(self, order: Order) -> int:
        """The number of an order, the same for the same key."""
        found = self._by_key.get(order.key)
        if found is None:
            found = self._by_key[order.key] = len(self.all)
            self.all.append(order)
        return found

    @property
    def ends(self) -> FloatArray:
        """The end of each order, by number; the last one more stands for "no order"."""
        new = self.all[self._ends.size - 1 :]
        if new:
            self._ends = np.concatenate([self._ends[:-1], [order.ends for order in new], [np.inf]])
        return self._ends

    @property
    def handing_on(self) -> IntArray:
        """What orders hand on as bits of `PARTS`, by number; the last one more stands for "no order"."""
        new = self.all[self._parts.size - 1 :]
        if new:
            self._parts = np.concatenate([self._parts[:-1], [order.parts for order in new], [0]])
        return self._parts

    @property
    def cuts(self) -> BoolArray:
        """Which orders take devices off the grid, by number; the last one more stands for "no order"."""
        new = self.all[self._cuts.size - 1 :]
        if new:
            self._cuts = np.concatenate([self._cuts[:-1], [order.cuts for order in new], [False]])
        return self._cuts

    def compact(self, columns: Columns) -> None:
        """Forget the orders that no device follows any more."""
        used = np.unique(columns.told_order[columns.told_order >= 0])
        kept = [self.all[int(number)] for number in used]
        following = columns.told_order >= 0
        columns.told_order[following] = np.searchsorted(used, columns.told_order[following])
        self.all, self.used = kept, len(kept)
        self._ends, self._parts = np.array([np.inf]), np.array([0], dtype=np.int64)
        self._cuts = np.array([False])
        self._by_key = {order.key: number for number, order in enumerate(kept)}


class SetpointBatch(Sequence[Setpoint]):
    """Set-points of one tick as arrays; W, var, + delivered, + injected; NaN = leave alone.

    `numbers` say which of `orders` each follows (-1: release); the list must not lose or move members afterwards.
    `let_go` are bits of `PARTS`.
    """

    def __init__(
        self,
        *,
        ids: npt.NDArray[np.object_],
        watts: FloatArray,
        ceilings: FloatArray,
        variances: FloatArray,
        numbers: IntArray,
        let_go: IntArray,
        orders: Sequence[Order],
        issued: Instant,
        open_validity_s: float,
    ) -> None:
        self.ids, self.watts, self.ceilings, self.vars = ids, watts, ceilings, variances
        self._numbers, self._orders, self._let_go = numbers, orders, let_go
        self.issued = issued
        self._open_validity_s = open_validity_s

    def __len__(self) -> int:
        return int(self.ids.size)

    @overload
    def __getitem__(self, index: int) -> Setpoint: ...
    @overload
    def __getitem__(self, index: slice) -> list[Setpoint]: ...
    def __getitem__(self, index: int | slice) -> Setpoint | list[Setpoint]:
        if isinstance(index, slice):
            return list(self._made(index))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        at = index % len(self)
        return next(self._made(slice(at, at + 1)))

    def __iter__(self) -> Iterator[Setpoint]:
        return self._made(slice(None))

    def _made(self, rows: slice) -> Iterator[Setpoint]:
        """The set-points of `rows`; out of lists: numbers taken from an array one by one cost more than all else."""
        return map(
            self._make,
            self.ids[rows].tolist(),
            self.watts[rows].tolist(),
            self.ceilings[rows].tolist(),
            self.vars[rows].tolist(),
            self._numbers[rows].tolist(),
            self._let_go[rows].tolist(),
        )

    def _make(self, device_id: str, watts: float, ceiling: float, var: float, number: int, let_go: int) -> Setpoint:
        order = self._orders[number] if number >= 0 else RELEASE
        release = order is RELEASE
        ends = order.ends if order.ends < _NEVER else self.issued + self._open_validity_s
        return Setpoint(
            device_id=device_id,
            issued=self.issued,
            active_power_w=None if isnan(watts) else watts,
            ceiling_w=None if isnan(ceiling) else ceiling,
            reactive_power_var=None if isnan(var) else var,
            connect=order.connect,
            energize=order.energize,
            passed=order.passed,
            release=release,
            let_go=modes_of(let_go) if let_go else _NOTHING,
            valid_until=None if release else ends,
            ramp_s=order.ramp_s,
            control_ids=order.control_ids,
            service_class=order.service_class,
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """What every device should hold now, over the rows of the fleet. NaN and order -1 = nothing."""

    watts: FloatArray
    ceilings: FloatArray
    vars: FloatArray
    order: IntArray

    @classmethod
    def nothing(cls, count: int) -> Wanted:
        """Nobody is told anything."""
        return cls(
            np.full(count, np.nan), np.full(count, np.nan), np.full(count, np.nan), np.full(count, -1, dtype=np.int64)
        )


def differs(told: FloatArray, wanted: FloatArray, deadband: FloatArray | float) -> BoolArray:
    """Where `wanted` is outside the dead-band around `told`, or one of both is nothing."""
    both_nothing = np.isnan(told) & np.isnan(wanted)
    return ~(np.abs(wanted - told) <= deadband) & ~both_nothing


def order_news(columns: Columns, wanted: IntArray, orders: Orders) -> tuple[BoolArray, BoolArray]:
    """Whose order changed: (those who must be told, those who follow the new one already).

    A device that answers for itself is always told: its answers name the order.
    """
    c = columns
    changed = (wanted != c.told_order) & (wanted >= 0)
    tell = changed.copy()
    if not changed.any():
        return tell, changed
    rows = np.flatnonzero(changed)
    pairs = c.told_order[rows] * len(orders.all) + wanted[rows]
    if bool((pairs == pairs[0]).all()):  # the usual case, without sorting
        old, new = int(c.told_order[rows[0]]), int(wanted[rows[0]])
        if old < 0 or not orders.all[old].same_effect(orders.all[new]):
            return tell, changed & ~tell
        quiet = c.acknowledged[rows] & c.told[rows] & ~c.answers[rows]
        tell[rows[quiet]] = False
        return tell, changed & ~tell
    _, first, where = np.unique(pairs, return_index=True, return_inverse=True)
    examples = zip(c.told_order[rows[first]].tolist(), wanted[rows[first]].tolist(), strict=True)
    same = np.array([old >= 0 and orders.all[old].same_effect(orders.all[new]) for old, new in examples])
    quiet = same[where.reshape(-1)] & c.acknowledged[rows] & c.told[rows] & ~c.answers[rows]
    tell[rows[quiet]] = False
    return tell, changed & ~tell


def send(
    columns: Columns,
    rows: IntArray,
    wanted: Wanted,
    position: FloatArray,
    orders: Orders,
    now: Instant,
    validity_s: float,
    margins: FloatArray | None = None,
) -> SetpointBatch:
    """Make the batch for `rows` and note in the columns what they are told.

    What a device may hold of earlier set-points and is not to hold any more is let go of in this one: else it would go
    on with it until its own timer runs out. `margins` come on top of the powers, or of the ceilings of who
    has those alone, on the wire only: see `probing`.
    """
    c, here = columns, span(rows)
    numbers, watts = wanted.order[here], wanted.watts[here]
    above = np.zeros(numbers.size) if margins is None else margins[here]
    ceilings, variances = wanted.ceilings[here], wanted.vars[here]
    parts = orders.handing_on[numbers]
    for bit, values in ((POWER, watts), (CEILING, ceilings), (VAR, variances)):
        parts |= np.isfinite(values) * np.int64(bit)
    batch = SetpointBatch(
        ids=c.ids[rows],
        watts=watts + above,
        ceilings=ceilings + np.where(np.isnan(watts), above, 0.0),
        variances=variances,
        numbers=numbers,
        let_go=c.holds[here] & ~parts,
        orders=orders.all,
        issued=now,
        open_validity_s=validity_s,
    )
    doubt.keep(c, rows)
    c.from_w[here], c.from_at[here] = position[here], now
    c.told_w[here], c.told_ceiling_w[here], c.told_var[here] = watts, ceilings, batch.vars
    c.last_w[here], c.last_ceiling_w[here], c.margin_w[here] = batch.watts, batch.ceilings, above
    doubt.told(c, here, batch.watts, batch.ceilings)
    c.told_order[here], c.told_at[here] = numbers, now
    c.told[here] = numbers >= 0
    c.holds[here] |= parts  # what was let go of goes when that is acknowledged
    c.cut[here] |= orders.cuts[numbers]  # and so does this
    on = np.abs(watts) > 0.0  # NaN compares false: told nothing is off
    c.since[here] = np.where(on != c.on[here], now, c.since[here])
    c.on[here] = on
    c.acknowledged[here] = False
    ends = orders.ends[numbers]
    c.last_until[here] = np.where(np.isfinite(ends), ends, now + validity_s)
    c.renew_at[here] = np.where(np.isfinite(ends) | (numbers < 0), np.inf, now + validity_s / 2)
    c.batch[here], c.batch_at[here] = _keep(c, batch), np.arange(rows.size)
    return batch


def _keep(c: Columns, batch: SetpointBatch) -> int:
    """Number a batch; those that nobody was told last are let go now and then."""
    if len(c.batches) >= _MANY_BATCHES:
        lowest = min(c.batches)
        told = np.bincount(np.maximum(c.batch - lowest, -1) + 1, minlength=2)
        used = set((np.flatnonzero(told[1:]) + lowest).tolist())
        c.batches = {number: kept for number, kept in c.batches.items() if number in used}
    number = max(c.batches, default=-1) + 1
    c.batches[number] = batch
    return number
