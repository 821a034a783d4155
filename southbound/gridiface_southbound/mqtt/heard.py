"""What a device has told: the newest message of each topic, counted and dated. Owns no connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gridiface.domain.clock import Clock, Instant
from gridiface_southbound.points.template import MISSING, find, parse


@dataclass(slots=True)
class _Message:
    document: Any
    at: Instant
    kept: bool
    count: int


class Heard:
    """The newest messages of one device.

    Args:
        max_bytes: longer messages are counted in `dropped` and not looked at.
        clock: dates them.
    """

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        self.dropped = 0
        self._max_bytes = max_bytes
        self._clock = clock
        self._messages: dict[str, _Message] = {}
        self._news = asyncio.Event()

    def take(self, topic: str, payload: bytes, kept: bool) -> None:
        """A message; `kept`: the broker had kept it from before."""
        if len(payload) > self._max_bytes:
            self.dropped += 1
            return
        document, before = _document(payload), self._messages.get(topic)
        if kept and before is not None and before.document == document:
            # Told again because somebody has subscribed again: no news.
            return
        count = (0 if before is None else before.count) + (not kept)
        self._messages[topic] = _Message(document, self._clock.now(), kept, count)
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until something heard makes the condition true."""
        while not condition():
            self._news.clear()
            await self._news.wait()

    def count(self, topic: str) -> int:
        """How many messages have come on a topic since we listen; one that the broker had kept is none."""
        message = self._messages.get(topic)
        return 0 if message is None else message.count

    def at(self, topic: str) -> Instant | None:
        """When the newest one came."""
        message = self._messages.get(topic)
        return None if message is None else message.at

    def kept(self, topic: str) -> bool:
        """Whether the newest one is from before we listened."""
        message = self._messages.get(topic)
        return message is not None and message.kept

    def value(self, topic: str, pointer: str) -> Any:
        """What a pointer finds in the newest message, `MISSING` where there is nothing."""
        message = self._messages.get(topic)
        return MISSING if message is None or message.document is MISSING else find(message.document, pointer)


def _document(payload: bytes) -> Any:
    """JSON where it is JSON, else text; nothing where it is empty or neither."""
    if not payload:
        return MISSING
    try:
        return parse(payload)
    except ValueError:
        try:
            return payload.decode("utf-8")
        except UnicodeDecodeError:
            return MISSING
