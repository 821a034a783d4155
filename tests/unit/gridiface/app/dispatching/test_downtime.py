"""Which controls have a gap in their account after a time without a server, and how long it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.app.dispatching.downtime import REASON, gaps_of
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ControlState, ModeValue, Source, Target, TargetKind
from gridiface.domain.telemetry import Quality


def control(name: str, start: float, duration: float | None, state: ControlState) -> Control:
    return Control(
        id=name,
        source=Source(protocol="sep2", program="P1"),
        target=Target(TargetKind.GROUP, "g"),
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(start, duration),
        created=start,
        state=state,
    )


RUNNING = control("running", 0.0, 1000.0, ControlState.ACTIVE)


def test_what_was_under_way_has_a_gap_from_the_end_of_its_account_until_now() -> None:
    [gap] = gaps_of([RUNNING], {"running": 100.0}, 160.0)
    assert (gap.control_id, gap.target_id, gap.start, gap.end) == ("running", "g", 100.0, 160.0)
    assert (gap.reason, gap.quality, gap.known) == (REASON, Quality.BAD, 0.0)
    assert gap.requested_w is gap.accepted_w is gap.allocated_w is gap.acknowledged_w is gap.delivered_w is None


@pytest.mark.parametrize(
    ("one", "until", "expected"),
    [
        (RUNNING, {"running": 100.0}, (100.0, 160.0)),
        (replace(RUNNING, interval=Interval(0.0, 130.0)), {"running": 100.0}, (100.0, 130.0)),  # it ended meanwhile
        (control("next", 120.0, 60.0, ControlState.SCHEDULED), {"other": 100.0}, (120.0, 160.0)),  # it began meanwhile
        (control("next", 120.0, 10.0, ControlState.SCHEDULED), {}, (120.0, 130.0)),  # all of it was then
        (control("later", 200.0, 60.0, ControlState.SCHEDULED), {"other": 100.0}, None),
        (control("new", 95.0, 60.0, ControlState.ACTIVE), {"other": 100.0}, (95.0, 155.0)),  # too new for a line
        (control("covered", 10.0, 600.0, ControlState.ACTIVE), {"other": 100.0}, None),  # another one ruled
        (RUNNING, {"running": 20.0, "other": 100.0}, None),  # another one has ruled since
        (control("over", 0.0, 90.0, ControlState.COMPLETED), {"over": 90.0}, None),
        (replace(RUNNING, is_default=True), {"running": 100.0}, None),
        (RUNNING, {"running": 200.0}, None),  # the clock was set back
    ],
)
def test_gaps(one: Control, until: dict[str, float], expected: tuple[float, float] | None) -> None:
    found = [(gap.start, gap.end) for gap in gaps_of([one], until, 160.0)]
    assert found == ([] if expected is None else [expected])
