"""What holds for a control, for its account: asked, accepted, told, delivered; whose turn it is not has nothing."""

from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, Bench, ask, battery

from gridiface.aggregation.deciding.arbitration import Ruling, claims_of
from gridiface.aggregation.engine import Engine
from gridiface.aggregation.sampling import set_points
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Group


@pytest.fixture
def bench():
    bench = Bench(Engine())
    for name in "ab":
        bench.engine.add_device(battery(name), T0)
    bench.engine.set_groups([Group(id="all", members=("a", "b"))], T0)
    return bench


def test_the_claims_that_name_a_power_are_those_of_the_whole_and_of_reserved_parts():
    (own,), (part,) = claims_of(ask("c1", set_w=1.0)), claims_of(ask("c2", set_w=2.0))
    (limit,) = claims_of(ask("c3", export_limit=2.0))
    assert set_points(Ruling(power=own, shared={"p": part}, limits=(limit,))) == [own, part]


def test_a_group_is_asked_told_and_measured(bench):
    bench.submit(ask("c1", set_w=4_000.0))
    bench.step(steps=3)
    sample = bench.engine._running.sampling(bench.now).one("c1")
    assert sample.values == pytest.approx((4_000.0,) * 5)
    assert bench.engine._running.sampling(bench.now).one("unknown") is None


def test_who_is_covered_by_another_has_nothing_and_a_limit_has_what_it_bounds(bench):
    device = Target(TargetKind.DEVICE, "a")
    bench.submit(replace(ask("low", set_w=1_000.0), target=device))
    bench.submit(replace(ask("high", duration=60, authority=1.0, set_w=2_000.0), target=device))
    bench.submit(replace(ask("cap", export_limit=1_500.0), target=device))
    bench.step(steps=3)
    sampling = bench.engine._running.sampling(bench.now)
    assert sampling.one("low") is None
    high, cap = sampling.one("high"), sampling.one("cap")
    assert (high.requested_w, high.delivered_w) == pytest.approx((2_000.0, 1_500.0))
    assert (cap.requested_w, cap.delivered_w, cap.capped.limit_w) == (None, pytest.approx(1_500.0), 1_500.0)


@pytest.mark.parametrize("target", [Target(TargetKind.GROUP, "all"), Target(TargetKind.DEVICE, "a")])
def test_limits_of_a_set_point_that_another_covers_are_accounted_for_all_the_same(bench, target):
    bench.submit(replace(ask("low", duration=90, set_w=1_000.0, export_limit=1_500.0), target=target))
    high = ask("high", start=21, duration=30, authority=1.0, set_w=4_000.0)
    bench.submit(replace(high, target=target))
    bench.step(steps=70)
    (report, *_) = bench.engine.performance.report("low")
    spans = [(one.start - T0, one.end - T0, one.requested_w, round(one.delivered_w)) for one in report.intervals]
    assert {(asked, there) for start, _, asked, there in spans if 21 < start < 50} == {(None, 1_500)}
    assert [end for _, end, *_ in spans if end in (21, 51)] == [21, 51]  # nothing of the one is in the other
    assert all(one.limit.limit_w == 1_500.0 and one.limit.excess_w == 0.0 for one in report.intervals)
    assert report.mean("delivered_w") == pytest.approx(1_000.0, rel=0.05)
