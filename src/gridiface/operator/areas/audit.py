"""The audit log: who changed what, before and after."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.operator import audit
from gridiface.operator.audit import AuditRow
from gridiface.operator.desk import Desk
from gridiface.operator.routing import Area, Call, get
from gridiface.operator.schema import Asked, NoBody


class AuditQuery(Asked):
    """How much of the audit log."""

    limit: int = Field(default=100, ge=1, le=1000, description="most entries in this answer, the newest")


class AuditList(TypedDict):
    """The newest changes, newest first."""

    entries: list[AuditRow]


class AuditArea(Area):
    """The audit log."""

    name: ClassVar[str] = "audit"
    title: ClassVar[str] = "Audit"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @get("/audit", "The newest changes: who, what, before, after", scope="audit")
    async def list_audit(self, call: Call[AuditQuery, NoBody]) -> AuditList:
        """The newest changes."""
        return {"entries": await audit.newest(self._desk.records, call.query.limit)}
