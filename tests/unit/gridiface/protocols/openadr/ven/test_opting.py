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


def test_a_cancellation_names_its_opt(state):
    OptDesk(state).cancel_schedule("o")
    assert sent(state)[0].optID == "o"


def test_without_registration_there_is_no_opt(state):
    state.forget_registration()
    with pytest.raises(RefusedControl):
        OptDesk(state).add_schedule("optIn", [], 0.0, reason="economic", resources=(), market_context=None)
