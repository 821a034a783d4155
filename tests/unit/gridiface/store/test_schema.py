"""Revisions: the newest is the one that this version names; SQLite here, both engines in the loopback tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from gridiface.errors import ConfigError
from gridiface.store import schema
from gridiface.store.engine import Database


def test_the_newest_revision_is_the_one_needed() -> None:
    assert schema.revisions()[-1] == schema.HEAD
    assert len(set(schema.revisions())) == len(schema.revisions())


async def test_from_nothing_to_the_newest(tmp_path: Path) -> None:
    engine = Database.parse(str(tmp_path / "g.db")).engine()
    with pytest.raises(ConfigError, match="schema none"):
        await schema.require_head(engine)
    assert await schema.upgrade(engine) == (None, schema.HEAD)
    assert await schema.upgrade(engine) == (schema.HEAD, schema.HEAD)
    await schema.require_head(engine)
    await engine.dispose()


async def test_a_newer_schema_is_told_as_such(tmp_path: Path) -> None:
    engine = Database.parse(str(tmp_path / "g.db")).engine()
    await schema.upgrade(engine)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for asked in (schema.upgrade, schema.require_head):
        with pytest.raises(ConfigError, match=r"has schema 9999, .* run the version that wrote it"):
            await asked(engine)
    await engine.dispose()


async def test_another_programs_file_is_left_alone(tmp_path: Path) -> None:
    engine = Database.parse(str(tmp_path / "g.db")).engine()
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE customers (a INTEGER)"))
    for asked in (schema.upgrade, schema.require_head):
        with pytest.raises(ConfigError, match=r"is not gridiface's: .* the tables customers; name another"):
            await asked(engine)
    async with engine.connect() as connection:
        found = await connection.execute(text("SELECT name FROM sqlite_master"))
        assert [row[0] for row in found] == ["customers"]
    await engine.dispose()
