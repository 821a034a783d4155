"""Recorded energy as a Green Button document (NAESB ESPI in an Atom feed), for HISTORY_GREENBUTTON. Pure.

SIGN. As in all reports: + is consumption; one meter both ways, so its flow direction is "net".
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

from gridiface.protocols.openadr.times import render_date_time
from gridiface.protocols.openadr.ven import Sample

_ATOM, _ESPI = "http://www.w3.org/2005/Atom", "http://naesb.org/espi"
#: ESPI numbers: delta data, electricity, normal, net flow, Wh.
_DELTA, _ELECTRICITY, _NORMAL, _NET, _WH = 4, 1, 12, 4, 72
_VALID, _QUESTIONABLE = 0, 10
_NAMES = uuid.uuid5(uuid.NAMESPACE_DNS, "gridiface.invalid")


def feed_of(resource: str, samples: Iterable[Sample], *, length_s: int, now: float) -> bytes:
    """A feed with one usage point: the energy of each interval, Wh, + consumption.

    Args:
        resource: whose it is; the identities of the feed's entries are made from it.
        samples: energies with their durations, oldest first.
        length_s: of an interval, seconds.
        now: when the feed is made.
    """
    rows = list(samples)
    updated = render_date_time(float(int(now)))
    home = f"UsagePoint/{_identity(resource)}"
    reading = f"{home}/MeterReading/1"
    kind = "ReadingType/1"
    block = f"{reading}/IntervalBlock/{int(rows[0].at) if rows else 0}"
    entries = [
        _entry(home, resource, updated, [("related", f"{home}/MeterReading")], _usage_point()),
        _entry(reading, "energy", updated, [("up", home), ("related", kind)], "<espi:MeterReading/>"),
        _entry(kind, "Wh", updated, [], _reading_type(length_s)),
        _entry(block, "intervals", updated, [("up", f"{reading}/IntervalBlock")], _block(rows, length_s)),
    ]
    return (
        f'<atom:feed xmlns:atom="{_ATOM}" xmlns:espi="{_ESPI}">'
        f"<atom:id>urn:uuid:{_identity(resource + '/feed')}</atom:id>"
        f"<atom:title>{escape(resource)}</atom:title><atom:updated>{updated}</atom:updated>{''.join(entries)}</atom:feed>"
    ).encode()


def _identity(text: str) -> uuid.UUID:
    return uuid.uuid5(_NAMES, text)


def _entry(path: str, title: str, updated: str, links: list[tuple[str, str]], content: str) -> str:
    shown = "".join(f"<atom:link rel={quoteattr(rel)} href={quoteattr(to)}/>" for rel, to in [("self", path), *links])
    return (
        f"<atom:entry><atom:id>urn:uuid:{_identity(path)}</atom:id>{shown}<atom:title>{escape(title)}</atom:title>"
        f"<atom:content>{content}</atom:content><atom:published>{updated}</atom:published>"
        f"<atom:updated>{updated}</atom:updated></atom:entry>"
    )


def _usage_point() -> str:
    return "<espi:UsagePoint><espi:ServiceCategory><espi:kind>0</espi:kind></espi:ServiceCategory></espi:UsagePoint>"


def _reading_type(length_s: int) -> str:
    numbers = (
        ("accumulationBehaviour", _DELTA),
        ("commodity", _ELECTRICITY),
        ("flowDirection", _NET),
        ("intervalLength", length_s),
        ("kind", _NORMAL),
        ("powerOfTenMultiplier", 0),
        ("uom", _WH),
    )
    return f"<espi:ReadingType>{''.join(f'<espi:{n}>{v}</espi:{n}>' for n, v in numbers)}</espi:ReadingType>"


def _block(rows: list[Sample], length_s: int) -> str:
    if not rows:
        return "<espi:IntervalBlock/>"
    end = rows[-1].at + (rows[-1].duration or length_s)
    whole = _period("interval", rows[0].at, end - rows[0].at)
    return f"<espi:IntervalBlock>{whole}{''.join(_reading(row, length_s) for row in rows)}</espi:IntervalBlock>"


def _reading(row: Sample, length_s: int) -> str:
    quality = _VALID if row.quality.startswith("Quality Good") else _QUESTIONABLE
    return (
        f"<espi:IntervalReading><espi:ReadingQuality><espi:quality>{quality}</espi:quality></espi:ReadingQuality>"
        f"{_period('timePeriod', row.at, row.duration or length_s)}<espi:value>{round(row.value or 0.0)}</espi:value>"
        "</espi:IntervalReading>"
    )


def _period(name: str, start: float, seconds: float) -> str:
    return (
        f"<espi:{name}><espi:duration>{int(seconds)}</espi:duration><espi:start>{int(start)}</espi:start></espi:{name}>"
    )
