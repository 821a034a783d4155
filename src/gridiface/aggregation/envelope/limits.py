"""What each device can do now and within a horizon: the envelope. And which limit on a total is the tightest.

The hard bounds come from rating, settings, state of charge over the hold time, availability and quality; the near
bounds besides from the ramp. A limit always wins over a ramp: where they exclude each other the near bounds shrink
to the point of the hard bounds that is nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray, IntArray, span
from gridiface.aggregation.envelope import timed
from gridiface.aggregation.envelope.levels import COARSE, is_coarse, levels_around
from gridiface.aggregation.envelope.residual import Beside
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, Source

#: Rows per pass: the columns of one block stay in the second-level cache.
BLOCK = 4096

#: The columns that the hard bounds are made of.
_NEEDED = (
    *("export_w", "import_w", "energy_wh", "soc_min", "soc_max", "natural", "counts", "can_set_w", "can_limit_w"),
    *("enabled", "w", "up_w", "down_w", "available_wh", "natural_w", "received", "usable", "lost", "soc"),
    *("soc_variance", "soc_doubt", "blocked", "down", "down_at", "curve", "day_cap_wh", "day_wh", "quarantined"),
    "lasts_s",
    *COARSE,
)

#: The columns that say where a device is on its ramp.
_MOVING = ("told_w", "from_w", "from_at", "ramp_w_per_s", "w")


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bounds of all devices, W, + delivered; arrays over the rows of the fleet.

    `lo`, `hi`: hard. `near_lo`, `near_hi`: reachable within the horizon, inside the hard ones. `base`: power without
    a request. `weight`: rating, > 0. `free`: can be asked now. `held`: what a device that cannot be asked
    contributes. `position`: where its last set-point has brought it by now. `floors`: rows that must charge now to be
    ready for their departure (`near_hi` holds how much). `holding`: how many are held by least times. `at`: when; minus
    infinity: of no particular time. Read only: some are columns themselves.
    """

    lo: FloatArray
    hi: FloatArray
    near_lo: FloatArray
    near_hi: FloatArray
    base: FloatArray
    weight: FloatArray
    free: BoolArray
    held: FloatArray
    position: FloatArray
    floors: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    holding: int = 0
    at: Instant = -np.inf

    def promised(self) -> FloatArray:
        """The most that each can be counted on for, W: who must charge for its departure gives nothing."""
        if not self.floors.size:
            return self.hi
        most = self.hi.copy()
        most[self.floors] = np.minimum(most[self.floors], self.near_hi[self.floors])
        return most


def envelope(
    columns: Columns,
    now: Instant,
    *,
    horizon_s: float,
    hold_time_s: float,
    soc_derate: float = 0.5,
    departure_margin: float = 0.05,
) -> Envelope:
    """The envelope at `now`.

    Args:
        columns: the fleet.
        now: for the position on the ramp.
        horizon_s: how far ahead the ramp counts.
        hold_time_s: for how long a power must be sustainable from the stored energy.
        soc_derate: factor on the power of devices whose state of charge is in doubt.
        departure_margin: see `timed.departure_floor`.
    """
    c = columns
    _refresh(c, hold_time_s, soc_derate)
    count = c.w.size
    near_lo, near_hi, position = np.empty(count), np.empty(count), np.empty(count)
    for at in range(0, count, BLOCK):
        rows = slice(at, min(at + BLOCK, count))
        here = position[rows]
        np.copyto(here, position_at(c.part(rows, _MOVING), now))
        reach = c.ramp_w_per_s[rows] * horizon_s
        lo, hi = c.hard_lo[rows], c.hard_hi[rows]
        _clip(np.subtract(here, reach, out=near_lo[rows]), lo, hi)
        _clip(np.add(here, reach, out=near_hi[rows]), lo, hi)
    holding = timed.keep_times(c, now, near_lo, near_hi) if c.timed else 0
    floors = np.empty(0, dtype=np.int64)
    if c.departing:
        floors = timed.keep_departures(c, now, near_lo, near_hi, span_s=hold_time_s, margin=departure_margin)
    hard = (c.hard_lo, c.hard_hi)
    return Envelope(*hard, near_lo, near_hi, c.base, c.weight, c.free, c.held, position, floors, holding, now)


def lasting_envelope(
    columns: Columns, hold_time_s: float, soc_derate: float, *, at: Instant | None = None, margin: float = 0.05
) -> Envelope:
    """The hard envelope for another hold time, ramps left out. Keeps nothing and changes nothing.

    Args:
        columns: the fleet.
        hold_time_s, soc_derate: as of `envelope`.
        at: when it begins: who cannot wait from then on for so long with charging for its departure is held to that;
            None: departures do not count.
        margin: see `timed.departure_floor`.
    """
    c = columns
    lo, hi, base, held = _hard(c, hold_time_s, soc_derate)
    if at is not None and c.departing:
        timed.keep_departures(c, at, lo, hi, span_s=hold_time_s, margin=margin)
        np.clip(base, lo, hi, out=base)
    weight = np.maximum(c.export_w + c.import_w, 1.0)
    return Envelope(lo, hi, lo, hi, base, weight, askable(c), held, known_or_zero(c.w))


def kept_envelope(columns: Columns, hold_time_s: float, soc_derate: float) -> Envelope:
    """The hard envelope that steps work with, ramps left out: worked out anew for who was heard since, no more."""
    c = columns
    _refresh(c, hold_time_s, soc_derate)
    return Envelope(c.hard_lo, c.hard_hi, c.hard_lo, c.hard_hi, c.base, c.weight, c.free, c.held, c.w)


def _refresh(c: Columns, hold_time_s: float, soc_derate: float) -> None:
    """Work out the hard part anew for the rows that were touched since the last time."""
    rows = np.flatnonzero(c.touched)
    for at in range(0, rows.size, BLOCK):
        here = rows[at : at + BLOCK]
        whole = span(here)
        part = c.part(whole, _NEEDED)
        lo, hi, base, held = _hard(part, np.minimum(part.lasts_s, hold_time_s), soc_derate)
        c.hard_lo[whole], c.hard_hi[whole], c.base[whole], c.held[whole] = lo, hi, base, held
        c.free[whole] = askable(part)
        c.weight[whole] = np.maximum(part.export_w + part.import_w, 1.0)
    c.touched.fill(False)  # noqa: FBT003 - numpy's own signature


def _hard(
    c: Columns, hold_time_s: float | FloatArray, soc_derate: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """(lo, hi, base, held) of one block; its arrays stay in the cache meanwhile."""
    known = np.isfinite(c.w)
    lo, hi, base = -c.import_w, c.export_w.copy(), np.zeros(c.w.size)
    energy_bounds(c, lo, hi, hold_time_s)
    if (c.curve >= 0).any():
        np.maximum(lo, -timed.charge_limit(c, np.fmin(c.soc + 2.0 * np.sqrt(c.soc_variance), 1.0)), out=lo)
    day_bounds(c, lo, hi, hold_time_s)
    if c.soc_doubt.any():
        factor = np.where(c.soc_doubt, soc_derate, 1.0)
        lo *= factor
        hi *= factor
    if c.natural.any():
        _natural_bounds(c, known, lo, hi, base)
    _level_bounds(c, lo, hi)
    np.minimum(lo, hi, out=lo)
    trusted = known & c.counts & ~(c.quarantined | c.lost | (c.down & (c.received <= c.down_at)))
    return lo, hi, base, np.where(trusted, c.w, 0.0)


def _clip(values: FloatArray, lo: FloatArray, hi: FloatArray) -> None:
    """In place; np.clip would look for what it can do faster, at every call."""
    np.maximum(values, lo, out=values)
    np.minimum(values, hi, out=values)


def askable(columns: Columns) -> BoolArray:
    """Which devices can be given a share: able, enabled, not blocked, usable, and neither down nor lost.

    Sun followers without a watt set-point are led by their ceiling.
    """
    c = columns
    able = c.can_set_w | (c.can_limit_w & c.natural)
    return able & c.counts & c.enabled & c.usable & ~(c.blocked | c.down | c.lost | c.quarantined)


def position_at(columns: Columns, at: Instant | FloatArray) -> FloatArray:
    """Where each device is on its ramp at `at`, W; the measured power where it was told nothing (0 if unknown)."""
    c = columns
    travelled = at - c.from_at
    np.maximum(travelled, 0.0, out=travelled)
    travelled *= c.ramp_w_per_s
    moved = c.told_w - c.from_w
    np.minimum(moved, travelled, out=moved)
    np.negative(travelled, out=travelled)
    np.maximum(moved, travelled, out=moved)
    moved += c.from_w
    untold = np.isnan(moved)
    if untold.any():
        np.copyto(moved, known_or_zero(c.w), where=untold)
    return moved


def known_or_zero(values: FloatArray) -> FloatArray:
    """The values, 0 where one is not known."""
    return np.where(np.isnan(values), 0.0, values)


def energy_bounds(c: Columns, lo: FloatArray, hi: FloatArray, hold_time_s: float | FloatArray) -> None:
    """Stored energy over the hold time, from the cautious end of what is known of the state of charge."""
    watts_per_unit = c.energy_wh * (3600.0 / hold_time_s)
    unknown = np.isnan(watts_per_unit)
    unknown |= np.isnan(c.soc)
    margin = np.sqrt(c.soc_variance)
    margin *= 2.0
    up = c.soc - margin
    up -= c.soc_min
    up *= watts_per_unit
    margin += c.soc
    margin -= c.soc_max
    margin *= watts_per_unit
    if unknown.any():
        np.copyto(up, c.available_wh * (3600.0 / hold_time_s), where=unknown)
        np.copyto(up, np.inf, where=np.isnan(up))
        np.copyto(margin, -np.inf, where=unknown)
    np.maximum(up, 0.0, out=up)
    np.minimum(hi, up, out=hi)
    np.minimum(margin, 0.0, out=margin)
    np.maximum(lo, margin, out=lo)


def day_bounds(c: Columns, lo: FloatArray, hi: FloatArray, hold_time_s: float | FloatArray) -> None:
    """What the daily throughput leaves, over the hold time."""
    capped = np.isfinite(c.day_cap_wh)
    if not capped.any():
        return
    left = np.maximum(c.day_cap_wh - c.day_wh, 0.0) * (3600.0 / hold_time_s)
    np.minimum(hi, left, out=hi, where=capped)
    np.maximum(lo, -left, out=lo, where=capped)


def _level_bounds(c: Columns, lo: FloatArray, hi: FloatArray) -> None:
    """What a coarse device can do ends at the last power that it knows; what runs by itself may be between two."""
    rows = np.flatnonzero(is_coarse(c) & ~c.natural)
    if rows.size:
        part = c.part(rows, COARSE)
        hi[rows], lo[rows] = levels_around(part, hi[rows])[0], levels_around(part, lo[rows])[0]


def _natural_bounds(c: Columns, known: BoolArray, lo: FloatArray, hi: FloatArray, base: FloatArray) -> None:
    """Sun and people: nobody can be asked for more than there is, or to take more than it wants to take."""
    doing = np.where(known, c.w, 0.0)
    most = np.where(known & np.isfinite(c.up_w), doing + c.up_w, np.fmax(c.natural_w, c.w))
    least = np.where(known & np.isfinite(c.down_w), doing - c.down_w, np.fmin(c.natural_w, c.w))
    # A vehicle whose battery is known takes what it is told, whatever it does by itself.
    storing = c.can_set_w & np.isfinite(c.soc) & np.isfinite(c.energy_wh)
    least = np.where(storing, np.fmin(least, lo), least)
    # A load can always stop and a generator always be curtailed: 0 stays reachable.
    np.fmin(hi, np.maximum(most, 0.0), out=hi, where=c.natural)
    np.fmax(lo, np.minimum(least, 0.0), out=lo, where=c.natural)
    by_itself = np.where(np.isfinite(c.natural_w), c.natural_w, doing)
    np.copyto(base, np.clip(by_itself, lo, hi), where=c.natural)


@dataclass(frozen=True, slots=True)
class Bound:
    """One limit on a total, W >= 0, with whom it came from."""

    watts: float
    mode: ControlMode
    source: Source
    control_id: str


@dataclass(frozen=True, slots=True)
class Limits:
    """The tightest limit of each kind with its source; None = no limit.

    `export` and `generation` bound delivery, `load` and `draw` bound what is taken. Export and draw speak of the net
    total at the connection point, generation and load of the sums of its parts.
    """

    export: Bound | None = None
    draw: Bound | None = None
    generation: Bound | None = None
    load: Bound | None = None

    @property
    def any(self) -> bool:
        """Whether there is any limit."""
        return not (self.export is None and self.draw is None and self.generation is None and self.load is None)

    @property
    def high(self) -> Bound | None:
        """The tightest bound on the net total upwards."""
        return _tightest(bound for bound in (self.export, self.generation) if bound is not None)

    @property
    def low(self) -> Bound | None:
        """The tightest bound on the net total downwards (its watts are a magnitude)."""
        return _tightest(bound for bound in (self.draw, self.load) if bound is not None)

    def members(self, beside: Beside) -> tuple[float, float]:
        """(low, high) of the members' net, W, with so much beside them: a load there leaves generation as it is."""
        highs = (_left(self.export, beside.high), _left(self.generation, beside.given))
        lows = (_left(self.draw, -beside.low), _left(self.load, -beside.taken))
        return -min(lows), min(highs)

    def reached(self, powers: FloatArray, beside: Beside) -> Bound | None:
        """Which of the limits these powers of the members, W, and what lies beside them come up to; None: none."""
        given, net = float(np.maximum(powers, 0.0).sum()), float(powers.sum())
        most, least = net + beside.high, net + beside.low
        there = (
            (self.export, most),
            (self.generation, given + beside.given),
            (self.draw, -least),
            (self.load, given - net - beside.taken),
        )
        slack = 1e-6 * max(abs(most), abs(least), 1.0) + 1e-3
        return next((bound for bound, watts in there if bound is not None and watts >= bound.watts - slack), None)


def _left(bound: Bound | None, taken_w: float) -> float:
    """What a bound leaves where so much of it is taken, W."""
    return np.inf if bound is None else bound.watts - taken_w


#: Which field of `Limits` a mode tightens.
FIELD_OF = {
    ControlMode.EXPORT_LIMIT: "export",
    ControlMode.IMPORT_LIMIT: "draw",
    ControlMode.GENERATION_LIMIT: "generation",
    ControlMode.MAX_W_PERCENT: "generation",
    ControlMode.LOAD_LIMIT: "load",
}


def intersect(bounds: Iterable[Bound]) -> Limits:
    """The most restrictive of each kind; of equals the one with the smaller control id, whatever the order."""
    kinds: dict[str, list[Bound]] = {"export": [], "draw": [], "generation": [], "load": []}
    for bound in bounds:
        kinds[FIELD_OF[bound.mode]].append(bound)
    return Limits(**{kind: _tightest(found) for kind, found in kinds.items()})


def _tightest(bounds: Iterable[Bound]) -> Bound | None:
    return min(bounds, key=lambda bound: (bound.watts, bound.control_id), default=None)
