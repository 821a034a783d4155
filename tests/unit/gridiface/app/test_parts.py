"""What the overview says of each part of a server, and what peers are called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gridiface.app.parts import parts_of, peers_of
from gridiface.operator.parts import PartHealth


def server(**changes: Any) -> Any:
    device = SimpleNamespace(id="a", driver="sunspec")
    parts: dict[str, Any] = {
        "engine": SimpleNamespace(silent=dict, devices=lambda: [device], device=lambda name: device),
        "store": SimpleNamespace(trouble=""),
        "config": SimpleNamespace(sep2=None),
    }
    return SimpleNamespace(**(parts | changes))


def said(found: Any) -> dict[str, tuple[str, str]]:
    return {one.name: (one.state, one.text) for one in parts_of(found, [])}


def test_drivers_and_store() -> None:
    assert said(server()) == {
        "driver sunspec": ("ok", "1 of 1 devices answer"),
        "store": ("ok", "everything that was acknowledged is durable"),
    }
    broken = server(store=SimpleNamespace(trouble="the disk is full"))
    assert said(broken)["store"] == ("down", "the disk is full")


def test_a_driver_whose_devices_are_silent_is_down_and_one_of_whose_some_are_is_degraded() -> None:
    devices = {name: SimpleNamespace(id=name, driver=driver) for name, driver in zip("abc", "xxy", strict=True)}
    silent = {"a": None, "c": None, "gone": None}
    engine = SimpleNamespace(silent=lambda: silent, devices=devices.values, device=devices.get)
    found = said(server(engine=engine))
    assert found["driver x"] == ("degraded", "1 of 2 devices answer")
    assert found["driver y"] == ("down", "0 of 1 devices answer")


def test_what_fronts_say_comes_first() -> None:
    part = PartHealth(name="sep2", title="IEEE 2030.5 server", state="ok", text="port 8443")
    front = SimpleNamespace(health=lambda: iter([part]))
    assert [one.name for one in parts_of(server(), [front])] == ["sep2", "driver sunspec", "store"]


def test_peers_are_called_by_their_configured_names() -> None:
    clients = [
        SimpleNamespace(name="utility", device=None, lfdi="AA", certificate=None),
        SimpleNamespace(name="", device="inverter1", lfdi="BB", certificate=None),
        SimpleNamespace(name="", device=None, lfdi="CC", certificate=None),
    ]
    found = peers_of(server(config=SimpleNamespace(sep2=SimpleNamespace(clients=clients))))
    assert found == {"AA": "utility", "BB": "inverter1"}
