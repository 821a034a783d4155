"""The audit log: who changed what, before and after; searched, exported, and held against its seals."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Document
from gridiface.operator.api.routing import Area, Call, get
from gridiface.operator.desk import Desk
from gridiface.operator.records.audit import SPACE, AuditRow
from gridiface.operator.records.audit_chain import SEALS
from gridiface.operator.rows.present import iso
from gridiface.operator.schema import LONGEST_ID, OF_IDS, PRINTABLE, Asked, NoBody, Page
from gridiface.tablecells import inert
from gridiface.wording import worded

#: Documents read at once while entries are searched.
_CHUNK = 1_000


class AuditFilter(Asked):
    """Which entries."""

    who: str = Field(default="", max_length=256, pattern=PRINTABLE, description="only changes by this user or token")
    what: str = Field(
        default="", max_length=64, pattern=PRINTABLE, description="only changes whose kind begins so, as `control.`"
    )
    subject: str = Field(default="", max_length=LONGEST_ID, pattern=OF_IDS, description="only changes of this thing")
    since: float = Field(default=0.0, ge=0, le=1e12, allow_inf_nan=False, description="not before, s since 1970")
    until: float = Field(default=1e12, ge=0, le=1e12, allow_inf_nan=False, description="before, s since 1970")

    def fits(self, row: AuditRow) -> bool:
        """Whether an entry is asked for."""
        return (
            self.who in {"", row["who"]}
            and row["what"].startswith(self.what)
            and self.subject in {"", row["subject"]}
            and self.since <= row["at"] < self.until
        )


class AuditQuery(AuditFilter, Page):
    """One page of entries, the newest first."""


class VerifyQuery(Asked):
    """What to hold against the log."""

    expect: str = Field(
        default="",
        pattern=worded(r"^([0-9a-f]{64})?$", "a hash as verifying prints it, 64 hexadecimal digits in small letters"),
        description="a hash that was noted before and must still be there",
    )


class AuditList(TypedDict):
    """Changes, the newest first. `next` goes into `after`, null at the end."""

    entries: list[AuditRow]
    next: str | None


class AuditVerification(TypedDict):
    """Whether the log is as it was sealed. `heads`: hashes to note elsewhere; `keyed`: by HMAC with the server's key.

    `unsealed`: entries of the last moments.
    """

    ok: bool
    entries: int
    seals: int
    unsealed: int
    keyed: bool
    heads: list[str]
    faults: list[str]


class SealedEntry(TypedDict):
    """One entry as it is kept: its key, and its body, whose SHA-256 the seals have."""

    key: str
    body: str


class AuditExport(TypedDict):
    """Entries by time, and all seals as they are kept, so that others can verify them."""

    entries: list[SealedEntry]
    seals: list[dict[str, Any]]


class AuditArea(Area):
    """The audit log."""

    name: ClassVar[str] = "audit"
    title: ClassVar[str] = "Audit"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @get("/audit", "Changes, the newest first: who, what, before, after", scope="audit")
    async def list_audit(self, call: Call[AuditQuery, NoBody]) -> AuditList:
        """One page of them."""
        query, found, before = call.query, list[AuditRow](), call.query.after
        while True:
            documents = await self._desk.records.newest(SPACE, before=before, limit=_CHUNK)
            for document in documents:
                row: AuditRow = json.loads(document.body)
                if query.fits(row):
                    if len(found) == query.limit:
                        return {"entries": found, "next": before}
                    found.append(row)
                before = document.key
            if len(documents) < _CHUNK or (found and found[-1]["at"] < query.since):
                return {"entries": found, "next": None}

    @get("/audit/verify", "Hold the whole audit log against its seals", scope="audit")
    async def verify_audit(self, call: Call[VerifyQuery, NoBody]) -> AuditVerification:
        """Answers 200 either way; `ok` says how it is."""
        found = await self._desk.chain.verify(call.now, call.query.expect)
        return {
            "ok": found.ok,
            "entries": found.entries,
            "seals": found.seals,
            "unsealed": found.unsealed,
            "keyed": found.keyed,
            "heads": found.heads,
            "faults": found.faults,
        }

    @get("/audit/export", "Entries and seals as they are kept, for an archive or another's verification", scope="audit")
    async def export_audit(self, call: Call[AuditFilter, NoBody]) -> AuditExport:
        """Entries by time."""
        entries = await self._entries(call.query)
        seals = [json.loads(document.body) for document in await self._desk.records.documents(SEALS)]
        return {"entries": [{"key": d.key, "body": d.body.decode()} for d in entries], "seals": seals}

    @get("/audit/export.csv", "Entries as a table", scope="audit", answer=str, media="text/csv")
    async def export_audit_table(self, call: Call[AuditFilter, NoBody]) -> web.StreamResponse:
        """Entries by time."""
        text = table(json.loads(document.body) for document in await self._entries(call.query))
        headers = {"Content-Disposition": 'attachment; filename="audit.csv"', "Content-Type": "text/csv; charset=utf-8"}
        return web.Response(body=text.encode(), headers=headers)

    async def _entries(self, wanted: AuditFilter) -> list[Document]:
        documents = await self._desk.records.documents(SPACE)
        return [document for document in documents if wanted.fits(json.loads(document.body))]


def table(rows: Iterable[AuditRow]) -> str:
    """Entries as CSV; no cell is one that a spreadsheet would carry out."""
    written = io.StringIO()
    writer = csv.writer(written)
    writer.writerow(("time", "who", "what", "subject", "reason", "before", "after"))
    for row in rows:
        before, after = (json.dumps(value, sort_keys=True) for value in (row["before"], row["after"]))
        cells = (iso(row["at"]), row["who"], row["what"], row["subject"], row["reason"], before, after)
        writer.writerow([inert(cell) for cell in cells])
    return written.getvalue()
