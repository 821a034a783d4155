"""What a device that is not heard may be doing: the range that limits have to count with. Decides nothing.

Known of it is what it acknowledged last, for as long as it holds that; what it was told since and left unanswered it
may have taken or not. Who holds nothing may do whatever it is rated for. Owns the columns `sure_*` and `may_*`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.envelope.limits import Envelope, known_or_zero
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: Beside the time that its ramp and its dead time take, a device has so long to be where it was told, s.
SETTLES_S = 2.0

#: A roof that gives so much of what it was told, or more, is held by it.
_GIVES_ALL = 0.98

#: Who is measured by more than this part of its rating outside what it acknowledged does not hold it any more.
STRAYS = 0.05

#: A group's meter shows what a device does that is not heard, once so much time has passed, s.
METERED_AFTER_S = 30.0

#: A roof that gave less than this part of its rating by itself when it fell silent went to sleep with the sun: many
#: inverters switch their communication off at night. It counts as asleep for at most so long, s.
ASLEEP, SLEEPS_S = 0.01, 14 * 3_600.0

#: Over a roof that is asleep there is at most so many times the sun that others show: roofs look into all directions.
#: Others that are heard; and others that are silent, too, but were heard not longer than so much before it, s: then it
#: was no night that it fell silent in.
_SUNNIER, _DUSK_S = 4.0, 3_600.0


@dataclass(frozen=True, slots=True)
class Doubt:
    """How much more devices that are not heard may contribute than is counted, up (>= 0) and down (<= 0), W.

    `up`, `down`: of a node in all. `ups`, `downs`: of that in each of its fixed parts, by whose net those count: such a
    part can be asked for less than nothing, to make up for what is not heard inside.
    """

    up: float
    down: float
    ups: FloatArray
    downs: FloatArray

    @property
    def loose_up(self) -> float:
        """What of `up` is in no fixed part."""
        return self.up - float(self.ups.sum())

    @property
    def loose_down(self) -> float:
        """What of `down` is in no fixed part."""
        return self.down - float(self.downs.sum())

    def given(self, parts: FloatArray) -> float:
        """The most that these fixed parts, and who is not heard beside them, may give, W."""
        return self.loose_up + float(np.maximum(parts + self.ups, 0.0).sum())

    def taken(self, parts: FloatArray) -> float:
        """The most that they may take, W; <= 0."""
        return self.loose_down + float(np.minimum(parts + self.downs, 0.0).sum())


def keep(columns: Columns, rows: IntArray) -> None:
    """Before anything new is told, or doubted: what was acknowledged is sure, and whatever was told before is over."""
    c = columns
    rows = rows[c.acknowledged[rows]]
    if not rows.size:
        return
    here = span(rows)
    c.sure_up[here], c.sure_down[here] = _range(c.last_w[here], c.last_ceiling_w[here])
    c.sure_until[here] = c.last_until[here]
    c.may_up[here], c.may_down[here] = -np.inf, np.inf


def told(columns: Columns, rows: IntArray | slice, watts: FloatArray, ceilings: FloatArray) -> None:
    """These are told, W; until they acknowledge it they may do that as well as what they held before."""
    c = columns
    up, down = _range(watts, ceilings)
    c.may_up[rows] = np.maximum(c.may_up[rows], up)
    c.may_down[rows] = np.minimum(c.may_down[rows], down)


def seen(columns: Columns, rows: IntArray, response_s: float) -> None:
    """Readings came: who was told something long enough ago shows by now whether it took it."""
    c = columns
    late = c.received[rows] > c.told_at[rows] + c.latency_s[rows] + response_s + SETTLES_S
    known = rows[late & ~(c.odd[rows] | c.quarantined[rows])]  # what is not believed shows nothing
    c.may_up[known], c.may_down[known] = -np.inf, np.inf


def declined(columns: Columns, row: int) -> None:
    """By its own word it did not take what it was told last, and holds nothing of it."""
    keep(columns, np.array([row]))
    columns.last_w[row], columns.last_ceiling_w[row] = np.nan, np.nan
    columns.may_up[row], columns.may_down[row] = -np.inf, np.inf


def let_go(columns: Columns, row: int) -> None:
    """It acknowledged that it is let go of: nothing of before holds any more, and it may do anything by itself."""
    c = columns
    c.sure_until[row] = -np.inf
    c.may_up[row], c.may_down[row] = np.inf, -np.inf


def resumed(columns: Columns, rows: IntArray) -> None:
    """These had begun a control before a restart, and hold what they were told for it, whatever that was."""
    columns.may_up[rows], columns.may_down[rows] = np.inf, -np.inf


def unseen(columns: Columns, rows: IntArray, *, downwards: bool) -> BoolArray:
    """Who was never heard and holds a power, or may: to let go of it would let it do what nobody can see.

    `downwards`: whether a limit speaks of what is taken; upwards a ceiling keeps who can have one.
    """
    c = columns
    may = np.isposinf(c.may_up[rows]) & (~c.can_limit_w[rows] | downwards)
    found: BoolArray = (c.seen[rows] == 0) & ~c.answers[rows] & (np.isfinite(c.told_w[rows]) | may)
    return found


def falls_back(columns: Columns, row: int, now: Instant, *, at_once: bool) -> None:
    """What a device holds is not renewed any more: it falls back by itself, at the earliest after half of its timer.

    Args:
        columns, row: whose.
        now: s since 1970.
        at_once: it was told again what it held, and did not answer: by whichever timer, that is as good as over.
    """
    timer = columns.devices[row].traits.revert_timer_s
    lasts = 0.0 if at_once else np.inf if timer is None else timer / 2
    columns.sure_until[row] = min(float(columns.sure_until[row]), now + lasts)


def unheard(columns: Columns) -> BoolArray:
    """Who is not heard, or not believed, and has a part in a sum."""
    c = columns
    silent = c.lost | c.quarantined | (c.down & (c.received <= c.down_at))
    return (silent | _from_before(c, slice(None))) & c.counts


def range_of(columns: Columns, rows: IntArray, now: Instant) -> tuple[FloatArray, FloatArray]:
    """The highest and the lowest power that each may have, W, + delivered; 0 always lies between."""
    c = columns
    keep(c, rows)
    did, rated_up, rated_down = known_or_zero(c.w[rows]), c.export_w[rows], -c.import_w[rows]
    with np.errstate(invalid="ignore"):
        way = np.abs(known_or_zero(c.last_w[rows]) - did) / c.ramp_w_per_s[rows]
    arrived = c.told_at[rows] + c.latency_s[rows] + way + SETTLES_S
    slack = STRAYS * np.maximum(rated_up, -rated_down) + 1.0
    strays = (did > c.sure_up[rows] + slack) | (did < c.sure_down[rows] - slack)
    # Nor does whose owner had it when it was heard last.
    sure = (now < c.sure_until[rows]) & ~(strays & (c.received[rows] > arrived)) & ~c.local[rows]
    # Who was heard a moment ago, and only failed, does by itself what it did then.
    lately = ~(c.lost[rows] | c.quarantined[rows]) & (c.seen[rows] > 0)
    up = np.maximum(np.where(sure, c.sure_up[rows], np.where(lately, did, np.inf)), c.may_up[rows])
    down = np.minimum(np.where(sure, c.sure_down[rows], np.where(lately, did, -np.inf)), c.may_down[rows])
    # Of who never spoke and never answered it is not known that it is there: only what it was told may be.
    never = (c.seen[rows] == 0) & (c.holds[rows] == 0) & ~np.isposinf(c.may_up[rows])
    strange = never & ~sure | ~c.enabled[rows]
    last = known_or_zero(c.last_w[rows])
    up = np.where(strange, np.maximum(last, did), np.minimum(up, np.maximum(rated_up, did)))
    down = np.where(strange, np.minimum(last, did), np.maximum(down, np.minimum(rated_down, did)))
    if (asleep := _asleep(c, rows, now)).any():
        up = np.where(asleep, np.minimum(up, np.maximum(did, _sun(c, rows) * rated_up)), up)
    moving = now < arrived
    up = np.where(moving, np.maximum(up, did), up)
    down = np.where(moving, np.minimum(down, did), down)
    return np.maximum(up, 0.0), np.minimum(down, 0.0)


def unsure(columns: Columns, bounds: Envelope) -> tuple[FloatArray | None, FloatArray | None]:
    """How much more than `bounds.held` each device that is not heard may contribute: (up >= 0, down <= 0), W.

    None where everybody is heard.
    """
    rows = np.flatnonzero(unheard(columns))
    if not rows.size:
        return None, None
    up, down = np.zeros(columns.w.size), np.zeros(columns.w.size)
    most, least = range_of(columns, rows, bounds.at)
    up[rows] = np.maximum(most - bounds.held[rows], 0.0)
    down[rows] = np.minimum(least - bounds.held[rows], 0.0)
    return up, down


def _asleep(c: Columns, rows: IntArray, now: Instant) -> BoolArray:
    """Which of these are silent since the sun went down: neither held back nor failing when they were heard last."""
    dark = ASLEEP * c.export_w[rows]
    with np.errstate(invalid="ignore"):
        gave_nothing = (c.natural_w[rows] <= dark) & (c.w[rows] <= dark)
    lately = now < c.received[rows] + SLEEPS_S
    return c.natural[rows] & c.lost[rows] & ~c.quarantined[rows] & gave_nothing & lately


def _sun(c: Columns, rows: IntArray) -> FloatArray:
    """The most sun that there may be over each of these that are asleep, by what others show; 0 at night.

    A roof that is held back and gives what it may shows that there is sun, not how much: as much as there can be. One
    in quarantine may be right: to believe it here costs room alone.
    """
    roofs = c.natural & c.counts & (c.export_w > 0.0) & np.isnan(c.energy_wh)
    others = np.flatnonzero(roofs & ~c.odd & (c.seen > 0))
    part = known_or_zero(np.fmax(c.w[others], c.natural_w[others])) / c.export_w[others]
    told = np.where(c.told[others], np.fmin(c.last_w[others], c.last_ceiling_w[others]), np.nan)
    held = (c.w[others] > ASLEEP * c.export_w[others]) & (c.w[others] >= _GIVES_ALL * told)
    part = np.minimum(np.where(held, 1.0, np.where(part > ASLEEP, _SUNNIER * part, 0.0)), 1.0)
    heard = ~c.lost[others]
    found = np.full(rows.size, part[heard].max(initial=0.0))
    late = np.flatnonzero(~heard & (part > 0.0))
    if late.size:
        late = late[np.argsort(-c.received[others[late]])]
        most = np.concatenate([[0.0], np.maximum.accumulate(part[late])])
        since = np.searchsorted(-c.received[others[late]], _DUSK_S - c.received[rows], side="right")
        np.maximum(found, most[since], out=found)
    return found


def _from_before(c: Columns, rows: IntArray | slice) -> BoolArray:
    """Who may hold something from before a restart, and was neither heard since nor took anything new.

    Who answers by itself holds to what it was given, over our restarts, too.
    """
    found: BoolArray = np.isposinf(c.may_up[rows]) & (c.seen[rows] == 0) & ~(c.acknowledged[rows] | c.answers[rows])
    return found


def _range(watts: FloatArray, ceilings: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What who follows a set-point, or a ceiling alone, may do, W; NaN: nothing was told."""
    free = np.isnan(watts)
    high = np.where(np.isnan(ceilings), np.inf, ceilings)
    return np.where(free, high, np.maximum(watts, 0.0)), np.where(free, -np.inf, np.minimum(watts, 0.0))
