import numpy as np
import pytest

from gridiface.aggregation.columns import Columns
from gridiface.aggregation.estimation import correct, count_coulombs
from gridiface.domain.fleet import Device, Nameplate

ROW = np.array([0])


@pytest.fixture
def battery():
    columns = Columns()
    columns.put(Device(id="b", nameplate=Nameplate(max_w=10_000.0, max_charge_w=10_000.0, energy_wh=10_000.0)))
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


def test_a_residual_above_the_limit_puts_the_device_in_doubt_until_three_reports_agree(battery):
    doubted, _ = correct(battery, ROW, np.array([0.6]), 60.0, limit=0.05)
    assert doubted.tolist() == [0]
    assert battery.soc_doubt[0]
    lifted = [correct(battery, ROW, np.array([0.6]), 60.0 + at, limit=0.05)[1].size for at in range(3)]
    assert lifted == [0, 0, 1]
    assert not battery.soc_doubt[0]


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
