"""Roofs under a standing set-point give what the sun gives again after a cloud, and after a night, however led."""

from typing import Any

import pytest

from gridiface.domain.fleet import Capability, DeviceKind

SET_W, LIMIT_W = Capability.SET_W, Capability.LIMIT_W


@pytest.mark.parametrize("cloud", [1_000.0, 20.0, 0.0], ids=["cloud", "dusk", "night"])
@pytest.mark.parametrize("able", [{SET_W, LIMIT_W}, {SET_W}, {LIMIT_W}], ids=["both", "power", "ceiling"])
def test_the_sun_comes_back(make_world: Any, make_battery: Any, ask: Any, able: set[Capability], cloud: float) -> None:
    plate = {"kind": DeviceKind.PV, "energy_wh": None, "max_charge_w": 0.0, "capabilities": frozenset(able)}
    roofs = [make_battery(name, **plate) for name in ("r0", "r1")]
    world = make_world(devices=[*roofs, make_battery("b0", max_w=10_000.0, max_charge_w=10_000.0, energy_wh=1e6)])

    def sun(watts: float) -> None:
        for roof in roofs:
            world.units[roof.id].natural_w = watts

    def there() -> list[float]:
        return [world.units[name].w for name in ("r0", "r1", "b0")]

    sun(4_000.0)
    world.run(5)
    world.submit(ask("c", duration=None, set_w=9_000.0))
    world.run(30)
    assert there() == pytest.approx([4_000.0, 4_000.0, 1_000.0], abs=20.0)
    sun(cloud)
    world.run(40)
    assert there() == pytest.approx([cloud, cloud, 9_000.0 - 2 * cloud], abs=20.0)
    sun(4_000.0)
    for _ in range(150):
        world.run(1)
        assert world.total <= 9_000.0 + 2 * 0.06 * 5_000.0  # no more than what is tried at a time
    assert there() == pytest.approx([4_000.0, 4_000.0, 1_000.0], abs=20.0)
