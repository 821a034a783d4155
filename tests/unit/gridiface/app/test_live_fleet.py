"""Who may be adopted, and whose certificate is free; the whole walk is tests/loopback/operator/test_fleet.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridiface.app.config.load import parse_config
from gridiface.app.fleet.fleet_desk import FleetChange
from gridiface.app.fleet.members import Members
from gridiface.app.live_fleet import LiveFleet
from gridiface.app.wiring import GridServer
from gridiface.domain.definitions import DeviceEntry
from gridiface.domain.fleet import Device, Nameplate
from gridiface.errors import ConfigError

TEXT = "operator: null\n"


async def test_only_2030_5_devices_are_adopted(tmp_path: Path) -> None:
    server = GridServer(parse_config(TEXT, tmp_path / "g.yaml"))
    await server.start()
    try:
        live = LiveFleet(server, Members(server.config), lambda change: None)
        plate = Nameplate(max_w=1.0)
        server.engine.add_device(Device(id="i", nameplate=plate, driver="sep2", identities={"lfdi": "AB" * 20}), 1.0)
        server.engine.add_device(Device(id="v", nameplate=plate, driver="openadr"), 1.0)
        adopted = live.adopt("i")
        assert adopted is not None
        assert adopted.connection == {"lfdi": "AB" * 20}
        assert live.adopt("v") is None
        assert live.adopt("nobody") is None
    finally:
        await server.stop()


async def test_a_driver_that_refuses_its_keys_stops_the_change_before_it_is_durable(tmp_path: Path) -> None:
    server = GridServer(parse_config(TEXT, tmp_path / "g.yaml"))
    await server.start()
    try:
        live = LiveFleet(server, Members(server.config), lambda change: None)
        entry = DeviceEntry(id="n", driver="sunspec", connection={"hots": "h"})
        after = server.config.model_copy(update={"devices": (entry,)})
        with pytest.raises(ConfigError, match="hots"):
            live.prepare(FleetChange(server.config, after))
        assert server.fleet is not None
        with pytest.raises(ConfigError, match="hots"):
            await server.fleet.add_device(entry, 1.0)
        assert server.store is not None
        assert await server.store.documents("app/fleet/device") == []
    finally:
        await server.stop()
