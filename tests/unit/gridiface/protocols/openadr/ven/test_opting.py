"""The VEN's opt payloads. Their way to the VTN is tested in test_session.py."""

from __future__ import annotations

import pytest

from gridiface.errors import RefusedControl
from gridiface.protocols.openadr.payloads.common import QualifiedEventID
from gridiface.protocols.openadr.ven.opting import OptDesk
from gridiface.protocols.openadr.ven.state import State, VenConfig


@pytest.fixture
def state():
    made = State(VenConfig(name="v"), iter("abcdefghijkl").__next__, lambda: 0.0)
    made.registration.registrationID, made.registration.venID = "R", "V"
    return made


def sent(state):
    return [item.payload for item in state.outbox.values()]


def test_64_an_opt_to_an_event_has_no_vavailability_and_no_market_context(state):
    qualified = QualifiedEventID(eventID="E", modificationNumber=2)
    opt_id = OptDesk(state).opt_resources(qualified, ["r"], "optOut", 5.0, "emergency")
    (payload,) = sent(state)
    assert (payload.optID, payload.venID, payload.createdDateTime) == (opt_id, "V", 5.0)
    assert (payload.vavailability, payload.marketContext) == (None, None)
    assert payload.qualifiedEventID == qualified
    assert payload.eiTarget.resourceID == ["r"]


def test_a_schedule_of_the_whole_ven_targets_it(state):
    OptDesk(state).add_schedule(
        "optIn", [(1.0, 0), (2.0, 60)], 0.0, reason="x-own", resources=(), market_context="urn:m"
    )
    (payload,) = sent(state)
    assert payload.eiTarget.venID == ["V"]
    assert [a.properties.duration for a in payload.vavailability.components.available] == [0, 60]
    assert payload.qualifiedEventID is None


def schedule(state, opt="optOut", *, resources=(), spans=((10.0, 60),), context=None):
    return OptDesk(state).add_schedule(
        opt, spans, 0.0, reason="x-schedule", resources=resources, market_context=context
    )


def test_a_cancellation_names_its_opt(state):
    opt_id = schedule(state)
    OptDesk(state).cancel_schedule(opt_id)
    assert sent(state)[-1].optID == opt_id
    assert not state.schedules
    with pytest.raises(RefusedControl):
        OptDesk(state).cancel_schedule(opt_id)


def test_what_replaces_what_is_as_at_the_vtn(state):
    whole, other = schedule(state), schedule(state, "optIn")
    part = schedule(state, resources=("r", "s"))
    assert set(state.schedules) == {whole, other, part}
    finer = schedule(state, resources=("r",))
    assert state.schedules[part].resources == ["s"]
    elsewhere = schedule(state, context="urn:m")
    latest = schedule(state)
    assert set(state.schedules) == {other, elsewhere, latest}
    assert finer not in state.schedules


def test_schedules_are_told_to_a_vtn_that_knows_nothing_and_forgotten_when_over(state):
    state.forget_registration()
    kept, over = schedule(state, spans=[(10.0, 0)]), schedule(state, "optIn")
    assert not sent(state)
    state.registration.registrationID, state.registration.venID = "R2", "V2"
    desk = OptDesk(state)
    assert desk.next_end() == 70.0
    desk.registered_anew(70.0)
    assert [payload.optID for payload in sent(state)] == [kept]
    desk.tick(70.0)
    assert over not in state.schedules
    assert desk.next_end() == float("inf")


def test_a_schedule_needs_a_span(state):
    with pytest.raises(RefusedControl):
        schedule(state, spans=())


def test_without_registration_there_is_no_opt_to_an_event(state):
    state.forget_registration()
    with pytest.raises(RefusedControl):
        OptDesk(state).opt_resources(
            QualifiedEventID(eventID="E", modificationNumber=0), ["r"], "optIn", 0.0, "economic"
        )
