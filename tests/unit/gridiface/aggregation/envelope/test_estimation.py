import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import battery as power

from gridiface.aggregation.envelope.estimation import believe, correct, count_coulombs, told
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, Nameplate

ROW = np.array([0])


@pytest.fixture
def battery():
    columns = Columns()
    columns.put(Device(id="b", nameplate=Nameplate(max_w=10_000.0, max_charge_w=10_000.0, energy_wh=10_000.0)))
    columns.w[0] = 0.0
    correct(columns, ROW, np.array([0.5]), 0.0, limit=0.05)
    return columns


def test_coulombs_are_counted_with_the_measured_power(battery):
    battery.w[0] = 5_000.0
    count_coulombs(battery, 720.0)
    assert battery.soc[0] == pytest.approx(0.4)
    count_coulombs(battery, 700.0)  # a clock that was set back counts nothing
    assert battery.soc[0] == pytest.approx(0.4)


def test_a_report_that_agrees_draws_the_estimate_towards_itself(battery):
    count_coulombs(battery, 60.0)
    assert correct(battery, ROW, np.array([0.51]), 60.0, limit=0.05)[0].size == 0
    assert 0.5 < battery.soc[0] < 0.51


def charge(battery, start, hours, reports):
    """It charges with 5 kW, half of its energy an hour; when doubt is lifted by what `reports` makes of its charge."""
    battery.w[0] = -5_000.0
    lifted = []
    for at in range(1, 61):
        count_coulombs(battery, start + at * hours * 60.0)
        part = at / 60 * hours * 0.5
        lifted.append(correct(battery, ROW, np.array([reports(part)]), start + at * hours * 60.0, limit=0.05)[1].size)
    return lifted


def test_a_residual_above_the_limit_puts_the_device_in_doubt_until_charge_was_moved_that_its_reports_show(battery):
    doubted, _ = correct(battery, ROW, np.array([0.6]), 60.0, limit=0.05)
    assert doubted.tolist() == [0]
    assert battery.soc_doubt[0]
    lifted = charge(battery, 60.0, 0.2, lambda moved: 0.6 + moved)
    assert lifted.index(1) == 29  # 5 %
    assert sum(lifted) == 1
    assert not battery.soc_doubt[0]


def test_reports_that_agree_at_rest_show_nothing(battery):
    correct(battery, ROW, np.array([0.9]), 60.0, limit=0.05)
    for at in range(1, 100):
        count_coulombs(battery, 60.0 + at)
        assert correct(battery, ROW, np.array([0.9]), 60.0 + at, limit=0.05)[1].size == 0
    assert battery.soc_doubt[0]


@pytest.mark.parametrize("pace", [0.0, 0.4, 2.0])
def test_reports_that_move_otherwise_than_the_charge_do_not_lift_the_doubt(battery, pace):
    correct(battery, ROW, np.array([0.2]), 60.0, limit=0.05)
    assert sum(charge(battery, 60.0, 1.0, lambda moved: 0.2 + pace * moved)) == 0
    assert battery.soc_doubt[0]


@pytest.mark.parametrize("report", [0.2, 0.8])
def test_in_doubt_the_less_of_both_counts(battery, report):
    correct(battery, ROW, np.array([report]), 60.0, limit=0.05)
    for at in range(1, 30):
        count_coulombs(battery, 60.0 + at)
        correct(battery, ROW, np.array([report]), 60.0 + at, limit=0.05)
    margin = 2.0 * np.sqrt(battery.soc_variance[0])
    assert battery.soc[0] - margin == pytest.approx(min(report, 0.5), abs=0.001)
    assert battery.soc[0] + margin == pytest.approx(max(report, 0.5), abs=0.001)


def test_a_liar_stays_in_doubt(battery):
    now = 0.0
    for report in (0.6, 0.5, 0.6, 0.5):
        now += 10
        count_coulombs(battery, now)
        correct(battery, ROW, np.array([report]), now, limit=0.05)
    assert battery.soc_doubt[0]


def test_unknown_charge_stays_unknown():
    columns = Columns()
    columns.put(Device(id="pv", nameplate=Nameplate(max_w=1.0)))
    count_coulombs(columns, 10.0)
    assert np.isnan(columns.soc[0])


@pytest.mark.parametrize("unknown", ["energy_wh", "w"])
def test_what_cannot_be_counted_is_not_doubted(battery, unknown):
    getattr(battery, unknown)[0] = np.nan
    for at, report in enumerate((0.6, 0.7, 0.4), 1):
        count_coulombs(battery, 300.0 * at)
        assert correct(battery, ROW, np.array([report]), 300.0 * at, limit=0.05)[0].size == 0
        assert battery.soc[0] == pytest.approx(report)


def test_another_battery_is_not_blamed_for_the_one_before(battery):
    correct(battery, ROW, np.array([0.9]), 60.0, limit=0.05)
    battery.soc[0] = np.nan
    correct(battery, ROW, np.array([0.3]), 120.0, limit=0.05)
    assert not battery.soc_doubt[0]
    assert battery.soc_half[0] == 0.0


def test_who_was_long_silent_is_taken_at_its_word(bench):
    world = bench(power("a"), socs={"a": 0.5}, lost_after_s=60.0)
    world.step(10, 3)
    world.silent.add("a")
    world.step(30, 34)
    world.silent.clear()
    world.socs["a"] = 0.9
    world.step(10, 2)
    assert not [one for one in world.decisions if one.verdict == "in doubt"]
    world.socs["a"] = 0.5
    world.step(10, 2)
    assert [one.target.id for one in world.decisions if one.verdict == "in doubt"] == ["a"]


def test_what_is_told_to_others_is_what_is_reported_and_somebody_may_believe_it(battery):
    assert not believe(battery, 0)
    correct(battery, ROW, np.array([0.8]), 60.0, limit=0.05)
    assert battery.soc_doubt[0]
    assert told(battery, 0) == pytest.approx(0.8)
    battery.touched[0] = False
    assert believe(battery, 0)
    assert not battery.soc_doubt[0]
    assert battery.touched[0]
    assert (battery.soc[0], battery.soc_half[0], told(battery, 0)) == (0.8, 0.0, 0.8)
    assert correct(battery, ROW, np.array([0.8]), 61.0, limit=0.05)[0].size == 0
