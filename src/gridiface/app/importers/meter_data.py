"""Imported meter data: the series, what was dropped or is missing, and the way to readings of the store.

Owns the caps that hold for every format. Formats are meter_csv's and green_button's.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gridiface.aggregation.settlement.calendar import slots_per_day
from gridiface.aggregation.settlement.series import QUALITIES, MeterSeries
from gridiface.app.importers.findings import read_bytes
from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Quantity
from gridiface.domain.telemetry import Reading
from gridiface.errors import ConfigError

MOST_BYTES = 256 * 1024 * 1024
MOST_ROWS = 5_000_000
MOST_METERS = 20_000
#: Values of all series together, gaps included: a stray date must not make a series of a million empty intervals.
MOST_VALUES = 20_000_000
#: Gaps that are listed one by one.
_LISTED = 100
#: Readings that are made durable at once.
_PORTION = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Missing intervals of a meter, from `start` up to `end`."""

    meter_id: str
    start: Instant
    end: Instant
    intervals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterImport:
    """What a file held.

    Attributes:
        series: one per meter, by id; W, + delivered.
        rows: values read.
        duplicates: values that stood there twice alike, and were dropped once.
        conflicts: values that stood there twice, differently: the later in the file counts.
        gaps: missing stretches inside the series, the first hundred.
        missing: missing intervals in all.
        notes: what a person should know, one line each.
    """

    series: tuple[MeterSeries, ...]
    rows: int
    duplicates: int = 0
    conflicts: int = 0
    gaps: tuple[Gap, ...] = ()
    missing: int = 0
    notes: tuple[str, ...] = ()


def finished(
    series: list[MeterSeries], *, rows: int, duplicates: int, conflicts: int, notes: tuple[str, ...] = ()
) -> MeterImport:
    """The import of series, with their gaps found."""
    ordered = tuple(sorted(series, key=lambda one: one.meter_id))
    gaps: list[Gap] = []
    for one in ordered:
        if len(gaps) < _LISTED:
            gaps.extend(_gaps(one))
    return MeterImport(
        series=ordered,
        rows=rows,
        duplicates=duplicates,
        conflicts=conflicts,
        gaps=tuple(gaps[:_LISTED]),
        missing=sum(int((~np.isfinite(one.w)).sum()) for one in ordered),
        notes=notes,
    )


def _gaps(series: MeterSeries) -> list[Gap]:
    missing = ~np.isfinite(series.w)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], missing, [False])).astype(np.int8)))
    return [
        Gap(
            meter_id=series.meter_id,
            start=series.start + begin * series.interval_s,
            end=series.start + end * series.interval_s,
            intervals=int(end - begin),
        )
        for begin, end in edges.reshape(-1, 2)[:_LISTED].tolist()
    ]


def check_span(path: Path, spans: dict[str, tuple[Instant, Instant]], interval_s: float) -> None:
    """Refuse series that would be too long before they are made.

    Raises:
        ConfigError: the intervals from first to last exceed the cap.
    """
    total = sum((last - first) / interval_s + 1 for first, last in spans.values())
    if total > MOST_VALUES:
        raise ConfigError(f"{path}: {total:.0f} intervals from first to last; at most {MOST_VALUES}: is a date wrong?")


def check_interval(path: Path, interval_s: float) -> None:
    """Refuse an interval that does not divide a day.

    Raises:
        ConfigError: it does not.
    """
    try:
        slots_per_day(interval_s)
    except ConfigError as problem:
        raise ConfigError(f"{path}: {problem}") from problem


def readings_of(found: MeterImport, received: Instant) -> Iterator[tuple[Reading, ...]]:
    """The known values as readings of active power, in portions; `received` is when they came to us.

    A portion is made durable at once: files of many meters with few values each are no reason for as many of these.
    """
    portion: list[Reading] = []
    for one in found.series:
        known = np.flatnonzero(np.isfinite(one.w))
        ends = one.start + (known + 1.0) * one.interval_s
        columns = (one.w[known].tolist(), ends.tolist(), one.quality[known].tolist())
        for value, end, quality in zip(*columns, strict=True):
            portion.append(
                Reading(
                    device_id=one.meter_id,
                    quantity=Quantity.ACTIVE_POWER,
                    value=value,
                    source_time=end,
                    received=received,
                    quality=QUALITIES[quality],
                    duration_s=one.interval_s,
                )
            )
            if len(portion) == _PORTION:
                yield tuple(portion)
                portion = []
    if portion:
        yield tuple(portion)


#: The first line of an XML file.
_XML_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


def is_xml(data: bytes) -> bool:
    """Whether a file looks like XML, so like Green Button."""
    return data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"<"


def read_meter_file(path: Path) -> bytes:
    """The content of a meter data file, in UTF-8; UTF-16 is told by its byte order mark.

    Raises:
        ConfigError: unreadable or above the cap.
    """
    data = read_bytes(path, MOST_BYTES)
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data
    try:
        text = data.decode("utf-16")
    except UnicodeDecodeError as problem:
        raise ConfigError(f"{path}: begins as UTF-16 and is not; save it in UTF-8") from problem
    return _XML_DECLARATION.sub("", text, count=1).encode()  # it would name the other encoding
