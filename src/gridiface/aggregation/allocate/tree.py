"""Caps of groups inside groups: a laminar tree over the devices, for any strategy.

The strategy splits as if there were no caps; the outermost groups that break theirs are set to the cap on the side
that weighs more (Bitran and Hax), what is left is split anew over the others, and each group that was set is
solved by itself with its own caps inside. For water-filling the result is the exact minimiser.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, IntArray, Problem, Strategy


@dataclass(frozen=True, slots=True)
class Cap:
    """A group inside the problem: positions of all its devices, bounds on their sum in W, groups inside it."""

    rows: IntArray
    low: float = -np.inf
    high: float = np.inf
    inside: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class _Bounded:
    """A cap with bounds that its devices and the groups inside can really meet."""

    rows: IntArray
    low: float
    high: float
    inside: tuple[_Bounded, ...]


def reach(lo: FloatArray, hi: FloatArray, caps: tuple[Cap, ...]) -> tuple[float, float]:
    """The least and the greatest sum over all devices under the caps, W."""
    low, high = float(lo.sum()), float(hi.sum())
    for cap in caps:
        bounded = _tighten(cap, lo, hi)
        low += bounded.low - float(lo[cap.rows].sum())
        high += bounded.high - float(hi[cap.rows].sum())
    return low, high


def split_tree(strategy: Strategy, problem: Problem, caps: tuple[Cap, ...]) -> FloatArray:
    """Split `problem.target` under the caps; where it is out of reach, the nearest that can be reached.

    A cap below what its devices must at least do is taken as that least (the devices' own bounds are never broken).
    """
    if not caps:
        return strategy.split(problem)
    bounded = tuple(_tighten(cap, problem.lo, problem.hi) for cap in caps)
    low, high = reach(problem.lo, problem.hi, caps)
    result = np.empty_like(problem.lo)
    everyone = np.arange(problem.lo.size)
    _solve(strategy, problem, everyone, min(max(problem.target, low), high), bounded, result)
    return result


def _tighten(cap: Cap, lo: FloatArray, hi: FloatArray) -> _Bounded:
    """Bounds of the group from its own caps, the groups inside, and its devices."""
    inside = tuple(_tighten(child, lo, hi) for child in cap.inside)
    low, high = float(lo[cap.rows].sum()), float(hi[cap.rows].sum())
    for child in inside:
        low += child.low - float(lo[child.rows].sum())
        high += child.high - float(hi[child.rows].sum())
    return _Bounded(cap.rows, min(max(low, cap.low), high), max(min(high, cap.high), low), inside)


def _solve(
    strategy: Strategy,
    problem: Problem,
    rows: IntArray,
    target: float,
    caps: tuple[_Bounded, ...],
    result: FloatArray,
) -> None:
    """Fill `result[rows]` with a split of `target` that keeps the caps."""
    settled: dict[int, tuple[_Bounded, float]] = {}
    free = np.zeros(result.size, dtype=np.bool_)
    free[rows] = True
    while True:
        chosen = np.flatnonzero(free) if settled else rows
        if chosen.size == result.size:  # all of them: nothing to copy
            result[:] = strategy.split(replace(problem, target=target))
        elif chosen.size:
            rest = target - sum(total for _, total in settled.values())
            result[chosen] = strategy.split(problem.take(chosen, rest))
        broken = _broken(caps, result, settled)
        if not broken:
            break
        for cap, total in broken:
            for inner in _below(cap):
                settled.pop(id(inner), None)
            settled[id(cap)] = (cap, total)
            free[cap.rows] = False
            # Its sum counts from now on; who gives how much inside is found below.
            result[cap.rows] = total / cap.rows.size
    for cap, total in settled.values():
        _solve(strategy, problem, cap.rows, total, cap.inside, result)


def _broken(
    caps: tuple[_Bounded, ...], powers: FloatArray, settled: dict[int, tuple[_Bounded, float]]
) -> list[tuple[_Bounded, float]]:
    """The outermost groups outside their caps, on the heavier side only, each with the cap it is to be set to."""
    above: list[tuple[_Bounded, float]] = []
    below: list[tuple[_Bounded, float]] = []
    excess = deficit = 0.0
    waiting = [cap for cap in caps if id(cap) not in settled]
    while waiting:
        cap = waiting.pop()
        total = float(powers[cap.rows].sum())
        slack = 1e-9 * max(abs(total), abs(cap.low), abs(cap.high), 1.0)
        if total > cap.high + slack:
            above.append((cap, cap.high))
            excess += total - cap.high
        elif total < cap.low - slack:
            below.append((cap, cap.low))
            deficit += cap.low - total
        else:
            waiting.extend(child for child in cap.inside if id(child) not in settled)
    return above if excess >= deficit else below


def _below(cap: _Bounded) -> list[_Bounded]:
    """All groups inside `cap`, at any depth."""
    return [found for child in cap.inside for found in (child, *_below(child))]
