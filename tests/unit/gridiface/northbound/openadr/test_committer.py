"""Group commit: one transaction for what waits together, and the way back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from gridiface.domain.changes import Change as LedgerChange
from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import Outcome, OutcomeKind
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.openadr.committer import Committer, News, then
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.protocols.openadr.changes import Change


class Ledger:
    def __init__(self) -> None:
        self.commits: list[Sequence[LedgerChange]] = []
        self.gate = asyncio.Event()
        self.down = False
        self.refused = ""

    async def commit(self, changes: Sequence[LedgerChange]) -> None:
        await self.gate.wait()
        if self.down:
            raise StoreUnavailable("down on purpose")
        if any(isinstance(change, PutDocument) and change.key == self.refused for change in changes):
            raise LocalProtocolError("refused on purpose")
        self.commits.append(changes)

    async def documents(self, space: str) -> list[Document]:
        return []


def change(key: str) -> Change:
    return Change(key, b"new", b"old")


async def test_what_comes_during_a_commit_goes_into_the_next_one_together() -> None:
    ledger = Ledger()
    committer = Committer(ledger, "space", lambda changes: None)
    saves = [asyncio.create_task(committer.save([change("a")]))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saves += [asyncio.create_task(committer.save([change(name)])) for name in "bc"]
    # A request without changes of its own may rest on those of others.
    saves.append(asyncio.create_task(committer.save([])))
    await asyncio.sleep(0)
    assert not any(save.done() for save in saves)
    ledger.gate.set()
    await asyncio.gather(*saves)
    assert [len(commit) for commit in ledger.commits] == [1, 2]


async def test_all_that_is_not_durable_is_taken_back_the_newest_first() -> None:
    ledger, reverted, undone = Ledger(), [], []
    ledger.down = True

    def revert(changes: Iterable[Change]) -> None:
        reverted.extend(one.key for one in changes)

    committer = Committer(ledger, "space", revert)
    saves = [asyncio.create_task(committer.save([change("a")], undo=lambda: undone.append("a")))]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    saves.append(asyncio.create_task(committer.save([change("b")], undo=lambda: undone.append("b"))))
    await asyncio.sleep(0)
    ledger.gate.set()
    for save in saves:
        with pytest.raises(StoreUnavailable):
            await save
    assert reverted == undone == ["b", "a"]
    await committer.drain()
    ledger.down = False
    await committer.save([change("c")])
    assert len(ledger.commits) == 1


async def test_telemetry_is_durable_in_the_transaction_of_what_it_came_with() -> None:
    ledger, observed = Ledger(), []
    ledger.gate.set()

    async def publish(news: News, changes: Sequence[LedgerChange]) -> None:
        observed.append(([snapshot.device_id for snapshot in news.seen], len(news.outcomes), len(changes)))

    committer = Committer(ledger, "space", lambda changes: None, publish)
    seen = News(seen=[Snapshot(device_id="d", source_time=1.0, received=1.0, w=1.0)])
    word = News(outcomes=[Outcome(control_id="c", kind=OutcomeKind.RECEIVED, at=1.0)])
    await asyncio.gather(
        committer.save([change("a")], news=seen),
        committer.save([change("b")]),
        # Words on set-points go into a transaction of their own kind, in their turn.
        committer.save([change("c")], news=word),
        committer.save([change("d")], news=word),
        committer.save([change("e")], news=seen),
    )
    assert observed == [(["d"], 0, 2), ([], 2, 2), (["d"], 0, 1)]
    assert not ledger.commits
    await committer.save([change("c")])
    assert len(ledger.commits) == 1


async def test_what_one_payload_says_of_both_kinds_is_lost_in_neither() -> None:
    said: list[tuple[str, int, int]] = []

    class Registry:
        async def observe(self, seen: Any, now: float, *, along: Any) -> None:
            said.append(("observe", len(seen), len(along)))

        async def report(self, deliveries: Any, outcomes: Any, now: float, *, along: Any) -> None:
            said.append(("report", len(outcomes), len(along)))

    vtn: Any = SimpleNamespace(_registry=Registry(), _clock=SimpleNamespace(now=lambda: 1.0))
    seen = News(seen=[Snapshot(device_id="d", source_time=1.0, received=1.0, w=1.0)])
    word = News(outcomes=[Outcome(control_id="c", kind=OutcomeKind.RECEIVED, at=1.0)])
    for news in (seen, word, News.of((seen, word))):
        await OpenAdrVtn._publish(vtn, news, [PutDocument("s", "k", b"")])
    assert said == [("observe", 1, 1), ("report", 1, 1), ("observe", 1, 0), ("report", 1, 1)]


async def test_telemetry_that_cannot_be_stored_is_taken_back() -> None:
    undone = []

    async def publish(news: News, changes: Sequence[LedgerChange]) -> None:
        raise StoreUnavailable("down on purpose")

    committer = Committer(Ledger(), "space", lambda changes: None, publish)
    seen = News(seen=[Snapshot(device_id="d", source_time=1.0, received=1.0, w=1.0)])
    with pytest.raises(StoreUnavailable):
        await committer.save([change("a")], undo=lambda: undone.append("a"), news=seen)
    assert undone == ["a"]


async def test_nothing_to_save_waits_for_nobody() -> None:
    ledger = Ledger()
    await Committer(ledger, "space", lambda changes: None).save([])
    assert not ledger.commits


async def test_what_rests_on_a_commit_is_made_when_it_is_durable_and_told_where_it_is_not() -> None:
    ledger = Ledger()
    committer = Committer(ledger, "space", lambda changes: None)
    made: list[StoreUnavailable | None] = []

    def handed_in(name: str) -> asyncio.Future[int]:
        done = committer.hand_in([change(name)])
        assert done is not None
        return then(done, lambda problem: made.append(problem) or len(made))

    first, given_up = handed_in("a"), handed_in("b")
    given_up.cancel()
    await asyncio.sleep(0)
    assert made == []
    ledger.gate.set()
    assert await first == 1
    assert made == [None]
    assert [len(commit) for commit in ledger.commits] == [2]
    ledger.down = True
    assert await handed_in("c") == 2
    assert isinstance(made[1], StoreUnavailable)


async def test_a_fault_in_what_rests_on_a_commit_is_whoever_waits_for_it() -> None:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    faulty = then(done, lambda _: 1 // 0)
    done.set_result(None)
    with pytest.raises(ZeroDivisionError):
        await faulty
    broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    passed = then(broken, lambda _: 1)
    broken.set_exception(RuntimeError("of the house"))
    with pytest.raises(RuntimeError):
        await passed


async def test_what_the_store_does_not_take_fails_alone_and_what_stood_on_it_can_come_again() -> None:
    reverted: list[str] = []
    ledger = Ledger()
    ledger.refused = "b"
    ledger.gate.set()
    committer = Committer(ledger, "space", lambda changes: reverted.extend(one.key for one in changes))
    saves = [asyncio.create_task(committer.save([change(name)])) for name in "abc"]
    done = await asyncio.gather(*saves, return_exceptions=True)
    assert done[0] is None
    assert isinstance(done[1], LocalProtocolError)
    assert isinstance(done[2], StoreUnavailable)
    assert reverted == ["c", "b"]
    await committer.save([change("c")])
    assert [one.key for commit in ledger.commits for one in commit if isinstance(one, PutDocument)] == ["a", "c"]


async def test_nobody_is_left_waiting_by_a_fault_of_our_own() -> None:
    async def publish(news: News, changes: Sequence[LedgerChange]) -> None:
        raise ZeroDivisionError

    reverted: list[str] = []
    committer = Committer(Ledger(), "space", lambda changes: reverted.extend(one.key for one in changes), publish)
    with pytest.raises(StoreUnavailable):
        await committer.save(
            [change("a")], news=News(outcomes=[Outcome(control_id="c", kind=OutcomeKind.RECEIVED, at=1.0)])
        )
    assert reverted == ["a"]
