"""What a device has told unasked: the newest document of each source, counted and dated. Owns no connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gridiface.domain.clock import Clock, Instant
from gridiface_southbound.points.template import MISSING, find


@dataclass(slots=True)
class _Message:
    document: Any
    at: Instant
    kept: bool
    count: int


class Heard:
    """The newest documents of one device, by their source: a topic, a frame.

    Args:
        clock: dates them.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._messages: dict[str, _Message] = {}
        self._news = asyncio.Event()

    def put(self, source: str, document: Any, *, kept: bool = False) -> None:
        """A document; `kept`: it is from before we listened."""
        before = self._messages.get(source)
        if kept and before is not None and before.document == document:
            # Told again because somebody has begun to listen: no news.
            return
        count = (0 if before is None else before.count) + (not kept)
        self._messages[source] = _Message(document, self._clock.now(), kept, count)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until something heard makes the condition true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    def count(self, source: str) -> int:
        """How many documents have come since we listen; one that was kept is none."""
        message = self._messages.get(source)
        return 0 if message is None else message.count

    def at(self, source: str) -> Instant | None:
        """When the newest one came."""
        message = self._messages.get(source)
        return None if message is None else message.at

    def kept(self, source: str) -> bool:
        """Whether the newest one is from before we listened."""
        message = self._messages.get(source)
        return message is not None and message.kept

    def value(self, source: str, pointer: str) -> Any:
        """What a pointer finds in the newest one, `MISSING` where there is nothing."""
        message = self._messages.get(source)
        return MISSING if message is None or message.document is MISSING else find(message.document, pointer)
