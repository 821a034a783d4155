"""The disk is full, the database locked, read-only or in use: refused while it lasts, and well again by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gridiface.domain.changes import PutDocument
from gridiface.errors import ConfigError, StoreUnavailable
from gridiface.store.engine import StoreInUse
from gridiface.store.repository import Store, StoreOptions

ONE = [PutDocument("s", "k", b"v")]


def path_of(store: Store) -> Path:
    assert store.database.path is not None
    return store.database.path


async def refused(store: Store) -> str:
    with pytest.raises(StoreUnavailable) as caught:
        await store.commit(ONE)
    assert store.trouble
    return str(caught.value)


async def well_again(store: Store) -> None:
    await store.commit(ONE)
    assert store.trouble == ""
    assert (await store.document("s", "k")) is not None


async def test_locked_for_two_seconds_is_refused_then_recovers(tmp_path: Path) -> None:
    store = await Store.open(str(tmp_path / "g.db"), options=StoreOptions(busy_timeout_s=0.2))
    other = sqlite3.connect(path_of(store), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    loop = asyncio.get_running_loop()
    until = loop.time() + 2.0
    refusals = 0
    while loop.time() < until:
        # Many at once: none may wait for the others' time-outs one after the other.
        results = await asyncio.gather(*(store.commit(ONE) for _ in range(20)), return_exceptions=True)
        assert {type(result) for result in results} == {StoreUnavailable}
        refusals += 1
    assert refusals >= 3
    assert await store.documents("s") == []
    other.execute("ROLLBACK")
    other.close()
    await well_again(store)
    await store.close()


async def test_locked_shorter_than_the_timeout_only_waits(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "g.db"), options=StoreOptions(busy_timeout_s=10.0)) as store:
        other = sqlite3.connect(path_of(store), isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(store.commit(ONE))
        done, _ = await asyncio.wait({waiting}, timeout=0.2)
        assert not done
        other.execute("ROLLBACK")
        other.close()
        await waiting
        assert (await store.document("s", "k")) is not None


async def test_page_limit_reached_is_refused_then_recovers(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "g.db")) as store:
        await store.sink.execute("PRAGMA max_page_count=30")
        big = [PutDocument("big", "k", bytes(400_000))]
        with pytest.raises(StoreUnavailable, match="full"):
            await store.commit(big)
        assert await store.documents("big") == []
        await store.sink.execute("PRAGMA max_page_count=100000")
        await store.commit(big)
        assert len(await store.documents("big")) == 1


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    folder = Path(tempfile.mkdtemp(prefix="gridiface-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("this machine does not let us mount a small file system")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


def fill(ballast: Path) -> None:
    """Write until nothing more fits."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


async def test_a_full_disk_is_refused_then_recovers(small_disk: Path) -> None:
    async with await Store.open(str(small_disk / "g.db")) as store:
        await store.commit(ONE)
        ballast = small_disk / "ballast"
        fill(ballast)
        for size in (200_000, 400_000):
            with pytest.raises(StoreUnavailable):
                await store.commit([PutDocument("big", "k", bytes(size))])
        assert [document.body for document in await store.documents("s")] == [b"v"]
        assert await store.documents("big") == []
        ballast.unlink()
        await store.commit([PutDocument("big", "k", bytes(200_000))])
        await well_again(store)


async def test_read_only_is_refused_then_recovers(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "g.db")) as store:
        await store.sink.execute("PRAGMA query_only=ON")
        assert "readonly" in await refused(store)
        # The failed connection was replaced by a new one, which may write.
        await well_again(store)


async def test_a_file_that_may_not_be_written_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    await (await Store.open(str(path))).close()
    code = (
        "import asyncio, sys\nfrom gridiface.store.repository import Store\n"
        "from gridiface.errors import StoreUnavailable\nimport os\n"
        "os.geteuid() == 0 and os.seteuid(65534)\n"
        "try:\n    asyncio.run(Store.open(sys.argv[1]))\nexcept StoreUnavailable as error:\n    print(error)\n"
    )
    folder = Path(tempfile.mkdtemp(prefix="gridiface-ro-"))
    try:
        copy = shutil.copy(path, folder / "g.db")
        copy.chmod(0o444)
        folder.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code, copy], capture_output=True, text=True, check=True)
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert "Permission denied" in done.stdout


async def test_a_database_taken_away_is_refused_not_made_anew(tmp_path: Path) -> None:
    async with await Store.open(str(tmp_path / "g.db")) as store:
        await store.commit(ONE)
        path = path_of(store)
        await store.sink.execute("PRAGMA query_only=ON")
        await refused(store)
        path.rename(tmp_path / "elsewhere.db")
        await refused(store)
        assert not path.exists()
        (tmp_path / "elsewhere.db").rename(path)
        await well_again(store)


async def test_a_second_server_on_the_same_file_is_told_who_has_it(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    link = tmp_path / "link.db"
    async with await Store.open(str(path)):
        link.symlink_to(path)
        for name in (path, link):
            with pytest.raises(StoreInUse, match=f"pid {os.getpid()}"):
                await Store.open(f"sqlite:///{name}")
    async with await Store.open(str(link)) as store:
        await well_again(store)


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/d", "://", "postgresql+nonsense"])
async def test_names_that_are_no_database_of_ours(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if "://" not in url:
        with pytest.raises(StoreUnavailable, match="there is no database"):
            await Store.open(url, create=False)
    else:
        with pytest.raises(ConfigError):
            await Store.open(url)


async def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="none is not there; make it, or name another in `database`"):
        await Store.open(str(tmp_path / "none" / "g.db"))


@pytest.mark.postgres
async def test_postgresql_away_is_unavailable(own_postgres: Any) -> None:
    url = await own_postgres.new_database()
    own_postgres.stop()
    with pytest.raises(StoreUnavailable):
        await Store.open(url)
    own_postgres.start()
    await asyncio.sleep(0)
    store = await opened(url)
    await well_again(store)
    own_postgres.kill()
    with pytest.raises(StoreUnavailable):
        await store.documents("s")
    await refused(store)
    own_postgres.start()
    async with asyncio.timeout(20):
        while store.trouble:
            try:
                await store.commit(ONE)
            except StoreUnavailable:
                await asyncio.sleep(0.05)
    await well_again(store)
    await store.close()


async def opened(url: str) -> Store:
    """A store on a server that is just starting."""
    async with asyncio.timeout(20):
        while True:
            try:
                return await Store.open(url)
            except StoreUnavailable:
                await asyncio.sleep(0.05)


@pytest.mark.postgres
async def test_postgresql_read_only_and_a_lock_held_by_another(postgres: Any) -> None:
    url = await postgres.new_database()
    async with await Store.open(url, options=StoreOptions(command_timeout_s=0.5)) as store:
        await store.sink.execute("SET default_transaction_read_only = on")
        assert "read-only" in await refused(store)
        await well_again(store)
        import asyncpg  # noqa: PLC0415 - only where there is a server

        other = await asyncpg.connect(url)
        async with other.transaction():
            await other.execute("LOCK TABLE documents IN ACCESS EXCLUSIVE MODE")
            await refused(store)
        await other.close()
        await well_again(store)


@pytest.mark.postgres
async def test_a_connection_cut_by_an_administrator_is_replaced(postgres: Any) -> None:
    url = await postgres.new_database()
    async with await Store.open(url) as store:
        import asyncpg  # noqa: PLC0415 - only where there is a server

        other = await asyncpg.connect(url)
        await other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        await other.close()
        async with asyncio.timeout(60):
            while True:
                try:
                    await store.commit(ONE)
                    break
                except StoreUnavailable:
                    await asyncio.sleep(0.01)
        await well_again(store)
