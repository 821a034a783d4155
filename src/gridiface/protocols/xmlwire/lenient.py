"""Reading of a peer whose schema is a newer or a looser one than ours.

For whoever cannot answer with a refusal: a server refuses what is wrong and its peer learns of it; a client that reads
could only do without the resource. What is not known is taken out of the document, the order is restored, and then it
is decoded as strictly as ever (`decode_leniently`). For protocols whose peers write every element and not always in its
place: nothing is taken out, elements are put where the declaration has them (`decode_rearranged`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Generic, TypeVar

from lxml import etree

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.xmlwire.declare import FieldSpec, WireObject, WireType, spec_of
from gridiface.protocols.xmlwire.decode import actual_type, decode_element, read_element
from gridiface.protocols.xmlwire.parse import DEFAULT_LIMITS, Limits, parse
from gridiface.protocols.xmlwire.plain import qname
from gridiface.protocols.xmlwire.primitives import Primitive

_T = TypeVar("_T", bound=WireObject)
_Kind = Primitive | type[WireObject]
Assumed = Mapping[type[WireObject], Mapping[str, str]]
"""Text of child elements that may be missing, by class and name."""

#: Notes that are kept of one document.
_MOST_NOTES = 5


@dataclass(slots=True)
class Lenient(Generic[_T]):
    """What was read, and what had to be done for it.

    Attributes:
        value: the object; notes: what is not as the declaration says, the first few; left_out: members of the list that
            cannot be read.
    """

    value: _T
    notes: list[str] = field(default_factory=list)
    left_out: int = 0


def decode_leniently(
    data: bytes,
    expected: type[_T],
    limits: Limits = DEFAULT_LIMITS,
    *,
    members: str = "",
    prepare: Callable[[etree._Element], None] = lambda _root: None,
    assumed: Assumed | None = None,
) -> Lenient[_T]:
    """As `decode`; where that refuses, what is unknown or a bad member of a list is passed over, and order restored.

    Args:
        data: the document.
        expected: type of its root.
        limits: caps, as for `decode`; what is above them is refused.
        members: attribute that holds the members of a list; "": `expected` is none.
        prepare: may complete the root element before it is read for the second time.
        assumed: what is read where something that the schema demands is missing.

    Raises:
        RemoteProtocolError: as `decode` for what cannot be read in this way either.
    """
    root = parse(data, limits)
    try:
        return Lenient(decode_element(root, expected))
    except RemoteProtocolError as problem:
        refused = problem
    cls = spec_of(expected).vocabulary.elements.get(qname(root))
    if cls is None or not issubclass(cls, expected):
        raise refused
    prepare(root)
    tidying = _Tidying(assumed or {})
    tidying.tidy(root, cls)
    left_out = tidying.drop_unreadable(root, spec_of(cls), members) if members else 0
    notes = tidying.notes or [refused.reason]
    return Lenient(decode_element(root, expected), notes[:_MOST_NOTES], left_out)


def decode_rearranged(root: etree._Element, expected: tuple[type[_T], ...]) -> tuple[_T, etree._Element]:
    """As `decode_element`; where that refuses, elements are put in their place and it is tried once more.

    The order of a sequence carries no meaning, and neither does the namespace of an element whose name fits one place
    of its parent only: such elements, of a namespace of this protocol or of none, are read as that one. What is
    missing, doubled, unknown or has a bad value is refused as ever. `root` stays as it is, for its signature.

    Returns:
        the object, and the tree that it was read from: `root` or a copy of it.

    Raises:
        RemoteProtocolError: as `decode_element`, of the document as it came.
    """
    try:
        return decode_element(root, expected), root
    except RemoteProtocolError as problem:
        refused = problem
    copy = deepcopy(root)
    cls = spec_of(expected[0]).vocabulary.elements.get(qname(copy))
    try:
        if cls is not None:
            _rearrange(copy, cls)
        return decode_element(copy, expected), copy
    except RemoteProtocolError:
        raise refused from None


def _rearrange(el: etree._Element, cls: type[WireObject]) -> None:
    spec = spec_of(actual_type(el, cls))
    known, own = _places_of(spec), spec.vocabulary.prefixes
    place, order = 0, []
    for child in el:
        space, local = qname(child)
        if child.tag not in known.table and (not space or space in own):
            child.tag = known.tags.get(local, child.tag)
        found = known.table.get(str(child.tag))
        if found is not None:
            place = found[0]
            _rearrange_inside(child, *found[1:])
        # What is not known here stays behind what it stood behind.
        order.append((place, child))
    if any(before > after for (before, _), (after, _) in pairwise(order)):
        el[:] = [child for _, child in sorted(order, key=lambda one: one[0])]


def _rearrange_inside(el: etree._Element, f: FieldSpec, kind: _Kind) -> None:
    if f.inside is not None:
        local, space = f.inside
        for child in el:
            if qname(child)[1] == local:
                child.tag = f"{{{space}}}{local}"
                el = child
    if not isinstance(kind, Primitive):
        _rearrange(el, kind)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where children of a type belong: by tag, and the tag by what else they may be called."""

    table: dict[str, tuple[int, FieldSpec, _Kind]]
    tags: dict[str, str]


def _places_of(spec: WireType) -> _Places:
    if spec.places is None:
        table = _table(spec)
        spec.places = _Places(table, _tags_by_name(table))
    places: _Places = spec.places
    return places


def _tags_by_name(table: dict[str, tuple[int, FieldSpec, _Kind]]) -> dict[str, str]:
    """Tag of each child by its local name or, in a substitution group, by its type's; only names of one place."""
    found: dict[str, set[str]] = {}
    for tag, (_, f, kind) in table.items():
        types = spec_of(kind).schema_types if isinstance(f.kind, tuple) and not isinstance(kind, Primitive) else ()
        for name in {etree.QName(tag).localname, *types}:
            found.setdefault(name, set()).add(tag)
    return {name: tags.pop() for name, tags in found.items() if len(tags) == 1}


class _Tidying:
    """One pass over a document."""

    def __init__(self, assumed: Assumed) -> None:
        self.notes: list[str] = []
        self._assumed = assumed

    def tidy(self, el: etree._Element, cls: type[WireObject]) -> None:
        """Bring an element to what the declaration of its class has."""
        actual = actual_type(el, cls)
        spec = spec_of(actual)
        self._complete(el, spec.ns, self._assumed.get(actual, {}))
        self._attributes(el, {f"{{{f.ns}}}{f.wire}" if f.ns else f.wire for f in spec.attributes}, spec.ns)
        table = _table(spec)
        own = {f.ns for f in spec.elements} | {spec.ns, ""}
        for child in list(el):
            found = table.get(str(child.tag))
            if found is not None:
                self._child(el, child, *found[1:])
            elif qname(child)[0] in own:
                self._remove(el, child, "is not known")
        places = [(table[str(child.tag)][0] if str(child.tag) in table else len(table), child) for child in el]
        if any(before > after for (before, _), (after, _) in pairwise(places)):
            self._note(el, "its elements are out of order")
            el[:] = [child for _, child in sorted(places, key=lambda place: place[0])]

    def _complete(self, el: etree._Element, ns: str, assumed: Mapping[str, str]) -> None:
        for name, text in assumed.items():
            if el.find(f"{{{ns}}}{name}") is None:
                etree.SubElement(el, f"{{{ns}}}{name}").text = text
                self._note(el, f"{name} is missing, {text} is assumed")

    def _child(self, el: etree._Element, child: etree._Element, f: FieldSpec, kind: _Kind) -> None:
        if isinstance(kind, Primitive):
            self._attributes(child, set(), "")
            return
        try:
            self.tidy(child, kind)
        except RemoteProtocolError as problem:
            if f.required:
                raise
            self._remove(el, child, problem.reason)

    def _attributes(self, el: etree._Element, known: set[str], ns: str) -> None:
        for name in list(el.keys()):
            space, local = etree.QName(str(name)).namespace or "", etree.QName(str(name)).localname
            if str(name) not in known and space in {"", ns}:
                del el.attrib[name]
                self._note(el, f"attribute {local[:40]!a} is not known")

    def drop_unreadable(self, root: etree._Element, spec: WireType, members: str) -> int:
        """Take those members of a list out that cannot be read; how many."""
        table, dropped = _table(spec), 0
        for child in list(root):
            found = table.get(str(child.tag))
            if found is None or found[1].attr != members or isinstance(found[2], Primitive):
                continue
            try:
                read_element(child, found[2])
            except RemoteProtocolError as problem:
                self._remove(root, child, problem.reason)
                dropped += 1
        return dropped

    def _remove(self, parent: etree._Element, child: etree._Element, why: str) -> None:
        self._note(child, why)
        parent.remove(child)

    def _note(self, el: etree._Element, what: str) -> None:
        self.notes.append(f"{ascii(qname(el)[1])[1:-1][:40]}: {what}")


def _table(spec: WireType) -> dict[str, tuple[int, FieldSpec, _Kind]]:
    """Place, field and kind by tag; alternatives of one choice share a place."""
    table: dict[str, tuple[int, FieldSpec, _Kind]] = {}
    place, choice = 0, ""
    for f in spec.elements:
        if not f.choice or f.choice != choice:
            place += 1
        choice = f.choice
        if isinstance(f.kind, tuple):
            table |= {f"{{{spec_of(one).ns}}}{spec_of(one).element}": (place, f, one) for one in f.kind}
        else:
            table[f"{{{f.ns}}}{f.wire}"] = (place, f, f.kind)
    return table
