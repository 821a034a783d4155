"""What looks like a mistake in a register table; templates have none."""

from __future__ import annotations

from importlib import resources
from typing import Any

import pytest

from gridiface_southbound.modbus.config import ModbusConfig

TEMPLATES = sorted(
    entry.name.removesuffix(".yaml")
    for entry in (resources.files("gridiface_southbound.modbus") / "templates").iterdir()
    if entry.name.endswith(".yaml")
)


def hinted(*points: dict[str, Any], kind: str = "battery", base: int = 0) -> list[str]:
    told = [{"name": f"p{n}", "type": "int16", **point} for n, point in enumerate(points)]
    table = {"kind": kind, "address_base": base, "nameplate": {"max_w": 1}, "points": told}
    return list(ModbusConfig.model_validate({"host": "h", "table": table}).hints())


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_have_none(name: str) -> None:
    assert list(ModbusConfig.model_validate({"host": "h", "table": name}).hints()) == []


@pytest.mark.parametrize(
    ("area", "address", "number"), [("holding", 40072, 72), ("input", 30001, 1), ("discrete", 10100, 100)]
)
def test_numbers_of_a_manual_that_begin_with_the_digit_of_their_area(area: str, address: int, number: int) -> None:
    kind = "bit" if area == "discrete" else "int16"
    (hint,) = hinted({"area": area, "address": address, "type": kind})
    assert f"p0: {area} {address} is on the wire as {address}" in hint
    assert f"write {number} with address_base: 1" in hint


def test_other_addresses_are_what_they_are() -> None:
    assert hinted({"address": 40072}, {"address": 200}) == []
    assert hinted({"address": 50_000}) == []
    assert hinted({"address": 40_000}) == []


def test_registers_of_two_points() -> None:
    (hint,) = hinted({"address": 10, "type": "int32"}, {"address": 11}, {"address": 12})
    assert hint == "p0 and p1 overlap: 2 from 10 and 1 from 11 on the wire (holding)"
    assert hinted({"address": 10}, {"address": 10, "type": "bitfield", "bits": {0: "hot"}, "meaning": "alarms"}) == []


def test_a_power_that_knows_one_direction() -> None:
    power = {"address": 1, "meaning": "w", "unit": "W", "positive": "taken"}
    (hint,) = hinted({**power, "type": "uint16"})
    assert hint == "p0: uint16 knows one direction of power alone; a battery has two (int16, int32)"
    assert hinted({**power, "type": "uint16", "offset": -32768}) == []
    assert hinted({**power, "type": "uint16"}, kind="load") == []
    assert hinted({**power, "type": "int16"}) == []
