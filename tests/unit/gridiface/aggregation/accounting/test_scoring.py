import numpy as np
import pytest

from gridiface.aggregation.accounting.scoring import KEEP_S, Account, Sample
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality


def sample(requested, delivered, quality=Quality.GOOD, devices=None):
    return Sample(requested, requested, requested, requested, delivered, quality, devices)


def closed(account, columns, now):
    own, lines = account.close(columns, now)
    return [*own, *lines.intervals()]


def rows(*found):
    return np.array(found, dtype=np.int64)


@pytest.fixture
def columns():
    columns = Columns()
    columns.put(Device(id="d", nameplate=Nameplate(max_w=1e4)))
    columns.told_w[0], columns.acknowledged[0], columns.w[0] = 100.0, True, 80.0
    return columns


def test_intervals_are_cut_at_their_ends_with_time_weighted_means(columns):
    account = Account("c", "g", 0.0, 10.0)
    d = rows(0)
    account.sample(sample(100.0, 0.0, devices=d), columns, 0.0)
    account.sample(sample(100.0, 90.0, devices=d), columns, 4.0)
    first, second = account.sample(sample(100.0, 100.0, devices=d), columns, 20.0)
    assert (first.start, first.end, second.end) == (0.0, 10.0, 20.0)
    assert first.delivered_w == pytest.approx(54.0)
    assert second.delivered_w == pytest.approx(90.0)
    rest = closed(account, columns, 25.0)
    assert [interval.target_id for interval in rest] == ["g", "d"]
    assert rest[0].delivered_w == pytest.approx(100.0)
    assert (rest[1].allocated_w, rest[1].acknowledged_w, rest[1].delivered_w) == (100.0, 100.0, 80.0)


def test_unknown_powers_stay_unknown_and_the_worst_quality_counts(columns):
    account = Account("c", "g", 0.0, 10.0)
    account.sample(sample(None, None, Quality.STALE), columns, 0.0)
    (interval,) = account.sample(None, columns, 10.0)
    assert (interval.requested_w, interval.delivered_w, interval.quality) == (None, None, Quality.STALE)


def test_a_clock_that_was_set_leaves_no_hole(columns):
    account = Account("c", "g", 0.0, 10.0)
    account.sample(sample(1.0, 1.0), columns, 0.0)
    account.sample(sample(1.0, 1.0), columns, 5.0)
    account.shift_time(3600.0)
    (interval,) = account.sample(sample(1.0, 1.0), columns, 3610.0)
    assert interval.end - interval.start == 10.0
    assert account.sample(sample(1.0, 1.0), columns, 3000.0) == []


def test_reports_hold_the_target_first_then_its_devices(columns):
    account = Account("c", "g", 0.0, 10.0)
    account.sample(sample(100.0, 100.0, devices=rows(0)), columns, 0.0)
    account.sample(sample(100.0, 100.0), columns, 5.0)
    assert [report.target_id for report in account.reports()] == ["g", "d"]
    assert account.reports()[0].mean("delivered_w") == pytest.approx(100.0)


def test_a_devices_powers_count_from_when_they_were_seen_as_the_targets_do(columns):
    account, d = Account("c", "d", 0.0, 60.0), rows(0)
    account.sample(sample(100.0, 80.0, devices=d), columns, 0.0)
    columns.w[0] = 20.0
    account.sample(sample(100.0, 20.0, devices=d), columns, 4.0)
    own, device = closed(account, columns, 10.0)
    assert own.delivered_w == device.delivered_w == pytest.approx((4 * 80.0 + 6 * 20.0) / 10)


def test_who_joins_late_or_leaves_early_has_a_line_for_that_time_and_the_energies_sum_up(columns):
    columns.put(Device(id="e", nameplate=Nameplate(max_w=1e4)))
    columns.w[1] = 40.0
    account = Account("c", "g", 0.0, 60.0)
    account.sample(sample(100.0, 80.0, devices=rows(0)), columns, 0.0)
    account.sample(sample(100.0, 120.0, devices=rows(0, 1)), columns, 10.0)
    account.sample(sample(100.0, 40.0, devices=rows(1)), columns, 25.0)
    own, d, e = closed(account, columns, 40.0)
    assert [(d.start, d.end), (e.start, e.end)] == [(0.0, 25.0), (10.0, 40.0)]
    energies = [one.delivered_w * (one.end - one.start) for one in (own, d, e)]
    assert energies[0] == pytest.approx(energies[1] + energies[2])
    assert [one.known for one in (own, d, e)] == [1.0, 1.0, 1.0]


def test_a_device_that_falls_silent_delivers_nothing_known_and_its_line_is_an_estimate(columns):
    account, d = Account("c", "g", 0.0, 60.0), rows(0)
    account.sample(sample(100.0, 80.0, devices=d), columns, 0.0)
    columns.lost[0] = True
    account.sample(sample(100.0, None, devices=d), columns, 10.0)
    columns.w[0] = 999.0  # nobody believes it
    own, device = closed(account, columns, 40.0)
    assert (device.delivered_w, device.quality) == (80.0, Quality.ESTIMATED)
    assert (own.delivered_w, own.known, device.known) == (80.0, 0.25, 0.25)


def test_an_interval_ends_where_nothing_is_known_any_more_and_none_stands_for_that_time(columns):
    account = Account("c", "g", 0.0, 60.0)
    account.sample(sample(100.0, 80.0), columns, 0.0)
    (first,) = account.sample(None, columns, 10.0)
    assert account.due == float("inf")
    account.sample(None, columns, 100.0)
    account.sample(sample(100.0, 60.0), columns, 110.0)
    (second,) = closed(account, columns, 120.0)
    spans = [(one.start, one.end, one.delivered_w) for one in (first, second)]
    assert spans == [(0.0, 10.0, 80.0), (110.0, 120.0, 60.0)]


def gap(start, end):
    return PerformanceInterval(
        control_id="c",
        target_id="g",
        start=start,
        end=end,
        requested_w=None,
        accepted_w=None,
        allocated_w=None,
        acknowledged_w=None,
        delivered_w=None,
        quality=Quality.BAD,
        known=0.0,
        reason="away",
    )


def test_a_long_interval_is_durable_as_it_is_every_few_seconds_and_its_devices_with_it(columns):
    account, kept = Account("c", "g", 0.0, 60.0), []
    for now in range(13):
        kept += account.sample(sample(100.0, 10.0 * now, devices=rows(0)), columns, float(now))
        if account.news is not None:
            (line,) = account.news.intervals()
            assert (line.start, line.end) == (kept[-1].start, kept[-1].end)
            account.news = None
    assert [(one.start, one.end) for one in kept] == [(0.0, KEEP_S), (0.0, 2 * KEEP_S)]
    assert [one.delivered_w for one in kept] == [pytest.approx(20.0), pytest.approx(45.0)]
    (report, _) = account.reports()  # in memory it is one
    assert [(one.start, one.end) for one in report.intervals] == [(0.0, 12.0)]
    assert account.due == 3 * KEEP_S
    (whole, *_) = account.sample(sample(100.0, 0.0, devices=rows(0)), columns, 60.0)
    assert (whole.start, whole.end) == (0.0, 60.0)  # takes their place


def test_a_gap_leads_the_account_and_ends_with_the_first_sample(columns):
    account = Account("c", "g", 50.0, 10.0, gap=gap(20.0, 50.0), latest=53.0)
    assert account.sample(None, columns, 51.0) == []
    (found,) = account.sample(sample(1.0, 1.0), columns, 52.0)
    assert (found.start, found.end, found.reason) == (20.0, 52.0, "away")
    (report,) = account.reports()
    assert [one.start for one in report.intervals] == [20.0]
    (interval,) = account.sample(None, columns, 55.0)
    assert (interval.start, interval.end) == (52.0, 55.0)


@pytest.mark.parametrize("first", [None, 54.0])
def test_a_gap_is_no_longer_than_is_known(columns, first):
    account = Account("c", "g", 50.0, 10.0, gap=gap(20.0, 50.0), latest=53.0)
    account.sample(None, columns, 51.0)
    held = None if first is None else sample(1.0, 1.0)
    found = account.sample(held, columns, 54.0) if first else account.close(columns, 52.0)[0]
    assert [(one.start, one.end) for one in found] == [(20.0, 50.0)]
