"""Meter data as CSV -> series. Owns the columns, the time rules (zones, clock changes), duplicates and gaps.

Columns, named in the first line, in any order; others are ignored and noted:

- `meter`   the meter's id; may be left out when the file holds one meter (then `CsvForm.meter_id`)
- `time`    ISO 8601; with an offset or Z, or local time of `CsvForm.tz`
- `w`, `kw`, `wh` or `kwh`   one of them: mean power, or energy, of the interval
- `quality` good, estimated, stale, substituted or bad; may be left out

Sign: consumption counts positive in most meter files and is negative here; `CsvForm.positive` says how the file counts.
Clock changes: a local time that does not exist is refused. The hour that comes twice is taken in the order of the file:
the first time is summer time, the second standard time.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise
from pathlib import Path
from typing import Literal

from gridiface.aggregation.settlement.series import QUALITIES, series_of
from gridiface.app.importers.findings import decoded
from gridiface.app.importers.meter_data import MOST_METERS, MOST_ROWS, MeterImport, check_interval, check_span, finished
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError

#: Column -> factor to W or Wh, and whether it is energy.
_VALUES = {"w": (1.0, False), "kw": (1000.0, False), "wh": (1.0, True), "kwh": (1000.0, True)}
_LARGEST = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvForm:
    """How a file is to be read.

    Attributes:
        tz: zone of times without an offset; None refuses them.
        positive: what the file counts positive.
        stamp: whether a time is its interval's start or end.
        interval_s: s; None finds it: that of `known`, else the most frequent distance.
        known: interval of meters that are known already, s: a file of late values need not show it.
        meter_id: the meter of a file without the column `meter`.
    """

    tz: tzinfo | None = None
    positive: Literal["consumption", "delivery"] = "consumption"
    stamp: Literal["start", "end"] = "start"
    interval_s: float | None = None
    known: Mapping[str, float] = field(default_factory=dict)
    meter_id: str = ""


@dataclass(slots=True)
class _Meter:
    """What was read of one meter: start -> (value as in the file, quality); and twice-coming local times seen."""

    values: dict[Instant, tuple[float, Quality]] = field(default_factory=dict)
    folded: set[datetime] = field(default_factory=set)


def parse_meter_csv(data: bytes, path: Path, form: CsvForm) -> MeterImport:
    """Read a CSV file.

    Args:
        data: its content.
        path: for messages; is not opened.
        form: how to read it.

    Raises:
        ConfigError: `file:line: what; fix`, at the first mistake.
    """
    text = decoded(path, data)
    between = _separator(text)
    reader = _Reader(path, form, decimal_comma=between != ",")
    rows = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=between)
    line = 1
    try:
        for row in rows:
            line = rows.line_num
            reader.take(row, line)
    except csv.Error as problem:
        raise ConfigError(f"{path}:{rows.line_num}: not valid CSV: {problem}; look at the quotes") from problem
    return reader.finish(line)


def _separator(text: str) -> str:
    """What stands between the columns' names: a comma, or what spreadsheets write where that is the decimal mark."""
    header = text.lstrip("\r\n").partition("\n")[0]
    return next((one for one in (",", ";", "\t", "|") if one in header), ",")


class _Reader:
    def __init__(self, path: Path, form: CsvForm, *, decimal_comma: bool) -> None:
        self._path, self._form, self._decimal_comma = path, form, decimal_comma
        self._columns: dict[str, int] = {}
        self._value, self._factor, self._is_energy = "", 1.0, False
        self._meters: dict[str, _Meter] = {}
        self._rows = self._duplicates = self._conflicts = 0
        self._notes: list[str] = []

    def take(self, row: list[str], line: int) -> None:
        """One line of the file."""
        if not row or all(not cell.strip() for cell in row):
            return
        if not self._columns:
            self._header(row, line)
            return
        self._rows += 1
        if self._rows > MOST_ROWS:
            raise self._wrong(line, f"more than {MOST_ROWS} values", "split the file")
        if len(row) < len(self._columns):
            raise self._wrong(line, f"{len(row)} fields for {len(self._columns)} columns", "complete the line")
        meter = self._meter(row, line)
        at = self._time(meter, self._cell(row, "time"), line)
        value, quality = self._number(row, line), self._quality(row, line)
        held = meter.values.get(at)
        if held is not None:
            same = held == (value, quality) or (math.isnan(held[0]) and math.isnan(value))
            self._duplicates += same
            self._conflicts += not same
        meter.values[at] = (value, quality)

    def _header(self, row: list[str], line: int) -> None:
        names = [cell.strip().lower() for cell in row]
        values = [name for name in names if name in _VALUES]
        if len(names) == 1:
            fix = "separate columns by commas, semicolons, tabs or vertical bars"
            raise self._wrong(line, "the first line holds one column alone", fix)
        if "time" not in names or len(values) != 1:
            fix = "the first line must name `time`, one of w, kw, wh, kwh, and may name `meter` and `quality`"
            raise self._wrong(line, "the columns are not those of a meter file", fix)
        if "meter" not in names and not self._form.meter_id:
            raise self._wrong(line, "no column `meter`", "add it, or say which meter the file is of")
        known = [name for name in names if name in {"meter", "time", "quality", *values}]
        if len(set(known)) != len(known):
            raise self._wrong(line, "a column stands twice", "keep one of both")
        self._columns = {name: number for number, name in enumerate(names) if name}
        self._value = values[0]
        self._factor, self._is_energy = _VALUES[self._value]
        ignored = [name[:40] for name in names if name and name not in known]
        if ignored:
            self._notes.append(f"columns not read: {', '.join(ignored[:10])}")

    def _cell(self, row: list[str], name: str) -> str:
        place = self._columns.get(name)
        return "" if place is None or place >= len(row) else row[place].strip()

    def _meter(self, row: list[str], line: int) -> _Meter:
        name = self._cell(row, "meter") or self._form.meter_id
        if not name or len(name) > 100 or not name.isprintable():
            wrong = "no meter, or one with more than 100 or other than printable characters"
            raise self._wrong(line, wrong, "name the meter")
        found = self._meters.get(name)
        if found is None:
            if len(self._meters) >= MOST_METERS:
                raise self._wrong(line, f"more than {MOST_METERS} meters", "split the file")
            found = self._meters[name] = _Meter()
        return found

    def _time(self, meter: _Meter, text: str, line: int) -> Instant:
        try:
            found = datetime.fromisoformat(text[:64])
        except ValueError:
            fix = "write ISO 8601, for example 2026-03-29T01:15:00+01:00"
            raise self._wrong(line, f"{text[:40]!r} is no time", fix) from None
        if found.tzinfo is None:
            found = self._local(meter, found, line)
        try:
            return found.timestamp()
        except (OverflowError, ValueError, OSError):
            raise self._wrong(line, f"{text[:40]!r} is out of range", "look at the year") from None

    def _local(self, meter: _Meter, local: datetime, line: int) -> datetime:
        tz = self._form.tz
        if tz is None:
            fix = "say in which time zone the file is, or write offsets"
            raise self._wrong(line, "a time without offset or zone", fix)
        if not 2 <= local.year <= 9998:
            raise self._wrong(line, f"the year {local.year} is out of range", "look at the year")
        # An end stamp belongs to the interval before it: whether that hour comes twice is asked of its inside.
        probe = local - timedelta(seconds=1) if self._form.stamp == "end" else local
        first, second = probe.replace(tzinfo=tz, fold=0), probe.replace(tzinfo=tz, fold=1)
        if first.utcoffset() == second.utcoffset():
            return self._after(first, local - probe)
        if _is_gap(first, tz):
            fix = "clocks went forward over it: is the file in another zone, or in standard time all year?"
            raise self._wrong(line, f"{local.isoformat()} does not exist in {tz}", fix)
        again = local in meter.folded
        meter.folded.add(local)
        return self._after(second if again else first, local - probe)

    @staticmethod
    def _after(at: datetime, seconds: timedelta) -> datetime:
        return at.astimezone(UTC) + seconds

    def _number(self, row: list[str], line: int) -> float:
        text = self._cell(row, self._value)
        if not text:
            return math.nan
        try:
            value = float(text.replace(",", ".") if self._decimal_comma and text.count(",") == 1 else text)
        except ValueError:
            raise self._wrong(line, f"{text[:40]!r} is no number", "use a decimal point and no unit") from None
        if not abs(value) <= _LARGEST:
            raise self._wrong(line, f"{text[:40]!r} is out of range", "leave missing values empty")
        return value

    def _quality(self, row: list[str], line: int) -> Quality:
        text = self._cell(row, "quality").lower()
        if not text:
            return Quality.GOOD
        try:
            return Quality(text)
        except ValueError:
            fix = f"use {', '.join(Quality)}"
            raise self._wrong(line, f"{text[:40]!r} is no quality", fix) from None

    def finish(self, line: int) -> MeterImport:
        """The series of all that was taken."""
        if not any(meter.values for meter in self._meters.values()):
            raise self._wrong(line, "no values", "the first line names the columns, each other line is one value")
        interval_s = self._form.interval_s or self._known() or self._interval(line)
        check_interval(self._path, interval_s)
        spans = {name: (min(meter.values), max(meter.values)) for name, meter in self._meters.items()}
        check_span(self._path, spans, interval_s)
        sign = -1.0 if self._form.positive == "consumption" else 1.0
        factor = sign * self._factor * (3600.0 / interval_s if self._is_energy else 1.0)
        back = interval_s if self._form.stamp == "end" else 0.0
        series = []
        for name, meter in self._meters.items():
            samples = ((at - back, value * factor, quality) for at, (value, quality) in meter.values.items())
            try:
                made = series_of(name, interval_s, samples)
            except ValueError as problem:
                fix = "times must be whole intervals apart"
                raise ConfigError(f"{self._path}: meter {name}: {problem}; {fix}") from problem
            if made is not None:
                series.append(made)
        if self._is_energy:
            self._notes.append(f"energies of {interval_s:g} s became mean powers")
        return finished(
            series,
            rows=self._rows,
            duplicates=self._duplicates,
            conflicts=self._conflicts,
            notes=tuple(self._notes),
        )

    def _known(self) -> float | None:
        """The one interval of all meters of the file, where it was known before."""
        found = {self._form.known.get(name) for name in self._meters}
        return found.pop() if len(found) == 1 else None

    def _interval(self, line: int) -> float:
        """The most frequent distance of successive times, s; of equally frequent ones the shortest."""
        steps: Counter[float] = Counter()
        for meter in self._meters.values():
            steps.update(round(later - earlier, 3) for earlier, later in pairwise(sorted(meter.values)))
        if not steps:
            raise self._wrong(line, "one value for each meter says nothing of its interval", "say the interval")
        most = max(steps.values())
        return min(step for step, count in steps.items() if count == most)

    def _wrong(self, line: int, text: str, fix: str) -> ConfigError:
        return ConfigError(f"{self._path}:{line}: {text}; {fix}")


def _is_gap(first: datetime, tz: tzinfo) -> bool:
    """Whether a local time was skipped: there and back it comes out as another."""
    return first.astimezone(UTC).astimezone(tz).replace(tzinfo=None) != first.replace(tzinfo=None, fold=0)


def rows_of(found: MeterImport) -> Iterator[tuple[str, str, str, str]]:
    """The known values as CSV rows `meter, time, w, quality`, W + delivered, times in UTC; a header first."""
    yield ("meter", "time", "w", "quality")
    for one in found.series:
        for at, value in enumerate(one.w.tolist()):
            if math.isfinite(value):
                start = datetime.fromtimestamp(one.start + at * one.interval_s, UTC)
                stamp = start.isoformat().replace("+00:00", "Z")
                yield (one.meter_id, stamp, repr(value), QUALITIES[int(one.quality[at])].value)
