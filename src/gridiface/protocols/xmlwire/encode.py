"""Encoding: declared dataclasses -> XML bytes, by writers compiled once per class.

Owns the written form: UTF-8, no XML declaration, default namespace on the root, no white space, fields in schema
order, so that the same object always gives the same bytes. No tree is built: text is appended and joined once.
Raises LocalProtocolError for objects that are not valid; nothing invalid reaches a peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Any

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.declare import XSI, FieldSpec, Vocabulary, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

_Append = Callable[[str], None]
_Write = Callable[[Any, _Append], None]
# (object, append, tag, xsi:type or namespace attributes that go first)
_WriteElement = Callable[[Any, _Append, str, str], None]


def encode(obj: WireObject, *, tag: str = "") -> bytes:
    """The document whose root is `obj`; `tag` replaces its element name (default namespace only).

    Raises:
        LocalProtocolError: the object is not valid, or its type has no element of its own.
    """
    spec = spec_of(type(obj))
    name, declarations = _root_name(spec, tag)
    return _run(obj, name, declarations)


def encode_member(obj: WireObject, *, owner: type[WireObject] | None = None) -> bytes:
    """`obj` as a fragment for `encode_list`: no namespace declarations of the default namespace.

    With `owner`, a list type, the fragment is what that list's members field would write: its tag, and xsi:type
    when `obj` is of a subtype.
    """
    spec = spec_of(type(obj))
    if owner is None:
        if spec.element is None:
            raise LocalProtocolError(f"{spec.name} has no element of its own")
        return _run(obj, _tag(spec.vocabulary, spec.ns, spec.element), "")
    members = _members_field(spec_of(owner))
    parts: list[str] = []
    try:
        _field_writer(spec.vocabulary, members, single=True)(obj, parts.append)
        return "".join(parts).encode()
    except (TypeError, ValueError, AttributeError) as error:
        raise LocalProtocolError(f"{spec.name} cannot be written: {error}") from error


def encode_list(obj: WireObject, members: Iterable[bytes]) -> bytes:
    """The document of a list `obj` (its own members must be empty) around member fragments made before.

    Raises:
        LocalProtocolError: the type has other child elements than its members, or is not valid.
    """
    spec = spec_of(type(obj))
    field = _members_field(spec)
    if getattr(obj, field.attr):
        raise LocalProtocolError(f"{spec.name} has members of its own")
    name, declarations = _root_name(spec, "")
    head = _run(obj, name, declarations, required_members=False)
    # An element without children is written self-closed: open it again around the members.
    body = b"".join(members)
    return head if not body else b"%b>%b</%b>" % (head[:-2], body, name.encode())


def _run(obj: WireObject, name: str, extra: str, *, required_members: bool = True) -> bytes:
    spec = spec_of(type(obj))
    if spec.abstract:
        raise LocalProtocolError(f"{spec.name} is abstract")
    parts: list[str] = []
    try:
        if required_members:
            _writer_of(spec)(obj, parts.append, name, extra)
        else:
            _make_writer(spec, check_counts=False)(obj, parts.append, name, extra)
        return "".join(parts).encode()
    except (TypeError, ValueError, AttributeError) as error:
        raise LocalProtocolError(f"{spec.name} cannot be written: {_blame(obj) or error}") from error


def _root_name(spec: WireType, tag: str) -> tuple[str, str]:
    vocabulary = spec.vocabulary
    if not tag and spec.element is None:
        raise LocalProtocolError(f"{spec.name} has no element of its own")
    name = tag or _tag(vocabulary, spec.ns, spec.element or "")
    declarations = f' xmlns="{vocabulary.default}"' if vocabulary.default else ""
    if vocabulary.declare_at_root:
        declarations += "".join(f' xmlns:{p}="{ns}"' for ns, p in vocabulary.prefixes.items())
        declarations += f' xmlns:xsi="{XSI}"'
    elif ":" in name:
        declarations += f' xmlns:{name.partition(":")[0]}="{spec.ns}"'
    return name, declarations


def _tag(vocabulary: Vocabulary, ns: str, local: str) -> str:
    if ns == vocabulary.default:
        return local
    try:
        return f"{vocabulary.prefixes[ns]}:{local}"
    except KeyError:
        raise LocalProtocolError(f"namespace {ns} of {local} has no prefix") from None


def _local_declaration(vocabulary: Vocabulary, ns: str) -> str:
    if ns == vocabulary.default or vocabulary.declare_at_root:
        return ""
    return f' xmlns:{vocabulary.prefixes[ns]}="{ns}"'


def _members_field(spec: WireType) -> FieldSpec:
    if len(spec.elements) != 1 or not spec.elements[0].many:
        raise LocalProtocolError(f"{spec.name} is not a list")
    return spec.elements[0]


def _writer_of(spec: WireType) -> _WriteElement:
    if spec.writer is None:
        spec.writer = _make_writer(spec, check_counts=True)
    writer: _WriteElement = spec.writer
    return writer


def _make_writer(spec: WireType, *, check_counts: bool) -> _WriteElement:
    vocabulary = spec.vocabulary
    attributes = tuple((f.attr, f.required, _attribute_writer(vocabulary, f)) for f in spec.attributes)
    body = _simple_body(spec) if spec.content else _sequence_body(spec, check_counts=check_counts)
    if body is None and not attributes:
        return lambda _obj, append, tag, extra: append(f"<{tag}{extra}/>")

    def write(obj: Any, append: _Append, tag: str, extra: str) -> None:
        append(f"<{tag}{extra}")
        for attr, needed, write_attribute in attributes:
            value = getattr(obj, attr)
            if value is not None:
                write_attribute(value, append)
            elif needed:
                raise ValueError(f"{attr} is missing")
        if body is None or not body(obj, append):
            append("/>")
        else:
            append(f"</{tag}>")

    return write


def _sequence_body(spec: WireType, *, check_counts: bool) -> Callable[[Any, _Append], bool] | None:
    """Writes ">" and the children, and says whether there were any."""
    if not spec.elements:
        return None
    names = [f.attr for f in spec.elements]
    single = attrgetter(names[0])
    get: Callable[[Any], tuple[Any, ...]] = (lambda obj: (single(obj),)) if len(names) == 1 else attrgetter(*names)
    plan = tuple((f.required and not f.choice, _field_writer(spec.vocabulary, f)) for f in spec.elements)
    counted = tuple(f for f in spec.elements if f.many and (f.at_least or f.at_most)) if check_counts else ()
    groups = tuple(dict.fromkeys(f.choice for f in spec.elements if f.choice))
    always_open = any(needed for needed, _ in plan)

    def body(obj: Any, append: _Append) -> bool:
        if counted or groups:
            _check(obj, spec, counted, groups)
        values = get(obj)
        if not always_open and not any(value is not None and value != [] for value in values):
            return False
        append(">")
        for value, (needed, write) in zip(values, plan, strict=True):
            if value is not None:
                write(value, append)
            elif needed:
                raise ValueError("a required element is missing")
        return True

    return body


def _check(obj: Any, spec: WireType, counted: tuple[FieldSpec, ...], groups: tuple[str, ...]) -> None:
    for f in counted:
        count = len(getattr(obj, f.attr))
        if count < f.at_least or (f.at_most is not None and count > f.at_most):
            raise ValueError(f"{f.attr} has {count} members")
    for group in groups:
        given = sum(getattr(obj, f.attr) is not None for f in spec.elements if f.choice == group)
        if given > 1 or (given == 0 and group in spec.one_of):
            raise ValueError(f"choice {group} has {given} alternatives")


def _simple_body(spec: WireType) -> Callable[[Any, _Append], bool]:
    body = spec.content
    if body is None or not isinstance(body.kind, Primitive):
        raise LocalProtocolError(f"{spec.name} has no simple content")
    attr, render = body.attr, _escaped_render(body.kind)

    def write(obj: Any, append: _Append) -> bool:
        append(f">{render(getattr(obj, attr))}")
        return True

    return write


def _attribute_writer(vocabulary: Vocabulary, f: FieldSpec) -> _Write:
    if not isinstance(f.kind, Primitive):
        raise LocalProtocolError(f"attribute {f.wire} has no simple type")
    name = _tag(vocabulary, f.ns, f.wire) if f.ns else f.wire
    prefix = (_local_declaration(vocabulary, f.ns) if f.ns else "") + f' {name}="'
    render = f.kind.render
    if f.kind.plain:
        return lambda value, append: append(f'{prefix}{render(value)}"')
    return lambda value, append: append(f'{prefix}{_escape_attribute(render(value))}"')


def _field_writer(vocabulary: Vocabulary, f: FieldSpec, *, single: bool = False) -> _Write:
    one = _single_writer(vocabulary, f)
    if not f.many or single:
        return one

    def write(values: Any, append: _Append) -> None:
        for value in values:
            one(value, append)

    return write


def _single_writer(vocabulary: Vocabulary, f: FieldSpec) -> _Write:
    if isinstance(f.kind, tuple):
        return _substitution_writer(vocabulary, f.kind)
    tag = _tag(vocabulary, f.ns, f.wire)
    extra = _local_declaration(vocabulary, f.ns)
    if f.inside is not None:
        inner_tag = _tag(vocabulary, f.inside[1], f.inside[0])
        inner = _value_writer(f.kind, inner_tag, _local_declaration(vocabulary, f.inside[1]))
        opening, closing = f"<{tag}{extra}>", f"</{tag}>"

        def wrapped(value: Any, append: _Append) -> None:
            append(opening)
            inner(value, append)
            append(closing)

        return wrapped
    return _value_writer(f.kind, tag, extra)


def _value_writer(kind: Primitive | type[WireObject], tag: str, extra: str) -> _Write:
    if not isinstance(kind, Primitive):
        return _class_writer(kind, tag, extra)
    if kind is RAW_XML:
        return lambda value, append: append(value.decode())
    render = _escaped_render(kind)
    opening, closing = f"<{tag}{extra}>", f"</{tag}>"
    return lambda value, append: append(f"{opening}{render(value)}{closing}")


def _class_writer(cls: type[WireObject], tag: str, extra: str) -> _Write:
    spec = spec_of(cls)

    def write(value: Any, append: _Append) -> None:
        if type(value) is cls:
            (spec.writer or _writer_of(spec))(value, append, tag, extra)
            return
        if not isinstance(value, cls):
            raise TypeError(f"{tag} holds a {type(value).__name__}, not a {cls.__name__}")
        actual = spec_of(type(value))
        _writer_of(actual)(value, append, tag, extra + _type_attribute(actual))

    return write


def _type_attribute(spec: WireType) -> str:
    vocabulary = spec.vocabulary
    declaration = "" if vocabulary.declare_at_root else f' xmlns:xsi="{XSI}"' + _local_declaration(vocabulary, spec.ns)
    return f'{declaration} xsi:type="{_tag(vocabulary, spec.ns, spec.name)}"'


def _substitution_writer(vocabulary: Vocabulary, classes: tuple[type[WireObject], ...]) -> _Write:
    tags = {}
    for cls in classes:
        spec = spec_of(cls)
        tags[cls] = (_tag(vocabulary, spec.ns, spec.element or ""), _local_declaration(vocabulary, spec.ns))

    def write(value: Any, append: _Append) -> None:
        try:
            tag, extra = tags[type(value)]
        except KeyError:
            raise TypeError(f"a {type(value).__name__} cannot stand here") from None
        _writer_of(spec_of(type(value)))(value, append, tag, extra)

    return write


def _escaped_render(kind: Primitive) -> Callable[[Any], str]:
    render = kind.render
    if kind.plain:
        return render
    return lambda value: _escape_text(render(value))


def _escape_text(text: str) -> str:
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def _escape_attribute(text: str) -> str:
    text = _escape_text(text).replace('"', "&quot;")
    return text.replace("\n", "&#10;").replace("\t", "&#9;")


def _blame(obj: WireObject) -> str:
    """Which field cannot be written; only asked when writing has failed."""
    spec = spec_of(type(obj))
    for f in (*spec.attributes, *spec.elements, *((spec.content,) if spec.content else ())):
        value = getattr(obj, f.attr, None)
        if value is None:
            if f.required and not f.choice:
                return f"{f.attr} is missing"
            continue
        found = next((text for item in (value if f.many else [value]) if (text := _blame_value(f, item))), "")
        if found:
            return found
    return ""


def _blame_value(f: FieldSpec, value: Any) -> str:
    if isinstance(value, WireObject):
        inner = _blame(value)
        return f"{f.attr}.{inner}" if inner else ""
    if isinstance(f.kind, Primitive) and f.kind is not RAW_XML:
        try:
            f.kind.render(value)
        except (TypeError, ValueError) as error:
            return f"{f.attr}: {error}"
    return ""
