"""Portfolios over the real engine: kept, replaced, refused, and what they can surely give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.portfolio_desk import SPACE, PortfolioDesk
from gridiface.domain.fleet import Device, Group, Nameplate
from gridiface.domain.ports import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import RemoteProtocolError

NOW = 1_000_000.0
ASSET = {"id": "b1", "asset_type": "battery", "zip": "94105", "capacity_kwh": 10.0, "max_discharge_kw": 5.0}
BODY = {"name": "north", "assets": [ASSET, {**ASSET, "id": "elsewhere"}]}


class Ledger:
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case PutDocument(_, key, body):
                    self.kept[key] = body
                case DeleteDocument(_, key):
                    self.kept.pop(key, None)

    async def documents(self, space: str) -> list[Document]:
        return [Document(space, key, body) for key, body in self.kept.items()]


def engine(soc: float) -> Engine:
    made = Engine(EngineConfig(), seed=1)
    made.add_device(Device(id="b1", nameplate=Nameplate(max_w=5000.0, energy_wh=10_000.0)), NOW)
    made.set_groups([Group(id="feeder", members=("b1",), max_export_w=2000.0)], NOW)
    made.observe([Snapshot(device_id="b1", source_time=NOW, received=NOW, w=0.0, soc=soc)], NOW)
    return made


PROGRAM = {"market_context": "http://program", "group": "feeder"}


def config() -> Config:
    ven = {
        "name": "utility",
        "url": "https://127.0.0.1",
        "programs": [PROGRAM],
        "tls": {"certificate": "c", "key": "k", "roots": ["r"]},
    }
    return Config.model_validate({"openadr": {"vens": [ven]}})


async def test_status_is_a_lower_bound_within_the_groups_caps() -> None:
    ledger = Ledger()
    desk = PortfolioDesk(ledger, engine(0.9), Config())
    await desk.put("p", BODY, along=[])
    found = desk.status("p", NOW + 1)
    assert (found["assets"], found["observed_assets"], found["nameplate_capacity_kw"]) == (2, 1, 10.0)
    assert 0 < found["dispatchable_capacity_kw"] <= 2.0, "the feeder lets 2 kW through; nobody heard of the other one"
    assert found["interconnect_constraints"]["feeder"]["binding"]
    assert all(market["gap_kw"] > 0 for market in found["wholesale_market_eligibility"].values())
    empty = PortfolioDesk(ledger, engine(0.0), Config())
    await empty.load()
    assert empty.status("p", NOW + 1)["dispatchable_capacity_kw"] == 0


async def test_portfolios_outlive_a_restart_and_go() -> None:
    ledger = Ledger()
    desk = PortfolioDesk(ledger, engine(0.5), Config())
    await desk.put("p", BODY, along=[])
    again = PortfolioDesk(ledger, engine(0.5), Config())
    await again.load()
    assert again.one("p") == {"id": "p", **BODY}
    await again.remove("p", along=[])
    assert again.names() == {}
    assert not ledger.kept
    assert SPACE


async def test_an_id_that_stands_twice_is_refused() -> None:
    desk = PortfolioDesk(Ledger(), engine(0.5), Config())
    with pytest.raises(RemoteProtocolError, match="twice"):
        await desk.put("p", {"name": "n", "assets": [ASSET, ASSET]}, along=[])
    assert desk.one("p") is None


async def test_assets_are_held_against_the_programs_of_the_configuration() -> None:
    rules = [
        {"program": "http://program", "min_kw": 4, "zips": ["94"]},
        {"program": "storage", "asset_types": ["battery"], "min_hours": 4, "exclusive_with": ["http://program"]},
        {"program": "metered", "metering_interval_s": 900},
    ]
    whole = Config.model_validate({**config().model_dump(mode="json", exclude_unset=True), "enrolment": rules})
    desk = PortfolioDesk(Ledger(), engine(0.5), whole)  # type: ignore[arg-type]  # as much of a ledger as it needs
    far = {**ASSET, "id": "far", "zip": "10001", "metering_interval_s": 300}
    await desk.put("p1", {"name": "north", "assets": [ASSET, far]}, along=[])
    found = desk.qualification("p1", NOW)
    assert (found["id"], found["name"], found["computed"]) == ("p1", "north", NOW)
    by_name = {one["program"]: one for one in found["programs"]}
    first, second, third = by_name["http://program"], by_name["storage"], by_name["metered"]
    assert (first["qualified"], first["qualified_kw"], first["enrolled"]) == (("b1",), 5.0, ("b1",))
    assert first["refused"] == [
        {"asset_id": "far", "program": "http://program", "failures": ("is at 10001, outside 94",)}
    ]
    assert second["qualified"] == ("far",)
    assert second["refused"][0]["failures"] == ("already in http://program, which storage excludes",)
    assert (third["qualified"], third["refused"][0]["asset_id"]) == (("far",), "b1")


async def test_without_programs_in_the_configuration_there_is_nothing_to_qualify_for() -> None:
    desk = PortfolioDesk(Ledger(), engine(0.5), config())  # type: ignore[arg-type]  # as much of a ledger as it needs
    await desk.put("p1", BODY, along=[])
    assert desk.qualification("p1", NOW)["programs"] == []


async def test_programs_exclude_each_other_and_reserved_parts_are_programs() -> None:
    rules = [{"program": "capacity", "exclusive_with": ["flex"]}, {"program": "flex"}, {"program": "other"}]
    made = engine(0.5)
    made.set_groups([Group(id="feeder", members=("b1",), shares={"capacity": 0.5})], NOW)
    desk = PortfolioDesk(Ledger(), made, Config.model_validate({"enrolment": rules}))  # type: ignore[arg-type]  # as above
    await desk.put("p1", BODY, along=[])
    capacity, flex, other = desk.qualification("p1", NOW)["programs"]
    assert (capacity["enrolled"], "b1" in capacity["qualified"]) == (("b1",), True)
    refused = {one["asset_id"]: one["failures"] for one in flex["refused"]}
    assert refused == {"b1": ("already in capacity, which excludes flex",)}
    assert not other["refused"]
    assert [one["program"] for one in desk.status("p1", NOW)["dr_programs"]] == ["capacity"]


async def test_markets_of_a_file_take_the_place_of_those_of_the_package(tmp_path: Path) -> None:
    mine = tmp_path / "markets.toml"
    lines = [
        "[[market]]",
        'id = "mine"',
        'name = "Mine"',
        "min_aggregation_kw = 1",
        "checked = 2026-01-01",
        'source = "a tariff"',
    ]
    mine.write_text("\n".join(lines))
    desk = PortfolioDesk(Ledger(), engine(0.9), Config(markets=mine))  # type: ignore[arg-type]  # as above
    await desk.put("p", BODY, along=[])
    assert set(desk.status("p", NOW + 1)["wholesale_market_eligibility"]) == {"mine"}
