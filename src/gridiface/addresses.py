"""How far an IP address reaches, where a peer's or an operator's words decide to whom this server connects. Pure.

The registries of special addresses (RFC 6890) that Python's ipaddress holds differ between its versions: 6to4 is
global in 3.12.1 and private in 3.13, 2001:20::/28 the other way round. What may be connected to must not change with
the interpreter, so what differs is decided here.
"""

from __future__ import annotations

import enum
import ipaddress

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_COMPATIBLE = ipaddress.IPv6Network("::/96")

#: Special uses that some versions of Python call global: NAT64 of one network (RFC 8215), IETF protocol assignments
#: with Teredo and ORCHID (RFC 2928), documentation (RFC 9637).
_SPECIAL = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b:1::/48", "2001::/23", "3fff::/20"))


class Scope(enum.Enum):
    """Whom an address reaches."""

    GLOBAL = "anybody in the open network"
    PRIVATE = "somebody in a network of one's own, or of a special use"
    LOOPBACK = "this machine"
    NONE = "nobody who may be connected to: multicast, unspecified, link-local, shared, or no address at all"


def scope_of(text: str) -> Scope:
    """The scope of an address, as text with or without a zone.

    An IPv4 address that an IPv6 address carries is where its packets end: mapped, compatible, 6to4, NAT64 (RFC 6052).
    """
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return Scope.NONE
    return _scope(_carried(found) or found)


def _scope(address: _Address) -> Scope:
    if address.is_multicast or address.is_unspecified or address.is_link_local:
        return Scope.NONE
    if address.is_loopback:
        return Scope.LOOPBACK
    if address.is_private or any(address in network for network in _SPECIAL):
        return Scope.PRIVATE
    return Scope.GLOBAL if address.is_global else Scope.NONE


def _carried(address: _Address) -> ipaddress.IPv4Address | None:
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or (address in _COMPATIBLE and not address.is_loopback and not address.is_unspecified):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour
