"""Records that are read again while they change: what was changed here meanwhile is newer than what was read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gridiface.domain.changes import Change, Document
from gridiface.operator.records.book import FRESH_S, MISS_S, Book


class SlowLedger:
    """Reads what is there when it is asked, and hands it out when it is told to."""

    def __init__(self, **kept: str) -> None:
        self.kept, self.asked, self.answers = kept, 0, asyncio.Event()
        self.answers.set()

    async def commit(self, changes: Sequence[Change]) -> None:
        raise AssertionError(changes)

    async def documents(self, space: str) -> list[Document]:
        self.asked += 1
        found = [Document(space, key, text.encode()) for key, text in self.kept.items()]
        await self.answers.wait()
        return found


async def book(ledger: SlowLedger) -> Book[str]:
    made: Book[str] = Book(ledger, "space", lambda document: document.body.decode() or None)
    await made.load(0.0)
    return made


async def test_records_are_read_again_after_a_while_and_after_a_miss() -> None:
    ledger = SlowLedger(a="1", unreadable="")
    made = await book(ledger)
    assert made.records == {"a": "1"}
    ledger.kept = {"a": "2", "b": "3"}
    assert await made.get("a", FRESH_S) == "1"
    assert await made.get("b", MISS_S) is None
    assert await made.get("b", MISS_S + 0.1) == "3"
    ledger.kept = {}
    await made.fresh(FRESH_S + MISS_S)
    assert sorted(made) == ["2", "3"]
    await made.fresh(FRESH_S + MISS_S + 0.2)
    assert list(made) == []
    assert ledger.asked == 3


async def test_a_clock_that_was_set_back_lets_them_be_read_again() -> None:
    ledger = SlowLedger()
    made = await book(ledger)
    await made.fresh(-FRESH_S - 1)
    assert ledger.asked == 2


async def test_what_changes_while_they_are_read_stays_changed() -> None:
    ledger = SlowLedger(taken="old", changed="old", kept="old", elsewhere="old")
    made = await book(ledger)
    ledger.kept["elsewhere"] = "new"
    ledger.answers.clear()
    reading = asyncio.create_task(made.load(1.0))
    await asyncio.sleep(0)
    del made.records["taken"]
    made.records |= {"changed": "new", "made": "new"}
    ledger.answers.set()
    await reading
    assert made.records == {"changed": "new", "made": "new", "kept": "old", "elsewhere": "new"}
