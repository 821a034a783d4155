"""What the DNP3 adapter is told at start: outstations, their masters, and where they are reached. Plain values.

Owns names, defaults and the checks that need nothing else. Reading a configuration file is the app's business; the
meaning of points is points.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path

from gridiface.domain.controls import Target
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.tls_limits import is_among
from gridiface.pki.contexts import KeyPair
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, User
from gridiface.protocols.dnp3.outstation.settings import UnsolicitedSettings

Network = IPv4Network | IPv6Network


class Transport(StrEnum):
    """What carries the link frames."""

    TCP = "tcp"
    TLS = "tls"
    UDP = "udp"
    SERIAL = "serial"


class Mode(StrEnum):
    """Who opens the connection (IEEE 1815 clause 13)."""

    LISTEN = "listen"
    CONNECT = "connect"
    DUAL = "dual"  # listens, and connects while the master does not


class NewConnection(StrEnum):
    """What happens when a connection comes while another is open."""

    SEVERAL = "several"  # each master has its own; a master that comes again takes over its association
    REPLACE = "replace"  # the new one stays, the old ones are closed
    REFUSE = "refuse"  # the old one stays


class StaleFlags(StrEnum):
    """How a value that is known but doubtful is flagged."""

    ONLINE = "online"
    RESTART = "restart"
    LOCAL_FORCED = "local_forced"
    COMM_LOST = "comm_lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPolicy:
    """Flags by quality. A lost source is always COMM_LOST without ONLINE.

    Attributes:
        stale: telemetry older than the engine allows.
        estimated: a total in which some members are missing, or a value derived from others.
        substituted: a value that somebody put in.
        disabled_offline: inputs of a function that is disabled are without ONLINE (IEEE 1815.2, 6.1.1); for a master
            that discards such values, and so could not check a setting before it enables the function, switch it off.
    """

    stale: StaleFlags = StaleFlags.LOCAL_FORCED
    estimated: StaleFlags = StaleFlags.COMM_LOST
    substituted: StaleFlags = StaleFlags.LOCAL_FORCED
    disabled_offline: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class MasterEntry:
    """One master that an outstation serves.

    Attributes:
        name: for logs, and part of the identity of its controls.
        address: its link address.
        authority: of its controls; larger wins (domain.controls.Source).
        may_control: False: every command is answered NOT_AUTHORIZED.
        sources: networks it may come from; empty: any.
        fingerprints: SHA-256 of its certificates, 64 upper-case hex digits; with `names` the allow-list under TLS.
        names: common names or DNS names of its certificates.
        unsolicited: None: never reports unasked.
        confirm_timeout_s, select_timeout_s: seconds.
        max_fragment: octets of a fragment sent to it, 249 to 65535.
        max_controls: objects in one control request.
        event_capacity: events kept per class.
        drop_oldest: which event a full class loses.
        need_time: whether IIN1.4 asks it for the time.
        time_sync_interval_s: after which IIN1.4 asks again; None: never.
    """

    name: str
    address: int
    authority: float = 0.0
    may_control: bool = True
    sources: tuple[Network, ...] = ()
    fingerprints: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    unsolicited: UnsolicitedSettings | None = None
    confirm_timeout_s: float = 5.0
    select_timeout_s: float = 10.0
    max_fragment: int = 2048
    max_controls: int = 64
    event_capacity: int = 10_000
    drop_oldest: bool = True
    need_time: bool = False
    time_sync_interval_s: float | None = None

    def may_come_from(self, host: str) -> bool:
        """Whether an IP address is in its list; a name or path that is no address is only in an empty list."""
        return not self.sources or is_among(host, self.sources)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecureAuthentication:
    """Secure authentication (SAv5) of an outstation's masters.

    Attributes:
        settings: algorithms, times and limits.
        users: who may authenticate, with their update keys.
        masters: names of the masters that are challenged; empty: all.
    """

    settings: AuthenticationSettings
    users: tuple[User, ...] = field(repr=False)
    masters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationSettings:
    """One outstation.

    Attributes:
        name: unique; part of the ids of its controls and of its durable documents.
        address: its link address.
        target: the group or device that its points and commands mean where they name none.
        points: index -> meaning.
        masters: at least one.
        quality: flags by quality.
        out_of_range_above_ratings: a set-point that can only be carried out in part is refused with OUT_OF_RANGE
            instead of being accepted with the feasible value in its read-back.
        local: starts in local mode: commands are answered LOCAL and IIN1.5 is set.
        restart_s: seconds that COLD_RESTART and WARM_RESTART announce; None: both are refused.
        deadband_writes: whether masters may change dead-bands (g34).
        keep_alive_s, link_timeout_s: link status probe after silence; None: never.
        self_address: whether requests to 0xFFFC are answered.
        description: device attributes (g0) by variation.
        authentication: None: no master is challenged.
        files: whether masters that may control can read the device profile, the frame log and the configuration of the
            points by file transfer.
        configuration_writes: whether they can write that configuration, and activate it.
    """

    name: str
    address: int
    target: Target
    points: PointMap
    masters: tuple[MasterEntry, ...]
    quality: QualityPolicy = field(default_factory=QualityPolicy)
    out_of_range_above_ratings: bool = False
    local: bool = False
    restart_s: float | None = None
    deadband_writes: bool = True
    keep_alive_s: float | None = 60.0
    link_timeout_s: float = 5.0
    self_address: bool = False
    description: dict[int, str | int | float | bytes] = field(default_factory=dict)
    authentication: SecureAuthentication | None = None
    files: bool = False
    configuration_writes: bool = False

    def __post_init__(self) -> None:
        if not self.masters:
            raise ConfigError(f"outstation {self.name}: it needs at least one master")
        _once(f"outstation {self.name}: master addresses", [str(master.address) for master in self.masters])
        names = [master.name for master in self.masters]
        _once(f"outstation {self.name}: master names", names)
        if self.authentication is not None:
            unknown = sorted(set(self.authentication.masters) - set(names))
            if unknown:
                raise ConfigError(f"outstation {self.name}: authentication names no master {unknown[0]!r}")
            _once(f"outstation {self.name}: user numbers", [str(user.number) for user in self.authentication.users])


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """Keys and trust of one end point; TLS 1.2 and 1.3, certificates on both sides (IEC 62351-3)."""

    key_pair: KeyPair
    roots: tuple[Path, ...]
    revocation_list: Path | None = None
    crls: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SerialSettings:
    """A serial line.

    Attributes:
        port: device file, for example /dev/ttyUSB0.
        baud_rate, data_bits, parity, stop_bits: as the master's; DNP3 uses 8 bits, no parity, 1 stop bit.
        flow_control: "none" or "hardware" (RTS and CTS).
        rs485: the driver switches the sender by RTS, for two-wire lines.
    """

    port: str
    baud_rate: int = 9600
    data_bits: int = 8
    parity: str = "none"
    stop_bits: float = 1
    flow_control: str = "none"
    rs485: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadlines:
    """Seconds that a peer may take.

    Attributes:
        handshake: from the TCP connection to the end of the TLS handshake.
        first_frame: from there to the first link frame of a configured master.
        idle: without any octet; longer than keep-alive, which asks before.
        write: for taking what was sent to it once our buffer is full.
        reconnect: first pause between attempts of a connecting end point; doubles up to `reconnect_most`.
    """

    handshake: float = 10.0
    first_frame: float = 30.0
    idle: float = 900.0
    write: float = 20.0
    reconnect: float = 1.0
    reconnect_most: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSettings:
    """Where one or several outstations are reached, or whom they call.

    Attributes:
        host, port: to listen on (port 0: any free one).
        stations: names of the outstations behind it; empty: all.
        transport: TLS needs `tls`.
        mode: UDP only listens.
        peer: (host, port) of the master, for CONNECT and DUAL; over UDP the IP address to which it is told unasked
            before it spoke, or None: it is told nothing before.
        tls: keys and trust.
        serial: the line, for SERIAL; masters with a list of `sources` are not reached there.
        new_connection: policy.
        connections: open at once, in all and from one address.
    """

    host: str = "127.0.0.1"
    port: int = 20_000
    stations: tuple[str, ...] = ()
    transport: Transport = Transport.TCP
    mode: Mode = Mode.LISTEN
    peer: tuple[str, int] | None = None
    tls: TlsSettings | None = None
    serial: SerialSettings | None = None
    new_connection: NewConnection = NewConnection.SEVERAL
    connections: int = 64
    connections_per_address: int = 8
    deadlines: Deadlines = field(default_factory=Deadlines)

    def __post_init__(self) -> None:
        where = f"end point {self.place}"
        if (self.transport is Transport.SERIAL) != (self.serial is not None):
            raise ConfigError(f"{where}: transport serial and a serial block belong together")
        if self.serial is not None and self.mode is not Mode.LISTEN:
            raise ConfigError(f"{where}: on a serial line there is nobody to call")
        if (self.transport is Transport.TLS) != (self.tls is not None):
            raise ConfigError(f"{where}: transport tls and a tls block belong together")
        if self.transport is Transport.UDP:
            self._check_datagrams(where)
        elif (self.mode is Mode.LISTEN) != (self.peer is None):
            raise ConfigError(f"{where}: modes connect and dual need the master's address, listen has none")

    def _check_datagrams(self, where: str) -> None:
        if self.mode is not Mode.LISTEN:
            raise ConfigError(f"{where}: over UDP an outstation listens")
        if self.peer is not None:
            try:
                ip_address(self.peer[0])
            except ValueError:
                raise ConfigError(f"{where}: over UDP the master's place is an IP address and a port") from None

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return self.serial.port if self.serial is not None else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dnp3Settings:
    """Everything the adapter needs beside its ports.

    Attributes:
        refresh_s: period in which the fleet's state is written into the points.
        ratings_s: period in which ratings of the fleet are summed up anew.
        journal_frames: frames kept in memory, decoded on demand; 0: none.
        store_pause_s: after the store failed, commands are refused without trying it for so long.
    """

    stations: tuple[StationSettings, ...]
    endpoints: tuple[EndpointSettings, ...]
    refresh_s: float = 1.0
    ratings_s: float = 10.0
    journal_frames: int = 2000
    store_pause_s: float = 5.0

    def __post_init__(self) -> None:
        _once("outstations", [station.name for station in self.stations])
        names = {station.name for station in self.stations}
        for endpoint in self.endpoints:
            unknown = sorted(set(endpoint.stations) - names)
            if unknown:
                raise ConfigError(f"end point {endpoint.place}: no outstation {unknown[0]!r}")
            behind = [s for s in self.stations if not endpoint.stations or s.name in endpoint.stations]
            _once(f"end point {endpoint.place}: link addresses", [str(s.address) for s in behind])
            if endpoint.transport is Transport.TLS:
                _need_identities(behind)


def _need_identities(stations: Iterable[StationSettings]) -> None:
    for station in stations:
        for master in station.masters:
            if not master.fingerprints and not master.names:
                raise ConfigError(
                    f"outstation {station.name}, master {master.name}: under TLS it needs `fingerprints` or `names` "
                    "of its certificates; any certificate of the trusted roots would do otherwise"
                )


def _once(what: str, names: list[str]) -> None:
    doubled = [name for name, count in Counter(names).items() if count > 1]
    if doubled:
        raise ConfigError(f"{what}: {doubled[0]} is there twice")
