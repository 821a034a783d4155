"""Strict decoding: XML bytes -> declared dataclasses.

Owns the checks a validating parser would make: order, occurrence, types, ranges, xsi:type, substitution groups.
Elements and attributes of namespaces that a type does not know are ignored, so that extended peers can talk to us;
anything unknown in the type's own namespace is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from lxml import etree

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.declare import FieldSpec, Vocabulary, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.parse import DEFAULT_LIMITS, Limits, parse
from gridiface.protocols.xmlwire.plain import (
    SPACE,
    XSI_TYPE,
    Reader,
    attribute_reader,
    attributes,
    check_attributes,
    is_nil,
    no_text,
    primitive_reader,
    qname,
    refuse,
    simple_content_reader,
)
from gridiface.protocols.xmlwire.primitives import Primitive

_T = TypeVar("_T", bound=WireObject)
_Check = Callable[[etree._Element, dict[str, Any]], None]


def decode(
    data: bytes,
    expected: type[_T] | tuple[type[_T], ...],
    limits: Limits = DEFAULT_LIMITS,
) -> _T:
    """Parse and check `data`, whose root must be the element of `expected`, of one of them, or of a subtype.

    Raises:
        RemoteProtocolError: answer 413 above a cap; 400 with detail 0 (bad format: not XML, wrong root, order,
            missing, surplus or unknown parts) or 1 (bad values: a text that its type does not allow).
    """
    return decode_element(parse(data, limits), expected)


def decode_element(root: etree._Element, expected: type[_T] | tuple[type[_T], ...]) -> _T:
    """As `decode`, for a tree that `parse` made (a signed document is parsed once and read twice)."""
    choices = expected if isinstance(expected, tuple) else (expected,)
    vocabulary = spec_of(choices[0]).vocabulary
    cls = vocabulary.elements.get(qname(root))
    if cls is None or not issubclass(cls, choices):
        names = ", ".join(spec_of(choice).element or choice.__name__ for choice in choices)
        refuse(root, f"root element is {etree.QName(root).localname}, expected {names}")
    value = read_element(root, cls)
    if not isinstance(value, choices):
        refuse(root, "the root element's xsi:type does not fit here")
    return value


def actual_type(el: etree._Element, cls: type[WireObject]) -> type[WireObject]:
    """The class that an element's xsi:type names, where `cls` is expected.

    Raises:
        RemoteProtocolError: it does not fit.
    """
    named = el.get(XSI_TYPE)
    return cls if named is None else _resolve(el, named, cls, spec_of(cls).vocabulary)


def reader_of(spec: WireType) -> Reader:
    """The compiled reader of a declaration; made on first use."""
    if spec.reader is None:
        spec.reader = simple_content_reader(spec) if spec.content else _sequence_reader(spec)
    reader: Reader = spec.reader
    return reader


@dataclass(slots=True)
class _Slot:
    """One row of a type's table: where a child belongs and how it is read."""

    position: int
    attr: str
    read: Reader
    many: bool
    absent_if_empty: bool
    at_most: int | None
    wraps: bool


def _sequence_reader(spec: WireType) -> Reader:
    cls: Any = spec.cls
    table = _slots(spec)
    required = frozenset(f.attr for f in spec.elements if f.required and not f.choice)
    assumed = {f.attr: f.assumed for f in spec.elements if f.assumed is not None}
    checks = _completeness_checks(spec)
    namespaces = {f.ns for f in spec.elements} | {spec.ns, ""}
    others = _others(spec, table)
    read_attributes = attribute_reader(spec)

    def read(el: etree._Element) -> Any:
        values: dict[str, Any] = {}
        read_attributes(el, attributes(el), values)
        no_text(el, el.text)
        last = 0
        for child in el:
            if child.tail is not None:
                no_text(el, child.tail)
            slot = table.get(child.tag)
            if slot is None:
                _ignore_foreign(child, namespaces)
                values |= others[last](child) if last in others else {}
                continue
            if slot.position <= last and not (slot.many and slot.position == last):
                refuse(child, "given twice" if slot.position == last else "out of order")
            last = slot.position
            if slot.absent_if_empty and _is_empty(child, wraps=slot.wraps):
                continue
            if slot.many:
                _read_member(child, slot, values)
            else:
                values[slot.attr] = slot.read(child)
        if not required <= values.keys():
            _complete(el, required - values.keys(), assumed, values)
        for check in checks:
            check(el, values)
        return cls(**values)

    return read


def _is_empty(el: etree._Element, *, wraps: bool) -> bool:
    """Nothing is in it, or (`wraps`) nothing but an empty wrapping of its value."""
    if el.text and el.text.strip(SPACE):
        return False
    return len(el) == 0 or (wraps and len(el) == 1 and _is_empty(el[0], wraps=False))


def _complete(
    el: etree._Element, missing: frozenset[str], assumed: dict[str, Callable[[], Any]], values: dict[str, Any]
) -> None:
    if not missing <= assumed.keys():
        refuse(el, f"{', '.join(sorted(missing - assumed.keys()))} missing")
    for attr in missing:
        values[attr] = assumed[attr]()


def _read_member(child: etree._Element, slot: _Slot, values: dict[str, Any]) -> None:
    members = values.setdefault(slot.attr, [])
    if len(members) == slot.at_most:
        refuse(child, f"given more than {slot.at_most} times")
    members.append(slot.read(child))


def _slots(spec: WireType) -> dict[str, _Slot]:
    table: dict[str, _Slot] = {}
    position = 0
    previous: FieldSpec | None = None
    for f in spec.elements:
        # Alternatives of one choice share a place in the sequence, so that only one of them can be given.
        if previous is None or not (f.choice and f.choice == previous.choice):
            position += 1
        previous = f
        empty = spec.empty_is_absent and _may_be_empty(f)
        wraps = f.inside is not None and isinstance(f.kind, Primitive)
        for tag, read in _field_readers(f):
            if tag in table:
                raise LocalProtocolError(f"{spec.name} declares {tag} twice")
            table[tag] = _Slot(position, f.attr, read, f.many, empty, f.at_most, wraps)
    return table


def _others(spec: WireType, table: dict[str, _Slot]) -> dict[int, Callable[[etree._Element], dict[str, Any]]]:
    """Behind which position members of substitution groups that nobody knows may stand, and how they are read."""

    def reads(attr: str, made: Callable[[str], Any]) -> Callable[[etree._Element], dict[str, Any]]:
        return lambda child: {attr: made(qname(child)[1])}

    places = {slot.attr: slot.position for slot in table.values()}
    return {places[f.attr] - 1: reads(f.attr, f.other) for f in spec.elements if f.other is not None}


def _may_be_empty(f: FieldSpec) -> bool:
    """Whether an element of this field with nothing in it says nothing."""
    if f.many:
        return f.at_least == 0 and isinstance(f.kind, Primitive)
    # A member of a substitution group says something by its name alone, and what may be empty is read as that.
    if f.required or isinstance(f.kind, tuple):
        return False
    return isinstance(f.kind, Primitive) or f.inside is not None or _needs_something(spec_of(f.kind))


def _needs_something(spec: WireType) -> bool:
    return any(f.required or f.at_least for f in (*spec.attributes, *spec.elements))


def _field_readers(f: FieldSpec) -> list[tuple[str, Reader]]:
    if isinstance(f.kind, tuple):
        return [(_element_tag(cls), _class_reader(cls, nillable=f.nillable)) for cls in f.kind]
    read = primitive_reader(f.kind) if isinstance(f.kind, Primitive) else _class_reader(f.kind, nillable=f.nillable)
    if f.inside is not None:
        read = _unwrapping(f.inside, read)
    return [(f"{{{f.ns}}}{f.wire}", read)]


def _element_tag(cls: type[WireObject]) -> str:
    spec = spec_of(cls)
    if spec.element is None:
        raise LocalProtocolError(f"{cls.__name__} has no element of its own and cannot stand in a substitution group")
    return f"{{{spec.ns}}}{spec.element}"


def _class_reader(cls: type[WireObject], *, nillable: bool) -> Reader:
    spec = spec_of(cls)

    def read(el: etree._Element) -> Any:
        # Most elements have no attributes: the xsi: ones are looked up only where there are any.
        if el.keys():
            if not nillable and is_nil(el):
                refuse(el, "xsi:nil is not allowed here")
            return read_element(el, cls)
        if spec.abstract:
            refuse(el, f"{spec.name} is abstract")
        return (spec.reader or reader_of(spec))(el)

    return read


def read_element(el: etree._Element, cls: type[WireObject]) -> Any:
    """An element of a document that `parse` made, as an object of `cls` or of what its xsi:type names.

    Raises:
        RemoteProtocolError: as `decode`.
    """
    spec = spec_of(actual_type(el, cls))
    if spec.abstract:
        refuse(el, f"{spec.name} is abstract")
    return (spec.reader or reader_of(spec))(el)


def _resolve(el: etree._Element, named: str, cls: type[WireObject], vocabulary: Vocabulary) -> type[WireObject]:
    prefix, _, local = named.strip(SPACE).rpartition(":")
    space = el.nsmap.get(prefix or None)
    spec = spec_of(cls)
    if space == spec.ns and local in spec.schema_types:
        return cls
    actual = vocabulary.types.get((space or "", local))
    if actual is None or not issubclass(actual, cls):
        refuse(el, f"xsi:type {named[:40]!a} does not fit here")
    return actual


def _unwrapping(inside: tuple[str, str], read_inner: Reader) -> Reader:
    tag = f"{{{inside[1]}}}{inside[0]}"

    def read(el: etree._Element) -> Any:
        no_text(el, el.text)
        if el.items():
            check_attributes(el, frozenset())
        found = [child for child in el if child.tag == tag]
        if len(found) != 1:
            refuse(el, f"must hold one {inside[0]}")
        for child in el:
            no_text(el, child.tail)
            if child.tag != tag:
                _ignore_foreign(child, {inside[1], ""})
        return read_inner(found[0])

    return read


def _ignore_foreign(child: etree._Element, namespaces: set[str]) -> None:
    if qname(child)[0] in namespaces:
        refuse(child, "not expected here")


def _completeness_checks(spec: WireType) -> tuple[_Check, ...]:
    counts = [_count_check(f) for f in spec.elements if f.many and f.at_least and f.assumed is None]
    groups = dict.fromkeys(f.choice for f in spec.elements if f.choice)
    return (*counts, *(_choice_check(spec, group) for group in groups))


def _count_check(f: FieldSpec) -> _Check:
    def check(el: etree._Element, values: dict[str, Any]) -> None:
        if len(values.get(f.attr, ())) < f.at_least:
            refuse(el, f"{f.wire} missing")

    return check


def _choice_check(spec: WireType, group: str) -> _Check:
    alternatives = frozenset(f.attr for f in spec.elements if f.choice == group)
    needed = group in spec.one_of

    def check(el: etree._Element, values: dict[str, Any]) -> None:
        given = len(alternatives & values.keys())
        if given > 1 or (needed and not given):
            refuse(el, f"must hold {'exactly' if needed else 'at most'} one of {', '.join(sorted(alternatives))}")

    return check
