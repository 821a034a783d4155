"""How long the split of one total takes: strategies over random fleets with ratings, ramps and stored energy."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from gridiface.aggregation.allocate import FloatArray, Problem, strategy
from gridiface.aggregation.allocate.phases import balance
from gridiface.simulation.load.figures import percentile, report, spread

_PHASE_LIMIT = 0.2
_STRATEGIES = ("water-filling", "merit-order")
#: Phase balance solves several splits; beyond this size it is not measured.
_PHASES_UP_TO = 100_000
_HOLD_S, _RAMP_S = 300.0, 5.0


def measure(runs: int, sizes: tuple[int, ...]) -> dict[str, Any]:
    """See `gridiface bench allocate`."""
    figures: dict[str, Any] = {}
    for size in sizes:
        few = max(3, min(runs, 20_000_000 // size))
        figures[str(size)] = _size(size, few)
    return report("allocate", {"runs": runs, "sizes": list(sizes)}, figures)


def _size(size: int, runs: int) -> dict[str, Any]:
    chance = np.random.default_rng(size)
    rating = chance.uniform(2_000.0, 12_000.0, size)
    found = {name: _timed(partial(_split, name, rating, chance), runs) for name in _STRATEGIES}
    if size <= _PHASES_UP_TO:
        phase = chance.integers(0, 3, size)
        shares = tuple((phase == number).astype(np.float64) for number in range(3))
        found["phase balance"] = _timed(lambda: _balanced(rating, (shares[0], shares[1], shares[2]), chance), runs)
    return found


def _problem(rating: FloatArray, chance: np.random.Generator) -> Problem:
    """A fleet at a random moment: the envelope of rating, ramp and stored energy, and a total within reach."""
    energy = rating * 2.0 * chance.uniform(0.05, 0.95, rating.size)
    now = rating * chance.uniform(-0.5, 0.5, rating.size)
    high = np.minimum(np.minimum(rating, now + rating * 0.5 * _RAMP_S), energy * 3600.0 / _HOLD_S)
    low = np.maximum(-rating, now - rating * 0.5 * _RAMP_S)
    low = np.minimum(low, high)
    target = float(low.sum() + (high.sum() - low.sum()) * chance.uniform(0.05, 0.95))
    tier = (np.arange(rating.size) % 2 + 1).astype(np.int64)
    return Problem(target=target, lo=low, hi=high, base=np.zeros(rating.size), weight=rating, tier=tier)


def _split(name: str, rating: FloatArray, chance: np.random.Generator) -> Callable[[], FloatArray]:
    problem = _problem(rating, chance)
    chosen = strategy(name)
    return lambda: chosen.split(problem)


def _balanced(
    rating: FloatArray, shares: tuple[FloatArray, FloatArray, FloatArray], chance: np.random.Generator
) -> Callable[[], FloatArray]:
    problem = _problem(rating, chance)
    chosen = strategy("water-filling")
    return lambda: balance(chosen, problem, chosen.split(problem), shares, _PHASE_LIMIT)


def _timed(make: Callable[[], Callable[[], FloatArray]], runs: int) -> dict[str, Any]:
    """Milliseconds of each run; making the problem is not counted."""
    make()()
    times = []
    for _ in range(runs):
        work = make()
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return {"milliseconds": spread(times), "p99_ms": percentile(times, 0.99), "runs": runs}
