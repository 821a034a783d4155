"""The audit log's seals: whatever is altered, removed or inserted later shows."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from gridiface.domain.changes import Document
from gridiface.operator.records.audit import SPACE, Entry
from gridiface.operator.records.audit_chain import SEALS, AuditChain, seal_hash, verify

KEY = b"k" * 32


async def written(records: Any, chain: AuditChain, count: int, at: float) -> None:
    for number in range(count):
        change = Entry(at=at + number, who="ann", what="test", subject=str(number)).change()
        await records.commit([change])
        chain.on_committed([change])


@pytest.fixture
async def kept(house: Any) -> Any:
    """(records, chain) with seven sealed entries in three seals of two runs."""
    records = house.records
    records.kept.clear()
    first = AuditChain(records)
    for at in (100.0, 200.0):
        await written(records, first, 2, at)
        await first.seal(at + 10)
    second = AuditChain(records)
    await second.load()
    await written(records, second, 3, 300.0)
    assert await second.seal(310.0) == 3
    assert await second.seal(310.0) == 0
    return records, second


def documents(records: Any, space: str) -> list[Document]:
    return [Document(own, key, body) for (own, key), body in sorted(records.kept.items()) if own == space]


async def test_an_untouched_log_is_as_it_was_sealed_over_restarts(kept: Any) -> None:
    _, chain = kept
    found = await chain.verify(400.0)
    assert (found.ok, found.entries, found.seals, found.unsealed) == (True, 7, 3, 0)
    assert len(found.heads) == 1
    assert (await chain.verify(400.0, found.heads[0])).ok
    assert not (await chain.verify(400.0, "0" * 64)).ok
    assert found.faults == []


def alter(records: Any) -> None:
    key = documents(records, SPACE)[1].key
    records.kept[SPACE, key] = records.kept[SPACE, key].replace(b"ann", b"bob")


def remove(records: Any) -> None:
    del records.kept[SPACE, documents(records, SPACE)[2].key]


def insert(records: Any) -> None:
    change = Entry(at=150.0, who="eve", what="test", subject="forged").change()
    records.kept[SPACE, change.key] = change.body


def cut_last(records: Any) -> None:
    last = max(documents(records, SEALS), key=lambda d: json.loads(d.body)["at"])
    del records.kept[SEALS, last.key]


def cut_middle(records: Any) -> None:
    middle = sorted(documents(records, SEALS), key=lambda d: json.loads(d.body)["at"])[1]
    del records.kept[SEALS, middle.key]


def reseal_one(records: Any) -> None:
    """Alter an entry and its own seal, as somebody would who does not make all later ones anew."""
    alter(records)
    first = min(documents(records, SEALS), key=lambda d: json.loads(d.body)["at"])
    body = json.loads(first.body)
    import hashlib  # noqa: PLC0415 - only the forger needs it

    body["entries"] = [[k, hashlib.sha256(records.kept[SPACE, k]).hexdigest()] for k, _ in body["entries"]]
    body["hash"] = seal_hash(body, None)
    records.kept[SEALS, first.key] = json.dumps(body).encode()


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (alter, "was altered"),
        (remove, "was removed"),
        (insert, "has no seal"),
        (cut_last, "has no seal"),
        (cut_middle, "follows one that is not there"),
        (reseal_one, "follows one that is not there"),
    ],
)
async def test_tampering_shows(kept: Any, tamper: Callable[[Any], None], said: str) -> None:
    records, chain = kept
    tamper(records)
    found = await chain.verify(400.0)
    assert not found.ok
    assert any(said in fault for fault in found.faults), found.faults


async def test_a_chain_made_wholly_anew_shows_by_a_noted_hash_and_by_the_key(house: Any) -> None:
    records = house.records
    records.kept.clear()
    chain = AuditChain(records, KEY)
    await written(records, chain, 2, 100.0)
    await chain.seal(110.0)
    (noted,) = (await chain.verify(110.0)).heads
    alter(records)
    for key in [key for key in records.kept if key[0] == SEALS]:
        del records.kept[key]
    forger = AuditChain(records)
    await forger.load()
    await forger.seal(120.0)
    assert (await forger.verify(130.0)).ok, "without the key and the hash it cannot be told"
    assert not (await forger.verify(130.0, noted)).ok
    found = await chain.verify(130.0)
    assert any("another key" in fault for fault in found.faults)


async def test_a_store_that_is_down_is_waited_for(house: Any) -> None:
    records = house.records
    chain = AuditChain(records)
    await written(records, chain, 1, 100.0)
    records.down = True
    assert await chain.seal(101.0) == 0
    records.down = False
    assert await chain.seal(102.0) == 1


async def test_the_newest_entries_may_be_unsealed(kept: Any) -> None:
    records, chain = kept
    change = Entry(at=390.0, who="ann", what="test", subject="new").change()
    await records.commit([change])
    found = await chain.verify(400.0)
    assert (found.ok, found.unsealed) == (True, 1)
    assert not (await chain.verify(600.0)).ok


def test_two_writers_keep_two_ends() -> None:
    assert verify([], [], 0.0).ok


async def test_list_export_and_verification_over_http(house: Any) -> None:
    for number in range(3):
        change = Entry(at=200.0 + number, who="ann", what="test.x", subject=f"=cmd{number}", reason="r").change()
        await house.records.commit([change])
    await house.desk.chain.load()
    await house.desk.chain.seal(210.0)

    def get(path: str) -> Any:
        return house.ask("GET", f"/api/v1/audit{path}", scope="audit")

    pages, after = [], ""
    while after is not None:
        body = (await get(f"?what=test.&limit=2&after={after}"))[1]
        pages += [row["subject"] for row in body["entries"]]
        after = body["next"]
    assert pages == ["=cmd2", "=cmd1", "=cmd0"]
    assert [r["subject"] for r in (await get("?who=ann&since=201&until=202"))[1]["entries"]] == ["=cmd1"]
    assert (await get("?who=nobody"))[1]["entries"] == []
    body = (await get("/verify"))[1]
    assert (body["ok"], body["faults"], body["keyed"]) == (True, [], False)
    assert (await get(f"/verify?expect={body['heads'][0]}"))[1]["ok"]
    exported = (await get("/export?who=ann"))[1]
    assert len(exported["entries"]) == 3
    kept = [Document(SPACE, entry["key"], entry["body"].encode()) for entry in (await get("/export"))[1]["entries"]]
    seals = [Document(SEALS, str(n), json.dumps(seal).encode()) for n, seal in enumerate(exported["seals"])]
    assert verify(kept, seals, 210.0).ok, "an export can be verified by others"
    status, text, headers = await get("/export.csv?who=ann")
    assert (status, headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert "'=cmd0" in text, "no cell is one that a spreadsheet carries out"
    alter_key = next(key for key in house.records.kept if key[0] == SPACE)
    house.records.kept[alter_key] = house.records.kept[alter_key].replace(b"test", b"tost")
    assert not (await get("/verify"))[1]["ok"]


async def test_upkeep_goes_on_after_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    from gridiface.operator.upkeep import Upkeep  # noqa: PLC0415 - only this test needs it

    turns = []

    async def bad() -> None:
        raise RuntimeError("broken")

    async def good() -> None:
        turns.append(1)

    upkeep = Upkeep(bad, good, turn_s=0.01)
    upkeep.start()
    async with asyncio.timeout(20):
        while len(turns) < 3:
            await asyncio.sleep(0.01)
    before = len(turns)
    await upkeep.stop()
    assert len(turns) > before, "one last turn"
    assert "broken" in caplog.text
