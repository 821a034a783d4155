"""Small lists beside meter data: days, and what each resource was committed to. Owns their two text forms."""

from __future__ import annotations

import csv
import io
import math
from datetime import date
from pathlib import Path

from gridiface.app.importers.findings import read_text
from gridiface.errors import ConfigError

_MOST_LINES = 200_000


def read_days(path: Path) -> frozenset[date]:
    """The days in a text file: one ISO date on a line, anything behind `#` is a remark.

    Raises:
        ConfigError: unreadable, or a line is no date.
    """
    found = set()
    for number, line in enumerate(read_text(path).splitlines()[:_MOST_LINES], start=1):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            found.add(date.fromisoformat(text))
        except ValueError:
            fix = "write one date on a line, for example 2026-07-04"
            raise ConfigError(f"{path}:{number}: {text[:40]!r} is no date; {fix}") from None
    return frozenset(found)


def read_commitments(path: Path) -> dict[str, float]:
    """What each resource was committed to deliver, W: CSV with the columns `resource` and `committed_kw`.

    Raises:
        ConfigError: unreadable, other columns, a resource twice, or no number.
    """
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    found: dict[str, float] = {}
    header: list[str] = []
    try:
        for row in rows:
            if not any(cell.strip() for cell in row):
                continue
            if not header:
                header = [cell.strip().lower() for cell in row]
                if "resource" not in header or "committed_kw" not in header:
                    fix = "the first line must name the columns resource and committed_kw"
                    raise ConfigError(f"{path}:{rows.line_num}: not a list of commitments; {fix}")
                continue
            cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
            _take(path, rows.line_num, cells, found)
    except csv.Error as problem:
        raise ConfigError(f"{path}:{rows.line_num}: not valid CSV: {problem}; look at the quotes") from problem
    return found


def _take(path: Path, line: int, cells: dict[str, str], found: dict[str, float]) -> None:
    name = cells.get("resource", "")
    if not name or name in found:
        raise ConfigError(f"{path}:{line}: the resource is missing or stands twice; name each once")
    try:
        value = float(cells.get("committed_kw", ""))
    except ValueError:
        value = math.nan
    if not abs(value) <= 1e9:
        raise ConfigError(f"{path}:{line}: committed_kw is no number; write kW with a decimal point")
    found[name] = value * 1000
