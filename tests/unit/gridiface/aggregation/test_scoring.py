import pytest

from gridiface.aggregation.columns import Columns
from gridiface.aggregation.scoring import Account, Sample
from gridiface.domain.fleet import Device, Nameplate
from gridiface.domain.telemetry import Quality


def sample(requested, delivered, quality=Quality.GOOD):
    return Sample(requested, requested, requested, requested, delivered, quality)


@pytest.fixture
def columns():
    columns = Columns()
    columns.put(Device(id="d", nameplate=Nameplate(max_w=1e4)))
    columns.told_w[0], columns.acknowledged[0], columns.w[0] = 100.0, True, 80.0
    return columns


def test_intervals_are_cut_at_their_ends_with_time_weighted_means(columns):
    account = Account("c", "g", ("d",), 0.0, 10.0)
    account.sample(sample(100.0, 0.0), columns, 0.0)
    account.sample(sample(100.0, 90.0), columns, 4.0)
    first, second = account.sample(sample(100.0, 100.0), columns, 20.0)
    assert (first.start, first.end, second.end) == (0.0, 10.0, 20.0)
    assert first.delivered_w == pytest.approx(54.0)
    assert second.delivered_w == pytest.approx(90.0)
    rest = account.close(columns, 25.0)
    assert [interval.target_id for interval in rest] == ["g", "d"]
    assert rest[0].delivered_w == pytest.approx(100.0)
    assert (rest[1].allocated_w, rest[1].acknowledged_w, rest[1].delivered_w) == (100.0, 100.0, 80.0)


def test_unknown_powers_stay_unknown_and_the_worst_quality_counts(columns):
    account = Account("c", "g", (), 0.0, 10.0)
    account.sample(sample(None, None, Quality.STALE), columns, 0.0)
    (interval,) = account.sample(None, columns, 10.0)
    assert (interval.requested_w, interval.delivered_w, interval.quality) == (None, None, Quality.STALE)


def test_a_clock_that_was_set_leaves_no_hole(columns):
    account = Account("c", "g", (), 0.0, 10.0)
    account.sample(sample(1.0, 1.0), columns, 5.0)
    account.shift_time(3600.0)
    (interval,) = account.sample(sample(1.0, 1.0), columns, 3610.0)
    assert interval.end - interval.start == 10.0
    assert account.sample(sample(1.0, 1.0), columns, 3000.0) == []


def test_reports_hold_the_target_first_then_its_devices(columns):
    account = Account("c", "g", ("d",), 0.0, 10.0)
    account.sample(sample(100.0, 100.0), columns, 0.0)
    account.sample(sample(100.0, 100.0), columns, 5.0)
    assert [report.target_id for report in account.reports()] == ["g", "d"]
    assert account.reports()[0].mean("delivered_w") == pytest.approx(100.0)
