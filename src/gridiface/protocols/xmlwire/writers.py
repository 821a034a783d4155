"""Writers: for each wire class one straight-line function that appends its XML text to a list.

Owns how a declaration becomes such a function. The functions are compiled from source made of the declaration, as the
standard library does for dataclasses: a loop over fields with one call per field is half as fast, and encoding lists
of controls is the hot path of a server.

Writers raise ValueError, TypeError or AttributeError for objects that are not valid; encode.py names the field.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

from gridiface.errors import LocalProtocolError
from gridiface.protocols.xmlwire.declare import XSI, FieldSpec, Vocabulary, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.kept import Kept
from gridiface.protocols.xmlwire.primitives import RAW_XML, Primitive

Writer = Callable[[Any, list[str], str, str], None]
"""(object, parts, tag, namespace declarations and xsi:type that go into the start tag)"""
_WriteValue = Callable[[Any, list[str]], None]


def writer_of(spec: WireType) -> Writer:
    """The compiled writer of a class; made on first use."""
    if spec.writer is None:
        spec.writer = _compile(spec)
    writer: Writer = spec.writer
    return writer


def tag_of(vocabulary: Vocabulary, ns: str, local: str) -> str:
    """The name as it is written: with the prefix of its namespace, if that is not the default one.

    Raises:
        LocalProtocolError: the vocabulary has no prefix for the namespace.
    """
    if ns == vocabulary.default:
        return local
    try:
        return f"{vocabulary.prefixes[ns]}:{local}"
    except KeyError:
        raise LocalProtocolError(f"namespace {ns} of {local} has no prefix") from None


def field_writer(vocabulary: Vocabulary, f: FieldSpec) -> _WriteValue:
    """Writes one value of field `f` (one member, where it is repeated)."""
    if isinstance(f.kind, tuple):
        return _substitution_writer(vocabulary, f.kind)
    tag = tag_of(vocabulary, f.ns, f.wire)
    extra = _local_declaration(vocabulary, f.ns)
    if f.inside is None:
        return _value_writer(f.kind, tag, extra)
    inner_tag = tag_of(vocabulary, f.inside[1], f.inside[0])
    inner = _value_writer(f.kind, inner_tag, _local_declaration(vocabulary, f.inside[1]))

    def wrapped(value: Any, parts: list[str]) -> None:
        parts.append(f"<{tag}{extra}>")
        inner(value, parts)
        parts.append(f"</{tag}>")

    return wrapped


class _Source:
    """The source text of one writer and the objects it refers to by name."""

    def __init__(self) -> None:
        self.lines = ["def write(obj, parts, tag, extra):", " put = parts.append", ' put(f"<{tag}{extra}")']
        self.names: dict[str, Any] = {"index": index, "missing": _missing, "outside": _outside}

    def name(self, thing: Any) -> str:
        name = f"x{len(self.names)}"
        self.names[name] = thing
        return name

    def add(self, *lines: str) -> None:
        self.lines += lines

    def build(self) -> Writer:
        code = compile("\n".join(self.lines), "<xmlwire writer>", "exec")
        # The source holds only names of declared fields and tags: nothing of it comes from outside the program.
        exec(code, self.names)  # noqa: S102  # see the module's docstring
        writer: Writer = self.names["write"]
        return writer


def _compile(spec: WireType) -> Writer:
    if spec.abstract:
        raise LocalProtocolError(f"{spec.name} is abstract")
    source = _Source()
    for f in spec.attributes:
        _add_attribute(source, spec.vocabulary, f)
    if spec.content is not None:
        source.add(' put(">")')
        _add_text(source, spec.content, "", "")
        source.add(' put(f"</{tag}>")')
        return source.build()
    if not spec.elements:
        source.add(' put("/>")')
        return source.build()
    _add_checks(source, spec)
    always_open = any(f.required and not f.choice for f in spec.elements)
    source.add(*([] if always_open else [" start = len(parts)"]), ' put(">")')
    for f in spec.elements:
        _add_element(source, spec.vocabulary, f)
    if always_open:
        source.add(' put(f"</{tag}>")')
    else:
        source.add(' if len(parts) == start + 1: parts[start] = "/>"', ' else: put(f"</{tag}>")')
    return source.build()


def _add_checks(source: _Source, spec: WireType) -> None:
    counted = tuple(f for f in spec.elements if f.many and (f.at_least or f.at_most))
    groups = tuple(dict.fromkeys(f.choice for f in spec.elements if f.choice))
    if counted or groups:

        def check(obj: Any) -> None:
            _check(obj, spec, counted, groups)

        source.add(f" {source.name(check)}(obj)")


def _add_attribute(source: _Source, vocabulary: Vocabulary, f: FieldSpec) -> None:
    if not isinstance(f.kind, Primitive):
        raise LocalProtocolError(f"attribute {f.wire} has no simple type")
    name = tag_of(vocabulary, f.ns, f.wire) if f.ns else f.wire
    declaration = _local_declaration(vocabulary, f.ns) if f.ns else ""
    _add_text(source, f, f'{declaration} {name}="', '"')


def _add_element(source: _Source, vocabulary: Vocabulary, f: FieldSpec) -> None:
    if isinstance(f.kind, Primitive) and f.kind is not RAW_XML and f.inside is None and not f.many:
        tag = tag_of(vocabulary, f.ns, f.wire)
        _add_text(source, f, f"<{tag}{_local_declaration(vocabulary, f.ns)}>", f"</{tag}>")
        return
    write = source.name(field_writer(vocabulary, f))
    if f.many:
        source.add(f" for v in obj.{f.attr}: {write}(v, parts)")
        return
    source.add(f" v = obj.{f.attr}", f" if v is not None: {write}(v, parts)")
    if f.required and not f.choice:
        source.add(f" else: missing({f.attr!r})")


def _add_text(source: _Source, f: FieldSpec, before: str, after: str) -> None:
    """A simple value between two markup texts; `v` is the value."""
    if not isinstance(f.kind, Primitive):
        raise LocalProtocolError(f"{f.wire} has no simple type")
    before, after = (text.replace("{", "{{").replace("}", "}}") for text in (before, after))
    source.add(f" v = obj.{f.attr}", " if v is not None:")
    if f.kind.bounds is not None:
        lowest, highest = f.kind.bounds
        source.add(
            "  if v.__class__ is not int: v = index(v)",
            f"  if not {lowest} <= v <= {highest}: outside(v, {lowest}, {highest})",
        )
        value = "v"
    elif f.kind.plain:
        value = f"{source.name(f.kind.render)}(v)"
    else:
        escape = source.name(escape_attribute if f.place == "attribute" else escape_text)
        value = f"{escape}({source.name(f.kind.render)}(v))"
    source.add(f"  put(f'''{before}{{{value}}}{after}''')")
    if f.required and not f.choice:
        source.add(f" else: missing({f.attr!r})")


def _missing(attr: str) -> None:
    raise ValueError(f"{attr} is missing")


def _outside(value: int, lowest: int, highest: int) -> None:
    raise ValueError(f"{value} is outside {lowest}..{highest}")


def _check(obj: Any, spec: WireType, counted: tuple[FieldSpec, ...], groups: tuple[str, ...]) -> None:
    for f in counted:
        count = len(getattr(obj, f.attr))
        if count < f.at_least or (f.at_most is not None and count > f.at_most):
            raise ValueError(f"{f.attr} has {count} members")
    for group in groups:
        given = sum(getattr(obj, f.attr) is not None for f in spec.elements if f.choice == group)
        if given > 1 or (given == 0 and group in spec.one_of):
            raise ValueError(f"choice {group} has {given} alternatives")


def _local_declaration(vocabulary: Vocabulary, ns: str) -> str:
    if ns == vocabulary.default or vocabulary.declare_at_root:
        return ""
    return f' xmlns:{vocabulary.prefixes[ns]}="{ns}"'


def _value_writer(kind: Primitive | type[WireObject], tag: str, extra: str) -> _WriteValue:
    if not isinstance(kind, Primitive):
        return _class_writer(kind, tag, extra)
    if kind is RAW_XML:
        return lambda value, parts: parts.append(value.decode())
    render = kind.render
    return lambda value, parts: parts.append(f"<{tag}{extra}>{escape_text(render(value))}</{tag}>")


def _class_writer(cls: type[WireObject], tag: str, extra: str) -> _WriteValue:
    spec = spec_of(cls)

    # It must not name itself: encode.py makes writers, too, and each would be left to the garbage collector.
    def write(value: Any, parts: list[str]) -> None:
        if value.__class__ is cls:
            (spec.writer or writer_of(spec))(value, parts, tag, extra)
            return
        if isinstance(value, Kept):
            if value.text is None:
                own: list[str] = []
                _write_any(value.value, own, cls, tag, extra)
                value.text = "".join(own)
            parts.append(value.text)
            return
        _write_any(value, parts, cls, tag, extra)

    return write


def _write_any(value: Any, parts: list[str], cls: type[WireObject], tag: str, extra: str) -> None:
    """Write an object of `cls` or of a subtype, which is named."""
    if not isinstance(value, cls):
        raise TypeError(f"{tag} holds a {type(value).__name__}, not a {cls.__name__}")
    actual = spec_of(type(value))
    named = "" if type(value) is cls else _type_attribute(actual)
    writer_of(actual)(value, parts, tag, extra + named)


def _type_attribute(spec: WireType) -> str:
    vocabulary = spec.vocabulary
    declaration = "" if vocabulary.declare_at_root else f' xmlns:xsi="{XSI}"' + _local_declaration(vocabulary, spec.ns)
    return f'{declaration} xsi:type="{tag_of(vocabulary, spec.ns, spec.name)}"'


def _substitution_writer(vocabulary: Vocabulary, classes: tuple[type[WireObject], ...]) -> _WriteValue:
    tags = {}
    for cls in classes:
        spec = spec_of(cls)
        tags[cls] = (tag_of(vocabulary, spec.ns, spec.element or ""), _local_declaration(vocabulary, spec.ns))

    def write(value: Any, parts: list[str]) -> None:
        try:
            tag, extra = tags[type(value)]
        except KeyError:
            raise TypeError(f"a {type(value).__name__} cannot stand here") from None
        writer_of(spec_of(type(value)))(value, parts, tag, extra)

    return write


def escape_text(text: str) -> str:
    """Text with markup characters, and the carriage return that a parser would change, as references."""
    if "&" in text or "<" in text or ">" in text or "\r" in text:
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text


def escape_attribute(text: str) -> str:
    """As `escape_text`, for an attribute in double quotes, whose white space a parser would change."""
    if '"' in text or "\n" in text or "\t" in text:
        text = escape_text(text).replace('"', "&quot;")
        return text.replace("\n", "&#10;").replace("\t", "&#9;")
    return escape_text(text)
