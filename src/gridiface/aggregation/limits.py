"""What each device can do now and within a horizon: the envelope. And which limit on a total is the tightest.

The hard bounds come from rating, settings, state of charge over the hold time, availability and quality; the near
bounds besides from the ramp. A limit always wins over a ramp: where they exclude each other the near bounds shrink
to the point of the hard bounds that is nearest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray
from gridiface.aggregation.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.controls import ControlMode, Source

#: Rows per pass: the columns of one block stay in the second-level cache.
BLOCK = 4096

#: The columns that the envelope is made of.
_NEEDED = (
    *("export_w", "import_w", "energy_wh", "ramp_w_per_s", "soc_min", "soc_max", "natural", "counts", "can_set_w"),
    *("can_limit_w", "enabled", "w", "up_w", "down_w", "available_wh", "natural_w", "received", "usable", "lost"),
    *("soc", "soc_variance", "soc_doubt", "blocked", "down", "down_at", "told_w", "from_w", "from_at"),
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """Bounds of all devices, W, + delivered; arrays over the rows of the fleet.

    `lo`, `hi`: hard. `near_lo`, `near_hi`: reachable within the horizon, inside the hard ones. `base`: power without
    a request. `weight`: rating, > 0. `free`: can be asked now. `held`: what a device that cannot be asked
    contributes. `position`: where its last set-point has brought it by now.
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

    def part(self, rows: slice) -> Envelope:
        """Views of some rows."""
        return Envelope(
            self.lo[rows],
            self.hi[rows],
            self.near_lo[rows],
            self.near_hi[rows],
            self.base[rows],
            self.weight[rows],
            self.free[rows],
            self.held[rows],
            self.position[rows],
        )


def envelope(
    columns: Columns, now: Instant, *, horizon_s: float, hold_time_s: float, soc_derate: float = 0.5
) -> Envelope:
    """The envelope at `now`.

    Args:
        columns: the fleet.
        now: for the position on the ramp.
        horizon_s: how far ahead the ramp counts.
        hold_time_s: for how long a power must be sustainable from the stored energy.
        soc_derate: factor on the power of devices whose state of charge is in doubt.
    """
    count = columns.w.size
    lo, hi, near_lo, near_hi, base, weight, held, position = (np.empty(count) for _ in range(8))
    free = np.empty(count, dtype=np.bool_)
    result = Envelope(lo, hi, near_lo, near_hi, base, weight, free, held, position)
    for at in range(0, count, BLOCK):
        rows = slice(at, min(at + BLOCK, count))
        _fill(columns.part(rows, _NEEDED), result.part(rows), now, horizon_s, hold_time_s, soc_derate)
    return result


def _fill(c: Columns, out: Envelope, now: Instant, horizon_s: float, hold_time_s: float, soc_derate: float) -> None:
    """The envelope of one block; its arrays stay in the cache meanwhile."""
    known = np.isfinite(c.w)
    lo, hi = np.negative(c.import_w, out=out.lo), out.hi
    np.copyto(hi, c.export_w)
    _energy_bounds(c, lo, hi, hold_time_s)
    if c.soc_doubt.any():
        factor = np.where(c.soc_doubt, soc_derate, 1.0)
        np.multiply(lo, factor, out=lo)
        np.multiply(hi, factor, out=hi)
    out.base.fill(0.0)
    if c.natural.any():
        _natural_bounds(c, known, lo, hi, out.base)
    np.minimum(lo, hi, out=lo)
    position = position_at(c, now)
    np.copyto(out.position, position)
    reach = c.ramp_w_per_s * horizon_s
    _clip(np.subtract(position, reach, out=out.near_lo), lo, hi)
    _clip(np.add(position, reach, out=out.near_hi), lo, hi)
    np.copyto(out.free, askable(c))
    trusted = known & c.counts
    silent = c.lost | (c.down & (c.received <= c.down_at))
    if silent.any():
        trusted &= ~silent
    out.held.fill(0.0)
    np.copyto(out.held, c.w, where=trusted)
    np.add(c.export_w, c.import_w, out=out.weight)
    np.maximum(out.weight, 1.0, out=out.weight)


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
    return able & c.counts & c.enabled & c.usable & ~(c.blocked | c.down | c.lost)


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


def _energy_bounds(c: Columns, lo: FloatArray, hi: FloatArray, hold_time_s: float) -> None:
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


def _natural_bounds(c: Columns, known: BoolArray, lo: FloatArray, hi: FloatArray, base: FloatArray) -> None:
    """Sun and people: nobody can be asked for more than there is, or to take more than it wants to take."""
    doing = np.where(known, c.w, 0.0)
    most = np.where(known & np.isfinite(c.up_w), doing + c.up_w, np.fmax(c.natural_w, c.w))
    least = np.where(known & np.isfinite(c.down_w), doing - c.down_w, np.fmin(c.natural_w, c.w))
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
