"""What settlements were asked with, and their earlier revisions, as they stand in the store."""

from __future__ import annotations

from datetime import date

from tests.unit.gridiface.app.desks.test_settlement_desk import ASKED, END, START

from gridiface.aggregation.settlement import Settlement
from gridiface.app.desks.settlement_past import PAST_SPACE, SettlementPast
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.operator.accounts.optouts import Leave


class Shelf:
    """A store of documents."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    async def documents(self, space: str) -> list[Document]:
        return [Document(where, key, body) for (where, key), body in self.kept.items() if where == space]

    async def document(self, space: str, key: str) -> Document | None:
        return Document(space, key, self.kept[space, key]) if (space, key) in self.kept else None

    def commit(self, changes: object) -> None:
        assert isinstance(changes, list)
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = change.body
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)


def revision(number: int) -> Settlement:
    return Settlement(event_id="ev", revision=number, computed=number * 10.0, final=False, rows=())


async def test_terms_and_revisions_are_what_they_were() -> None:
    shelf = Shelf()
    past = SettlementPast(shelf)
    out = Leave(device_id="load", start=START, end=END, reason="too hot")
    asked = {**ASKED, "opt_outs": [out], "event_days": [date(2026, 7, 4)], "reopen": True}
    before = None
    for number in (1, 2, 3):
        made = revision(number)
        account = past.account("ev", made, before, asked if number == 1 else None)
        shelf.commit(past.changes("ev", made, before, account))
        past.keep("ev", account)
        before = made, END
    assert before is not None
    # It has become final: no revision of its own.
    shelf.commit(past.changes("ev", revision(3), before, past.account("ev", revision(3), before, None)))
    again = SettlementPast(shelf)
    await again.load()
    for one in (past, again):
        assert one.asked("ev") == {**asked, "reopen": False}  # what was reopened once is not reopened by late data
        assert [told["revision"] for told in one.revisions("ev", before)] == [3, 2, 1]
    second = await again.rows("ev", 2)
    assert second is not None
    assert second.computed == 20.0
    assert await again.rows("ev", 3) is None  # the newest stands elsewhere
    shelf.commit(again.gone("ev"))
    again.forget("ev")
    assert (shelf.kept, again.asked("ev")) == ({}, None)


async def test_a_settlement_older_than_the_keeping_of_terms_has_its_revisions_from_now_on() -> None:
    shelf = Shelf()
    past = SettlementPast(shelf)
    assert past.asked("ev") is None
    assert [one["revision"] for one in past.revisions("ev", (revision(4), END))] == [4]
    before = revision(4), END
    shelf.commit(past.changes("ev", revision(5), before, past.account("ev", revision(5), before, None)))
    assert (PAST_SPACE, "ev/000004") in shelf.kept
