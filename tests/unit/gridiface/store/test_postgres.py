"""A COMMIT that broke: in, not in, or unknown. The server is a fake; the real one is in the loopback tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pytest

from gridiface.domain.changes import AppendReadings, PutDocument
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import StoreUnavailable
from gridiface.store.batch import encode, plan
from gridiface.store.engine import StoreInUse
from gridiface.store.postgres import PostgresSink
from gridiface.store.writer import RefusedRows

PLAN = plan([encode([PutDocument("s", "k", b"")])])


class Deadlock(Exception):
    sqlstate = "40P01"


class NotNull(Exception):
    sqlstate = "23502"


class FakeServer:
    """Marks that are in, and what the next calls shall do."""

    def __init__(self) -> None:
        self.marks: dict[str, str] = {}
        self.connections = 0
        self.refuse = 0
        self.free = True
        self.commit_does: list[str] = []
        self.rows_raise: list[Exception] = []
        self.copied = 0
        self.executed: list[str] = []


class FakeConnection:
    def __init__(self, server: FakeServer) -> None:
        self.server = server
        self.pending: dict[str, str] = {}

    @property
    def driver_connection(self) -> FakeConnection:
        return self

    async def get_raw_connection(self) -> FakeConnection:
        return self

    async def invalidate(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    def is_closed(self) -> bool:
        return False

    async def fetchval(self, query: str, *args: Any) -> Any:
        return self.server.free if "advisory" in query else self.server.marks.get(args[0])

    async def execute(self, query: str, *args: Any) -> str:
        self.server.executed.append(query)
        if "DO NOTHING" in query:
            self.server.marks.setdefault(args[0], "0")
        elif "DO UPDATE" in query:
            self.pending[args[0]] = args[1]
        return "DELETE 3"

    async def executemany(self, command: str, args: Sequence[Any]) -> None:
        if self.server.rows_raise:
            raise self.server.rows_raise.pop(0)

    async def copy_records_to_table(self, table_name: str, *, records: Sequence[Any], columns: Sequence[str]) -> str:
        self.server.copied += len(records)
        return ""

    def transaction(self) -> FakeConnection:
        return self

    async def start(self) -> None:
        self.pending = {}

    async def rollback(self) -> None:
        self.pending = {}

    async def commit(self) -> None:
        does = self.server.commit_does.pop(0) if self.server.commit_does else "works"
        if does != "breaks before":
            self.server.marks.update(self.pending)
        if does != "works":
            raise ConnectionResetError("gone")


class FakeEngine:
    def __init__(self, server: FakeServer) -> None:
        self.server = server

    async def connect(self) -> FakeConnection:
        self.server.connections += 1
        if self.server.connections > 1 and self.server.refuse:
            self.server.refuse -= 1
            raise ConnectionRefusedError("starting up")
        return FakeConnection(self.server)


def made(server: FakeServer, resolve_s: float = 5.0) -> PostgresSink:
    return PostgresSink(cast("Any", FakeEngine(server)), resolve_s=resolve_s)


async def test_a_commit_that_broke_after_it_was_in_counts_as_in() -> None:
    server = FakeServer()
    server.commit_does, server.refuse = ["works", "breaks after"], 2
    sink = made(server)
    await sink.write(PLAN)
    await sink.write(PLAN)
    assert list(server.marks.values()) == ["2"]
    assert server.connections == 4


async def test_a_commit_that_broke_before_it_was_in_is_refused() -> None:
    server = FakeServer()
    server.commit_does = ["works", "breaks before"]
    sink = made(server)
    await sink.write(PLAN)
    with pytest.raises(StoreUnavailable, match="nothing was changed"):
        await sink.write(PLAN)
    await sink.write(PLAN)
    assert list(server.marks.values()) == ["2"]


async def test_who_waits_is_told_as_soon_as_the_server_cannot_be_asked() -> None:
    server = FakeServer()
    server.commit_does, server.refuse = ["works", "breaks after"], 2
    sink, told = made(server), list[str]()
    await sink.write(PLAN, told.append)
    assert told == []
    await sink.write(PLAN, told.append)
    assert told == ["the database is out of reach: ConnectionRefusedError: starting up"] * 2


async def test_a_server_that_stays_away_leaves_it_unknown_and_says_so() -> None:
    server = FakeServer()
    server.commit_does, server.refuse = ["breaks after"], 1_000_000
    sink = made(server, resolve_s=0.3)
    told: list[str] = []
    with pytest.raises(StoreUnavailable, match="not known"):
        await sink.write(PLAN, told.append)
    assert "starting up" in told[0]


async def test_deadlocks_are_tried_again_and_wrong_rows_are_not() -> None:
    server = FakeServer()
    server.rows_raise = [Deadlock(), Deadlock()]
    sink = made(server)
    await sink.write(PLAN)
    server.rows_raise = [Deadlock() for _ in range(5)]
    with pytest.raises(StoreUnavailable):
        await sink.write(PLAN)
    server.rows_raise = [NotNull()]
    with pytest.raises(RefusedRows):
        await sink.write(PLAN)
    assert server.rows_raise == []


async def test_many_appended_rows_go_by_copy() -> None:
    server = FakeServer()
    reading = Reading(device_id="d", quantity=Quantity.ENERGY, value=1, source_time=2, received=3)
    sink = made(server)
    await sink.write(plan([encode([AppendReadings((reading,) * 40)])]))
    assert server.copied == 40


async def test_statements_tell_their_count_and_closing_forgets_the_mark() -> None:
    server = FakeServer()
    sink = made(server)
    assert await sink.execute("DELETE FROM readings") == 3
    await sink.close()
    assert server.executed[-1].startswith("DELETE FROM meta")


async def test_a_restore_under_way_keeps_servers_out() -> None:
    server = FakeServer()
    server.free = False
    with pytest.raises(StoreInUse):
        await made(server).open()
