"""Water-filling: everyone moves from its base in proportion to its weight until it meets a bound. Exact.

The minimiser of sum (p - base)^2 / weight is p = clip(base + lam * weight, lo, hi). The sum is a rising, piecewise
linear function of lam, so Newton's method ends after a few steps; a bracket guards it.
"""

from __future__ import annotations

import numpy as np

from gridiface.aggregation.allocate.problem import FloatArray, Problem

#: Elements per pass: the five arrays of one block stay in the second-level cache.
BLOCK = 8192

#: Newton ends after some four steps; bisection alone would need about 60.
MAX_STEPS = 200


class WaterFilling:
    """The default strategy; see the module's page."""

    name = "water-filling"

    def split(self, problem: Problem) -> FloatArray:
        """See `Strategy.split`."""
        return water_fill(problem.target, problem.lo, problem.hi, problem.base, problem.weight)


class _Curve:
    """The sum of clip(base + lam w, lo, hi) and its slope, block by block through one set of buffers."""

    def __init__(self, lo: FloatArray, hi: FloatArray, base: FloatArray, weight: FloatArray) -> None:
        self.lo, self.hi, self.base, self.weight = lo, hi, base, weight
        size = min(BLOCK, lo.size)
        self._raw, self._cut, self._free = (np.empty(size) for _ in range(3))
        self._blocks = [slice(at, min(at + BLOCK, lo.size)) for at in range(0, lo.size, BLOCK)]

    def at(self, lam: float) -> tuple[float, float]:
        """(sum, slope) at `lam`."""
        total = slope = 0.0
        for block in self._blocks:
            weight = self.weight[block]
            raw, cut, free = (buffer[: weight.size] for buffer in (self._raw, self._cut, self._free))
            np.multiply(weight, lam, out=raw)
            np.add(raw, self.base[block], out=raw)
            np.maximum(raw, self.lo[block], out=cut)
            np.minimum(cut, self.hi[block], out=cut)
            total += float(cut.sum())
            np.equal(cut, raw, out=free)
            slope += float(weight @ free)
        return total, slope

    def powers(self, lam: float) -> FloatArray:
        """The answer for one `lam`."""
        result = np.empty_like(self.lo)
        for block in self._blocks:
            part = result[block]
            np.multiply(self.weight[block], lam, out=part)
            np.add(part, self.base[block], out=part)
            np.maximum(part, self.lo[block], out=part)
            np.minimum(part, self.hi[block], out=part)
        return result

    def ends(self) -> tuple[float, float]:
        """Two values of lam below and above which nobody moves any more."""
        below = (self.lo - self.base) / self.weight
        above = (self.hi - self.base) / self.weight
        return float(below.min()) - 1.0, float(above.max()) + 1.0


def water_fill(target: float, lo: FloatArray, hi: FloatArray, base: FloatArray, weight: FloatArray) -> FloatArray:
    """Powers with sum `target` nearest to `base`, W.

    Args:
        target: the sum wanted, W; outside [sum lo, sum hi] the nearest end is returned.
        lo, hi, base: W, lo <= hi.
        weight: > 0; what is not above 0 is taken as the smallest weight that still can carry a rest.
    """
    if target <= float(lo.sum()):
        return lo.copy()
    if target >= float(hi.sum()):
        return hi.copy()
    if not float(weight.min()) > 0.0:
        weight = np.maximum(weight, max(float(weight.max()), 1.0) * 1e-9)
    curve = _Curve(lo, hi, base, weight)
    return curve.powers(_solve(curve, target))


def _solve(curve: _Curve, target: float) -> float:
    """The lam at which the curve meets `target`, which lies strictly inside its range."""
    lam = (target - float(curve.base.sum())) / float(curve.weight.sum())
    left, right = -np.inf, np.inf
    best, best_gap = lam, np.inf
    tolerance = 4e-16 * max(abs(target), 1.0)
    for _ in range(MAX_STEPS):
        total, slope = curve.at(lam)
        gap = target - total
        if abs(gap) < best_gap:
            best, best_gap = lam, abs(gap)
        if abs(gap) <= tolerance:
            break
        left, right = (lam, right) if gap > 0 else (left, lam)
        following = lam + gap / slope if slope > 0 else np.nan
        if not left < following < right:
            if best_gap <= 1e-12 * max(abs(target), 1.0):
                break  # as near as the sum can be written
            ends = curve.ends() if not (np.isfinite(left) and np.isfinite(right)) else (left, right)
            following = (max(left, ends[0]) + min(right, ends[1])) / 2
            if following in (left, right):
                break
        lam = following
    return best
