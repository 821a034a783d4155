"""What one session with a utility's server is told at start: plain values. Reading a configuration is the app's."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.pki.identity import sfdi_from_lfdi
from gridiface.protocols.sep2.client_config import FOLLOWED_LINKS, ClientConfig
from gridiface.protocols.sep2.polling import Backoff
from gridiface.protocols.sep2.server_clock import SAFE_QUALITIES

LINKS = FOLLOWED_LINKS | {"MirrorUsagePointListLink"}
"""What an aggregator reads of a server."""


class Listener(Protocol):
    """What is needed of a TLS listener (northbound.tls_listener.TlsListener)."""

    async def start(self, host: str, port: int) -> None:
        """Listen."""
        ...

    def stop_accepting(self) -> None:
        """Take no new connections."""
        ...

    async def close(self) -> None:
        """End all connections."""
        ...

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One device or group that the session stands for at the server.

    Attributes:
        lfdi: under which the server knows it, 40 upper-case hex digits.
        target: the fleet's device or group.
        category: deviceCategory bits to register it with; 0: none.
        connection_point: identifier of its connection point, told where the server asks for it (CSIP-AUS); "": none.
    """

    lfdi: str
    target: Target
    category: int = 0
    connection_point: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """Notifications of senders that show no certificate: reasons to look at a resource, never content.

    Attributes:
        sources: networks that they come from.
        per_minute: so many are taken.
        most_octets: of a body.
    """

    sources: tuple[IPv4Network | IPv6Network, ...]
    per_minute: int = 600
    most_octets: int = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationListen:
    """Where the server's notifications come in.

    Attributes:
        host, port: what is listened on; port 0 takes any free one.
        uri: what the server is told to call, without the part that names the subscription; "": made of the above.
        listener: makes the TLS listener for the HTTP server.
        renew_s: subscriptions are made anew this often.
        slow_poll_s: what is subscribed is polled this often all the same.
        hints: what is taken of senders without a certificate; None: nothing, they fail in the handshake.
    """

    host: str
    port: int
    listener: Callable[[Sep2Http], Listener]
    uri: str = ""
    renew_s: float = 72_000.0
    slow_poll_s: float = 3_600.0
    hints: Hints | None = None


#: host:port and path of the DeviceCapability of a server that was looked for; None: nobody answered.
Locate = Callable[[], Awaitable[tuple[str, str] | None]]


@dataclass(frozen=True, slots=True)
class Met:
    """A server whose chain was accepted in a handshake.

    Attributes:
        lfdi: of its certificate; certificate: that in DER.
        ends: when each certificate of both ends' chains ends, s since 1970.
    """

    lfdi: str
    certificate: bytes
    ends: tuple[Instant, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """Everything a session needs beside its ports.

    Attributes:
        name: unique among the sessions; under it its state is kept.
        authority: host:port of the server; dcap: path of its DeviceCapability.
        locate: looks for the server on the local network; then `authority` and `dcap` only stand for what it finds.
        context: makes the TLS context, which judges the server's chain and tells of one that it accepts.
        lfdi, sfdi: of our own certificate.
        pin: what our Registration must show; None does not check.
        servers: LFDIs of certificates that the server may show; empty: any below the roots.
        members: what the session stands for; ours: the own EndDevice's target, if it has one.
        register: whether EndDevices that the server does not list are posted.
        others: authorities that the server may move to.
        authority_base: authority of primacy 0; each step of primacy takes one off. The larger wins.
        notifications: None: everything is polled.
        csip_aus: whether DERs are described with the bit maps of CSIP-AUS.
        post_rate: seconds between readings and statuses where the server names none.
        sample_s: how often the fleet is looked at for the readings of an interval.
        readings_kept: readings that wait for a lost link at most; then the oldest go.
        pen: at the end of our mRIDs.
        qualities, most_offset_s: which Times are safe.
        shortest_poll_s: no resource is polled more often.
        timeout_s: of a whole request; answer_bytes: largest answer that is read.
        parallel: requests under way at once.
        retry_refused_s: a server that showed the wrong PIN is looked at again after this time.
    """

    name: str
    authority: str
    context: Callable[[Callable[[Met], None]], ssl.SSLContext]
    lfdi: str
    sfdi: int
    members: tuple[Member, ...]
    dcap: str = "/dcap"
    locate: Locate | None = None
    ours: Target | None = None
    pin: int | None = None
    servers: frozenset[str] = frozenset()
    register: bool = False
    others: frozenset[str] = frozenset()
    authority_base: float = 255.0
    notifications: NotificationListen | None = None
    csip_aus: bool = False
    post_rate: int = 300
    sample_s: float = 5.0
    readings_kept: int = 100_000
    pen: int = 0
    qualities: frozenset[int] = SAFE_QUALITIES
    most_offset_s: float | None = None
    shortest_poll_s: float = 1.0
    timeout_s: float = 30.0
    answer_bytes: int = 4 * 1024 * 1024
    parallel: int = 4
    retry_refused_s: float = 900.0
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def targets(self) -> Mapping[str, Target]:
        """LFDI -> what it is in the fleet."""
        own = {} if self.ours is None else {self.lfdi: self.ours}
        return {**own, **{member.lfdi: member.target for member in self.members}}

    @property
    def space(self) -> str:
        """Where the session keeps its documents, before the kind."""
        return f"sep2-upstream/{self.name}"


def client_config(settings: UpstreamSettings) -> ClientConfig:
    """What the client core of a session is told."""
    return ClientConfig(
        lfdi=settings.lfdi,
        sfdi=settings.sfdi,
        authority=settings.authority,
        dcap=settings.dcap,
        pin=settings.pin,
        managed=frozenset(member.lfdi for member in settings.members),
        register=settings.register,
        sfdis={member.lfdi: sfdi_from_lfdi(bytes.fromhex(member.lfdi)) for member in settings.members},
        categories={member.lfdi: member.category for member in settings.members},
        links=LINKS,
        answers=False,
        others=settings.others,
        qualities=settings.qualities,
        most_offset=settings.most_offset_s,
        parallel=settings.parallel,
        backoff=settings.backoff,
    )
