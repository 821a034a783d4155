"""The VTN's records and their documents."""

from __future__ import annotations

from gridiface.protocols.openadr.vtn.entities import Ven, VtnConfig
from gridiface.protocols.openadr.vtn.state import State


def make():
    return State(VtnConfig(vtn_id="VTN"), lambda: "id")


def test_records_are_read_back_by_certificate_too():
    state = make()
    state.add("ven", "v1", Ven(venID="v1", fingerprint="AA", resources=["r"]))
    store = {change.key: change.body for change in state.take()}
    again = make()
    again.load(store)
    assert again.by_fingerprint("AA").resources == ["r"]
    assert again.by_fingerprint("") is None
    assert again.by_fingerprint("BB") is None
    again.forget("ven", "v1")
    assert again.by_fingerprint("AA") is None
    assert [(change.key, change.body) for change in again.take()] == [("ven/v1", None)]


def test_looking_at_an_empty_record_stores_nothing():
    state = make()
    assert state.queue("v").entries == []
    assert state.deliveries("v").by_event == {}
    assert state.reports("v").running == {}
    assert state.opts("v").schedules == []
    assert state.take() == ()


def test_events_are_found_by_their_recipients(kit):
    a, b = kit.register("a"), kit.register("b")
    kit.send([a, b], "E")
    kit.send([b], "F")
    state = kit.vtn._state
    assert {record.event.id for record in state.events_of(b)} == {"E", "F"}
    kit.do(kit.vtn.modify_event("E", kit.now, recipients=[a]))
    assert {record.event.id for record in state.events_of(b)} == {"F"}
    assert state.events_of("nobody") == []


def test_a_revert_puts_deleted_records_back():
    state = make()
    state.add("ven", "v1", Ven(venID="v1", fingerprint="AA"))
    state.take()
    state.forget("ven", "v1")
    state.revert(state.take())
    assert state.by_fingerprint("AA").venID == "v1"
