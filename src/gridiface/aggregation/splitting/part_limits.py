"""Limits on generation and on load: what each of their devices may do at most, so that the split keeps them.

Such a limit speaks of a part of a total, which no bound on a sum says. Where it is broken its devices are cut, and all
is split anew. The cut leaves what bounds on the sums of groups inside ask for: a charger that keeps the export of its
feeder down is not cut as long as others can give way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray, Problem, Strategy
from gridiface.aggregation.allocate.tree import Cap, reach, split_tree
from gridiface.aggregation.allocate.water_filling import WaterFilling
from gridiface.aggregation.splitting.parts import cut_part, relax

#: Splits after which what is still too much is cut without making up for it elsewhere.
_PASSES = 6

#: How what groups inside need is spread over their devices: each the same part of what it gives.
_EVENLY: Strategy = WaterFilling()


@dataclass(frozen=True, slots=True)
class PartLimit:
    """Most that some devices may deliver together, whatever others take at the same time; W >= 0.

    `rows`: positions. `sign`: 1 for what is delivered, -1 for what is taken.
    """

    rows: IntArray
    sign: float
    watts: float


@dataclass(frozen=True, slots=True)
class _Sums:
    """A cap with the least that its devices can deliver, and take, so that it and those inside are kept; W >= 0."""

    cap: Cap
    delivered: float
    taken: float
    inside: tuple[_Sums, ...]


def within(
    limits: Iterable[PartLimit],
    lo: FloatArray,
    hi: FloatArray,
    split: Callable[[], FloatArray],
    hard: tuple[FloatArray, FloatArray],
    net: tuple[float, float],
    caps: tuple[Cap, ...],
) -> FloatArray:
    """A split that keeps limits on parts of the total: where one is broken its devices are narrowed, and split anew.

    Args:
        limits: see `PartLimit`; innermost first.
        lo, hi: bounds of the devices, narrowed in place, and opened where a cap needs it.
        split: splits inside the bounds as they are then.
        hard: (lo, hi) that each device is able to do; narrowed in place where it is cut. What a device must do comes
            before every limit.
        net: least and most of the sum of all, W.
        caps: the same of groups inside. Where these cannot be kept as well, the limits on parts are.
    """
    wanted = tuple(limits)
    powers = split()
    for _ in range(_PASSES):
        cut: list[PartLimit] = []
        for one in wanted:
            # What one around it has to take is seen when its own devices have been split anew.
            waits = any(inner.sign == one.sign and np.isin(inner.rows[:1], one.rows).any() for inner in cut)
            if not waits and _narrowed(one, powers, lo, hi, hard, net, caps):
                cut.append(one)
        if not cut:
            return powers
        relax(lo, hi, hard, net, caps)
        powers = split()
    for one in wanted:
        _narrowed(one, np.clip(powers, lo, hi), lo, hi, hard, net, caps)
    return np.clip(powers, lo, hi)


def _narrowed(
    limit: PartLimit,
    powers: FloatArray,
    lo: FloatArray,
    hi: FloatArray,
    hard: tuple[FloatArray, FloatArray],
    net: tuple[float, float],
    caps: tuple[Cap, ...],
) -> bool:
    """Whether the limit was broken; then none of its devices can do more in its direction than what it leaves them."""
    rows, sign = limit.rows, limit.sign
    part = sign * powers[rows]
    if float(part[part > 0].sum()) <= limit.watts + 1e-6 * max(limit.watts, 1.0):
        return False
    part = np.maximum(part, 0.0)
    least = np.clip(hard[0][rows] if sign > 0 else -hard[1][rows], 0.0, part)
    needed, inside = least, _inside(limit, net, caps, lo.size)
    for bounds in ((lo, hi), hard) if inside else ():
        needed = _needed(limit, part, least, bounds, inside)
        if float(needed.sum()) <= limit.watts:
            break
    if float(needed.sum()) <= limit.watts:
        most = cut_part(part, needed, limit.watts)
    else:
        most = cut_part(needed, least, limit.watts)
    for lower, upper in ((lo, hi), hard):
        if sign > 0:
            upper[rows] = np.minimum(upper[rows], most)
            lower[rows] = np.minimum(lower[rows], upper[rows])
        else:
            lower[rows] = np.maximum(lower[rows], -most)
            upper[rows] = np.maximum(upper[rows], lower[rows])
    return True


def _needed(
    limit: PartLimit,
    part: FloatArray,
    least: FloatArray,
    bounds: tuple[FloatArray, FloatArray],
    inside: tuple[Cap, ...],
) -> FloatArray:
    """What each of the devices of a limit has to do in its direction so that the caps inside are kept, W; of `part`.

    Args:
        limit: whose devices.
        part: what they do in its direction, W >= 0.
        least: what each must do itself.
        bounds: (lo, hi) of all devices: with these the others help as far as they can.
        inside: the caps, in the limit's direction.
    """
    lo, hi = bounds if limit.sign > 0 else (-bounds[1], -bounds[0])
    gives, takes = np.maximum(lo, 0.0), np.maximum(-hi, 0.0)
    place = np.full(lo.size, -1, dtype=np.int64)
    place[limit.rows] = np.arange(limit.rows.size)
    floors = tuple(_floor(_sums(cap, gives, takes), place) for cap in inside)
    lowest = reach(least, part, floors)[0]
    if lowest <= float(least.sum()):
        return least
    problem = Problem(target=lowest, lo=least, hi=part, base=np.zeros(part.size), weight=np.maximum(part, 1e-6))
    return split_tree(_EVENLY, problem, floors)


def _inside(limit: PartLimit, net: tuple[float, float], caps: tuple[Cap, ...], count: int) -> tuple[Cap, ...]:
    """The outermost caps inside a limit, in its direction, of those that ask for something in this direction."""
    if limit.rows.size == count:
        found = [Cap(limit.rows, *net, caps)]
    else:
        here = np.zeros(count, dtype=np.bool_)
        here[limit.rows] = True
        found, waiting = [], list(caps)
        while waiting:
            cap = waiting.pop()
            # Groups are nested or disjoint: one device tells.
            if cap.rows.size <= limit.rows.size and here[cap.rows[0]]:
                found.append(cap)
            elif cap.rows.size > limit.rows.size:
                waiting.extend(cap.inside)
    turned = found if limit.sign > 0 else [_mirrored(cap) for cap in found]
    return tuple(cap for cap in turned if _asks(cap))


def _asks(cap: Cap) -> bool:
    """Whether a bound downwards is in it."""
    return cap.low > -np.inf or any(_asks(child) for child in cap.inside)


def _sums(cap: Cap, gives: FloatArray, takes: FloatArray) -> _Sums:
    """The least that the devices of a cap can deliver and take: what each must, and what the bounds on sums ask for."""
    inside = tuple(_sums(child, gives, takes) for child in cap.inside)
    delivered = float(gives[cap.rows].sum()) + sum(one.delivered - float(gives[one.cap.rows].sum()) for one in inside)
    taken = float(takes[cap.rows].sum()) + sum(one.taken - float(takes[one.cap.rows].sum()) for one in inside)
    return _Sums(cap, max(delivered, taken + cap.low), max(taken, delivered - cap.high), inside)


def _floor(sums: _Sums, place: IntArray) -> Cap:
    """What a cap asks of what its devices deliver: at least that, and more than its net can be helps nobody around."""
    inside = tuple(_floor(one, place) for one in sums.inside)
    return Cap(place[sums.cap.rows], sums.delivered, sums.taken + sums.cap.high, inside)


def _mirrored(cap: Cap) -> Cap:
    """The caps of the same devices with what is taken for what is delivered."""
    return Cap(cap.rows, -cap.high, -cap.low, tuple(_mirrored(child) for child in cap.inside))
