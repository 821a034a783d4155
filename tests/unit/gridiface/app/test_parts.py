"""What the overview says of each part of a server, and what peers are called."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from gridiface.app.parts import parts_of, peers_of
from gridiface.domain.telemetry import Quality


def server(**changes: Any) -> Any:
    device = SimpleNamespace(id="a", driver="sunspec")
    parts: dict[str, Any] = {
        "sep2": None,
        "vtn": None,
        "vens": [],
        "dnp3": None,
        "engine": SimpleNamespace(qualities=lambda: {"a": Quality.GOOD, "b": None}, devices=lambda: [device]),
        "store": SimpleNamespace(trouble=""),
        "config": SimpleNamespace(sep2=None),
    }
    return SimpleNamespace(**(parts | changes))


def said(found: Any) -> dict[str, tuple[str, str]]:
    return {one.name: (one.state, one.text) for one in parts_of(found)}


def test_drivers_and_store() -> None:
    assert said(server()) == {
        "driver sunspec": ("ok", "1 of 1 devices answer"),
        "store": ("ok", "everything that was acknowledged is durable"),
    }
    broken = server(store=SimpleNamespace(trouble="the disk is full"))
    assert said(broken)["store"] == ("down", "the disk is full")


def test_protocols() -> None:
    counts = SimpleNamespace(requests=7, refused=1, failed=0)
    core = SimpleNamespace(state=SimpleNamespace(end_devices={"x": 1}))
    ven = SimpleNamespace(settings=SimpleNamespace(name="utility"), up=False)
    vens = {"v1": SimpleNamespace(registered=True), "v2": SimpleNamespace(registered=False)}
    found = said(
        server(
            sep2=SimpleNamespace(counts=counts, core=core, port=8443),
            vtn=SimpleNamespace(port=8081, core=SimpleNamespace(vens=vens)),
            vens=[ven],
        )
    )
    assert found["sep2"] == ("ok", "port 8443, 1 end devices, 7 requests, 1 refused")
    assert found["vtn"] == ("degraded", "port 8081, 1 of 2 VENs registered")
    assert found["ven utility"][0] == "down"
    counts.failed = 2
    assert said(server(sep2=SimpleNamespace(counts=counts, core=core, port=1)))["sep2"][0] == "degraded"


def test_peers_are_called_by_their_configured_names() -> None:
    clients = [
        SimpleNamespace(name="utility", device=None, lfdi="AA", certificate=None),
        SimpleNamespace(name="", device="inverter1", lfdi="BB", certificate=None),
        SimpleNamespace(name="", device=None, lfdi="CC", certificate=None),
    ]
    found = peers_of(server(config=SimpleNamespace(sep2=SimpleNamespace(clients=clients))))
    assert found == {"AA": "utility", "BB": "inverter1"}
