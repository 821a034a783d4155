"""What a limit's account tells: whether it was kept, by how much it was passed, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask, battery

from gridiface.domain.fleet import Capability, Device, Group, Nameplate
from gridiface.domain.performance import LimitAccount, PerformanceReport


def meter(name: str = "meter") -> Device:
    return Device(id=name, nameplate=Nameplate(max_w=0.0))


def own(world: Any, control_id: str) -> PerformanceReport:
    report: PerformanceReport = world.engine.performance.report(control_id)[0]
    return report


def account(world: Any, control_id: str) -> LimitAccount:
    found = own(world, control_id).limit
    assert found is not None
    return found


def test_an_import_limit_that_a_load_passes_for_a_while(bench: Any) -> None:
    world = bench(battery("house"))
    world.deaf.add("house")
    world.lies["house"] = -4_000.0
    world.submit(ask("cap", duration=60.0, import_limit=5_000.0))
    world.step(1, 10)
    assert account(world, "cap") == LimitAccount(limit_w=-5_000.0, excess_w=0.0, over_s=0.0, peak_w=0.0)
    world.lies["house"] = -5_030.0  # within 0.5 % and 10 W
    world.step(1, 10)
    assert account(world, "cap").over_s == 0.0
    world.lies["house"] = -6_000.0
    world.step(1, 4)
    world.lies["house"] = -7_000.0
    world.step(1, 1)
    world.lies["house"] = -4_000.0
    world.step(1, 60)
    found, report = account(world, "cap"), own(world, "cap")
    # 4 s by 1 kW and 1 s by 2 kW, of 60 s: 6 kWs / 60 s = 100 W in the mean.
    assert (found.over_s, found.peak_w) == (pytest.approx(5.0), 2_000.0)
    assert found.excess_w == pytest.approx(100.0, rel=0.02)
    assert report.mean("requested_w") is None
    first = report.intervals[0]
    assert first.delivered_w == pytest.approx(-4_000.0)


def test_a_generation_limit_tells_what_was_given_and_not_the_net(bench: Any) -> None:
    roof = Device(id="roof", nameplate=Nameplate(max_w=8_000.0, capabilities=frozenset({Capability.LIMIT_W})))
    world = bench(roof, battery("house", 4_000.0), groups=[Group(id="all", members=("roof", "house"))])
    world.deaf |= {"roof", "house"}  # they are told, and go on
    world.lies |= {"roof": 7_000.0, "house": -4_000.0}
    # A ceiling of 50 % of 8 + 4 kW: 6 kW; the net of 3 kW says nothing of it.
    world.submit(ask("ceiling", duration=60.0, max_w_percent=50.0))
    world.submit(ask("net", duration=60.0, program="other", export_limit=3_000.0))
    world.submit(ask("taken", duration=60.0, program="third", load_limit=3_500.0))
    world.step(1, 10)
    ceiling = own(world, "ceiling")
    assert ceiling.limit == LimitAccount(
        limit_w=6_000.0, excess_w=pytest.approx(1_000.0), over_s=pytest.approx(9.0), peak_w=1_000.0
    )
    assert ceiling.mean("delivered_w") == pytest.approx(7_000.0)
    net = own(world, "net")
    assert net.limit == LimitAccount(limit_w=3_000.0, excess_w=0.0, over_s=0.0, peak_w=0.0)
    assert net.mean("delivered_w") == pytest.approx(3_000.0)
    taken = own(world, "taken")
    assert taken.limit is not None
    assert (taken.limit.limit_w, taken.limit.peak_w) == (-3_500.0, 500.0)
    assert taken.mean("delivered_w") == pytest.approx(-4_000.0)


def test_the_meter_shows_whether_an_export_limit_is_kept(bench: Any) -> None:
    groups = [Group(id="all", members=("a", "meter"), meter="meter")]
    world = bench(battery("a"), meter(), groups=groups)
    world.submit(ask("cap", duration=60.0, export_limit=2_000.0))
    world.lies |= {"a": 1_000.0, "meter": 2_600.0}
    world.step(1, 5)
    assert account(world, "cap").peak_w == 600.0
    assert own(world, "cap").intervals[0].delivered_w == pytest.approx(2_600.0)


def test_of_two_limits_the_one_that_is_passed_most_and_set_points_keep_their_power(bench: Any) -> None:
    world = bench(battery("a"))
    world.submit(ask("both", duration=60.0, export_limit=3_000.0, import_limit=1_000.0))
    world.submit(ask("total", duration=60.0, program="p", set_w=4_000.0, generation_limit=3_500.0))
    world.step(1, 10)
    assert account(world, "both").limit_w == 3_000.0
    report = own(world, "total")
    assert (report.mean("requested_w"), report.mean("delivered_w")) == (4_000.0, pytest.approx(3_000.0, rel=0.2))
    assert report.limit is not None
    assert report.limit.limit_w == 3_500.0


def test_what_is_not_measured_is_neither_kept_nor_passed(bench: Any) -> None:
    world = bench(battery("a"))
    world.silent.add("a")
    world.step(60, 20)  # it is lost
    world.submit(ask("cap", start=1200.0, duration=60.0, export_limit=1_000.0))
    world.step(1, 10)
    assert account(world, "cap") == LimitAccount(limit_w=1_000.0)
    assert own(world, "cap").intervals[0].start == T0 + 1_201.0


def test_a_set_point_alone_has_no_limit(bench: Any) -> None:
    world = bench(battery("a"))
    world.submit(ask("c", duration=60.0, set_w=1_000.0))
    world.step(1, 10)
    assert own(world, "c").limit is None


def test_a_limit_that_another_control_of_the_program_took_is_judged_no_more(bench: Any) -> None:
    world = bench(battery("house"))
    world.submit(ask("first", program="p", duration=60.0, export_limit=1_000.0, import_limit=2_000.0))
    world.step(1, 5)
    assert account(world, "first").over_s == 0.0
    world.submit(ask("second", program="p", start=5.0, duration=60.0, created=T0 + 5, export_limit=4_000.0))
    world.deaf.add("house")
    world.lies["house"] = 3_000.0
    world.step(1, 20)
    assert account(world, "first").over_s == pytest.approx(0.0, abs=1.5)
    world.lies["house"] = -3_000.0  # what it still sets is judged
    world.step(1, 5)
    assert account(world, "first").peak_w == pytest.approx(1_000.0)
