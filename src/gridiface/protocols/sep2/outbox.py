"""The client's writes: PUT, POST and DELETE that are sent in order, and again until they are answered.

Pure: `now` is an argument, requests are values. A write is repeated after silence, 5xx, 408, 429 and the page of a
proxy; any other answer is final. Writes to one target keep their order; other targets do not wait for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from gridiface.protocols.sep2.exchange import SEP_XML, Reply, Request
from gridiface.protocols.sep2.polling import Backoff
from gridiface.protocols.sep2.timetable import Timetable

#: No answer, or one that says nothing of the write itself: too slow (RFC 9110, 15.5.9), too often (RFC 6585, 4).
_NOT_NOW = frozenset({0, 408, 429})


def _of_a_proxy(reply: Reply) -> bool:
    """Whether a 200 is a page that something before the server shows in its place; a server has none to show."""
    media = (reply.header("content-type") or "").partition(";")[0].strip().lower()
    return reply.status == 200 and bool(reply.body) and media == "text/html"


@dataclass(slots=True)
class Write:
    """One write that is not yet answered for good; `queue`: the target that it was meant for, whose order it keeps."""

    number: int
    method: str
    target: str
    body: bytes
    next_at: float
    queue: str
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
        """Whether the server took it; 303 says so too, and where to read more of it."""
        return 200 <= self.status < 300 or self.status == 303


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
    _writes: dict[int, Write] = field(default_factory=dict)
    _queues: dict[str, deque[Write]] = field(default_factory=dict)
    _timetable: Timetable[Write] = field(init=False)
    _last: int = 0

    def __post_init__(self) -> None:
        self._timetable = Timetable(self._waits)

    def __len__(self) -> int:
        return len(self._writes)

    def add(self, method: str, target: str, body: bytes, now: float) -> tuple[int, list[Written]]:
        """Queue a write; returns its number and what had to be given up for it."""
        self._last += 1
        write = Write(self._last, method, target, body, now, target)
        self._writes[write.number] = write
        self._queues.setdefault(target, deque()).append(write)
        self._timetable.put(write, now)
        dropped: list[Written] = []
        while len(self._writes) > self.capacity:
            oldest = next((w for w in self._writes.values() if not w.in_flight), None)
            if oldest is None:
                break
            self._remove(oldest)
            dropped.append(Written(oldest.number, oldest.method, oldest.target, 0, None))
        return self._last, dropped

    def due(self, now: float, most: int | None = None) -> list[Write]:
        """The writes to send now: of each target the first, unless it has to wait; `most` of them at most."""
        return self._timetable.due(now, most)

    def next_due(self) -> float | None:
        """When the next write is due, or None."""
        return self._timetable.next_due()

    def _waits(self, write: Write) -> bool:
        queue = self._queues.get(write.queue)
        return queue is not None and queue[0] is write and not write.in_flight

    def _remove(self, write: Write) -> None:
        del self._writes[write.number]
        queue = self._queues[write.queue]
        queue.remove(write)
        if queue:
            self._timetable.put(queue[0], queue[0].next_at)
        else:
            del self._queues[write.queue]

    def _again(self, write: Write, at: float) -> None:
        write.next_at = at
        self._timetable.put(write, at)

    def answers_again(self, now: float) -> None:
        """The server was away and is there: what it left unanswered is sent soon, not when that was put off to."""
        for queue in self._queues.values():
            if (first := queue[0]).attempts and not first.in_flight:
                self._again(first, min(first.next_at, now + self.chance.uniform(0.0, self.backoff.first)))

    def shift_time(self, seconds: float) -> None:
        """The clock was set by so many seconds: retries keep their distance."""
        self._timetable.clear()
        for write in self._writes.values():
            self._again(write, write.next_at + seconds)

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
        if status in _NOT_NOW or (status >= 500 and status != 501) or (reply is not None and _of_a_proxy(reply)):
            if write.attempts < self.attempts:
                self._again(write, now + self.backoff.delay(write.attempts, self.chance, retry_after))
                return None
        elif status in {301, 302, 307, 308} and reply is not None and write.hops < self.longest_chain:
            target = self.resolve(reply.header("location") or "")
            if target is not None:
                write.hops += 1
                write.target = target
                self._again(write, now)
                return None
        self._remove(write)
        return Written(
            write.number, write.method, write.target, status, None if reply is None else reply.header("location")
        )
