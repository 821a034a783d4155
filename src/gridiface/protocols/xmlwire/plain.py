"""Strict decoding of what has no elements inside: plain values, simple content, attributes; and how it is refused.

What has elements is decode.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from lxml import etree

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.xmlwire.declare import XSI, FieldSpec, WireType
from gridiface.protocols.xmlwire.parse import BAD_FORMAT, BAD_VALUES
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

Reader = Callable[[etree._Element], Any]
Items = list[tuple[str, str]]
XSI_TYPE = f"{{{XSI}}}type"
SPACE = " \t\r\n"
_XSI_NIL = f"{{{XSI}}}nil"


def primitive_reader(kind: Primitive) -> Reader:
    """The compiled reader of an element with a plain value."""
    if kind is RAW_XML:
        return lambda el: etree.tostring(el, with_tail=False)
    parse_text = kind.parse

    def read(el: etree._Element) -> Any:
        if len(el):
            refuse(el, "holds elements where a plain value belongs")
        if el.keys():
            _plain_attributes(el, kind)
        try:
            return parse_text(el.text or "")
        except ValueError as error:
            refuse(el, str(error), BAD_VALUES)

    return read


def simple_content_reader(spec: WireType) -> Reader:
    """The compiled reader of a class whose element holds a plain value beside attributes.

    Raises:
        LocalProtocolError: the class declares no such value.
    """
    cls: Any = spec.cls
    body = spec.content
    if body is None or not isinstance(body.kind, Primitive):
        raise LocalProtocolError(f"{spec.name} has no simple content")
    attr, parse_text = body.attr, body.kind.parse
    read_attributes = attribute_reader(spec)

    def read(el: etree._Element) -> Any:
        values: dict[str, Any] = {}
        read_attributes(el, attributes(el), values)
        if len(el):
            refuse(el, "holds elements where a plain value belongs")
        try:
            values[attr] = parse_text(el.text or "")
        except ValueError as error:
            refuse(el, str(error), BAD_VALUES)
        return cls(**values)

    return read


def attribute_reader(spec: WireType) -> Callable[[etree._Element, Items, dict[str, Any]], None]:
    """The compiled reader of the attributes of a class: it puts their values into a mapping by field."""
    table = {(f"{{{f.ns}}}{f.wire}" if f.ns else f.wire): (f.attr, _parser_of(f)) for f in spec.attributes}
    # Peers forget the prefix of an attribute that needs one; without it nothing else can be meant.
    table |= {f.wire: (f.attr, _parser_of(f)) for f in spec.attributes if f.ns}
    required = frozenset(f.attr for f in spec.attributes if f.required)
    own = frozenset(f.ns for f in spec.attributes) | {spec.ns}

    def read(el: etree._Element, items: Items, values: dict[str, Any]) -> None:
        for name, text in items:
            try:
                attr, parse_text = table[name]
            except KeyError:
                _check_attribute(el, name, own)
                continue
            try:
                values[attr] = parse_text(text)
            except ValueError as error:
                refuse(el, f"attribute {attr}: {error}", BAD_VALUES)
        if not required <= values.keys():
            refuse(el, f"attribute {', '.join(sorted(required - values.keys()))} missing")

    return read


def _parser_of(f: FieldSpec) -> Callable[[str], Any]:
    if not isinstance(f.kind, Primitive):
        raise LocalProtocolError(f"attribute {f.wire} has no simple type")
    return f.kind.parse


def _plain_attributes(el: etree._Element, kind: Primitive) -> None:
    """Attributes on an element with a plain value: only xsi:type naming its own type, and foreign ones."""
    named = el.get(XSI_TYPE)
    if named is not None and named.strip(SPACE).rpartition(":")[2] not in {kind.name, kind.xsd.partition(":")[2]}:
        refuse(el, "xsi:type does not fit here")
    if is_nil(el):
        refuse(el, "xsi:nil is not allowed here")
    check_attributes(el, frozenset())


def is_nil(el: etree._Element) -> bool:
    """Whether an element says that it holds nothing."""
    return el.get(_XSI_NIL, "false").strip(SPACE) not in {"false", "0"}


def check_attributes(el: etree._Element, own: frozenset[str]) -> None:
    """Refuse attributes without a namespace, or of one of `own`."""
    for name, _ in attributes(el):
        _check_attribute(el, name, own)


def _check_attribute(el: etree._Element, name: str, own: frozenset[str]) -> None:
    space, brace, local = name.rpartition("}")
    if not brace or space[1:] in own:
        refuse(el, f"unknown attribute {local[:40]!a}")


def no_text(el: etree._Element, text: str | None) -> None:
    """Refuse text where only elements belong."""
    if text is not None and text.strip(SPACE):
        refuse(el, "text between elements")


def attributes(el: etree._Element) -> Items:
    """The attributes of an element by qualified name."""
    # The stubs allow bytes, which lxml gives on Python 2 only.
    return el.items()  # type: ignore[return-value]


def qname(el: etree._Element) -> tuple[str, str]:
    """(namespace, local name) of an element."""
    space, _, local = str(el.tag).rpartition("}")
    return space[1:], local


def refuse(el: etree._Element, reason: str, detail: int = BAD_FORMAT) -> NoReturn:
    """Raise RemoteProtocolError with the path to an element, why, and the kind of error."""
    steps = [qname(el)[1], *(qname(parent)[1] for parent in el.iterancestors())]
    path = "/".join(reversed(steps))
    raise RemoteProtocolError(f"{ascii(path)[1:-1]}: {reason}", detail=detail)
