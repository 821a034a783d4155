"""What the server is still to be told: durable, in order, and each until it has its final answer.

A letter is written together with what it tells of, in one transaction; it leaves when that is durable and is struck
out when the server has answered. A letter that left and was not struck out leaves again after a restart: its body is
the same to the octet, with the same mRIDs and times, so the server knows it. Owns no meaning of a letter.
"""

from __future__ import annotations

import heapq
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.errors import LocalProtocolError
from gridiface.protocols.sep2.outbox import Written

_log = logging.getLogger("gridiface.sep2.upstream")

#: Letters that the client core holds at once; the rest waits here.
_WINDOW = 64
#: How often a letter is sent to a place that is made anew each time.
_MOST_TRIES = 3
RESPONSE, LOG, READING = "response", "log", "reading"


class Poster(Protocol):
    """What is needed of the client core."""

    def post_encoded(self, href: str, body: bytes, now: float) -> int:
        """Queue a POST."""
        ...


@dataclass(slots=True)
class Letter:
    """One POST to come. `target`: a path, or a name that `place` knows; `handed`: number of the write under way."""

    number: int
    kind: str
    target: str
    body: bytes
    durable: bool = False
    handed: int | None = None
    tries: int = 0


@dataclass(slots=True)
class MailCounts:
    """What became of letters since the start."""

    delivered: int = 0
    refused: int = 0
    dropped: int = 0


class Mailbox:
    """Letters of one session.

    Args:
        space: where they are kept.
        capacity: readings that wait at most; answers and log events are never dropped.

    Attributes:
        place: target -> path on the server, None while that is not known.
        lost: told of a target that the server does not know (any more).
    """

    def __init__(self, space: str, *, capacity: int = 100_000) -> None:
        self._space = f"{space}/out"
        self._capacity = capacity
        self.place: Callable[[str], str | None] = lambda _target: None
        self.lost: Callable[[str], None] = lambda _target: None
        self._letters: dict[int, Letter] = {}
        self._handed: dict[int, int] = {}
        #: Numbers of those that may leave, first first; by target those whose place is not known.
        self._ready: list[int] = []
        self._parked: dict[str, list[int]] = {}
        self._struck: list[Change] = []
        self._next = 1
        self._readings = 0
        self.counts = MailCounts()

    @property
    def space(self) -> str:
        """Where the letters are kept."""
        return self._space

    def __len__(self) -> int:
        return len(self._letters)

    def load(self, documents: Iterable[Document]) -> None:
        """Take up what was not delivered."""
        for document in sorted(documents, key=lambda one: one.key):
            head, _, body = document.body.partition(b"\n")
            known = json.loads(head)
            letter = Letter(int(document.key), known["kind"], known["target"], body, durable=True)
            self._letters[letter.number] = letter
            heapq.heappush(self._ready, letter.number)
            self._next = max(self._next, letter.number + 1)
            self._readings += letter.kind == READING

    def write(self, kind: str, target: str, body: bytes) -> tuple[Letter, Change]:
        """A new letter and what must be stored of it; hand it to `seal` when that is durable."""
        letter = Letter(self._next, kind, target, body)
        self._next += 1
        head = json.dumps({"kind": kind, "target": target}).encode()
        return letter, PutDocument(self._space, _key(letter), head + b"\n" + body)

    def seal(self, letters: Iterable[Letter]) -> None:
        """These are durable: they may leave."""
        for letter in letters:
            letter.durable = True
            self._letters[letter.number] = letter
            heapq.heappush(self._ready, letter.number)
            self._readings += letter.kind == READING
        self._make_room()

    def feed(self, client: Poster, now: float) -> None:
        """Give the client core the next letters, in order; those whose place is not known wait."""
        for target in list(self._parked):
            if self.place(target) is not None:
                for number in self._parked.pop(target):
                    heapq.heappush(self._ready, number)
        while self._ready and len(self._handed) < _WINDOW:
            letter = self._letters.get(heapq.heappop(self._ready))
            if letter is None or letter.handed is not None:
                continue
            href = letter.target if letter.target.startswith("/") else self.place(letter.target)
            if href is None:
                self._parked.setdefault(letter.target, []).append(letter.number)
                continue
            try:
                letter.handed = client.post_encoded(href, letter.body, now)
            except LocalProtocolError as problem:
                _log.warning("a %s cannot be sent: %s", letter.kind, problem)
                self._refuse(letter)
                continue
            self._handed[letter.handed] = letter.number

    def answered(self, outcome: Written) -> Letter | None:
        """Take a final answer; the letter it is for, None where it is for something else."""
        number = self._handed.pop(outcome.number, None)
        letter = None if number is None else self._letters.get(number)
        if letter is None:
            return None
        letter.handed = None
        if outcome.accepted:
            self.counts.delivered += 1
            self._strike(letter)
        elif outcome.status in {404, 410} and not letter.target.startswith("/") and letter.tries < _MOST_TRIES:
            letter.tries += 1
            self.lost(letter.target)
            heapq.heappush(self._ready, letter.number)
        elif outcome.status:
            _log.warning("a %s was refused with %d", letter.kind, outcome.status)
            self._refuse(letter)
        else:
            heapq.heappush(self._ready, letter.number)
        return letter

    def take_back(self) -> None:
        """The client core is a new one: what was handed to the old one is handed over again."""
        self._handed.clear()
        for letter in self._letters.values():
            if letter.handed is not None:
                letter.handed = None
                heapq.heappush(self._ready, letter.number)

    def take_changes(self) -> list[Change]:
        """What is to be stored of letters that are done; hand it to `give_back` where that fails."""
        taken, self._struck = self._struck, []
        return taken

    def give_back(self, changes: list[Change]) -> None:
        """These could not be stored."""
        self._struck = [*changes, *self._struck]

    def _refuse(self, letter: Letter) -> None:
        self.counts.refused += 1
        self._strike(letter)

    def _strike(self, letter: Letter) -> None:
        if self._letters.pop(letter.number, None) is not None:
            self._readings -= letter.kind == READING
            self._struck.append(DeleteDocument(self._space, _key(letter)))

    def _make_room(self) -> None:
        while self._readings > self._capacity:
            oldest = next((one for one in self._letters.values() if one.kind == READING and one.handed is None), None)
            if oldest is None:
                return
            self.counts.dropped += 1
            self._strike(oldest)


def _key(letter: Letter) -> str:
    """Keys sort as their numbers do."""
    return f"{letter.number:012d}"
