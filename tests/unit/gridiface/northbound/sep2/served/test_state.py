"""The indexes of the server: found by every name, gone when dropped, and who may read what."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from tests.unit.gridiface.northbound.sep2.conftest import some_settings

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.sep2.served.nodes import Audience
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, Program

LFDI, AGGREGATOR = "AB" * 20, "CD" * 20


def end_device(number: int, lfdi: str, **more: Any) -> EndDeviceRecord:
    return EndDeviceRecord(number=number, lfdi=lfdi, sfdi=number, registered=0, changed=0, **more)


def event(mrid: str, program: int = 2, **more: Any) -> EventRecord:
    item: Any = SimpleNamespace(obj=SimpleNamespace(mRID=mrid))
    return EventRecord(item=item, program=program, **more)


@pytest.fixture
def state() -> State:
    return State(some_settings())


def test_an_end_device_is_found_by_every_name_and_by_none_when_it_is_dropped(state: State) -> None:
    record = end_device(3, LFDI, device_id="a", group_id="g")
    state.add_end_device(record)
    found = (state.end_devices[3], state.by_lfdi[LFDI], state.by_device["a"], state.by_group["g"])
    assert all(one is record for one in found)
    state.drop_end_device(record)
    assert [*state.end_devices, *state.by_lfdi, *state.by_device, *state.by_group] == []


def test_an_event_is_found_by_its_mrid_its_controls_and_for_a_while_when_it_is_gone(state: State) -> None:
    program = Program(number=2, mrid="P", primacy=1, description="", target=Target(TargetKind.GROUP, "g"), owner=1)
    state.programs[2] = program
    record = event("0A", control_id="c", node=True, per_device=("d",))
    state.add_event(record)
    assert state.events["A"] is record  # leading zeros do not count
    assert state.by_control == {"c": record, "c:d": record}
    assert program.events["0A"] is record
    assert list(state.parents_in(["c:d", "unknown"])) == [record]
    state.drop_event(record)
    assert state.by_control == {}
    assert "0A" not in program.events
    assert state.event_once("0A") is record
    assert state.event_once("0B") is None


def test_while_an_event_is_asked_of_the_engine_its_program_knows_it(state: State) -> None:
    program = Program(number=2, mrid="P", primacy=1, description="", target=Target(TargetKind.GROUP, "g"), owner=1)
    state.programs[2] = program
    record = event("0A")
    with state.posting(record):
        assert program.posting == [record]
    assert program.posting == []
    with state.posting(event("0B", program=9)):  # gone meanwhile
        pass


def test_who_acts_for_a_device_is_its_registrar_and_whom_the_operator_named(state: State) -> None:
    record = end_device(3, LFDI, device_id="a", manager=AGGREGATOR)
    state.add_end_device(record)
    assert record.managed
    assert state.manages == {AGGREGATOR: {"a"}}
    assert state.readers_of(record) == {LFDI, AGGREGATOR}
    record.manager, record.aggregators = None, ("EF" * 20,)
    state.settle_managers(record)
    assert state.manages == {AGGREGATOR: set(), "EF" * 20: {"a"}}
    record.aggregators = ()
    state.settle_managers(record)
    assert not record.managed


def test_who_reads_nothing_else_of_it_leaves_an_audience(state: State) -> None:
    gone = end_device(3, LFDI, device_id="a", manager=AGGREGATOR)
    stays = end_device(4, "12" * 20, device_id="b", manager=AGGREGATOR)
    for record in (gone, stays):
        state.add_end_device(record)
    audience = Audience(readers={LFDI, AGGREGATOR, "12" * 20})
    left = state.leave(audience, state.readers_of(gone), lambda record: record is stays)
    assert left == {LFDI}
    assert audience.readers == {AGGREGATOR, "12" * 20}


def test_a_device_fetches_its_own_program_those_that_were_added_and_those_of_its_nodes(state: State) -> None:
    def program(number: int, **more: Any) -> Program:
        made = Program(
            number=number, mrid=str(number), primacy=1, description="", target=Target(TargetKind.DEVICE, "a"), owner=3
        )
        return replace(made, **more)

    own, added, node = program(1), program(2), program(3, node=True, members={"a"})
    state.programs.update({1: own, 2: added, 3: node})
    state.nodes["g"] = node
    state.add_end_device(end_device(3, LFDI, device_id="a", program=1, added=[2, 99], pin=1))
    assert state.programs_of_device("a") == [own, added, node]
    assert state.programs_of_device("unknown") == []
    assert state.fetches_itself(Target(TargetKind.DEVICE, "a"))
    assert not state.fetches_itself(Target(TargetKind.GROUP, "a"))


def test_a_poll_rate_that_was_changed_counts(state: State) -> None:
    before = state.poll_rate("Time")
    state.poll_rates["Time"] = before + 5
    assert state.poll_rate("Time") == before + 5
    record = end_device(3, LFDI)
    assert state.post_rate_of(record) == state.settings.post_rate
    record.post_rate = 7
    assert state.post_rate_of(record) == 7
