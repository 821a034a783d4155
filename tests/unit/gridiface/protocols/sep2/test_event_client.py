"""What a client does with events: the CSIP stories of overlap, randomisation, cancelling and opting out."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridiface.protocols.sep2.enums import EventStatusCode as Code
from gridiface.protocols.sep2.enums import ResponseStatus as Status
from gridiface.protocols.sep2.event_client import EventFollower
from gridiface.protocols.sep2.events import facts_of
from gridiface.protocols.sep2.followed import Default, Phase
from gridiface.protocols.sep2.resources import ActivePower, DateTimeInterval, DERControl, DERControlBase, EventStatus

WATTS = DERControlBase(opModTargetW=ActivePower(multiplier=0, value=5))
CEILING = DERControlBase(opModMaxLimW=5000)
BOTH = DERControlBase(opModTargetW=ActivePower(multiplier=0, value=7), opModMaxLimW=7000)


def control(
    mrid: str = "01",
    start: int = 100,
    duration: int = 50,
    created: int = 0,
    base: DERControlBase = WATTS,
    status: Code = Code.SCHEDULED,
    shift: int | None = None,
    stretch: int | None = None,
) -> DERControl:
    return DERControl(
        mRID=mrid,
        creationTime=created,
        eventStatus=EventStatus(currentStatus=status, dateTime=created, potentiallySuperseded=False),
        interval=DateTimeInterval(duration=duration, start=start),
        randomizeStart=shift,
        randomizeDuration=stretch,
        derControlBase=base,
    )


class Story:
    """A follower and its log: (time, mRID, status)."""

    def __init__(self, supported: frozenset[str] | None = None, seed: int = 1) -> None:
        self.follower = EventFollower(Random(seed), supported)
        self.log: list[tuple[float, str, Status]] = []

    def show(self, now: float, *events: DERControl, primacy: int = 1, program: str = "P", server: str = "S") -> None:
        for shown in events:
            facts = facts_of(shown, primacy=primacy, program=program, server=server)
            self.follower.update(shown, facts, now)
        self.until(now)

    def until(self, now: float) -> None:
        self.log += [(t.at, t.mrid, t.status) for t in self.follower.advance(now)]

    def told(self, mrid: str) -> list[tuple[float, Status]]:
        return [(at, status) for at, which, status in self.log if which == mrid]


def test_a_control_is_received_started_and_completed() -> None:
    story = Story()
    story.show(10, control())
    assert story.follower.next_timer() == 100
    story.until(99.9)
    assert story.follower.in_force() == {}
    story.until(100)
    assert story.follower.in_force()["opModTargetW"].value == WATTS.opModTargetW
    assert story.follower.next_timer() == 150
    story.until(150)
    assert story.told("01") == [(10, Status.RECEIVED), (100, Status.STARTED), (150, Status.COMPLETED)]
    assert story.follower.in_force() == {}
    assert story.follower.next_timer() is None


def test_a_control_shown_again_is_not_received_again() -> None:
    story = Story()
    for now in (10, 20, 110, 120, 160, 170):
        story.show(now, control())
    assert [status for _, status in story.told("01")] == [Status.RECEIVED, Status.STARTED, Status.COMPLETED]


def test_a_control_that_is_no_longer_shown_goes_on() -> None:
    story = Story()
    story.show(10, control())
    story.follower.forget([], 110)
    story.until(200)
    assert [status for _, status in story.told("01")] == [Status.RECEIVED, Status.STARTED, Status.COMPLETED]
    story.follower.forget(["01"], 200)
    assert story.follower.events
    story.follower.forget([], 200)
    assert not story.follower.events


@pytest.mark.parametrize(
    ("shown", "status"),
    [
        (control(duration=0), Status.REJECTED_INVALID),
        (control(shift=3601), Status.REJECTED_INVALID),
        (control(stretch=-3601), Status.REJECTED_INVALID),
        (control(start=0, duration=60), Status.REJECTED_EXPIRED),
        (control(base=CEILING), Status.REJECTED_NOT_APPLICABLE),
        (control(base=DERControlBase()), Status.REJECTED_NOT_APPLICABLE),
    ],
)
def test_what_cannot_be_done_is_rejected_once(shown: DERControl, status: Status) -> None:
    story = Story(supported=frozenset({"opModTargetW"}))
    story.show(60, shown)
    story.show(70, shown)
    story.until(500)
    assert story.told("01") == [(60, status)]


def test_a_control_for_other_categories_is_ignored() -> None:
    story = Story()
    story.follower.category = 1
    story.show(10, replace(control(), deviceCategory=2))
    story.show(10, replace(control("02"), deviceCategory=3))
    assert story.told("01") == []
    assert [status for _, status in story.told("02")] == [Status.RECEIVED]


@pytest.mark.parametrize("status", [5, 9, 255])
def test_a_status_that_nobody_knows_changes_nothing(status: int) -> None:
    story = Story()
    story.show(10, control(status=status))
    assert story.told("01") == []
    story.show(20, control())
    story.show(70, control(status=status))
    story.until(500)
    assert [told for _, told in story.told("01")] == [Status.RECEIVED, Status.STARTED, Status.COMPLETED]


def test_a_control_that_was_over_before_we_saw_it_is_not_answered() -> None:
    for code in (Code.CANCELLED, Code.CANCELLED_WITH_RANDOMIZATION, Code.SUPERSEDED):
        story = Story()
        story.show(10, control(status=code))
        story.until(500)
        assert story.log == []


@pytest.mark.parametrize("when", [50, 120])
def test_a_cancelled_control_ends_at_once(when: int) -> None:
    story = Story()
    story.show(10, control())
    story.show(when, control(status=Code.CANCELLED))
    story.until(500)
    assert story.told("01")[-1] == (when, Status.CANCELLED)
    assert Status.COMPLETED not in {status for _, status in story.told("01")}


def test_a_control_cancelled_with_randomisation_ends_within_it() -> None:
    ends = set()
    for seed in range(30):
        story = Story(seed=seed)
        story.show(10, control(shift=0, stretch=20))
        story.show(110, control(shift=0, stretch=20, status=Code.CANCELLED_WITH_RANDOMIZATION))
        story.show(111, control(shift=0, stretch=20, status=Code.CANCELLED_WITH_RANDOMIZATION))
        story.until(500)
        at, status = story.told("01")[-1]
        assert status is Status.CANCELLED
        assert 110 <= at <= 130
        ends.add(at)
    assert len(ends) > 5


def test_a_scheduled_control_cancelled_with_randomisation_ends_at_once() -> None:
    story = Story()
    story.show(10, control(stretch=20))
    story.show(50, control(stretch=20, status=Code.CANCELLED_WITH_RANDOMIZATION))
    assert story.told("01")[-1] == (50, Status.CANCELLED)


def test_a_plain_cancel_overtakes_a_randomised_one() -> None:
    story = Story(seed=3)
    story.show(10, control(stretch=3600))
    story.show(110, control(stretch=3600, status=Code.CANCELLED_WITH_RANDOMIZATION))
    story.show(111, control(stretch=3600, status=Code.CANCELLED))
    assert story.told("01")[-1][0] <= 111


def test_the_server_may_call_a_control_superseded() -> None:
    story = Story()
    story.show(10, control())
    story.show(120, control(status=Code.SUPERSEDED))
    assert story.told("01")[-1] == (120, Status.SUPERSEDED)


@pytest.mark.parametrize(("shift", "low", "high"), [(30, 100, 130), (-30, 70, 100), (0, 100, 100)])
def test_the_start_is_random_within_its_bound(shift: int, low: int, high: int) -> None:
    starts = set()
    for seed in range(40):
        story = Story(seed=seed)
        story.show(10, control(shift=shift))
        story.until(500)
        assert low <= story.told("01")[1][0] <= high
        assert story.told("01")[2][0] - story.told("01")[1][0] == 50
        starts.add(story.told("01")[1][0])
    assert len(starts) > 10 or shift == 0


@pytest.mark.parametrize(("stretch", "low", "high"), [(20, 150, 170), (-20, 130, 150)])
def test_the_duration_is_random_within_its_bound(stretch: int, low: int, high: int) -> None:
    for seed in range(40):
        story = Story(seed=seed)
        story.show(10, control(stretch=stretch))
        story.until(500)
        assert low <= story.told("01")[2][0] <= high


def test_a_late_control_starts_now_and_keeps_its_end() -> None:
    story = Story()
    story.show(120, control())
    story.until(500)
    assert story.told("01") == [(120, Status.RECEIVED), (120, Status.STARTED), (150, Status.COMPLETED)]
    for seed in range(20):
        late = Story(seed=seed)
        late.show(120, control(shift=-10))
        late.until(500)
        assert 120 <= late.told("01")[1][0] <= 130
        assert late.told("01")[2][0] == 150
        last = Story(seed=seed)
        last.show(149, control(shift=30))
        last.until(500)
        assert 149 <= last.told("01")[1][0] <= last.told("01")[2][0] <= 150


def test_same_program_the_newer_supersedes_when_it_starts() -> None:
    story = Story()
    story.show(10, control("01"), control("02", start=120, created=5, base=BOTH))
    story.until(119)
    assert story.follower.in_force()["opModTargetW"].source == "01"
    story.until(500)
    assert story.told("01")[-1] == (120, Status.SUPERSEDED)
    assert story.told("02")[-1] == (170, Status.COMPLETED)


# System (SY, primacy 10) and service point (SP, primacy 4) programs; opModTargetW in both.


def test_higher_priority_first_aborts_the_lower_before_its_start() -> None:
    story = Story()
    story.show(10, control("0A", start=120), primacy=10, program="SY")
    story.show(10, control("0B", start=100, duration=60), primacy=4, program="SP")
    story.until(500)
    assert story.told("0A") == [(10, Status.RECEIVED), (100, Status.ABORTED_OTHER_PROGRAM)]
    assert story.told("0B")[-1] == (160, Status.COMPLETED)


def test_lower_priority_running_is_superseded() -> None:
    story = Story()
    story.show(10, control("0A", start=100), primacy=10, program="SY")
    story.show(10, control("0B", start=120, duration=60), primacy=4, program="SP")
    story.until(500)
    assert story.told("0A") == [(10, Status.RECEIVED), (100, Status.STARTED), (120, Status.SUPERSEDED)]


def test_higher_priority_made_while_the_lower_runs() -> None:
    story = Story()
    story.show(10, control("0A", start=100), primacy=10, program="SY")
    story.until(110)
    story.show(115, control("0B", start=115, duration=60, created=115), primacy=4, program="SP")
    assert story.told("0A")[-1] == (115, Status.SUPERSEDED)
    assert story.told("0B")[-1] == (115, Status.STARTED)


def test_lower_priority_that_comes_while_the_higher_runs_never_starts() -> None:
    story = Story()
    story.show(10, control("0B"), primacy=4, program="SP")
    story.until(110)
    story.show(115, control("0A", start=120, created=115), primacy=10, program="SY")
    story.until(500)
    assert story.told("0A") == [(115, Status.RECEIVED), (120, Status.ABORTED_OTHER_PROGRAM)]


def test_another_server_gives_another_answer() -> None:
    story = Story()
    story.show(10, control("0A", start=120), primacy=10, program="X", server="one")
    story.show(10, control("0B"), primacy=4, program="X", server="two")
    story.until(500)
    assert story.told("0A")[-1] == (100, Status.ABORTED_OTHER_SERVER)


def test_independent_modes_run_together() -> None:
    story = Story()
    story.show(10, control("0A"), primacy=10, program="SY")
    story.show(10, control("0B", start=110, base=CEILING), primacy=4, program="SP")
    story.until(120)
    force = story.follower.in_force()
    assert {mode: held.source for mode, held in force.items()} == {"opModTargetW": "0A", "opModMaxLimW": "0B"}
    story.until(500)
    assert {story.told(m)[-1][1] for m in ("0A", "0B")} == {Status.COMPLETED}


def test_a_control_keeps_the_modes_that_nobody_took() -> None:
    story = Story()
    story.show(10, control("0A", duration=100, base=BOTH), primacy=10, program="SY")
    story.show(10, control("0B", start=110, duration=20), primacy=4, program="SP")
    story.until(120)
    sources = {mode: held.source for mode, held in story.follower.in_force().items()}
    assert sources == {"opModTargetW": "0B", "opModMaxLimW": "0A"}
    story.until(140)
    # What was superseded does not resume.
    assert {m: h.source for m, h in story.follower.in_force().items()} == {"opModMaxLimW": "0A"}
    story.until(500)
    assert story.told("0A")[-1] == (200, Status.COMPLETED)


def test_defaults_hold_where_no_control_does_by_primacy_and_mode() -> None:
    story = Story()
    defaults = [Default("D2", BOTH, primacy=9), Default("D1", CEILING, primacy=2)]
    sources = {m: h.source for m, h in story.follower.in_force(defaults).items()}
    assert sources == {"opModMaxLimW": "D1", "opModTargetW": "D2"}
    story.show(100, control())
    force = story.follower.in_force(defaults)
    assert (force["opModTargetW"].source, force["opModTargetW"].by_event) == ("01", True)
    assert (force["opModMaxLimW"].source, force["opModMaxLimW"].by_event) == ("D1", False)


def test_successive_controls_leave_no_gap_and_no_overlap() -> None:
    for seed in range(40):
        story = Story(seed=seed)
        story.show(10, *(control(f"0{n}", start=100 + 50 * n, shift=20, stretch=-20) for n in range(4)))
        story.until(1000)
        for n in range(3):
            assert story.told(f"0{n}")[-1] == (story.told(f"0{n + 1}")[1][0], Status.COMPLETED)


def test_a_cancelled_successor_gives_the_end_back() -> None:
    story = Story(seed=4)
    later = control("02", start=150, shift=20)
    story.show(10, control("01"), later)
    story.show(20, replace(later, eventStatus=replace(later.eventStatus, currentStatus=Code.CANCELLED)))
    story.until(500)
    assert story.told("01")[-1] == (150, Status.COMPLETED)


def test_opting_out_and_in() -> None:
    story = Story()
    assert not story.follower.opt_out("01", 5)
    story.show(10, control("01"), control("02", start=200), control("03", start=300), control("04", start=400))
    assert story.follower.opt_out("01", 50)
    assert not story.follower.opt_out("01", 51)
    story.until(110)
    assert story.follower.in_force() == {}
    story.until(150)
    assert story.told("01")[-1] == (150, Status.COMPLETED_NO_PARTICIPATION)
    story.until(210)
    story.follower.opt_out("02", 210)
    assert story.follower.in_force() == {}
    story.until(250)
    assert story.told("02")[-2:] == [(210, Status.OPTED_OUT), (250, Status.PARTIALLY_COMPLETED_OPT_OUT)]
    story.until(310)
    story.follower.opt_out("03", 310)
    story.follower.opt_in("03", 320)
    assert story.follower.in_force()
    story.until(350)
    assert [s for _, s in story.told("03")][-3:] == [
        Status.OPTED_OUT, Status.OPTED_IN, Status.PARTIALLY_COMPLETED_OPT_IN,
    ]  # fmt: skip
    assert not story.follower.opt_in("03", 360)


SHOWN = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.integers(1, 30),
        st.sampled_from([WATTS, CEILING, BOTH]),
        st.integers(0, 2),
        st.sampled_from([None, -5, 5]),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=6,
)


@settings(deadline=None, max_examples=150)
@given(SHOWN, st.integers(0, 99))
def test_every_event_ends_once_and_no_mode_is_held_twice(
    made: list[tuple[int, int, DERControlBase, int, int | None, int]], seed: int
) -> None:
    story = Story(seed=seed)
    for now in range(0, 140):
        for n, (start, duration, base, program, shift, seen) in enumerate(made):
            if now == seen:
                shown = control(f"{n:02X}", start, duration, created=0, base=base, shift=shift)
                story.show(now, shown, primacy=program, program=f"P{program}")
        story.until(now)
        holders = [mode for f in story.follower.active() for mode in f.remaining]
        overlapping = len(holders) - len(set(holders))
        running = story.follower.active()
        assert overlapping == 0 or not any(
            a.facts.overlaps(b.facts) and a.remaining & b.remaining for a in running for b in running if a is not b
        )
    assert all(f.phase is Phase.DONE for f in story.follower.events.values())
    final = {Status.STARTED, Status.RECEIVED}
    for n in range(len(made)):
        told = [status for _, status in story.told(f"{n:02X}")]
        assert sum(status not in final for status in told) == 1
        assert told.count(Status.STARTED) <= 1
    assert [at for at, _, _ in story.log] == sorted(at for at, _, _ in story.log)


def test_an_event_that_two_programs_list_is_that_of_the_stronger() -> None:
    story = Story()
    one, other = control("01"), control("01", start=300)
    shown = [
        (one, facts_of(one, primacy=1, program="P", server="S")),
        (other, facts_of(other, primacy=2, program="Q", server="S")),
    ]
    for now in (10, 20):
        story.follower.show(shown, now)
        story.until(now)
        facts = story.follower.events["01"].facts
        assert (facts.primacy, facts.program, facts.start) == (1, "P", 100)
    story.until(400)
    assert story.told("01") == [(10, Status.RECEIVED), (100, Status.STARTED), (150, Status.COMPLETED)]


def test_an_event_is_the_same_however_its_mrid_is_spelled() -> None:
    story = Story()
    story.show(10, control("0A"))
    story.show(20, control("000A"))
    story.show(120, control("00000A", status=Code.CANCELLED))
    assert [status for _, status in story.told("0A")] == [Status.RECEIVED, Status.STARTED, Status.CANCELLED]
    assert len(story.log) == 3
    story.follower.forget(["00A"], 500)
    assert len(story.follower.events) == 1
    story.follower.forget([], 500)
    assert not story.follower.events


def test_what_is_told_of_an_event_comes_with_it_as_it_was_shown_last() -> None:
    story, first, second = Story(), control(), control(status=Code.CANCELLED)
    for now, shown in ((10, first), (20, second)):
        story.follower.update(shown, facts_of(shown, primacy=1, program="P", server="S"), now)
    assert [t.event for t in story.follower.advance(20)] == [first, second]


def test_a_default_holds_modes_alone() -> None:
    default = Default("D", replace(CEILING, rampTms=400), primacy=1)
    assert set(Story().follower.in_force([default])) == {"opModMaxLimW"}


def test_an_event_that_is_withdrawn_ends_without_a_word_but_for_what_was_due() -> None:
    story = Story()
    story.show(10, control("01"), control("02", start=300))
    assert not story.follower.withdraw("03", 20)
    assert not story.follower.withdraw("01", 200)  # over by then
    assert story.follower.withdraw("02", 310)
    assert not story.follower.withdraw("02", 311)
    story.until(400)
    assert story.told("01") == [(10, Status.RECEIVED), (100, Status.STARTED), (150, Status.COMPLETED)]
    assert story.told("02") == [(10, Status.RECEIVED), (300, Status.STARTED)]
    assert story.follower.in_force() == {}


@pytest.mark.parametrize(
    ("left", "back", "again"), [(True, 140, True), (True, 150, False), (True, 400, False), (False, 140, False)]
)
def test_an_event_goes_on_for_a_device_that_comes_back_before_its_end(left: bool, back: float, again: bool) -> None:
    story = Story()
    story.show(10, control())
    assert story.follower.withdraw("01", 120, left=left)
    story.until(120)
    before = story.told("01")
    story.show(back, control())
    assert story.told("01")[len(before) :] == ([(back, Status.RECEIVED), (back, Status.STARTED)] if again else [])


def test_the_first_that_is_pending_is_the_next_that_has_not_begun() -> None:
    story = Story()
    assert story.follower.first_pending(0) is None
    story.show(10, control("01"), control("02", start=200), control("03", start=300))
    assert [story.follower.first_pending(now) for now in (10, 99)] == [100, 100]
    story.until(120)
    assert story.follower.first_pending(120) == 200
    assert story.follower.first_pending(200) == 300
    story.until(350)
    assert story.follower.first_pending(350) is None


@pytest.mark.parametrize(
    ("program", "server", "status"),
    [
        ("P", "S", Status.SUPERSEDED),
        ("Q", "S", Status.ABORTED_OTHER_PROGRAM),
        ("P", "T", Status.ABORTED_OTHER_SERVER),
        ("Q", "T", Status.ABORTED_OTHER_SERVER),
    ],
)
def test_who_never_starts_says_by_whom(program: str, server: str, status: Status) -> None:
    story = Story()
    story.show(10, control("01", start=110))
    story.show(11, control("02", created=5), primacy=1, program=program, server=server)
    story.until(200)
    assert story.told("01") == [(10, Status.RECEIVED), (100, status)]
    assert story.told("02")[-1] == (150, Status.COMPLETED)
