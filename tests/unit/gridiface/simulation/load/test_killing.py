"""The account of what was acknowledged and what is there; the whole story is in tests/flows/test_kill.py."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from gridiface.simulation.load import killing
from gridiface.simulation.load.killing import FIRST_MARK, Account
from gridiface.simulation.utility import Posted


class Utility:
    async def device_lfdis(self) -> set[str]:
        return {"A"}

    async def request(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        return (200 if path == "/there" else 404), {}, b""


class World:
    """A server that came back with two readings, one of them twice, one registration and one control."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        database = sqlite3.connect(folder / "gridiface.sqlite")
        database.execute("CREATE TABLE readings (value REAL)")
        values = [(1.5,), (FIRST_MARK,), (FIRST_MARK + 1,), (FIRST_MARK + 1,)]
        database.executemany("INSERT INTO readings VALUES (?)", values)
        database.commit()
        database.close()

    @contextlib.asynccontextmanager
    async def utility(self) -> AsyncIterator[Utility]:
        yield Utility()


async def test_what_is_missing_and_what_is_there_twice_is_named(tmp_path: Path) -> None:
    world: Any = World(tmp_path)
    account = Account()
    answer = {"marks": [FIRST_MARK, FIRST_MARK + 1, FIRST_MARK + 2], "registered": ["A", "B"]}
    controls = [Posted(href="/there", mrid="1", reply_to=None), Posted(href="/gone", mrid="2", reply_to=None)]
    await killing._check(world, account, answer, controls)
    assert account.lost == [f"reading {FIRST_MARK + 2}", "registration B", "control 2"]
    assert account.doubled == [f"reading {FIRST_MARK + 1}"]
    assert account.acknowledged == 7
