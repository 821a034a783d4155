"""Who is to be assigned to which node program, and what end devices are assigned to afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.fleet import Group
from gridiface.northbound.sep2.programs.assigned import MOST_ASSIGNMENTS, Assigned, assignment_path


@pytest.fixture
async def kit(make_kit: Any) -> Any:
    found = await make_kit(node_programs=True)
    found.fleet.grouped["feeder"] = Group(id="feeder", members=("inv-1", "inv-2"), parent="fleet")
    found.fleet.grouped["fleet"] = Group(id="fleet", members=("bat-1", "inv-1", "inv-2"))
    await found.core.reconcile(found.clock.time)
    return found


async def test_who_is_to_be_assigned_and_to_what_it_comes(kit: Any) -> None:
    state = kit.core.state
    assigned = Assigned(state)
    feeder, fleet = state.nodes["feeder"], state.nodes["fleet"]
    inv = state.by_device["inv-1"]
    assert [record.device_id for record in assigned.speaking({"inv-2", "inv-1", "bat-1", "nobody"})] == [
        "inv-1",
        "inv-2",
    ]
    assert assigned.has(inv, feeder)
    assert not assigned.may_join(feeder, inv)
    # Both are assigned already: nobody comes.
    assert assigned.coming({feeder.number: {"inv-1", "inv-2"}, fleet.number: {"inv-1"}}) == {}
    state.tree.remove(assignment_path(inv, feeder))
    assert assigned.may_join(feeder, inv)
    coming = assigned.coming({feeder.number: {"inv-1", "inv-2"}, fleet.number: {"inv-1"}})
    assert coming == {feeder.number: [inv]}
    assigned.joined(fleet, inv)
    assert assigned.after([inv], coming=coming) == {inv.number: {feeder.number, fleet.number}}
    assert assigned.after([inv], leaving=[(fleet, inv)], coming=coming) == {inv.number: {feeder.number}}
    assigned.left(fleet, inv)
    assigned.joined(feeder, inv)
    assigned.forget(inv)
    assert assigned.after([inv]) == {inv.number: set()}


async def test_there_is_room_for_what_takes_the_place_of_what_leaves(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    state = kit.core.state
    feeder, fleet, inv = state.nodes["feeder"], state.nodes["fleet"], state.by_device["inv-1"]
    held = len(state.tree.listing(f"{inv.path}/fsa").items)
    assert held == 3 < MOST_ASSIGNMENTS
    monkeypatch.setattr("gridiface.northbound.sep2.programs.assigned.MOST_ASSIGNMENTS", held - 1)
    assigned = Assigned(state)
    state.tree.remove(assignment_path(inv, feeder))
    assert assigned.coming({feeder.number: {"inv-1"}}) == {}
    assert assigned.coming({feeder.number: {"inv-1"}}, [(fleet, inv)]) == {feeder.number: [inv]}
