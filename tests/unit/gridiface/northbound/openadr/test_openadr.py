"""The adapter's small parts; whole conversations are in tests/loopback/openadr_server."""

from __future__ import annotations

from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.northbound.openadr.documents import ledger_changes, ven_space, vtn_space
from gridiface.protocols.openadr.changes import Change


def test_documents_of_a_core_are_documents_of_its_space() -> None:
    space = ven_space("utility")
    assert ledger_changes(space, [Change("a", b"1"), Change("b", None, b"2")]) == [
        PutDocument(space, "a", b"1"),
        DeleteDocument(space, "b"),
    ]
    assert space != vtn_space("utility")
