"""Answers to server-made controls, read in the light of how the controls behind them ended."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.northbound.sep2.fleet_channel.parents import Parents
from gridiface.northbound.sep2.served.nodes import Audience, Item
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EventRecord
from gridiface.northbound.sep2.translate.answers import status_to_outcome


class Event:
    """Stands for a control that nobody looks at."""

    name = "nobody"


def derived(*parents: str) -> EventRecord:
    kind: Any = None
    return EventRecord(item=Item("/derp/1/derc/1", kind, Audience(), Event()), program=1, parents=parents)


@pytest.fixture
def state(kit: Any) -> State:
    found: State = kit.core.state
    return found


def test_an_answer_is_told_for_each_control_behind(state: State) -> None:
    parents = Parents(state, lambda device, now: None)
    told = parents.outcomes(derived("a", "b"), "inv-1", 2, 5.0)
    assert [(o.control_id, o.kind, o.device_id, o.at) for o in told] == [
        ("a", OutcomeKind.STARTED, "inv-1", 5.0), ("b", OutcomeKind.STARTED, "inv-1", 5.0),
    ]  # fmt: skip
    assert parents.outcomes(derived("a"), "inv-1", 5, 5.0) == []


def test_what_comes_too_late_of_a_control_that_was_begun_refuses_it_not(state: State) -> None:
    parents = Parents(state, lambda device, now: None)
    assert [o.kind for o in parents.outcomes(derived("a"), "inv-2", 254, 5.0)] == [OutcomeKind.REFUSED]
    parents.outcomes(derived("a"), "inv-1", 2, 5.0)
    assert parents.outcomes(derived("a", "b"), "inv-1", 254, 9.0) == [
        Outcome(control_id="b", kind=OutcomeKind.REFUSED, at=9.0, device_id="inv-1", reason=_reason(254))
    ]


def _reason(status: int) -> str:
    step = status_to_outcome(status)
    assert step is not None
    return step[1]


@pytest.mark.parametrize(
    ("ended", "kind"),
    [(OutcomeKind.PARTIAL, OutcomeKind.COMPLETED), (OutcomeKind.FAILED, OutcomeKind.COMPLETED),
     (OutcomeKind.CANCELLED, OutcomeKind.CANCELLED), (OutcomeKind.SUPERSEDED, OutcomeKind.SUPERSEDED)],
)  # fmt: skip
def test_an_end_is_that_of_the_control_behind(state: State, ended: OutcomeKind, kind: OutcomeKind) -> None:
    running = derived("a")
    parents = Parents(state, lambda device, now: running)
    assert parents.outcomes(running, "inv-1", 3, 5.0) == []
    parents.note(Outcome(control_id="a", kind=ended, at=4.0, device_id="inv-1"))  # one device's part only
    assert parents.outcomes(running, "inv-1", 3, 5.0) == []
    parents.note(Outcome(control_id="a", kind=ended, at=4.0))
    assert [o.kind for o in parents.outcomes(running, "inv-1", 3, 5.0)] == [kind]
