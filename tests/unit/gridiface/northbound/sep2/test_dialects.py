"""Clients of other editions: found out by what they send, or set; kept; translated; forgotten when they change."""

from __future__ import annotations

from typing import Any

from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.northbound.sep2.dialects import Dialects
from gridiface.protocols.sep2.exchange import Reply, found

A, B = "A" * 40, "B" * 40
OLD = b'<EndDevice xmlns="http://ieee.org/2030.5"><sFDI>1</sFDI><changedTime>0</changedTime></EndDevice>'
NEW = b'<EndDevice xmlns="urn:ieee:std:2030.5:ns"><sFDI>1</sFDI><changedTime>0</changedTime></EndDevice>'
BODY = NEW.replace(b"</EndDevice>", b"<postRate>5</postRate></EndDevice>")


class Store:
    def __init__(self) -> None:
        self.kept: dict[str, Document] = {}

    def later(self, changes: Any, then: Any) -> None:
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.key] = Document(change.space, change.key, change.body)
            else:
                assert isinstance(change, DeleteDocument)
                self.kept.pop(change.key, None)


def test_a_client_is_known_by_what_it_sends_and_kept_over_a_restart() -> None:
    store = Store()
    dialects = Dialects({}, store.later)
    assert dialects.outward(A, found(BODY)).body == BODY
    assert b"urn:ieee:std:2030.5:ns" in dialects.inward(A, OLD)
    reply = dialects.outward(A, found(BODY))
    assert b"http://ieee.org/2030.5" in reply.body
    assert b"postRate" not in reply.body
    assert reply.header("content-length") == str(len(reply.body))
    assert dialects.outward(B, found(BODY)).body == BODY
    again = Dialects({}, store.later)
    again.load(store.kept.values())
    assert again.of(A) == "2017"
    assert again.inward(A, NEW) == NEW
    assert (again.of(A), store.kept) == ("", {})


def test_what_the_operator_has_set_stands() -> None:
    store = Store()
    dialects = Dialects({A: "2017", B: ""}, store.later)
    assert dialects.inward(B, OLD) == OLD
    assert dialects.inward(A, NEW) == NEW
    assert (dialects.of(A), dialects.of(B), store.kept) == ("2017", "", {})


def test_answers_without_a_document_stay_as_they_are() -> None:
    dialects = Dialects({A: "2017"})
    created = Reply(201, {"Location": "/edev/3"})
    assert dialects.outward(A, created) is created
    file = Reply(200, {"Content-Type": "application/octet-stream"}, b"urn:ieee:std:2030.5:ns")
    assert dialects.outward(A, file) is file
    assert dialects.document(A, BODY) == dialects.document(A, BODY)


def test_a_csip_aus_client_names_its_namespace_only_where_it_is_needed() -> None:
    dialects = Dialects({})
    sent = b'<DERControlBase xmlns="urn:ieee:std:2030.5:ns" xmlns:c="https://csipaus.org/ns/v1.3"/>'
    assert b'"https://csipaus.org/ns"' in dialects.inward(A, sent)
    assert dialects.inward(A, NEW) == NEW
    assert dialects.of(A) == "csipaus-1.3"


def test_level_0_is_the_edition_of_2013_until_a_document_says_otherwise() -> None:
    store = Store()
    dialects = Dialects({B: ""}, store.later)
    for accept in (
        None,
        "*/*",
        "application/sep+xml;level=-S1, application/sep+xml;level=-S0;q=0.5",
        "text/html;level=S0",
    ):
        dialects.asked(A, accept)
        assert dialects.of(A) == ""
    for lfdi in (A, B):
        dialects.asked(lfdi, "application/sep+xml; level=-S0")
    assert (dialects.of(A), dialects.of(B), list(store.kept)) == ("2013", "", [A])
    assert dialects.inward(A, NEW) == NEW
    dialects.asked(A, "application/sep+xml; level=-S0")
    assert (dialects.of(A), store.kept) == ("", {})
