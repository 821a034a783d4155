"""The client's writes: PUT, POST and DELETE that are sent in order, and again until they are answered.

Pure: `now` is an argument, requests are values. A write is repeated after silence, 5xx and 429; any other answer is
final. Writes to one target keep their order; other targets do not wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gridiface.protocols.sep2.exchange import SEP_XML, Reply, Request
from gridiface.protocols.sep2.polling import Backoff


@dataclass(slots=True)
class Write:
    """One write that is not yet answered for good."""

    number: int
    method: str
    target: str
    body: bytes
    not_before: float
    attempts: int = 0
    hops: int = 0
    in_flight: bool = False


@dataclass(frozen=True, slots=True)
class Written:
    """A write's final answer; `location` is where a POST put it. `status` 0: given up without an answer."""

    number: int
    method: str
    target: str
    status: int
    location: str | None

    @property
    def accepted(self) -> bool:
        """Whether the server took it."""
        return 200 <= self.status < 300


def _same_server_path(location: str) -> str | None:
    """An absolute path as it is; anything else may be elsewhere."""
    return location if location.startswith("/") and not location.startswith("//") else None


@dataclass(slots=True)
class Outbox:
    """Writes waiting to be sent.

    Attributes:
        chance: source of the back-off's jitter.
        resolve: a Location -> the path it means on the same server, or None: other servers are not followed.
        attempts: how often a write is tried before it is given up.
        capacity: how many writes are kept; the oldest is given up for a new one, so that a long outage is bounded.
    """

    chance: Random
    resolve: Callable[[str], str | None] = _same_server_path
    attempts: int = 1_000
    capacity: int = 10_000
    longest_chain: int = 5
    backoff: Backoff = field(default_factory=Backoff)
    _writes: deque[Write] = field(default_factory=deque)
    _last: int = 0

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, method: str, target: str, body: bytes, now: float) -> tuple[int, list[Written]]:
        """Queue a write; returns its number and what had to be given up for it."""
        self._last += 1
        self._writes.append(Write(self._last, method, target, body, now))
        dropped: list[Written] = []
        while len(self._writes) > self.capacity:
            oldest = next((w for w in self._writes if not w.in_flight), None)
            if oldest is None:
                break
            self._writes.remove(oldest)
            dropped.append(Written(oldest.number, oldest.method, oldest.target, 0, None))
        return self._last, dropped

    def due(self, now: float) -> list[Write]:
        """The writes to send now: of each target the first, unless it has to wait."""
        seen: set[str] = set()
        ready: list[Write] = []
        for write in self._writes:
            if write.target in seen:
                continue
            seen.add(write.target)
            if not write.in_flight and write.not_before <= now:
                ready.append(write)
        return ready

    def next_due(self) -> float | None:
        """When the next write is due, or None."""
        first: dict[str, Write] = {}
        for write in self._writes:
            first.setdefault(write.target, write)
        return min((w.not_before for w in first.values() if not w.in_flight), default=None)

    def shift_time(self, seconds: float) -> None:
        """The clock was set by so many seconds: retries keep their distance."""
        for write in self._writes:
            write.not_before += seconds

    def request(self, write: Write, headers: dict[str, str]) -> Request:
        """The request of a write, which is then under way."""
        write.in_flight = True
        write.attempts += 1
        if write.body:
            headers = {**headers, "content-type": SEP_XML}
        return Request(write.method, write.target, headers, write.body)

    def answer(self, write: Write, reply: Reply | None, now: float, retry_after: float | None = None) -> Written | None:
        """Take the answer (None: there was none); returns the outcome when it is final."""
        write.in_flight = False
        status = 0 if reply is None else reply.status
        if (status == 0 or status >= 500 or status == 429) and status != 501:
            if write.attempts < self.attempts:
                delay = self.backoff.delay(write.attempts, self.chance) if retry_after is None else retry_after
                write.not_before = now + delay
                return None
        elif status in {301, 302, 307, 308} and reply is not None and write.hops < self.longest_chain:
            target = self.resolve(reply.header("location") or "")
            if target is not None:
                write.hops += 1
                write.target, write.not_before = target, now
                return None
        self._writes.remove(write)
        return Written(
            write.number, write.method, write.target, status, None if reply is None else reply.header("location")
        )
