"""The store as a whole on SQLite; the battery for both engines is in the loopback tests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from gridiface.domain.changes import AppendDecisions, Document, PutDocument
from gridiface.domain.controls import Decision, Source, Target, TargetKind
from gridiface.domain.ports import DecisionSearch, History, Ledger
from gridiface.errors import StoreUnavailable
from gridiface.store import repository
from gridiface.store.engine import StoreInUse
from gridiface.store.repository import Store


async def test_it_is_a_ledger_and_a_history(store: Store) -> None:
    ledger: Ledger = store
    history: History = store
    await ledger.commit([PutDocument("s", "k", b"v")])
    assert await ledger.documents("s") == [Document("s", "k", b"v", 1)]
    assert await history.controls() == []


async def test_a_part_of_a_document_is_read_alone(store: Store) -> None:
    await store.commit([PutDocument("s", "k", bytes(range(256))), PutDocument("s", "empty", b"")])
    assert await store.octets("s", "k") == bytes(range(256))
    assert await store.octets("s", "k", 254) == b"\xfe\xff"
    assert await store.octets("s", "k", 0, 3) == b"\x00\x01\x02"
    assert await store.octets("s", "k", 200, 99) == bytes(range(200, 256))
    assert await store.octets("s", "k", 256, 5) == b""
    assert await store.octets("s", "k", 3, 0) == b""
    assert await store.octets("s", "empty") == b""
    assert await store.octets("s", "none") is None


async def test_bursts_share_transactions(store: Store) -> None:
    await asyncio.gather(*(store.commit([PutDocument("s", f"{i}", b"")]) for i in range(500)))
    transactions, calls = store.commits
    assert calls == 500
    assert transactions <= 10


async def test_only_what_is_ready_without_create(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="db upgrade"):
        await Store.open(str(tmp_path / "g.db"), create=False)
    assert list(tmp_path.iterdir()) == []


async def test_a_failed_opening_gives_the_lock_back(tmp_path: Path) -> None:
    path = tmp_path / "g.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable, match="not a database"):
        await Store.open(str(path))
    path.unlink()
    async with await Store.open(str(path)) as store:
        with pytest.raises(StoreInUse):
            await Store.open(str(path))
        assert store.trouble == ""


async def test_closed_is_closed(store: Store) -> None:
    await store.close()
    for work in (store.commit([PutDocument("s", "k", b"")]), store.documents("s"), store.purge(0.0)):
        with pytest.raises(StoreUnavailable, match="closed"):
            await work


async def test_decisions_are_found_by_what_they_are_about(store: Store) -> None:
    source = Source(protocol="sep2", program="p", authority=250.0)
    first = Decision(
        at=10.0,
        target=Target(TargetKind.GROUP, "feeder"),
        signal="export_limit",
        source=source,
        verdict="limited",
        reason="100% of 5_000 W are held back",
    )
    second = replace(first, at=20.0, verdict="shortfall", signal="set_w", target=Target(TargetKind.GROUP, "fleet"))
    await store.commit([AppendDecisions((first, second))])

    async def found(**what: object) -> list[float]:
        return [one.at for one in await store.decisions(search=DecisionSearch(**what))]  # type: ignore[arg-type]

    assert await found() == [20.0, 10.0]
    assert await found(verdict="limited") == [10.0]
    assert await found(target="fleet", signal="set_w", source="sep2") == [20.0]
    assert await found(targets=("feeder", "b7")) == [10.0]
    assert [one.at for one in await store.decisions(limit=1, skip=1)] == [10.0]
    assert await found(text="HELD back") == [20.0, 10.0]
    assert await found(text="100% of") == [20.0, 10.0]
    assert await found(text="1_0") == []
    assert await found(start=10.0, end=20.0) == [10.0]
    assert await found(text="held", end=20.0) == [10.0]
    assert (await store.decisions(search=DecisionSearch(verdict="limited")))[0].source.authority == 250.0


async def test_a_search_by_words_looks_at_the_newest_decisions_and_says_how_far_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "LOOKED_AT", 3)
    made = [decided(float(at), "c1" if at % 2 else "c2", f"d{at % 2}") for at in range(10)]
    await store.commit([AppendDecisions(tuple(made))])
    words = DecisionSearch(text="because")
    assert await store.within_reach(DecisionSearch()) == DecisionSearch()
    assert await store.within_reach(DecisionSearch(target="d1", end=5.0)) == DecisionSearch(target="d1", end=5.0)
    looked = await store.within_reach(words)
    assert looked == replace(words, start=6.0)
    assert [one.at for one in await store.decisions(search=looked)] == [9.0, 8.0, 7.0, 6.0]
    older = await store.within_reach(replace(words, end=looked.start))
    assert [one.at for one in await store.decisions(search=older)] == [5.0, 4.0, 3.0, 2.0]
    last = await store.within_reach(replace(words, end=older.start))
    assert last.start is None
    assert (await store.within_reach(replace(words, target="d1"))).start == 3.0
    assert (await store.within_reach(words, control_id="c1")).start == 3.0


def decided(at: float, control: str, device: str) -> Decision:
    target = Target(TargetKind.DEVICE, device)
    source = Source(protocol="sep2", program="p", authority=250.0)
    return Decision(
        at=at, target=target, signal="set_w", source=source, verdict="accepted", reason="because", control_id=control
    )
