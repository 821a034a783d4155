"""The cores' documents in the ledger: one space for each VEN and VTN. Owns the names of the spaces only."""

from __future__ import annotations

from collections.abc import Iterable

from gridiface.domain.changes import Change as LedgerChange
from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.domain.ports import Ledger
from gridiface.protocols.openadr.changes import Change


def ven_space(name: str) -> str:
    """Where the VEN called `name` in the configuration keeps its documents."""
    return f"openadr/ven/{name}"


def vtn_space(vtn_id: str) -> str:
    """Where the VTN keeps its documents."""
    return f"openadr/vtn/{vtn_id}"


def ledger_changes(space: str, changes: Iterable[Change]) -> list[LedgerChange]:
    """Changes of a core as changes of the ledger."""
    return [
        DeleteDocument(space, change.key) if change.body is None else PutDocument(space, change.key, change.body)
        for change in changes
    ]


async def stored(ledger: Ledger, space: str) -> dict[str, bytes]:
    """All documents of a space by key.

    Raises:
        StoreUnavailable: they cannot be read.
    """
    return {document.key: document.body for document in await ledger.documents(space)}
