"""Data that VENs reported to our VTN, kept for the operator: the newest reports of each VEN, durable with their answer.

Owns its documents: one per oadrReport, in a space per VEN. What becomes of a value in the fleet is fleet_members'. A
Green Button feed is kept as it came.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.ports import Ledger
from gridiface.protocols.openadr.reports import ReportValue
from gridiface.protocols.openadr.vtn.notices import Notice, ReportReceived

Row = dict[str, Any]


class ReportArchive:
    """The reports that came.

    Args:
        ledger: where they are kept.
        space: of the VTN's own documents.
        most: reports kept per VEN.
    """

    def __init__(self, ledger: Ledger, space: str, *, most: int = 1000) -> None:
        self._ledger = ledger
        self._space = space
        self._most = most
        self._fresh: dict[str, int] = {}

    def changes_of(self, notices: Iterable[Notice]) -> list[Change]:
        """What is to be stored together with the answer to these reports."""
        changes: list[Change] = []
        for notice in notices:
            if isinstance(notice, ReportReceived):
                # The same report again (its answer was lost), or corrected, replaces what it brought before; a long
                # history comes in parts.
                begin = min((value.start for value in notice.values), default=0.0)
                key = f"{notice.created:017.3f}/{begin:017.3f}/{notice.reportRequestID}"
                changes.append(PutDocument(self._space_of(notice.venID), key, json.dumps(_document(notice)).encode()))
                self._fresh[notice.venID] = self._fresh.get(notice.venID, self._most) + 1
        return changes

    async def prune(self) -> None:
        """Let go the oldest reports of a VEN that has sent many since the last look.

        Raises:
            StoreUnavailable: call again.
        """
        # The first report after a start counts as many: what the last run left is not known.
        full = [ven_id for ven_id, count in self._fresh.items() if count > self._most * 11 // 10]
        for ven_id in full[:1]:
            space = self._space_of(ven_id)
            keys = sorted(document.key for document in await self._ledger.documents(space))
            surplus = keys[: max(0, len(keys) - self._most)]
            if surplus:
                await self._ledger.commit([DeleteDocument(space, key) for key in surplus])
            self._fresh[ven_id] = len(keys) - len(surplus)

    async def rows(self, ven_id: str, *, request: str = "", name: str = "", start: float = 0.0) -> list[Row]:
        """The values of a VEN, one row each, oldest report first.

        Args:
            ven_id: whose.
            request: only of this reportRequestID; "" all.
            name: only of reports of this name; "" all.
            start: only values from then on.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        found: list[Row] = []
        for document in sorted(await self._ledger.documents(self._space_of(ven_id)), key=lambda d: d.key):
            report = json.loads(document.body)
            if request in {"", report["request"]} and name in {"", report["name"]}:
                head = {key: report[key] for key in ("request", "specifier", "name", "created")}
                found += [{**head, **value} for value in report["values"] if value["start"] >= start]
        return found

    async def forget(self, ven_id: str) -> None:
        """All reports of a VEN.

        Raises:
            StoreUnavailable: they are all still there.
        """
        space = self._space_of(ven_id)
        await self._ledger.commit([DeleteDocument(space, d.key) for d in await self._ledger.documents(space)])
        self._fresh.pop(ven_id, None)

    def _space_of(self, ven_id: str) -> str:
        return f"{self._space}/data/{ven_id}"


def _document(notice: ReportReceived) -> Mapping[str, Any]:
    return {
        "request": notice.reportRequestID,
        "specifier": notice.reportSpecifierID,
        "name": notice.name,
        "created": notice.created,
        "values": [_value(value) for value in notice.values],
    }


def _value(value: ReportValue) -> Row:
    row: Row = {"rid": value.rid, "start": value.start, "duration_s": value.duration, "quality": value.quality}
    if value.feed is not None:
        # Green Button is XML of another standard: kept as octets.
        return {**row, "green_button": base64.b64encode(value.feed).decode()}
    if value.status is None:
        return {**row, "value": value.value, "confidence": value.confidence, "accuracy": value.accuracy}
    state = value.status.oadrLoadControlState
    controls = {
        field.removeprefix("oadr").lower(): {
            "current": _number(one.oadrCurrent),
            "min": _number(one.oadrMin),
            "max": _number(one.oadrMax),
        }
        for field in ("oadrCapacity", "oadrLevelOffset", "oadrPercentOffset", "oadrSetPoint")
        if state is not None and (one := getattr(state, field)) is not None
    }
    return {
        **row,
        "online": value.status.oadrOnline,
        "override": value.status.oadrManualOverride,
        "load_control": controls or None,
    }


def _number(value: float | None) -> float | None:
    """The value; None for what is no number, which JSON cannot say."""
    return value if value is not None and math.isfinite(value) else None
