"""Sample instances of declared wire types: for round-trip tests, schema tests, benches and reference pages.

Owns how a valid instance is made from nothing but the declaration. Chance comes from the caller's generator, so that
the same seed gives the same instance.
"""

from __future__ import annotations

from random import Random
from typing import Any, TypeVar

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.declare import FieldSpec, WireObject, spec_of
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

_T = TypeVar("_T", bound=WireObject)
_LETTERS = "abc XYZ 019 <>&\"' äß€漢😀"


def sample(cls: type[_T], chance: Random, *, optionals: float = 1.0, extensions: bool = False) -> _T:
    """A valid instance of `cls`.

    Args:
        cls: a wire class, not abstract.
        chance: source of the values.
        optionals: probability with which each optional part is there; 0 gives the smallest valid instance.
        extensions: also fill fields that are not part of the protocol's own schema.

    Raises:
        LocalProtocolError: a type has no sample (a pattern without examples, or an abstract class).
    """
    spec = spec_of(cls)
    if spec.abstract:
        raise LocalProtocolError(f"{spec.name} is abstract")
    fields = (*spec.attributes, *spec.elements, *((spec.content,) if spec.content else ()))
    skipped = _other_alternatives(fields, spec.one_of, chance)
    values: dict[str, Any] = {}
    for f in fields:
        if f.attr in skipped or (f.extension and not extensions):
            continue
        chosen = bool(f.choice) and f.choice in spec.one_of
        if f.many:
            count = f.at_least if chance.random() >= optionals else max(f.at_least, 1)
            values[f.attr] = [_value(f, chance, optionals, extensions) for _ in range(count)]
        elif f.required or chosen or chance.random() < optionals:
            values[f.attr] = _value(f, chance, optionals, extensions)
    return cls(**values)


def _other_alternatives(fields: tuple[FieldSpec, ...], one_of: tuple[str, ...], chance: Random) -> set[str]:
    """Of each choice group one alternative is kept; the rest is returned."""
    skipped: set[str] = set()
    for group in dict.fromkeys(f.choice for f in fields if f.choice):
        members = [f.attr for f in fields if f.choice == group]
        skipped |= set(members) - {chance.choice(members)}
    return skipped


def _value(f: FieldSpec, chance: Random, optionals: float, extensions: bool) -> Any:
    if isinstance(f.kind, Primitive):
        return _primitive(f.kind, chance)
    kind = chance.choice(f.kind) if isinstance(f.kind, tuple) else f.kind
    return sample(kind, chance, optionals=optionals, extensions=extensions)


def _primitive(kind: Primitive, chance: Random) -> Any:
    facets = dict(kind.facets)
    if kind.examples:
        return chance.choice(kind.examples)
    if kind.bounds is not None:
        lowest, highest = kind.bounds
        return chance.choice(
            (lowest, highest, 0 if lowest <= 0 <= highest else lowest, chance.randint(lowest, highest))
        )
    if kind.xsd == "xs:hexBinary":
        return _hexadecimal(kind, int(facets["maxLength"]), chance)
    if kind.xsd == "xs:anyURI":
        return chance.choice(("/edev/3/derp", "https://example.org:8443/ntfy?x=1&y=2", "urn:x:1"))
    if "pattern" in facets or kind is RAW_XML:
        raise LocalProtocolError(f"{kind.name} has no examples")
    length = chance.randint(0, min(int(facets.get("maxLength", 40)), 40))
    return kind.parse("".join(chance.choice(_LETTERS) for _ in range(length)))


def _hexadecimal(kind: Primitive, octets: int, chance: Random) -> int | str:
    number = chance.getrandbits(octets * 8)
    try:
        kind.render(number)
    except TypeError:
        return f"{number:0{octets * 2}X}"
    return number
