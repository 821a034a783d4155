"""The lines of an account's devices to be kept: as far as the target's intervals, and not with each of many."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest

from gridiface.aggregation.accounting import scoring
from gridiface.aggregation.accounting.scoring import Account, Sample
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality


def fleet(count: int) -> Columns:
    columns = Columns()
    for number in range(count):
        columns.put(Device(id=f"d{number}", nameplate=Nameplate(max_w=1e4)))
    columns.told_w[:], columns.acknowledged[:] = 100.0, True
    columns.w[:] = np.arange(count)
    return columns


def sample(columns: Columns, rows: np.ndarray) -> Sample:
    total = float(columns.w[rows].sum())
    return Sample(100.0 * rows.size, 100.0 * rows.size, 100.0 * rows.size, 100.0 * rows.size, total, Quality.GOOD, rows)


def energy(rows: Iterable[PerformanceInterval]) -> float:
    return sum((row.end - row.start) * row.known * (row.delivered_w or 0.0) for row in rows)


def test_what_is_to_be_kept_reaches_as_far_as_the_targets_intervals_also_where_a_sample_is_late() -> None:
    columns = fleet(4)
    rows = np.arange(4)
    account, own = Account("c", "g", 0.0, 5.0), []
    for at, more in [(0.0, 0.0), (2.0, 10.0), (5.0, 3.0), (9.0, 40.0), (16.5, 7.0)]:
        columns.w[:] += more
        own += account.sample(sample(columns, rows), columns, at)
    assert [one.end for one in own] == [5.0, 10.0, 15.0]
    news = account.news
    assert news is not None
    kept = list(news.intervals())
    assert {(one.start, one.end) for one in kept} == {(0.0, 15.0)}
    assert energy(kept) == pytest.approx(energy(own))
    assert not news.over


def test_what_devices_were_told_sums_up_to_the_target_where_one_is_told_nothing_for_a_while() -> None:
    columns, rows, own = fleet(2), np.arange(2), []
    account = Account("c", "g", 0.0, 5.0)
    for at, told in [(0.0, 100.0), (6.0, np.nan), (10.0, np.nan), (14.0, 80.0), (20.0, 80.0)]:
        columns.told_w[1] = told
        total = float(np.nansum(columns.told_w))
        own += account.sample(Sample(200.0, 200.0, total, total, 1.0, Quality.GOOD, rows), columns, at)
    lines = list(account.lines().intervals())
    # 6 s at 100 W, 8 s told nothing, 6 s at 80 W.
    assert lines[1].allocated_w == lines[1].acknowledged_w == pytest.approx((6 * 100 + 6 * 80) / 20)
    for name in ("allocated_w", "acknowledged_w"):
        devices, target = (sum((one.end - one.start) * getattr(one, name) for one in those) for those in (lines, own))
        assert devices == pytest.approx(target)


def test_a_device_that_was_never_told_anything_has_nothing_known_of_it() -> None:
    columns, rows = fleet(1), np.arange(1)
    columns.told_w[0] = np.nan
    account = Account("c", "g", 0.0, 5.0)
    for at in (0.0, 3.0):
        account.sample(sample(columns, rows), columns, at)
    [line] = account.lines().intervals()
    assert (line.allocated_w, line.acknowledged_w, line.delivered_w) == (None, None, 0.0)


def test_what_is_kept_does_not_change_any_more() -> None:
    columns, rows = fleet(3), np.arange(3)
    account = Account("c", "g", 0.0, 5.0)
    account.sample(sample(columns, rows), columns, 0.0)
    account.sample(sample(columns, rows), columns, 5.0)
    news = account.news
    assert news is not None
    before = list(news.intervals())
    columns.w[:] = 7e3
    account.sample(sample(columns, rows), columns, 6.0)
    account.sample(sample(columns, rows), columns, 9.0)
    account.shift_time(60.0)
    assert list(news.intervals()) == before


def test_the_lines_of_a_large_fleet_are_not_kept_with_each_short_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "KEPT_PER_S", 2.0)
    columns, rows, ends = fleet(4), np.arange(4), []
    account = Account("c", "g", 0.0, 0.5)
    for at in range(17):
        account.sample(sample(columns, rows), columns, at / 2)
        if account.news is not None:
            ends.append(at / 2)
            account.news = None
    assert ends == [2.0, 4.0, 6.0, 8.0]


def test_a_control_without_lines_has_none_to_keep() -> None:
    columns = fleet(1)
    account = Account("c", "d0", 0.0, 5.0)
    for at in (0.0, 5.0, 10.0):
        account.sample(Sample(1.0, 1.0, 1.0, 1.0, 1.0, Quality.GOOD), columns, at)
    assert account.news is None
    rest, lines = account.close(columns, 12.0)
    assert [one.target_id for one in rest] == ["d0"]
    assert lines.over
    assert list(lines.intervals()) == []
