"""Archives: whole or refused, and the same hash for the same content."""

from __future__ import annotations

import gzip
import io
import json
import math
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from gridiface.domain.changes import AppendReadings, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import ConfigError
from gridiface.store import archive, schema
from gridiface.store.engine import Database
from gridiface.store.maintenance import snapshot
from gridiface.store.repository import Store

READINGS = tuple(
    Reading(device_id="d\u00e9", quantity=Quantity.ENERGY, value=value, source_time=1.5, received=2.5)
    for value in (0.1, math.inf, -math.inf, math.nan, 3.0)
)


@pytest.fixture
async def filled(store: Store, tmp_path: Path) -> Path:
    """An archive of a small database."""
    await store.commit([PutDocument("s", f"{i:04}", bytes([i % 256])) for i in range(1200)])
    await store.commit([AppendReadings(READINGS)])
    engine = store.database.engine()
    target = io.BytesIO()
    async with snapshot(engine) as connection:
        await archive.save(connection, target, revision=schema.HEAD, now=0.0)
    await engine.dispose()
    path = tmp_path / "a.gz"
    path.write_bytes(target.getvalue())
    return path


async def empty(tmp_path: Path) -> AsyncEngine:
    engine = Database.parse(str(tmp_path / "other.db")).engine()
    await schema.upgrade(engine)
    return engine


async def test_the_content_comes_back_with_the_same_hash(filled: Path, store: Store, tmp_path: Path) -> None:
    engine = await empty(tmp_path)
    with archive.Archive(filled) as backup:
        async with engine.begin() as connection:
            loaded = await archive.load(connection, backup)
            second = await archive.digest(connection)
    assert (loaded["documents"], loaded["readings"], loaded["controls"]) == (1200, 5, 0)
    assert second.counts == loaded
    await engine.dispose()
    reading = store.database.engine()
    async with snapshot(reading) as connection:
        assert (await archive.digest(connection)).sha256 == second.sha256
        assert await archive.counts(connection) == loaded
    await reading.dispose()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def written(path: Path, content: list[Any]) -> Path:
    path.write_bytes(gzip.compress("".join(json.dumps(line) + "\n" for line in content).encode()))
    return path


def read_all(path: Path) -> int:
    with archive.Archive(path) as backup:
        return sum(len(rows) for _, rows in backup.chunks())


async def test_damage_is_seen(filled: Path, tmp_path: Path) -> None:
    content = lines(filled)
    whole = filled.read_bytes()
    changed = json.loads(json.dumps(content))
    changed[1]["rows"][0][3] = 99
    broken = tmp_path / "b.gz"
    assert read_all(written(broken, content)) == 1205
    damaged: list[list[Any]] = [
        content[:-1],
        [content[0], content[-1]],
        changed,
        [content[0], {"table": "unknown", "rows": []}],
        [content[0], {"table": "readings", "rows": [[1, 2]]}],
        [content[0], {"table": "documents", "rows": [["s", "k", "not base64!", 1]]}],
        [{**content[0], "version": 2}, *content[1:]],
        [{"some": "thing"}],
        [["no", "object"]],
        [],
    ]
    for case in damaged:
        with pytest.raises(ConfigError):
            read_all(written(broken, case))
    for data in (whole[: len(whole) // 2], whole[:200] + b"\xff" * 20 + whole[220:], b"\x1f\x8b", b"plain"):
        broken.write_bytes(data)
        with pytest.raises(ConfigError):
            read_all(broken)


async def test_columns_that_the_schema_does_not_have_are_refused(filled: Path, tmp_path: Path) -> None:
    content = lines(filled)
    content[0]["tables"]["readings"][0][0] = "id; DROP TABLE readings"
    engine = await empty(tmp_path)
    with archive.Archive(written(tmp_path / "b.gz", content)) as backup:
        async with engine.connect() as connection:
            with pytest.raises(ConfigError, match="does not fit"):
                await archive.load(connection, backup)
    await engine.dispose()
