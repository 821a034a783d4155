"""What is wrong with events that are to be sent; that what may be sent reads back is test_events.py's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.protocols.openadr.complaints import changes_of_the_past, complaints, wire_complaints
from gridiface.protocols.openadr.events import Event, Signal

NOW = 1_800_000_000.0
LEVELS = Signal(name="SIMPLE", type="level", id="s", durations=(600, 600), values=(1.0, 2.0))
EVENT = Event(id="E", market_context="http://p/", dtstart=NOW, duration=1200, signals=(LEVELS,))


def test_nothing_is_wrong_with_a_plain_event() -> None:
    assert complaints(EVENT) == []
    assert wire_complaints(EVENT, NOW) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"signals": ()}, "needs a signal"),
        ({"duration": 600}, "add up"),
        ({"signals": (LEVELS, LEVELS)}, "differ"),
        ({"market_context": ""}, "market context"),
        ({"startafter": -1}, "negative"),
    ],
)
def test_each_rule_for_senders_has_its_words(changed: dict[str, object], word: str) -> None:
    assert any(word in said for said in complaints(replace(EVENT, **changed)))  # type: ignore[arg-type]


def test_what_the_schema_cannot_carry_is_told_before_a_ven_asks() -> None:
    (said,) = wire_complaints(replace(EVENT, id="E\0"), NOW)
    assert said.startswith("the event cannot be written")


def test_before_it_begins_an_event_may_change_but_not_into_the_past() -> None:
    assert changes_of_the_past(EVENT, replace(EVENT, dtstart=NOW + 60), NOW - 60) == []
    assert changes_of_the_past(EVENT, replace(EVENT, dtstart=NOW - 120), NOW - 60) == [
        "the event would begin in the past"
    ]


@pytest.mark.parametrize(
    ("new", "word"),
    [
        (replace(EVENT, dtstart=NOW + 1), "another time"),
        (replace(EVENT, signals=(replace(LEVELS, values=(3.0, 2.0)),)), "cannot change"),
        (replace(EVENT, duration=300, signals=(replace(LEVELS, durations=(300,), values=(1.0,)),)), "be over"),
        (replace(EVENT, signals=()), "cannot change"),
    ],
)
def test_of_an_event_that_runs_what_is_over_stays(new: Event, word: str) -> None:
    assert any(word in said for said in changes_of_the_past(EVENT, new, NOW + 700))
    later = replace(EVENT, signals=(replace(LEVELS, values=(1.0, 3.0)),))
    assert changes_of_the_past(EVENT, later, NOW + 700) == []
