"""Checks across the block of DNP3."""

from __future__ import annotations

from typing import Any

from gridiface.app.config.dnp3 import Dnp3
from gridiface.app.config.dnp3_checks import dnp3_checks


def station(name: str, address: int, **more: Any) -> dict[str, Any]:
    return {"name": name, "address": address, "group": "g", "masters": [{"name": "m", "address": 1}], **more}


def told(*outstations: dict[str, Any], endpoints: Any = ({"listen": "127.0.0.1:0"},)) -> list[str]:
    block = Dnp3.model_validate({"outstations": outstations, "endpoints": endpoints})
    return [".".join(map(str, place)) + ": " + text for place, text in dnp3_checks(block)]


def test_what_differs_is_right() -> None:
    assert told(station("a", 10), station("b", 11)) == []


def test_names_and_addresses_of_outstations_differ() -> None:
    found = told(station("a", 10), station("a", 10))
    assert found == [
        "outstations.1.name: 'a' is used more than once; each outstation needs its own name",
        "outstations.1.address: link address 10 is another outstation's behind 127.0.0.1:0; give each its own address",
    ]


def test_one_address_behind_two_end_points_is_right() -> None:
    endpoints = [{"listen": "127.0.0.1:1", "outstations": ["a"]}, {"listen": "127.0.0.1:2", "outstations": ["b"]}]
    assert told(station("a", 10), station("b", 10), endpoints=endpoints) == []


def test_an_end_point_names_outstations_that_exist() -> None:
    endpoints = [{"listen": "127.0.0.1:0", "outstations": ["gatewy"]}]
    found = told(station("gateway", 10), endpoints=endpoints)
    assert found == ["endpoints.0.outstations.0: no outstation 'gatewy'; did you mean 'gateway'?"]


def test_an_outstation_that_no_master_can_reach_is_told() -> None:
    endpoints = [{"listen": "127.0.0.1:0", "outstations": ["a"]}]
    [found] = told(station("a", 10), station("b", 11), endpoints=endpoints)
    assert found.startswith("outstations.1.name: no end point has 'b' behind it: no master can reach it; name it in")
    assert told(station("a", 10), station("b", 11), endpoints=[*endpoints, {"listen": "127.0.0.1:1"}]) == []


def test_masters_of_an_outstation_differ() -> None:
    masters = [{"name": "m", "address": 1}, {"name": "m", "address": 1}]
    found = told(station("a", 10, masters=masters))
    assert [one.partition(":")[0] for one in found] == [
        "outstations.0.masters.1.address",
        "outstations.0.masters.1.name",
    ]


def test_a_point_by_hand_stands_there_once() -> None:
    points = [{"type": "analog input", "index": 3, "measure": name} for name in ("w", "var")]
    other = {"type": "counter", "index": 3, "measure": "w"}
    found = told(station("a", 10, points=[*points, other]))
    assert [one.partition(";")[0] for one in found] == ["outstations.0.points.1.index: analog input 3 is there already"]
