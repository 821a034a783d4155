"""Ranges that a standard's text gives and its schema does not enforce.

Decoding follows the schema, so that our verdict is a validating parser's; a server that wants to hold a peer to the
text as well asks here. Each wire class is looked through once.
"""

from __future__ import annotations

from collections.abc import Iterator

from gridiface.protocols.xmlwire.declare import FieldSpec, WireObject, spec_of
from gridiface.protocols.xmlwire.primitives import Primitive

_RANGED: dict[type[WireObject], tuple[tuple[str, int, int], ...]] = {}
_NESTED: dict[type[WireObject], tuple[str, ...]] = {}


def advised_problems(obj: WireObject) -> Iterator[str]:
    """What in `obj` and below is outside an advised range: one text per value, with its place."""
    cls = type(obj)
    if cls not in _RANGED:
        _look_through(cls)
    for attr, lowest, highest in _RANGED[cls]:
        value = getattr(obj, attr)
        if value is not None and not lowest <= value <= highest:
            yield f"{attr}: {value} is outside {lowest}..{highest}"
    for attr in _NESTED[cls]:
        value = getattr(obj, attr)
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                yield from (f"{attr}.{problem}" for problem in advised_problems(item))


def _look_through(cls: type[WireObject]) -> None:
    spec = spec_of(cls)
    fields = (*spec.attributes, *spec.elements, *((spec.content,) if spec.content else ()))
    _RANGED[cls] = tuple(row for f in fields if (row := _range_of(f)) is not None)
    _NESTED[cls] = tuple(f.attr for f in spec.elements if not isinstance(f.kind, Primitive))


def _range_of(f: FieldSpec) -> tuple[str, int, int] | None:
    if not isinstance(f.kind, Primitive) or f.kind.advised is None or f.many:
        return None
    return (f.attr, *f.kind.advised)
