"""Alembic runs from the package alone, and not at all when a ready database is opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sqlalchemy import create_engine, inspect

from gridiface.store import migrate
from gridiface.store.repository import Store
from gridiface.store.tables import metadata


def test_upgrade_makes_every_table() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        for revision in migrate.revisions():
            migrate.upgrade(connection, revision)
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    engine.dispose()


async def test_a_ready_database_opens_without_alembic(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    await (await Store.open(str(path))).close()
    code = (
        "import asyncio, sys\nfrom gridiface.store.repository import Store\n"
        "async def main():\n    await (await Store.open(sys.argv[1])).close()\n"
        "asyncio.run(main())\nprint('alembic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
