"""A followed event survives a restart as it was, at every step of its life."""

from __future__ import annotations

import json
from random import Random

import pytest

from gridiface.protocols.sep2.event_client import EventFollower
from gridiface.protocols.sep2.events import facts_of
from gridiface.protocols.sep2.followed_state import followed_from, followed_head
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    EventStatus,
)
from gridiface.protocols.xmlwire import decode, encode


def event(status: int = 0) -> DERControl:
    return DERControl(
        mRID="C0" * 16,
        creationTime=5,
        eventStatus=EventStatus(currentStatus=status, dateTime=5, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=100, start=100),
        randomizeStart=30,
        randomizeDuration=20,
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=1), opModConnect=True),
    )


def follow(follower: EventFollower, shown: DERControl, now: float) -> None:
    follower.update(shown, facts_of(shown, primacy=4, program="AA", server="s"), now)


@pytest.mark.parametrize("moment", [10, 120, 150, 240, 400])
def test_what_was_kept_goes_on_as_if_nothing_had_happened(moment: int) -> None:
    whole = EventFollower(Random(3))
    follow(whole, event(), 0)
    before = whole.advance(moment)
    known = whole.events["C0" * 16]
    kept = json.loads(json.dumps(followed_head(known)))
    again = EventFollower(Random(99))
    again.resume(followed_from(kept, decode(encode(event()), DERControl)))
    assert again.events["C0" * 16] == known
    follow(again, event(), moment)
    rest = [(t.status, t.at) for t in again.advance(1000)]
    assert rest == [(t.status, t.at) for t in whole.advance(1000)]
    assert [t.status for t in before] + [status for status, _ in rest] == [1, 2, 3]


def test_a_random_end_of_a_cancelled_event_is_drawn_once() -> None:
    whole = EventFollower(Random(3))
    follow(whole, event(), 0)
    whole.advance(150)
    follow(whole, event(status=3), 150)
    known = whole.events["C0" * 16]
    again = EventFollower(Random(99))
    again.resume(followed_from(followed_head(known), event(status=3)))
    follow(again, event(status=3), 151)
    assert again.events["C0" * 16].stops == known.stops


def test_a_withdrawn_event_ends_without_a_word() -> None:
    follower = EventFollower(Random(3))
    follow(follower, event(), 0)
    follower.advance(0)
    assert follower.withdraw("C0" * 16, 10)
    assert not follower.withdraw("C0" * 16, 11)
    assert not follower.withdraw("FF", 11)
    assert follower.advance(1000) == []
    assert follower.in_force() == {}


def test_that_its_device_has_left_is_kept_and_what_was_kept_before_says_nothing_of_it() -> None:
    follower = EventFollower(Random(3))
    follow(follower, event(), 0)
    assert follower.withdraw("C0" * 16, 10, left=True)
    head = followed_head(follower.events["C0" * 16])
    assert followed_from(head, event()).left
    del head["left"]
    assert not followed_from(head, event()).left
