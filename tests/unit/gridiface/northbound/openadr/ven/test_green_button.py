"""Green Button feeds: valid by the official schemas, with the energies and their qualities."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from gridiface.northbound.openadr.ven.green_button import feed_of
from gridiface.protocols.openadr.payloads.stream import QUALITY_BAD
from gridiface.protocols.openadr.ven import Sample

SCHEMAS = Path(__file__).resolve().parents[5] / ".cache" / "schemas" / "openadr"
ESPI = "{http://naesb.org/espi}"
ROWS = [
    Sample(at=1_800_000_000.0, value=12.4, duration=300),
    Sample(at=1_800_000_300.0, value=-3.0, duration=300, quality=QUALITY_BAD),
]


def parsed(rows: list[Sample], resource: str = "site <1> & co") -> etree._Element:
    return etree.fromstring(feed_of(resource, rows, length_s=300, now=1_800_000_600.0))


def test_each_interval_is_there_with_its_quality() -> None:
    root = parsed(ROWS)
    readings = root.findall(f".//{ESPI}IntervalReading")
    assert [
        (
            reading.findtext(f"{ESPI}timePeriod/{ESPI}start"),
            reading.findtext(f"{ESPI}value"),
            reading.findtext(f"{ESPI}ReadingQuality/{ESPI}quality"),
        )
        for reading in readings
    ] == [("1800000000", "12", "0"), ("1800000300", "-3", "10")]
    assert root.findtext(f".//{ESPI}interval/{ESPI}duration") == "600"
    assert root.findtext(f".//{ESPI}uom") == "72"


@pytest.mark.parametrize("rows", [ROWS, []], ids=["some", "none"])
def test_it_is_valid_by_the_official_schemas(rows: list[Sample]) -> None:
    if not SCHEMAS.exists():
        pytest.skip("the official OpenADR 2.0b schemas are not in .cache/schemas/openadr")
    root = parsed(rows)
    etree.XMLSchema(etree.parse(str(SCHEMAS / "oadr_20b.xsd"))).assertValid(root)
