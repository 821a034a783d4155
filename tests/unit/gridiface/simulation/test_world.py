"""The world's configuration is one that the server takes, in every plan."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from gridiface.app.config.load import parse_config
from gridiface.simulation.world import World, WorldPlan

PLANS = {
    "demo": WorldPlan(page_port=0),
    "in band": WorldPlan(batteries=2, inverters=1, in_band=True, page_port=0),
    "idle devices": WorldPlan(batteries=1, inverters=0, idle_devices=5, limits={"connections": 7}, page_port=0),
}


@pytest.fixture(params=PLANS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(PLANS[request.param])
    made.places = [{"host": "127.0.0.1", "port": 50_000 + n, "unit_id": 1} for n in range(made.plan.batteries)]
    yield made
    made._scratch.remove()


def test_server_takes_the_configuration(world: World) -> None:
    config = parse_config(yaml.safe_dump(world._server_config()), world.config)
    assert len(config.groups) == 3
    assert config.sep2 is not None
    assert config.sep2.in_band_registration is world.plan.in_band
    named = {name for group in config.groups for name in group.members}
    assert {d.id for d in config.devices if not d.id.startswith("idle")} <= named
