"""What each settlement was asked with, and its earlier revisions: kept beside the newest one.

Owns how both stand in the store. With what was asked an event is settled anew when meter data arrive late; the earlier
revisions are what was billed by then.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from datetime import date
from typing import Any, Protocol

from gridiface.aggregation.settlement import Settlement, totals
from gridiface.app.desks import exports
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Change, DeleteDocument, Document, PutDocument
from gridiface.operator.accounts.optouts import Leave

TERMS_SPACE, PAST_SPACE = "app/settlement-terms", "app/settlement-past"

#: A settlement, and the end of its event.
Kept = tuple[Settlement, Instant]

_DAYS = ("holidays", "event_days")


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
        self._known: dict[str, dict[str, Any]] = {}

    async def load(self) -> None:
        """Read them.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = await self._store.documents(TERMS_SPACE)
        self._known = {document.key: json.loads(document.body) for document in found}

    def asked(self, event: str) -> dict[str, Any] | None:
        """What the settlement was made with; None: it is older than the keeping of it."""
        terms = self._known.get(event, {}).get("asked")
        if terms is None:
            return None
        days = {name: [date.fromisoformat(day) for day in terms[name]] for name in _DAYS}
        outs = [Leave(device_id=name, start=start, end=end, reason=why) for name, start, end, why in terms["opt_outs"]]
        return {**terms, **days, "opt_outs": outs}

    def revisions(self, event: str, newest: Kept) -> Sequence[Mapping[str, Any]]:
        """All revisions of a settlement in figures, the newest first."""
        told = [one for one in self._known.get(event, {}).get("revisions", []) if one["revision"] < newest[0].revision]
        return [_figures(newest[0]), *reversed(told)]

    async def rows(self, event: str, revision: int) -> Settlement | None:
        """An earlier revision as it was; None: there is none, or it is older than the keeping of them.

        Raises:
            StoreUnavailable: the store does not answer.
            ConfigError: it cannot be read.
        """
        key = _key(event, revision)
        found = await self._store.document(PAST_SPACE, key)
        return None if found is None else exports.settlement_of_text(found.body, key)[0]

    def changes(
        self, event: str, made: Settlement, before: Kept | None, asked: Mapping[str, Any] | None
    ) -> list[Change]:
        """What is to be made durable when `made` takes the place of `before`; `asked` None: as it was asked before."""
        found: list[Change] = [
            PutDocument(TERMS_SPACE, event, json.dumps(self._next(event, made, before, asked)).encode())
        ]
        if before is not None and before[0].revision != made.revision:
            text = exports.settlement_json(*before)
            found.append(PutDocument(PAST_SPACE, _key(event, before[0].revision), text.encode()))
        return found

    def keep(self, event: str, made: Settlement, before: Kept | None, asked: Mapping[str, Any] | None) -> None:
        """What `changes` gave is durable now."""
        self._known[event] = self._next(event, made, before, asked)

    def gone(self, event: str) -> list[Change]:
        """What is to be made durable when the settlement is taken away."""
        told = self._known.get(event, {}).get("revisions", [])
        return [
            DeleteDocument(TERMS_SPACE, event),
            *(DeleteDocument(PAST_SPACE, _key(event, one["revision"])) for one in told),
        ]

    def forget(self, event: str) -> None:
        """What `gone` gave is durable now."""
        self._known.pop(event, None)

    def _next(
        self, event: str, made: Settlement, before: Kept | None, asked: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        known = self._known.get(event, {})
        told = list(known.get("revisions", []))
        if before is not None and before[0].revision != made.revision:
            told = [*(one for one in told if one["revision"] != before[0].revision), _figures(before[0])]
        return {"asked": known.get("asked") if asked is None else _plain(asked), "revisions": told}


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
