"""Hardened parsing: untrusted bytes -> an element tree, or RemoteProtocolError.

Owns the caps and the refusal of everything an XML attack needs (DOCTYPE, entities, other encodings, depth).
Does not know any wire type: decode.py does.
"""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gridiface.errors import RemoteProtocolError

BAD_FORMAT = 0
BAD_VALUES = 1
_DEEPEST = 32
_TOO_DEEP = etree.XPath("boolean(" + "/*" * (_DEEPEST + 1) + ")")
_BOM = b"\xef\xbb\xbf"
# A DOCTYPE inside a comment is harmless, but no honest peer sends one, and looking before parsing needs no parser.
_FORBIDDEN = (b"<!DOCTYPE", b"<!ENTITY")
_PARSER = etree.XMLParser(
    encoding="utf-8",
    resolve_entities=False,
    no_network=True,
    huge_tree=False,
    load_dtd=False,
    dtd_validation=False,
    remove_comments=True,
    remove_pis=True,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on a document from a peer.

    Attributes:
        octets: size of the document.
        tags: opening and closing tags together; bounds the number of elements before anything is parsed.
    """

    octets: int = 256 * 1024
    tags: int = 32_768


DEFAULT_LIMITS = Limits()


def parse(data: bytes, limits: Limits = DEFAULT_LIMITS) -> etree._Element:
    """Parse `data` into an element tree without comments, processing instructions or entities.

    Raises:
        RemoteProtocolError: answer 413 above a cap, 400 (detail 0) when it is not plain, well-formed UTF-8 XML.
    """
    if len(data) > limits.octets:
        raise RemoteProtocolError(f"body is larger than {limits.octets} octets", answer=413, detail=BAD_FORMAT)
    if data.count(b"<") > limits.tags:
        raise RemoteProtocolError(f"body has more than {limits.tags} tags", answer=413, detail=BAD_FORMAT)
    if any(word in data for word in _FORBIDDEN):
        raise RemoteProtocolError("a DOCTYPE is not accepted", detail=BAD_FORMAT)
    if not data.strip():
        raise RemoteProtocolError("body is empty", detail=BAD_FORMAT)
    try:
        root = etree.fromstring(data.removeprefix(_BOM), _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise RemoteProtocolError(f"not well-formed XML: {str(error)[:120]}", detail=BAD_FORMAT) from None
    if _TOO_DEEP(root):
        raise RemoteProtocolError(f"elements are nested deeper than {_DEEPEST}", detail=BAD_FORMAT)
    return root
