"""Plans of fleet changes: durable with their audit entry or not at all; what they stand against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gridiface.app.config.model import Config
from gridiface.app.fleet.fleet_desk import FleetChange, FleetDesk
from gridiface.app.fleet.overlay import Overlay
from gridiface.domain.changes import Change, Document, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.definitions import DeviceEntry, GroupEntry
from gridiface.errors import ConfigConflict, ConfigError, StoreUnavailable

FILE = Config.model_validate(
    {
        "devices": [{"id": name, "driver": "sunspec"} for name in ("a", "b")],
        "groups": [{"id": "g", "members": ["a"]}, {"id": "h", "members": ["b"]}],
        "schedules": [{"id": "s", "group": "h", "start": "10:00", "end": "11:00", "set_w": 1}],
    }
)


@dataclass
class Ledger:
    kept: list[Change] = field(default_factory=list)
    down: bool = False

    async def commit(self, changes: Sequence[Change]) -> None:
        if self.down:
            raise StoreUnavailable("the disk is full")
        self.kept += changes

    async def documents(self, space: str) -> list[Document]:
        return []


class House:
    def __init__(self, *controls: Control) -> None:
        self.ledger = Ledger()
        self.applied: list[FleetChange] = []

        async def live(now: float) -> Sequence[Control]:
            return controls

        async def apply(change: FleetChange, now: float) -> None:
            self.applied.append(change)

        self.desk = FleetDesk(FILE, Overlay(), self.ledger, controls=live, apply=apply)


def device(name: str) -> DeviceEntry:
    return DeviceEntry(id=name, driver="sunspec")


NOTE = PutDocument("operator/audit", "1", b"{}")


async def test_a_change_and_its_audit_entry_are_one_transaction() -> None:
    house = House()
    await house.desk.add_device(device("c"), 1.0, group="g", along=[NOTE])
    assert [change.key for change in house.ledger.kept if isinstance(change, PutDocument)] == ["c", "g", "1"]
    (change,) = house.applied
    assert [(before, entry.id) for before, entry in change.changed()] == [(None, "c")]
    assert house.desk.device("c") == {**house.desk.device("c"), "group": "g", "origin": "added"}  # type: ignore[dict-item]


async def test_a_store_that_is_away_changes_nothing() -> None:
    house = House()
    house.ledger.down = True
    with pytest.raises(StoreUnavailable):
        await house.desk.move_device("a", "h", 1.0)
    assert house.desk.config == FILE
    assert not house.applied


async def test_moving_back_leaves_no_trace() -> None:
    house = House()
    await house.desk.move_device("a", "h", 1.0)
    assert [group.members for group in house.desk.config.groups] == [(), ("b", "a")]
    await house.desk.move_device("a", "g", 2.0)
    assert set(house.desk.overlay.groups) == {"h"} or not house.desk.overlay.groups
    assert house.desk.config == FILE


async def test_what_stands_against_a_removal() -> None:
    running = Control(
        id="c1",
        source=Source(protocol="sep2"),
        target=Target(TargetKind.DEVICE, "a"),
        values={ControlMode.SET_W: ModeValue(1.0)},
        interval=Interval(0.0, 100.0),
        created=0.0,
    )
    house = House(running)
    with pytest.raises(ConfigConflict, match="c1"):
        await house.desk.remove_device("a", 50.0)
    with pytest.raises(ConfigConflict, match="schedules"):
        await house.desk.remove_group("h", 50.0)
    assert not house.ledger.kept
    await house.desk.remove_device("b", 50.0)
    assert [entry.id for entry in house.applied[0].gone()] == ["b"]
    await house.desk.remove_group("g", 50.0)
    assert house.applied[1].groups_gone() == ["g"]


async def test_unknown_things_and_taken_names() -> None:
    house = House()
    with pytest.raises(ConfigConflict, match="there already"):
        await house.desk.add_group(GroupEntry(id="a", members=()), 1.0)
    with pytest.raises(ConfigError, match="nobody"):
        await house.desk.add_device(device("c"), 1.0, group="nobody")
    await house.desk.add_group(GroupEntry(id="g2", members=("g", "h")), 1.0)
    with pytest.raises(ConfigError, match="has one parent"):
        await house.desk.add_group(GroupEntry(id="g3", members=("g",)), 1.0)
    with pytest.raises(ConfigConflict, match="openadr"):
        await house.desk.move_device("ven-device", "g", 1.0)
    with pytest.raises(ConfigError, match="no device"):
        await house.desk.change_device(device("z"), 1.0)


async def test_another_file_below_the_changes() -> None:
    house = House()
    await house.desk.add_device(device("c"), 1.0)
    smaller = FILE.model_copy(update={"devices": FILE.devices[:1], "groups": FILE.groups[:1], "schedules": ()})
    await house.desk.reread(smaller, 2.0)
    assert [entry.id for entry in house.desk.config.devices] == ["a", "c"]
    assert [entry.id for entry in house.applied[-1].gone()] == ["b"]
