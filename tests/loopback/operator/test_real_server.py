"""The surface over the real engine and store: controls are arbitrated, durable, audited; blocks outlive a restart."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.waiting import until
from typer.testing import CliRunner

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli import main
from gridiface.errors import ConfigError, GridifaceError, StoreUnavailable
from gridiface.store.repository import Store

CONFIG = """\
site: small
operator: {listen: "127.0.0.1:0", authority_min: 0, authority_max: 100}
devices:
  - {id: inv, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
  - {id: other, driver: sunspec, connection: {host: 127.0.0.1, port: 1}, rating: {max_w: 1000}}
groups:
  - {id: fleet, members: [inv, other]}
"""
RUN = CliRunner()


class Site:
    """A server that can be started again, an admin token, and the command line against it."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "g.yaml"
        self.config.write_text(CONFIG)
        self.token_file = folder / "admin.token"
        self.server: GridServer | None = None

    @property
    def url(self) -> str:
        assert self.server is not None
        return f"http://127.0.0.1:{self.server.ports()['operator']}"

    async def start(self) -> None:
        self.server = GridServer(load_config(self.config))
        await self.server.start()

    async def stop(self) -> None:
        if self.server is not None:
            await self.server.stop()

    async def run(self, *words: str, token: bool = True) -> tuple[int, str]:
        """A verb against the server: exit code and standard output; expected errors count as main counts them."""
        more = ["--url", self.url, *(["--token-file", str(self.token_file)] if token else [])]
        return await asyncio.to_thread(invoke, *words, *more)

    async def json(self, *words: str) -> Any:
        code, text = await self.run(*words, "--json")
        assert code == 0, text
        return json.loads(text)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {self.token_file.read_text().strip()}", **headers}
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, self.url + path, json=body, headers=sent) as answer,
        ):
            return answer.status, await answer.json(content_type=None)


def invoke(*words: str) -> tuple[int, str]:
    result = RUN.invoke(main.app, list(words))
    match result.exception:
        case ConfigError() as error:
            return 2, str(error)
        case StoreUnavailable() as error:
            return 3, str(error)
        case GridifaceError() as error:
            return 1, str(error)
    return result.exit_code, result.stdout


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    made = Site(tmp_path)
    words = ["token", "create", "root", "--scope", "admin", "--config", str(made.config), "--out", str(made.token_file)]
    code, text = await asyncio.to_thread(invoke, *words)
    assert code == 0, text
    await made.start()
    yield made
    await made.stop()


BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 500.0}, "duration_s": 600}


async def test_idempotency_holds_over_a_restart(site: Site) -> None:
    key = {"Idempotency-Key": "once"}
    first = await site.ask("POST", "/api/v1/controls", BODY, **key)
    assert first[0] == 201
    await site.stop()
    await site.start()
    assert await site.ask("POST", "/api/v1/controls", BODY, **key) == first
    assert (await site.ask("GET", "/api/v1/controls"))[1]["total"] == 1


async def test_same_key_at_the_same_time_sends_once(site: Site) -> None:
    answers = await asyncio.gather(
        *(site.ask("POST", "/api/v1/controls", BODY, **{"Idempotency-Key": "once"}) for _ in range(8))
    )
    assert {status for status, _ in answers} == {201}
    assert len({body["control"] for _, body in answers}) == 1


async def test_arbitration_applies(site: Site) -> None:
    high = (await site.ask("POST", "/api/v1/controls", BODY | {"priority": 90, "duration_s": 6000}))[1]
    async with asyncio.timeout(20):
        while (await site.ask("POST", "/api/v1/controls", BODY | {"priority": 10, "preview": True}))[1]["will_run"]:
            await asyncio.sleep(0.05)
    status, low = await site.ask("POST", "/api/v1/controls", BODY | {"priority": 10})
    assert (status, low["verdict"]) == (409, "superseded")
    assert high["control"] in low["detail"]
    assert low["fix"]
    _, preview = await site.ask("POST", "/api/v1/controls", BODY | {"priority": 10, "preview": True})
    assert (preview["will_run"], preview["overlaps"][0]["higher"]) == (False, True)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"values": {"max_w_percent": 101}}, 422),
        ({"values": {"set_w": 1, "delta_w": 1}}, 422),
        ({"target": {"kind": "group", "id": "nobody"}}, 422),
        ({"start": "2020-01-01T00:00:00Z"}, 422),
        ({"start": -1e9, "duration_s": None}, 201),
        ({"start": -1e11, "duration_s": None}, 422),
        ({"start": 1_893_456_000}, 201),
        ({"values": {"set_w": 1e12}}, 201),
        ({"start": "9999-12-31T23:59:59Z"}, 201),
    ],
)
async def test_engine_judges(site: Site, change: dict[str, Any], status: int) -> None:
    answered, body = await site.ask("POST", "/api/v1/controls", BODY | change)
    assert answered == status, body


async def test_audit_is_in_the_store_with_the_change(site: Site) -> None:
    made = (await site.ask("POST", "/api/v1/controls", BODY))[1]["control"]
    await site.ask("POST", f"/api/v1/controls/{made}/cancel", {"reason": "enough"})
    entries = (await site.ask("GET", "/api/v1/audit"))[1]["entries"]
    assert [(e["who"].split(",")[0], e["what"]) for e in entries] == [
        ("root", "control.cancel"),
        ("root", "control.send"),
        ("first start", "user.create"),
        ("command line", "token.create"),
    ]
    await site.stop()
    async with await Store.open(f"sqlite:///{site.config.parent}/gridiface.sqlite") as store:
        assert len(await store.documents("operator/audit")) == 4


async def test_block_outlives_a_restart(site: Site) -> None:
    assert (await site.run("device", "block", "inv", "--reason", "works"))[0] == 0
    await site.stop()
    await site.start()
    detail = await site.json("device", "show", "inv")
    assert (detail["blocked"], detail["block"]["by"], detail["block"]["reason"]) == (True, "root", "works")
    alone = BODY | {"target": {"kind": "device", "id": "inv"}}
    assert (await site.ask("POST", "/api/v1/controls", alone))[1]["verdict"] == "blocked"
    assert (await site.run("device", "unblock", "inv"))[1] == "device inv is not blocked\n"
    assert (await site.ask("POST", "/api/v1/controls", alone))[0] == 201


async def test_verbs_from_preview_to_cancel(site: Site) -> None:
    send = ["control", "send", "set_w=500", "--group", "fleet", "--duration", "600"]
    preview = await site.json(*send, "--preview")
    assert (preview["preview"], preview["will_run"]) == (True, True)
    code, text = await site.run(*send, "--description", "evening [red]peak")
    assert code == 0
    assert "is accepted" in text or "is partial" in text
    (row,) = (await site.json("control", "list", "--state", "active"))["controls"]
    assert (row["values"], row["source"]) == ({"set_w": 500.0}, "operator")
    for words, wanted in [
        (["control", "list"], "evening [red]peak"),
        (["control", "show", row["id"]], "operator root"),
        (["device", "list", "--group", "fleet"], "inv"),
        (["device", "show", "inv"], "sunspec"),
        (["group", "list"], "fleet"),
        (["group", "show", "fleet"], "inv, other"),
        (["token", "list"], "root"),
    ]:
        code, text = await site.run(*words)
        assert code == 0, text
        assert wanted in text
    watching = asyncio.create_task(site.run("control", "watch", row["id"], "--json"))
    readers = site.server._operator.desk.events._readers  # type: ignore[union-attr] # the server runs
    async with asyncio.timeout(20):
        while not readers:
            await asyncio.sleep(0.02)
        assert (await site.run("control", "cancel", row["id"], "--reason", "enough"))[1].endswith("is cancelled\n")
        code, text = await watching
    assert (code, json.loads(text.splitlines()[-1])["data"]["step"]) == (0, "cancelled")
    assert (await site.run("control", "cancel", row["id"]))[0] == 1
    assert (await site.run("control", "watch", row["id"]))[0] == 0


async def test_performance_is_summed_over_a_restart(site: Site) -> None:
    sent: list[str] = []

    async def sums(by: str, **more: str) -> dict[str, Any]:
        words = [word for name, value in more.items() for word in (f"--{name}", value)]
        found = await site.json("report", "performance", "--from", "2020-01-01", "--by", by, *words)
        return {row["name"]: row for row in found["performance"]}

    async def accounted() -> bool:
        return len(await sums("program")) == len(sent)

    for priority in (40, 60):  # one that never ruled has no account
        body = BODY | {"priority": priority}
        sent.append((await site.ask("POST", "/api/v1/controls", body))[1]["control"])
        await until(accounted)
    assert set(await sums("control")) == set(sent)
    assert set(await sums("group")) == {"fleet"}
    await site.stop()
    await site.start()
    kept = await sums("program")
    assert {name: row["controls"] for name, row in kept.items()} == {"priority 40": 1, "priority 60": 1}
    assert kept["priority 60"]["availability"] == 0.0
    assert kept["priority 60"]["delivered_wh"] is None
    assert await sums("program", to="2020-01-02") == {}
    assert (await site.run("report", "performance", "--from", "2020-01-02", "--to", "2020-01-01"))[0] == 1


async def test_exit_codes_say_what_went_wrong(site: Site, tmp_path: Path) -> None:
    send = ["control", "send", "set_w=500", "--group", "fleet"]
    assert (await site.run(*send, token=False))[0] == 2
    assert (await site.run("control", "send", "set_w=500", "--group", "nobody"))[0] == 1
    assert (await site.run("control", "send", "500", "--group", "fleet"))[0] == 2
    assert (await site.run("control", "send", "set_w=500"))[0] == 2
    assert (await site.run("device", "show", "nobody"))[0] == 1
    gone = invoke("group", "list", "--url", "http://127.0.0.1:1")
    assert gone[0] == 3
    assert "--url" in gone[1]
    assert invoke("group", "list", "--url", "ftp://x")[0] == 2
    held = await asyncio.to_thread(invoke, "token", "list", "--config", str(site.config))
    assert held[0] == 3
    assert "stop the server" in held[1]


async def test_tokens_of_a_running_server(site: Site, tmp_path: Path) -> None:
    out = tmp_path / "me.token"
    code, text = await site.run("token", "create", "me", "--scope", "control", "--out", str(out), "--json")
    assert code == 0, text
    assert "token" not in json.loads(text)
    assert out.stat().st_mode & 0o077 == 0
    again = await site.run("token", "create", "me", "--out", str(tmp_path / "new.token"))
    assert again[0] == 1
    assert not (tmp_path / "new.token").exists()
    site.token_file = out
    assert (await site.run("control", "send", "set_w=1", "--group", "fleet"))[0] == 0
    assert (await site.run("token", "list"))[0] == 2
    site.token_file = tmp_path / "admin.token"
    assert (await site.run("token", "revoke", "me"))[0] == 0
    site.token_file = out
    assert (await site.run("control", "send", "set_w=1", "--group", "fleet"))[0] == 2


async def test_stop_ends_open_streams(site: Site) -> None:
    url = f"{site.url}/api/v1/events"
    async with asyncio.timeout(20), aiohttp.ClientSession() as session, session.get(url) as answer:
        await answer.content.readuntil(b"\n\n")
        await site.stop()
        await answer.content.read()
        assert answer.content.at_eof()


async def test_a_second_person_approves_by_the_command_line(site: Site) -> None:
    await site.stop()
    site.config.write_text(CONFIG.replace("authority_min: 0,", "authority_min: 0, approval_share: 0.5,"))
    second = site.config.parent / "second.token"
    words = ["token", "create", "two", "--scope", "control", "--config", str(site.config), "--out", str(second)]
    assert (await asyncio.to_thread(invoke, *words))[0] == 0
    await site.start()
    said = await site.json("control", "send", "set_w=500", "--group", "fleet", "--duration", "600")
    assert said["verdict"] == "pending"
    assert said["control"] in (await site.run("control", "waiting"))[1]
    assert (await site.run("control", "approve", said["control"]))[0] == 2
    await site.stop()
    await site.start()
    site.token_file = second
    assert (await site.json("control", "approve", said["control"]))["will_run"]
    assert (await site.json("control", "show", said["control"]))["identity"] == "root"
    other = await site.json("control", "send", "set_w=100", "--group", "fleet", "--duration", "600")
    assert "is not sent" in (await site.run("control", "reject", other["control"]))[1]
    assert await site.json("control", "waiting") == {"approvals": []}
