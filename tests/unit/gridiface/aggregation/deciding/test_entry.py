"""How a control ends as a whole."""

from __future__ import annotations

import pytest

from gridiface.aggregation.deciding.entry import Entry, whole
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, OutcomeKind, Source, Target, TargetKind

SET_W = {ControlMode.SET_W: ModeValue(1.0)}
PRICE = {ControlMode.PRICE: ModeValue(1.0)}


def entry(concerned=("a", "b"), began=(), ended=(), values=None, *, short=False) -> Entry:
    control = Control(
        id="c",
        source=Source(protocol="sep2"),
        target=Target(TargetKind.GROUP, "g"),
        values=SET_W if values is None else values,
        interval=Interval(0.0, 60.0),
        created=0.0,
    )
    return Entry(control, concerned, {OutcomeKind.STARTED: set(began)}, set(ended), short=short)


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        (entry(began=(None, "a")), OutcomeKind.COMPLETED),
        (entry(began=(None, "a"), short=True), OutcomeKind.PARTIAL),
        (entry(), OutcomeKind.FAILED),
        (entry(short=True), OutcomeKind.FAILED),
        (entry(began=("a",)), OutcomeKind.COMPLETED),
        (entry(concerned=()), OutcomeKind.FAILED),
        (entry(ended=("a", "b")), OutcomeKind.FAILED),
        (entry(concerned=(), values=PRICE), OutcomeKind.COMPLETED),
    ],
)
def test_a_control_is_completed_where_somebody_began_it_and_nothing_was_short(made: Entry, kind: OutcomeKind) -> None:
    assert whole(made)[0] is kind
