"""Alembic, run without an ini file, from a wheel or a checkout. Imported only where there is something to migrate.

Its import takes as long as a whole start of the store, which a restart after a crash should not have to wait for.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_MIGRATIONS = Path(__file__).parent / "migrations"


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def revisions() -> list[str]:
    """All revisions that this version knows, oldest first."""
    return [script.revision for script in reversed(list(ScriptDirectory.from_config(_config()).walk_revisions()))]


def upgrade(connection: Connection, revision: str) -> None:
    """Bring the schema to `revision` inside the connection's own transaction."""
    command.upgrade(_config(connection), revision)
