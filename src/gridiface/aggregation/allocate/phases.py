"""Phase balance: the total stays, the single-phase devices are moved until the phases' spread is small enough.

The spread is (largest - smallest phase total) / |mean phase total|. Each phase's single-phase devices become a
capped group; what the multi-phase devices put on each phase is taken from the pass before, so a few passes suffice.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem, Strategy
from gridiface.aggregation.allocate.tree import Cap, split_tree

#: Passes after which the best found is taken; four are usual.
PASSES = 8

#: Three arrays (A, B, C): the fraction of a device's power on each phase.
Shares = tuple[FloatArray, FloatArray, FloatArray]


def spread(powers: FloatArray, shares: Shares) -> float:
    """How far the phases are apart, as a fraction of their mean; 0 where nothing flows."""
    # Not the matrix product: for long arrays that wakes threads, which costs more than the sum on a busy machine.
    totals = [float(np.einsum("i,i->", powers, share)) for share in shares]
    mean = abs(sum(totals)) / 3
    return 0.0 if mean <= 0 else (max(totals) - min(totals)) / mean


def balance(strategy: Strategy, problem: Problem, powers: FloatArray, shares: Shares, limit: float) -> FloatArray:
    """`powers` moved between phases so that their spread is at most `limit`; the same total.

    Where the devices cannot reach that, the split with the smallest spread that was found. The total has priority.

    Args:
        strategy: splits inside each phase.
        problem: what `powers` is the answer to.
        powers: a split of the target without regard to phases.
        shares: see `Shares`.
        limit: e.g. 0.2.
    """
    best, best_spread = powers, spread(powers, shares)
    if best_spread <= limit:
        return powers
    total = float(powers.sum())
    half = 0.98 * limit * abs(total) / 6  # a little inside, so that rounding does not show
    single = [np.flatnonzero(share == 1.0) for share in shares]
    mixed = np.maximum(np.maximum(shares[0], shares[1]), shares[2]) < 1.0
    aim = Problem(
        target=total,
        lo=problem.lo,
        hi=problem.hi,
        base=problem.base,
        weight=problem.weight,
        tier=problem.tier,
        charge=problem.charge,
        running=problem.running,
    )
    for _ in range(PASSES):
        caps = []
        for rows, share in zip(single, shares, strict=True):
            others = float(best[mixed] @ share[mixed])
            if rows.size:
                caps.append(Cap(rows, total / 3 - half - others, total / 3 + half - others))
        tried = split_tree(strategy, aim, tuple(caps))
        tried_spread = spread(tried, shares)
        if tried_spread < best_spread and abs(float(tried.sum()) - total) <= 1e-9 * max(1.0, abs(total)):
            best, best_spread = tried, tried_spread
        else:
            break
        if best_spread <= limit:
            break
    return best
