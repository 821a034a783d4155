"""Devices and groups added, changed, moved and removed while a whole server runs: REST, command line, restart."""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from tests.waiting import until
from typer.testing import CliRunner

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli import main
from gridiface.client import ApiError, AsyncClient, Client
from gridiface.errors import ConfigError, GridifaceError
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.server import Simulation

RUN = CliRunner()
LFDI = "CD" * 20
ASSET = {"id": "one", "asset_type": "battery", "zip": "94105", "capacity_kwh": 10.0, "max_discharge_kw": 5.0}


def invoke(*words: str) -> tuple[int, str]:
    result = RUN.invoke(main.app, list(words))
    if isinstance(result.exception, GridifaceError):
        return 2 if isinstance(result.exception, ConfigError) else 1, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


class Site:
    """A server with a 2030.5 listener and two rated devices that are not there, and a simulated one that is."""

    def __init__(self, folder: Path, config: Path, simulation: Simulation) -> None:
        self.config = config
        self.token_file = folder / "admin.token"
        self.simulation = simulation
        self.server: GridServer | None = None

    async def start(self) -> GridServer:
        self.server = GridServer(load_config(self.config))
        await self.server.start()
        return self.server

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()

    @property
    def running(self) -> GridServer:
        assert self.server is not None
        return self.server

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
        sent = {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"http://127.0.0.1:{self.running.ports()['operator']}/api/v1{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None), answer.headers.get("ETag", "")

    async def verb(self, *words: str) -> Any:
        url = f"http://127.0.0.1:{self.running.ports()['operator']}"
        more = ["--url", url, "--token-file", str(self.token_file), "--json"]
        code, text = await asyncio.to_thread(invoke, *words, *more)
        assert code == 0, (words, text)
        return json.loads(text)

    def members(self) -> dict[str, int]:
        """End devices: by device or group, their number."""
        assert self.running.sep2 is not None
        state = self.running.sep2.core.state
        return {name: record.number for name, record in {**state.by_device, **state.by_group}.items()}

    def device(self, device: str, **more: Any) -> dict[str, Any]:
        place = self.simulation.places()[0]
        connection = {"host": place["host"], "port": place["port"], "unit_id": 1, "poll_period_s": 0.1}
        return {"id": device, "driver": "sunspec", "connection": connection, **more}


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("blank") / "site"
    code, text = invoke("init", str(folder), "--listen", "127.0.0.1:0")
    assert code == 0, text
    return folder


@pytest.fixture
async def site(blank: Path, tmp_path: Path) -> AsyncIterator[Site]:
    shutil.copytree(blank, tmp_path / "site")
    config = tmp_path / "site" / "gridiface.yaml"
    whole = yaml.safe_load(config.read_text())
    absent = {"host": "127.0.0.1", "port": 1}
    rated = [
        {"id": name, "driver": "sunspec", "connection": absent, "rating": {"max_w": 1000}} for name in ("one", "two")
    ]
    groups = [{"id": "north", "members": ["one"]}, {"id": "south", "members": ["two"]}]
    whole |= {"devices": rated, "groups": groups, "operator": {"listen": "127.0.0.1:0"}}
    whole["sep2"] |= {"in_band_groups": [], "clients": []}
    config.write_text(yaml.safe_dump(whole))
    simulation = Simulation(SimulationConfig.model_validate({"units": [{"max_w": 4000}]}))
    await simulation.start()
    made = Site(tmp_path, config, simulation)
    words = ["token", "create", "root", "--scope", "admin", "--config", str(config), "--out", str(made.token_file)]
    code, text = await asyncio.to_thread(invoke, *words)
    assert code == 0, text
    await made.start()
    yield made
    await made.stop()
    await simulation.stop()


async def test_a_device_is_added_polled_told_moved_and_removed(site: Site) -> None:
    """It answers within the control loop, 2030.5 shows it, a restart finds it, its removal leaves nothing."""
    status, made, etag = await site.ask("POST", "/devices", site.device("new", group="north", name="cellar"))
    assert (status, made["group"], made["origin"], etag) == (201, "north", "added", "")
    engine = site.running.engine
    await until(lambda: engine.device("new") is not None and engine.device("new").nameplate.max_w == 4000)  # type: ignore[union-attr]
    assert "new" in engine.members("north")
    await until(lambda: "new" in site.members())

    sent = await site.verb("control", "send", "set_w=1000", "--group", "north", "--duration", "600")
    await until(lambda: (point := engine.setpoint("new")) is not None and bool(point.active_power_w))
    status, problem, _ = await site.ask("DELETE", "/groups/north")
    assert (status, sent["control"] in problem["detail"]) == (409, True)
    await site.verb("control", "cancel", sent["control"])

    assert (await site.verb("device", "move", "new", "south"))["group"] == "south"
    assert ("new" in engine.members("south"), "new" in engine.members("north")) == (True, False)

    await site.stop()
    engine = (await site.start()).engine
    assert engine.device("new") is not None, "known from before, without having answered"
    assert "new" in engine.members("south")
    assert "new" in site.members()

    assert (await site.verb("device", "remove", "new", "--reason", "sold"))["id"] == "new"
    assert engine.device("new") is None
    assert "new" not in site.members()
    assert "new" not in engine.members("south")
    told = [one for one in (await site.ask("GET", "/audit?limit=20"))[1]["entries"] if one["subject"] == "new"]
    assert [one["what"] for one in told] == ["device.remove", "device.move", "device.add"]
    assert told[0]["reason"] == "sold"
    await site.stop()
    assert (await site.start()).engine.device("new") is None


async def test_a_definition_is_replaced_under_its_etag_only(site: Site) -> None:
    status, known, etag = await site.ask("GET", "/devices/one/definition")
    assert (status, known["origin"], bool(etag)) == (200, "configuration", True)
    body = {"id": "one", "driver": "sunspec", "connection": known["connection"], "rating": {"max_w": 700}, "tier": 2}
    assert (await site.ask("PUT", "/devices/one/definition", body))[0] == 428
    status, changed, newer = await site.ask("PUT", "/devices/one/definition", body, If_Match=etag)
    assert (status, changed["origin"], newer != etag) == (200, "changed", True)
    device = site.running.engine.device("one")
    assert device is not None
    assert (device.nameplate.max_w, device.tier) == (700, 2)
    assert (await site.ask("PUT", "/devices/one/definition", body, If_Match=etag))[0] == 412
    assert (await site.ask("DELETE", "/devices/one", If_Match=etag))[0] == 412
    assert (await site.ask("GET", "/devices/one/definition", If_None_Match=newer))[0] == 304
    found = await site.verb("device", "change", "one", "--rating", "max_w=800", "--set", "tier=")
    assert (found["rating"]["max_w"], found["tier"]) == (800, 1)


async def test_a_device_of_the_file_stays_removed_over_a_restart(site: Site) -> None:
    assert (await site.ask("DELETE", "/devices/two"))[0] == 200
    assert site.running.engine.device("two") is None
    await site.stop()
    engine = (await site.start()).engine
    assert engine.device("two") is None
    assert engine.group("south").members == ()  # type: ignore[union-attr]
    assert set(site.members()) == {"one", "north", "south"}


async def test_groups_come_and_go_with_their_end_devices(site: Site) -> None:
    found = await site.verb("group", "create", "all", "-m", "north", "-m", "south", "--set", "max_export_w=1500")
    assert found["origin"] == "added"
    assert site.running.engine.members("all") == ("one", "two")
    assert "all" in site.members()
    changed = await site.verb("group", "change", "all", "-m", "north", "--set", "strategy=merit-order")
    assert (changed["members"], changed["strategy"], changed["max_export_w"]) == (["north"], "merit-order", 1500)
    assert (await site.verb("group", "remove", "all"))["id"] == "all"
    assert "all" not in site.members()
    assert site.running.engine.group("all") is None


async def test_a_2030_5_device_is_registered_with_its_lfdi_and_unregistered(site: Site) -> None:
    body = {"id": "inverter", "driver": "sep2", "connection": {"lfdi": LFDI, "pin": 111115}, "group": "north"}
    assert (await site.ask("POST", "/devices", body))[0] == 201
    assert site.running.sep2 is not None
    record = site.running.sep2.core.state.by_lfdi[LFDI]
    assert (record.device_id, record.pin) == ("inverter", 111115)
    status, problem, _ = await site.ask("POST", "/devices", body | {"id": "other"})
    assert (status, "inverter" in problem["detail"]) == (422, True)
    await site.stop()
    await site.start()
    assert site.running.sep2.core.state.by_lfdi[LFDI].device_id == "inverter"
    assert (await site.ask("DELETE", "/devices/inverter"))[0] == 200
    assert LFDI not in site.running.sep2.core.state.by_lfdi


async def test_an_inverter_that_registered_itself_can_be_moved(site: Site) -> None:
    await site.verb("sep2", "register", LFDI)
    own = next(name for name in site.members() if name.startswith("sep2-"))
    moved = await site.verb("device", "move", own, "south")
    assert (moved["driver"], moved["connection"]["lfdi"], moved["origin"]) == ("sep2", LFDI, "added")
    assert own in site.running.engine.members("south")
    await site.stop()
    await site.start()
    assert own in site.running.engine.members("south")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "one", "driver": "sunspec", "connection": {"host": "h"}}, 409),
        ({"id": "north", "driver": "sunspec", "connection": {"host": "h"}}, 409),
        ({"id": "n", "driver": "nonesuch"}, 422),
        ({"id": "n", "driver": "sunspec", "connection": {"hots": "h"}}, 422),
        ({"id": "n", "driver": "sunspec", "connection": {"host": "h"}, "group": "nobody"}, 422),
        ({"id": "n", "driver": "sep2"}, 422),
        ({"id": "n", "driver": "sep2", "connection": {"lfdi": "12"}}, 422),
        ({"id": "n/m", "driver": "sunspec", "connection": {"host": "h"}}, 422),
        ({"id": "n", "driver": "modbus", "connection": {"host": "h", "table": "/etc/passwd"}}, 422),
        ({"id": "n", "driver": "modbus", "connection": {"host": "h", "table": "../x.yaml"}}, 422),
        ({"id": "n", "driver": "sunspec", "connection": {"host": "h"}, "rating": {"soc_min": 1, "soc_max": 0}}, 422),
    ],
)
async def test_what_is_not_right_changes_nothing(site: Site, body: dict[str, Any], status: int) -> None:
    before = [device.id for device in site.running.engine.devices()]
    answer = await site.ask("POST", "/devices", body)
    assert answer[0] == status, answer
    assert answer[1]["detail"]
    assert [device.id for device in site.running.engine.devices()] == before
    assert site.running.fleet is not None
    assert not site.running.fleet.overlay.devices


async def test_the_stopped_servers_store_takes_the_same_verbs(site: Site, tmp_path: Path) -> None:
    await site.stop()
    at = ["--config", str(site.config), "--json"]

    async def verb(*words: str) -> tuple[int, str]:
        return await asyncio.to_thread(invoke, *words, *at)

    words = ("-c", "host=127.0.0.1", "-c", "port=1", "--rating", "max_w=2000", "--group", "south")
    code, text = await verb("device", "add", "late", "--driver", "sunspec", *words)
    assert (code, json.loads(text)["group"]) == (0, "south")
    assert (await verb("group", "create", "all", "-m", "north", "-m", "south"))[0] == 0
    assert (await verb("device", "move", "one", "south"))[0] == 0
    assert (await verb("device", "change", "late", "--name", "shed"))[0] == 0
    assert (await verb("device", "remove", "two"))[0] == 0
    assert (await verb("device", "remove", "two"))[0] == 2
    assert (await verb("group", "remove", "north"))[0] == 0
    engine = (await site.start()).engine
    assert {device.id: device.name for device in engine.devices()} == {"late": "shed", "one": ""}
    assert engine.members("all") == ("late", "one")
    assert {group.id for group in engine.groups()} == {"all", "south"}


async def test_the_client_defines_enrols_and_settles_by_name(site: Site) -> None:
    """Added, changed under its ETag, moved, removed; what somebody else changed in between is not lost."""
    url, token = f"http://127.0.0.1:{site.running.ports()['operator']}", site.token_file.read_text().strip()
    async with AsyncClient(url, token=token) as grid:
        await grid.add_device(site.device("new", group="north"))
        found, etag = await grid.device_definition("new")
        assert (found["origin"], found["group"]) == ("added", "north")
        changed = await grid.change_device({**found, "name": "the new one"}, etag)
        assert changed["name"] == "the new one"
        with pytest.raises(ApiError) as refused:
            await grid.change_device({**found, "name": "late"}, etag)
        assert refused.value.status == 412
        assert (await grid.move_device("new", "south"))["group"] == "south"
        await grid.add_group({"id": "both", "members": ["north", "south"]})
        group, etag = await grid.group_definition("both")
        assert (await grid.change_group({**group, "max_export_w": 500.0}, etag))["max_export_w"] == 500.0
        with pytest.raises(ApiError):
            await grid.remove_group("both", etag=etag)
        assert (await grid.remove_group("both", "not needed"))["id"] == "both"
        assert (await grid.remove_device("new", "sold"))["id"] == "new"
        with pytest.raises(ApiError) as refused:
            await grid.settle("e1", control="nothing")
        assert refused.value.status == 404
    await asyncio.to_thread(enrol, url, token)


def enrol(url: str, token: str) -> None:
    """The same, blocking: a portfolio, and settlements."""
    with Client(url, token=token) as grid:
        made = grid.enrol_portfolio({"name": "evening", "assets": [ASSET]})
        assert [row["name"] for row in grid.portfolios()] == ["evening"]
        found, etag = grid.portfolio(made["id"])
        assert grid.portfolio_status(made["id"])["assets"] == 1
        assert grid.replace_portfolio(made["id"], {**found, "name": "night"}, etag)["name"] == "night"
        with pytest.raises(ApiError):
            grid.remove_portfolio(made["id"], etag=etag)
        grid.remove_portfolio(made["id"])
        assert grid.settlements() == []
        assert grid.performance(by="device") == []
        assert grid.performance(start=0.0, end=1.0) == []
        with pytest.raises(ApiError, match="not after"):
            grid.performance(start=2.0, end=1.0)
        quarters = [(time.time() // 900 - back) * 900 for back in (5, 4, 3)]
        hours = [datetime.fromtimestamp(at, UTC).isoformat() for at in quarters]
        taken = grid.take_meter_data(f"time,kw\n{hours[0]},1\n", meter="one", interval_s=900)
        assert (taken["values"], taken["unknown"], taken["settlements"]) == (1, [], [])
        event = {"method": "meter-before-after", "start": quarters[1], "end": quarters[2], "devices": ["one"]}
        assert grid.settle("july", **event)["revision"] == 1
        taken = grid.take_meter_data(f"time,kw\n{hours[1]},0.5\n", meter="one", interval_s=900)
        assert [(one["event"], one["revision"]) for one in taken["settlements"]] == [("july", 2)]
        assert [row["metered_w"] for row in grid.settlement_rows("july", revision=1)] == [None]
        assert [row["metered_w"] for row in grid.settlement_rows("july")] == [-500.0]
        assert [one["revision"] for one in grid.settlement_revisions("july")] == [2, 1]
        asking = (grid.settlement, grid.settlement_rows, grid.settlement_revisions, grid.remove_settlement)
        for missing in asking:
            with pytest.raises(ApiError):
                missing("none")
