"""What a clock that was set does to a control: the times that are compared."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.upstream.bindings import Binding
from gridiface.northbound.sep2.upstream.moved import begins_later, goes_on, has_moved, times_of
from gridiface.protocols.sep2.events import EventFacts
from gridiface.protocols.sep2.followed import Followed, Phase

BEGINS, ENDS, OFFSET = 1000.0, 1060.0, 100.0


def followed(phase: Phase = Phase.PENDING) -> Followed:
    """An event from 1000 to 1060 by our clock, which is 100 s behind the server's."""
    facts = EventFacts(mrid="C0", start=1100, duration=60, creation_time=0)
    event: Any = None
    return Followed(facts, event, phase, frozenset(), begins=1100.0, drawn_end=1160.0, ends=1160.0)


def binding(begins: float = BEGINS, ends: float = ENDS, started: bool = False) -> Binding:
    return Binding(lfdi="AA", mrid="C0", control="c~0001", begins=begins, ends=ends, started=started)


def test_times_are_by_our_clock() -> None:
    assert times_of(followed(), OFFSET) == (BEGINS, ENDS)


@pytest.mark.parametrize(
    ("begins", "ends", "started", "moved"),
    [
        (1000.0, 1060.0, False, False),
        (1000.5, 1059.5, False, False),
        (1000.6, 1060.0, False, True),
        (999.4, 1060.0, False, True),
        (900.0, 1060.0, True, False),
        (1000.0, 1060.6, True, True),
    ],
)
def test_a_control_moves_by_more_than_half_a_second(begins: float, ends: float, started: bool, moved: bool) -> None:
    assert has_moved(binding(begins, ends, started), BEGINS, ENDS) is moved


@pytest.mark.parametrize(
    ("control", "now", "early"),
    [
        (binding(begins=-2600.0), 999.0, True),  # set forwards by an hour: it began by the old times
        (binding(begins=-2600.0), 999.6, False),
        (binding(begins=-2600.0), 1001.0, False),
        (binding(), 990.0, False),  # the engine begins it a little ahead, by the right clock
        (binding(begins=-2600.0, started=True), 990.0, False),
    ],
)
def test_what_our_clock_began(control: Binding, now: float, early: bool) -> None:
    assert begins_later(control, followed(), OFFSET, now) is early
    assert not begins_later(control, followed(Phase.DONE), OFFSET, now)
    assert not begins_later(control, None, OFFSET, now)


@pytest.mark.parametrize(
    ("control", "now", "on"),
    [
        (binding(ends=-2540.0), 1000.0, True),
        (binding(ends=-2540.0, started=True), 1059.0, True),
        (binding(ends=-2540.0), 1059.6, False),
        (binding(), 1000.0, False),  # ended early by the right clock: that is the engine's decision
    ],
)
def test_what_our_clock_ended(control: Binding, now: float, on: bool) -> None:
    assert goes_on(control, followed(), OFFSET, now) is on
    assert not goes_on(control, followed(Phase.DONE), OFFSET, now)
    assert not goes_on(control, None, OFFSET, now)
