"""The Basic Encoding Rules (X.690) as far as the upper layers need them: elements, lengths, the simple types.

Owns bounds: depth, counts and lengths are checked before anything is taken. Not owned: what an element means.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gridiface.errors import LocalProtocolError, RemoteProtocolError

CONSTRUCTED = 0x20

#: Levels of nesting that are followed; the initiate service negotiates far fewer.
MAX_DEPTH = 20
#: Elements in one list; a message of 65,535 octets cannot hold more of two octets each.
MAX_ELEMENTS = 32_768
_MAX_LENGTH_OCTETS = 4
_MAX_INTEGER_OCTETS = 9


class Element(NamedTuple):
    """One element: its identifier octets read as a number (0xA1, 0xBF4D), and its content."""

    tag: int
    content: bytes


def broken(reason: str) -> RemoteProtocolError:
    """The error for octets that break a rule; the text is for the log."""
    return RemoteProtocolError(reason)


# Reading -----------------------------------------------------------------------------------------------------------


def elements(data: bytes, limit: int = MAX_ELEMENTS) -> list[Element]:
    """All elements, one behind the other, that fill `data`.

    Raises:
        RemoteProtocolError: they do not fill it, or there are more than `limit`.
    """
    found: list[Element] = []
    at = 0
    while at < len(data):
        if len(found) >= limit:
            raise broken(f"more than {limit} elements")
        element, at = _take(data, at, 0)
        found.append(element)
    return found


def single(data: bytes) -> Element:
    """The one element that fills `data`.

    Raises:
        RemoteProtocolError: there is none, or more.
    """
    found = elements(data, 2)
    if len(found) != 1:
        raise broken(f"{len(found)} elements where one belongs")
    return found[0]


def first(data: bytes) -> tuple[Element, bytes]:
    """The first element and what follows it; raises as `elements`."""
    element, at = _take(data, 0, 0)
    return element, data[at:]


def fields(data: bytes) -> dict[int, bytes]:
    """A SEQUENCE or SET whose tags are all different, by tag.

    Raises:
        RemoteProtocolError: a tag comes twice.
    """
    found: dict[int, bytes] = {}
    for tag, content in elements(data, 64):
        if tag in found:
            raise broken(f"element {tag:#x} comes twice")
        found[tag] = content
    return found


def required(found: dict[int, bytes], tag: int, what: str) -> bytes:
    """A field that must be there.

    Raises:
        RemoteProtocolError: it is not.
    """
    content = found.get(tag)
    if content is None:
        raise broken(f"{what} is missing")
    return content


def _take(data: bytes, at: int, depth: int) -> tuple[Element, int]:
    tag, at = _identifier(data, at)
    if at >= len(data):
        raise broken("an element ends before its length")
    length = data[at]
    at += 1
    if length == 0x80:
        return _indefinite(data, tag, at, depth)
    if length > 0x80:
        octets = length & 0x7F
        if octets > _MAX_LENGTH_OCTETS or at + octets > len(data):
            raise broken("a length that cannot be")
        length = int.from_bytes(data[at : at + octets], "big")
        at += octets
    if at + length > len(data):
        raise broken(f"an element of {length} octets where {len(data) - at} are left")
    return Element(tag, data[at : at + length]), at + length


def _identifier(data: bytes, at: int) -> tuple[int, int]:
    if at >= len(data):
        raise broken("nothing where an element belongs")
    tag = data[at]
    at += 1
    if tag & 0x1F != 0x1F:
        return tag, at
    for _ in range(2):
        if at >= len(data):
            break
        tag = tag << 8 | data[at]
        at += 1
        if not tag & 0x80:
            return tag, at
    raise broken("a tag number that no layer uses")


def _indefinite(data: bytes, tag: int, start: int, depth: int) -> tuple[Element, int]:
    """An element that is ended by two zero octets (X.690 clause 8.1.3.6)."""
    if depth >= MAX_DEPTH or not data[start - 2 : start - 1] or not _first_octet(tag) & CONSTRUCTED:
        raise broken("an indefinite length where none may be")
    parts: list[bytes] = []
    at = start
    while data[at : at + 2] != b"\0\0":
        if len(parts) >= MAX_ELEMENTS:
            raise broken("an indefinite length without end")
        inner, at = _take(data, at, depth + 1)
        parts.append(tlv(inner.tag, inner.content))
    return Element(tag, b"".join(parts)), at + 2


def _first_octet(tag: int) -> int:
    while tag > 0xFF:
        tag >>= 8
    return tag


def integer(content: bytes) -> int:
    """A signed number of at most 64 bits.

    Raises:
        RemoteProtocolError: it has no octets, or too many.
    """
    if not 0 < len(content) <= _MAX_INTEGER_OCTETS:
        raise broken(f"a number of {len(content)} octets")
    return int.from_bytes(content, "big", signed=True)


def unsigned(content: bytes) -> int:
    """A number that is not negative; also one whose sender left the leading zero out."""
    if not 0 < len(content) <= _MAX_INTEGER_OCTETS:
        raise broken(f"a number of {len(content)} octets")
    return int.from_bytes(content, "big")


def boolean(content: bytes) -> bool:
    """A truth value."""
    if len(content) != 1:
        raise broken(f"a truth value of {len(content)} octets")
    return content != b"\0"


def text(content: bytes, limit: int = 65_535) -> str:
    """A string of visible characters; others become the replacement character, so that a log line stays one."""
    if len(content) > limit:
        raise broken(f"a string of {len(content)} octets, at most {limit} are taken")
    return "".join(c if c.isprintable() else "\ufffd" for c in content.decode("utf-8", "replace"))


def bits(content: bytes) -> str:
    """A bit string as a text of 0 and 1, bit 0 first."""
    if not content or content[0] > 7 or (content[0] and len(content) == 1):
        raise broken("a bit string whose unused bits cannot be")
    whole = "".join(f"{octet:08b}" for octet in content[1:])
    return whole[: len(whole) - content[0]]


# Writing -----------------------------------------------------------------------------------------------------------


def tlv(tag: int, *content: bytes) -> bytes:
    """One element of a definite length."""
    body = b"".join(content)
    head = tag.to_bytes(max(1, (tag.bit_length() + 7) // 8), "big")
    size = len(body)
    if size < 0x80:
        return head + bytes((size,)) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return head + bytes((0x80 | len(octets),)) + octets + body


def signed_octets(value: int) -> bytes:
    """The fewest octets of a signed number.

    Raises:
        LocalProtocolError: it has more than 64 bits.
    """
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    if size > _MAX_INTEGER_OCTETS:
        raise LocalProtocolError(f"{value} does not fit into 64 bits")
    return value.to_bytes(size, "big", signed=True)


def number(tag: int, value: int) -> bytes:
    """An element that holds a number."""
    return tlv(tag, signed_octets(value))


def bit_octets(value: str) -> bytes:
    """The content of a bit string.

    Raises:
        LocalProtocolError: other characters than 0 and 1.
    """
    if set(value) - {"0", "1"}:
        raise LocalProtocolError(f"{value!r} is no bit string")
    unused = -len(value) % 8
    padded = value + "0" * unused
    return bytes((unused,)) + bytes(int(padded[at : at + 8], 2) for at in range(0, len(padded), 8))


def oid(text_form: str) -> bytes:
    """The content of an object identifier, from its usual form 1.0.9506.2.3."""
    arcs = [int(arc) for arc in text_form.split(".")]
    return b"".join(_arc(arc) for arc in (40 * arcs[0] + arcs[1], *arcs[2:]))


def _arc(value: int) -> bytes:
    octets = [value & 0x7F]
    while value := value >> 7:
        octets.append(0x80 | value & 0x7F)
    return bytes(reversed(octets))


def sequence(tag: int, parts: Iterable[bytes]) -> bytes:
    """An element that holds others."""
    return tlv(tag, *parts)
