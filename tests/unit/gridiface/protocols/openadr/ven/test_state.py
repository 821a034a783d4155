"""The VEN's records and their documents."""

from __future__ import annotations

from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.ven.state import ReportOffer, State, VenConfig


def make():
    return State(VenConfig(name="v", ven_id="V1"), lambda: "id", lambda: 0.0)


def test_payloads_wait_in_order_and_outlive_a_restart():
    state = make()
    for count in range(12):
        state.post("poll", OadrPoll(venID=str(count)))
    store = {change.key: change.body for change in state.take()}
    again = make()
    again.load({**store, "other/x": b"?"})
    assert [item.payload.venID for item in again.outbox.values()] == [str(count) for count in range(12)]
    again.post("poll", OadrPoll(venID="later"))
    assert list(again.outbox)[-1] == "000000000012"
    assert "other/x" not in again.export()


def test_a_forgotten_registration_keeps_the_configured_id_and_the_numbers():
    state = make()
    state.post("poll", OadrPoll(venID="x"))
    state.registration.registrationID = "R"
    assert state.registered
    state.forget_registration()
    assert not state.registered
    assert (state.registration.venID, state.registration.next_number) == ("V1", 1)


def test_dropping_what_is_not_there_changes_nothing():
    state = make()
    state.drop("event", "E")
    assert state.take() == ()


def test_a_history_offer_is_known_by_its_name():
    assert ReportOffer(specifier="h", name="HISTORY_USAGE", points=()).is_history
    assert not ReportOffer(specifier="t", name="TELEMETRY_USAGE", points=()).is_history
