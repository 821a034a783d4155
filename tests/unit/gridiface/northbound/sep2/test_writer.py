"""The background writer: in order, again and again while the store cannot write, and without what it does not take."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from gridiface.domain.changes import Change, Document, PutDocument
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.sep2 import writer
from gridiface.northbound.sep2.writer import BackgroundWriter


class Ledger:
    """Keeps documents; those called `bad` it does not take. It cannot write so many times."""

    def __init__(self, down: int = 0) -> None:
        self.commits: list[list[str]] = []
        self.down = down

    async def commit(self, changes: Sequence[Change]) -> None:
        names = [change.key for change in changes if isinstance(change, PutDocument)]
        if self.down:
            self.down -= 1
            raise StoreUnavailable("the disk is full")
        if "bad" in names:
            raise LocalProtocolError("a NUL in a text")
        self.commits.append(names)

    async def documents(self, space: str) -> list[Document]:
        return []


def put(name: str) -> list[Change]:
    return [PutDocument("space", name, b"x")]


async def written(ledger: Ledger, *names: str) -> list[str]:
    """Hand these in at once; what followed, when all is done."""
    followed: list[str] = []
    background = BackgroundWriter(ledger)
    for name in names:
        background.put(put(name), lambda name=name: followed.append(name))  # type: ignore[misc]  # a default binds it
    background.start()
    await background.drain()
    await background.stop()
    return followed


async def test_what_waits_is_one_transaction_and_what_follows_is_done_in_order() -> None:
    ledger = Ledger()
    assert await written(ledger, "a", "b", "c") == ["a", "b", "c"]
    assert ledger.commits == [["a", "b", "c"]]


async def test_what_the_store_does_not_take_is_told_and_keeps_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    ledger = Ledger()
    with caplog.at_level(logging.ERROR, "gridiface.sep2"):
        assert await written(ledger, "a", "bad", "b", "c") == ["a", "b", "c"]
    assert sorted(name for names in ledger.commits for name in names) == ["a", "b", "c"]
    assert [record.getMessage() for record in caplog.records] == ["1 records are left out: a NUL in a text"]


async def test_while_the_store_cannot_write_all_waits_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "_RETRY_S", 0.0)
    ledger = Ledger(down=3)
    assert await written(ledger, "a", "bad", "b") == ["a", "b"]
    assert ledger.commits == [["a"], ["b"]]
