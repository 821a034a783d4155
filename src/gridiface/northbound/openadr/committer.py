"""Group commit for a core that runs ahead of the store: many requests, one transaction, and the way back.

Owns the order: an answer may leave when its own changes and all before them are durable. Where the store cannot write,
or does not take something, everything that is not durable yet is taken back, the newest first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from gridiface.domain.changes import Change as LedgerChange
from gridiface.domain.controls import Delivery, Outcome
from gridiface.domain.ports import Ledger
from gridiface.domain.telemetry import Snapshot
from gridiface.durably import in_order
from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.northbound.openadr.documents import ledger_changes
from gridiface.protocols.openadr.changes import Change


@dataclass(frozen=True, slots=True)
class News:
    """What a peer's payload says to the rest of the house, which records it in the transaction of the payload.

    Attributes:
        seen: telemetry.
        deliveries, outcomes: what became of set-points and their controls.
    """

    seen: Sequence[Snapshot] = ()
    deliveries: Sequence[Delivery] = ()
    outcomes: Sequence[Outcome] = ()

    def __bool__(self) -> bool:
        return bool(self.seen or self.deliveries or self.outcomes)

    @classmethod
    def of(cls, parts: Iterable[News]) -> News:
        """All of them, in their order."""
        some = list(parts)
        if len(some) == 1:
            return some[0]
        return cls(
            [snapshot for one in some for snapshot in one.seen],
            [delivery for one in some for delivery in one.deliveries],
            [outcome for one in some for outcome in one.outcomes],
        )


_NONE = News()
_R = TypeVar("_R")


def then(done: asyncio.Future[None], give: Callable[[StoreUnavailable | None], _R]) -> asyncio.Future[_R]:
    """What `give` makes as soon as `done` is, of what went wrong; None: it is durable. Costs no task."""
    given: asyncio.Future[_R] = asyncio.get_running_loop().create_future()

    def settle(done: asyncio.Future[None]) -> None:
        problem = done.exception()
        if given.cancelled():
            return
        if problem is not None and not isinstance(problem, StoreUnavailable):
            given.set_exception(problem)
            return
        try:
            given.set_result(give(problem))
        except Exception as fault:  # whoever waits gets it
            given.set_exception(fault)

    done.add_done_callback(settle)
    return given


@dataclass(slots=True)
class _Waiting:
    changes: Sequence[Change]
    more: Sequence[LedgerChange]
    undo: Callable[[], None]
    news: News
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Committer:
    """Makes changes of one core durable.

    Args:
        ledger: where to.
        space: of the core's documents.
        revert: gives changes back to the core.
        publish: takes news in and makes them durable with changes of the ledger, in one transaction where they are
            telemetry or words on set-points only. None where there are none.
    """

    def __init__(
        self,
        ledger: Ledger,
        space: str,
        revert: Callable[[Iterable[Change]], None],
        publish: Callable[[News, Sequence[LedgerChange]], Awaitable[None]] | None = None,
    ) -> None:
        self._ledger = ledger
        self._publish = publish
        self._space = space
        self._revert = revert
        self._queue: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def save(
        self,
        changes: Sequence[Change],
        more: Sequence[LedgerChange] = (),
        undo: Callable[[], None] = lambda: None,
        *,
        news: News = _NONE,
    ) -> None:
        """As `hand_in`, and return when it is durable."""
        done = self.hand_in(changes, more, undo, news=news)
        if done is not None:
            await done

    def hand_in(
        self,
        changes: Sequence[Change],
        more: Sequence[LedgerChange] = (),
        undo: Callable[[], None] = lambda: None,
        *,
        news: News = _NONE,
    ) -> asyncio.Future[None] | None:
        """What is done when `changes`, `more` and all that was handed in before are durable; None: they are.

        Args:
            changes: of the core, as it gave them just now.
            more: changes of the ledger that belong to them.
            undo: called beside the core's revert.
            news: that came with them, durable in the same transaction.

        The future's exception is StoreUnavailable where they are taken back, LocalProtocolError where it is these that
        the store does not take.
        """
        if not changes and not more and not news and self._task is None:
            return None
        waiting = _Waiting(changes, more, undo, news)
        self._queue.append(waiting)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        # A request that is given up cancels its own future only: the others' commit goes on.
        return waiting.done

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        while self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            while self._queue:
                batch = self._batch()
                try:
                    durable, problem = await in_order(self._commit, batch)
                except BaseException:
                    self._take_back(batch, StoreUnavailable("something failed while it was stored"))
                    raise
                for one in batch[:durable]:
                    if not one.done.cancelled():
                        one.done.set_result(None)
                if problem is not None:
                    self._take_back(batch[durable:], problem)
        finally:
            self._task = None

    def _batch(self) -> list[_Waiting]:
        """The next of the queue that one transaction can hold: telemetry and words on set-points go apart."""
        kinds: set[bool] = set()
        count = 0
        for one in self._queue:
            kinds |= {bool(one.news.seen)} if one.news else set()
            if len(kinds) > 1:
                break
            count += 1
        batch, self._queue = self._queue[:count], self._queue[count:]
        return batch

    async def _commit(self, batch: Sequence[_Waiting]) -> None:
        changes = [change for one in batch for change in (*ledger_changes(self._space, one.changes), *one.more)]
        news = News.of(one.news for one in batch if one.news)
        if news and self._publish is not None:
            await self._publish(news, changes)
        elif changes:
            await self._ledger.commit(changes)

    def _take_back(self, batch: list[_Waiting], problem: StoreUnavailable | LocalProtocolError) -> None:
        """The first of the batch is what the problem is about; the others can come again."""
        # What came meanwhile was made on top of it, and goes first.
        lost, self._queue = [*batch, *self._queue], []
        for one in reversed(lost):
            self._revert(one.changes)
            one.undo()
        for one in lost:
            if not one.done.cancelled():
                refused = isinstance(problem, LocalProtocolError) and one is batch[0]
                one.done.set_exception(problem if refused else StoreUnavailable(str(problem)))
                one.done.exception()  # Nobody may be waiting any more.
