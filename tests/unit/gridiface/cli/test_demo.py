"""The end of `gridiface demo` that stays; the rest of it is run whole in tests/flows/test_demo.py."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest
from typer.testing import CliRunner

from gridiface.cli import demo as verb
from gridiface.cli.main import app
from gridiface.simulation.children import ChildFailed
from gridiface.simulation.world import World


class Server:
    """Ends when it is told."""

    def __init__(self) -> None:
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def ended(self) -> str:
        return await self.end


class Kept:
    """A world that stays."""

    sign_in_link = "http://127.0.0.1:1/login#admin:x"

    def __init__(self) -> None:
        self.server = Server()


async def test_ctrl_c_is_the_end_of_a_world_that_stays() -> None:
    staying = asyncio.create_task(verb._stay(cast(World, Kept()), {}, quiet=True))
    await asyncio.sleep(0)
    staying.cancel()
    await staying  # raises where it counts as broken off


async def test_a_server_that_ends_is_none() -> None:
    world = Kept()
    world.server.end.set_result("the server ended with 7")
    with pytest.raises(ChildFailed, match="ended with 7"):
        await verb._stay(cast(World, world), {}, quiet=True)


@pytest.mark.parametrize(("ok", "code"), [(True, 0), (False, 1)])
def test_a_story_that_was_told_ends_with_its_verdict(
    ok: bool, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def told(*_: Any, **__: Any) -> dict[str, Any]:
        return {"ok": ok}

    monkeypatch.setattr(verb, "_run", told)
    done = CliRunner().invoke(app, ["demo", "--stay", "--keep", str(tmp_path)])
    assert done.exit_code == code
    assert f"kept in {tmp_path}" in done.stderr


@pytest.mark.parametrize(("words", "code"), [(("--headless",), 130), (("--headless", "--stay"), 0)])
def test_a_story_that_was_broken_off_says_what_is_left(
    words: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken_off(*_: Any, **__: Any) -> dict[str, Any]:
        raise asyncio.CancelledError

    monkeypatch.setattr(verb, "_run", broken_off)
    done = CliRunner().invoke(app, ["demo", *words])
    assert (done.exit_code, done.stdout) == (code, "")
    assert "stopped; nothing was left behind" in done.stderr
