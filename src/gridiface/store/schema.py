"""The schema's revision: what a database has, what this version needs, and the way from one to the other.

Owns when to migrate; migrate.py knows how. There is no way down: restore a backup instead.
"""

from __future__ import annotations

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gridiface.errors import ConfigError
from gridiface.store.postgres import SCHEMA_LOCK

#: The revision that this version reads and writes; a test holds it against the newest in migrations/.
HEAD = "0005"


def revisions() -> list[str]:
    """All revisions that this version knows, oldest first."""
    from gridiface.store import migrate  # noqa: PLC0415 - see its docstring

    return migrate.revisions()


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


async def current(connection: AsyncConnection) -> str | None:
    """The revision of a database; None where it holds no schema of ours."""
    return await connection.run_sync(_current)


async def upgrade_on(connection: AsyncConnection, revision: str = HEAD) -> None:
    """Bring the schema to `revision` inside the caller's transaction.

    Raises:
        ConfigError: the database was written by a newer version of gridiface, or is another program's.
    """
    if connection.dialect.name == "postgresql":
        # Several servers may start at once on an empty database: one migrates, the others wait and find it done.
        await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
    present = await current(connection)
    if present == revision:
        return
    if present is None:
        await connection.run_sync(_refuse_strangers)
    elif present not in revisions():
        raise _newer(present)
    from gridiface.store import migrate  # noqa: PLC0415 - see its docstring

    await connection.run_sync(migrate.upgrade, revision)


def _refuse_strangers(connection: Connection) -> None:
    """Refuse tables of another program where ours would be made.

    Raises:
        ConfigError: there are some; the text names a few.
    """
    found = sorted(inspect(connection).get_table_names())
    # A PostgreSQL database may hold several programs' tables by its owner's will; a file of SQLite is one program's.
    if found and connection.dialect.name == "sqlite":
        named = ", ".join(found[:3]) + (", ..." if len(found) > 3 else "")
        raise ConfigError(
            f"the database is not gridiface's: it has no schema of ours, and the tables {named}; "
            "name another in `database`, gridiface makes an empty one"
        )


def _newer(present: str) -> ConfigError:
    return ConfigError(
        f"the database has schema {present}, this gridiface knows {HEAD}: "
        "run the version that wrote it, or restore a backup of before"
    )


async def upgrade(engine: AsyncEngine, revision: str = HEAD) -> tuple[str | None, str]:
    """Bring the schema to `revision`, all or nothing; returns (before, after).

    Raises:
        ConfigError: the database was written by a newer version of gridiface, or is another program's.
    """
    async with engine.begin() as connection:
        before = await current(connection)
        await upgrade_on(connection, revision)
    return before, revision


async def require_head(engine: AsyncEngine) -> None:
    """Pass where the database has exactly the schema that this version needs.

    Raises:
        ConfigError: it has none, or another, or is another program's; the text says what to do.
    """
    async with engine.connect() as connection:
        present = await current(connection)
        if present is None:
            await connection.run_sync(_refuse_strangers)
    if present is not None and present not in revisions():
        raise _newer(present)
    if present != HEAD:
        raise ConfigError(f"the database has schema {present or 'none'}, {HEAD} is needed: run `gridiface db upgrade`")
