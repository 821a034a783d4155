"""Strict decoding: XML bytes -> declared dataclasses.

Owns the checks a validating parser would make: order, occurrence, types, ranges, xsi:type, substitution groups.
Elements and attributes of namespaces that a type does not know are ignored, so that extended peers can talk to us;
anything unknown in the type's own namespace is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.xmlwire.declare import XSI, FieldSpec, Vocabulary, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.parse import BAD_FORMAT, BAD_VALUES, DEFAULT_LIMITS, Limits, parse
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

_T = TypeVar("_T", bound=WireObject)
_Reader = Callable[[etree._Element], Any]
_Items = list[tuple[str, str]]
_Check = Callable[[etree._Element, dict[str, Any]], None]
_XSI_TYPE = f"{{{XSI}}}type"
_XSI_NIL = f"{{{XSI}}}nil"
_SPACE = " \t\r\n"


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
    cls = vocabulary.elements.get(_qname(root))
    if cls is None or not issubclass(cls, choices):
        names = ", ".join(spec_of(choice).element or choice.__name__ for choice in choices)
        _refuse(root, f"root element is {etree.QName(root).localname}, expected {names}")
    value = read_element(root, cls)
    if not isinstance(value, choices):
        _refuse(root, "the root element's xsi:type does not fit here")
    return value


def actual_type(el: etree._Element, cls: type[WireObject]) -> type[WireObject]:
    """The class that an element's xsi:type names, where `cls` is expected.

    Raises:
        RemoteProtocolError: it does not fit.
    """
    named = el.get(_XSI_TYPE)
    return cls if named is None else _resolve(el, named, cls, spec_of(cls).vocabulary)


def reader_of(spec: WireType) -> _Reader:
    """The compiled reader of a declaration; made on first use."""
    if spec.reader is None:
        spec.reader = _simple_content_reader(spec) if spec.content else _sequence_reader(spec)
    reader: _Reader = spec.reader
    return reader


@dataclass(slots=True)
class _Slot:
    """One row of a type's table: where a child belongs and how it is read."""

    position: int
    attr: str
    read: _Reader
    many: bool
    absent_if_empty: bool
    at_most: int | None
    wraps: bool


def _sequence_reader(spec: WireType) -> _Reader:
    cls: Any = spec.cls
    table = _slots(spec)
    required = frozenset(f.attr for f in spec.elements if f.required and not f.choice)
    assumed = {f.attr: f.assumed for f in spec.elements if f.assumed is not None}
    checks = _completeness_checks(spec)
    namespaces = {f.ns for f in spec.elements} | {spec.ns, ""}
    others = _others(spec, table)
    read_attributes = _attribute_reader(spec)

    def read(el: etree._Element) -> Any:
        values: dict[str, Any] = {}
        read_attributes(el, _attributes(el), values)
        _no_text(el, el.text)
        last = 0
        for child in el:
            if child.tail is not None:
                _no_text(el, child.tail)
            slot = table.get(child.tag)
            if slot is None:
                _ignore_foreign(child, namespaces)
                values |= others[last](child) if last in others else {}
                continue
            if slot.position <= last and not (slot.many and slot.position == last):
                _refuse(child, "given twice" if slot.position == last else "out of order")
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
    if el.text and el.text.strip(_SPACE):
        return False
    return len(el) == 0 or (wraps and len(el) == 1 and _is_empty(el[0], wraps=False))


def _complete(
    el: etree._Element, missing: frozenset[str], assumed: dict[str, Callable[[], Any]], values: dict[str, Any]
) -> None:
    if not missing <= assumed.keys():
        _refuse(el, f"{', '.join(sorted(missing - assumed.keys()))} missing")
    for attr in missing:
        values[attr] = assumed[attr]()


def _read_member(child: etree._Element, slot: _Slot, values: dict[str, Any]) -> None:
    members = values.setdefault(slot.attr, [])
    if len(members) == slot.at_most:
        _refuse(child, f"given more than {slot.at_most} times")
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
        return lambda child: {attr: made(_qname(child)[1])}

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


def _field_readers(f: FieldSpec) -> list[tuple[str, _Reader]]:
    if isinstance(f.kind, tuple):
        return [(_element_tag(cls), _class_reader(cls, nillable=f.nillable)) for cls in f.kind]
    read = _primitive_reader(f.kind) if isinstance(f.kind, Primitive) else _class_reader(f.kind, nillable=f.nillable)
    if f.inside is not None:
        read = _unwrapping(f.inside, read)
    return [(f"{{{f.ns}}}{f.wire}", read)]


def _element_tag(cls: type[WireObject]) -> str:
    spec = spec_of(cls)
    if spec.element is None:
        raise LocalProtocolError(f"{cls.__name__} has no element of its own and cannot stand in a substitution group")
    return f"{{{spec.ns}}}{spec.element}"


def _primitive_reader(kind: Primitive) -> _Reader:
    if kind is RAW_XML:
        return lambda el: etree.tostring(el, with_tail=False)
    parse_text = kind.parse

    def read(el: etree._Element) -> Any:
        if len(el):
            _refuse(el, "holds elements where a plain value belongs")
        if el.keys():
            _plain_attributes(el, kind)
        try:
            return parse_text(el.text or "")
        except ValueError as error:
            _refuse(el, str(error), BAD_VALUES)

    return read


def _class_reader(cls: type[WireObject], *, nillable: bool) -> _Reader:
    spec = spec_of(cls)

    def read(el: etree._Element) -> Any:
        # Most elements have no attributes: the xsi: ones are looked up only where there are any.
        if el.keys():
            if not nillable and _is_nil(el):
                _refuse(el, "xsi:nil is not allowed here")
            return read_element(el, cls)
        if spec.abstract:
            _refuse(el, f"{spec.name} is abstract")
        return (spec.reader or reader_of(spec))(el)

    return read


def read_element(el: etree._Element, cls: type[WireObject]) -> Any:
    """An element of a document that `parse` made, as an object of `cls` or of what its xsi:type names.

    Raises:
        RemoteProtocolError: as `decode`.
    """
    spec = spec_of(actual_type(el, cls))
    if spec.abstract:
        _refuse(el, f"{spec.name} is abstract")
    return (spec.reader or reader_of(spec))(el)


def _resolve(el: etree._Element, named: str, cls: type[WireObject], vocabulary: Vocabulary) -> type[WireObject]:
    prefix, _, local = named.strip(_SPACE).rpartition(":")
    space = el.nsmap.get(prefix or None)
    spec = spec_of(cls)
    if space == spec.ns and local in spec.schema_types:
        return cls
    actual = vocabulary.types.get((space or "", local))
    if actual is None or not issubclass(actual, cls):
        _refuse(el, f"xsi:type {named[:40]!a} does not fit here")
    return actual


def _unwrapping(inside: tuple[str, str], read_inner: _Reader) -> _Reader:
    tag = f"{{{inside[1]}}}{inside[0]}"

    def read(el: etree._Element) -> Any:
        _no_text(el, el.text)
        if el.items():
            _check_attributes(el, frozenset())
        found = [child for child in el if child.tag == tag]
        if len(found) != 1:
            _refuse(el, f"must hold one {inside[0]}")
        for child in el:
            _no_text(el, child.tail)
            if child.tag != tag:
                _ignore_foreign(child, {inside[1], ""})
        return read_inner(found[0])

    return read


def _simple_content_reader(spec: WireType) -> _Reader:
    cls: Any = spec.cls
    body = spec.content
    if body is None or not isinstance(body.kind, Primitive):
        raise LocalProtocolError(f"{spec.name} has no simple content")
    attr, parse_text = body.attr, body.kind.parse
    read_attributes = _attribute_reader(spec)

    def read(el: etree._Element) -> Any:
        values: dict[str, Any] = {}
        read_attributes(el, _attributes(el), values)
        if len(el):
            _refuse(el, "holds elements where a plain value belongs")
        try:
            values[attr] = parse_text(el.text or "")
        except ValueError as error:
            _refuse(el, str(error), BAD_VALUES)
        return cls(**values)

    return read


def _attribute_reader(spec: WireType) -> Callable[[etree._Element, _Items, dict[str, Any]], None]:
    table = {(f"{{{f.ns}}}{f.wire}" if f.ns else f.wire): (f.attr, _parser_of(f)) for f in spec.attributes}
    # Peers forget the prefix of an attribute that needs one; without it nothing else can be meant.
    table |= {f.wire: (f.attr, _parser_of(f)) for f in spec.attributes if f.ns}
    required = frozenset(f.attr for f in spec.attributes if f.required)
    own = frozenset(f.ns for f in spec.attributes) | {spec.ns}

    def read(el: etree._Element, items: _Items, values: dict[str, Any]) -> None:
        for name, text in items:
            try:
                attr, parse_text = table[name]
            except KeyError:
                _check_attribute(el, name, own)
                continue
            try:
                values[attr] = parse_text(text)
            except ValueError as error:
                _refuse(el, f"attribute {attr}: {error}", BAD_VALUES)
        if not required <= values.keys():
            _refuse(el, f"attribute {', '.join(sorted(required - values.keys()))} missing")

    return read


def _parser_of(f: FieldSpec) -> Callable[[str], Any]:
    if not isinstance(f.kind, Primitive):
        raise LocalProtocolError(f"attribute {f.wire} has no simple type")
    return f.kind.parse


def _plain_attributes(el: etree._Element, kind: Primitive) -> None:
    """Attributes on an element with a plain value: only xsi:type naming its own type, and foreign ones."""
    named = el.get(_XSI_TYPE)
    if named is not None and named.strip(_SPACE).rpartition(":")[2] not in {kind.name, kind.xsd.partition(":")[2]}:
        _refuse(el, "xsi:type does not fit here")
    if _is_nil(el):
        _refuse(el, "xsi:nil is not allowed here")
    _check_attributes(el, frozenset())


def _is_nil(el: etree._Element) -> bool:
    return el.get(_XSI_NIL, "false").strip(_SPACE) not in {"false", "0"}


def _check_attributes(el: etree._Element, own: frozenset[str]) -> None:
    for name, _ in _attributes(el):
        _check_attribute(el, name, own)


def _check_attribute(el: etree._Element, name: str, own: frozenset[str]) -> None:
    space, brace, local = name.rpartition("}")
    if not brace or space[1:] in own:
        _refuse(el, f"unknown attribute {local[:40]!a}")


def _ignore_foreign(child: etree._Element, namespaces: set[str]) -> None:
    if _qname(child)[0] in namespaces:
        _refuse(child, "not expected here")


def _completeness_checks(spec: WireType) -> tuple[_Check, ...]:
    counts = [_count_check(f) for f in spec.elements if f.many and f.at_least and f.assumed is None]
    groups = dict.fromkeys(f.choice for f in spec.elements if f.choice)
    return (*counts, *(_choice_check(spec, group) for group in groups))


def _count_check(f: FieldSpec) -> _Check:
    def check(el: etree._Element, values: dict[str, Any]) -> None:
        if len(values.get(f.attr, ())) < f.at_least:
            _refuse(el, f"{f.wire} missing")

    return check


def _choice_check(spec: WireType, group: str) -> _Check:
    alternatives = frozenset(f.attr for f in spec.elements if f.choice == group)
    needed = group in spec.one_of

    def check(el: etree._Element, values: dict[str, Any]) -> None:
        given = len(alternatives & values.keys())
        if given > 1 or (needed and not given):
            _refuse(el, f"must hold {'exactly' if needed else 'at most'} one of {', '.join(sorted(alternatives))}")

    return check


def _no_text(el: etree._Element, text: str | None) -> None:
    if text is not None and text.strip(_SPACE):
        _refuse(el, "text between elements")


def _attributes(el: etree._Element) -> _Items:
    # The stubs allow bytes, which lxml gives on Python 2 only.
    return el.items()  # type: ignore[return-value]


def _qname(el: etree._Element) -> tuple[str, str]:
    space, _, local = str(el.tag).rpartition("}")
    return space[1:], local


def _refuse(el: etree._Element, reason: str, detail: int = BAD_FORMAT) -> NoReturn:
    steps = [_qname(el)[1], *(_qname(parent)[1] for parent in el.iterancestors())]
    path = "/".join(reversed(steps))
    raise RemoteProtocolError(f"{ascii(path)[1:-1]}: {reason}", detail=detail)
