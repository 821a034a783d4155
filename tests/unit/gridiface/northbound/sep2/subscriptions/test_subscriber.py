"""A subscription as it is stored: what its receiver knows, and one that is over and still to be told so."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.changes import Document, PutDocument
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Audience, Item
from gridiface.northbound.sep2.subscriptions.subscriber import Subscriber, ending_of, told_document
from gridiface.protocols.sep2.resources import Subscription

PATH = "/edev/3/sub/1"
WISH = Subscription(
    href=PATH,
    subscribedResource="/edev/3/fsa",
    encoding=0,
    level="+S1",
    limit=5,
    notificationURI="https://receiver.example/ntfy",
)


def item() -> Item:
    return Item(PATH, kind("/edev/{id1}/sub/{id2}"), Audience(), WISH)


def stored(subscriber: Subscriber) -> documents.Record:
    change = told_document(subscriber)
    assert isinstance(change, PutDocument)
    assert (change.space, change.key) == (documents.TOLD, PATH)
    return documents.open_record(Document(change.space, change.key, change.body))


@pytest.mark.parametrize(("ending", "moved"), [(1, None), (4, None), (2, "https://here:8443/edev/9/fsa")])
def test_one_that_is_over_comes_back_as_it_was(ending: int, moved: str | None) -> None:
    before = Subscriber(
        item=item(), resource="/edev/3/fsa", by="AB" * 20, base="https://here:8443", attempts=2, due=7.5,
        ending=ending, moved=moved, dirty=set(),
    )  # fmt: skip
    record = stored(before)
    assert record.resource(Subscription) == WISH
    assert ending_of(record, before.item) == before


def test_what_the_receiver_knows_is_stored_and_what_is_under_way_is_not() -> None:
    known: dict[str, Any] = {"told": "d1", "attempts": 1, "due": 3.0, "ending": None, "moved": None}
    subscriber = Subscriber(
        item=item(), resource="/edev/3/fsa", by="AB" * 20, base="https://here:8443", told="d1", attempts=1, due=3.0,
        dirty={"/edev/3/fsa/1"}, sending=True,
    )  # fmt: skip
    where = {"resource": "/edev/3/fsa", "by": "AB" * 20, "base": "https://here:8443"}
    assert stored(subscriber).head == known | where
    assert subscriber.wish is WISH
