"""What is asked of a node now: along its own ramp, or along those of the parts that programs have in it."""

from __future__ import annotations

import pytest

from gridiface.aggregation.deciding.arbitration import Claim, Ruling
from gridiface.aggregation.deciding.demands import Beginning, Demands, Part
from gridiface.aggregation.deciding.requests import Capacity
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind

NOTHING = Capacity(*[0.0] * 8)


def claim(name: str) -> Claim:
    control = Control(
        id=name,
        source=Source(protocol="utility", program=name),
        target=Target(TargetKind.GROUP, "all"),
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(0.0, 600.0),
        created=0.0,
    )
    return Claim(control, ControlMode.SET_W, ModeValue(1.0))


@pytest.mark.parametrize(
    ("now", "watts"), [(90.0, 100.0), (100.0, 100.0), (105.0, 200.0), (120.0, 500.0), (1e9, 500.0)]
)
def test_a_ramp_leads_from_where_it_began_to_what_is_asked(now: float, watts: float) -> None:
    assert Beginning(NOTHING, 100.0, 20.0, 100.0).on_its_way(500.0, now) == pytest.approx(watts)
    assert Beginning(NOTHING, 100.0, 0.0, 100.0).on_its_way(500.0, now) == 500.0


def test_each_part_walks_its_own_ramp_and_the_rest_is_there_at_once() -> None:
    ruling = Ruling(power=claim("rest"), shared={"a": claim("a"), "b": claim("b")})
    demands = Demands(requested_w={"all": 900.0})
    demands.parts["a"] = Part(600.0, 500.0, 0.5, Beginning(NOTHING, 0.0, 10.0, 100.0))
    demands.parts["b"] = Part(200.0, 200.0, 0.2, Beginning(NOTHING, 5.0, 20.0, 0.0))
    demands.parts["rest"] = Part(100.0, 100.0, 0.3, Beginning(NOTHING, 0.0, 0.0, 0.0))
    found = [demands.requested("all", ruling, now) for now in (0.0, 5.0, 10.0, 25.0)]
    assert found == pytest.approx([900.0 - 400.0 - 200.0, 900.0 - 200.0 - 200.0, 900.0 - 150.0, 900.0])
    assert [sorted(demands.ramps("all", ruling, now)) for now in (0.0, 10.0, 25.0)] == [[10.0, 20.0], [20.0], []]


def test_without_parts_the_leading_controls_ramp_counts() -> None:
    ruling = Ruling(power=claim("c"))
    demands = Demands(requested_w={"all": 900.0}, begun={"all": Beginning(NOTHING, 0.0, 10.0, 100.0)})
    assert demands.requested("all", ruling, 5.0) == pytest.approx(500.0)
    assert demands.ramps("all", ruling, 5.0) == [10.0]
    assert demands.ramps("all", ruling, 10.0) == []
    assert demands.ramps("all", Ruling(), 5.0) == []
