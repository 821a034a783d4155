"""Commands to many devices come before readings: who polls may wait until a large batch is out.

A fan-out to thousands takes as long as the loop that tells them is busy, and readings of the same moment would only
show what the devices are just being told to leave. Owned here: who waits, and how long at most.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

#: How long a reading waits at most for large batches, s: a dead device among thousands must not blind us.
MOST_S = 0.5


class Precedence:
    """The large batches that are under way in one event loop."""

    __slots__ = ("_clear", "_under_way")

    def __init__(self) -> None:
        self._under_way = 0
        self._clear = asyncio.Event()

    @property
    def busy(self) -> bool:
        """Whether a large batch is being handed out."""
        return self._under_way > 0

    @contextlib.contextmanager
    def claimed(self) -> Iterator[None]:
        """A large batch is being handed out meanwhile."""
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._clear.set()
                self._clear = asyncio.Event()

    async def give_way(self, most_s: float = MOST_S) -> None:
        """Wait until no large batch is under way, `most_s` at most; where there is none: not at all."""
        if self._under_way:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(most_s):
                    await self._clear.wait()
