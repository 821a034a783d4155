"""What devices are told that are not asked as usual: they are not heard, or failed a moment ago, and may obey still.

Only what narrows: to let go of what is over, to keep what limits leave to them where the others cannot leave them
room, to give up what others have taken over of a total. Nothing of it counts as done before it is acknowledged. Owned
here: who is told, what, and how often; what they may be doing meanwhile is doubt.py's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.deciding.plan import Node, Plan
from gridiface.aggregation.envelope.doubt import range_of, unheard
from gridiface.aggregation.envelope.limits import Limits, known_or_zero
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.splitting.coarse import snapped
from gridiface.aggregation.splitting.leeway import Leeway
from gridiface.aggregation.splitting.solution import Solution
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: A device that left a word unanswered is told again, or something else, after so long, s; where it is not heard, after
#: twice as long each time up to the second value. So long a stricter limit waits at most, beside the breaker of the
#: device. Who is heard can be seen to pass a limit: the retry and its way back on a ramp are part of that time.
HAIL_S, HAIL_MOST_S = 5.0, 30.0

#: What a total is passed by may be so large a part of it before those who are not heard give something up.
_SPARE = 0.02


@dataclass(frozen=True, slots=True)
class Hail:
    """Who is told something (`say`), who is let go of (`release`), over the rows; when there may be more to say."""

    say: BoolArray
    release: BoolArray
    due: Instant = np.inf


@dataclass(frozen=True, slots=True)
class _Range:
    """What some devices may give (>= 0) and take (<= 0) between them at most; the highest and lowest net, W."""

    given: float
    taken: float
    most: float
    least: float


def answered(columns: Columns, row: int, now: Instant) -> None:
    """It took what it was told, or fetches it, or was heard again: it may be told the next thing at once."""
    columns.hails[row], columns.hail_at[row] = 0, now


def hailed(columns: Columns, rows: IntArray, now: Instant) -> None:
    """These are told something: without an answer they are left alone for a while."""
    c = columns
    most = np.where(unheard(c)[rows], HAIL_MOST_S, HAIL_S)
    waits = np.minimum(HAIL_S * 2.0 ** np.minimum(c.hails[rows], 10), most)
    c.hails[rows] += 1
    c.hail_at[rows] = now + waits


class Hailing:
    """Of one control step: made anew for each.

    `_mute` are those that it is about: not heard or just failed, with a part in a sum, and to be led by a power or a
    ceiling. What each may do, and what limits leave to it, is a power up (>= 0) and one down (<= 0), W.

    Args:
        columns: the fleet.
        plan: who rules whom.
        solution: what the others do; what is to be told is put into it.
        leeway: what meters see.
        band: what a value must move by to be told, W, over the rows.
        now: s since 1970.
    """

    def __init__(
        self, columns: Columns, plan: Plan, solution: Solution, leeway: Leeway, band: FloatArray, now: Instant
    ) -> None:
        self._c, self._plan, self._solution, self._leeway, self._now = columns, plan, solution, leeway, now
        self._band = band
        c = columns
        self._mute = (c.down | c.lost) & c.usable & c.enabled & c.counts & ~(c.blocked | c.quarantined)
        self._mute &= c.can_set_w | c.can_limit_w

    def look(self) -> Hail | None:
        """Whom to tell what; None where everybody is asked as usual."""
        c = self._c
        rows = np.flatnonzero(self._mute)
        if not rows.size:
            return None
        most, least = self._may_do(rows)
        up, down = most.copy(), least.copy()
        self._narrow_single(rows, up, down)
        self._keep_limits(up, down)
        holding = self._mute & c.told & np.isfinite(c.last_w)
        self._give_up(holding, up, down)
        # Whose customer opted out is not asked anew until that is over; what is over it is told to let go of.
        say = self._tell(rows, holding, (most, least), (up, down)) & ~c.opted_out
        release = self._mute & c.told & (self._plan.order < 0)
        wants = say | release
        due = wants & (self._now >= c.hail_at)
        waiting = wants & ~due
        again = float(c.hail_at[waiting].min()) if waiting.any() else np.inf
        again = min(again, self._now + HAIL_S) if due.any() else again  # unless it is answered
        return Hail(say & due, release & due, again)

    def _may_do(self, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """The highest and lowest power of each; of who is heard what it shows. Of the others of the fleet, too."""
        c = self._c
        silent = np.flatnonzero(unheard(c))
        shown = np.where(np.isfinite(self._solution.watts), self._solution.watts, self._solution.will)
        shown[rows] = known_or_zero(c.w[rows])
        most, least = np.maximum(shown, 0.0), np.minimum(shown, 0.0)
        most[silent], least[silent] = range_of(c, silent, self._now)
        return most, least

    def _narrow_single(self, rows: IntArray, up: FloatArray, down: FloatArray) -> None:
        """Limits of single devices, and set-points of their own."""
        plan = self._plan
        if not plan.single and not plan.off.any():
            return
        high = np.where(plan.off, 0.0, np.maximum(plan.device_high, 0.0))[rows]
        low = np.where(plan.off, 0.0, np.minimum(plan.device_low, 0.0))[rows]
        asked = plan.device_w[rows]
        high = np.where(np.isnan(asked), high, np.minimum(high, np.maximum(asked, 0.0)))
        low = np.where(np.isnan(asked), low, np.maximum(low, np.minimum(asked, 0.0)))
        up[rows], down[rows] = np.minimum(up[rows], high), np.maximum(down[rows], low)

    def _keep_limits(self, up: FloatArray, down: FloatArray) -> None:
        """What limits leave to them, inner groups first."""
        for node in reversed(self._plan.nodes()):
            if not node.limits.any:
                continue
            mine = node.rows[self._mute[node.rows]]
            if not mine.size:
                continue
            # What a meter shows of those who are not heard lies beside the others already; of who is heard it does not.
            behind = mine[unheard(self._c)[mine]] if self._leeway.metered(node) else mine[:0]
            seen = np.setdiff1d(mine, behind, assume_unique=True)
            rooms = _rooms(node.limits, self._others(node, up, down), self._leeway.beside(node))
            for cap, sign, room in ((up, 1.0, rooms[0]), (down, -1.0, rooms[1])):
                part, left = sign * cap[seen], max(room, 0.0)
                total = float(part.sum())
                if total > left:
                    # Who did not answer last time is told its part, but may go on: the others leave room for that.
                    mute = self._c.hails[seen] > 0
                    there, goes_on = np.where(mute, 0.0, part), float(part[mute].sum())
                    share = max(left - goes_on, 0.0) / max(total - goes_on, 1e-9)
                    cap[seen] = sign * np.where(mute, part * (left / total), there * share)
                if room < 0.0:
                    cap[behind] = 0.0

    def _others(self, node: Node, up: FloatArray, down: FloatArray) -> _Range:
        """What those of a node may do between them who are asked as usual, or are not asked at all."""
        rest = node.rows[~self._mute[node.rows] & self._c.counts[node.rows]]
        away = unheard(self._c)[rest]
        # Who is not heard may give all that it can, or take all of it, not both; what a meter shows lies beside.
        silent = np.intersect1d(rest[away], self._leeway.unmetered(node), assume_unique=True)
        heard, (up, down) = (up + down)[rest[~away]], self._leeway.beside(node).beyond(up, down)
        given = float(np.maximum(heard, 0.0).sum()) + float(up[silent].sum())
        taken = float(np.minimum(heard, 0.0).sum()) + float(down[silent].sum())
        net = float(heard.sum())
        most, least = net + float(up[silent].sum()), net + float(down[silent].sum())
        return _Range(given, taken, most, least)

    def _give_up(self, holding: BoolArray, up: FloatArray, down: FloatArray) -> None:
        """What others have taken over of a total is given up by those who hold it still."""
        c = self._c
        for node in reversed(self._plan.nodes()):
            result = self._solution.results.get(node.id)
            mine = node.loose[holding[node.loose]]
            if result is None or result.wanted is None or not mine.size or self._leeway.metered(node):
                continue
            others = result.total - float(np.where(unheard(c)[mine], 0.0, known_or_zero(c.w[mine])).sum())
            sign = 1.0 if result.wanted >= 0 else -1.0
            room = max(sign * (result.wanted - others), 0.0)
            part = np.maximum(sign * np.clip(c.last_w[mine], down[mine], up[mine]), 0.0)
            total = float(part.sum())
            if total > room + _SPARE * abs(result.wanted):
                part *= room / total
            if sign > 0:
                up[mine], down[mine] = np.minimum(up[mine], part), 0.0
            else:
                down[mine], up[mine] = np.maximum(down[mine], -part), 0.0

    def _tell(
        self,
        rows: IntArray,
        holding: BoolArray,
        may: tuple[FloatArray, FloatArray],
        caps: tuple[FloatArray, FloatArray],
    ) -> BoolArray:
        """Put the values into the solution; who is to be told them."""
        c, band = self._c, self._band[rows]
        (most, least), (up, down) = (tuple(one[rows] for one in pair) for pair in (may, caps))
        narrowed_up, narrowed_down = up < most - band, down > least + band
        held = np.where(holding[rows], c.last_w[rows], np.nan)
        here = np.where(holding[rows], held, known_or_zero(c.w[rows]))
        by_ceiling = c.can_limit_w[rows] & narrowed_up & ~narrowed_down
        set_w = c.can_set_w[rows] & (holding[rows] | ((narrowed_up | narrowed_down) & ~by_ceiling))
        watts = snapped(c, rows, np.where(set_w, np.clip(here, down, up), np.nan))
        ceilings = np.where(c.can_limit_w[rows], c.last_ceiling_w[rows], np.nan)
        ceilings = np.where(by_ceiling & ~set_w, np.fmin(ceilings, up), ceilings)
        news = ~(np.abs(watts - c.last_w[rows]) <= band) & np.isfinite(watts)
        news |= ~(np.abs(ceilings - c.last_ceiling_w[rows]) <= band) & np.isfinite(ceilings)
        top = np.where(np.isnan(watts), np.where(np.isnan(ceilings), np.inf, ceilings), np.maximum(watts, 0.0))
        bottom = np.where(np.isnan(watts), -np.inf, np.minimum(watts, 0.0))
        # What it has acknowledged, or is to fetch, need not be said twice.
        pending = c.acknowledged[rows] | np.isfinite(c.waits_since[rows])
        loose = ((most > top + band) | (least < bottom - band)) & ~pending
        cut = self._plan.off[rows] & ~(c.cut[rows] & pending)
        renew = c.acknowledged[rows] & (self._now >= c.renew_at[rows])
        self._solution.watts[rows], self._solution.ceilings[rows] = watts, ceilings
        say = np.zeros(c.count, dtype=np.bool_)
        something = np.isfinite(watts) | np.isfinite(ceilings) | self._plan.off[rows]
        say[rows] = (news | loose | cut | renew) & something & (self._plan.order[rows] >= 0)
        return say


def _rooms(limits: Limits, others: _Range, beside: Beside) -> tuple[float, float]:
    """What limits leave to some, up and down (both as magnitudes), beside what the others do, W."""
    given, taken = others.given + beside.given, others.taken + beside.taken
    most, least = others.most + beside.high, others.least + beside.low
    high = [
        bound.watts - done for bound, done in ((limits.export, most), (limits.generation, given)) if bound is not None
    ]
    low = [bound.watts + done for bound, done in ((limits.draw, least), (limits.load, taken)) if bound is not None]
    return min(high, default=np.inf), min(low, default=np.inf)
