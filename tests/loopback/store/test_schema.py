"""Migrations on both engines: from empty, twice, at once, and equal to the declared tables."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from gridiface.domain.ports import DecisionSearch
from gridiface.errors import ConfigError
from gridiface.store import maintenance, schema
from gridiface.store.engine import Database
from gridiface.store.repository import Store
from gridiface.store.tables import metadata


def differences(connection: Connection) -> list[Any]:
    return list(compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata))


async def test_upgrade_from_empty_twice_gives_the_declared_tables(url: str) -> None:
    database = Database.parse(url)
    first = await maintenance.upgrade(database)
    second = await maintenance.upgrade(database)
    assert (first.before, first.after, second.before, second.after) == (None, schema.HEAD, schema.HEAD, schema.HEAD)
    engine = database.engine()
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_database_without_schema_is_not_opened_unless_asked(url: str) -> None:
    database = Database.parse(url)
    if database.path is not None:
        database.path.touch()
    with pytest.raises(ConfigError, match="db upgrade"):
        await Store.open(url, create=False)


async def test_a_newer_schema_is_refused(url: str) -> None:
    await maintenance.upgrade(Database.parse(url))
    engine = Database.parse(url).engine()
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(ConfigError, match="9999"):
        await Store.open(url)
    with pytest.raises(ConfigError, match="9999"):
        await Store.open(url, create=False)


async def test_decisions_of_the_first_schema_are_upgraded_with_their_index(url: str) -> None:
    engine = Database.parse(url).engine()
    await schema.upgrade(engine, "0001")
    words = "target_kind, target_id, signal, protocol, program, identity, authority, verdict, reason, control_id"
    row = "'device', 'b1', 'set_w', 'sep2', 'p', 'utility', 1.0, 'accepted', 'will run', 'c1'"
    async with engine.begin() as connection:
        for at in (10.0, 20.0, 30.0):
            await connection.execute(text(f"INSERT INTO decisions (at, {words}) VALUES ({at}, {row})"))
    assert await schema.upgrade(engine) == ("0001", schema.HEAD)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()
    async with await Store.open(url) as store:
        found = await store.decisions(search=DecisionSearch(target="b1", start=20.0))
        assert [one.at for one in found] == [30.0, 20.0]
        assert await store.decisions(search=DecisionSearch(target="b2")) == []


@pytest.mark.postgres
async def test_servers_that_start_at_once_migrate_once(postgres: Any) -> None:
    url = await postgres.new_database()
    stores = await asyncio.gather(*(Store.open(url) for _ in range(4)))
    assert [await store.documents("s") for store in stores] == [[], [], [], []]
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_migration_is_all_or_nothing(url: str) -> None:
    engine = Database.parse(url).engine()
    async with engine.connect() as connection:
        await connection.begin()
        await schema.upgrade_on(connection)
        assert await schema.current(connection) == schema.HEAD
        await connection.rollback()
    async with engine.connect() as connection:
        assert await schema.current(connection) is None
        assert not await connection.run_sync(lambda sync: sync.dialect.has_table(sync, "readings"))
    await engine.dispose()
