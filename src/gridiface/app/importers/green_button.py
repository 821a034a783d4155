"""Green Button (NAESB ESPI) XML -> series. Owns the reading of usage points, reading types and interval blocks.

A file is an Atom feed; what belongs together is told by links: an IntervalBlock hangs below its MeterReading, which
names its ReadingType and hangs below its UsagePoint. Their side: flowDirection 1 is delivered to the customer (load,
negative here), 19 is received from the customer (positive here); both of one usage point are added. 4 is the net of
both, counted as 1, and stands in where neither is there. Values are in uom x 10^powerOfTenMultiplier; times are seconds
since 1970 UTC. Hostile XML is refused by `xmlwire.parse`.

Files hold more than one kind of reading of a meter: register readings, peak demands, daily sums beside hours. Of one
usage point the shortest intervals are taken, and energy rather than power; what is left out is noted. Readings of
single phases or tariff tiers are added where there is none of the whole (`espi_parts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lxml import etree

from gridiface.aggregation.settlement.series import CODE, QUALITIES, series_of
from gridiface.app.importers.espi_parts import Part, Values, together, whole
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
#: commodity: not said, and electricity, metered on either side of a transformer; kind of a service that is electricity.
_ELECTRIC, _SERVICE = frozenset({0, 1, 2}), 0
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
    """What a reading type says: factor to W or Wh with our sign, and whether it is energy.

    `quality`: of readings that say none; `phase`, `tier`: see `Part`.
    """

    factor: float
    is_energy: bool
    flow: int
    interval_s: float | None
    quality: Quality
    phase: int
    tier: int


class _Key(NamedTuple):
    """Whose and what values are: usage point, interval length in s, direction, whether they were energies, part."""

    usage: str
    interval_s: float
    flow: int
    is_energy: bool
    part: Part


#: The values of each kind: start -> (W, quality).
_Flows = dict[_Key, Values]


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
        samples = ((at, w, quality) for at, (w, quality) in together(list(mine.values())).items())
        try:
            made = series_of(meter_id or usage, interval_s, samples)
        except ValueError as problem:
            raise ConfigError(f"{path}: {problem}; the intervals must follow each other evenly") from problem
        if made is not None:
            series.append(made)
    return finished(
        series, rows=feed.rows, duplicates=feed.duplicates, conflicts=feed.conflicts, notes=tuple(feed.notes)
    )


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
        for flow in sorted({key.flow for key in mine}):
            parts = {key.part: flows[key] for key in sorted(mine) if key.flow == flow}
            found, more = whole(parts, f"flow direction {flow} of {usage}")
            notes += more
            chosen |= {_Key(usage, finest, flow, bool(energies), part): values for part, values in found.items()}
        notes += _alone({key: values for key, values in chosen.items() if key.usage == usage}, usage)
    return chosen, notes


def _alone(held: _Flows, usage: str) -> list[str]:
    """How many intervals one direction, or phase, has that another lacks, in words."""
    lacking = len(set().union(*held.values())) - len(together(list(held.values())))
    return [f"{lacking} intervals of {usage} are missing in one direction or phase: left out"] if lacking else []


class _Feed:
    """The entries of a feed by their own links."""

    def __init__(self, path: Path, root: etree._Element) -> None:
        self._path = path
        self._root = root
        self.rows = self.duplicates = self.conflicts = 0
        self.notes: list[str] = []
        self._grids: dict[str, tuple[int, int]] = {}
        self._types: dict[str, _Kind | None] = {}
        self._readings: dict[str, str] = {}
        self._only: _Kind | None = None
        self._services: dict[str, int] = {}

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
            if self._services.get(usage, _SERVICE) != _SERVICE:
                self.notes.append(
                    f"usage point {usage} is no electricity (service kind {self._services[usage]}): left out"
                )
                continue
            for at, length, value in self._values(block, kind, home):
                self.rows += 1
                if self.rows > MOST_ROWS:
                    raise ConfigError(f"{self._path}: more than {MOST_ROWS} values; split the file")
                values = flows.setdefault(
                    _Key(usage, length, kind.flow, kind.is_energy, Part(kind.phase, kind.tier)), {}
                )
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
            service = entry.find(f".//{_ESPI}UsagePoint/{_ESPI}ServiceCategory")
            if service is not None:
                self._services[_usage_point(f"{own}/")] = self._integer(service, "kind", _SERVICE)
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
        commodity = self._integer(node, "commodity", 0)
        wrong = ""
        if uom not in (_WH, _W):
            wrong = f"readings of unit {uom} are not electric energy or power: left out"
        elif commodity not in _ELECTRIC:
            wrong = f"readings of commodity {commodity} are not electricity: left out"
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
        return _Kind(
            sign * 10.0**power,
            uom == _WH,
            flow,
            float(length) if length > 0 else None,
            _QUALITIES.get(self._integer(node, "defaultQuality", 0), Quality.ESTIMATED),
            self._integer(node, "phase", 0),
            self._integer(node, "tou", 0),
        )

    def _values(
        self, block: etree._Element, kind: _Kind, home: str
    ) -> Iterator[tuple[Instant, float, tuple[float, Quality]]]:
        """(start, length, (W, quality)) of each reading of a block."""
        following = self._begin(block)
        for reading in block.iterchildren(f"{_ESPI}IntervalReading"):
            period = reading.find(f"{_ESPI}timePeriod")
            if period is None and (following is None or kind.interval_s is None):
                raise self._error(reading, "an IntervalReading has no timePeriod; it cannot be placed")
            start, duration = following or 0, int(kind.interval_s or 0)
            if period is not None:
                start = self._integer(period, "start", -1)
                duration = self._integer(period, "duration", duration)
            if not 0 <= start <= _LATEST or duration <= 0:
                fix = "write seconds since 1970" if start > _LATEST else "look at it"
                raise self._error(reading, f"an interval starts at {start} and lasts {duration} s; {fix}")
            following = start + duration
            self._same_interval(reading, home, start, duration)
            value = self._value(reading)
            factor = kind.factor * (3600.0 / duration if kind.is_energy else 1.0)
            yield float(start), float(duration), (value * factor, self._quality(reading, kind.quality))

    def _begin(self, block: etree._Element) -> int | None:
        """Where a block says that it begins: its first reading may leave that out, and so may those that follow."""
        interval = block.find(f"{_ESPI}interval")
        return None if interval is None else self._integer(interval, "start", -1)

    def _same_interval(self, reading: etree._Element, home: str, start: int, duration: int) -> None:
        """The intervals of one meter reading are of one length, and on one grid."""
        known = self._grids.get(home)
        if known is None:
            check_interval(self._path, float(duration))
            self._grids[home] = duration, start % duration
        elif duration != known[0]:
            text = f"intervals of {known[0]} s and of {duration} s in one meter reading"
            raise self._error(reading, f"{text}; export each by itself")
        elif start % duration != known[1]:
            raise self._error(reading, f"an interval starts at {start}, off the grid of the others; look at it")

    def _error(self, node: etree._Element, text: str) -> ConfigError:
        return ConfigError(f"{self._path}:{node.sourceline}: {text}")

    def _value(self, reading: etree._Element) -> float:
        """A whole number by the standard; some utilities write decimals."""
        node = reading.find(f"{_ESPI}value")
        if node is None:
            raise self._error(reading, "an IntervalReading lacks value; the file is not complete")
        text = (node.text or "").strip()[:40]
        if not _DECIMAL.fullmatch(text):
            raise self._error(node, "value is no number; correct it")
        if abs(float(text)) > _LARGEST:
            raise self._error(node, "value is out of range; correct it")
        return float(text)

    def _quality(self, reading: etree._Element, default: Quality) -> Quality:
        """The worst of what a reading says; what its type says where it says nothing."""
        said = list(reading.iter(f"{_ESPI}quality"))
        worst = Quality.GOOD if said else default
        for node in said:
            code = self._text_integer(node, "quality")
            found = _QUALITIES.get(code, Quality.ESTIMATED)
            worst = QUALITIES[max(CODE[worst], CODE[found])]
        return worst

    def _integer(self, node: etree._Element, name: str, default: int | None) -> int:
        child = node.find(f"{_ESPI}{name}")
        if child is None:
            if default is None:
                raise self._error(node, f"an element lacks {name}; the file is not complete")
            return default
        return self._text_integer(child, name)

    def _text_integer(self, node: etree._Element, name: str) -> int:
        text = (node.text or "").strip()
        try:
            value = int(text[:40])
        except ValueError:
            raise self._error(node, f"{name} is no whole number; correct it") from None
        if abs(value) > _LARGEST:
            raise self._error(node, f"{name} is out of range; correct it")
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
