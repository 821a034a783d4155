"""Controls on a time axis."""

from __future__ import annotations

from typing import Any

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.operator.screens.timeline import timeline

NOW = 1_000_000.0


def control(name: str, start: float, length: float | None, **more: Any) -> Control:
    source = more.pop("source", Source(protocol="sep2", program="p1", authority=200.0))
    return Control(
        id=name,
        source=source,
        target=Target(TargetKind.GROUP, "fleet"),
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(start, length),
        created=NOW,
        **more,
    )


def test_lanes_by_program_the_highest_authority_first() -> None:
    own = Source(protocol="operator", program="priority 50", authority=250.0)
    found = timeline(
        [
            control("a", NOW - 450, 900.0),
            control("b", NOW + 1800, None),
            control("c", NOW, 60.0, source=own),
            control("past", NOW - 9000, 60.0),
            control("default", NOW, None, is_default=True),
        ],
        NOW,
        "1 h",
    )
    assert [(lane.protocol, [bar.control.id for bar in lane.bars]) for lane in found.lanes] == [
        ("operator", ["c"]),
        ("sep2", ["a", "b"]),
    ]
    first, second = found.lanes[1].bars
    assert (first.x, first.width, first.state) == (12.5, 25.0, "active")
    assert (second.x, second.width, second.state) == (75.0, 25.0, "scheduled")
    assert found.now == 25.0
    assert all(0 < x < 100 for x, _ in found.ticks)
    assert 4 <= len(found.ticks) <= 8


def test_many_controls_are_bounded_and_counted() -> None:
    found = timeline([control(f"c{n}", NOW + n, 1.0) for n in range(500)], NOW, "unknown window")
    assert len(found.lanes[0].bars) == 400
    assert found.left_out == 100
