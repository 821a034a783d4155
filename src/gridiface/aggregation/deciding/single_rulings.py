"""Who rules single devices, kept from one plan to the next: thousands may have controls of their own.

A plan is made anew when any control starts or ends, with regulation every few seconds. What it says of a single device
changes only with that device's own controls, with the fleet, and with what the groups around it are told. Owned here:
which of them have to be looked at anew, and what the others came to. Not owned: how a device is ruled (`planner`), nor
how an order is made (`plan`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np

from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.arbitration import Ruling
from gridiface.aggregation.deciding.changes import Changes
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import CLASS_TIMING, ControlMode, Target
from gridiface.domain.quantities import PercentBase

#: Rows of the figures: what a device is asked, W and var; the bounds of its power, W; when its power ends; the period
#: of the service that rules it, s.
W, VAR, HIGH, LOW, ENDS, PERIOD_S = range(6)
_NOTHING = (np.nan, np.nan, np.inf, -np.inf, np.inf, np.inf)

#: What identifies a fleet, its groups and its schedule: when another one comes, all are looked at anew.
Key = tuple[object, ...]


class SingleRulings:
    """Of one fleet. `rulings`: by row; `fresh`: the rows that were looked at anew for this plan."""

    def __init__(self, columns: Columns) -> None:
        self._c = columns
        self._key: Key | None = None
        self._number = 0
        self._clear()

    def _clear(self) -> None:
        count, self._whole = self._c.count, True
        self.rulings: dict[int, Ruling] = {}
        self.fresh: set[int] = set()
        self._targets: dict[int, Target] = {}
        self._volatile: set[int] = set()
        self._standing: set[int] = set()
        self._told: Mapping[str, Collection[str]] = {}
        self._figures: FloatArray = np.tile(np.array(_NOTHING)[:, None], count)
        self._powered: BoolArray = np.zeros(count, dtype=np.bool_)
        self._order: IntArray = np.full(count, -1, dtype=np.int64)
        self._off: BoolArray = np.zeros(count, dtype=np.bool_)
        self._slow: IntArray = np.zeros(count, dtype=np.int64)
        self._inside: IntArray = np.full(count, -1, dtype=np.int64)
        self._around: dict[str, tuple[Key, Key]] = {}
        self._names: dict[str, int] = {}
        self._ordered: BoolArray = np.zeros(count, dtype=np.bool_)

    def stale(
        self, key: Key, changes: Changes, everyone: Callable[[], Iterable[Target]], told: Mapping[str, Collection[str]]
    ) -> list[tuple[int, Target]]:
        """The devices that have to be looked at anew, by row; those that nobody rules any more among them.

        Args:
            key: see `Key`.
            changes: of controls.
            everyone: all devices that controls speak of.
            told: the kinds of modes that active controls claim of each group, for devices on which a default or a
                schedule stands back from these.
        """
        row_of = self._c.row
        if key == self._key:
            stands_otherwise = self._standing if told != self._told else set()
            again, self._whole = self._volatile | stands_otherwise, False
            targets = {*changes.targets, *(self._targets[row] for row in again)}
        else:
            self._clear()
            targets = set(everyone())
        # Where making the plan fails, all are looked at anew with the next one.
        self._key, self._told, self.fresh = None, told, set()
        return [(row, target) for target in targets if (row := row_of.get(target.id)) is not None]

    def put(self, row: int, target: Target, ruling: Ruling | None, asked: Sequence[float], *, standing: bool) -> None:
        """Keep what a device is asked; `ruling` None: nobody rules it. `asked`: the first four figures.

        `standing`: whether a default or a schedule has a part in that.
        """
        self.fresh.add(row)
        self._volatile.discard(row)
        self._standing.discard(row)
        if ruling is None:
            self.rulings.pop(row, None)
            self._targets.pop(row, None)
            self._figures[:, row], self._powered[row] = _NOTHING, False
            return
        self.rulings[row], self._targets[row] = ruling, target
        powers = ruling.powers
        period_s = min((CLASS_TIMING[one.service_class].period_s for one in ruling.controls), default=np.inf)
        self._figures[:, row] = (*asked, ruling.ends if powers else np.inf, period_s)
        self._powered[row] = bool(powers)
        if _is_volatile(ruling):
            self._volatile.add(row)
        if standing:
            self._standing.add(row)

    def fill(self, plan: Plan, key: Key) -> None:
        """Write what devices are asked into the plan; all of them are known now."""
        self._key = key
        self._number += 1
        plan.number, plan.fresh = self._number, None if self._whole else frozenset(self.fresh)
        plan.standing = frozenset(self._standing)
        plan.rulings, plan.single = self.rulings, bool(self.rulings)
        plan.device_w, plan.device_var = self._figures[W].copy(), self._figures[VAR].copy()
        plan.device_high, plan.device_low = self._figures[HIGH].copy(), self._figures[LOW].copy()

    def fill_ends(self, plan: Plan) -> None:
        """Write when devices' own powers end."""
        plan.power_ends[self._powered] = self._figures[ENDS][self._powered]

    @property
    def period_s(self) -> float:
        """The shortest period of the services that rule devices, s; infinite where none does."""
        return float(self._figures[PERIOD_S].min(initial=np.inf))

    # Orders.

    def unordered(self, plan: Plan, passing: Mapping[str, list[Ruling]]) -> list[int]:
        """The ruled devices whose orders have to be made anew; of the others they are written into the plan.

        Args:
            plan: with its nodes.
            passing: group id -> rulings of that group and those around it, innermost first.
        """
        c, ruled = self._c, np.zeros(self._c.count, dtype=np.bool_)
        ruled[list(self.rulings)] = True
        inside = np.full(c.count, -1, dtype=np.int64)
        around = {node.id: _signatures(passing[node.id]) for node in plan.nodes()}
        for node in plan.nodes():  # outermost first
            inside[node.rows] = self._names.setdefault(node.id, len(self._names))
        # Of each group, and last of none: whether what is told there is as before, for whom has no power of its own,
        # and for whom has.
        same = np.zeros((2, len(self._names) + 1), dtype=np.bool_)
        same[:, -1] = True
        for name in around.keys() & self._around.keys():
            same[:, self._names[name]] = [
                now == then for now, then in zip(around[name], self._around[name], strict=True)
            ]
        kept = ruled & self._ordered & (self._inside == inside) & (self._slow == c.slow)
        # Who is too slow for its own signal goes by its groups' powers.
        kept &= np.where(self._powered & (c.slow == 0), same[1][inside], same[0][inside])
        kept[list(self.fresh)] = False
        plan.order[kept], plan.off[kept] = self._order[kept], self._off[kept]
        self._inside, self._around, self._slow = inside, around, c.slow.astype(np.int64)
        return np.flatnonzero(ruled & ~kept).tolist()

    def note(self, plan: Plan) -> None:
        """Keep the orders that the plan has now."""
        self._order, self._off = plan.order.copy(), plan.off.copy()
        self._ordered[list(self.rulings)] = True

    def renumber(self) -> None:
        """The orders got other numbers: all are made anew."""
        self._ordered[:] = False


def _signatures(rulings: list[Ruling]) -> tuple[Key, Key]:
    """What groups around a device say, as far as it concerns one without a power of its own, and one with."""
    beside = tuple((one.limits, one.var, tuple(one.passed.values()), one.curves) for one in rulings)
    return (beside, tuple(one.powers for one in rulings)), (beside,)


def _is_volatile(ruling: Ruling) -> bool:
    """Whether what it asks depends on what is measured now: of the reactive power left, or of a reserved part."""
    var = ruling.var
    of_what_is_left = (
        var is not None and var.mode is ControlMode.SET_VAR_PERCENT and var.value.base == PercentBase.AVAILABLE_VAR
    )
    return bool(ruling.shared) or of_what_is_left
