"""Portfolios over the real engine: kept, replaced, refused, and what they can surely give."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gridiface.aggregation.config import EngineConfig
from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.desks.portfolio_desk import SPACE, PortfolioDesk
from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.envelope import FleetChanged
from gridiface.domain.fleet import Capability, Constraints, Device, DeviceKind, Group, Nameplate
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


ABLE = frozenset({Capability.SET_W, Capability.LIMIT_W})


def engine(soc: float, **more: Any) -> Engine:
    made = Engine(EngineConfig(), seed=1)
    plate = Nameplate(max_w=5000.0, max_charge_w=5000.0, energy_wh=10_000.0, capabilities=ABLE)
    made.add_device(Device(id="b1", nameplate=plate, **more), NOW)
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
    found = await desk.status("p", NOW + 1)
    assert (found["assets"], found["observed_assets"], found["nameplate_capacity_kw"]) == (2, 1, 10.0)
    assert 0 < found["dispatchable_capacity_kw"] <= 2.0, "the feeder lets 2 kW through; nobody heard of the other one"
    assert found["interconnect_constraints"]["feeder"]["binding"]
    assert all(market["gap_kw"] > 0 for market in found["wholesale_market_eligibility"].values())
    empty = PortfolioDesk(ledger, engine(0.0), Config())
    await empty.load()
    assert (await empty.status("p", NOW + 1))["dispatchable_capacity_kw"] == 0


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
    assert [one["program"] for one in (await desk.status("p1", NOW))["dr_programs"]] == ["capacity"]


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
    assert set((await desk.status("p", NOW + 1))["wholesale_market_eligibility"]) == {"mine"}


async def status(made: Engine, *assets: dict[str, Any], name: str = "p", whole: Config | None = None) -> Any:
    desk = PortfolioDesk(Ledger(), made, whole or Config())  # type: ignore[arg-type]  # as above
    await desk.put(name, {"name": "n", "assets": list(assets) or [ASSET]}, along=[])
    return await desk.status(name, NOW + 1)


async def test_what_begins_within_the_hour_is_left_out_and_said() -> None:
    made = engine(0.9, constraints=Constraints(daily_wh=1_500.0))
    found = await status(made)
    # By its charge 0.85 x 10 kWh carry 5 kW for an hour; today it may still move 1.5 kWh.
    assert found["dispatchable_capacity_kw"] == pytest.approx(1.5, rel=0.01)
    (less,) = found["withheld"]
    assert (less["cause"], less["kw"], less["assets"]) == ("daily_cap", pytest.approx(3.5, rel=0.01), 1)
    assert found["hold_h"] == 1.0
    out = await status(engine(0.9, away=(Interval(NOW + 3_000, 60.0),)))
    assert (out["dispatchable_capacity_kw"], [one["cause"] for one in out["withheld"]]) == (0.0, ["opted_out"])
    later = await status(engine(0.9, away=(Interval(NOW + 3_700, 60.0),)))
    assert (later["dispatchable_capacity_kw"], later["withheld"]) == (2.0, ()), "only the feeder's 2 kW are in its way"


async def test_a_limit_that_comes_within_the_hour_caps_its_group() -> None:
    made = engine(0.9)
    control = Control(
        id="c",
        source=Source(protocol="sep2", program="p"),
        target=Target(TargetKind.GROUP, "feeder"),
        values={ControlMode.EXPORT_LIMIT: ModeValue(700.0)},
        interval=Interval(NOW + 1_800, 60.0),
        created=NOW,
    )
    made.admit(made.decide(control, NOW)[1], NOW)
    found = await status(made)
    assert found["dispatchable_capacity_kw"] == pytest.approx(0.7)
    assert found["interconnect_constraints"]["feeder"]["max_export_kw"] == pytest.approx(0.7)


async def test_a_load_can_take_less_a_generator_delivers_what_it_delivers_now_too() -> None:
    made = engine(0.5)
    plate = Nameplate(max_w=0.0, max_charge_w=4_000.0, capabilities=ABLE)
    made.add_device(Device(id="heater", nameplate=plate, kind=DeviceKind.LOAD), NOW)
    plate = Nameplate(max_w=6_000.0, max_charge_w=0.0, capabilities=ABLE)
    made.add_device(Device(id="engine", nameplate=plate, kind=DeviceKind.GENERATOR), NOW)
    snapshots = [
        Snapshot(device_id="heater", source_time=NOW, received=NOW, w=-3_000.0),
        Snapshot(device_id="engine", source_time=NOW, received=NOW, w=4_000.0, available_up_w=2_000.0),
    ]
    made.observe(snapshots, NOW)
    heater = {**ASSET, "id": "heater", "asset_type": "load", "capacity_kwh": 0.0}
    generator = {**ASSET, "id": "engine", "asset_type": "generator", "capacity_kwh": 0.0, "max_discharge_kw": 8.0}
    assert (await status(made, heater))["dispatchable_capacity_kw"] == pytest.approx(3.0)
    assert (await status(made, generator))["dispatchable_capacity_kw"] == pytest.approx(6.0)


async def test_an_asset_of_two_portfolios_is_named_in_both_and_counts_for_no_market(tmp_path: Path) -> None:
    mine = tmp_path / "markets.toml"
    line = 'id = "m"\nname = "M"\nmin_aggregation_kw = 1\nchecked = 2026-01-01\nsource = "a tariff"\n'
    mine.write_text(f"[[market]]\n{line}")
    desk = PortfolioDesk(Ledger(), engine(0.9), Config(markets=mine))  # type: ignore[arg-type]  # as above
    numbered = {**ASSET, "id": "2", "max_discharge_kw": 1.0}
    await desk.put("p", {"name": "n", "assets": [ASSET, numbered]}, along=[])
    alone = (await desk.status("p", NOW + 1))["wholesale_market_eligibility"]["m"]
    assert (alone["qualified_kw"], alone["eligible"], alone["left_out"]) == (3.0, True, ())
    await desk.put("q", {"name": "n", "assets": [{**ASSET, "id": "1"}, {**ASSET, "id": "2"}, ASSET]}, along=[])
    first, second = [await desk.status(name, NOW + 1) for name in "pq"]
    assert (first["also_in"], second["also_in"]) == ({"b1": ("q",)}, {"b1": ("p",)}), "2 is a number, not a name"
    market = first["wholesale_market_eligibility"]["m"]
    assert (market["qualified_kw"], market["left_out"]) == (1.0, ("b1",))
    assert [one["rule"] for one in market["checks"] if not one["ok"]] == ["other_portfolio"]
    assert first["dispatchable_capacity_kw"] == 2.0, "it can be dispatched all the same"
    await desk.remove("q", along=[])
    again = await desk.status("p", NOW + 1)
    assert (again["also_in"], again["wholesale_market_eligibility"]["m"]["qualified_kw"]) == ({}, 3.0)


async def test_what_is_reserved_to_a_program_is_committed_to_it() -> None:
    made = engine(0.2)
    made.set_groups([Group(id="feeder", members=("b1",), shares={"openadr:http://program": 0.5, "flex": 0.25})], NOW)
    found = await status(made, whole=config())
    programs = {one["program"]: one for one in found["dr_programs"]}
    # 0.5 x 5 kW are reserved; (0.20 - 0.05) x 10 kWh are 1.5 kW for an hour.
    own = programs["http://program"]
    assert (own["committed_kw"], own["dispatchable_kw"]) == (2.5, pytest.approx(1.5, rel=0.01))
    assert own["shortfall_kw"] == pytest.approx(1.0, rel=0.01)
    assert (programs["flex"]["committed_kw"], len(programs)) == (1.25, 2), "the reserved part is that program's"
    (none,) = (await status(engine(0.2), whole=config()))["dr_programs"]
    assert (none["committed_kw"], none["shortfall_kw"]) == (None, None)


async def test_a_fleet_that_does_not_rest_is_said() -> None:
    made = engine(0.9)

    def restless(*_: object) -> Any:
        raise FleetChanged("devices came or went")

    made.sure = restless  # type: ignore[method-assign]  # as a fleet that changes at each look
    with pytest.raises(FleetChanged):
        await status(made)
