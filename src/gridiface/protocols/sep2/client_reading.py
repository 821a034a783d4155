"""What a server may leave out or write in another way, settled once before anybody reads it.

References may be relative to the document that holds them (RFC 3986), and an EndDevice needs no lFDI beside its sFDI.
A server of a later edition shows elements that this one does not have, which are passed over; so is a member of a list
that cannot be read, since the others count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urljoin

from lxml import etree

from gridiface.protocols.sep2.resources import EndDevice, EventStatus, Link, List, Registration, SubscribableList, Time
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, Lenient, Limits, WireObject, decode_leniently, spec_of
from gridiface.protocols.xmlwire.lenient import Assumed

# What servers in the field leave out although it is demanded, and what can be meant then. Who does not say how good
# its time is claims nothing, and that is quality 7; all else here decides nothing.
_ASSUMED: Assumed = {
    Time: {"dstEndTime": "0", "dstOffset": "0", "dstStartTime": "0", "quality": "7", "tzOffset": "0"},
    EndDevice: {"changedTime": "0"},
    Registration: {"dateTimeRegistered": "0"},
    EventStatus: {"potentiallySuperseded": "false"},
}
_REFERENCES = ("href", "replyTo")
_links: dict[type[WireObject], tuple[str, ...]] = {}


def read(body: bytes, kind: type[WireObject], limits: Limits = DEFAULT_LIMITS) -> Lenient[WireObject]:
    """A server's answer as a resource.

    Raises:
        RemoteProtocolError: it is not that resource, or nothing of it can be read.
    """
    if not issubclass(kind, List | SubscribableList):
        return decode_leniently(body, kind, limits, assumed=_ASSUMED)
    return decode_leniently(body, kind, limits, members="members", prepare=_count, assumed=_ASSUMED)


def _count(listed: etree._Element) -> None:
    """A list that does not say how many members it has, has those that it shows."""
    for name in ("all", "results"):
        listed.set(name, listed.get(name) or str(len(listed)))


def settle(value: WireObject, base: str, lfdis: Mapping[int, str]) -> None:
    """Make every reference of a document absolute, and name the end devices that are known by their SFDI.

    Args:
        value: the document; changed in place.
        base: path that it was read from.
        lfdis: SFDI -> LFDI of the devices that matter.
    """
    for holder in (value, *getattr(value, "members", ())):
        control = getattr(holder, "derControlBase", None)
        for link in (*_links_of(holder), *(() if control is None else _links_of(control))):
            link.href = _absolute(link.href, base)
        for name in _REFERENCES:
            given = getattr(holder, name, None)
            if given is not None:
                setattr(holder, name, _absolute(given, base))
        if isinstance(holder, EndDevice) and holder.lFDI is None:
            holder.lFDI = lfdis.get(holder.sFDI)


def _absolute(reference: str, base: str) -> str:
    if reference.startswith("/") or ":" in reference.partition("/")[0]:
        return reference
    try:
        return urljoin(base, reference)
    except ValueError:
        return reference


def _links_of(holder: WireObject) -> Iterator[Link]:
    kind = type(holder)
    if kind not in _links:
        _links[kind] = tuple(
            f.attr for f in spec_of(kind).elements if isinstance(f.kind, type) and issubclass(f.kind, Link)
        )
    for name in _links[kind]:
        link = getattr(holder, name)
        if link is not None:
            yield link
