"""Phase balance: the total stays, the single-phase devices are moved until the phases' spread is small enough.

The spread is (largest - smallest phase total) / |mean phase total|. Each phase's single-phase devices become a
capped group; what the multi-phase devices put on each phase is taken from the pass before, so a few passes suffice.
Under caps of other groups, which the phases cut across, the devices of a phase that has too much start lower instead:
the caps are kept by the split itself.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, Strategy
from gridiface.aggregation.allocate.tree import Cap, split_tree

#: Passes after which the best found is taken; four are usual.
PASSES = 8

#: The same under caps, where each pass finds less.
CAPPED_PASSES = 24

#: A mean of this part of what flows on a phase is the rounding of a total of nothing.
NOISE = 1e-9

#: Three arrays (A, B, C): the fraction of a device's power on each phase.
Shares = tuple[FloatArray, FloatArray, FloatArray]


def spread(powers: FloatArray, shares: Shares) -> float:
    """How far the phases are apart, as a fraction of their mean; 0 where nothing flows, or no more than noise."""
    # Not the matrix product: for long arrays that wakes threads, which costs more than the sum on a busy machine.
    totals = [float(np.einsum("i,i->", powers, share)) for share in shares]
    mean = abs(sum(totals)) / 3
    if mean <= NOISE * max(map(abs, totals)):
        return 0.0
    return (max(totals) - min(totals)) / mean


def balance(
    strategy: Strategy,
    problem: Problem,
    powers: FloatArray,
    shares: Shares,
    limit: float,
    caps: tuple[Cap, ...] = (),
    *,
    asked: float | None = None,
) -> FloatArray:
    """`powers` moved between phases so that their spread is at most `limit`; the same total.

    Where the devices cannot reach that, the split with the smallest spread that was found. The total has priority, and
    nobody works against it for its phase, nor against what is asked of the group as a whole: who would take where all
    give loses more than the balance is worth.

    Args:
        strategy: splits inside each phase.
        problem: what `powers` is the answer to.
        powers: a split of the target without regard to phases.
        shares: see `Shares`.
        limit: e.g. 0.2.
        caps: of groups, which `powers` keeps.
        asked: of the group as a whole, W, where others of it have powers of their own; None: what is split.
    """
    best, best_spread = powers, spread(powers, shares)
    if best_spread <= limit:
        return powers
    total = float(powers.sum())
    lo, hi = one_way(problem.lo, problem.hi, powers, total if asked is None else asked)
    problem = replace(problem, lo=lo, hi=hi)
    if caps:
        return _under_caps(strategy, problem, powers, shares, limit, caps)
    half = 0.98 * limit * abs(total) / 6  # a little inside, so that rounding does not show
    single = [np.flatnonzero(share == 1.0) for share in shares]
    mixed = np.maximum(np.maximum(shares[0], shares[1]), shares[2]) < 1.0
    aim = replace(problem, target=total)
    for _ in range(PASSES):
        within = []
        for rows, share in zip(single, shares, strict=True):
            others = float(best[mixed] @ share[mixed])
            if rows.size:
                within.append(Cap(rows, total / 3 - half - others, total / 3 + half - others))
        tried = split_tree(strategy, aim, tuple(within))
        tried_spread = spread(tried, shares)
        if tried_spread < best_spread and abs(float(tried.sum()) - total) <= 1e-9 * max(1.0, abs(total)):
            best, best_spread = tried, tried_spread
        else:
            break
        if best_spread <= limit:
            break
    return best


def one_way(lo: FloatArray, hi: FloatArray, powers: FloatArray, asked: float) -> tuple[FloatArray, FloatArray]:
    """Bounds that let nobody work against the sum of these powers, nor against what is asked, W, more than it does."""
    for sign in (float(powers.sum()), asked):
        if sign > 0:
            lo = np.maximum(lo, np.minimum(powers, 0.0))
        else:
            hi = np.minimum(hi, np.maximum(powers, 0.0))
    return lo, hi


def _under_caps(
    strategy: Strategy, problem: Problem, powers: FloatArray, shares: Shares, limit: float, caps: tuple[Cap, ...]
) -> FloatArray:
    """As `balance`: each phase starts lower by what it has too much, until that helps no more."""
    total = float(powers.sum())
    weights = [max(float(np.einsum("i,i->", problem.weight, share)), 1e-9) for share in shares]
    offsets = np.zeros(3)
    best, best_spread = powers, spread(powers, shares)
    tried, step = powers, 1.0
    for _ in range(CAPPED_PASSES):
        sums = np.array([float(np.einsum("i,i->", tried, share)) for share in shares])
        moved = offsets - step * (sums - sums.mean()) / weights
        shift = problem.weight * sum(offset * share for offset, share in zip(moved, shares, strict=True))
        tried = split_tree(strategy, replace(problem, target=total, base=problem.base + shift), caps)
        found = spread(tried, shares)
        kept = abs(float(tried.sum()) - total) <= 1e-9 * max(1.0, abs(total))
        if kept and found < best_spread:
            best, best_spread, offsets = tried, found, moved
        else:
            tried, step = best, step / 2
        if best_spread <= limit:
            break
    return best
