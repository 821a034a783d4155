"""The links that resources hold, what lies behind them by their names, and how two paths are compared. Pure.

Does not own which links are followed, nor when (polling.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from gridiface.protocols.sep2.resources import ELEMENTS, Link
from gridiface.protocols.xmlwire import WireObject, spec_of

_PREFIXES = ("Active", "Associated", "Current")
_LINK_FIELDS: dict[type[WireObject], tuple[tuple[str, str], ...]] = {}


def without_paging(target: str) -> str:
    """A list's own path, with what its server put into the query, without the part of it that was asked for."""
    path, _, query = target.partition("?")
    kept = [part for part in query.split("&") if part and part.partition("=")[0] not in {"s", "l", "a"}]
    return f"{path}?{'&'.join(kept)}" if kept else path


def without_default_port(authority: str) -> str:
    """host[:port] in the form in which two of the same server are alike."""
    return authority.lower().removesuffix(":443")


def links_of(resource: WireObject) -> Iterator[tuple[str, Link]]:
    """The links that a resource itself holds, by element name."""
    for attr, name in _link_fields(type(resource)):
        link = getattr(resource, attr)
        if link is not None:
            yield name, link


def _link_fields(cls: type[WireObject]) -> tuple[tuple[str, str], ...]:
    if cls not in _LINK_FIELDS:
        _LINK_FIELDS[cls] = tuple(
            (f.attr, f.wire)
            for f in spec_of(cls).elements
            if isinstance(f.kind, type) and issubclass(f.kind, Link) and f.wire.endswith("Link")
        )
    return _LINK_FIELDS[cls]


@cache
def kind_of_link(name: str) -> type[WireObject] | None:
    """The type behind a link element: DERControlListLink -> DERControlList, ActiveDERControlListLink as well."""
    target = name.removesuffix("Link")
    if target not in ELEMENTS:
        target = next((target.removeprefix(p) for p in _PREFIXES if target.startswith(p)), target)
    return ELEMENTS.get(target)
