"""The book of controls: every step told once, whatever the order of arrival, the clock or a restart does."""

from dataclasses import replace

import pytest
from tests.unit.gridiface.aggregation.conftest import T0, ask

from gridiface.aggregation.deciding.lifecycle import ControlBook
from gridiface.domain.controls import ControlMode, ControlState, Outcome, OutcomeKind, Target, TargetKind

ALL = Target(TargetKind.GROUP, "all")


def completing(entry):
    """Every part that is left has run to its end."""
    return lambda device_ids: {(OutcomeKind.COMPLETED, ""): device_ids}


def told(book):
    """What was told since the last call: (control, kind, device)."""
    outcomes, _ = book.drain()
    return [(one.control_id, one.kind.name.lower(), one.device_id) for one in outcomes]


def test_a_control_is_received_started_and_completed_once_for_itself_and_for_each_device():
    book = ControlBook()
    entry = book.admit(ask("c1", start=10, duration=60, set_w=1.0), ("a", "b"), T0)
    assert told(book) == [("c1", "received", None), ("c1", "received", "a"), ("c1", "received", "b")]
    assert book.next_edge() == T0 + 10
    assert book.advance(T0 + 9.9, completing) == ([], [])
    started, _ = book.advance(T0 + 10, completing)
    assert started == [entry]
    book.start(entry, ["a", "b"], T0 + 11)
    book.start(entry, ["a", "b"], T0 + 12)
    assert told(book) == [("c1", "started", None), ("c1", "started", "a"), ("c1", "started", "b")]
    _, ended = book.advance(T0 + 70, completing)
    assert [(one.control.id, kind) for one, kind, _ in ended] == [("c1", OutcomeKind.COMPLETED)]
    assert told(book) == [("c1", "completed", "a"), ("c1", "completed", "b"), ("c1", "completed", None)]
    assert book.get("c1").control.state is ControlState.COMPLETED
    assert book.active() == book.ahead() == []
    assert book.next_edge() is None


def test_an_edge_that_passed_does_not_come_again_when_the_clock_is_set_back():
    book = ControlBook()
    book.admit(ask("c1", duration=60, set_w=1.0), (), T0)
    book.advance(T0 + 1, completing)
    book.advance(T0 - 3600, completing)
    started, ended = book.advance(T0 + 1, completing)
    assert started == ended == []
    assert [entry.control.id for entry in book.active()] == ["c1"]


def test_one_whose_time_passed_before_it_could_begin_has_failed():
    book = ControlBook()
    book.admit(ask("c1", start=10, duration=20, set_w=1.0), ("a",), T0)
    started, ended = book.advance(T0 + 100, completing)
    assert started == []
    assert [(kind, reason) for _, kind, reason in ended] == [
        (OutcomeKind.FAILED, "its time passed before it could be carried out")
    ]
    assert [kind for _, kind, _ in told(book)[2:]] == ["failed", "failed"]


def test_nobody_began_so_nothing_was_completed():
    book = ControlBook()
    book.admit(ask("c1", duration=20, set_w=1.0), ("a",), T0)
    book.advance(T0, completing)
    _, ended = book.advance(T0 + 20, lambda entry: lambda ids: {(OutcomeKind.FAILED, "gone"): ids})
    assert [(kind, reason) for _, kind, reason in ended] == [(OutcomeKind.FAILED, "no device carried it out")]


@pytest.mark.parametrize("first", ["old", "new"])
def test_who_supersedes_whom_does_not_depend_on_who_came_first(first):
    controls = {
        "old": ask("old", duration=100, program="p", created=T0 - 5, set_w=1.0),
        "new": ask("new", duration=100, program="p", created=T0, set_w=2.0),
    }
    book = ControlBook()
    for name in (first, *(controls.keys() - {first})):
        book.admit(controls[name], ("a",), T0)
    _, ended = book.advance(T0 + 1, completing)
    assert [(entry.control.id, kind, reason) for entry, kind, reason in ended] == [
        ("old", OutcomeKind.SUPERSEDED, "superseded by new")
    ]
    assert [entry.control.id for entry in book.active()] == ["new"]
    ends = [one for one in told(book) if one[1] == "superseded"]
    assert ends == [("old", "superseded", "a"), ("old", "superseded", None)]


def test_of_a_control_that_loses_one_of_its_modes_the_rest_goes_on():
    book = ControlBook()
    book.admit(ask("old", duration=100, program="p", created=T0 - 5, set_w=1.0, set_var=5.0), (), T0)
    book.admit(ask("new", duration=100, program="p", created=T0, set_w=2.0), (), T0)
    book.advance(T0, completing)
    (lost,) = book.drain_lost()
    assert (lost.control.id, lost.modes, lost.by) == ("old", (ControlMode.SET_W,), "new")
    assert book.drain_lost() == []
    assert {(claim.control.id, claim.mode) for claim in book.claims(ALL)} == {
        ("new", ControlMode.SET_W),
        ("old", ControlMode.SET_VAR),
    }


def test_parts_of_a_target_that_are_reserved_apart_do_not_supersede_each_other():
    book = ControlBook()
    book.lane = lambda control: control.source.program or ""
    book.admit(ask("old", duration=100, program="p", authority=1, created=T0 - 5, set_w=1.0), (), T0)
    book.admit(ask("new", duration=100, program="q", authority=2, created=T0, set_w=2.0), (), T0)
    book.advance(T0, completing)
    assert [entry.control.id for entry in book.active()] == ["old", "new"]


def test_a_cancelled_control_is_over_for_all_and_cannot_be_cancelled_again():
    book = ControlBook()
    book.admit(ask("c1", duration=100, set_w=1.0), ("a",), T0)
    book.advance(T0, completing)
    told(book)
    assert book.cancel("c1", T0 + 5)
    assert not book.cancel("c1", T0 + 5)
    assert not book.cancel("unknown", T0 + 5)
    assert told(book) == [("c1", "cancelled", "a"), ("c1", "cancelled", None)]
    assert book.get("c1").control.state is ControlState.CANCELLED


def test_a_default_stands_until_it_is_taken_away_and_takes_the_place_of_the_one_with_its_id():
    book = ControlBook()
    book.admit(ask("d", is_default=True, set_w=1.0), (), T0)
    book.admit(ask("d", is_default=True, set_w=2.0), (), T0)
    assert told(book) == []
    assert [claim.value.value for claim in book.default_claims(ALL)] == [2.0]
    assert book.claims(ALL) == []
    assert book.targets() == book.default_targets() == {ALL}
    assert book.cancel("d", T0)
    assert not book.remove_default("d")
    assert book.targets() == set()


def test_another_authority_may_turn_who_rules():
    book = ControlBook()
    book.admit(ask("one", duration=100, program="p", authority=1, set_w=1.0), (), T0)
    book.admit(ask("two", start=50, duration=100, program="q", authority=2, set_w=1.0), (), T0)
    assert book.rank("one", 3, T0) == 1
    assert book.rank("one", 3, T0) is None  # has it already
    assert book.rank("unknown", 3, T0) is None
    assert book.get("one").control.source.authority == 3


def test_after_a_restart_nothing_that_was_told_is_told_again_and_what_was_not_is():
    before = replace(ask("c1", duration=100, set_w=1.0), state=ControlState.ACTIVE)
    fresh = ask("c2", start=50, duration=100, group="other", set_w=1.0)
    over = replace(ask("c3", duration=10, set_w=1.0), state=ControlState.COMPLETED)
    known = [
        Outcome(control_id="c1", kind=OutcomeKind.RECEIVED, at=T0, device_id=None),
        Outcome(control_id="c1", kind=OutcomeKind.RECEIVED, at=T0, device_id="a"),
        Outcome(control_id="c1", kind=OutcomeKind.STARTED, at=T0, device_id=None),
    ]
    book = ControlBook()
    running = book.restore(
        [before, fresh, over], known, T0 + 5, concerned=lambda control: ("b",), ours=lambda device_id: True
    )
    assert [entry.control.id for entry in running] == ["c1"]
    assert running[0].resumed
    assert running[0].concerned == ("a",)
    assert told(book) == [("c2", "received", None), ("c2", "received", "b")]
    book.start(running[0], ["a"], T0 + 6)
    assert told(book) == [("c1", "started", "a")]
    assert book.get("c3").control.state is ControlState.COMPLETED


def test_one_of_which_an_end_was_told_before_the_restart_is_over():
    active = replace(ask("c1", duration=100, set_w=1.0), state=ControlState.ACTIVE)
    known = [
        Outcome(control_id="c1", kind=OutcomeKind.RECEIVED, at=T0, device_id=None),
        Outcome(control_id="c1", kind=OutcomeKind.CANCELLED, at=T0 + 1, device_id=None),
    ]
    book = ControlBook()
    running = book.restore([active], known, T0 + 5, concerned=lambda control: (), ours=lambda device_id: True)
    assert running == []
    assert book.active() == []
    assert told(book) == []


def test_what_a_device_says_for_itself_counts_once_and_nothing_follows_its_end():
    book = ControlBook()
    book.admit(ask("c1", duration=100, set_w=1.0), (), T0)
    book.advance(T0, completing)
    told(book)
    for kind in (OutcomeKind.STARTED, OutcomeKind.STARTED, OutcomeKind.CANCELLED, OutcomeKind.COMPLETED):
        assert book.report(Outcome(control_id="c1", kind=kind, at=T0 + 1, device_id="a"))
    assert told(book) == [("c1", "started", "a"), ("c1", "started", None), ("c1", "cancelled", "a")]
    assert book.report(Outcome(control_id="unknown", kind=OutcomeKind.STARTED, at=T0, device_id="a")) is None


def test_who_came_into_the_target_later_is_told_its_receipt_first():
    book = ControlBook()
    entry = book.admit(ask("c1", duration=100, set_w=1.0), ("a",), T0)
    book.advance(T0, completing)
    told(book)
    book.start(entry, ["a", "late"], T0 + 5)
    assert told(book) == [
        ("c1", "received", "late"),
        ("c1", "started", None),
        ("c1", "started", "a"),
        ("c1", "started", "late"),
    ]
    assert entry.concerned == ("a", "late")


def test_so_many_that_are_over_can_be_looked_at():
    book = ControlBook(keep_finished=2)
    for number in range(4):
        book.admit(ask(f"c{number}", duration=10, set_w=1.0, group=f"g{number}"), (), T0)
    book.advance(T0, completing)
    book.advance(T0 + 10, completing)
    assert [entry.control.id for entry in book.all()] == ["c2", "c3"]
    assert book.get("c0") is None
