"""Green Button (NAESB ESPI) XML -> series. Owns the reading of usage points, reading types and interval blocks.

A file is an Atom feed; what belongs together is told by links: an IntervalBlock hangs below its MeterReading, which
names its ReadingType and hangs below its UsagePoint. Their side: flowDirection 1 is delivered to the customer (load,
negative here), 19 is received from the customer (positive here); both of one usage point are added. Values are in
uom x 10^powerOfTenMultiplier; times are seconds since 1970 UTC. Hostile XML is refused by `xmlwire.parse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lxml import etree

from gridiface.aggregation.settlement.series import CODE, QUALITIES, series_of
from gridiface.app.importers.meter_data import MOST_METERS, MOST_ROWS, MeterImport, check_interval, check_span, finished
from gridiface.domain.clock import Instant
from gridiface.domain.telemetry import Quality
from gridiface.errors import ConfigError, RemoteProtocolError
from gridiface.protocols.xmlwire.parse import Limits, parse

_ESPI = "{http://naesb.org/espi}"
_ATOM = "{http://www.w3.org/2005/Atom}"

#: A year of quarter hours of two directions is about 35 MB and 1.2 million tags.
LIMITS = Limits(octets=64 * 1024 * 1024, tags=3_000_000)

_WH, _W = 72, 38
_FORWARD, _REVERSE = 1, 19
_DELTA, _INSTANTANEOUS, _INDICATING, _NONE = 4, 12, 6, 0
_LARGEST = 1e15
_LONGEST_LINK = 1000
_LATEST = 32_503_680_000.0  # the year 3000

#: ESPI QualityOfReading -> ours; absent and 0 are valid.
_QUALITIES = {
    0: Quality.GOOD,
    7: Quality.SUBSTITUTED,  # manually edited
    8: Quality.ESTIMATED,  # from a reference day
    9: Quality.ESTIMATED,  # by interpolation
    10: Quality.STALE,  # questionable
    11: Quality.ESTIMATED,  # derived
    12: Quality.ESTIMATED,  # projected
    13: Quality.ESTIMATED,  # mixed
    14: Quality.GOOD,  # raw
    15: Quality.ESTIMATED,  # weather normalised
    16: Quality.ESTIMATED,  # other
    17: Quality.GOOD,  # validated
    18: Quality.GOOD,  # verified
    19: Quality.GOOD,  # revenue quality
}


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a reading type says: factor to W or Wh with our sign, and whether it is energy."""

    factor: float
    is_energy: bool
    flow: int
    interval_s: float | None


@dataclass(slots=True)
class _Flow:
    """The values of one usage point and direction: start -> (W, quality)."""

    values: dict[Instant, tuple[float, Quality]] = field(default_factory=dict)


def parse_green_button(data: bytes, path: Path, meter_id: str | None = None) -> MeterImport:
    """Read a Green Button file.

    Args:
        data: its content.
        path: for messages; is not opened.
        meter_id: the meter's id where the file holds one usage point; None takes the usage point's own.

    Raises:
        ConfigError: hostile or broken XML, above a cap, no electricity, or a form that is not even intervals.
    """
    try:
        root = parse(data, LIMITS)
    except RemoteProtocolError as problem:
        raise ConfigError(f"{path}: {problem.reason}; it is not taken") from problem
    feed = _Feed(path, root)
    flows, rows, duplicates, conflicts, notes = feed.flows()
    meters = sorted({usage for usage, _ in flows})
    if meter_id is not None and len(meters) > 1:
        raise ConfigError(f"{path}: holds {len(meters)} usage points, so one meter id does not do; leave it out")
    if len(meters) > MOST_METERS:
        raise ConfigError(f"{path}: more than {MOST_METERS} usage points; split the file")
    interval_s = feed.interval_s
    spans = {f"{usage}/{flow}": (min(held.values), max(held.values)) for (usage, flow), held in flows.items()}
    check_span(path, spans, interval_s)
    series = []
    for usage in meters:
        values = _added({flow: held for (name, flow), held in flows.items() if name == usage})
        try:
            made = series_of(meter_id or usage, interval_s, ((at, w, quality) for at, (w, quality) in values))
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}; the intervals must follow each other evenly") from problem
        if made is not None:
            series.append(made)
    return finished(series, rows=rows, duplicates=duplicates, conflicts=conflicts, notes=notes)


def _added(flows: dict[int, _Flow]) -> Iterator[tuple[Instant, tuple[float, Quality]]]:
    """Both directions of a usage point together; an interval that one direction lacks is missing."""
    held = list(flows.values())
    for at in set().union(*(flow.values.keys() for flow in held)):
        parts = [flow.values[at] for flow in held if at in flow.values]
        if len(parts) == len(held):
            worst = QUALITIES[max(CODE[quality] for _, quality in parts)]
            yield at, (math.fsum(w for w, _ in parts), worst)


class _Feed:
    """The entries of a feed by their own links."""

    def __init__(self, path: Path, root: etree._Element) -> None:
        self._path = path
        self._root = root
        self.interval_s = 0.0
        self._types: dict[str, _Kind | None] = {}
        self._readings: dict[str, str] = {}
        self._notes: list[str] = []
        self._only: _Kind | None = None

    def flows(self) -> tuple[dict[tuple[str, int], _Flow], int, int, int, tuple[str, ...]]:
        """Values by usage point and direction; rows, duplicates, conflicts, notes."""
        self._index()
        flows: dict[tuple[str, int], _Flow] = {}
        rows = duplicates = conflicts = 0
        for entry, block in self._blocks():
            home = _up(entry)
            kind = self._kind_of(home)
            if kind is None:
                continue
            flow = flows.setdefault((_usage_point(home), kind.flow), _Flow())
            for at, value in self._values(block, kind):
                rows += 1
                if rows > MOST_ROWS:
                    raise ConfigError(f"{self._path}: more than {MOST_ROWS} values; split the file")
                held = flow.values.get(at)
                duplicates += held == value
                conflicts += held is not None and held != value
                flow.values[at] = value
        flows = {key: flow for key, flow in flows.items() if flow.values}
        if not flows:
            raise ConfigError(f"{self._path}: no intervals of electric energy or power; is it a Green Button file?")
        return flows, rows, duplicates, conflicts, tuple(dict.fromkeys(self._notes))

    def _blocks(self) -> Iterator[tuple[etree._Element, etree._Element]]:
        for entry in self._root.iter(f"{_ATOM}entry"):
            for block in entry.iter(f"{_ESPI}IntervalBlock"):
                yield entry, block

    def _index(self) -> None:
        for entry in self._root.iter(f"{_ATOM}entry"):
            own = next((_tail(link.get("href")) for link in _links(entry, "self")), "")
            kind = entry.find(f".//{_ESPI}ReadingType")
            if kind is not None:
                self._types[own] = self._kind(kind)
            if entry.find(f".//{_ESPI}MeterReading") is not None:
                for link in _links(entry, "related"):
                    href = _tail(link.get("href"))
                    if "ReadingType" in href:
                        self._readings[own] = href
        if len(self._types) == 1:
            self._only = next(iter(self._types.values()))

    def _kind_of(self, home: str) -> _Kind | None:
        """The reading type of the blocks below a meter reading; a file with one type needs no links."""
        parts = home.split("/")
        for length in range(len(parts), 0, -1):
            kind = self._readings.get("/".join(parts[:length]), "")
            if kind in self._types:
                return self._types[kind]
        if self._only is None and len(self._types) != 1:
            raise ConfigError(f"{self._path}: an IntervalBlock has no ReadingType; its links lead nowhere")
        return self._only

    def _kind(self, node: etree._Element) -> _Kind | None:
        uom = self._integer(node, "uom", 0)
        flow = self._integer(node, "flowDirection", _FORWARD)
        if uom not in (_WH, _W):
            self._notes.append(f"readings of unit {uom} are not electric energy or power: left out")
            return None
        if flow not in (_FORWARD, _REVERSE):
            self._notes.append(f"readings of flow direction {flow} are left out: 1 and 19 are read")
            return None
        behaviour = self._integer(node, "accumulationBehaviour", _DELTA)
        if behaviour not in (_DELTA, _INSTANTANEOUS, _INDICATING, _NONE):
            fix = "readings per interval (4, delta) are needed"
            raise ConfigError(f"{self._path}: accumulationBehaviour {behaviour} is a register reading; {fix}")
        power = self._integer(node, "powerOfTenMultiplier", 0)
        if not -12 <= power <= 12:
            raise ConfigError(f"{self._path}: powerOfTenMultiplier {power} is out of range; it must be -12 to 12")
        length = self._integer(node, "intervalLength", 0)
        sign = -1.0 if flow == _FORWARD else 1.0
        return _Kind(sign * 10.0**power, uom == _WH, flow, float(length) if length > 0 else None)

    def _values(self, block: etree._Element, kind: _Kind) -> Iterator[tuple[Instant, tuple[float, Quality]]]:
        for reading in block.iterchildren(f"{_ESPI}IntervalReading"):
            period = reading.find(f"{_ESPI}timePeriod")
            if period is None:
                raise ConfigError(f"{self._path}: an IntervalReading has no timePeriod; it cannot be placed")
            start = self._integer(period, "start", -1)
            duration = self._integer(period, "duration", int(kind.interval_s or 0))
            if not 0 <= start <= _LATEST or duration <= 0:
                raise ConfigError(f"{self._path}: an interval starts at {start} and lasts {duration} s; look at it")
            self._same_interval(float(duration))
            value = self._integer(reading, "value", None)
            factor = kind.factor * (3600.0 / duration if kind.is_energy else 1.0)
            yield float(start), (value * factor, self._quality(reading))

    def _same_interval(self, duration: float) -> None:
        if self.interval_s == 0.0:
            check_interval(self._path, duration)
            self.interval_s = duration
        elif duration != self.interval_s:
            text = f"intervals of {self.interval_s:g} s and of {duration:g} s in one file"
            raise ConfigError(f"{self._path}: {text}; export each by itself")

    def _quality(self, reading: etree._Element) -> Quality:
        worst = Quality.GOOD
        for node in reading.iter(f"{_ESPI}quality"):
            code = self._text_integer(node, "quality")
            found = _QUALITIES.get(code, Quality.ESTIMATED)
            worst = QUALITIES[max(CODE[worst], CODE[found])]
        return worst

    def _integer(self, node: etree._Element, name: str, default: int | None) -> int:
        child = node.find(f"{_ESPI}{name}")
        if child is None:
            if default is None:
                raise ConfigError(f"{self._path}: an element lacks {name}; the file is not complete")
            return default
        return self._text_integer(child, name)

    def _text_integer(self, node: etree._Element, name: str) -> int:
        text = (node.text or "").strip()
        try:
            value = int(text[:40])
        except ValueError:
            raise ConfigError(f"{self._path}:{node.sourceline}: {name} is no whole number; correct it") from None
        if abs(value) > _LARGEST:
            raise ConfigError(f"{self._path}:{node.sourceline}: {name} is out of range; correct it")
        return value


def _links(entry: etree._Element, relation: str) -> list[etree._Element]:
    return [link for link in entry.iterchildren(f"{_ATOM}link") if link.get("rel") == relation]


def _tail(href: str | None) -> str:
    """A link without scheme, host and outer slashes: files write them absolute, relative or mixed."""
    text = (href or "")[:_LONGEST_LINK].split("://", 1)[-1].strip("/")
    at = text.find("UsagePoint")
    other = text.find("ReadingType")
    place = at if at >= 0 else other
    return text[place:] if place >= 0 else text


def _up(entry: etree._Element) -> str:
    """Where an entry hangs; its own place where it does not say."""
    for relation in ("up", "self"):
        for link in _links(entry, relation):
            return _tail(link.get("href"))
    return ""


def _usage_point(home: str) -> str:
    """The id of the usage point in a link: what follows `UsagePoint/`."""
    parts = home.split("/")
    if "UsagePoint" in parts[:-1]:
        return parts[parts.index("UsagePoint") + 1][:100]
    return "usage-point"
