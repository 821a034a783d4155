"""What the IEEE 2030.5 server is told at start: plain values, no defaults that read the machine.

Owns names, defaults and the checks that do not need other parts. Reading a configuration file is the app's business.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.fleet import Role
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.credit_tokens import TokenVerifier
from gridiface.northbound.sep2.translate.load_control import LoadLevels
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.northbound.sep2.wire.notifier import Notifier
from gridiface.pki.identity import pin_is_valid

_LFDI = re.compile(r"[0-9A-F]{40}")

#: Seconds; used where `poll_rates` does not name a resource.
DEFAULT_POLL_RATES: Mapping[str, int] = {
    "DeviceCapability": 900,
    "EndDeviceList": 900,
    "FunctionSetAssignmentsList": 900,
    "DERProgramList": 300,
    "DERList": 900,
    "MirrorUsagePointList": 900,
    "UsagePointList": 900,
    "ResponseSetList": 900,
    "LogEventList": 900,
    "Registration": 900,
    "SelfDevice": 900,
    "DeviceStatus": 900,
    "DeviceInformation": 900,
    "PowerStatus": 900,
    "Time": 900,
    "Configuration": 900,
    "CustomerAccountList": 900,
    "DemandResponseProgramList": 300,
    "FileList": 3600,
    "FileStatus": 900,
    "FlowReservationRequestList": 300,
    "FlowReservationResponseList": 60,
    "IPInterfaceList": 3600,
    "LoadShedAvailabilityList": 900,
    "MessagingProgramList": 300,
    "PrepaymentList": 900,
    "SubscriptionList": 900,
    "TariffProfileList": 300,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEntry:
    """One certificate that is known beforehand (out-of-band registration).

    Attributes:
        lfdi: 40 upper-case hex digits.
        role: DEVICE, AGGREGATOR or UTILITY.
        device_id: the fleet's device that this client is, for DEVICE; None: a device of its own name is made.
        pin: registration PIN with its check digit; None: 111115.
        manages: devices that an AGGREGATOR acts for.
        edition: name of a dialect (protocols.sep2.dialects), "" for plain 2018, None: found out from what it sends.
    """

    lfdi: str
    role: Role = Role.DEVICE
    device_id: str | None = None
    pin: int | None = None
    manages: tuple[str, ...] = ()
    edition: str | None = None

    def __post_init__(self) -> None:
        if not _LFDI.fullmatch(self.lfdi):
            raise ConfigError(f"client {self.lfdi!r}: an LFDI is 40 upper-case hexadecimal digits")
        if self.role not in {Role.DEVICE, Role.AGGREGATOR, Role.UTILITY}:
            raise ConfigError(
                f"client {self.lfdi}: role {self.role} cannot speak IEEE 2030.5; use device, aggregator or utility"
            )
        check_pin(self.pin)


def check_pin(pin: int | None) -> None:
    """Whether a registration PIN has its right check digit; None is as 111115.

    Raises:
        ConfigError: it has not.
    """
    if pin is not None and not pin_is_valid(pin):
        raise ConfigError(f"PIN {pin:06d} is mistyped: its last digit makes the sum of all a multiple of 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class CsipAusSettings:
    """The Australian profile.

    Attributes:
        versions: of "1.2" and "1.3"; 1.3 is told at .well-known/csipaus.
        connection_points: whether clients may set the identifier of their connection point.
        nmi: whether that must be a National Metering Identifier.
    """

    versions: tuple[str, ...] = ("1.2", "1.3")
    connection_points: bool = True
    nmi: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscoverySettings:
    """Being found on the local network.

    Attributes:
        transports: of "xmdns" and "mdns".
        interfaces: where; empty: every one but loopback.
        name: what people see.
        host: label of the host's name.
        addresses: what is told; empty: those of the interfaces.
        port: UDP port of the groups.
    """

    transports: tuple[str, ...] = ("xmdns", "mdns")
    interfaces: tuple[str, ...] = ()
    name: str = "gridiface"
    host: str = "gridiface"
    addresses: tuple[str, ...] = ()
    port: int = 5353


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelSettings:
    """How set-points become controls of 2030.5 inverters.

    Attributes:
        min_duration_s: a control lasts at least this long, so that a polling client sees it in time.
        min_period_s: one device gets a new control at most this often (a release is never held back).
        dead_band_w, dead_band_rel: smaller changes, in W and as a fraction of the rating, are not published.
        primacy: primacy of the programs that the server makes for devices.
    """

    min_duration_s: float = 60.0
    min_period_s: float = 1.0
    dead_band_w: float = 1.0
    dead_band_rel: float = 0.001
    primacy: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationSettings:
    """How subscribers are told.

    Attributes:
        make: the client that sends them, made when the server starts.
        rules: where notifications may go.
        spacing_s: least time between two notifications of one subscription; changes meanwhile are told together.
    """

    make: Callable[[], Notifier]
    rules: TargetRules = field(default_factory=TargetRules)
    spacing_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrlcSettings:
    """What an EndDeviceControl is beside a publication.

    Attributes:
        engine: whether the engine is asked for it too, where its program is for a device or group.
        levels: what appliance load reductions mean then.
    """

    engine: bool = False
    levels: LoadLevels = field(default_factory=LoadLevels)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """How flow reservations are granted.

    Attributes:
        engine: as energy targets of the engine, else by the device's rating.
        by_operator: requests wait for the operator's answer; else they are answered at once.
    """

    engine: bool = True
    by_operator: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepaymentSettings:
    """How credit tokens that devices post are handled.

    Attributes:
        verifier: says which are good; None: devices post none, the utility and the operator vouch for credits.
        within_s: how long a verifier may take.
    """

    verifier: TokenVerifier | None = None
    within_s: float = 10.0


#: What an end device may have beside what CSIP asks for.
DEVICE_SETS = frozenset({"configuration", "flow_reservation", "load_shed", "network", "file_status"})


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitSettings:
    """What one client, and all together, may take."""

    page: int = 1000
    body_bytes: int = 262_144
    requests_per_s: float | None = None
    requests_at_once: int = 5000
    events_per_program: int = 1000
    curves_per_program: int = 100
    log_events_per_device: int = 200
    subscriptions_per_device: int = 1000
    mirrors_per_device: int = 16
    meter_readings_per_mirror: int = 64
    reading_sets_per_meter_reading: int = 12
    readings_per_set: int = 1000
    responses_per_set: int = 100_000
    published_per_list: int = 1000
    own_per_list: int = 64
    file_bytes: int = 18_000_000
    end_devices: int = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sep2Settings:
    """Everything the server needs beside its ports.

    Attributes:
        host, port: of the HTTPS listener; port 0 takes any free one.
        redirect_port: of a plain-HTTP listener that only redirects /dcap; None: no such listener.
        pen: IANA private enterprise number, the low 32 bits of our mRIDs and derived LFDIs.
        site: name of the installation, part of derived identities.
        lfdi: of our own certificate, which SelfDevice shows; "": one that is derived.
        poll_rates: pollRate in seconds by resource name; what is not named is as in DEFAULT_POLL_RATES.
        post_rate: postRate in seconds on mirrors and end devices.
        in_band_registration: whether an unknown certificate may register by POST /edev.
        in_band_groups: groups that devices registered in band join.
        event_retention_s: how long ended events are kept; they leave their lists earlier.
        time_quality: Time.quality; 7 = intentionally uncoordinated, what CSIP expects.
        timezone: whose local time Time tells, by its name in the time-zone database.
        link_empty_control_lists: whether a program links to its control lists while they are empty, which saves a
            polling client one round; the standard allows both.
        notifications: None: no subscriptions are served.
        node_programs: whether groups also have programs whose controls reach each device below as they are.
        device_sets: which of DEVICE_SETS end devices that speak IEEE 2030.5 have.
        drlc, flow: what EndDeviceControls and flow reservations are to the engine.
        prepayment: how credit tokens are handled.
        discovery: being found on the local network; None: not announced.
        csip_aus: CSIP-AUS and its versions; None: switched off, its extensions are refused and not written.
        forward_is_delivered: a positive mirror reading with flowDirection 1 counts as delivered to the grid (some
            profiles); otherwise 1 is received from it and 19 delivered.
    """

    host: str = "0.0.0.0"  # noqa: S104  # a server for other machines: the operator narrows it in the configuration
    port: int = 8443
    redirect_port: int | None = None
    pen: int = 0
    site: str = "gridiface"
    lfdi: str = ""
    poll_rates: Mapping[str, int] = field(default_factory=dict)
    post_rate: int = 300
    in_band_registration: bool = False
    in_band_groups: tuple[str, ...] = ()
    clients: tuple[ClientEntry, ...] = ()
    event_retention_s: float = 86_400.0
    time_quality: int = 7
    timezone: str = "UTC"
    link_empty_control_lists: bool = True
    discovery: DiscoverySettings | None = None
    csip_aus: CsipAusSettings | None = None
    forward_is_delivered: bool = False
    notifications: NotificationSettings | None = None
    node_programs: bool = False
    device_sets: frozenset[str] = DEVICE_SETS
    drlc: DrlcSettings = field(default_factory=DrlcSettings)
    flow: FlowSettings = field(default_factory=FlowSettings)
    prepayment: PrepaymentSettings = field(default_factory=PrepaymentSettings)
    limits: LimitSettings = field(default_factory=LimitSettings)
    channel: ChannelSettings = field(default_factory=ChannelSettings)

    def __post_init__(self) -> None:
        unknown = sorted(set(self.poll_rates) - set(DEFAULT_POLL_RATES))
        if unknown:
            raise ConfigError(
                f"poll_rates: {', '.join(unknown)} has no pollRate; known: {', '.join(DEFAULT_POLL_RATES)}"
            )
        doubled = sorted(lfdi for lfdi, count in Counter(client.lfdi for client in self.clients).items() if count > 1)
        if doubled:
            raise ConfigError(f"clients: {', '.join(doubled)} is named twice")
        strange = sorted(self.device_sets - DEVICE_SETS)
        if strange:
            raise ConfigError(f"device_sets: {', '.join(strange)} is unknown; known: {', '.join(sorted(DEVICE_SETS))}")
        if not 0 <= self.pen <= 0xFFFFFFFF:
            raise ConfigError(f"pen: {self.pen} does not fit 32 bits")

    def poll_rate(self, resource: str) -> int:
        """The pollRate of a resource by its name, seconds."""
        return self.poll_rates.get(resource, DEFAULT_POLL_RATES.get(resource, 900))
