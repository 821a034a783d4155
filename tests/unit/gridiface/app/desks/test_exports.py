"""Exports: CSV, Parquet with and without pyarrow, settlement files that come back."""

from __future__ import annotations

import csv
import importlib
import io
import json
import types
from pathlib import Path
from typing import Any

import pytest

from gridiface.aggregation.settlement import Settlement, SettlementRow, settlement_of, totals
from gridiface.app.desks import exports
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError


def row(at: int = 0, metered: float | None = -400.0, resource: str = "m") -> SettlementRow:
    return SettlementRow(
        event_id="ev",
        resource_id=resource,
        start=1_782_864_000.0 + 900 * at,
        end=1_782_864_900.0 + 900 * at,
        baseline_w=-1000.0,
        metered_w=metered,
        delivered_w=None if metered is None else metered + 1000.0,
        committed_w=500.0,
        quality=Quality.GOOD,
        method="10-of-10",
    )


INTERVAL = PerformanceInterval(
    control_id="c",
    target_id="t",
    start=0.0,
    end=5.5,
    requested_w=100.0,
    accepted_w=100.0,
    allocated_w=100.0,
    acknowledged_w=None,
    delivered_w=90.0,
)


def test_golden_csv() -> None:
    assert exports.csv_text([row(), row(1, None)]) == (
        "event_id,resource_id,start,end,baseline_w,metered_w,delivered_w,committed_w,performance,quality,method,revision,"
        "eligible,share,credited_w,reason\n"
        "ev,m,2026-07-01T00:00:00Z,2026-07-01T00:15:00Z,-1000.0,-400.0,600.0,500.0,1.2,good,10-of-10,1,1.0,1.0,600.0,\n"
        "ev,m,2026-07-01T00:15:00Z,2026-07-01T00:30:00Z,-1000.0,,,500.0,,good,10-of-10,1,1.0,1.0,,\n"
    )
    text = exports.csv_text([INTERVAL])
    assert (
        text.splitlines()[1]
        == "c,t,1970-01-01T00:00:00Z,1970-01-01T00:00:05.500Z,100.0,100.0,100.0,,90.0,0.1,good,1.0,,,,,"
    )
    assert exports.csv_text([]).count("\n") == 1


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x", "\tx"])
def test_a_spreadsheet_takes_no_name_for_a_formula(name: str) -> None:
    (_, values) = csv.reader(io.StringIO(exports.csv_text([row(resource=name)])))
    assert values[1] == f"'{name}"


def test_parquet_without_pyarrow_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(name: str) -> types.ModuleType:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ConfigError, match="install gridiface with its extra `parquet`"):
        exports.write_parquet([row()], tmp_path / "x.parquet")


class FakeArrow:
    """The calls of pyarrow that are made, and what they were given."""

    def __init__(self, *, broken: bool = False) -> None:
        self.columns: dict[str, tuple[list[Any], str]] = {}
        self.broken = broken

    def module(self) -> types.SimpleNamespace:
        return types.SimpleNamespace(
            timestamp=lambda unit, tz: f"timestamp[{unit}, {tz}]",
            int64=lambda: "int64",
            string=lambda: "string",
            float64=lambda: "double",
            array=lambda values, type: (values, type),
            field=lambda name, kind, metadata: (name, metadata),
            schema=lambda fields: fields,
            Table=types.SimpleNamespace(from_arrays=self.table),
            write_table=self.write,
        )

    def table(self, data: list[tuple[list[Any], str]], schema: list[tuple[str, Any]]) -> dict[str, Any]:
        self.units = dict(schema)
        return {name: column for (name, _), column in zip(schema, data, strict=True)}

    def write(self, data: dict[str, tuple[list[Any], str]], path: str) -> None:
        if self.broken:
            raise OSError("disk full")
        self.columns = data


def test_parquet_columns_and_types(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake = FakeArrow()
    monkeypatch.setattr(importlib, "import_module", lambda _: fake.module())
    exports.write_parquet([row(), row(1, None)], tmp_path / "x.parquet")
    assert tuple(fake.columns) == exports.SETTLEMENT_COLUMNS
    assert fake.columns["metered_w"] == ([-400.0, None], "double")
    assert fake.columns["revision"] == ([1, 1], "int64")
    assert (fake.units["metered_w"], fake.units["share"]) == ({"unit": "W", "sign": "+ delivered to the grid"}, None)
    values, kind = fake.columns["start"]
    assert (values[0].timestamp(), kind) == (1_782_864_000.0, "timestamp[ms, UTC]")
    exports.write_parquet([INTERVAL], tmp_path / "x.parquet")
    assert tuple(fake.columns) == exports.PERFORMANCE_COLUMNS
    fake.broken = True
    with pytest.raises(ConfigError, match="disk full"):
        exports.write_parquet([row()], tmp_path / "x.parquet")


def test_parquet_with_the_real_library(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    exports.write_parquet([row(), row(1, None)], tmp_path / "x.parquet")
    read = parquet.read_table(str(tmp_path / "x.parquet"))
    assert read.schema.field("baseline_w").metadata == {b"unit": b"W", b"sign": b"+ delivered to the grid"}
    table = read.to_pylist()
    assert [record["metered_w"] for record in table] == [-400.0, None]
    assert table[0]["start"].timestamp() == 1_782_864_000.0


def test_a_settlement_comes_back(tmp_path: Path) -> None:
    settlement = settlement_of("ev", 5.0, [row(), row(1, None)], 10.0).settlement
    path = tmp_path / "ev.json"
    path.write_text(exports.settlement_json(settlement, 5.0))
    assert exports.read_settlement(path) == (settlement, 5.0)


def damaged(**changes: Any) -> str:
    settlement = Settlement(event_id="ev", revision=1, computed=0.0, final=False, rows=(row(),))
    return json.dumps(json.loads(exports.settlement_json(settlement, 0.0)) | changes)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "not a settlement"),
        ('{"format": "other"}', "not a settlement"),
        (damaged(rows=[[1]]), "damaged"),
        (damaged(rows=3), "damaged"),
        (damaged(event_id=3), "damaged"),
        (damaged(revision="x"), "damaged"),
        (damaged(rows=[["m", 0, 1, "x", None, None, None, "good", "m", 1]]), "damaged"),
        (damaged(rows=[["m", 0, 1, None, None, None, None, "fine", "m", 1]]), "damaged"),
    ],
)
def test_a_damaged_settlement_is_refused(tmp_path: Path, text: str, wrong: str) -> None:
    path = tmp_path / "ev.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=wrong):
        exports.read_settlement(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        exports.read_settlement(tmp_path / "none")


def test_records_of_sums_and_changes() -> None:
    first = settlement_of("ev", 0.0, [row(0, None), row(1)], 1.0).settlement
    second = settlement_of("ev", 0.0, [row(0), row(1), row(2)], 2.0, previous=first)
    moved, came = (exports.change_record(change) for change in second.changes)
    assert moved["figures"] == ["metered_w", "delivered_w"]
    assert (moved["before"], moved["after"]) == (
        {"metered_w": None, "delivered_w": None},
        {"metered_w": -400.0, "delivered_w": 600.0},
    )
    assert came["before"] is None
    assert came["after"]["start"] == "2026-07-01T00:30:00Z"
    (total,) = (exports.total_record(total) for total in totals(second.settlement.rows, "event"))
    # Three quarter hours of 600 W.
    assert (total["delivered_wh"], total["performance"], total["coverage"]) == (450.0, 1.2, 1.0)
    assert json.dumps([moved, came, total])
