"""The devices of a target as they are expected to be later, span by span: what each can be counted on for, and why.

A cautious walk from what is known now: charge that is planned to be given is gone, charge that is planned to be taken
is not there yet, but its room is. Sun and demand are not known beyond a quarter of an hour. Works on copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray
from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.envelope import timed
from gridiface.aggregation.envelope.doubt import SETTLES_S
from gridiface.aggregation.envelope.levels import COARSE, is_coarse
from gridiface.aggregation.envelope.limits import askable, day_bounds, energy_bounds, known_or_zero, lasting_envelope
from gridiface.aggregation.foreseeing import carrying, reactive
from gridiface.aggregation.foreseeing.horizon_rules import Rule
from gridiface.aggregation.foreseeing.swings import made_up
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.envelope import Cause

#: What sun gives, and people take, is taken to stay for so long, s.
NATURAL_S = 900.0

#: A power is held for so much longer than its span, s: a step, and its look-ahead.
TAIL_S = 10.0

#: A vehicle that charges for its departure ends within so much of its state of charge.
_READY = 0.01

#: The last look at what is missing for a departure is so long before it, s.
_LAST_S = 1.0

#: Two powers that differ by no more are the same, W.
_SAME_W = 0.5

#: The numbers of causes in arrays.
CAUSES: Sequence[Cause] = tuple(Cause)
_NUMBER = {cause: number for number, cause in enumerate(CAUSES)}
#: Nothing but its rating.
FREE = -1

_NEEDED = (
    *("export_w", "import_w", "energy_wh", "soc_min", "soc_max", "natural", "counts", "can_set_w", "can_limit_w"),
    *("enabled", "w", "up_w", "down_w", "available_wh", "natural_w", "received", "usable", "lost", "soc", "local"),
    *("soc_variance", "soc_doubt", "blocked", "down", "down_at", "curve", "day_cap_wh", "day_wh", "quarantined"),
    "opted_out",
    *("leave_soc", "leave_at", "on", "since", "min_run_s", "min_stop_s", "dwell_s", "told_w", "told_at", "last_w"),
    *("ramp_w_per_s", "latency_s", "from_w", *reactive.COLUMNS, *COARSE),
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What each can be counted on for in one span, W, and the number of what holds it back.

    Of who is not certain to come to any power `lo` is above `hi`: it will be somewhere between them. `loose`: `hi`
    where departures give way, as they do to limits.
    """

    lo: FloatArray
    hi: FloatArray
    loose: FloatArray
    up: IntArray
    down: IntArray


class Expected:
    """Some devices of a fleet, by position.

    Args:
        columns: the fleet.
        rows: whose.
        away: spans of each in which it will not take part.
        config: settings.
        now: when.
    """

    def __init__(
        self,
        columns: Columns,
        rows: IntArray,
        away: Sequence[Sequence[tuple[Instant, Instant]]],
        config: EngineConfig,
        now: Instant,
    ) -> None:
        self._c = c = columns.part(rows, _NEEDED)
        c.departing = columns.departing
        self._config, self._now = config, now
        self._away = [(place, begins, ends) for place, spans in enumerate(away) for begins, ends in spans]
        self._low, self._high, self._least_day = c.soc, c.soc.copy(), c.day_wh
        # Who is not enabled because it is away now is back when that is over.
        c.enabled[[place for place, begins, ends in self._away if begins <= now < ends]] = True
        self._storing = np.isfinite(c.energy_wh) & np.isfinite(c.soc)
        self.free = c.free = askable(c)
        # Who was let go of, or taken over, a moment ago is still on its way to what it does by itself.
        arrives = c.told_at + c.latency_s + np.abs(known_or_zero(c.from_w)) / c.ramp_w_per_s + SETTLES_S
        self._moving = (c.received < arrives) & np.isnan(c.told_w)

    def bounds(
        self,
        start: Instant,
        end: Instant,
        rule: Rule,
    ) -> Bounds:
        """Those of one span, from `start` to `end`, under this rule."""
        c, config, span_s = self._c, self._config, end - start
        hold_s = max(span_s + TAIL_S, config.hold_time_s)
        c.soc = self._low
        full = lasting_envelope(c, hold_s, config.soc_derate)
        c.soc = self._high
        hi, lo = full.hi, lasting_envelope(c, hold_s, config.soc_derate).lo
        up, down = self._why_hard(hi, lo, hold_s)
        track = _Track(lo, hi, up, down)
        timed.keep_curves(c, track.lo, span_s)
        track.note(Cause.CURVE)
        if end > self._now + NATURAL_S:
            moody = c.natural & ~self._storing
            track.hi[moody], track.lo[moody] = np.minimum(hi[moody], 0.0), np.maximum(lo[moody], 0.0)
            track.note(Cause.NATURAL)
        loose = track.hi.copy()
        if c.departing:
            self._depart(track, start, end, hold_s)
        c.hard_lo, c.hard_hi = track.lo.copy(), track.hi.copy()
        timed.keep_times(c, start, track.lo, track.hi)
        track.note(Cause.TIMES)
        low, high = rule.alone
        track.hi, track.lo = np.minimum(track.hi, np.maximum(high, 0.0)), np.maximum(track.lo, np.minimum(low, 0.0))
        track.note(Cause.LIMIT)
        if rule.asked.any():
            self._go_on(track, rule, start, end)
        held = np.where(self.free, 0.0, full.held)
        least, most = (
            np.where(self._moving, np.minimum(held, 0.0), held),
            np.where(self._moving, np.maximum(held, 0.0), held),
        )
        for cause, mask in self._absent(start, end):
            track.hi, track.lo = np.where(mask, least, track.hi), np.where(mask, most, track.lo)
            track.up[mask], track.down[mask] = _NUMBER[cause], _NUMBER[cause]
            track.note(cause)
        loose = np.where(track.up == _NUMBER[Cause.DEPARTURE], loose, track.hi)
        return Bounds(track.lo, track.hi, loose, track.up, track.down)

    def _depart(self, track: _Track, start: Instant, end: Instant, hold_s: float) -> None:
        """Who must charge for its departure within a span, and who gives no more than that lets it."""
        c, config = self._c, self._config
        c.soc = self._low
        timed.stay_ready(c, track.hi, start, end - start, span_s=config.hold_time_s, margin=config.departure_margin)
        floors = np.maximum(self._floors(start, hold_s), self._floors(end - TAIL_S, config.hold_time_s))
        if floors.any():  # it takes what it can at first, also where it cannot do so to the end
            most_day, c.day_wh = c.day_wh, self._least_day
            at_first = lasting_envelope(c, config.hold_time_s, config.soc_derate).lo
            c.day_wh = most_day
            forced = np.maximum(-floors, np.minimum(at_first, 0.0))
            track.hi = np.where(floors > 0.0, np.minimum(track.hi, forced), track.hi)
            charge = self._low, self._high
            last = carrying.remains(c, forced, charge, end - start + TAIL_S, config.hold_time_s)
            track.lo = np.where((floors > 0.0) & (track.hi < track.lo), np.maximum(track.lo, last), track.lo)
        track.note(Cause.DEPARTURE)

    def _go_on(self, track: _Track, rule: Rule, start: Instant, end: Instant) -> None:
        """A control of its own goes on as far as energy carries it, and with what sun or demand there are."""
        c, will, asked = self._c, rule.will, rule.asked
        unknown = c.natural & ~self._storing & (end > self._now + NATURAL_S)
        charge = self._low, self._high
        last = carrying.remains(c, will, charge, end - start + TAIL_S, self._config.hold_time_s)
        last = np.where(unknown, 0.0, last)
        sure = track.lo <= track.hi
        carried = np.where(unknown, 0.0, np.clip(will, np.minimum(track.lo, track.hi), np.maximum(track.lo, track.hi)))
        ends = [will, last, carried]
        least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
        least, most = least + rule.wanting[1], most + rule.wanting[0]
        least = np.where(sure, least, np.minimum(least, track.hi))
        most = np.where(sure, most, np.maximum(most, track.lo))
        track.hi, track.lo = np.where(asked, least, track.hi), np.where(asked, most, track.lo)
        track.note(Cause.ASKED)

    def advance(self, start: Instant, end: Instant, rule: Rule, *, day_over: bool) -> None:
        """The devices as they will be at the end of a span under this rule.

        Args:
            start, end: of the span.
            rule: what rules.
            day_over: whether the local day ends with the span.
        """
        c, span_s, hold_s, will = self._c, end - start, self._config.hold_time_s, rule.will
        first = self._floors(start, hold_s)
        floors = np.maximum(first, self._floors(end - _LAST_S, hold_s))
        carried = carrying.remains(c, will, (self._low, self._high), span_s, hold_s)
        with np.errstate(divide="ignore", invalid="ignore"):
            part = np.where(self._storing, 1.0 / c.energy_wh, 0.0)
        ready = c.leave_soc + 2.0 * np.sqrt(c.soc_variance) + _READY
        # No more than it lacks, on average.
        lack = np.fmax(ready - self._low, 0.0) * np.where(self._storing, c.energy_wh, 0.0) * 3600.0 / span_s
        forced = np.minimum(np.maximum(floors - np.maximum(-will, 0.0), 0.0), lack)
        less = np.where(self._storing, np.maximum(will, 0.0) - np.maximum(carried, 0.0), 0.0) + forced
        more = np.where(self._storing, np.maximum(-will, 0.0) - np.maximum(-carried, 0.0), 0.0)
        moody = min(max(end - self._now - NATURAL_S, 0.0) / span_s, 1.0)
        give, take = made_up(rule.swings, (less, more), moody)
        highest, lowest = will + give + rule.wanting[0], will - take + rule.wanting[1]
        given = np.clip(highest, 0.0, c.export_w) * span_s / 3600.0
        taken = np.clip(-lowest, 0.0, c.import_w) * span_s / 3600.0
        sure = self._sure(first, rule, np.maximum(-lowest, 0.0), span_s, known=not moody)
        forced, sure = floors * span_s / 3600.0 * part, sure * span_s / 3600.0 * part
        low, high = self._low - given * part, self._high + taken * part
        low = np.where(sure > 0.0, np.minimum(low + sure, np.fmax(c.leave_soc, low)), low)
        planned, high = high, np.where(forced > 0.0, np.minimum(high + forced, np.fmax(ready, high)), high)
        in_time = np.where(forced > 0.0, (high - planned) * c.energy_wh, 0.0)
        self._low, self._high = np.maximum(low, 0.0), np.minimum(high, 1.0)
        c.available_wh = np.maximum(c.available_wh - given, 0.0)
        self._least_day = np.zeros_like(c.day_wh) if day_over else self._least_day
        c.day_wh = np.zeros_like(c.day_wh) if day_over else c.day_wh + given + taken + in_time

    def _sure(self, floors: FloatArray, rule: Rule, takes: FloatArray, span_s: float, *, known: bool) -> FloatArray:
        """What each surely takes of its floor, W >= 0, under limits of its own, of groups inside and around."""
        c = self._c
        if not floors.any() or np.isfinite(rule.outer[0]):
            return np.zeros_like(floors)
        takes = np.where(floors > 0.0, 0.0, takes)
        if not known:
            takes = np.where(c.natural & ~self._storing, c.import_w, takes)
        c.soc = self._low
        sure = carrying.surely(c, floors, span_s, self._config.hold_time_s)
        sure = np.minimum(sure, np.maximum(-rule.alone[0], 0.0))
        return carrying.under_limits(rule.nest, sure, takes)

    def told(self, watts: FloatArray, at: Instant) -> None:
        """What each will be told from then on, W; NaN: nothing. For least times and modes."""
        c = self._c
        on = known_or_zero(watts) != 0.0
        c.since = np.where(on != c.on, at, c.since)
        other = known_or_zero(watts) != known_or_zero(c.told_w)
        c.told_at = np.where(other, at, c.told_at)
        c.on, c.told_w, c.last_w = on, watts, watts

    def held_w(self) -> float:
        """What those do now who cannot be asked, W."""
        c = self._c
        trusted = np.isfinite(c.w) & c.counts & ~(c.quarantined | c.lost | (c.down & (c.received <= c.down_at)))
        return float(c.w[trusted & ~self.free].sum())

    def energies(self) -> tuple[float | None, float | None]:
        """(what can be given, what can be taken) from what is stored, Wh; None: nobody stores."""
        c, mine = self._c, self._storing & self.free
        if not mine.any():
            return None, None
        margin = 2.0 * np.sqrt(c.soc_variance)
        left = np.maximum(c.day_cap_wh - c.day_wh, 0.0)
        up = np.minimum(np.maximum(self._low - margin - c.soc_min, 0.0) * c.energy_wh, left)
        down = np.minimum(np.maximum(c.soc_max - self._high - margin, 0.0) * c.energy_wh, left)
        return float(up[mine].sum()), float(down[mine].sum())

    def vars(self, start: Instant, end: Instant, rule: Rule, beside: float) -> tuple[reactive.Range, reactive.Range]:
        """(least, most) reactive power in a span, var: with the power that is planned, and with any.

        Args:
            start, end, rule: the span, and what rules.
            beside: what lies beside the devices, var.
        """
        c, absent = self._c, np.zeros(self.free.size, dtype=np.bool_)
        for cause, mask in self._absent(start, end):
            if cause in (Cause.GONE, Cause.AWAY):
                absent |= mask
        planned, nothing = rule.will, np.zeros_like(rule.will)
        both = reactive.counted_on(c, rule.vars, absent, (planned, planned), beside)
        return both, reactive.counted_on(c, rule.vars, absent, (self.most(end, rule), nothing), beside)

    def most(self, end: Instant, rule: Rule) -> FloatArray:
        """The most power that each may have at any time in a span that ends then, whichever way, W >= 0.

        More than it is counted on for: a total may be split so that one gives much at first, and others later.
        """
        c, config = self._c, self._config
        c.soc = self._high
        up = lasting_envelope(c, config.hold_time_s, config.soc_derate).hi
        c.soc = self._low
        down = -lasting_envelope(c, config.hold_time_s, config.soc_derate).lo
        if end > self._now + NATURAL_S:
            moody = c.natural & ~self._storing
            up, down = np.where(moody, c.export_w, up), np.where(moody, c.import_w, down)
        low, high = rule.alone
        sides = np.minimum(up, np.maximum(high, 0.0)), np.minimum(down, np.maximum(-low, 0.0)), np.abs(rule.will)
        found: FloatArray = np.maximum.reduce(sides)
        return found

    def reach(self, bound: FloatArray, will: FloatArray) -> float:
        """How long ramps take from what is planned to a bound, s."""
        way = np.abs(bound - will) / self._c.ramp_w_per_s
        return float(way[self.free].max(initial=0.0))

    def lost(self, bounds: Bounds) -> tuple[list[tuple[Cause, float, int]], list[tuple[Cause, float, int]]]:
        """What holds back how much of how many: upwards, downwards; the most first."""
        c = self._c
        above = np.maximum(c.export_w - np.maximum(bounds.hi, 0.0), 0.0) + np.maximum(-bounds.hi, 0.0)
        below = np.maximum(c.import_w + np.minimum(bounds.lo, 0.0), 0.0) + np.maximum(bounds.lo, 0.0)
        return _summed(bounds.up, above), _summed(bounds.down, below)

    def _why_hard(self, hi: FloatArray, lo: FloatArray, hold_s: float) -> tuple[IntArray, IntArray]:
        """What holds the hard bounds back."""
        c, count = self._c, hi.size
        up: IntArray = np.full(count, FREE, dtype=np.int64)
        down: IntArray = np.full(count, FREE, dtype=np.int64)
        cut_up, cut_down = hi < c.export_w - _SAME_W, lo > -c.import_w + _SAME_W
        for cause, mask in ((Cause.LEVELS, is_coarse(c)), (Cause.NATURAL, c.natural & ~self._storing)):
            up[cut_up & mask] = down[cut_down & mask] = _NUMBER[cause]
        highest = timed.charge_limit(c, np.fmin(self._high + 2.0 * np.sqrt(c.soc_variance), 1.0))
        down[cut_down & np.isfinite(highest) & (lo >= -highest - _SAME_W)] = _NUMBER[Cause.CURVE]
        for cause, bound in ((Cause.ENERGY, energy_bounds), (Cause.DAY, day_bounds)):
            least, most = np.full(count, -np.inf), np.full(count, np.inf)
            c.soc = self._low
            bound(c, np.empty(count), most, hold_s)
            c.soc = self._high
            bound(c, least, np.empty(count), hold_s)
            up[cut_up & (most < c.export_w - _SAME_W) & (hi >= most - _SAME_W)] = _NUMBER[cause]
            down[cut_down & (least > -c.import_w + _SAME_W) & (lo <= least + _SAME_W)] = _NUMBER[cause]
        up[cut_up & c.soc_doubt] = down[cut_down & c.soc_doubt] = _NUMBER[Cause.DOUBT]
        return up, down

    def _floors(self, at: Instant, hold_s: float) -> FloatArray:
        """The least that each must take for its departure, W >= 0."""
        c, floors = self._c, np.zeros(self.free.size)
        if c.departing:
            c.soc = self._low
            rows = np.flatnonzero(np.isfinite(c.leave_at) & (c.leave_at > at) & self.free & np.isfinite(c.soc))
            margin = self._config.departure_margin
            floors[rows] = timed.departure_floor(c, rows, at, span_s=hold_s, margin=margin)
        return floors

    def _absent(self, start: Instant, end: Instant) -> list[tuple[Cause, BoolArray]]:
        """Who will not be there, or cannot be asked; what is worse comes later."""
        c = self._c
        away = np.zeros(self.free.size, dtype=np.bool_)
        for place, begins, ends in self._away:
            away[place] |= begins < end and start < ends
        gone = np.isfinite(c.leave_at) & np.isfinite(c.leave_soc) & (c.leave_at <= start)
        able = c.can_set_w | (c.can_limit_w & c.natural)
        return [
            (Cause.GONE, gone),
            (Cause.AWAY, away | c.opted_out),
            (Cause.UNABLE, ~able),
            (Cause.UNUSABLE, ~c.usable & ~c.local),
            (Cause.LOCAL, ~c.usable & c.local),
            (Cause.FAILING, c.down & ~c.opted_out),
            (Cause.SILENT, c.lost),
            (Cause.QUARANTINED, c.quarantined),
            (Cause.DISABLED, ~c.enabled),
            (Cause.BLOCKED, c.blocked),
        ]


class _Track:
    """Bounds as they are narrowed, and what narrowed each last."""

    def __init__(self, lo: FloatArray, hi: FloatArray, up: IntArray, down: IntArray) -> None:
        self.lo, self.hi, self.up, self.down = lo, hi, up, down
        self._before = lo.copy(), hi.copy()

    def note(self, cause: Cause) -> None:
        """What was narrowed since the last note, was narrowed by this."""
        lo, hi = self._before
        self.up[self.hi < hi - _SAME_W] = _NUMBER[cause]
        self.down[self.lo > lo + _SAME_W] = _NUMBER[cause]
        self._before = self.lo.copy(), self.hi.copy()


def _summed(numbers: IntArray, watts: FloatArray) -> list[tuple[Cause, float, int]]:
    counted = (numbers != FREE) & (watts > _SAME_W)
    sums = np.bincount(numbers[counted], weights=watts[counted], minlength=len(CAUSES))
    counts = np.bincount(numbers[counted], minlength=len(CAUSES))
    found = [(CAUSES[at], float(sums[at]), int(counts[at])) for at in np.flatnonzero(counts).tolist()]
    return sorted(found, key=lambda one: -one[1])
