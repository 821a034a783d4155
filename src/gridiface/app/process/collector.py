"""The garbage collector of a server that runs: when it looks for rings of objects that nobody holds any more.

Owned here: the moments. Left alone it looks when so many objects were made, which is while a large batch of commands
is being handed out: a tenth of a second at 10,000 devices, and seconds whenever it also goes through what those before
left. Nearly all of what a batch makes is gone again, without it, once the batch is out.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import time
from collections.abc import Callable

_log = logging.getLogger("gridiface.collector")

#: Time between two looks at how many objects there are, s. To look costs less than a microsecond.
LOOK_S = 0.05

#: So many new objects are gone through at once: a few milliseconds.
YOUNG = 20_000

#: So many that outlived that are gone through once more, and never again: some tens of milliseconds.
AGED = 100_000

#: At so many new ones it is done in the middle of whatever is under way: memory counts, too.
MOST = 1_000_000

#: All is gone through, at a quiet moment, when what stays has grown by this part and by so many objects; and at any
#: moment when it was not quiet for so long, s. It takes a second at 10,000 devices.
GROWN, GROWN_LEAST, PATIENCE_S = 1.25, 500_000, 86_400.0

#: Not before so long after the start, when the devices are open, nor after the last time, s.
RARELY_S = 3_600.0


def calm() -> None:
    """What was loaded at the start stays: walking it again for each few hundred new objects costs a fleet's writes.

    The few thousand objects that are garbage already stay too: looking for them among all others would cost a start
    more than they are worth.
    """
    gc.freeze()
    gc.set_threshold(MOST, 50, 100)


class Collector:
    """Collects while nothing is in a hurry. Its settings of the interpreter stay when it stops.

    Args:
        hurry: whether a large batch of commands is under way: hardly anything is collected meanwhile.
        fast: whether commands of a service are at work that may not come a second late: not all is gone through.
        monotonic: seconds, from anywhere.
    """

    def __init__(
        self,
        hurry: Callable[[], bool] = lambda: False,
        fast: Callable[[], bool] = lambda: False,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hurry, self._fast, self._monotonic = hurry, fast, monotonic
        self._aged = self._kept = self._base = 0
        self._wanted: float | None = None
        self._last = monotonic()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """What is there stays; from now on this looks."""
        calm()
        self._task = asyncio.create_task(self._run(), name="gridiface collector")

    async def stop(self) -> None:
        """End; twice is once."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """Collect what is due, if this is a moment for it."""
        fresh = gc.get_count()[0]
        if self._wanted is None and fresh < YOUNG:
            return
        if self._hurry():
            return  # the interpreter does it at `MOST`
        if fresh + self._aged >= AGED:
            found = gc.collect(1)
            gc.freeze()
            self._kept, self._aged = self._kept + max(0, fresh + self._aged - found), 0
            self._reckon()
        elif fresh >= YOUNG:
            self._aged += max(0, fresh - gc.collect(0))
        if self._wanted is not None:
            self._all()

    def _reckon(self) -> None:
        """See whether what stays has grown so much that there may be rings in it: counting it takes a while, too."""
        if self._wanted is not None or self._kept < max(GROWN_LEAST, (GROWN - 1) * self._base):
            return
        if self._monotonic() - self._last < RARELY_S:
            return
        self._kept, count = 0, gc.get_freeze_count()
        if not self._base:
            self._base = count
        elif count >= max(GROWN * self._base, self._base + GROWN_LEAST):
            self._wanted = self._monotonic()

    def _all(self) -> None:
        assert self._wanted is not None
        if self._fast() and self._monotonic() - self._wanted < PATIENCE_S:
            return
        began, before = self._monotonic(), gc.get_freeze_count()
        gc.unfreeze()
        found = gc.collect()
        gc.freeze()
        self._base, self._wanted, self._last = gc.get_freeze_count(), None, self._monotonic()
        took = 1000 * (self._last - began)
        _log.info("%d of %d objects were rings that nobody held, found in %.0f ms", found, before, took)
