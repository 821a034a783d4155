"""The client against a real surface: both kinds, retries, the event stream, credentials, errors; and its docs."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.unit.gridiface.operator.conftest import house, make_house

from gridiface.client import ApiError, AsyncClient, Client, ClientError, NotReached
from gridiface.client.events import EventLines

__all__ = ["house", "make_house"]  # the operator's house, which stands in that package's folder of the tests

ROOT = Path(__file__).resolve().parents[3]


def url(house: Any) -> str:
    return f"http://127.0.0.1:{house.pages.port}"


async def test_asyncio(house: Any) -> None:
    async with AsyncClient(url(house), token=house.tokens["admin"]) as grid:
        assert (await grid.status())["site"] == "plant"
        assert [row["id"] for row in await grid.devices(group="feeder")] == ["a", "b"]
        assert (await grid.device("a"))["groups"] == ["fleet", "feeder"]
        assert [row["id"] for row in await grid.groups()] == ["fleet", "feeder"]
        assert (await grid.group("fleet"))["member_devices"] == ["a", "b"]
        assert (await grid.group_envelope("fleet"))["spans"][0]["max_w"] == 5_000.0
        assert len((await grid.device_envelope("a", step=3_600.0))["spans"]) in {24, 25}
        assert (await grid.block("a", "works"))["blocked"]
        assert not (await grid.unblock("a"))["blocked"]
        preview = await grid.send({"set_w": 1000.0}, group="fleet", duration_s=60, preview=True)
        assert preview["will_run"]
        sent = await grid.send({"set_w": 1000.0}, device="a", duration_s=60, description="by hand")
        assert (await grid.control(sent["control"]))["description"] == "by hand"
        assert {row["id"] for row in await grid.controls()} == {"c1", sent["control"]}
        assert (await grid.report("c1"))["targets"]
        assert await grid.decisions()
        assert (await grid.cancel(sent["control"], "enough"))["state"] == "cancelled"
        house.desk.alarms.observe("breaker_open", {"a": "failed"}, 100.0)
        (alarm,) = await grid.alarms()
        assert (await grid.acknowledge(alarm["id"], "seen"))["state"] == "acknowledged"
        assert (await grid.audit(what="alarm."))[0]["reason"] == "seen"
        with pytest.raises(ApiError) as caught:
            await grid.device("z")
        assert (caught.value.status, bool(caught.value.fix)) == (404, True)
        with pytest.raises(ValueError, match="group or a device"):
            await grid.send({"set_w": 1.0})
        assert "gridiface_info" in await grid.request("GET", "//metrics")


async def test_blocking_beside_a_running_loop(house: Any) -> None:
    def work() -> list[str]:
        with Client(url(house), token=house.tokens["control"]) as grid:
            assert grid.status()["site"] == "plant"
            said = grid.send({"set_w": 500.0}, group="fleet", duration_s=60)
            assert grid.cancel(said["control"])["over"]
            assert [row["id"] for row in grid.devices(driver="sunspec")] == ["a", "b"]
            house_events = grid.events(resume=False)
            grid.request("GET", "/session")
            house_events.close()
            return [row["id"] for row in grid.controls(state="cancelled")]

    assert len(await asyncio.to_thread(work)) == 1


async def test_client_credentials(make_house: Any) -> None:
    house = await make_house(rules={"open_reads": False})
    asked = {"name": "machine", "scopes": ["control"]}
    made = (await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked))[1]
    names = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    async with AsyncClient(url(house), **names, scope="dispatch:write") as grid:
        assert (await grid.send({"set_w": 1.0}, group="fleet", duration_s=60))["verdict"] == "accepted"
        assert (await grid.groups())[0]["id"] == "fleet"
    async with AsyncClient(url(house), client_id=made["client_id"], client_secret="no") as wrong:
        with pytest.raises(ApiError, match="401"):
            await wrong.groups()


async def test_events_are_read_and_taken_up_again(house: Any) -> None:
    async with AsyncClient(url(house)) as grid:
        seen: list[Any] = []

        async def read() -> None:
            async for event in grid.events():
                seen.append(event)
                if len(seen) == 2:
                    return

        reading = asyncio.create_task(read())
        async with asyncio.timeout(30):
            while not house.desk.events._readers:
                await asyncio.sleep(0.01)
            house.desk.alarms.observe("breaker_open", {"a": "failed"}, 100.0)
            while not seen:
                await asyncio.sleep(0.01)
            (reader,) = house.desk.events._readers
            house.desk.events.closed = True
            reader.set()
            while house.desk.events._readers:
                await asyncio.sleep(0.01)
            house.desk.events.closed = False
            house.desk.alarms.observe("breaker_open", {}, 101.0)
            await reading
    assert [event.data["state"] for event in seen] == ["raised", "cleared"]


@pytest.fixture
async def moody() -> AsyncIterator[Any]:
    """A server that says 503, breaks off, and then answers; it notes the keys that it got."""
    keys: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        keys.append(request.headers.get("Idempotency-Key", ""))
        if len(keys) == 1:
            return web.Response(status=503, headers={"Retry-After": "0"})
        if len(keys) == 2:
            assert request.transport is not None
            request.transport.close()
        return web.json_response({"control": "c"})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", keys
    await runner.cleanup()


async def test_a_post_is_repeated_with_the_same_key(moody: Any) -> None:
    address, keys = moody
    async with AsyncClient(address) as grid:
        assert (await grid.send({"set_w": 1.0}, group="g"))["control"] == "c"
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert len(keys[0]) == 36


async def test_a_delete_is_not_repeated_and_silence_is_told(moody: Any) -> None:
    address, keys = moody
    async with AsyncClient(address) as grid:
        with pytest.raises(ApiError, match="503"):
            await grid.request("DELETE", "/tokens/x")
    assert len(keys) == 1
    async with AsyncClient("http://127.0.0.1:1", tries=1) as nobody:
        with pytest.raises(NotReached):
            await nobody.groups()
    with pytest.raises(ClientError, match="address"):
        AsyncClient("127.0.0.1:8080")


def test_lines_become_events() -> None:
    lines = EventLines()
    told = [lines.feed(line) for line in (": comment", "id: r-1", "event: alarm", 'data: {"a": 1}', "", "data: x", "")]
    found = [event for event in told if event is not None]
    assert [(event.id, event.kind, event.data) for event in found] == [("r-1", "alarm", {"a": 1})]


async def test_the_examples_of_the_documentation_run(house: Any) -> None:
    page = (ROOT / "docs" / "operator" / "client.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) >= 3
    house.tokens["shown"] = house.tokens["admin"]
    for block in blocks:
        code = block.replace("http://127.0.0.1:8080", url(house)).replace("gridiface_...", house.tokens["admin"])
        if "async " in code:
            space: dict[str, Any] = {}
            exec(compile(f"async def example():\n{textwrap.indent(code, '    ')}", "client.md", "exec"), space)
            async with asyncio.timeout(30):
                await space["example"]()
        else:
            await asyncio.to_thread(exec, compile(code, "client.md", "exec"), {})
