"""Records of the server: where each stands, who speaks, and which domain controls an event is."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, EventSet, Program, Publication


def end_device(**more: Any) -> EndDeviceRecord:
    return EndDeviceRecord(number=3, lfdi="AB" * 20, sfdi=1, registered=0, changed=0, **more)


def event(**more: Any) -> EventRecord:
    item: Any = SimpleNamespace(obj=SimpleNamespace(mRID="AA", interval=SimpleNamespace(start=100, duration=50)))
    return EventRecord(item=item, program=2, **more)


def test_an_end_device_speaks_where_a_client_stands_behind_it_or_an_aggregator() -> None:
    assert not end_device().speaks
    assert end_device(pin=123455).connects
    assert end_device(pin=123455).speaks
    assert end_device(managed=True).speaks
    assert not end_device(managed=True).connects
    record = end_device(program=7, added=[9])
    assert (record.path, record.der, record.programs) == ("/edev/3", "/edev/3/der/1", [7, 9])


def test_an_event_of_a_node_is_a_control_for_each_device() -> None:
    node = event(control_id="c", node=True, per_device=("a", "b"))
    assert list(node.control_names) == ["c", "c:a", "c:b"]
    assert node.control_of("a") == "c:a"
    assert node.end == 150
    one = event(control_id="c")
    assert one.control_of("a") == "c"
    assert not one.server_made


def test_an_event_without_a_control_is_the_servers_unless_it_is_of_another_function_set() -> None:
    assert event().server_made
    assert list(event().control_names) == []
    assert not event(owner="/dr/1").server_made


def test_a_programs_controls_are_those_of_its_events_and_of_its_default() -> None:
    program = Program(
        number=2,
        mrid="AA",
        primacy=1,
        description="",
        target=Target(TargetKind.GROUP, "g"),
        owner=1,
        default_control="d",
        members={"b", "a"},
    )
    program.events["AA"] = event(control_id="c")
    assert program.control_names == ["c", "d", "d:a", "d:b"]
    assert (program.path, program.active, program.lists) == ("/derp/2", "/derp/2/actderc", ("/derp/2/derc",))
    assert program.responses == "/rsps/2/rsp"


def test_a_publication_is_for_those_it_is_assigned_to() -> None:
    publication = Publication(root="dr", number=4, assigned={3})
    assert publication.is_for(end_device())
    assert (publication.path, publication.responses) == ("/dr/4", "/rsps/dr4/rsp")
    both = EventSet(path="/tp/1/rc/1", events_at="/tp/1/rc/1/tti", active="", responses="", combined="/tp/1/cti")
    assert both.lists == ("/tp/1/rc/1/tti", "/tp/1/cti")
    assert EventSet(path="/dr/1", events_at="/dr/1/edc", active="", responses="").lists == ("/dr/1/edc",)
