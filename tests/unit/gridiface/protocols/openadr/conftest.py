"""Shared by the OpenADR tests: the official schema, and random valid objects made from the declarations."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gridiface.protocols.xmlwire import FieldSpec, WireObject, spec_of
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

SCHEMA = Path(__file__).resolve().parents[5] / ".cache" / "schemas" / "openadr" / "oadr_20b.xsd"
WORDS = ["a", "VEN 1", "a&b<c>", "ü", " spaced ", "x" * 40]


class Maker:
    """Makes random valid objects of wire types; the same seed makes the same objects."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def primitive(self, kind: Primitive) -> Any:
        """A value that a simple type can carry."""
        chance = self._chance
        listed = [value for facet, value in kind.facets if facet == "enumeration"]
        if listed:
            return chance.choice(listed)
        makers: dict[str, Callable[[], Any]] = {
            "DateTimeType": lambda: chance.randrange(4_000_000_000_000) / chance.choice([1, 1000]) // 1000,
            "DurationValueType": lambda: chance.choice([0, 60, -300, 86_461, chance.randrange(10**9)]),
            "ResponseCodeType": lambda: str(chance.randrange(100, 1000)),
            "ISO3AlphaCurrencyCodeContentType": lambda: chance.choice(["USD", "EUR", "INR"]),
            "ConfidenceType": lambda: chance.randrange(101),
            "unsignedInt": lambda: chance.choice([0, 1, 2**32 - 1]),
            "boolean": lambda: chance.random() < 0.5,
            "float": lambda: chance.choice([0.0, -1.5, 1e30, 3, float("inf")]),
            "double": lambda: chance.choice([0.0, -1.5, 1e300]),
            "decimal": lambda: chance.choice([0.0, 50.0, 230.25]),
            "list of double": lambda: (1.5, -2.0),
            "anyURI": lambda: chance.choice(["http://example.org/program", "urn:x:y"]),
            "token": lambda: "a",
        }
        return makers.get(kind.name, lambda: chance.choice(WORDS))()

    def value(self, f: FieldSpec) -> Any:
        """A value of one declared field, None where it may be absent."""
        if f.many:
            return [self.one(f) for _ in range(self._chance.randint(f.at_least, max(f.at_least, 2)))]
        return self.one(f) if f.required or self._chance.random() < 0.6 else None

    def one(self, f: FieldSpec) -> Any:
        """A single value of a field."""
        # An Id may be given once per document; a Green Button feed has a schema of its own and is tested by example.
        if f.wire in {"id", "Id"} or f.kind is RAW_XML:
            return None
        if isinstance(f.kind, Primitive):
            return self.primitive(f.kind)
        if isinstance(f.kind, tuple):
            return self.make(self._chance.choice([cls for cls in f.kind if "GB" not in cls.__name__]))
        return self.make(f.kind)

    def make(self, cls: type[WireObject]) -> Any:
        """An object of a wire type."""
        spec = spec_of(cls)
        made = cls(**{f.attr: self.value(f) for f in (*spec.attributes, *spec.elements)})
        if hasattr(made, "schemaVersion"):
            made.schemaVersion = "2.0b"
        return made


@pytest.fixture(scope="session")
def maker() -> type[Maker]:
    """The maker of random valid objects."""
    return Maker


@pytest.fixture(scope="session")
def schema() -> etree.XMLSchema:
    """The official 2.0b schema set, compiled."""
    if not SCHEMA.exists():
        pytest.skip("the official OpenADR 2.0b schemas are not in .cache/schemas/openadr")
    return etree.XMLSchema(etree.parse(str(SCHEMA)))
