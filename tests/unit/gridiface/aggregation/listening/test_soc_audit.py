"""The audit of the look-ahead: what was simulated from commands beside what is reported."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import T0, battery

from gridiface.aggregation.listening.soc_audit import NAMED, SocAudit
from gridiface.aggregation.state.columns import Columns
from gridiface.aggregation.state.log import DecisionLog


def told(*names, watts=5000.0, soc=0.5):
    """Batteries of two hours that were told something, with a report."""
    columns = Columns()
    for name in names:
        columns.put(battery(name, watts=watts))
    columns.soc_reported[:], columns.told[:], columns.told_w[:] = soc, True, 0.0
    return columns, DecisionLog()


def test_an_hour_of_half_the_energy_moves_the_simulation_by_half_and_the_record_says_the_gap():
    columns, log = told("a")
    columns.told_w[:] = 5000.0
    audit = SocAudit(columns, log, every_s=600.0, limit=0.05)
    for second in range(0, 601, 10):  # 10 kWh, 5 kW: a twelfth of it in ten minutes
        audit.step(np.array([5000.0]), T0 + second)
    whole, device = log.drain()
    assert (whole.signal, whole.verdict) == ("soc audit", "compared")
    assert whole.value == pytest.approx(1 / 12, abs=1e-6)
    assert (device.target.id, device.verdict) == ("a", "differs")
    assert device.value == pytest.approx(-1 / 12, abs=1e-6)
    assert "simulated 41.7%, reported 50.0%" in device.reason


def test_who_reports_what_was_simulated_is_not_named():
    columns, log = told("a", "b")
    audit = SocAudit(columns, log, every_s=60.0, limit=0.05)
    audit.step(np.zeros(2), T0)
    columns.soc_reported[:] = 0.5, 0.52
    audit.step(np.zeros(2), T0 + 60)
    (whole,) = log.drain()
    assert whole.value == pytest.approx(0.02)
    assert whole.reason.startswith("2 devices simulated")


def test_the_next_record_begins_at_the_reports_of_the_last():
    columns, log = told("a")
    audit = SocAudit(columns, log, every_s=60.0, limit=0.05)
    audit.step(np.zeros(1), T0)
    columns.soc_reported[:] = 0.8
    audit.step(np.zeros(1), T0 + 60)
    assert [one.verdict for one in log.drain()] == ["compared", "differs"]
    audit.step(np.zeros(1), T0 + 120)
    (again,) = log.drain()
    assert again.value == 0.0


def test_who_is_under_no_command_follows_its_reports_and_is_not_compared():
    columns, log = told("a")
    columns.told[:] = False
    audit = SocAudit(columns, log, every_s=60.0, limit=0.05)
    audit.step(np.array([5000.0]), T0)
    columns.soc_reported[:] = 0.9
    audit.step(np.array([5000.0]), T0 + 60)
    assert log.drain() == ()


@pytest.mark.parametrize("gap_s", [901.0, -2.0])
def test_after_a_long_pause_or_a_clock_set_back_it_begins_anew(gap_s):
    columns, log = told("a")
    columns.told_w[:] = 5000.0
    audit = SocAudit(columns, log, every_s=600.0, limit=0.05)
    audit.step(np.array([5000.0]), T0)
    audit.step(np.array([5000.0]), T0 + gap_s)
    assert log.drain() == ()
    audit.step(np.array([5000.0]), T0 + gap_s + 600.0)
    assert log.drain()[0].value == pytest.approx(1 / 12, abs=1e-6)


def test_another_fleet_begins_anew():
    columns, log = told("a")
    audit = SocAudit(columns, log, every_s=60.0, limit=0.05)
    audit.step(np.zeros(1), T0)
    columns.put(battery("b"))
    columns.soc_reported[:], columns.told[:], columns.told_w[:] = 0.7, True, 0.0
    audit.step(np.zeros(2), T0 + 60)  # were it simulated from before, a's report would differ
    assert log.drain() == ()
    audit.step(np.zeros(2), T0 + 120)
    assert log.drain()[0].value == 0.0


def test_no_more_than_so_many_are_named_the_worst_first():
    columns, log = told(*(f"d{number}" for number in range(30)))
    audit = SocAudit(columns, log, every_s=60.0, limit=0.05)
    audit.step(np.zeros(30), T0)
    columns.soc_reported[:] = 0.5 - 0.06 - np.arange(30) / 1000
    audit.step(np.zeros(30), T0 + 60)
    named = [one.target.id for one in log.drain()[1:]]
    assert named == [f"d{number}" for number in range(29, 29 - NAMED, -1)]


def test_none_is_kept_where_it_is_switched_off():
    columns, log = told("a")
    audit = SocAudit(columns, log, every_s=0.0, limit=0.05)
    for second in range(0, 7200, 600):
        audit.step(np.array([5000.0]), T0 + second)
    assert log.drain() == ()
