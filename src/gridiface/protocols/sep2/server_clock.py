"""The server's clock as a client reckons it from the Time resource. Pure.

Time governs every event, so a client without a safe time starts nothing. Safe is a time whose quality is among those
that the client takes; 7, intentionally uncoordinated, counts, since what matters is that both ends use the same clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.protocols.sep2.enums import TimeQuality
from gridiface.protocols.sep2.resources import Time

SAFE_QUALITIES = frozenset(int(quality) for quality in TimeQuality)
"""Every quality that the standard defines."""


@dataclass(slots=True)
class ServerClock:
    """How far the server's clock is ahead of ours.

    Attributes:
        qualities: values of Time.quality that are taken.
        most: largest offset in s that is believed, None for any.
        offset: server's time = own time + offset, s; None as long as no safe time was read.
        quality: of the last answer.
        refused: why the last answer was not taken; empty when it was.
    """

    qualities: frozenset[int] = SAFE_QUALITIES
    most: float | None = None
    offset: float | None = None
    quality: int | None = None
    refused: str = ""

    def read(self, time: Time, asked: float, answered: float) -> bool:
        """Take a Time that was asked for and answered at these moments (own clock, s); False: it is not safe.

        The server read its clock, in whole seconds, somewhere between question and answer. An offset that fits the
        answer is kept, so that rounding does not move every event a little at each poll.
        """
        self.quality = time.quality
        offset = time.currentTime - (asked + answered) / 2
        self.refused = self._unsafe(time.quality, offset)
        if self.refused:
            # What was reckoned from a safe answer holds: our own clock has gone on since.
            return False
        low, high = time.currentTime - answered, time.currentTime + 1 - asked
        known = (0.0,) if self.offset is None else (self.offset, 0.0)
        self.offset = next((one for one in known if low <= one <= high), offset)
        return True

    def _unsafe(self, quality: int, offset: float) -> str:
        if quality not in self.qualities:
            return f"Time.quality is {quality}"
        if self.most is not None and abs(offset) > self.most:
            return f"the server's clock is {offset:+.0f} s from ours, {self.most:.0f} s at most are believed"
        return ""

    def jumped(self, seconds: float) -> None:
        """Our own clock was set by so many seconds; the server's goes on."""
        if self.offset is not None:
            self.offset -= seconds
