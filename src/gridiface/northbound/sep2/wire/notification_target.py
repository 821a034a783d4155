"""Where a notification may be sent: the guard against being made to call arbitrary machines. Pure.

A notificationURI is the client's choice, so only https (http too where a trial allows it) to a host that is the
subscriber itself or that the operator named is taken, on a port of its own, at an address of the open network unless
private ones are allowed. Does not resolve names: the client (notifier.py) asks `allowed_address` for each address that
a name has.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from gridiface.addresses import Scope, scope_of
from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.enums import ErrorReason

_LONGEST = 1024
_PORTS = {"https": 443, "http": 80}
_LOWEST_FREE_PORT = 1024

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRules:
    """Where notifications may go.

    Attributes:
        hosts: names or addresses that the operator allows beside the subscriber's own address.
        private_addresses: whether addresses of private networks are taken.
        loopback: whether this machine is taken; for tests only.
        plain: whether http is taken beside https; for tests only.
    """

    hosts: frozenset[str] = frozenset()
    private_addresses: bool = False
    loopback: bool = False
    plain: bool = False


def check_target(uri: str, peer: str, rules: TargetRules) -> None:
    """Check a notificationURI of a subscriber that connects from the address `peer`.

    Raises:
        RemoteProtocolError: 400, reason 1.
    """
    try:
        parts = urlsplit(uri)
        usual = _PORTS.get(parts.scheme, 0)
        host, port = (parts.hostname or "").lower(), parts.port if parts.port is not None else usual
    except ValueError:
        raise _refused("it is no URI") from None
    if len(uri) > _LONGEST or not uri.isascii() or any(c <= " " for c in uri):
        raise _refused("it is no URI")
    if (parts.scheme != "https" and not (rules.plain and parts.scheme == "http")) or not host:
        raise _refused("it must be an absolute https URI")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise _refused("it must name neither a user nor a fragment")
    if port != usual and port < _LOWEST_FREE_PORT:
        raise _refused(f"its port is neither {usual} nor above 1023")
    address = _address(host)
    if host not in rules.hosts and (address is None or address != _address(peer)):
        raise _refused("its host is neither the subscriber's own address nor one that the operator allows")
    if address is not None and not allowed_address(host, rules):
        raise _refused("its address is not allowed")


def allowed_address(text: str, rules: TargetRules) -> bool:
    """Whether a connection to an address may be made; of one that carries an IPv4 address that one counts."""
    match scope_of(text):
        case Scope.GLOBAL:
            return True
        case Scope.PRIVATE:
            return rules.private_addresses
        case Scope.LOOPBACK:
            return rules.loopback
        case Scope.NONE:
            return False


def _address(text: str) -> _Address | None:
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _refused(reason: str) -> RemoteProtocolError:
    return RemoteProtocolError(f"notificationURI: {reason}", detail=ErrorReason.INVALID_VALUES)
