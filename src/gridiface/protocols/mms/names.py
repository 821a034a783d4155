"""Names of objects (ISO 9506-2 ObjectName) and lists of variables by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gridiface.errors import LocalProtocolError
from gridiface.protocols.mms.ber import Element, broken, elements, fields, required, single, text, tlv

_VMD, _DOMAIN, _ASSOCIATION = 0x80, 0xA1, 0x82
_IDENTIFIER = 0x1A
_VARIABLE, _ALTERNATE_ACCESS = 0xA0, 0xA5
_LIST_OF_VARIABLE, _LIST_NAME = 0xA0, 0xA1
#: The longest reference of edition 2.1; identifiers of ISO 9506 have 32, which no device keeps to.
MAX_NAME = 129


class Name(NamedTuple):
    """An object of a domain; of the whole device where `domain` is empty, of the association where it is "@"."""

    domain: str
    item: str

    def __str__(self) -> str:
        return f"{self.domain}/{self.item}" if self.domain not in ("", "@") else f"{self.domain}{self.item}"


def identifier(content: bytes) -> str:
    """An identifier.

    Raises:
        RemoteProtocolError: it is longer than any name.
    """
    return text(content, MAX_NAME)


def identifier_octets(name: str) -> bytes:
    """An identifier's octets.

    Raises:
        LocalProtocolError: it is empty, too long, or not of visible characters.
    """
    if not name or len(name) > MAX_NAME or not name.isascii() or not name.isprintable():
        raise LocalProtocolError(f"{name!r} is no identifier")
    return name.encode("ascii")


def decode_name(element: Element) -> Name:
    """An ObjectName; raises as `identifier`."""
    if element.tag == _DOMAIN:
        parts = elements(element.content, 2)
        if len(parts) != 2:
            raise broken("the name of a domain's object has two parts")
        return Name(identifier(parts[0].content), identifier(parts[1].content))
    if element.tag in (_VMD, _ASSOCIATION):
        return Name("" if element.tag == _VMD else "@", identifier(element.content))
    raise broken(f"{element.tag:#x} is no name")


def encode_name(name: Name) -> bytes:
    """An ObjectName; raises as `identifier_octets`."""
    item = identifier_octets(name.item)
    if name.domain in ("", "@"):
        return tlv(_ASSOCIATION if name.domain else _VMD, item)
    return tlv(_DOMAIN, tlv(_IDENTIFIER, identifier_octets(name.domain)), tlv(_IDENTIFIER, item))


def decode_variables(content: bytes, limit: int) -> tuple[Name, ...]:
    """A list of variables; only those that go by name, whole, are taken.

    Raises:
        RemoteProtocolError: more than `limit`, or one that is addressed otherwise.
    """
    return tuple(
        decode_name(single(required(fields(entry), _VARIABLE, "a variable's name")))
        for _, entry in elements(content, limit)
    )


def encode_variables(names: Sequence[Name]) -> bytes:
    """The members of a list of variables."""
    return b"".join(tlv(0x30, tlv(_VARIABLE, encode_name(name))) for name in names)


def decode_specification(element: Element, limit: int) -> tuple[Name, ...] | Name:
    """A VariableAccessSpecification: variables, or the name of their list; raises as `decode_variables`."""
    if element.tag == _LIST_OF_VARIABLE:
        return decode_variables(element.content, limit)
    if element.tag == _LIST_NAME:
        return decode_name(single(element.content))
    raise broken(f"{element.tag:#x} names no variables")


def encode_specification(what: Sequence[Name] | Name) -> bytes:
    """A VariableAccessSpecification."""
    if isinstance(what, Name):
        return tlv(_LIST_NAME, encode_name(what))
    return tlv(_LIST_OF_VARIABLE, encode_variables(what))
