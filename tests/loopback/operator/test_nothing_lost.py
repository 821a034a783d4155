"""What operators make outlives a restart, a backup taken while the server runs, and its restore; and every old schema.

Users, tokens, sessions, audit entries with their seals, alarms, blocks, definitions, portfolios: as REST tells them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import Double, Integer, LargeBinary, MetaData, Text, create_engine, insert, inspect, select
from sqlalchemy.engine import Connection
from typer.testing import CliRunner

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli import main
from gridiface.store import migrate
from gridiface.store.repository import Store
from gridiface.store.tables import DATA_TABLES

RUN = CliRunner()
PASSWORD = "hail over the eastern feeder"
CONFIG = """\
site: lasting
operator: {listen: "127.0.0.1:0", open_reads: true}
devices:
  - {id: inv, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
groups:
  - {id: fleet, members: [inv]}
"""


async def verb(*words: str) -> Any:
    result = await asyncio.to_thread(RUN.invoke, main.app, [*words, "--json"])
    assert result.exit_code == 0, (words, result.output, result.exception)
    return json.loads(result.stdout.splitlines()[-1])


class Site:
    """A configuration, its token, and the server that runs on it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "g.yaml"
        self.config.write_text(CONFIG)
        self.token_file = folder / "root.token"
        self.server: GridServer | None = None
        self.cookie = ""

    async def start(self) -> None:
        self.server = GridServer(load_config(self.config))
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        assert self.server is not None
        sent = headers or {"Authorization": f"Bearer {self.token_file.read_text().strip()}"}
        url = f"http://127.0.0.1:{self.server.ports()['operator']}/api/v1{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body, headers=sent) as answer:
            found = await answer.json(content_type=None)
            assert answer.status < 400, (method, path, answer.status, found)
            if "Set-Cookie" in answer.headers:
                self.cookie = answer.headers["Set-Cookie"].split(";")[0]
            return found

    async def fill(self) -> None:
        """One of everything."""
        made = await self.ask("POST", "/users", {"name": "ann", "role": "operator", "groups": ["fleet"]})
        await self.ask("POST", "/session/setup", {"ticket": made["ticket"], "password": PASSWORD}, Accept="*/*")
        await self.ask("POST", "/users", {"name": "bob", "role": "auditor"})
        await self.ask("POST", "/tokens", {"name": "robot", "scopes": ["control"], "groups": ["fleet"]})
        await self.ask("POST", "/devices/inv/block", {"reason": "works"})
        device = {"id": "two", "driver": "sunspec", "connection": {"host": "127.0.0.1", "port": 1}, "group": "fleet"}
        await self.ask("POST", "/devices", device | {"rating": {"max_w": 500}})
        asset = {"asset_type": "battery", "zip": "94105", "capacity_kwh": 1, "max_discharge_kw": 1}
        await self.ask("POST", "/portfolios", {"name": "p", "assets": [asset]})
        control = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 100.0}, "duration_s": 3600}
        await self.ask("POST", "/controls", control | {"description": "kept"})
        assert self.server is not None
        assert self.server._operator is not None
        assert self.server._alarms is not None
        desk = self.server._operator.desk
        self.server._alarms.clock_jumped(3600.0, desk.clock.now())
        await desk.alarms.flush()
        (alarm,) = (await self.ask("GET", "/alarms?kind=clock_jump"))["alarms"]
        await self.ask("POST", f"/alarms/{alarm['id']}/acknowledge", {"reason": "seen"})
        self.server._alarms.clock_jumped(-60.0, desk.clock.now())
        await desk.alarms.flush()
        await desk.chain.seal(desk.clock.now())

    async def told(self) -> dict[str, Any]:
        """Everything, as REST tells it; sessions by whether the cookie still holds."""
        found = {
            "users": (await self.ask("GET", "/users"))["users"],
            "tokens": (await self.ask("GET", "/tokens"))["tokens"],
            "portfolios": (await self.ask("GET", "/portfolios"))["portfolios"],
            "device": await self.ask("GET", "/devices/two/definition"),
            "block": (await self.ask("GET", "/devices/inv"))["block"],
            "controls": [c["id"] for c in (await self.ask("GET", "/controls"))["controls"]],
            "session": (await self.ask("GET", "/session", Cookie=self.cookie))["name"],
        }
        alarms = (await self.ask("GET", "/alarms?state=all&kind=clock_jump"))["alarms"]
        found["alarms"] = [(a["id"], a["text"], a["state"]) for a in alarms]
        audit = (await self.ask("GET", "/audit?limit=1000"))["entries"]
        found["audit"] = [e for e in audit if e["who"] != "first start"]
        return found


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    words = ("token", "create", "root", "--scope", "admin", "--config", str(made.config))
    await verb(*words, "--out", str(made.token_file))
    await made.start()
    yield made
    await made.stop()


async def test_a_restart_loses_nothing(site: Site) -> None:
    await site.fill()
    before = await site.told()
    assert before["session"] == "ann"
    assert before["alarms"]
    await site.stop()
    await site.start()
    assert await site.told() == before
    assert (await site.ask("GET", "/audit/verify"))["ok"]


@pytest.mark.parametrize("kind", ["sqlite", "archive"])
async def test_a_backup_while_it_runs_and_its_restore_lose_nothing(site: Site, kind: str, tmp_path: Path) -> None:
    await site.fill()
    before = await site.told()
    saved = tmp_path / "saved"
    report = await verb("db", "backup", str(saved), "--config", str(site.config), "--kind", kind)
    await site.ask("DELETE", "/users/bob")
    await site.ask("POST", "/devices/inv/unblock", {"reason": "after the backup"})
    await site.stop()
    again = await verb("db", "restore", str(saved), "--config", str(site.config), "--force")
    assert again["sha256"] == report["sha256"], "the same content, by its hash"
    await site.start()
    assert await site.told() == before
    assert (await site.ask("GET", "/audit/verify"))["ok"]


# --- R25: every released schema ---

_VALUES = {Text: "text", Double: 1.5, Integer: 7, LargeBinary: b'{"a": 1}'}


def fill(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """Rows in every data table that this schema has, as it has them; what was written."""
    found = MetaData()
    found.reflect(connection)
    written: dict[str, list[tuple[Any, ...]]] = {}
    for name in [table.name for table in DATA_TABLES if table.name in found.tables]:
        table = found.tables[name]
        for number in range(1, 4):
            row = {column.name: _value(column, number) for column in table.columns}
            connection.execute(insert(table), row)
        order = list(table.primary_key.columns)
        written[name] = [tuple(row) for row in connection.execute(select(table).order_by(*order))]
    return written


def _value(column: Any, number: int) -> Any:
    kind = next(value for form, value in _VALUES.items() if isinstance(column.type, form) or _named(column, form))
    if isinstance(kind, str):
        return f"{column.name}-{number}"
    return kind if isinstance(kind, bytes) else kind * number


def _named(column: Any, form: type) -> bool:
    names = {
        Text: ("TEXT", "VARCHAR"),
        Double: ("REAL", "DOUBLE", "FLOAT"),
        Integer: ("INTEGER", "BIGINT"),
        LargeBinary: ("BLOB",),
    }
    return str(column.type).upper().startswith(names[form])


@pytest.mark.parametrize("revision", migrate.revisions())
async def test_every_released_schema_is_upgraded_with_its_data(revision: str, tmp_path: Path) -> None:
    """R25: made by migrating to that revision and filling it; upgraded, backed up, restored: same rows, same hash."""
    path = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        migrate.upgrade(connection, revision)
        written = fill(connection)
    engine.dispose()
    assert written["documents"]
    at = f"sqlite:///{path}"
    upgraded = await verb("db", "upgrade", "--database", at)
    assert upgraded["after"] == migrate.revisions()[-1]
    engine = create_engine(at)
    with engine.connect() as connection:
        have = {c["name"] for t in written for c in inspect(connection).get_columns(t)}
        assert have
        for name, rows in written.items():
            count = connection.exec_driver_sql(f"select count(*) from {name}").scalar()
            assert count == len(rows), name
    engine.dispose()
    async with await Store.open(at) as store:
        found = {document.key: document.body for document in await store.documents("space-2")}
    assert found == {"key-2": b'{"a": 1}'}
    saved = await verb("db", "backup", str(tmp_path / "saved"), "--database", at, "--kind", "archive")
    other = f"sqlite:///{tmp_path}/new.sqlite"
    restored = await verb("db", "restore", str(tmp_path / "saved"), "--database", other)
    assert restored["sha256"] == saved["sha256"]
    assert saved["rows"] == {name: len(rows) for name, rows in written.items()}
    assert restored["revision"] == migrate.revisions()[-1]
