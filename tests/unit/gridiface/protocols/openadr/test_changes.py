"""Documents that changed."""

from __future__ import annotations

from gridiface.protocols.openadr.changes import Change, Documents


def test_only_what_differs_is_reported_once():
    documents = Documents()
    documents.put("a", b"1")
    documents.put("b", b"1")
    documents.drop("nothing")
    assert documents.take() == (Change("a", b"1"), Change("b", b"1"))
    assert documents.take() == ()
    documents.put("a", b"1")
    documents.put("b", b"2")
    assert documents.take() == (Change("b", b"2", b"1"),)
    documents.drop("a")
    assert documents.take() == (Change("a", None, b"1"),)
    assert dict(documents) == {"b": b"2"}


def test_put_and_drop_between_reports_cancel_out():
    documents = Documents()
    documents.put("a", b"1")
    documents.drop("a")
    assert documents.take() == ()


def test_changes_can_be_taken_back():
    documents = Documents()
    documents.load({"a": b"1", "b": b"1"})
    documents.put("a", b"2")
    documents.drop("b")
    documents.put("c", b"3")
    changes = documents.take()
    assert documents.revert(changes) == ["c", "b", "a"]
    assert dict(documents) == {"a": b"1", "b": b"1"}
    assert documents.get("c") is None
