"""Who left what its events are for, and which of these it had."""

from __future__ import annotations

from typing import Any

from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.leavers import Leavers
from gridiface.northbound.sep2.served.state_records import EventRecord

RESPONSES = "/rsps/7/rsp"


def shown(at: int) -> EventRecord:
    item: Any = None
    return EventRecord(item=item, program=7, received=at)


def test_what_was_shown_while_somebody_was_there_may_be_answered() -> None:
    left = Leavers(100.0)
    assert not left.had(RESPONSES, 3, shown(50))
    left.note(RESPONSES, [3], 60.9)
    assert list(left.of(RESPONSES)) == [3]
    assert [left.had(RESPONSES, 3, shown(at)) for at in (50, 60, 61)] == [True, True, False]
    assert not left.had(RESPONSES, 4, shown(50))
    assert not left.had("/rsps/8/rsp", 3, shown(50))


def test_it_is_stored_and_known_again() -> None:
    left = Leavers(100.0)
    assert left.note(RESPONSES, [], 60.0) == []
    left.note(RESPONSES, [3], 60.0)
    (change,) = left.note(RESPONSES, [4], 70.0)
    assert (change.space, change.key) == (documents.LEFT, RESPONSES)
    other = Leavers(100.0)
    other.load(documents.open_record(change))  # type: ignore[arg-type]  # what is put is what is read
    assert [other.had(RESPONSES, number, shown(65)) for number in (3, 4)] == [False, True]


def test_who_left_long_ago_is_forgotten_and_all_with_what_they_left() -> None:
    left = Leavers(100.0)
    left.note(RESPONSES, [3], 0.0)
    left.note(RESPONSES, [4], 101.0)
    assert list(left.of(RESPONSES)) == [4]
    left.forget(RESPONSES)
    assert list(left.of(RESPONSES)) == []
