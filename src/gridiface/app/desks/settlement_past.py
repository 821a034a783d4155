"""What each settlement was asked with, and its earlier revisions: kept beside the newest one.

Owns how both stand in the store. With what was asked an event is settled anew when meter data arrive late; the earlier
revisions are what was billed by then.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import date
from typing import Any, Protocol

from gridiface.aggregation.settlement import Settlement, totals
from gridiface.app.desks import exports
from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.operator.accounts.optouts import Leave

TERMS_SPACE, PAST_SPACE = "app/settlement-terms", "app/settlement-past"

#: A settlement, and the end of its event.
Kept = tuple[Settlement, Instant]

_DAYS = ("holidays", "event_days")


@dataclass(frozen=True, slots=True)
class Account:
    """What is known beside the rows of a settlement.

    Attributes:
        known: as it stands in the store: what was asked, and the earlier revisions in figures.
        newest: the newest revision, and its figures: a sum goes through all rows, it is made once.
    """

    known: dict[str, Any]
    newest: tuple[Settlement, dict[str, Any]] | None = None

    def figures(self, settlement: Settlement) -> dict[str, Any]:
        """The figures of the newest revision."""
        if self.newest is not None and self.newest[0] is settlement:
            return self.newest[1]
        return _figures(settlement)


_NOTHING = Account({})


class Documents(Protocol):
    """The store as the past uses it."""

    async def documents(self, space: str) -> list[Document]:
        """All of one space."""
        ...

    async def document(self, space: str, key: str) -> Document | None:
        """One, or None."""
        ...


class SettlementPast:
    """Terms and revisions of all settlements. Call `load` before the first question."""

    def __init__(self, store: Documents) -> None:
        self._store = store
        self._accounts: dict[str, Account] = {}

    async def load(self) -> None:
        """Read them.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = await self._store.documents(TERMS_SPACE)
        self._accounts = {document.key: Account(json.loads(document.body)) for document in found}

    def asked(self, event: str) -> dict[str, Any] | None:
        """What the settlement was made with; None: it is older than the keeping of it."""
        terms = self._of(event).known.get("asked")
        if terms is None:
            return None
        days = {name: [date.fromisoformat(day) for day in terms[name]] for name in _DAYS}
        outs = [Leave(device_id=name, start=start, end=end, reason=why) for name, start, end, why in terms["opt_outs"]]
        return {**terms, **days, "opt_outs": outs}

    def revisions(self, event: str, newest: Kept) -> Sequence[Mapping[str, Any]]:
        """All revisions of a settlement in figures, the newest first."""
        account, settlement = self._of(event), newest[0]
        if account.newest is None or account.newest[0] is not settlement:
            account = Account(account.known, (settlement, _figures(settlement)))
            self._accounts[event] = account
        earlier = [one for one in account.known.get("revisions", []) if one["revision"] < settlement.revision]
        return [account.figures(settlement), *reversed(earlier)]

    async def rows(self, event: str, revision: int) -> Settlement | None:
        """An earlier revision as it was; None: there is none, or it is older than the keeping of them.

        Raises:
            StoreUnavailable: the store does not answer.
            ConfigError: it cannot be read.
        """
        key = _key(event, revision)
        found = await self._store.document(PAST_SPACE, key)
        return None if found is None else (await asyncio.to_thread(exports.settlement_of_text, found.body, key))[0]

    def account(self, event: str, made: Settlement, before: Kept | None, asked: Mapping[str, Any] | None) -> Account:
        """What is known when `made` takes the place of `before`; `asked` None: as it was asked before."""
        account = self._of(event)
        told = list(account.known.get("revisions", []))
        if before is not None and before[0].revision != made.revision:
            earlier = account.figures(before[0])
            told = [*(one for one in told if one["revision"] != earlier["revision"]), earlier]
        terms = account.known.get("asked") if asked is None else _plain(asked)
        return Account({"asked": terms, "revisions": told}, (made, _figures(made)))

    def changes(self, event: str, made: Settlement, before: Kept | None, account: Account) -> list[Change]:
        """What is to be made durable for that; then `keep` it."""
        found: list[Change] = [PutDocument(TERMS_SPACE, event, json.dumps(account.known).encode())]
        if before is not None and before[0].revision != made.revision:
            text = exports.settlement_json(*before)
            found.append(PutDocument(PAST_SPACE, _key(event, before[0].revision), text.encode()))
        return found

    def keep(self, event: str, account: Account) -> None:
        """What `changes` gave is durable now."""
        self._accounts[event] = account

    def gone(self, event: str) -> list[Change]:
        """What is to be made durable when the settlement is taken away."""
        told = self._of(event).known.get("revisions", [])
        return [
            DeleteDocument(TERMS_SPACE, event),
            *(DeleteDocument(PAST_SPACE, _key(event, one["revision"])) for one in told),
        ]

    def forget(self, event: str) -> None:
        """What `gone` gave is durable now."""
        self._accounts.pop(event, None)

    def _of(self, event: str) -> Account:
        return self._accounts.get(event, _NOTHING)


def _key(event: str, revision: int) -> str:
    return f"{event}/{revision:06d}"


def _plain(asked: Mapping[str, Any]) -> dict[str, Any]:
    days = {name: [day.isoformat() for day in asked[name]] for name in _DAYS}
    return {**asked, **days, "opt_outs": [astuple(one) for one in asked["opt_outs"]], "reopen": False}


def _figures(settlement: Settlement) -> dict[str, Any]:
    return {
        "revision": settlement.revision,
        "computed": settlement.computed,
        "final": settlement.final,
        "rows": len(settlement.rows),
        "changed": sum(row.revision == settlement.revision for row in settlement.rows),
        "total": [exports.total_record(total) for total in totals(settlement.rows, "event")],
    }
