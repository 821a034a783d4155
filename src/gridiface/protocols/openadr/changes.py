"""What must be made durable before an answer leaves: documents, each a key and its bytes.

A core mutates its memory and reports `Change`s. The shell commits them and only then sends the reply; when it cannot,
it gives them back (`revert`), and the core's memory is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

#: Of a peer's ID that becomes part of a key, octets in UTF-8: databases index no long keys.
_LONGEST_ID = 512


def fits_a_key(peers_id: str) -> bool:
    """Whether an ID that a peer chose can be part of a key."""
    return len(peers_id.encode()) <= _LONGEST_ID


@dataclass(frozen=True, slots=True)
class Change:
    """One document that changed. `body` None: delete it. `before` None: it did not exist."""

    key: str
    body: bytes | None
    before: bytes | None = None


class Documents:
    """The documents of one core as last reported; works out what changed since.

    The core calls `put` and `drop` at will and `take` at the end of each verb.
    """

    def __init__(self) -> None:
        self._saved: dict[str, bytes] = {}
        self._touched: dict[str, bytes | None] = {}

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Start from what the store holds."""
        self._saved = dict(documents)
        self._touched = {}

    def put(self, key: str, body: bytes) -> None:
        """The document `key` is now `body`."""
        self._touched[key] = body

    def drop(self, key: str) -> None:
        """The document `key` is gone."""
        self._touched[key] = None

    def take(self) -> tuple[Change, ...]:
        """What really differs from the last report; from now on that is reported."""
        changes = tuple(
            Change(key, body, self._saved.get(key))
            for key, body in self._touched.items()
            if body != self._saved.get(key)
        )
        self._touched = {}
        for change in changes:
            self._apply(change.key, change.body)
        return changes

    def revert(self, changes: Iterable[Change]) -> list[str]:
        """Take reported changes back, newest first; returns the keys whose objects must be read anew."""
        keys = []
        for change in reversed(tuple(changes)):
            self._apply(change.key, change.before)
            keys.append(change.key)
        return keys

    def get(self, key: str) -> bytes | None:
        """The document as last reported."""
        return self._saved.get(key)

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return iter(self._saved.items())

    def _apply(self, key: str, body: bytes | None) -> None:
        if body is None:
            self._saved.pop(key, None)
        else:
            self._saved[key] = body
