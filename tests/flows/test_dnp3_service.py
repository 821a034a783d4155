"""DNP3 in a server that is killed, and in one whose descriptors others have taken: update keys stay, masters get in.

The server is the real one in a process of its own; it may open few files from its second start on (scoreboard R14).
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User, UserOperation
from gridiface.protocols.dnp3.authentication.users import Authority
from gridiface.protocols.dnp3.controls import AnalogOutput, CommandStatus
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.settings import MasterSettings
from gridiface.simulation.children import Child
from gridiface.simulation.dnp3.client import MasterClient, MasterFailed
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.timeout(180)]

OLD, NEW, HERS = bytes(range(16)), b"\x11" * 32, b"\x22" * 32
AUTHORITY = Authority(bytes(range(32)))
FEW_FILES = 320
LIMITED = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({FEW_FILES}, {FEW_FILES}))
from gridiface.cli.main import main
main()
"""


def settings(folder: Path) -> dict[str, Any]:
    (folder / "update.key").write_text(OLD.hex())
    (folder / "authority.key").write_text(bytes(range(32)).hex())
    secure = {
        "users": [{"number": 1, "name": "scada", "key": str(folder / "update.key")}],
        "authority_key": str(folder / "authority.key"),
    }
    points = [{"name": "set_mw", "type": "analog output", "index": 900, "action": "set_w", "scale": 1e6}]
    station = {"name": "rtu", "address": 10, "group": "fleet", "masters": [{"name": "scada", "address": 1}],
               "points": points, "authentication": secure}  # fmt: skip
    return {
        "dnp3": {"outstations": [station], "endpoints": [{"listen": "127.0.0.1:0"}]},
        "openadr": {"vtn": {"listen": "127.0.0.1:0"}},
    }


def master(port: int, key: bytes, number: int = 1, name: str = "scada") -> MasterClient:
    quiet = MasterSettings(1, 10, startup_integrity=False, enable_classes=(), response_timeout=5.0)
    secure = MasterAuthentication(AuthenticationSettings(name="rtu"), User(number, name, key))
    return MasterClient(quiet, "127.0.0.1", port, authentication=secure)


async def operates(port: int, key: bytes, number: int = 1, name: str = "scada") -> bool:
    """Whether a user commands; while devices open the engine may not be able to do it yet."""
    async with master(port, key, number, name) as client:
        async with asyncio.timeout(60):
            while await client.operate(900, AnalogOutput(0.002)) is not CommandStatus.SUCCESS:
                await asyncio.sleep(0.2)
    return True


async def restart(site: Any) -> None:
    command = ["-c", LIMITED, "serve", str(site.config), "--child"]
    site.server = Child("the server with few files", command, log=site.folder / "server.log")
    site.ports = await site.server.start(timeout_s=60.0)


@pytest.fixture
async def site(site_class: Any, tmp_path: Path) -> Any:
    async with site_class(WorldPlan(batteries=4, inverters=0, page_port=0, settings=settings(tmp_path))) as made:
        await made.start()
        yield made


async def test_keys_outlive_a_kill_and_masters_get_in_when_descriptors_are_gone(
    site: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    async with master(site.ports["dnp3"], OLD) as client:
        own = client.core.authentication
        assert own is not None
        await client.run("add", own.change_user(AUTHORITY.certify(UserOperation.ADD, "bo", 1)))
        await client.run("key", own.change_update_key(AUTHORITY, "bo", HERS))
        await client.run("key", own.change_update_key(AUTHORITY, "scada", NEW))
        await site.kill_server()
    await restart(site)
    port = site.ports["dnp3"]
    assert await operates(port, NEW)
    assert await operates(port, HERS, 2, "bo")
    with pytest.raises(MasterFailed):
        await operates(port, OLD)
    database = (site.folder / "gridiface.sqlite").read_bytes()
    assert not any(text in database for text in (NEW, HERS, NEW.hex().encode(), HERS.hex().encode()))

    taken: list[asyncio.StreamWriter] = []
    try:
        await others_take_all(site, taken, eventually)
    finally:
        for writer in taken:
            writer.close()
    resource.prlimit(site.server.pid, resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))

    async def accepts() -> bool:
        with contextlib.suppress(OSError):
            return bool((await site.wire("utility").ask("GET", "/dcap")).status == 200)
        return False

    async def vtn_accepts() -> bool:
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session,
                session.get(f"http://127.0.0.1:{site.ports['openadr']}/") as answer,
            ):
                return answer.status > 0
        return False

    await eventually(accepts, 30.0, "2030.5 accepts again")
    await eventually(vtn_accepts, 30.0, "OpenADR accepts again")


async def hold(taken: list[asyncio.StreamWriter], port: int, count: int) -> None:
    for _ in range(count):
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                taken.append((await asyncio.open_connection("127.0.0.1", port))[1])


async def others_take_all(
    site: Any, taken: list[asyncio.StreamWriter], eventually: Callable[..., Awaitable[float]]
) -> None:
    """Over 2030.5 and OpenADR as much as these give; then not one descriptor is left to the process."""
    port = site.ports["dnp3"]
    for place in (site.sep2_port, site.ports["openadr"]):
        await hold(taken, place, FEW_FILES)
    assert await operates(port, NEW)
    assert (await site.status())["devices"]["total"] == 4
    used = {int(item.name) for item in Path(f"/proc/{site.server.pid}/fd").iterdir()}
    lowest = next(number for number in range(FEW_FILES) if number not in used)
    resource.prlimit(site.server.pid, resource.RLIMIT_NOFILE, (lowest, FEW_FILES))

    async def they_take_the_rest_and_it_comes_to_the_reserve() -> bool:
        """Again and again: the server ends those that say nothing, and what they held is free once more."""
        await hold(taken, site.ports["openadr"], 20)
        await master_comes()
        return "those kept for them" in (site.folder / "server.log").read_text(encoding="utf-8")

    async def master_comes() -> bool:
        with contextlib.suppress(MasterFailed, TimeoutError):
            async with asyncio.timeout(10):
                return await operates(port, NEW)
        return False

    async def page_answers() -> bool:
        with contextlib.suppress(Exception):
            return bool((await site.status())["devices"]["total"] == 4)
        return False

    await eventually(they_take_the_rest_and_it_comes_to_the_reserve, 60.0, "no descriptor is left but those kept")
    await eventually(master_comes, 30.0, "a master gets in")
    await eventually(page_answers, 30.0, "the page answers")
    assert site.server.alive
    await hold(taken, site.sep2_port, 20)
    assert await operates(port, NEW)
