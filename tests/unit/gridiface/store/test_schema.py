"""Revisions: the newest is the one that this version names; SQLite here, both engines in the loopback tests."""

from __future__ import annotations

from pathlib import Path

import pytest

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
