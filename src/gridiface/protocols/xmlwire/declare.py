"""How a wire type is declared: one dataclass per XML type, its fields carrying name, type and order.

Owns the declaration language (`wire`, `element`, `attribute`, `content`) and the facts it yields (`WireType`).
Does not parse or write XML: decode.py and encode.py read these facts, and so do the schema writer and the tests.

A declaration is the sequence of the schema: inherited elements first, then the class's own in the order written.
A field with `default=None` is optional, one with `default_factory=list` is repeated, any other is required.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, dataclass_transform

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.primitives import Primitive

XSI = "http://www.w3.org/2001/XMLSchema-instance"
_KEY = "xmlwire"
_MISSING = dataclasses.MISSING
_Class = TypeVar("_Class", bound=type)


class WireObject:
    """Base of every wire type; lets generic code say "some declared type"."""

    __slots__ = ()
    __wire__: ClassVar[WireType]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The namespaces one protocol writes.

    Attributes:
        default: namespace written without prefix.
        prefixes: namespace -> prefix of the others.
        declare_at_root: declare all prefixes on the root element; otherwise where they are used, which keeps
            every fragment readable by itself.
    """

    default: str
    prefixes: dict[str, str] = field(default_factory=dict)
    declare_at_root: bool = False
    types: dict[tuple[str, str], type[WireObject]] = field(default_factory=dict)
    elements: dict[tuple[str, str], type[WireObject]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """What a declaration says about one field.

    Attributes:
        attr: name of the Python attribute; wire: local name in XML; ns: namespace ("" for plain attributes).
        kind: Primitive, wire class, or tuple of wire classes (a substitution group or choice of elements).
        place: "element", "attribute" or "content".
        required, many, at_least, at_most: occurrence.
        choice: name of the choice group that it is an alternative of, or "".
        nillable: xsi:nil is allowed.
        inside: (local name, namespace) of a single wrapped element that holds the value, or None.
        extension: not part of the protocol's own schema (a profile's addition).
        unit: unit of the value, for the reference pages.
        assumed: makes what is read where a peer leaves a required element out; None: that is refused.
        other: makes what is read, of its local name, for a member of a substitution group that is not known; None: such
            an element is ignored where its namespace is foreign.
    """

    attr: str
    wire: str
    ns: str
    kind: Primitive | type[WireObject] | tuple[type[WireObject], ...]
    place: str
    required: bool
    many: bool
    at_least: int
    at_most: int | None
    choice: str
    nillable: bool
    inside: tuple[str, str] | None
    extension: bool
    unit: str
    assumed: Callable[[], Any] | None = None
    other: Callable[[str], Any] | None = None


@dataclass(slots=True)
class WireType:
    """What is known about one wire class.

    Attributes:
        cls: the class; ns and name: its type name; vocabulary: the protocol it belongs to.
        element: local name of its global element, or None when it has none.
        attributes: XML attributes, inherited first; own_attributes: those that it adds.
        elements: child elements in sequence order, inherited first; own_elements: those that it adds.
        content: the field that holds the text of a type with simple content, or None.
        one_of: choice groups of which exactly one alternative must be there.
        abstract: may not appear on the wire itself.
        empty_is_absent: an optional element with nothing in it counts as absent.
        schema_types: further names, in its namespace, under which xsi:type may say just this type.
        reader, writer, member_writer, places: filled by decode.py, encode.py and lenient.py on first use.
    """

    cls: type[WireObject]
    ns: str
    name: str
    vocabulary: Vocabulary
    element: str | None
    attributes: tuple[FieldSpec, ...]
    elements: tuple[FieldSpec, ...]
    own_attributes: tuple[FieldSpec, ...]
    own_elements: tuple[FieldSpec, ...]
    content: FieldSpec | None
    one_of: tuple[str, ...]
    abstract: bool
    empty_is_absent: bool
    schema_types: frozenset[str]
    reader: Any = None
    writer: Any = None
    member_writer: Any = None
    places: Any = None


def element(
    kind: Primitive | type[WireObject] | Sequence[type[WireObject]],
    name: str = "",
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    ns: str | None = None,
    at_least: int = 0,
    at_most: int | None = None,
    choice: str = "",
    nillable: bool = False,
    inside: str | tuple[str, str] | None = None,
    extension: bool = False,
    unit: str = "",
    assumed: Callable[[], Any] | None = None,
    other: Callable[[str], Any] | None = None,
) -> Any:
    """A child element; several classes as `kind` make a substitution group, told apart by element name.

    `name` is the XML name where it differs from the attribute's; `ns` where it differs from the class's.
    `inside` names a single child element (or (name, namespace)) that wraps the value.
    `assumed` makes what is read where a peer leaves out what the schema requires and its absence can mean one thing
    only; we always write it. `other` makes what is read for a member of a substitution group that is not known, an
    element of a foreign namespace in the group's place, of its local name.
    """
    return _field("element", default, default_factory, locals())


def attribute(kind: Primitive, name: str = "", *, default: Any = _MISSING, ns: str = "", unit: str = "") -> Any:
    """An XML attribute; without namespace unless `ns` says so."""
    return _field("attribute", default, _MISSING, locals())


def content(kind: Primitive, *, default: Any = _MISSING) -> Any:
    """The text of a type with simple content."""
    return _field("content", default, _MISSING, locals())


@dataclass_transform(kw_only_default=True, field_specifiers=(element, attribute, content))
def wire(
    vocabulary: Vocabulary,
    *,
    ns: str | None = None,
    name: str = "",
    element: str | None = "",
    one_of: Sequence[str] = (),
    abstract: bool = False,
    empty_is_absent: bool = False,
    schema_types: Sequence[str] = (),
) -> Callable[[_Class], _Class]:
    """Class decorator: makes a keyword-only, slotted dataclass and registers it as a wire type.

    Args:
        vocabulary: the protocol it belongs to.
        ns: its namespace where it is not the vocabulary's default.
        name: the schema's type name where it differs from the class's.
        element: its global element's name where it differs from the type's; None: it has none.
        one_of: choice groups of which exactly one alternative must be present.
        abstract: may not appear on the wire itself.
        empty_is_absent: optional elements with nothing in them are read as absent.
        schema_types: the schema's own names of the type where types are known here by their element's name.
    """

    def decorate(cls: _Class) -> _Class:
        made: Any = dataclass(slots=True, kw_only=True)(cls)
        space = vocabulary.default if ns is None else ns
        type_name = name or cls.__name__
        element_name = type_name if element == "" else element
        made.__wire__ = _collect(
            made, vocabulary, space, type_name, element_name, tuple(one_of), abstract, empty_is_absent
        )
        made.__wire__.schema_types = frozenset(schema_types)
        _register(vocabulary.types, (space, type_name), made)
        if element_name is not None and not abstract:
            _register(vocabulary.elements, (space, element_name), made)
        return made  # type: ignore[no-any-return]  # dataclass(slots=True) builds a new class of the same type

    return decorate


def spec_of(cls: type[WireObject]) -> WireType:
    """The declaration of `cls`.

    Raises:
        LocalProtocolError: `cls` was not declared with `wire`.
    """
    found = cls.__dict__.get("__wire__")
    if isinstance(found, WireType):
        return found
    raise LocalProtocolError(f"{cls.__name__} is not a wire type")


def _register(table: dict[tuple[str, str], type[WireObject]], key: tuple[str, str], cls: type[WireObject]) -> None:
    if key in table:
        raise LocalProtocolError(f"{key[1]} is declared twice in {key[0]}")
    table[key] = cls


def _field(place: str, default: Any, default_factory: Any, facts: dict[str, Any]) -> Any:
    metadata = {_KEY: {"place": place, **facts}}
    if default is not _MISSING:
        return field(default=default, metadata=metadata)
    if default_factory is not _MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    return field(metadata=metadata)


def _collect(
    cls: Any,
    vocabulary: Vocabulary,
    ns: str,
    name: str,
    element_name: str | None,
    one_of: tuple[str, ...],
    abstract: bool,
    empty_is_absent: bool,
) -> WireType:
    base = next((b.__wire__ for b in cls.__mro__[1:] if "__wire__" in b.__dict__), None)
    inherited = {f.attr for f in (*base.attributes, *base.elements)} if base else set()
    own = [_spec(f, ns) for f in dataclasses.fields(cls) if f.name not in inherited]
    if base is not None and base.content is not None:
        own = [f for f in own if f.place != "content"]
    own_attributes = tuple(f for f in own if f.place == "attribute")
    own_elements = tuple(f for f in own if f.place == "element")
    contents = [f for f in own if f.place == "content"]
    return WireType(
        cls=cls,
        ns=ns,
        name=name,
        vocabulary=vocabulary,
        element=element_name,
        attributes=(*(base.attributes if base else ()), *own_attributes),
        elements=(*(base.elements if base else ()), *own_elements),
        own_attributes=own_attributes,
        own_elements=own_elements,
        content=contents[0] if contents else (base.content if base else None),
        one_of=(*(base.one_of if base else ()), *one_of),
        abstract=abstract,
        empty_is_absent=empty_is_absent,
        schema_types=frozenset(),
    )


def _spec(f: dataclasses.Field[Any], ns: str) -> FieldSpec:
    try:
        facts = f.metadata[_KEY]
    except KeyError:
        raise LocalProtocolError(f"field {f.name} was declared without element(), attribute() or content()") from None
    many = f.default_factory is not _MISSING
    required = f.default is _MISSING and not many
    kind = facts["kind"]
    space = facts.get("ns")
    inside = facts.get("inside")
    own_space = (ns if facts["place"] == "element" else "") if space is None else space
    return FieldSpec(
        attr=f.name,
        wire=facts.get("name") or f.name,
        ns=own_space,
        kind=tuple(kind) if isinstance(kind, list | tuple) else kind,
        place=facts["place"],
        required=required,
        many=many,
        at_least=facts.get("at_least", 0) if many else int(required),
        at_most=facts.get("at_most") if many else 1,
        choice=facts.get("choice", ""),
        nillable=facts.get("nillable", False),
        inside=(inside, own_space) if isinstance(inside, str) else inside,
        extension=facts.get("extension", False),
        unit=facts.get("unit", ""),
        assumed=facts.get("assumed"),
        other=facts.get("other"),
    )
