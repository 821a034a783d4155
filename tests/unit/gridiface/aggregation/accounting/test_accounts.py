"""The accounts of controls: opened, sampled, closed; what is to be recorded, and when to look next."""

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.accounting.test_scoring import gap
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.aggregation.accounting.accounts import SAMPLE_S, Accounts, sample_of
from gridiface.aggregation.deciding.entry import Entry
from gridiface.aggregation.envelope.rollup import Total
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ServiceClass
from gridiface.domain.telemetry import Quality


def fleet():
    columns = Columns()
    for name in ("a", "b"):
        columns.put(battery(name))
    columns.told[:], columns.told_w[:], columns.acknowledged[:] = True, (1_000.0, 2_000.0), (True, False)
    columns.w[:] = 900.0, 0.0
    return columns


def total(watts, *, known=True):
    quality = Quality.GOOD if known else Quality.BAD
    return Total(w=watts, var=0.0, quality=quality, received=T0, online=2, known=2 if known else 0)


def sampled(columns, requested=3_000.0, delivered=900.0, devices=None):
    return sample_of(columns, np.arange(columns.count), total(delivered), requested, requested, devices)


def test_a_sample_counts_what_was_told_and_of_that_what_was_acknowledged():
    columns = fleet()
    sample = sampled(columns)
    assert sample.values == (3_000.0, 3_000.0, 3_000.0, 1_000.0, 900.0)
    one = sample_of(columns, np.array([1]), total(0.0, known=False), 5.0, 5.0)
    assert one.values == (5.0, 5.0, 2_000.0, 0.0, None)
    columns.told_w[:] = np.nan
    assert sampled(columns).values[2:4] == (None, None)


def test_an_interval_is_the_mean_over_its_time_and_is_recorded_once():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 100)
    accounts.open(Entry(ask("c1", duration=60, set_w=3_000.0)), T0)
    for second, watts in ((0, 0.0), (5, 3_000.0), (10, 3_000.0)):
        accounts.sample(lambda name, watts=watts: sampled(columns, delivered=watts), T0 + second)
    finished, _ = accounts.drain()
    under_way, interval = finished  # a long one is recorded as it is, and the whole of it takes its place
    assert (under_way.start, under_way.end, under_way.delivered_w) == (T0, T0 + 5, 0.0)
    assert (interval.control_id, interval.target_id) == ("c1", "all")
    assert (interval.start, interval.end) == (T0, T0 + 10)
    assert interval.delivered_w == pytest.approx(1_500.0)
    assert list(accounts.drain()[0]) == []


def test_a_control_that_is_over_has_a_line_of_each_device_in_its_record():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 100)
    accounts.open(Entry(ask("c1", duration=60, set_w=3_000.0)), T0)
    accounts.sample(lambda name: sampled(columns, devices=np.arange(2)), T0)
    accounts.close(["c1"], T0 + 4)
    finished, lines = accounts.drain()
    assert [(one.target_id, one.end - one.start) for one in finished] == [("all", 4.0), ("a", 4.0), ("b", 4.0)]
    assert [one.over for one in lines] == [True]
    assert len(accounts) == 0
    assert accounts.due(T0 + 4) is None
    reports = list(accounts.reports("c1"))
    assert [one.target_id for one in reports] == ["all", "a", "b"]
    assert [one.target_id for one in accounts.reports("c1", devices=False)] == ["all"]
    assert list(accounts.reports("unknown")) == []


def test_a_control_that_never_ran_has_no_account_to_close():
    accounts = Accounts(fleet(), 10.0, 100)
    accounts.close(["c1"], T0)
    assert list(accounts.drain()[0]) == []


def test_a_time_without_a_server_leads_the_account_of_a_control_that_goes_on():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 100)
    accounts.absent([replace(gap(T0 - 30, T0), control_id="c1", target_id="all")], T0 + 5)
    accounts.open(Entry(ask("c1", duration=60, set_w=3_000.0)), T0)
    accounts.sample(lambda name: sampled(columns), T0)
    accounts.close(["c1"], T0 + 4)
    first, second = list(accounts.drain()[0])[:2]
    assert (first.reason, first.start, first.end) == ("away", T0 - 30, T0)
    assert (second.reason, second.start) == ("", T0)


def test_of_a_control_that_ended_meanwhile_it_is_all_that_there_is():
    accounts = Accounts(fleet(), 10.0, 100)
    accounts.absent([replace(gap(T0 - 30, T0), control_id="c1", target_id="all")], T0 + 5)
    accounts.close(["c1"], T0)
    assert [one.reason for one in accounts.drain()[0]] == ["away"]


def test_one_looks_again_soon_and_where_an_interval_ends():
    columns = fleet()
    accounts = Accounts(columns, 0.4, 100)
    accounts.open(Entry(ask("c1", duration=60, set_w=3_000.0)), T0)
    accounts.sample(lambda name: sampled(columns), T0)
    assert accounts.due(T0) == pytest.approx(T0 + 0.4)
    long = Accounts(columns, 60.0, 100)
    long.open(Entry(ask("c1", duration=600, set_w=3_000.0)), T0)
    long.sample(lambda name: sampled(columns), T0)
    assert long.due(T0) == T0 + SAMPLE_S


def test_a_clock_that_was_set_moves_what_is_open():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 100)
    accounts.open(Entry(ask("c1", duration=60, set_w=3_000.0)), T0)
    accounts.sample(lambda name: sampled(columns), T0)
    accounts.shift_time(3_600.0)
    accounts.close(["c1"], T0 + 3_604.0)
    assert [one.end - one.start for one in accounts.drain()[0]] == [4.0]


def test_so_many_that_are_over_are_kept():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 2)
    for number in range(3):
        accounts.open(Entry(ask(f"c{number}", duration=60, set_w=3_000.0)), T0)
        accounts.sample(lambda name: sampled(columns), T0)
        accounts.close([f"c{number}"], T0 + 1)
    assert [accounts.latest(f"c{number}") is None for number in range(3)] == [True, False, False]


def test_regulation_signals_that_follow_each_other_have_their_devices_in_one_line():
    columns = fleet()
    accounts = Accounts(columns, 10.0, 100)
    for number in range(3):
        control = ask(f"r{number}", program="agc", duration=4, service_class=ServiceClass.REGULATION, regulation=100.0)
        accounts.open(Entry(control), T0 + 4 * number)
        accounts.sample(lambda name: sampled(columns, devices=np.arange(2)), T0 + 4 * number)
        accounts.close([f"r{number}"], T0 + 4 * number + 4)
    accounts.suspend(T0 + 12)
    finished, _ = accounts.drain()
    devices = [one for one in finished if one.target_id == "a"]
    assert sum(one.end - one.start for one in devices) == pytest.approx(12.0)
    assert len(devices) < 3
