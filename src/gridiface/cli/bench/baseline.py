"""How long like-days baselines take: 10,000 meters, 45 days of 96 quarter hours, and what gaps add to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, date, timedelta
from functools import partial
from typing import Any

import numpy as np

from gridiface.aggregation.allocate.problem import BoolArray, FloatArray
from gridiface.aggregation.settlement.baseline import FIVE_OF_TEN, TEN_OF_TEN, Method, day_baseline, like_days
from gridiface.aggregation.settlement.calendar import Calendar, slots_per_day
from gridiface.aggregation.settlement.series import BAD, DayTable
from gridiface.simulation.load.figures import report, spread

_DAYS, _INTERVAL_S = 45, 900.0
_EVENT_DAY = date(2026, 3, 17)
_EVENT = slice(64, 76)  # 16:00-19:00
#: Of the meters, how many have a gap somewhere.
_GAPS = (0.0, 0.01, 1.0)


def measure(runs: int, sizes: tuple[int, ...] = (1_000, 10_000)) -> dict[str, Any]:
    """See `gridiface bench baseline`."""
    figures: dict[str, Any] = {}
    for meters in sizes:
        figures[str(meters)] = _size(meters, runs)
    work = {"runs": runs, "meters": list(sizes), "days": _DAYS, "intervals": slots_per_day(_INTERVAL_S)}
    return report("baseline", work, figures)


def _size(meters: int, runs: int) -> dict[str, Any]:
    calendar = Calendar(tz=UTC)
    chance = np.random.default_rng(meters)
    table = _table(meters, chance)
    eligible = like_days(calendar, table.days, _EVENT_DAY, frozenset(), _DAYS)
    actual = table.w[:, -1] * 1.05
    newest = np.flatnonzero(eligible)[-TEN_OF_TEN.days :]
    # The same ten days without any rule, side by side: the yardstick on a machine that is busy.
    found: dict[str, Any] = {
        "numpy gather and mean": {"milliseconds": _timed(lambda: table.w[:, newest].mean(axis=1), runs)}
    }
    for share in _GAPS:
        _make_gaps(table, share, chance)
        title = f"gaps in {share:.0%} of the meters"
        found[title] = {
            method.name: {"milliseconds": _timed(partial(_run, table, eligible, method, actual), runs)}
            for method in (TEN_OF_TEN, FIVE_OF_TEN)
        }
    return found


def _run(table: DayTable, eligible: BoolArray, method: Method, actual: FloatArray) -> None:
    day_baseline(table, eligible, _EVENT, method, actual=actual)


def _table(meters: int, chance: np.random.Generator) -> DayTable:
    slots = slots_per_day(_INTERVAL_S)
    shape = -1000.0 - 500.0 * np.sin(np.linspace(0.0, 2 * np.pi, slots))
    w = np.empty((meters, _DAYS, slots))
    for day in range(_DAYS):
        w[:, day] = shape * chance.uniform(0.5, 1.5, (meters, 1))
    days = tuple(_EVENT_DAY - timedelta(days=back) for back in range(_DAYS, 0, -1))
    names = tuple(f"m{number}" for number in range(meters))
    quality = np.zeros(w.shape, dtype=np.uint8)
    return DayTable(names, days, _INTERVAL_S, w, quality, np.ones((_DAYS, slots), dtype=np.bool_))


def _make_gaps(table: DayTable, share: float, chance: np.random.Generator) -> None:
    """One missing value on the day before the event, in that share of the meters."""
    rows = np.flatnonzero(chance.random(len(table.meters)) < share)
    places = chance.integers(0, table.w.shape[2], rows.size)
    table.w[rows, -1, places] = np.nan
    if table.quality is not None:
        table.quality[rows, -1, places] = BAD


def _timed(work: Callable[[], object], runs: int) -> dict[str, float]:
    """Milliseconds of each run, after one that is not counted."""
    work()
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - began))
    return spread(times)
