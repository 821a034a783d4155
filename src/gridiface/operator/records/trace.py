"""The protocol trace: the newest messages of all protocols in bounded memory, searched by people. Sans I/O."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from gridiface.domain.traffic import Passed

#: Messages that are kept, their bytes in all, and how much of one is shown.
KEPT, BYTES, SHOWN = 5_000, 16 * 1024 * 1024, 64 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One message with its number, which only grows."""

    number: int
    passed: Passed

    def text(self) -> str:
        """The decoded message, cut where it is very long."""
        text = self.passed.text()
        return text if len(text) <= SHOWN else text[:SHOWN] + "\n... cut"


@dataclass(slots=True)
class Trace:
    """Takes messages in by `note` and finds them again.

    Args:
        devices: what device an identity stands for, by identity.
    """

    devices: Callable[[], Mapping[str, str]] = dict
    paused: bool = False
    dropped: int = 0
    _lines: deque[Line] = field(default_factory=deque)
    _bytes: int = 0
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def note(self, passed: Passed) -> None:
        """Keep a message; the oldest go when there is no room."""
        if self.paused:
            return
        self._lines.append(Line(next(self._numbers), passed))
        self._bytes += passed.size
        while len(self._lines) > KEPT or self._bytes > BYTES:
            self._bytes -= self._lines.popleft().passed.size
            self.dropped += 1

    def find(
        self, *, text: str = "", protocol: str = "", peer: str = "", after: int = 0, limit: int = 200
    ) -> list[Line]:
        """The newest messages that fit, newest first.

        Args:
            text: stands in the summary, the peer, the device's name or the message, without regard to case.
            protocol, peer: only these; empty: all.
            after: only later numbers.
            limit: most.
        """
        wanted, named = text.lower(), self.devices()
        found: list[Line] = []
        for line in reversed(self._lines):
            if line.number <= after or len(found) >= limit:
                break
            passed = line.passed
            if protocol not in {"", passed.protocol} or peer not in {"", passed.peer, named.get(passed.peer, "")}:
                continue
            if wanted and not self._has(line, wanted, named.get(passed.peer, "")):
                continue
            found.append(line)
        return found

    def line(self, number: int) -> Line | None:
        """One message, while it is kept."""
        return next((line for line in self._lines if line.number == number), None)

    @staticmethod
    def _has(line: Line, wanted: str, device: str) -> bool:
        passed = line.passed
        told = f"{passed.what} {passed.peer} {passed.address} {device}".lower()
        return wanted in told or wanted in passed.text().lower()

    def __len__(self) -> int:
        return len(self._lines)
