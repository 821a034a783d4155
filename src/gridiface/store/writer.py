"""Group commit: whoever waits becomes durable together, in one transaction. Owns the queue; the sink owns the disk.

While one transaction is on its way to the disk, the next callers gather; so one caller alone waits one commit, and
many callers share one. A caller returns only after the commit that holds its rows. On a quick disk few would gather,
and each transaction costs as much as the rows of ten callers: after a group of several, the next one is given a few
milliseconds to form (PostgreSQL's commit_delay and commit_siblings).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gridiface.errors import LocalProtocolError, StoreUnavailable
from gridiface.store.batch import Batch, Plan, plan

_log = logging.getLogger(__name__)

#: Callers in one group from which on the next group is given time to form, and that time.
_SIBLINGS = 4
_GATHER_S = 0.003
#: A statement that needs the database and changes nothing.
_LOOK = "SELECT 1"


class RefusedRows(Exception):
    """The database is well and does not take some row of a plan; nothing was changed. Never leaves the store."""


class Sink(Protocol):
    """What makes a plan durable."""

    async def open(self) -> None:
        """Make ready; StoreUnavailable where it cannot be."""
        ...

    async def write(self, plan: Plan, out_of_reach: Callable[[str], None]) -> None:
        """All or nothing; StoreUnavailable or RefusedRows where nothing was changed.

        `out_of_reach` is told the reason as soon as it is clear that the answer may take long because the database
        cannot be reached; the answer comes all the same.
        """
        ...

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> int:
        """One statement in its own transaction, between plans; the rows changed."""
        ...

    async def close(self) -> None:
        """Let go of the database."""
        ...


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    done: asyncio.Future[None]


class GroupWriter:
    """Collects the batches of concurrent callers and writes them together.

    Args:
        sink: where plans become durable.
        max_group_rows: rows after which a transaction takes no further caller.
        max_waiting_rows: rows that may wait before further callers are turned away.
        look_s: after so many seconds without a write the database is asked whether it is there, so that `trouble` is
            known before somebody's rows are lost on it.
    """

    def __init__(
        self,
        sink: Sink,
        *,
        max_group_rows: int = 20_000,
        max_waiting_rows: int = 1_000_000,
        look_s: float = 5.0,
    ) -> None:
        self._sink = sink
        self._max_group_rows = max_group_rows
        self._max_waiting_rows = max_waiting_rows
        self._look_s = look_s
        self._waiting: deque[_Waiting] = deque()
        self._waiting_rows = 0
        self._wake = asyncio.Event()
        #: Whether `close` was called.
        self.closing = False
        self._task: asyncio.Task[None] | None = None
        self._last_callers = 0
        #: Why the last transaction, or look, failed; empty while the store is well.
        self.trouble = ""
        self._found_by_look = False
        #: Told why the database is out of reach while the fate of a transaction is still asked after, and "" once it
        #: is known: who holds something back behind that transaction can let go of it. Must not block nor raise.
        self.reach_watchers: list[Callable[[str], None]] = []
        self._out_of_reach = False
        #: Transactions and calls made durable so far.
        self.groups = 0
        self.calls = 0

    def start(self) -> None:
        """Begin to write; needs a running loop."""
        self._task = asyncio.create_task(self._run(), name="gridiface-store-writer")

    async def close(self) -> None:
        """Write what waits, then stop; later commits are refused."""
        self.closing = True
        self._wake.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def commit(self, batch: Batch) -> None:
        """Return when the rows are durable.

        Raises:
            StoreUnavailable: nothing was changed.
            LocalProtocolError: the database does not take these rows; nothing was changed.
        """
        if self.closing or self._task is None or self._task.done():
            raise StoreUnavailable("the store is closed")
        if self._out_of_reach:
            # The one transaction whose fate is asked after may take its time; nobody needs to stand behind it.
            raise StoreUnavailable(self.trouble)
        if self._waiting and self._waiting_rows + batch.size > self._max_waiting_rows:
            raise StoreUnavailable(f"{self._waiting_rows} rows already wait for the disk")
        waiting = _Waiting(batch, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._waiting_rows += batch.size
        self._wake.set()
        await waiting.done

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._look_s):
                    await self._wake.wait()
            except TimeoutError:
                await self._look()
            self._wake.clear()
            while self._waiting:
                if self._last_callers >= _SIBLINGS and not self.closing:
                    await asyncio.sleep(_GATHER_S)
                group = self._take()
                self._last_callers = len(group)
                await self._write(group)
            if self.closing:
                return

    async def _look(self) -> None:
        """Ask an idle database whether it is there.

        An answer ends only the trouble that a look found: what a write met (a full disk) only a write can disprove.
        """
        if self.trouble and not self._found_by_look:
            return
        try:
            await self._sink.execute(_LOOK)
        except (StoreUnavailable, RefusedRows) as error:
            # A database that takes not even this has no tables of ours any more, or no rights for us.
            self._unavailable((), StoreUnavailable(str(error)))
            self._found_by_look = True
        else:
            self._well()

    def _take(self) -> list[_Waiting]:
        """The next group: all that wait, up to a size; those who gave up waiting are dropped."""
        group: list[_Waiting] = []
        rows = 0
        while self._waiting and (not group or rows + self._waiting[0].batch.size <= self._max_group_rows):
            waiting = self._waiting.popleft()
            self._waiting_rows -= waiting.batch.size
            if not waiting.done.done():
                group.append(waiting)
                rows += waiting.batch.size
        return group

    async def _write(self, group: Sequence[_Waiting]) -> None:
        if not group:
            return
        try:
            await self._sink.write(plan([waiting.batch for waiting in group]), self._lose_reach)
        except RefusedRows as refusal:
            await self._separate(group, refusal)
        except StoreUnavailable as error:
            self._unavailable(group, error)
        except Exception as error:
            _log.exception("the store's writer met an error that it does not know")
            self._unavailable(group, StoreUnavailable(f"{type(error).__name__}: {error}"))
        else:
            self._durable(group)
        finally:
            if self._out_of_reach:
                self._out_of_reach = False
                self._tell_reach("")

    def _lose_reach(self, reason: str) -> None:
        """Turn away those who wait and those who come, while the transaction under way waits for its answer."""
        if not self._out_of_reach:
            self._out_of_reach = True
            self._unavailable((), StoreUnavailable(reason))
            self._tell_reach(self.trouble)

    def _tell_reach(self, reason: str) -> None:
        for watcher in self.reach_watchers:
            watcher(reason)

    async def _separate(self, group: Sequence[_Waiting], refusal: RefusedRows) -> None:
        """One caller's rows must not fail the others': halve until the culprit stands alone."""
        if len(group) > 1:
            middle = len(group) // 2
            await self._write(group[:middle])
            await self._write(group[middle:])
            return
        if not group[0].done.done():
            error = LocalProtocolError(f"the store does not take these rows: {refusal}")
            error.__cause__ = refusal
            group[0].done.set_exception(error)

    def _well(self) -> None:
        if self.trouble:
            _log.warning("the store is writable again")
            self.trouble = ""
        self._found_by_look = False

    def _durable(self, group: Sequence[_Waiting]) -> None:
        self._well()
        self.groups += 1
        self.calls += len(group)
        for waiting in group:
            if not waiting.done.done():
                waiting.done.set_result(None)

    def _unavailable(self, group: Sequence[_Waiting], error: StoreUnavailable) -> None:
        """Fail the group, and those who gathered meanwhile: they must not each wait for the same time-out."""
        if not self.trouble:
            _log.error("the store cannot be written: %s", error)
        self.trouble = str(error) or type(error).__name__
        self._found_by_look = False
        late = list(self._waiting)
        self._waiting.clear()
        self._waiting_rows = 0
        for waiting in (*group, *late):
            # A copy each: one exception raised in many tasks would gather all their tracebacks.
            with contextlib.suppress(asyncio.InvalidStateError):
                waiting.done.set_exception(StoreUnavailable(self.trouble))
