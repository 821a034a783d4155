"""Defaults and lines of the local schedule have accounts of the times at which they are in force."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery
from tests.unit.gridiface.aggregation.deciding.test_schedules import line

from gridiface.aggregation.accounting import standing
from gridiface.aggregation.accounting.accounts import Accounts
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.controls import ControlMode
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality


@pytest.fixture
def world(bench: Any) -> Any:
    return bench(battery("b1"), battery("b2"))


def told(world: Any, control_id: str) -> list[PerformanceInterval]:
    """The intervals of its own target, as the account has them now."""
    reports = world.engine.performance.report(control_id)
    assert len(reports) <= 1, "what stands in has no lines of devices"
    return [one for report in reports for one in report.intervals]


def test_the_account_of_a_default_says_whether_its_limit_was_kept(world: Any) -> None:
    world.submit(ask("d", is_default=True, export_limit=3_000.0))
    world.step(steps=10)
    world.lies |= {"b1": 4_000.0, "b2": 0.0}  # who gives more than it was told
    world.step(steps=10)
    (found,) = told(world, "d")
    assert found.target_id == "all"
    assert found.requested_w is None
    assert found.limit is not None
    assert found.limit.limit_w == 3_000.0
    assert found.limit.peak_w == pytest.approx(1_000.0)
    assert found.limit.over_s == pytest.approx(9.0, abs=1.5)
    assert found.quality is Quality.GOOD


def test_a_default_has_no_time_while_a_control_of_its_kind_rules(world: Any) -> None:
    world.submit(ask("d", is_default=True, export_limit=3_000.0))
    world.step(steps=5)
    world.submit(ask("c", start=5.0, duration=20.0, export_limit=1_000.0))
    world.step(steps=17)
    before = told(world, "d")
    world.step(steps=1)
    assert told(world, "d") == before, "it stands still"
    world.step(steps=10)
    (after,) = told(world, "d")
    assert before[-1].end == pytest.approx(T0 + 6.0, abs=1.0)
    assert after.start == pytest.approx(T0 + 26.0, abs=1.0), "its account begins anew; what was is recorded"


def test_only_what_is_in_force_of_a_default_counts(world: Any) -> None:
    world.submit(ask("d", is_default=True, export_limit=3_000.0, import_limit=500.0))
    world.submit(ask("c", duration=60.0, export_limit=5_000.0))  # it may give more for a while
    world.lies |= {"b1": 4_000.0, "b2": 0.0}
    world.step(steps=10)
    (found,) = told(world, "d")
    assert found.limit is not None
    assert (found.limit.limit_w, found.limit.over_s) == (-500.0, 0.0)


def test_the_set_point_of_a_default_is_accounted_while_it_rules(world: Any) -> None:
    world.submit(ask("d", is_default=True, set_w=2_000.0))
    world.step(steps=10)
    (found,) = told(world, "d")
    assert (found.requested_w, found.accepted_w) == (2_000.0, 2_000.0)
    assert found.delivered_w == pytest.approx(2_000.0, rel=0.25)


def test_a_line_of_the_schedule_has_its_windows_alone(world: Any) -> None:
    world.engine.desk.set_schedules([line(start=10, end=20, export_limit=1_500.0)], world.now)
    world.step(steps=5)
    assert told(world, "schedule/s") == []
    world.step(steps=30)
    (found,) = told(world, "schedule/s")
    assert found.end - found.start == pytest.approx(10.0, abs=1.5)
    assert found.limit is not None
    assert (found.limit.limit_w, found.limit.over_s) == (1_500.0, 0.0)


def test_what_only_hands_something_on_has_no_account(world: Any) -> None:
    world.submit(ask("d", is_default=True, connect=1.0))
    world.step(steps=5)
    assert told(world, "d") == []


def test_a_default_that_is_taken_away_or_replaced_ends_its_account(world: Any) -> None:
    world.submit(ask("d", is_default=True, export_limit=3_000.0))
    world.step(steps=5)
    world.submit(ask("d", is_default=True, export_limit=2_000.0, created=world.now))
    world.step(steps=5)
    (found,) = told(world, "d")
    assert found.limit is not None
    assert found.limit.limit_w == 2_000.0
    assert found.start > T0 + 4
    assert world.engine.cancel("d", world.now)
    world.step(steps=2)
    ended = told(world, "d")[-1].end
    world.step(steps=5)
    assert told(world, "d")[-1].end == ended


def test_an_interval_is_a_quarter_of_an_hour_and_durable_each_minute(world: Any) -> None:
    world.submit(ask("d", is_default=True, export_limit=3_000.0))
    recorded: list[PerformanceInterval] = []
    for second in range(int(standing.INTERVAL_S) + 130):
        world.now = T0 + second
        world.look()
        recorded += world.engine.tick(world.now).performance
    assert len({one.start for one in recorded}) == 2
    first = [one for one in recorded if one.start == recorded[0].start]
    assert first[-1].end - first[-1].start == pytest.approx(standing.INTERVAL_S)
    assert len(first) == pytest.approx(standing.INTERVAL_S / standing.KEEP_S, abs=1)


def test_of_very_many_each_has_its_turn_and_those_that_begin_come_first() -> None:
    accounts = Accounts(Columns(), 10.0, 100)
    ones = {f"d{at}": standing.Standing(ask(f"d{at}"), frozenset({ControlMode.EXPORT_LIMIT})) for at in range(900)}
    looked: list[list[str]] = []

    def look(at: float) -> None:
        looked.append([])
        accounts.sample(lambda name: looked[-1].append(name), T0 + at)

    accounts.stand(ones, T0)
    for second in range(standing.TURNS):
        look(second)
    assert {len(some) for some in looked} == {900 // standing.TURNS}
    assert {name for some in looked for name in some} == set(ones)
    accounts.stand({**ones, "new": standing.Standing(ask("new"), frozenset())}, T0 + 30)
    look(31)
    assert looked[-1][0] == "new"
