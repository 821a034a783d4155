"""Documents of peers that speak another edition: pre-2018 namespaces, names and numbers, and CSIP-AUS with a version.

Pure: bytes in, bytes out. A document of a peer is turned into what the 2018 schema says before it is read, and what is
written for that peer is turned back and rid of everything that its edition does not know, because such clients end on
an element they have never seen. What each older edition calls otherwise is editions.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lxml import etree

from gridiface.protocols.sep2.edition_values import INWARD, OUTWARD, Change, local, number, parts
from gridiface.protocols.sep2.editions import (
    E2013,
    E2017,
    LAST_REFERENCE,
    NARROW,
    WIDE,
    Edition,
)
from gridiface.protocols.sep2.primitives import CSIP_AUS, NAMESPACE
from gridiface.protocols.sep2.resources import ELEMENTS
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, Limits, parse, spec_of

DRAFT_2017 = E2017.namespace
EDITION_2013 = E2013.namespace
CSIP_AUS_1_3 = "https://csipaus.org/ns/v1.3"

_AFTER_CATEGORY = frozenset({"LogEventListLink", "PowerStatusLink", "sFDI"})
_OWN_LIMITS = Limits(octets=64 * 1024 * 1024, tags=4_000_000)


@dataclass(frozen=True, slots=True)
class Dialect:
    """One edition.

    Attributes:
        name: for the configuration and for people.
        inward: a document of the peer as one of 2018; outward: the reverse. RemoteProtocolError where it cannot be
            read.
    """

    name: str
    inward: Callable[[bytes], bytes]
    outward: Callable[[bytes], bytes]


def _edition_in(edition: Edition, body: bytes) -> bytes:
    root = parse(body, DEFAULT_LIMITS)
    for el in root.iter():
        name = etree.QName(el)
        if name.namespace == edition.namespace:
            el.tag = f"{{{NAMESPACE}}}{name.localname}"
    back = edition.back
    for el in list(root.iter()):
        kind = _type_of(el)
        _rename(el, back.get(kind, {}))
        if kind == "EndDevice" and all(local(child) != "changedTime" for child in el):
            etree.SubElement(el, f"{{{NAMESPACE}}}changedTime").text = "0"  # the server's to say anyhow
        _change(INWARD, edition, el, kind)
        if kind in back:
            _sort(el, kind)
    etree.cleanup_namespaces(root)
    return etree.tostring(root, encoding="utf-8", xml_declaration=False)


def _edition_out(edition: Edition, body: bytes) -> bytes:
    root = parse(body, _OWN_LIMITS)
    _drop_curves(edition, root)
    _cut(root)
    for el in list(root.iter()):
        kind = _type_of(el)
        unknown = edition.unknown.get(kind, frozenset())
        if int(el.get("all") or 0) > WIDE:
            el.set("all", str(WIDE))
        _change(OUTWARD, edition, el, kind)
        for child in list(el):
            if local(child) in unknown or etree.QName(child).namespace == CSIP_AUS:
                el.remove(child)
    for el in list(root.iter()):
        kind = _type_of(el)
        if kind in edition.renamed:
            _rename(el, edition.renamed[kind])
            if "Device" in kind:
                _place_category(el)
            else:  # these have their elements by their names
                el[:] = sorted(el, key=lambda child: local(child).casefold())
    text = bytes(etree.tostring(root, encoding="utf-8", xml_declaration=False))
    # The namespace is declared once, by the root, and stays the default one: such clients know no prefixes.
    head, end, rest = text.partition(b">")
    return head.replace(f'"{NAMESPACE}"'.encode(), f'"{edition.namespace}"'.encode()) + end + rest


def _type_of(el: Any) -> str:
    """The type by which children are known: that of xsi:type where it is given, else the element's own name."""
    given = el.get("{http://www.w3.org/2001/XMLSchema-instance}type")
    return str(given).rpartition(":")[2] if given else local(el)


def _rename(el: Any, names: Mapping[str, str]) -> None:
    for child in el:
        name = etree.QName(child)
        if name.localname in names:
            child.tag = f"{{{name.namespace}}}{names[name.localname]}"


def _sort(el: Any, kind: str) -> None:
    """In the draft renamed elements stand elsewhere; unknown ones are left out."""
    places = {f.wire: place for place, f in enumerate(spec_of(ELEMENTS[kind]).elements)}
    known = [child for child in el if local(child) in places]
    for child in list(el):
        el.remove(child)
    el.extend(sorted(known, key=lambda child: places[local(child)]))


def _change(changes: Mapping[str, Change], edition: Edition, el: Any, kind: str) -> None:
    """Write what an element holds as the other edition does."""
    parent = el.getparent()
    change = changes.get(kind) or (changes.get(f"{_type_of(parent)}/{kind}") if parent is not None else None)
    if change is not None:
        change(edition, el)


def _place_category(el: Any) -> None:
    """Renamed, it stands elsewhere: before what follows it by its name."""
    for category in parts(el, "loadShedDeviceCategory"):
        el.remove(category)
        place = next((at for at, child in enumerate(el) if local(child) in _AFTER_CATEGORY), len(el))
        el.insert(place, category)


def _cut(root: Any) -> None:
    """No more members than `results` can count in older editions; the client asks for the next ones."""
    if int(root.get("results") or 0) > NARROW:
        for member in list(root)[NARROW:]:
            root.remove(member)
        root.set("results", str(NARROW))


def _is_unknown(edition: Edition, el: Any) -> bool:
    """Whether it is a curve that has no number, or whose percentages have no base, in an edition."""
    if local(el) != "DERCurve":
        return False
    return any(
        (local(child) == "curveType" and number(child) not in edition.curves)
        or (local(child) == "yRefType" and number(child) > LAST_REFERENCE)
        for child in el
    )


def _drop_curves(edition: Edition, root: Any) -> None:
    """Leave out the curves that the edition cannot say, and do not count them either."""
    gone = [child for child in root if _is_unknown(edition, child)]
    for child in gone:
        root.remove(child)
    if gone and local(root) == "DERCurveList":
        for name in ("all", "results"):
            root.set(name, str(max(0, int(root.get(name, 0)) - len(gone))))


def _replacing(old: str, new: str) -> Callable[[bytes], bytes]:
    before, after = f'"{old}"'.encode(), f'"{new}"'.encode()
    return lambda body: body.replace(before, after)


def _older(edition: Edition) -> Dialect:
    return Dialect(
        name=edition.name,
        inward=lambda body: _edition_in(edition, body),
        outward=lambda body: _edition_out(edition, body),
    )


DIALECTS: Mapping[str, Dialect] = {
    "2017": _older(E2017),
    "2013": _older(E2013),
    "csipaus-1.3": Dialect(
        "csipaus-1.3", inward=_replacing(CSIP_AUS_1_3, CSIP_AUS), outward=_replacing(CSIP_AUS, CSIP_AUS_1_3)
    ),
}
"""By name."""

_SIGNS = (
    (f'"{DRAFT_2017}"'.encode(), "2017"),
    (f'"{EDITION_2013}"'.encode(), "2013"),
    (f'"{CSIP_AUS_1_3}"'.encode(), "csipaus-1.3"),
)
_STANDARD = f'"{NAMESPACE}"'.encode()


def recognised(body: bytes) -> str | None:
    """The dialect of a document by the namespaces it names: a name of DIALECTS, "" for plain 2018, None for neither."""
    head = body[:4096].replace(b"'", b'"')
    found = next((name for sign, name in _SIGNS if sign in head), None)
    return found if found is not None else ("" if _STANDARD in head else None)
