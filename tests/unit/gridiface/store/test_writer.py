"""Group commit against a sink that the test holds in its hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import pytest
from tests.waiting import until

from gridiface.domain.changes import PutDocument
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.store.batch import Batch, Plan, encode
from gridiface.store.writer import GroupWriter, RefusedRows


class HeldSink:
    """Keeps what it is given; waits at the gate; fails as told."""

    def __init__(self) -> None:
        self.written: list[list[str]] = []
        self.tries = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.lost: Callable[[str], None] | None = None
        self.looks = 0
        self.away: Exception | None = None

    async def open(self) -> None:
        """Nothing to do."""

    async def write(self, plan: Plan, out_of_reach: Callable[[str], None]) -> None:
        self.tries += 1
        self.lost = out_of_reach
        await self.gate.wait()
        keys = [row[1] for _, rows in plan for row in rows]
        if "bad" in keys:
            raise RefusedRows("bad")
        if self.error is not None:
            raise self.error
        self.written.append(keys)

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        assert not sql.startswith(("INSERT", "UPDATE", "DELETE"))
        self.looks += 1
        if self.away is not None:
            raise self.away
        return 0

    async def close(self) -> None:
        """Nothing to do."""


def batch(key: str) -> Batch:
    return encode([PutDocument("s", key, b"")])


@pytest.fixture
async def sink() -> HeldSink:
    return HeldSink()


@pytest.fixture
async def writer(sink: HeldSink) -> AsyncIterator[GroupWriter]:
    made = GroupWriter(sink, max_group_rows=8, max_waiting_rows=20)
    made.start()
    yield made
    sink.gate.set()
    await made.close()


async def start(writer: GroupWriter, *keys: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(writer.commit(batch(key))) for key in keys]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_who_comes_during_a_commit_shares_the_next(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, "a")
    tasks += await start(writer, "b", "c", "d")
    assert not any(task.done() for task in tasks)
    sink.gate.set()
    await asyncio.gather(*tasks)
    assert sink.written == [["a"], ["b", "c", "d"]]
    assert (writer.groups, writer.calls) == (2, 4)


async def test_a_group_is_bounded(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, "first")
    tasks += await start(writer, *(str(i) for i in range(10)))
    sink.gate.set()
    await asyncio.gather(*tasks)
    assert [len(keys) for keys in sink.written] == [1, 8, 2]


async def test_too_many_waiting_are_turned_away(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, *(str(i) for i in range(1)))
    tasks += await start(writer, *(str(i) for i in range(20)))
    with pytest.raises(StoreUnavailable, match="wait for the disk"):
        await writer.commit(batch("one too many"))
    sink.gate.set()
    await asyncio.gather(*tasks)


async def test_bad_rows_fail_only_their_caller(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, "first")
    tasks += await start(writer, "a", "b", "bad", "c", "d")
    sink.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results if result is not None] == [LocalProtocolError]
    assert isinstance(results[3], LocalProtocolError)
    assert sorted(key for keys in sink.written for key in keys) == ["a", "b", "c", "d", "first"]
    assert writer.trouble == ""


async def test_unavailable_fails_all_who_wait_at_once_then_recovers(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    sink.error = StoreUnavailable("disk full")
    tasks = await start(writer, "a")
    tasks += await start(writer, "b", "c")
    sink.gate.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(result) for result in results] == ["disk full"] * 3
    assert len({id(result) for result in results}) == 3
    assert sink.tries == 1
    assert writer.trouble == "disk full"
    sink.error = None
    await writer.commit(batch("d"))
    assert writer.trouble == ""
    assert sink.written == [["d"]]


@pytest.mark.parametrize("it_is_in", [True, False])
async def test_nobody_stands_behind_a_transaction_whose_fate_is_asked_after(
    writer: GroupWriter, sink: HeldSink, *, it_is_in: bool
) -> None:
    reach: list[str] = []
    writer.reach_watchers.append(reach.append)
    sink.gate.clear()
    tasks = await start(writer, "asked after")
    tasks += await start(writer, "behind")
    assert sink.lost is not None
    sink.lost("no server")
    sink.lost("still no server")
    with pytest.raises(StoreUnavailable, match="no server"):
        await tasks[1]
    with pytest.raises(StoreUnavailable, match="no server"):
        await asyncio.wait_for(writer.commit(batch("later")), 60)
    assert not tasks[0].done()
    assert (writer.trouble, reach) == ("no server", ["no server"])
    sink.error = None if it_is_in else StoreUnavailable("nothing was changed")
    sink.gate.set()
    result = (await asyncio.gather(tasks[0], return_exceptions=True))[0]
    assert str(result) == ("None" if it_is_in else "nothing was changed")
    assert reach == ["no server", ""]
    sink.error = None
    await writer.commit(batch("again"))
    assert writer.trouble == ""


async def test_an_unknown_error_refuses_and_does_not_stop_the_writer(writer: GroupWriter, sink: HeldSink) -> None:
    sink.error = ZeroDivisionError("surprise")
    with pytest.raises(StoreUnavailable, match="surprise"):
        await writer.commit(batch("a"))
    sink.error = None
    await writer.commit(batch("b"))
    assert sink.written == [["b"]]


async def test_who_gave_up_before_the_turn_is_not_written(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, "a")
    waiting = await start(writer, "b", "c")
    waiting[0].cancel()
    await asyncio.sleep(0)
    sink.gate.set()
    await asyncio.gather(*tasks, *waiting, return_exceptions=True)
    assert sink.written == [["a"], ["c"]]


async def test_closing_writes_what_waits_and_refuses_the_rest(sink: HeldSink) -> None:
    writer = GroupWriter(sink)
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.commit(batch("too early"))
    writer.start()
    sink.gate.clear()
    tasks = await start(writer, "a")
    tasks += await start(writer, "b")
    closing = asyncio.create_task(writer.close())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="closed"):
        await writer.commit(batch("too late"))
    sink.gate.set()
    await closing
    await asyncio.gather(*tasks)
    assert sink.written == [["a"], ["b"]]


async def test_after_a_group_of_several_the_next_is_given_time_to_form(writer: GroupWriter, sink: HeldSink) -> None:
    sink.gate.clear()
    tasks = await start(writer, "alone")
    tasks += await start(writer, "a", "b", "c", "d")
    sink.gate.set()
    await asyncio.gather(*tasks)
    tasks = await start(writer, "e")
    tasks += await start(writer, "f")
    await asyncio.gather(*tasks)
    await asyncio.gather(*await start(writer, "g"))
    assert sink.written == [["alone"], ["a", "b", "c", "d"], ["e", "f"], ["g"]]


@pytest.mark.parametrize("away", [StoreUnavailable("no route"), RefusedRows("no table")])
async def test_an_idle_store_is_asked_whether_it_is_there(sink: HeldSink, away: Exception) -> None:
    writer = GroupWriter(sink, look_s=0.01)
    writer.start()
    try:
        sink.away = away
        await until(lambda: writer.trouble == str(away), "nobody wrote, and the trouble is known")
        sink.away = None
        await until(lambda: not writer.trouble, "it is back")
        await writer.commit(batch("a"))
        assert sink.written == [["a"]]
    finally:
        await writer.close()


async def test_what_a_write_met_only_a_write_disproves(sink: HeldSink) -> None:
    writer = GroupWriter(sink, look_s=0.01)
    writer.start()
    try:
        sink.error = StoreUnavailable("disk is full")
        with pytest.raises(StoreUnavailable, match="disk is full"):
            await writer.commit(batch("a"))
        looks = sink.looks
        for _ in range(5):
            await asyncio.sleep(0.01)
        assert (writer.trouble, sink.looks) == ("disk is full", looks)
        sink.error = None
        await writer.commit(batch("b"))
        assert not writer.trouble
        await until(lambda: sink.looks > looks, "it is looked at again")
    finally:
        await writer.close()
