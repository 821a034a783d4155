"""Reported data are kept with their answer, the newest so many."""

from __future__ import annotations

import base64
import math

import pytest
from tests.unit.gridiface.northbound.openadr.conftest import Shelf

from gridiface.northbound.openadr.vtn.report_archive import ReportArchive
from gridiface.protocols.openadr.payloads.stream import (
    LoadControlValue,
    OadrLoadControlState,
    OadrPayloadResourceStatus,
)
from gridiface.protocols.openadr.reports import ReportValue
from gridiface.protocols.openadr.vtn.notices import ReportReceived


def report(created: float, *values: ReportValue, name: str = "TELEMETRY_USAGE", request: str = "R") -> ReportReceived:
    return ReportReceived(
        venID="A", reportRequestID=request, reportSpecifierID="s", name=name, created=created, values=values
    )


def usage(at: float, value: float = 1.0) -> ReportValue:
    return ReportValue(rid="r/W", start=at, value=value, quality="Quality Good - Non Specific")


@pytest.fixture
def ledger() -> Shelf:
    return Shelf()


async def test_all_four_kinds_are_kept(ledger: Shelf) -> None:
    archive = ReportArchive(ledger, "v")
    capacity = LoadControlValue(oadrMin=0.0, oadrMax=1.0, oadrCurrent=0.5, oadrNormal=1.0)
    status = OadrPayloadResourceStatus(
        oadrOnline=True, oadrManualOverride=False, oadrLoadControlState=OadrLoadControlState(oadrCapacity=capacity)
    )
    await ledger.commit(
        archive.changes_of(
            [
                report(1.0, usage(1.0, -6.0)),
                report(
                    2.0, ReportValue(rid="r/status", start=2.0, status=status), name="TELEMETRY_STATUS", request="S"
                ),
                report(3.0, usage(0.0), name="HISTORY_USAGE", request="H"),
                report(4.0, ReportValue(rid="", start=4.0, feed=b"<feed/>"), name="HISTORY_GREENBUTTON", request="G"),
            ]
        )
    )
    rows = await archive.rows("A")
    assert [row["name"] for row in rows] == [
        "TELEMETRY_USAGE",
        "TELEMETRY_STATUS",
        "HISTORY_USAGE",
        "HISTORY_GREENBUTTON",
    ]
    assert rows[0]["value"] == -6.0
    assert (rows[1]["online"], rows[1]["load_control"]) == (
        True,
        {"capacity": {"current": 0.5, "min": 0.0, "max": 1.0}},
    )
    assert base64.b64decode(rows[3]["green_button"]) == b"<feed/>"
    assert [row["request"] for row in await archive.rows("A", name="HISTORY_USAGE")] == ["H"]
    assert [row["request"] for row in await archive.rows("A", start=3.0)] == ["G"]
    assert await archive.rows("A", request="none") == []
    await archive.forget("A")
    assert not ledger.kept


async def test_a_report_again_replaces_what_it_brought(ledger: Shelf) -> None:
    archive = ReportArchive(ledger, "v")
    for value in (1.0, 2.0):
        await ledger.commit(archive.changes_of([report(1.0, usage(1.0, value))]))
    assert [row["value"] for row in await archive.rows("A")] == [2.0]


async def test_the_oldest_go_where_there_are_too_many(ledger: Shelf) -> None:
    for begin in (0, 25):  # The second is after a restart: what is there is not known, and counted.
        archive = ReportArchive(ledger, "v", most=20)
        for at in range(begin, begin + 25):
            await ledger.commit(archive.changes_of([report(float(at), usage(float(at)))]))
        await archive.prune()
        assert [row["start"] for row in await archive.rows("A")] == [float(at) for at in range(begin + 5, begin + 25)]
    await archive.prune()
    assert len(ledger.kept) == 20


async def test_what_is_no_number_is_kept_as_none(ledger: Shelf) -> None:
    archive = ReportArchive(ledger, "v")
    capacity = LoadControlValue(oadrMin=-math.inf, oadrCurrent=math.nan)
    status = OadrPayloadResourceStatus(
        oadrOnline=True, oadrManualOverride=False, oadrLoadControlState=OadrLoadControlState(oadrCapacity=capacity)
    )
    await ledger.commit(archive.changes_of([report(1.0, ReportValue(rid="r", start=1.0, status=status))]))
    (row,) = await archive.rows("A")
    assert row["load_control"] == {"capacity": {"current": None, "min": None, "max": None}}
