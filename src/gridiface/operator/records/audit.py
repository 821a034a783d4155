"""The audit log: who changed what, before and after, to the logger `gridiface.audit` and durably beside the change.

An entry is made first, committed in the same transaction as the change it tells of, and logged after that.
"""

from __future__ import annotations

import itertools
import json
import logging
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from typing_extensions import TypedDict

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.clock import Instant

#: Where the entries are kept; keys sort by time.
SPACE = "operator/audit"

_log = logging.getLogger("gridiface.audit")
_number = itertools.count()


class AuditRow(TypedDict):
    """One change: who did what to whom, before and after."""

    at: float
    who: str
    what: str
    subject: str
    before: Any
    after: Any
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change. `before` and `after` are JSON-able and hold no secret."""

    at: Instant
    who: str
    what: str
    subject: str
    before: Any = None
    after: Any = None
    reason: str = ""

    def change(self) -> PutDocument:
        """The entry as a durable record; commit it with the change it tells of."""
        key = f"{int(self.at * 1_000_000):020d}-{next(_number) % 1_000_000:06d}"
        return PutDocument(SPACE, key, json.dumps(asdict(self), sort_keys=True).encode())

    def log(self) -> None:
        """Say it in the log; call it when the change is durable."""
        told = json.dumps({"before": self.before, "after": self.after, "reason": self.reason}, sort_keys=True)
        _log.info("%s: %s %s %s", self.who, self.what, self.subject, told)


class Newest(Protocol):
    """A ledger that can be read from its end."""

    async def newest(self, space: str, *, before: str = "", limit: int = 1000) -> list[Document]:
        """The documents of a space with the largest keys, the largest first."""
        ...


async def newest(ledger: Newest, limit: int) -> list[AuditRow]:
    """The newest entries, newest first.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    return [json.loads(document.body) for document in await ledger.newest(SPACE, limit=limit)]
