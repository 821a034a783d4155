"""Green Button (NAESB ESPI) XML -> series. Owns the reading of usage points, reading types and interval blocks.

A file is an Atom feed; what belongs together is told by links: an IntervalBlock hangs below its MeterReading, which
names its ReadingType and hangs below its UsagePoint. Their side: flowDirection 1 is delivered to the customer (load,
negative here), 19 is received from the customer (positive here); both of one usage point are added. 4 is the net of
both, counted as 1, and stands in where neither is there. Values are in uom x 10^powerOfTenMultiplier; times are seconds
since 1970 UTC. Hostile XML is refused by `xmlwire.parse`.

Files hold more than one kind of reading of a meter: register readings, peak demands, daily sums beside hours. Of one
usage point the shortest intervals are taken, and energy rather than power; what is left out is noted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

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
_UNSTATED, _FORWARD, _NET, _REVERSE = 0, 1, 4, 19
_DELTA, _INSTANTANEOUS, _INDICATING, _NONE = 4, 12, 6, 0
#: dataQualifier of plain readings: not applicable, average, normal, sum. Others are peaks, thresholds and the like.
_PLAIN = frozenset({0, 2, 12, 26})
_LARGEST = 1e15
_DECIMAL = re.compile(r"[+-]?[0-9]{1,39}(\.[0-9]{1,38})?")
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


class _Key(NamedTuple):
    """Whose and what values are: usage point, interval length in s, direction, whether they were energies."""

    usage: str
    interval_s: float
    flow: int
    is_energy: bool


#: The values of each kind: start -> (W, quality).
_Flows = dict[_Key, dict[Instant, tuple[float, Quality]]]


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
    flows = feed.flows()
    meters = sorted({key.usage for key in flows})
    if meter_id is not None and len(meters) > 1:
        raise ConfigError(f"{path}: holds {len(meters)} usage points, so one meter id does not do; leave it out")
    if len(meters) > MOST_METERS:
        raise ConfigError(f"{path}: more than {MOST_METERS} usage points; split the file")
    series = []
    for usage in meters:
        mine = {key: values for key, values in flows.items() if key.usage == usage}
        interval_s = next(iter(mine)).interval_s
        check_span(path, {str(key.flow): (min(values), max(values)) for key, values in mine.items()}, interval_s)
        samples = ((at, w, quality) for at, (w, quality) in _added(list(mine.values())))
        try:
            made = series_of(meter_id or usage, interval_s, samples)
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}; the intervals must follow each other evenly") from problem
        if made is not None:
            series.append(made)
    return finished(
        series, rows=feed.rows, duplicates=feed.duplicates, conflicts=feed.conflicts, notes=tuple(feed.notes)
    )


def _added(
    held: list[dict[Instant, tuple[float, Quality]]],
) -> Iterator[tuple[Instant, tuple[float, Quality]]]:
    """Both directions of a usage point together; an interval that one direction lacks is missing."""
    for at in set().union(*held):
        parts = [values[at] for values in held if at in values]
        if len(parts) == len(held):
            worst = QUALITIES[max(CODE[quality] for _, quality in parts)]
            yield at, (math.fsum(w for w, _ in parts), worst)


def _chosen(flows: _Flows) -> tuple[_Flows, list[str]]:
    """Of each usage point one reading of each direction, the finest there is; what was left out, in words."""
    chosen: _Flows = {}
    notes: list[str] = []
    for usage in sorted({key.usage for key in flows}):
        mine = {key for key in flows if key.usage == usage}
        finest = min(key.interval_s for key in mine)
        for length in sorted({key.interval_s for key in mine} - {finest}):
            notes.append(f"intervals of {length:g} s of {usage} are left out beside those of {finest:g} s")
        mine = {key for key in mine if key.interval_s == finest}
        energies = {key.flow for key in mine if key.is_energy}
        if any(not key.is_energy and key.flow in energies for key in mine):
            notes.append(f"readings of power of {usage} are left out beside those of energy")
        mine = {key for key in mine if key.is_energy or key.flow not in energies}
        if len({key.flow for key in mine}) > 1 and any(key.flow == _NET for key in mine):
            notes.append(f"readings of the net (flow direction {_NET}) of {usage} are left out: 1 and 19 are read")
            mine = {key for key in mine if key.flow != _NET}
        chosen |= {key: flows[key] for key in sorted(mine)}
    return chosen, notes


class _Feed:
    """The entries of a feed by their own links."""

    def __init__(self, path: Path, root: etree._Element) -> None:
        self._path = path
        self._root = root
        self.rows = self.duplicates = self.conflicts = 0
        self.notes: list[str] = []
        self._lengths: dict[str, float] = {}
        self._types: dict[str, _Kind | None] = {}
        self._readings: dict[str, str] = {}
        self._only: _Kind | None = None

    def flows(self) -> _Flows:
        """The values that count, by usage point and direction; none of several kinds of one usage point twice."""
        self._index()
        flows: _Flows = {}
        for entry, block in self._blocks():
            home = _up(entry)
            kind = self._kind_of(home)
            if kind is None:
                continue
            usage = _usage_point(home)
            for at, length, value in self._values(block, kind, home):
                self.rows += 1
                if self.rows > MOST_ROWS:
                    raise ConfigError(f"{self._path}: more than {MOST_ROWS} values; split the file")
                values = flows.setdefault(_Key(usage, length, kind.flow, kind.is_energy), {})
                held = values.get(at)
                self.duplicates += held == value
                self.conflicts += held is not None and held != value
                values[at] = value
        flows, left_out = _chosen(flows)
        self.notes = list(dict.fromkeys(self.notes + left_out))
        if not flows:
            raise ConfigError(f"{self._path}: no intervals of electric energy or power{self._why_not()}")
        return flows

    def _why_not(self) -> str:
        return f" ({'; '.join(dict.fromkeys(self.notes))})" if self.notes else "; is it a Green Button file?"

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
        flow = self._integer(node, "flowDirection", _UNSTATED) or _FORWARD
        behaviour = self._integer(node, "accumulationBehaviour", _DELTA)
        qualifier = self._integer(node, "dataQualifier", 0)
        wrong = ""
        if uom not in (_WH, _W):
            wrong = f"readings of unit {uom} are not electric energy or power: left out"
        elif flow not in (_FORWARD, _NET, _REVERSE):
            wrong = f"readings of flow direction {flow} are left out: 1, 4 and 19 are read"
        elif behaviour not in (_DELTA, _INSTANTANEOUS, _INDICATING, _NONE):
            fix = "readings per interval (4, delta) are needed"
            wrong = f"accumulationBehaviour {behaviour} is a register reading, left out: {fix}"
        elif qualifier not in _PLAIN:
            wrong = f"readings of dataQualifier {qualifier} (peaks and the like) are left out"
        if wrong:
            self.notes.append(wrong)
            return None
        power = self._integer(node, "powerOfTenMultiplier", 0)
        if not -12 <= power <= 12:
            raise ConfigError(f"{self._path}: powerOfTenMultiplier {power} is out of range; it must be -12 to 12")
        length = self._integer(node, "intervalLength", 0)
        sign = 1.0 if flow == _REVERSE else -1.0
        return _Kind(sign * 10.0**power, uom == _WH, flow, float(length) if length > 0 else None)

    def _values(
        self, block: etree._Element, kind: _Kind, home: str
    ) -> Iterator[tuple[Instant, float, tuple[float, Quality]]]:
        """(start, length, (W, quality)) of each reading of a block."""
        following = self._begin(block)
        for reading in block.iterchildren(f"{_ESPI}IntervalReading"):
            period = reading.find(f"{_ESPI}timePeriod")
            if period is None and (following is None or kind.interval_s is None):
                raise ConfigError(f"{self._path}: an IntervalReading has no timePeriod; it cannot be placed")
            start, duration = following or 0, int(kind.interval_s or 0)
            if period is not None:
                start = self._integer(period, "start", -1)
                duration = self._integer(period, "duration", duration)
            if not 0 <= start <= _LATEST or duration <= 0:
                raise ConfigError(f"{self._path}: an interval starts at {start} and lasts {duration} s; look at it")
            following = start + duration
            self._same_interval(home, float(duration))
            value = self._value(reading)
            factor = kind.factor * (3600.0 / duration if kind.is_energy else 1.0)
            yield float(start), float(duration), (value * factor, self._quality(reading))

    def _begin(self, block: etree._Element) -> int | None:
        """Where a block says that it begins: its first reading may leave that out, and so may those that follow."""
        interval = block.find(f"{_ESPI}interval")
        return None if interval is None else self._integer(interval, "start", -1)

    def _same_interval(self, home: str, duration: float) -> None:
        known = self._lengths.get(home)
        if known is None:
            check_interval(self._path, duration)
            self._lengths[home] = duration
        elif duration != known:
            text = f"intervals of {known:g} s and of {duration:g} s in one meter reading"
            raise ConfigError(f"{self._path}: {text}; export each by itself")

    def _value(self, reading: etree._Element) -> float:
        """A whole number by the standard; some utilities write decimals."""
        node = reading.find(f"{_ESPI}value")
        if node is None:
            raise ConfigError(f"{self._path}: an element lacks value; the file is not complete")
        text = (node.text or "").strip()[:40]
        if not _DECIMAL.fullmatch(text):
            raise ConfigError(f"{self._path}:{node.sourceline}: value is no number; correct it")
        if abs(float(text)) > _LARGEST:
            raise ConfigError(f"{self._path}:{node.sourceline}: value is out of range; correct it")
        return float(text)

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
