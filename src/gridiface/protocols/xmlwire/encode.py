"""Encoding: declared dataclasses -> XML bytes.

Owns the written form of a document: UTF-8, no XML declaration, default namespace on the root, no white space, fields
in schema order, so that the same object always gives the same bytes; and how lists are put together from member
fragments made before. The text itself is made by the compiled functions of writers.py.
Raises LocalProtocolError for objects that are not valid; nothing invalid reaches a peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.declare import XSI, FieldSpec, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive
from gridiface.protocols.xmlwire.writers import field_writer, tag_of, writer_of


def encode(obj: WireObject, *, tag: str = "") -> bytes:
    """The document whose root is `obj`; `tag` replaces its element name (default namespace only).

    Raises:
        LocalProtocolError: the object is not valid, or its type has no element of its own.
    """
    spec = spec_of(type(obj))
    name, declarations = _root_name(spec, tag)
    parts: list[str] = []
    try:
        writer_of(spec)(obj, parts, name, declarations)
        return "".join(parts).encode()
    except (TypeError, ValueError, AttributeError) as error:
        raise _invalid(obj, error) from error


def encode_member(obj: WireObject, *, owner: type[WireObject] | None = None) -> bytes:
    """`obj` as a fragment for `encode_list`: without a declaration of the default namespace.

    With `owner`, a list type, the fragment is what that list's members field would write: its tag, and xsi:type
    when `obj` is of a subtype. Without, the tag is the element of its own type.

    Raises:
        LocalProtocolError: the object is not valid, or its type has no element of its own.
    """
    spec = spec_of(type(obj))
    parts: list[str] = []
    try:
        if owner is not None:
            _member_writer(spec_of(owner))(obj, parts)
        else:
            writer_of(spec)(obj, parts, _element_name(spec), "")
        return "".join(parts).encode()
    except (TypeError, ValueError, AttributeError) as error:
        raise _invalid(obj, error) from error


def encode_list(obj: WireObject, members: Iterable[bytes]) -> bytes:
    """The document of a list `obj`, whose own members must be empty, around member fragments made before.

    Raises:
        LocalProtocolError: the type has other child elements than its members, or the list is not valid.
    """
    spec = spec_of(type(obj))
    if getattr(obj, _members_field(spec).attr):
        raise LocalProtocolError(f"{spec.name} has members of its own")
    head = encode(obj)
    body = b"".join(members)
    # An element without children is written self-closed: open it again around the members.
    return head if not body else b"%b>%b</%b>" % (head[:-2], body, _element_name(spec).encode())


def _member_writer(owner: WireType) -> Callable[[Any, list[str]], None]:
    if owner.member_writer is None:
        owner.member_writer = field_writer(owner.vocabulary, _members_field(owner))
    writer: Callable[[Any, list[str]], None] = owner.member_writer
    return writer


def _element_name(spec: WireType) -> str:
    if spec.element is None:
        raise LocalProtocolError(f"{spec.name} has no element of its own")
    return tag_of(spec.vocabulary, spec.ns, spec.element)


def _root_name(spec: WireType, tag: str) -> tuple[str, str]:
    vocabulary = spec.vocabulary
    name = tag or _element_name(spec)
    declarations = f' xmlns="{vocabulary.default}"' if vocabulary.default else ""
    if vocabulary.declare_at_root:
        declarations += "".join(f' xmlns:{p}="{ns}"' for ns, p in vocabulary.prefixes.items())
        declarations += f' xmlns:xsi="{XSI}"'
    elif ":" in name:
        declarations += f' xmlns:{name.partition(":")[0]}="{spec.ns}"'
    return name, declarations


def _members_field(spec: WireType) -> FieldSpec:
    if len(spec.elements) != 1 or not spec.elements[0].many or spec.elements[0].at_least:
        raise LocalProtocolError(f"{spec.name} is not a list that may be empty")
    return spec.elements[0]


def _invalid(obj: WireObject, error: Exception) -> LocalProtocolError:
    return LocalProtocolError(f"{type(obj).__name__} cannot be written: {_blame(obj) or error}")


def _blame(obj: WireObject) -> str:
    """Which field cannot be written; only asked when writing has failed."""
    spec = spec_of(type(obj))
    for f in (*spec.attributes, *spec.elements, *((spec.content,) if spec.content else ())):
        value = getattr(obj, f.attr, None)
        if value is None:
            if f.required and not f.choice:
                return f"{f.attr} is missing"
            continue
        items = value if f.many and isinstance(value, list | tuple) else [value]
        found = next((text for item in items if (text := _blame_value(f, item))), "")
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
        except (TypeError, ValueError, AttributeError) as error:
            return f"{f.attr}: {error}"
    return ""
