"""The server's status machine: by example, and against a second-by-second reference model."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.protocols.sep2.enums import EventStatusCode as Code
from gridiface.protocols.sep2.events import ANY_MODE, EventFacts, facts_of, modes_of, next_change, statuses
from gridiface.protocols.sep2.resources import (
    ActivePower,
    DateTimeInterval,
    DERControl,
    DERControlBase,
    EndDeviceControl,
    EventStatus,
    TextMessage,
)

W, PF, VAR = frozenset({"opModTargetW"}), frozenset({"opModFixedPFInjectW"}), frozenset({"opModFixedVar"})


def event(mrid: str = "01", start: int = 100, duration: int = 50, creation_time: int = 0, **more: object) -> EventFacts:
    facts = EventFacts(mrid, start, duration, creation_time, modes=W)
    return replace(facts, **more)  # type: ignore[arg-type]


def codes(events: list[EventFacts], now: int) -> dict[str, Code]:
    return {mrid: state.status for mrid, state in statuses(events, now).items()}


@pytest.mark.parametrize(
    ("now", "status", "since", "ended"),
    [
        (0, Code.SCHEDULED, 0, False),
        (99, Code.SCHEDULED, 0, False),
        (100, Code.ACTIVE, 100, False),
        (149, Code.ACTIVE, 100, False),
        (150, Code.ACTIVE, 100, True),
    ],
)
def test_an_event_starts_and_ends(now: int, status: Code, since: int, ended: bool) -> None:
    state = statuses([event()], now)["01"]
    assert (state.status, state.since, state.ended) == (status, since, ended)


def test_an_event_is_not_known_before_it_is_made() -> None:
    assert statuses([event(creation_time=10)], 9) == {}


def test_an_event_made_after_its_start_is_active_at_once() -> None:
    assert statuses([event(creation_time=120)], 120)["01"].since == 120


@pytest.mark.parametrize(("shift", "first", "last"), [(-30, 70, 150), (30, 100, 180), (0, 100, 150)])
def test_randomisation_widens_the_time_of_an_event(shift: int, first: int, last: int) -> None:
    randomised = event(randomize_start=shift)
    assert codes([randomised], first - 1) == {"01": Code.SCHEDULED}
    assert codes([randomised], first) == {"01": Code.ACTIVE}
    assert not statuses([randomised], last - 1)["01"].ended
    assert statuses([randomised], last)["01"].ended
    assert event(randomize_duration=20).latest_end == 170
    assert event(randomize_duration=-20).latest_end == 150


@pytest.mark.parametrize("code", [Code.CANCELLED, Code.CANCELLED_WITH_RANDOMIZATION])
@pytest.mark.parametrize("when", [50, 120])
def test_a_cancelled_event_stays_cancelled(code: Code, when: int) -> None:
    cancelled = event(cancelled=code, cancelled_at=when)
    assert codes([cancelled], when - 1)["01"] in {Code.SCHEDULED, Code.ACTIVE}
    for now in (when, 140, 500):
        state = statuses([cancelled], now)["01"]
        assert (state.status, state.since) == (code, when)


def test_a_newer_event_supersedes_an_overlapping_one_when_it_starts() -> None:
    pair = [event("01"), event("02", start=120, creation_time=5)]
    assert codes(pair, 119) == {"01": Code.ACTIVE, "02": Code.SCHEDULED}
    assert codes(pair, 120) == {"01": Code.SUPERSEDED, "02": Code.ACTIVE}
    assert statuses(pair, 130)["01"].since == 120
    assert not statuses(pair, 110)["01"].potentially_superseded


def test_an_older_event_that_would_start_later_never_starts() -> None:
    pair = [event("01", start=120), event("02", creation_time=5)]
    assert codes(pair, 100) == {"01": Code.SUPERSEDED, "02": Code.ACTIVE}
    assert codes(pair, 160)["01"] == Code.SUPERSEDED


def test_of_events_made_together_the_greater_mrid_wins() -> None:
    assert codes([event("01"), event("0A")], 100) == {"01": Code.SUPERSEDED, "0A": Code.ACTIVE}


def test_the_lower_primacy_wins_whatever_the_age() -> None:
    pair = [event("01", primacy=1), event("02", creation_time=50, primacy=2)]
    assert codes(pair, 100) == {"01": Code.ACTIVE, "02": Code.SUPERSEDED}


def test_events_of_other_modes_run_side_by_side() -> None:
    pair = [event("01"), event("02", creation_time=5, modes=PF)]
    assert codes(pair, 100) == {"01": Code.ACTIVE, "02": Code.ACTIVE}


def test_events_that_only_touch_do_not_overlap() -> None:
    pair = [event("01"), event("02", start=150, creation_time=5)]
    assert codes(pair, 150) == {"01": Code.ACTIVE, "02": Code.ACTIVE}


def test_a_random_end_reaches_over_the_start_of_the_next_and_takes_nothing() -> None:
    pair = [event("01", randomize_duration=20), event("02", start=150, creation_time=5)]
    assert codes(pair, 160) == {"01": Code.ACTIVE, "02": Code.ACTIVE}
    later = [event("01", creation_time=5, randomize_duration=20), event("02", start=150)]
    assert codes(later, 160) == {"01": Code.ACTIVE, "02": Code.ACTIVE}
    assert not statuses(later, 160)["02"].potentially_superseded


SPANS = [(start, duration) for start in range(5) for duration in range(4)]


def test_overlapping_is_sharing_a_second_a_mode_and_a_category() -> None:
    def seconds(e: EventFacts) -> set[int]:
        return set(range(e.start, e.start + e.duration))

    def devices(e: EventFacts) -> set[int]:
        return {bit for bit in (1, 2, 4) if not e.categories or e.categories & bit}

    for start, duration in SPANS:
        for modes in (W, PF, W | PF):
            for categories in (0, 1, 2, 3, 6):
                one = event("01", start=2, duration=2, modes=W, categories=3)
                other = event("02", start=start, duration=duration, modes=modes, categories=categories)
                shared = seconds(one) & seconds(other) and one.modes & other.modes and devices(one) & devices(other)
                if duration:  # an empty interval within another has no second to share, and none is published
                    assert one.overlaps(other) == other.overlaps(one) == bool(shared), other
                assert one.covers_categories(other) == (devices(other) <= devices(one) and bool(categories)), other
                assert event(categories=0).covers_categories(other)


def test_precedence_is_primacy_then_age_then_identity() -> None:
    order = [event("02", creation_time=9), event("10", creation_time=5), event("0F", creation_time=5)]
    order += [event("03", creation_time=99, primacy=1), replace(event("03", primacy=1), mrid="")]
    assert all(first.precedence < second.precedence for first, second in pairwise(order))


def test_events_of_other_categories_run_side_by_side() -> None:
    pair = [event("01", categories=1), event("02", creation_time=5, categories=2)]
    assert codes(pair, 100) == {"01": Code.ACTIVE, "02": Code.ACTIVE}


def test_a_partial_overlap_is_told_and_goes_on() -> None:
    pair = [event("01", modes=W | PF), event("02", start=120, creation_time=5)]
    for now in (5, 120):
        state = statuses(pair, now)["01"]
        assert (state.potentially_superseded, state.potentially_since) == (True, 5)
        assert state.status is not Code.SUPERSEDED
    assert not statuses(pair, 4)["01"].potentially_superseded
    by_category = [event("01", categories=3), event("02", creation_time=5, categories=1)]
    assert statuses(by_category, 110)["01"].potentially_superseded
    assert codes(by_category, 110)["01"] is Code.ACTIVE


def test_what_is_taken_mode_by_mode_is_superseded_in_the_end() -> None:
    three = [
        event("01", modes=W | PF),
        event("02", start=110, creation_time=5),
        event("03", start=120, creation_time=6, modes=PF),
    ]
    assert codes(three, 119)["01"] is Code.ACTIVE
    assert codes(three, 120) == {"01": Code.SUPERSEDED, "02": Code.ACTIVE, "03": Code.ACTIVE}


def test_a_superseded_event_does_not_come_back_nor_take_others_along() -> None:
    chain = [
        event("01", start=100, duration=100),
        event("02", start=150, duration=100, creation_time=5),
        event("03", start=140, duration=50, creation_time=6, modes=W),
    ]
    # 03 takes both; 02 never runs, although it would have outlasted 03.
    assert codes(chain, 140) == {"01": Code.SUPERSEDED, "02": Code.SUPERSEDED, "03": Code.ACTIVE}
    assert codes(chain, 220)["02"] is Code.SUPERSEDED


def test_an_event_cancelled_before_its_start_takes_nothing() -> None:
    pair = [event("01"), event("02", start=120, creation_time=5, cancelled=Code.CANCELLED, cancelled_at=110)]
    assert codes(pair, 130) == {"01": Code.ACTIVE, "02": Code.CANCELLED}


def test_cancelling_does_not_bring_back_what_was_superseded() -> None:
    pair = [event("01"), event("02", start=110, creation_time=5, cancelled=Code.CANCELLED, cancelled_at=120)]
    assert codes(pair, 130) == {"01": Code.SUPERSEDED, "02": Code.CANCELLED}


def test_messages_live_side_by_side() -> None:
    pair = [event("01", modes=ANY_MODE), event("02", creation_time=5, modes=ANY_MODE)]
    states = statuses(pair, 100, supersede=False)
    assert {state.status for state in states.values()} == {Code.ACTIVE}
    assert not any(state.potentially_superseded for state in states.values())


def test_the_next_change() -> None:
    events = [event(randomize_start=-10, randomize_duration=5), event("02", creation_time=30, cancelled_at=40)]
    moments = []
    now: int | None = -1
    while now is not None and len(moments) < 20:
        now = next_change(events, now)
        moments.append(now)
    assert moments == [0, 30, 40, 90, 100, 150, 155, None]


def test_the_facts_of_typed_events() -> None:
    status = EventStatus(currentStatus=2, dateTime=7, potentiallySuperseded=False)
    control = DERControl(
        mRID="0A", creationTime=3, eventStatus=status, interval=DateTimeInterval(duration=9, start=5),
        randomizeStart=-4, deviceCategory=6,
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=1), opModConnect=False, rampTms=4),
    )  # fmt: skip
    facts = facts_of(control, primacy=4, program="P", server="S")
    assert facts == EventFacts(
        mrid="0A", start=5, duration=9, creation_time=3, randomize_start=-4, modes=W | {"opModConnect"}, categories=6,
        primacy=4, program="P", server="S", cancelled=Code.CANCELLED, cancelled_at=7,
    )  # fmt: skip
    assert modes_of(DERControlBase()) == frozenset()
    scheduled = EventStatus(currentStatus=0, dateTime=7, potentiallySuperseded=False)
    text = TextMessage(
        mRID="0B", creationTime=3, eventStatus=scheduled, interval=DateTimeInterval(duration=9, start=5), priority=1,
        textMessage="x",
    )  # fmt: skip
    assert facts_of(text).modes == ANY_MODE
    load = EndDeviceControl(
        mRID="0C", creationTime=3, eventStatus=scheduled, interval=DateTimeInterval(duration=9, start=5),
        deviceCategory=2, drProgramMandatory=True, loadShiftForward=False,
    )  # fmt: skip
    assert facts_of(load).categories == 2


EVENTS = st.lists(
    st.builds(
        event,
        start=st.integers(0, 30),
        duration=st.integers(1, 20),
        creation_time=st.integers(0, 30),
        randomize_start=st.sampled_from([0, 0, -3, 3]),
        modes=st.sampled_from([W, PF, W | PF, W | PF | VAR]),
        primacy=st.integers(0, 1),
        cancelled_at=st.none() | st.integers(0, 40),
    ),
    max_size=5,
).map(
    lambda made: [
        replace(e, mrid=f"{n:02X}", cancelled=None if e.cancelled_at is None else Code.CANCELLED)
        for n, e in enumerate(made, 1)
    ]
)


class Reference:
    """The same rules told second by second."""

    def __init__(self, events: list[EventFacts]) -> None:
        self.events = events
        self.left = {e.mrid: set(e.modes) for e in events}
        self.state: dict[str, Code] = {}

    def tick(self, now: int) -> dict[str, Code]:
        for e in self.events:
            if e.creation_time == now:
                self.state[e.mrid] = Code.SCHEDULED
        for e in self.events:
            if e.cancelled_at is not None and e.cancelled_at <= now and self.open(e):
                self.state[e.mrid] = Code.CANCELLED
        due = [e for e in self.events if self.is_scheduled(e) and e.earliest_start <= now < e.latest_end]
        for e in sorted(due, key=lambda e: (max(e.earliest_start, e.creation_time), e.precedence)):
            self.begin(e, now)
        return dict(self.state)

    def open(self, e: EventFacts) -> bool:
        return self.state.get(e.mrid) in {Code.SCHEDULED, Code.ACTIVE}

    def is_scheduled(self, e: EventFacts) -> bool:
        return self.state.get(e.mrid) is Code.SCHEDULED

    def begin(self, e: EventFacts, now: int) -> None:
        if not self.is_scheduled(e):
            return
        for other in self.events:
            if other is not e and self.open(other) and now < other.latest_end and e.overlaps(other):
                if e.precedence < other.precedence:
                    self.take(e, other)
                elif self.state[other.mrid] is Code.ACTIVE:
                    self.take(other, e)
        if self.is_scheduled(e):
            self.state[e.mrid] = Code.ACTIVE

    def take(self, winner: EventFacts, loser: EventFacts) -> None:
        self.left[loser.mrid] -= self.left[winner.mrid]
        if not self.left[loser.mrid]:
            self.state[loser.mrid] = Code.SUPERSEDED


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_the_machine_agrees_with_the_reference(events: list[EventFacts]) -> None:
    model = Reference(events)
    for now in range(56):
        assert codes(events, now) == model.tick(now), now


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_nothing_changes_before_the_next_change(events: list[EventFacts]) -> None:
    now: int | None = 0
    while now is not None and now < 60:
        later = next_change(events, now)
        if later is not None:
            assert statuses(events, later - 1) == statuses(events, now)
        now = later


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_per_mode_at_most_one_event_is_in_force(events: list[EventFacts]) -> None:
    for now in range(0, 56, 3):
        states = statuses(events, now)
        active = [e for e in events if e.mrid in states and states[e.mrid].status is Code.ACTIVE and now < e.end]
        for first in active:
            for second in active:
                if first.mrid < second.mrid and first.overlaps(second):
                    assert states[first.mrid].potentially_superseded or states[second.mrid].potentially_superseded
