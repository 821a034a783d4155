"""Controls that wait for a second person: who asked, for what, until when. Owns record and rule, not the sending."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.operator.auth.access import Caller
from gridiface.operator.records.audit import Entry
from gridiface.operator.records.book import Book

SPACE = "operator/pending"

#: How the names of those begin who work on the store itself.
COMMAND_LINE = "command line"

#: Most controls that wait at once.
MOST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalRule:
    """Which controls wait for a second person.

    Attributes:
        share: those that reach at least this part of all devices, 0 to 1; None: none waits.
        within_s: after so long an approval that did not come is over.
    """

    share: float | None = None
    within_s: float = 900.0

    def applies(self, reached: int, devices: int) -> bool:
        """Whether a control on so many of all devices waits."""
        return self.share is not None and reached > 0 and reached >= self.share * devices


@dataclass(frozen=True, slots=True)
class Pending:
    """One control that waits.

    Attributes:
        id: of the control, when it is sent.
        asked: the request's body.
        fingerprint: of the request, for its idempotency key.
        by, by_id, maker: the caller's name, id, and who made its token.
    """

    id: str
    asked: dict[str, Any]
    fingerprint: str
    by: str
    by_id: str
    maker: str
    at: Instant
    expires: Instant
    groups: tuple[str, ...] | None = None

    def caller(self) -> Caller:
        """Who asked, as the control's sender."""
        groups = None if self.groups is None else frozenset(self.groups)
        return Caller(self.by, self.by_id, frozenset({"control"}), groups, self.maker)

    def is_of(self, caller: Caller) -> bool:
        """Whether somebody may be the person who asked: the same caller, or one has made the other's token, or both.

        Who works on the store of a stopped server is nobody in particular: it could do anything there.
        """
        return caller.id == self.by_id or bool(_persons(self.by, self.maker) & _persons(caller.name, caller.maker))


class PendingBook:
    """The controls that wait. Call `load` before the first question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._book = Book(ledger, SPACE, _pending)

    async def load(self, now: Instant) -> None:
        """Read the records.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._book.load(now)

    async def waiting(self, now: Instant) -> list[Pending]:
        """Those that still wait, the oldest first.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        await self._book.fresh(now)
        return sorted((p for p in self._book if now < p.expires), key=lambda p: (p.at, p.id))

    def known(self) -> list[Pending]:
        """All records as known now, those that are over among them."""
        return list(self._book)

    async def get(self, control_id: str, now: Instant) -> Pending | None:
        """One that still waits, or None.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        found = await self._book.get(control_id, now)
        return found if found is not None and now < found.expires else None

    async def add(self, pending: Pending, entry: Entry, now: Instant) -> bool:
        """Let one wait; False: too many do.

        Raises:
            StoreUnavailable: it does not.
        """
        over: list[Change] = [DeleteDocument(SPACE, p.id) for p in self._book if now >= p.expires]
        if len(self._book.records) - len(over) >= MOST:
            return False
        await self._ledger.commit([*over, _put(pending), entry.change()])
        entry.log()
        for change in over:
            self.forget(change)
        self._book.records[pending.id] = pending
        return True

    def gone(self, pending: Pending) -> list[Change]:
        """The change that ends the wait; commit it, then `forget` it."""
        return [DeleteDocument(SPACE, pending.id)]

    def forget(self, change: Change) -> None:
        """Note that the wait is over."""
        if isinstance(change, DeleteDocument):
            self._book.records.pop(change.key, None)

    async def reject(self, pending: Pending, entry: Entry) -> None:
        """End the wait without sending.

        Raises:
            StoreUnavailable: it goes on waiting.
        """
        changes = self.gone(pending)
        await self._ledger.commit([*changes, entry.change()])
        entry.log()
        self.forget(changes[0])


def _persons(*names: str) -> set[str]:
    return {name for name in names if name and not name.startswith(COMMAND_LINE)}


def _put(pending: Pending) -> PutDocument:
    return PutDocument(SPACE, pending.id, json.dumps(asdict(pending), sort_keys=True).encode())


def _pending(document: Document) -> Pending | None:
    body = json.loads(document.body)
    groups: Sequence[str] | None = body.pop("groups")
    return Pending(**body, groups=None if groups is None else tuple(groups))
