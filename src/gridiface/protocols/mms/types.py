"""What a variable holds (TypeSpecification, ISO 9506-2 clause 14.4.1): decode, encode, and the way to a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridiface.protocols.mms.ber import (
    MAX_DEPTH,
    Element,
    boolean,
    broken,
    elements,
    fields,
    integer,
    number,
    required,
    single,
    text,
    tlv,
)
from gridiface.protocols.mms.data import Kind

_MAX_NAME = 64
_WIDTHS = {(32, 8): Kind.FLOAT32, (64, 11): Kind.FLOAT64}
_SIZED = frozenset(
    {Kind.BIT_STRING, Kind.INTEGER, Kind.UNSIGNED, Kind.OCTET_STRING, Kind.VISIBLE_STRING, Kind.MMS_STRING, Kind.BCD}
)


@dataclass(frozen=True, slots=True)
class Type:
    """A type; `size` is that of the kind: bits, octets (negative: up to), elements of an array.

    `components` are a structure's, in order; `element` is an array's.
    """

    kind: Kind
    size: int | None = None
    components: tuple[tuple[str, Type], ...] = ()
    element: Type | None = None

    def part(self, name: str) -> Type | None:
        """A component by name."""
        return next((kind for known, kind in self.components if known == name), None)

    def place(self, path: Sequence[str]) -> tuple[int, ...] | None:
        """The way to a component of a component, as numbers; None: there is none."""
        at: Type = self
        steps: list[int] = []
        for name in path:
            found = next((n for n, (known, _) in enumerate(at.components) if known == name), None)
            if found is None:
                return None
            steps.append(found)
            at = at.components[found][1]
        return tuple(steps)

    def at(self, path: Sequence[str]) -> Type | None:
        """The type of a component of a component."""
        found: Type | None = self
        for name in path:
            found = None if found is None else found.part(name)
        return found


def decode(element: Element, depth: int = 0) -> Type:
    """A TypeSpecification that describes itself.

    Raises:
        RemoteProtocolError: it is none, refers to a named type, or is nested too deeply.
    """
    if depth >= MAX_DEPTH:
        raise broken(f"types nested deeper than {MAX_DEPTH}")
    kind = element.tag & 0x1F
    if element.tag & 0xC0 != 0x80 or kind not in Kind.__members__.values():
        raise broken(f"{element.tag:#x} is no type")
    match Kind(kind):
        case Kind.ARRAY:
            found = fields(element.content)
            inner = single(required(found, 0xA2, "the type of an array's elements"))
            return Type(Kind.ARRAY, integer(required(found, 0x81, "an array's size")), element=decode(inner, depth + 1))
        case Kind.STRUCTURE:
            members = elements(required(fields(element.content), 0xA1, "a structure's components"))
            return Type(Kind.STRUCTURE, components=tuple(_component(m, depth + 1) for m in members))
        case Kind.FLOAT32:
            return _float(element.content)
        case Kind.BINARY_TIME:
            return Type(Kind.BINARY_TIME, 6 if boolean(element.content) else 4)
        case known:
            return Type(known, integer(element.content) if known in _SIZED and element.content else None)


def _component(member: Element, depth: int) -> tuple[str, Type]:
    found = fields(member.content)
    name = text(required(found, 0x80, "a component's name"), _MAX_NAME)
    return name, decode(single(required(found, 0xA1, "a component's type")), depth)


def _float(content: bytes) -> Type:
    parts = tuple(integer(part) for _, part in elements(content, 2))
    kind = _WIDTHS.get(parts) if len(parts) == 2 else None
    if kind is None:
        raise broken(f"floating-point values of the form {parts}")
    return Type(kind)


def encode(spec: Type) -> bytes:
    """A TypeSpecification."""
    match spec.kind:
        case Kind.ARRAY:
            inner = b"" if spec.element is None else tlv(0xA2, encode(spec.element))
            return tlv(0xA1, number(0x81, spec.size or 0), inner)
        case Kind.STRUCTURE:
            members = (tlv(0x30, tlv(0x80, name.encode()), tlv(0xA1, encode(kind))) for name, kind in spec.components)
            return tlv(0xA2, tlv(0xA1, *members))
        case Kind.FLOAT32 | Kind.FLOAT64:
            width, exponent = next(form for form, kind in _WIDTHS.items() if kind is spec.kind)
            return tlv(0xA7, number(0x02, width), number(0x02, exponent))
        case Kind.BINARY_TIME:
            return tlv(0x8C, b"\xff" if spec.size == 6 else b"\0")
        case _ if spec.kind in _SIZED:
            return number(0x80 | spec.kind, spec.size or 0)
        case _:
            return tlv(0x80 | spec.kind)
