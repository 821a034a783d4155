"""Settlements as files: CSV, Parquet, and the JSON from which the next revision starts. Owns columns and formats.

Times are ISO 8601 in UTC, powers W, + delivered; an empty field is not known. Parquet needs the optional pyarrow.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from gridiface.aggregation.settlement import Settlement, SettlementRow
from gridiface.aggregation.settlement.revisions import RowChange
from gridiface.aggregation.settlement.rows import Total
from gridiface.domain.clock import Instant
from gridiface.domain.performance import LIMIT_FIGURES, PerformanceInterval
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError
from gridiface.tablecells import inert


class Format(StrEnum):
    """What rows are written as."""

    CSV = "csv"
    PARQUET = "parquet"


FORMAT = "gridiface-settlement-1"
_MOST_BYTES = 512 * 1024 * 1024

SETTLEMENT_COLUMNS = (
    "event_id",
    "resource_id",
    "start",
    "end",
    "baseline_w",
    "metered_w",
    "delivered_w",
    "committed_w",
    "performance",
    "quality",
    "method",
    "revision",
    "eligible",
    "share",
    "credited_w",
    "reason",
)
PERFORMANCE_COLUMNS = (
    "control_id",
    "target_id",
    "start",
    "end",
    "requested_w",
    "accepted_w",
    "allocated_w",
    "acknowledged_w",
    "delivered_w",
    "tracking_error",
    "quality",
    "known",
    "reason",
    *LIMIT_FIGURES,
)
#: What the rows of a settlement say more, of one that says nothing more.
_WHOLE = (1.0, 1.0, "", "")
_TEXTS = frozenset(
    {"event_id", "resource_id", "control_id", "target_id", "quality", "method", "reason", "start", "end"}
)


def utc(at: Instant) -> str:
    """An instant as ISO 8601 with Z, to the millisecond where it has one."""
    text = datetime.fromtimestamp(at, UTC).isoformat(timespec="auto" if at == int(at) else "milliseconds")
    return text.replace("+00:00", "Z")


def records(rows: Iterable[SettlementRow | PerformanceInterval]) -> list[dict[str, Any]]:
    """Rows as plain values by column; times as ISO text, None where not known."""
    found = []
    for row in rows:
        columns = SETTLEMENT_COLUMNS if isinstance(row, SettlementRow) else PERFORMANCE_COLUMNS
        values = {name: getattr(row, name, None) for name in columns}
        if isinstance(row, SettlementRow):
            values["reason"] = row.why
        elif row.limit is not None:
            values |= {name: getattr(row.limit, name) for name in LIMIT_FIGURES}
        values |= {"start": utc(row.start), "end": utc(row.end), "quality": row.quality.value}
        found.append(values)
    return found


def csv_text(rows: Sequence[SettlementRow | PerformanceInterval]) -> str:
    """CSV with a header; texts that a spreadsheet would take for a formula are preceded by an apostrophe."""
    columns = PERFORMANCE_COLUMNS if rows and isinstance(rows[0], PerformanceInterval) else SETTLEMENT_COLUMNS
    return table_text(columns, records(rows))


def table_text(columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> str:
    """CSV of these columns with a header; see `csv_text`."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for values in rows:
        writer.writerow([_cell(values[name]) for name in columns])
    return out.getvalue()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return repr(round(value, 6))
    return str(inert(value))


def write_parquet(rows: Sequence[SettlementRow | PerformanceInterval], path: Path) -> None:
    """Write a Parquet file: texts, doubles, and start and end as UTC timestamps.

    Raises:
        ConfigError: pyarrow is not installed, or the file cannot be written.
    """
    performance = bool(rows) and isinstance(rows[0], PerformanceInterval)
    try:
        _parquet(PERFORMANCE_COLUMNS if performance else SETTLEMENT_COLUMNS, records(rows), str(path))
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be written: {problem}") from problem


def settlement_parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """The rows of a settlement as `records` gives them, as a Parquet file; see `write_parquet`.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    out = io.BytesIO()
    _parquet(SETTLEMENT_COLUMNS, rows, out)
    return out.getvalue()


def _parquet(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], where: str | io.BytesIO) -> None:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError as problem:
        fix = "install gridiface with its extra `parquet`, or export CSV"
        raise ConfigError(f"Parquet needs pyarrow, which is not installed; {fix}") from problem
    kinds = {name: _arrow_kind(arrow, name) for name in columns}
    data = [arrow.array([_parquet_value(name, row[name]) for row in rows], type=kind) for name, kind in kinds.items()]
    schema = arrow.schema([arrow.field(name, kind, metadata=_unit(name)) for name, kind in kinds.items()])
    parquet.write_table(arrow.Table.from_arrays(data, schema=schema), where)


def _unit(name: str) -> dict[str, str] | None:
    """What a reader of the file finds beside a column; None where its name says all."""
    if name.endswith("_w"):
        return {"unit": "W", "sign": "+ delivered to the grid"}
    return {"unit": "s"} if name.endswith("_s") else None


def _parquet_value(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name in ("start", "end") else value


def _arrow_kind(arrow: Any, name: str) -> Any:
    if name in ("start", "end"):
        return arrow.timestamp("ms", tz="UTC")
    if name == "revision":
        return arrow.int64()
    return arrow.string() if name in _TEXTS else arrow.float64()


def settlement_json(settlement: Settlement, event_end: Instant) -> str:
    """A settlement as JSON text; `read_settlement` reads it."""
    return json.dumps(
        {
            "format": FORMAT,
            "event_id": settlement.event_id,
            "event_end": event_end,
            "revision": settlement.revision,
            "computed": settlement.computed,
            "final": settlement.final,
            "authority": settlement.authority,
            "reserved": dict(settlement.reserved),
            "rows": [
                [
                    *(row.resource_id, row.start, row.end),
                    *(row.baseline_w, row.metered_w, row.delivered_w, row.committed_w),
                    *(row.quality.value, row.method, row.revision),
                    *(row.eligible, row.share, row.reason, row.elsewhere),
                ]
                for row in settlement.rows
            ],
        }
    )


def read_settlement(path: Path) -> tuple[Settlement, Instant]:
    """A settlement that `settlement_json` wrote, and the end of its event.

    Raises:
        ConfigError: unreadable, or not such a file.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: larger than {_MOST_BYTES} bytes; this is no settlement")
        text = path.read_bytes()
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror}; look at its name and rights") from problem
    return settlement_of_text(text, str(path))


def settlement_of_text(text: bytes, path: str) -> tuple[Settlement, Instant]:
    """As `read_settlement`; `path` is where the text is from.

    Raises:
        ConfigError: as read_settlement.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise ConfigError(f"{path}: not valid JSON; give the file that `gridiface report settle` wrote") from problem
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise ConfigError(f"{path}: not a settlement; give the file that `gridiface report settle` wrote")
    try:
        return _settlement(data), float(data["event_end"])
    except (KeyError, TypeError, ValueError, OverflowError) as problem:
        raise ConfigError(f"{path}: damaged: {type(problem).__name__}; settle the event anew") from problem


def _settlement(data: Mapping[str, Any]) -> Settlement:
    event = _text(data["event_id"])
    rows = []
    for resource, start, end, baseline, metered, delivered, committed, quality, method, revision, *more in data["rows"]:
        part, share, reason, elsewhere = more or _WHOLE  # rows of before they had it have all of it
        rows.append(
            SettlementRow(
                event_id=event,
                resource_id=_text(resource),
                start=float(start),
                end=float(end),
                baseline_w=_power(baseline),
                metered_w=_power(metered),
                delivered_w=_power(delivered),
                committed_w=_power(committed),
                quality=Quality(quality),
                method=_text(method),
                revision=int(revision),
                eligible=_fraction(part),
                share=_fraction(share),
                reason=_text(reason),
                elsewhere=_text(elsewhere),
            )
        )
    reserved = data.get("reserved", {})
    if not isinstance(reserved, Mapping):
        raise TypeError("not reserved parts by resource")
    return Settlement(
        event_id=event,
        revision=int(data["revision"]),
        computed=float(data["computed"]),
        final=bool(data["final"]),
        rows=tuple(rows),
        authority=float(data.get("authority", 0.0)),
        reserved={_text(name): _fraction(part) for name, part in reserved.items()},
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def _fraction(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError("not a fraction")
    return float(value)


def _power(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError("not a power")
    return float(value)


def total_record(total: Total) -> dict[str, Any]:
    """A sum as plain values."""
    counts = ("key", "rows", "settled", "coverage")
    energies = ("baseline_wh", "metered_wh", "delivered_wh", "credited_wh", "committed_wh")
    return {name: getattr(total, name) for name in (*counts, *energies)} | {
        "performance": total.performance,
        "quality": total.quality.value,
    }


def change_record(change: RowChange) -> dict[str, Any]:
    """What a revision changed in one row, as plain values: each figure before and after."""

    def figures(row: SettlementRow | None) -> dict[str, Any] | None:
        return None if row is None else records([row])[0]

    before, after = figures(change.before), figures(change.after)
    names = SETTLEMENT_COLUMNS if change.figures == ("row",) else change.figures
    return {
        "resource_id": change.resource_id,
        "start": utc(change.start),
        "figures": list(change.figures),
        "before": None if before is None else {name: before[name] for name in names},
        "after": None if after is None else {name: after[name] for name in names},
        "delivered_change_w": change.delivered_change_w,
    }
