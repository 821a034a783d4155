"""What the adapter's tests share: a store of documents that can be away, and a clock that stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.errors import StoreUnavailable

NOW = 1_800_000_000.0


class Shelf:
    """Keeps documents, and is a clock; it outlives who works with it. `down`: nothing can be written."""

    def __init__(self) -> None:
        self.time, self.down = NOW, False
        self.kept: dict[tuple[str, str], Document] = {}

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    async def commit(self, changes: Sequence[Any]) -> None:
        if self.down:
            raise StoreUnavailable("down on purpose")
        for change in changes:
            match change:
                case PutDocument():
                    self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
                case DeleteDocument():
                    self.kept.pop((change.space, change.key), None)

    async def documents(self, space: str) -> list[Document]:
        return [document for document in self.kept.values() if document.space == space]

    @property
    def bodies(self) -> dict[str, bytes]:
        """What is kept, by key, whatever its space."""
        return {key: document.body for (_, key), document in self.kept.items()}
