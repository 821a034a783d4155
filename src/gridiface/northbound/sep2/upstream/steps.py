"""What has happened to each device and is still to be carried out: in order for each, together for many.

A step of a device is durable before its next. Steps of different devices wait for nobody, so that the store takes
those of a whole fleet in a few transactions. Owns no meaning of a step.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from gridiface.errors import StoreUnavailable

#: Devices whose steps are carried out together.
_AT_ONCE = 256

T = TypeVar("T")


class Steps(Generic[T]):
    """Steps that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: deque[T] = deque()

    def add(self, step: T) -> None:
        """One more."""
        self._waiting.append(step)

    async def carry_out(self, do: Callable[[T], Awaitable[None]], whose: Callable[[T], str | None]) -> None:
        """Do all that waits, also what comes meanwhile.

        Args:
            do: carries one step out.
            whose: the device that a step is about; None drops it.

        Raises:
            StoreUnavailable: what could not be stored waits, with all that follows it, for the next call.
            BaseExceptionGroup: steps failed; they are dropped, and what follows them waits.
        """
        while self._waiting:
            rows: dict[str, deque[T]] = {}
            for step in self._waiting:
                if (name := whose(step)) is not None:
                    rows.setdefault(name, deque()).append(step)
            self._waiting.clear()
            each = list(rows.values())
            for first in range(0, len(each), _AT_ONCE):
                batch = [_row(row, do) for row in each[first : first + _AT_ONCE]]
                problems = [one for one in await asyncio.gather(*batch, return_exceptions=True) if one is not None]
                if problems:
                    self._waiting.extendleft(reversed([step for row in each for step in row]))
                    others = [one for one in problems if not isinstance(one, StoreUnavailable)]
                    raise BaseExceptionGroup("steps of events failed", others) if others else problems[0]


async def _row(row: deque[T], do: Callable[[T], Awaitable[None]]) -> None:
    """The steps of one device; one that cannot be stored stays first."""
    while row:
        step = row.popleft()
        try:
            await do(step)
        except StoreUnavailable:
            row.appendleft(step)
            raise
