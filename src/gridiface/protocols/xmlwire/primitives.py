"""Simple types of XML wire formats: how a text becomes a Python value and back.

Owns the lexical rules and facets of XML Schema simple types (whitespace, signs, ranges, lengths).
Does not own which element has which type (declare.py) nor any protocol's list of named types.

A `parse` raises ValueError with a reason fit for an error body, a `render` raises ValueError or TypeError
when our own value does not fit: nothing that a peer could not have sent is ever put on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

_SPACE = " \t\r\n"
_INTEGER = re.compile(r"[+-]?[0-9]{1,200}")
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)")
_DOUBLE = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,9})?|-?INF|NaN")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})*")
_HEX_UPPER = re.compile(r"(?:[0-9A-F]{2})*")
_RUN_OF_SPACE = re.compile(r"[ \t\r\n]+")
# Characters that XML 1.0 cannot carry at all, not even as references.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_IN_URI = re.compile("[\x00-\x1f\x7f]|%(?![0-9A-Fa-f]{2})")
_XSD_INTEGERS = {
    (0, 0xFF): "xs:unsignedByte",
    (0, 0xFFFF): "xs:unsignedShort",
    (0, 0xFFFFFFFF): "xs:unsignedInt",
    (0, 0xFFFFFFFFFFFFFFFF): "xs:unsignedLong",
    (-0x80, 0x7F): "xs:byte",
    (-0x8000, 0x7FFF): "xs:short",
    (-0x80000000, 0x7FFFFFFF): "xs:int",
    (-(2**63), 2**63 - 1): "xs:long",
}


@dataclass(frozen=True, slots=True)
class Primitive:
    """A simple type: the text of an element or attribute.

    Attributes:
        name: the name the schema gives it, or an xs: name.
        parse: text -> value; raises ValueError.
        render: value -> text without markup escapes; raises ValueError or TypeError.
        xsd: the base type in XML Schema.
        facets: (facet, value) pairs that restrict the base.
        advised: (lowest, highest) that the standard's text asks for and its schema does not enforce, or None.
        bounds: (lowest, highest) of a whole number, or None; lets the encoder write it without a call.
        plain: the rendered text never needs escaping.
        examples: some values, for types whose values cannot be made up from their facets.
    """

    name: str
    parse: Callable[[str], Any]
    render: Callable[[Any], str]
    xsd: str
    facets: tuple[tuple[str, str], ...] = ()
    advised: tuple[int, int] | None = None
    bounds: tuple[int, int] | None = None
    plain: bool = False
    examples: tuple[Any, ...] = ()

    def named(self, name: str, *, advised: tuple[int, int] | None = None) -> Primitive:
        """The same type under another name of the standard, with the range its text advises."""
        return replace(self, name=name, advised=advised or self.advised)


def integer(name: str, lowest: int, highest: int) -> Primitive:
    """A whole number in lowest..highest; Python int."""
    digits = len(str(max(abs(lowest), highest)))

    def parse(text: str) -> int:
        # The quick road takes what every sane peer sends; the slow one what the schema also allows.
        if len(text) <= digits and text.isascii() and text.isdigit():
            value = int(text)
        else:
            text = text.strip(_SPACE)
            if not _INTEGER.fullmatch(text):
                raise ValueError(f"{_shorten(text)} is not a whole number")
            value = int(text)
        if not lowest <= value <= highest:
            raise ValueError(f"{_shorten(text)} is outside {lowest}..{highest}")
        return value

    def render(value: int) -> str:
        if not lowest <= value <= highest:
            raise ValueError(f"{value} is outside {lowest}..{highest}")
        return int.__repr__(value)

    bounds = (lowest, highest)
    xsd = _XSD_INTEGERS.get(bounds)
    facets: tuple[tuple[str, str], ...] = ()
    if xsd is None:
        xsd = "xs:unsignedLong" if lowest == 0 else "xs:long"
        facets = (("minInclusive", str(lowest)), ("maxInclusive", str(highest)))
    return Primitive(name, parse, render, xsd, facets, bounds=bounds, plain=True)


def hex_text(name: str, octets: int) -> Primitive:
    """Up to `octets` octets as upper-case hexadecimal text; for identifiers. Letter case of input is ignored."""

    def parse(text: str) -> str:
        return _hex_digits(text, octets)

    def render(value: str) -> str:
        return value if len(value) <= octets * 2 and _HEX_UPPER.fullmatch(value) else _hex_digits(value, octets)

    return Primitive(name, parse, render, "xs:hexBinary", (("maxLength", str(octets)),), plain=True)


class BitsAsWritten(int):
    """A bit map that a peer wrote with leading zeros of its own choice; shown to it as it wrote it."""

    digits: str

    def __new__(cls, value: int, digits: str) -> BitsAsWritten:
        """`digits`: hexadecimal, upper case, of that value."""
        made = super().__new__(cls, value)
        made.digits = digits
        return made

    def __reduce__(self) -> tuple[type[BitsAsWritten], tuple[int, str]]:
        return BitsAsWritten, (int(self), self.digits)


def hex_bits(name: str, octets: int) -> Primitive:
    """A bit map of up to `octets` octets as int, bit 0 rightmost; written at full width, or as it was read."""
    width, highest = octets * 2, (1 << (octets * 8)) - 1

    def parse(text: str) -> int:
        digits = _hex_digits(text, octets)
        value = int(digits or "0", 16)
        return value if len(digits) in {0, width} else BitsAsWritten(value, digits)

    def render(value: int) -> str:
        if not 0 <= value <= highest:
            raise ValueError(f"{value} does not fit {octets} octets")
        if isinstance(value, BitsAsWritten) and len(value.digits) <= width:
            return value.digits
        return f"{value:0{width}X}"

    return Primitive(name, parse, render, "xs:hexBinary", (("maxLength", str(octets)),), plain=True)


def string(
    name: str,
    max_length: int | None = None,
    pattern: str | None = None,
    *,
    collapse: bool = False,
    examples: tuple[str, ...] = (),
) -> Primitive:
    """Text of at most `max_length` characters that matches `pattern` (a regular expression) as a whole."""
    rule = re.compile(pattern) if pattern is not None else None

    def parse(text: str) -> str:
        if collapse:
            text = _RUN_OF_SPACE.sub(" ", text).strip(" ")
        if max_length is not None and len(text) > max_length:
            raise ValueError(f"{_shorten(text)} is longer than {max_length} characters")
        if rule is not None and not rule.fullmatch(text):
            raise ValueError(f"{_shorten(text)} does not have the form of {name}")
        return text

    def render(value: str) -> str:
        if _NOT_XML.search(value):
            raise ValueError(f"{_shorten(value)} holds a character that XML cannot carry")
        return parse(value)

    facets: tuple[tuple[str, str], ...] = ()
    if max_length is not None:
        facets += (("maxLength", str(max_length)),)
    if pattern is not None:
        facets += (("pattern", pattern),)
    return Primitive(name, parse, render, "xs:token" if collapse else "xs:string", facets, examples=examples)


def enumeration(name: str, values: Iterable[str], other: str | None = None) -> Primitive:
    """One of `values`, or a text that matches `other` (for schemas that allow private extensions)."""
    known = frozenset(values)
    rule = re.compile(other) if other is not None else None

    def parse(text: str) -> str:
        if text in known or (rule is not None and rule.fullmatch(text)):
            return text
        raise ValueError(f"{_shorten(text)} is no {name}")

    facets = tuple(("enumeration", value) for value in sorted(known))
    return Primitive(name, parse, parse, "xs:string", facets, examples=tuple(sorted(known)))


def list_of(item: Primitive) -> Primitive:
    """A white-space separated list; Python tuple."""

    def parse(text: str) -> tuple[Any, ...]:
        return tuple(item.parse(part) for part in text.split())

    def render(values: Iterable[Any]) -> str:
        return " ".join(item.render(value) for value in values)

    examples = ((), item.examples) if item.examples else ((),)
    return Primitive(f"list of {item.name}", parse, render, item.xsd, plain=item.plain, examples=examples)


def _parse_boolean(text: str) -> bool:
    word = text.strip(_SPACE)
    if word in {"true", "1"}:
        return True
    if word in {"false", "0"}:
        return False
    raise ValueError(f"{_shorten(text)} is neither true nor false")


def _render_boolean(value: bool) -> str:
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise TypeError(f"{value!r} is not a bool")


def _parse_uri(text: str) -> str:
    text = _RUN_OF_SPACE.sub(" ", text).strip(" ")
    if _NOT_IN_URI.search(text):
        raise ValueError(f"{_shorten(text)} is not a URI")
    return text


def _render_uri(value: str) -> str:
    if _NOT_XML.search(value):
        raise ValueError(f"{_shorten(value)} is not a URI")
    return _parse_uri(value)


def _parse_double(text: str) -> float:
    text = text.strip(_SPACE)
    if not _DOUBLE.fullmatch(text):
        raise ValueError(f"{_shorten(text)} is not a number")
    return float(text)


def _render_double(value: float) -> str:
    text = repr(float(value))
    return {"inf": "INF", "-inf": "-INF", "nan": "NaN"}.get(text, text)


def _parse_decimal(text: str) -> float:
    text = text.strip(_SPACE)
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{_shorten(text)} is not a decimal number")
    return float(text)


def _render_decimal(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".") or "0"


def _hex_digits(text: str, octets: int) -> str:
    text = text.strip(_SPACE)
    if len(text) > octets * 2:
        raise ValueError(f"{_shorten(text)} is longer than {octets} octets")
    if not _HEX.fullmatch(text):
        raise ValueError(f"{_shorten(text)} is not an even number of hexadecimal digits")
    return text.upper()


def _shorten(text: str) -> str:
    """A peer's text, fit for a log line: quoted, printable and short."""
    return ascii(text[:40]) + ("..." if len(text) > 40 else "")


BOOLEAN = Primitive("boolean", _parse_boolean, _render_boolean, "xs:boolean", plain=True, examples=(True, False))
ANY_URI = Primitive("anyURI", _parse_uri, _render_uri, "xs:anyURI")
DOUBLE = Primitive("double", _parse_double, _render_double, "xs:double", plain=True, examples=(0.0, -1.5, 230.25))
FLOAT = Primitive("float", _parse_double, _render_double, "xs:float", plain=True, examples=(0.0, -1.5, 230.25))
DECIMAL = Primitive("decimal", _parse_decimal, _render_decimal, "xs:decimal", plain=True, examples=(0.0, -1.5, 230.25))
STRING = string("string")
TOKEN = string("token", collapse=True)
UINT32 = integer("unsignedInt", 0, 0xFFFFFFFF)
"""xs:unsignedInt"""
INT32 = integer("int", -0x80000000, 0x7FFFFFFF)
"""xs:int"""

# A whole subtree kept as its bytes (a signature, a foreign document): decode.py and encode.py know it by identity.
RAW_XML = Primitive("any", str, str, "xs:anyType")
