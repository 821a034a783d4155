"""Messages of a broker as documents: JSON, else text. Owns no connection."""

from __future__ import annotations

from typing import Any

from gridiface.domain.clock import Clock
from gridiface_southbound.points import heard
from gridiface_southbound.points.template import MISSING, parse


class Heard(heard.Heard):
    """The newest messages of one device, by topic.

    Args:
        max_bytes: longer messages are counted in `dropped` and not looked at.
        clock: dates them.
    """

    def __init__(self, max_bytes: int, clock: Clock) -> None:
        super().__init__(clock)
        self.dropped = 0
        self._max_bytes = max_bytes

    def take(self, topic: str, payload: bytes, kept: bool) -> None:
        """A message; `kept`: the broker had kept it from before."""
        if len(payload) > self._max_bytes:
            self.dropped += 1
            return
        self.put(topic, _document(payload), kept=kept)


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
