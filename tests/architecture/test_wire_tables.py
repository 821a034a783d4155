"""The declarations of the wire types hold against the official schema, row by row, and our own schema is current."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest
from lxml import etree

from gridiface.protocols.sep2.resources import ELEMENTS, LINKS, LIST_LINKS
from gridiface.protocols.sep2.schema import build_xsd
from gridiface.protocols.xmlwire import FieldSpec, encode, spec_of
from gridiface.protocols.xmlwire.primitives import Primitive
from gridiface.protocols.xmlwire.samples import sample

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "schemas" / "sep2" / "gridiface-sep2.xsd"
XS = "{http://www.w3.org/2001/XMLSchema}"


@pytest.fixture(scope="module")
def official() -> etree._Element:
    path = Path(os.environ.get("GRIDIFACE_SEP2_XSD") or ROOT / ".cache" / "schemas" / "sep2" / "sep.xsd")
    if not path.is_file():
        pytest.skip(f"no official schema at {path}: set GRIDIFACE_SEP2_XSD or run `make test`")
    return etree.parse(path).getroot()


def simple_facets(root: etree._Element, name: str) -> tuple[str, dict[str, str]]:
    """Built-in base and facets of a simple type of the official schema, through its chain of bases."""
    if name.startswith("xs:"):
        return name, {}
    for kind, path in (("simpleType", f"{XS}restriction"), ("complexType", f"{XS}simpleContent/{XS}extension")):
        found = root.find(f"{XS}{kind}[@name='{name}']")
        step = None if found is None else found.find(path)
        if step is not None:
            base, facets = simple_facets(root, step.get("base"))
            own = {str(f.tag).removeprefix(XS): f.get("value") for f in step if f.tag != f"{XS}annotation"}
            return base, facets | own
    raise AssertionError(f"no simple type {name}")


def described(f: FieldSpec) -> tuple[str, str, int, str]:
    most = "unbounded" if f.at_most is None else str(f.at_most)
    if isinstance(f.kind, Primitive):
        kind = f.kind.xsd if f.kind.xsd == f"xs:{f.kind.name}" else f.kind.name
    else:
        assert isinstance(f.kind, type)
        kind = spec_of(f.kind).name
    return f.wire, kind, f.at_least, most


@pytest.mark.schema
def test_every_complex_type_has_the_official_base_attributes_and_sequence(official: etree._Element) -> None:
    compared = 0
    for holder in official.findall(f"{XS}complexType"):
        name = holder.get("name")
        if holder.find(f"{XS}simpleContent") is not None or name in LINKS | LIST_LINKS:
            continue
        spec = spec_of(ELEMENTS[name])
        extension = holder.find(f"{XS}complexContent/{XS}extension")
        base = spec.cls.__mro__[1]
        assert (spec_of(base).name if "__wire__" in base.__dict__ else None) == (
            None if extension is None else extension.get("base")
        ), name
        wanted = [
            (
                e.get("name"),
                "ListLink" if e.get("type") in LIST_LINKS else "Link" if e.get("type") in LINKS else e.get("type"),
                int(e.get("minOccurs")),
                e.get("maxOccurs"),
            )
            for e in holder.iter(f"{XS}element")
        ]
        assert [described(f) for f in spec.own_elements if not f.extension] == wanted, name
        attributes = [(a.get("name"), a.get("type"), a.get("use") == "required") for a in holder.iter(f"{XS}attribute")]
        assert [(f.wire, described(f)[1], f.required) for f in spec.own_attributes] == attributes, name
        compared += 1
    assert compared == 192


@pytest.mark.schema
def test_every_simple_type_has_the_official_base_and_facets(official: etree._Element) -> None:
    seen = set()
    for cls in set(ELEMENTS.values()):
        for f in (*spec_of(cls).attributes, *spec_of(cls).elements):
            if not isinstance(f.kind, Primitive) or f.extension or f.kind.name in seen or ":" in described(f)[1]:
                continue
            base, facets = simple_facets(official, f.kind.name)
            ours = {name: value for name, value in f.kind.facets if (name, value) != ("minInclusive", "0")}
            assert (f.kind.xsd, ours) == (base, facets), f.kind.name
            seen.add(f.kind.name)
    assert len(seen) > 40


@pytest.mark.schema
def test_every_global_element_is_declared(official: etree._Element) -> None:
    names = {e.get("name") for e in official.findall(f"{XS}element")}
    simple = {t.get("name") for t in official.findall(f"{XS}complexType") if t.find(f"{XS}simpleContent") is not None}
    assert len(names) == 324
    assert names - simple == set(ELEMENTS)


def test_our_schema_file_is_current() -> None:
    assert OURS.read_bytes() == build_xsd(), "write build_xsd() of gridiface.protocols.sep2.schema to the file again"


def test_our_schema_accepts_what_we_write() -> None:
    schema = etree.XMLSchema(etree.fromstring(build_xsd()))
    for name, cls in ELEMENTS.items():
        for optionals in (0.0, 1.0):
            document = encode(sample(cls, Random(f"{name}{optionals}"), optionals=optionals), tag=name)
            assert schema.validate(etree.fromstring(document)), (name, schema.error_log.last_error)
