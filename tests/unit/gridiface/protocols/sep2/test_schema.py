"""The schema document is built from the declarations and is a schema."""

from __future__ import annotations

from lxml import etree

from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.sep2.schema import build_xsd

XS = "{http://www.w3.org/2001/XMLSchema}"


def test_the_document_is_a_schema_of_every_element_and_always_the_same() -> None:
    document = build_xsd()
    assert document == build_xsd()
    root = etree.fromstring(document)
    etree.XMLSchema(root)
    assert {e.get("name") for e in root.findall(f"{XS}element")} == set(ELEMENTS)


def test_sequences_choose_occurrence_as_declared_and_leave_extensions_out() -> None:
    root = etree.fromstring(build_xsd())
    points = root.find(f".//{XS}complexType[@name='DERCurve']//{XS}element[@name='CurveData']")
    assert points is not None
    assert (points.get("minOccurs"), points.get("maxOccurs")) == ("1", "10")
    assert b"opModExpLimW" not in build_xsd()
