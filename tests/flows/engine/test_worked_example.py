"""The worked example of docs/concepts/engine.md, step by step as the engine does it, and the page against it."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.gridiface.aggregation.conftest import T0, Bench, ask, battery

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.domain.controls import DeliveryOutcome
from gridiface.domain.fleet import Capability, Device, DeviceKind, Group, Nameplate

PAGE = Path(__file__).resolve().parents[3] / "docs/concepts/engine.md"


def feeder() -> Bench:
    able = frozenset({Capability.SET_W, Capability.LIMIT_W})
    roof = Device(id="roof", kind=DeviceKind.PV, nameplate=Nameplate(max_w=6_000.0, capabilities=able))
    devices = [battery("garage"), battery("shop"), battery("depot", 10_000.0), roof]
    engine = Engine(EngineConfig(trim_gain=0.0))
    for device in devices:
        engine.add_device(device, T0)
    engine.set_groups([Group(id="all", members=tuple(device.id for device in devices))], T0)
    world = Bench(engine)
    world.lies["roof"] = 3_000.0
    world.look()
    world.tick()
    return world


def powers(world: Bench) -> dict[str, int]:
    return {name: round(watts or 0.0) for name, watts in world.told.items() if name != "roof"}


def reasons(world: Bench, verdict: str) -> list[str]:
    return [one.reason for one in world.decisions if one.verdict == verdict]


def test_the_worked_example_is_what_the_engine_does() -> None:
    world = feeder()
    world.step(1, 3)
    start = world.now - T0
    world.submit(ask("event", start=start, duration=900.0, set_w=12_000.0, authority=1.0, created=world.now))
    world.submit(ask("agc", start=start, regulation=-1_000.0, authority=2.0, created=world.now))
    world.submit(ask("cap", start=start, export_limit=9_000.0, authority=5.0, created=world.now))
    world.outcome["shop"] = DeliveryOutcome.TIMEOUT
    world.deaf.add("shop")
    sent = {point.device_id: point for point in world.tick()}
    first = {name: round(sent[name].active_power_w or 0.0) for name in ("garage", "shop", "depot")}
    assert first == {"garage": 1_500, "shop": 1_500, "depot": 3_000}
    assert any("9000 W" in reason for reason in reasons(world, "limited"))
    assert reasons(world, "shortfall") == ["11000 W were asked, 9000 W can be reached"]
    assert powers(world)["depot"] == 3_000  # nobody is raised yet: the shop may have begun
    world.lies["shop"] = 0.0
    world.step(1, 2)
    assert {name: powers(world)[name] for name in ("garage", "depot")} == {"garage": 2_000, "depot": 4_000}
    assert [one.target.id for one in world.decisions if one.verdict == "failing"] == ["shop"]
    assert "re-allocated" in {one.verdict for one in world.decisions}
    world.engine.cancel("cap", world.now)
    world.step(1, 3)
    assert world.told["garage"] + world.told["depot"] + 3_000.0 == 11_000.0


def test_the_page_says_these_figures() -> None:
    text = PAGE.read_text(encoding="utf-8")
    example = re.search(r"## A worked example\n(.*?)\n## ", text, re.DOTALL)
    assert example is not None
    page = " ".join(example.group(1).split())
    for words in (
        "12 kW of the feeder for 15 minutes | 1 |",
        "regulation, -1 kW | 2 |",
        "export limit 9 kW | 5 |",
        "regulation makes it 11 kW; the limit cuts it to 9 kW",
        "11000 W were asked, 9000 W can be reached",
        "garage 1.5, shop 1.5, depot 3 kW",
        "garage 2, depot 4 kW",
        "the feeder goes to 11 kW",
    ):
        assert words in page, words
