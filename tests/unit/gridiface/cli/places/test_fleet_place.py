"""Devices and groups defined in the store of a stopped server: the answers of the REST API, and its refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.cli.places.fleet_place import StoredFleet
from gridiface.errors import ConfigConflict, ConfigError

BATTERY = {"id": "b1", "driver": "sunspec", "connection": {"host": "127.0.0.1", "port": 1}, "rating": {"max_w": 5000}}


@pytest.fixture
def place(tmp_path: Path) -> StoredFleet:
    config = tmp_path / "gridiface.yaml"
    config.write_text("database: site.sqlite\noperator: {listen: 127.0.0.1:0}\n")
    return StoredFleet(config)


def test_what_is_added_is_there_in_its_group_until_it_is_removed(place: StoredFleet) -> None:
    assert place.add("groups", {"id": "north", "members": [], "reason": "new feeder"})["id"] == "north"
    added = place.add("devices", {**BATTERY, "group": "north", "reason": ""})
    assert (added["id"], added["driver"], added["group"]) == ("b1", "sunspec", "north")
    assert place.definition("groups", "north")[0]["members"] == ["b1"]
    moved = place.move("b1", None, "")
    assert (moved["group"], place.definition("groups", "north")[0]["members"]) == (None, [])
    changed = place.change("devices", "b1", {**BATTERY, "tier": 2}, "")
    assert (changed["tier"], changed["connection"]["port"]) == (2, 1)
    assert place.remove("devices", "b1", "sold")["id"] == "b1"
    with pytest.raises(ConfigError, match="no such device: 'b1'"):
        place.definition("devices", "b1")


def test_what_is_wrong_is_refused_and_changes_nothing(place: StoredFleet) -> None:
    place.add("devices", {**BATTERY, "group": None, "reason": ""})
    with pytest.raises(ConfigConflict):
        place.add("devices", {**BATTERY, "group": None, "reason": ""})
    with pytest.raises(ConfigError, match="nonesuch"):
        place.move("b1", "nonesuch", "")
    with pytest.raises(ConfigError, match="tiers"):
        place.change("devices", "b1", {**BATTERY, "tiers": 2}, "")
    found = place.definition("devices", "b1")[0]
    assert (found["group"], found["tier"]) == (None, 1)
