"""What holds for all controls of single devices at one moment, worked out for all of them together.

The same as `Sampling.one` says of each. Who shares its device with reserved programs, or has a regulation signal beside
it, is asked there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gridiface.aggregation.accounting.capping import spares_w
from gridiface.aggregation.accounting.scoring import Sample
from gridiface.aggregation.accounting.single_accounts import BOUNDS, SingleAccounts
from gridiface.aggregation.accounting.single_samples import (
    ACCEPTED,
    ACKNOWLEDGED,
    ALLOCATED,
    DELIVERED,
    REQUESTED,
    Samples,
)
from gridiface.aggregation.allocate import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.arbitration import Ruling
from gridiface.aggregation.deciding.plan import Plan
from gridiface.aggregation.envelope.limits import FIELD_OF
from gridiface.aggregation.envelope.rollup import shows
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode
from gridiface.domain.performance import TRUST
from gridiface.domain.telemetry import Quality

_GOOD, _STALE, _BAD = (TRUST.index(quality) for quality in (Quality.GOOD, Quality.STALE, Quality.BAD))


class SingleLooks:
    """Looks at one fleet.

    Args:
        columns: the fleet.
        stale_after_s: see `rollup.is_stale`.
        has_lost: whether a control, by its id, has lost modes for good: such a one is asked for by itself, too.
    """

    def __init__(self, columns: Columns, stale_after_s: float, has_lost: Callable[[str], bool]) -> None:
        self._c, self._stale_after_s, self._has_lost = columns, stale_after_s, has_lost
        self._of: tuple[int, int] = (-1, -1)
        self._plan: Plan | None = None
        self._rows: IntArray = np.empty(0, dtype=np.int64)
        self._named: BoolArray = np.empty(0, dtype=np.bool_)
        self._rides: BoolArray = np.empty(0, dtype=np.bool_)
        self._odd: list[int] = []

    def look(self, accounts: SingleAccounts, plan: Plan, one: Callable[[str], Sample | None], now: Instant) -> Samples:
        """What holds from `now` on.

        Args:
            accounts: whose controls.
            plan: who rules.
            one: says of one control by its id.
            now: when.
        """
        self._renew(accounts, plan)
        c, rows, named = self._c, self._rows, self._named
        found = Samples.nothing(rows.size)
        odd = self._odd
        if not c.count or len(plan.order) != c.count:  # the plan is of another fleet
            odd = list(range(rows.size))
        else:
            found.held |= named | ~accounts.asks | np.isfinite(accounts.bounds).any(axis=0)
            here: BoolArray = rows >= 0
            told = np.where(here & np.isfinite(c.told_w[rows]), c.told_w[rows], np.nan)
            found.values[REQUESTED] = np.where(named, plan.device_w[rows], np.nan)
            found.values[ACCEPTED] = np.where(named, told, np.nan)
            found.values[ALLOCATED] = told
            found.values[ACKNOWLEDGED] = np.where(c.acknowledged[rows] | np.isnan(told), told, 0.0)
            known: BoolArray = here & shows(c, rows)
            found.values[DELIVERED] = np.where(known, c.w[rows], np.nan)
            stale = now - c.received[rows] > np.maximum(self._stale_after_s, 2.0 * c.period_s[rows])
            silent = np.where(c.counts[rows] & here, _BAD, _GOOD)
            found.trust[:] = np.where(known, np.where(stale, _STALE, _GOOD), silent)
            self._limits(accounts, found, known)
        for place in odd:
            found.put(place, one(accounts.controls[place].id))
        return found

    def _limits(self, accounts: SingleAccounts, found: Samples, known: BoolArray) -> None:
        """Of each control the limit that is nearest to being passed, or passed most; see `capping.capped`."""
        found.limited |= np.isfinite(accounts.bounds).any(axis=0)
        if not found.limited.any():
            return
        c, rows = self._c, self._rows
        watts = np.where(known, c.w[rows], 0.0)
        able = (c.can_set_w[rows] | c.can_limit_w[rows]) & c.counts[rows] & c.enabled[rows] & (rows >= 0)
        most_w = np.where(able, c.set_max_w[rows], 0.0)
        nearest = np.full(rows.size, -np.inf)
        bounded_w: FloatArray = np.full(rows.size, np.nan)
        for mode, asked in zip(BOUNDS, accounts.bounds, strict=True):
            if not np.isfinite(asked).any():
                continue
            limit = asked / 100.0 * most_w if mode is ControlMode.MAX_W_PERCENT else asked
            field = FIELD_OF[mode]
            sign = -1.0 if field in ("draw", "load") else 1.0
            done = sign * watts if field in ("export", "draw") else np.maximum(sign * watts, 0.0)
            beyond = done - limit
            margin = beyond - spares_w(limit)
            nearer = margin > nearest  # nowhere, where it sets no such limit
            nearest = np.where(nearer, margin, nearest)
            found.limit_w = np.where(nearer, sign * limit, found.limit_w)
            found.beyond_w = np.where(nearer, np.where(known, beyond, np.nan), found.beyond_w)
            bounded_w = np.where(nearer, np.where(known, sign * done, np.nan), bounded_w)
        spare = spares_w(np.abs(found.limit_w))
        with np.errstate(invalid="ignore"):
            excess = np.where(found.beyond_w > spare, found.beyond_w, 0.0)
        found.excess_w = np.where(np.isfinite(found.beyond_w), excess, np.nan)
        alone = found.limited & ~self._named
        found.values[DELIVERED] = np.where(alone, bounded_w, found.values[DELIVERED])

    def _renew(self, accounts: SingleAccounts, plan: Plan) -> None:
        """Who they are, and who of them rules."""
        edition, before = (accounts.edition, self._c.version), self._plan
        if edition == self._of and plan is before:
            return
        follows = before is not None and plan.number == before.number + 1
        if edition == self._of and follows and plan.fresh is not None:
            places = np.flatnonzero(np.isin(self._rows, list(plan.fresh))).tolist()
        else:
            row_of = self._c.row
            rows = [row_of.get(control.target.id, -1) for control in accounts.controls]
            self._rows, places = np.array(rows, dtype=np.int64), list(range(len(rows)))
            self._named, self._rides = np.zeros((2, len(rows)), dtype=np.bool_)
        self._of, self._plan = edition, plan
        rulings, named, rides = plan.rulings, list[bool](), list[bool]()
        for place, row in zip(places, self._rows[places].tolist(), strict=True):
            ruling, name = rulings.get(row, _NOBODY), accounts.controls[place].id
            power = ruling.power
            rides.append(bool(ruling.shared) or ruling.regulation is not None or self._has_lost(name))
            named.append(power is not None and power.control.id == name)
        self._named[places], self._rides[places] = named, rides
        self._odd = np.flatnonzero(self._rides).tolist()


_NOBODY = Ruling()
