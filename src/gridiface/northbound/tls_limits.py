"""How long and how many: deadlines and caps of a TLS listener, as values."""

from __future__ import annotations

import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds that a peer may take.

    Attributes:
        handshake: from the TCP connection to the end of the TLS handshake.
        header: from the first byte of a request (for the first one: from the handshake) to the end of its header.
        body: from there to the last byte of its body.
        write: for taking what was sent to it once our buffer is full.
        idle: between two requests; longer than the longest common pollRate, 900 s, so that no poll meets a closing
            connection.
        slowest: octets per second of a long answer that a peer takes at least to be given `write` seconds more.
    """

    handshake: float = 10.0
    header: float = 10.0
    body: float = 12.0
    write: float = 12.0
    idle: float = 960.0
    slowest: float = 8_000.0

    def keeps_up(self, before: int, left: int) -> bool:
        """Whether who had so many octets waiting for it `write` seconds ago, and has these left, took enough."""
        return before - left >= self.write * self.slowest

    @property
    def step(self) -> float:
        """How often the deadlines are looked at, seconds: at most a second late."""
        return max(0.01, min(1.0, min(self.handshake, self.header, self.body, self.write, self.idle) / 4))


@dataclass(frozen=True, slots=True)
class Caps:
    """How many connections there may be at one time.

    Attributes:
        total: in all; lowered to what the process may open (see `usable_total`).
        per_address: from one IPv4 address or one IPv6 /64.
        per_identity: with one certificate.
        identities: LFDI -> own cap, for aggregators that hold many.
        reserved_descriptors: file descriptors that this listener leaves to the rest of the process.
    """

    total: int = 12_000
    per_address: int = 2_000
    per_identity: int = 64
    identities: Mapping[str, int] = field(default_factory=dict)
    reserved_descriptors: int = 128

    def usable_total(self) -> int:
        """`total`, or less where the process may not open so many files; at least one."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return self.total
        return max(1, min(self.total, soft - self.reserved_descriptors))

    def of_identity(self, lfdi: str) -> int:
        """How many connections the certificate with this LFDI may have."""
        return self.identities.get(lfdi, self.per_identity)


def address_key(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one (a subscriber owns all of it)."""
    plain = host.split("%", 1)[0]
    try:
        address = IPv6Address(plain)
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ip_network((address, 64), strict=False))


def is_among(host: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether an address, as a socket tells it, is in one of the networks; a name or a path is in none."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    address = address if mapped is None else mapped
    return any(address in network for network in networks)


class Throttle:
    """Lets through so many a second; counts the rest, so that a flood does not fill the log.

    Args:
        per_second: how many pass in each second.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = -1
        self._passed = 0
        self.dropped = 0

    def passes(self, now: float) -> bool:
        """Whether one more may pass at `now`, seconds on any clock that does not go back."""
        if int(now) != self._second:
            self._second, self._passed = int(now), 0
        if self._passed >= self._per_second:
            self.dropped += 1
            return False
        self._passed += 1
        return True

    def take_dropped(self) -> int:
        """How many were dropped since the last call."""
        dropped, self.dropped = self.dropped, 0
        return dropped
