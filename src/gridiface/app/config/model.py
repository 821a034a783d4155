"""What the configuration may say: pydantic models, one per block. Unknown keys are errors.

Owns names, types, ranges and defaults; reading files and telling where a mistake stands is load.py's. Paths are
relative to the folder of the configuration file. Powers in W, + delivered to the grid; energies in Wh.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from gridiface.app.config.base import Listen, Pin
from gridiface.app.config.dnp3 import Dnp3
from gridiface.app.config.engine import EngineBlock, ScheduleEntry, Zone
from gridiface.app.config.enrolment import EnrolmentProgram
from gridiface.app.config.openadr import OpenAdr
from gridiface.app.config.operator import Operator
from gridiface.app.config.upstream import Upstream
from gridiface.domain.definitions import Block, DeviceEntry, GroupEntry, Identifier
from gridiface.wording import worded


def _lfdi(text: str) -> str:
    compact = text.replace("-", "").replace(":", "").upper()
    if not re.fullmatch(r"[0-9A-F]{40}", compact):
        raise ValueError("an LFDI has 40 hex digits: `gridiface pki lfdi CERTIFICATE` prints it")
    return compact


Lfdi = Annotated[str, AfterValidator(_lfdi)]
Fraction = Annotated[float, Field(ge=0, le=1)]
DeviceSet = Literal["configuration", "flow_reservation", "load_shed", "network", "file_status"]


class Tls(Block):
    """Keys and trust of one listener."""

    profile: Literal["strict", "compatible"] = Field(
        default="strict",
        description="strict: ECDHE-ECDSA-AES128-CCM8 only, as the standard demands; compatible: also AES128-GCM",
    )
    certificate: Path = Field(description="PEM: the server's certificate, followed by its intermediates")
    key: Path = Field(description="PEM: the server's private key, readable by its owner only")
    roots: tuple[Path, ...] = Field(min_length=1, description="PEM files with the root certificates (SERCA) to trust")
    revoked: Path | None = Field(default=None, description="local revocation list as `gridiface pki revoke` keeps it")


class Client(Block):
    """One 2030.5 client that is known beforehand (out-of-band registration)."""

    name: str = Field(default="", description="for people")
    lfdi: Lfdi | None = Field(default=None, description="40 hex digits; or give `certificate`")
    certificate: Path | None = Field(default=None, description="PEM certificate from which the LFDI is derived")
    role: Literal["device", "aggregator", "utility"] = Field(
        default="device", description="what it may do; a utility may post controls"
    )
    device: Identifier | None = Field(default=None, description="the fleet's device that this client is")
    pin: Pin | None = Field(default=None, ge=0, le=999_999, description="registration PIN with its check digit")
    connections: int | None = Field(
        default=None, ge=1, description="open connections it may have; none: sep2.limits.connections_per_identity"
    )
    manages: tuple[Identifier, ...] = Field(default=(), description="devices that an aggregator acts for")
    edition: Literal["auto", "2018", "2017", "2013", "csipaus-1.3"] = Field(
        default="auto",
        description="edition of the standard that it speaks; auto: as its own documents show, 2018 until then",
    )

    @model_validator(mode="after")
    def _one_identity(self) -> Self:
        if (self.lfdi is None) == (self.certificate is None):
            raise ValueError("a client needs exactly one of `lfdi` and `certificate`")
        return self


class PollRates(Block):
    """The pollRate, in seconds, that the server shows on each kind of resource."""

    DeviceCapability: int = Field(default=900, ge=1, le=86_400, description="s")
    EndDeviceList: int = Field(default=900, ge=1, le=86_400, description="s")
    FunctionSetAssignmentsList: int = Field(default=900, ge=1, le=86_400, description="s")
    DERProgramList: int = Field(default=300, ge=1, le=86_400, description="s")
    DERList: int = Field(default=900, ge=1, le=86_400, description="s")
    MirrorUsagePointList: int = Field(default=900, ge=1, le=86_400, description="s")
    UsagePointList: int = Field(default=900, ge=1, le=86_400, description="s")
    DemandResponseProgramList: int = Field(default=300, ge=1, le=86_400, description="s")
    TariffProfileList: int = Field(default=300, ge=1, le=86_400, description="s")
    MessagingProgramList: int = Field(default=300, ge=1, le=86_400, description="s")
    FlowReservationResponseList: int = Field(default=60, ge=1, le=86_400, description="s")
    FileList: int = Field(default=3600, ge=1, le=86_400, description="s")
    Time: int = Field(default=900, ge=1, le=86_400, description="s")


class Sep2Limits(Block):
    """What one client, and all together, may take."""

    page: int = Field(default=1000, ge=1, le=10_000, description="most members in one list answer")
    body_bytes: int = Field(default=262_144, ge=4096, le=16_777_216, description="largest request body")
    connections: int = Field(default=12_000, ge=1, description="open connections in all")
    connections_per_address: int = Field(default=2_000, ge=1, description="open connections from one address")
    connections_per_identity: int = Field(default=64, ge=1, description="open connections of one LFDI")
    requests_per_s: float | None = Field(
        default=None,
        gt=0,
        le=1_000_000,
        description="requests of one LFDI a second, beyond them 429 with Retry-After; none: any number",
    )
    requests_at_once: int = Field(default=5000, ge=1, description="requests of one LFDI that may come after a pause")


class Notifications(Block):
    """How subscribers of the IEEE 2030.5 server are told."""

    enabled: bool = Field(default=True, description="whether subscriptions are served")
    hosts: tuple[str, ...] = Field(
        default=(), description="names or addresses that may be notified beside the subscriber's own address"
    )
    private_addresses: bool = Field(default=False, description="whether addresses of private networks are notified")
    loopback: bool = Field(default=False, description="whether this machine itself is notified; for trials")
    plain_http: bool = Field(default=False, description="whether http URIs are taken beside https; for trials")
    spacing_s: float = Field(default=1.0, ge=0, le=3600, description="least time between two to one subscription, s")


class Sep2Drlc(Block):
    """What a demand response event (EndDeviceControl) is beside a publication for devices."""

    engine: bool = Field(
        default=False, description="whether the engine carries it out too, where its program is for a device or group"
    )
    appliance_levels: tuple[Fraction, Fraction] = Field(
        default=(1.0, 0.5),
        description="what ApplianceLoadReduction 0 (delay) and 1 (reduce) mean, as a fraction of what can be shed",
    )


class Sep2Flow(Block):
    """How flow reservations are granted."""

    engine: bool = Field(
        default=True, description="as energy targets of the engine; otherwise by the device's rating alone"
    )
    by_operator: bool = Field(
        default=False, description="requests wait for the operator's answer; otherwise they are answered at once"
    )


class Sep2Prepayment(Block):
    """How credit tokens of prepaid supplies are handled."""

    tokens: str = Field(
        default="none",
        min_length=1,
        max_length=64,
        description="none: devices post no credits, the utility and the operator vouch for them; else the name of an "
        "installed verifier (entry point group gridiface.credit_tokens) that is asked before a device's credit counts",
    )
    within_s: float = Field(default=10.0, gt=0, le=60, description="how long a verifier may take, s")


class Sep2Discovery(Block):
    """Being found on the local network by DNS-SD over multicast (service _smartenergy._tcp)."""

    transports: tuple[Literal["xmdns", "mdns"], ...] = Field(
        default=("xmdns", "mdns"),
        min_length=1,
        description="xmdns: ff05::fb and 239.255.255.251, domain site (2018); mdns: ff02::fb and 224.0.0.251, domain "
        "local (2023)",
    )
    interfaces: tuple[str, ...] = Field(default=(), description="network interfaces; none: every one but loopback")
    name: str = Field(
        default="", max_length=40, description="what people see; none: gridiface and the name of the site"
    )
    addresses: tuple[str, ...] = Field(default=(), description="addresses that are told; none: those of the interfaces")
    port: int = Field(default=5353, ge=1, le=65535, description="UDP port; another one than 5353 is for trials")


class CsipAus(Block):
    """The Australian profile: four limits in W, connection points, versions."""

    versions: tuple[Literal["1.2", "1.3"], ...] = Field(
        default=("1.2", "1.3"), min_length=1, description="what is served; 1.3 is told at /.well-known/csipaus"
    )
    connection_points: bool = Field(
        default=True, description="whether clients may set the identifier of their connection point"
    )
    nmi: bool = Field(default=False, description="whether that must be a National Metering Identifier")
    decimal_pen: bool = Field(
        default=False,
        description="whether mRIDs end in the decimal digits of `pen`, as the profile's server harness reads them",
    )


class Sep2(Block):
    """The IEEE 2030.5 server."""

    listen: Listen = Field(default="0.0.0.0:8443", description="HOST:PORT of the HTTPS listener; port 0 = any free")
    redirect: Listen | None = Field(
        default=None, description="HOST:PORT of a plain-HTTP listener that only redirects /dcap"
    )
    tls: Tls
    pen: int = Field(
        default=0, ge=0, le=0xFFFFFFFF, description="IANA private enterprise number at the end of our mRIDs"
    )
    in_band_registration: bool = Field(default=False, description="whether unknown devices may register by POST /edev")
    in_band_groups: tuple[Identifier, ...] = Field(default=(), description="groups that in-band devices join")
    clients: tuple[Client, ...] = ()
    poll_rates: PollRates = PollRates()
    post_rate: int = Field(default=300, ge=1, le=86_400, description="postRate shown on mirrors and devices, s")
    timezone: Zone = Field(default="UTC", description="zone of the local time that Time tells, with daylight saving")
    event_retention_s: int = Field(
        default=86_400,
        ge=1,
        description="how long ended events are kept, s; they are listed until their end, "
        "cancelled and superseded ones for minutes",
    )
    notifications: Notifications = Notifications()
    discovery: Sep2Discovery | None = Field(default=None, description="leave out not to be announced")
    csip_aus: CsipAus | None = Field(default=None, description="leave out to run without CSIP-AUS")
    node_programs: bool = Field(
        default=False,
        description="whether each group also has a program whose controls reach the devices below it as they are",
    )
    device_sets: tuple[DeviceSet, ...] = Field(
        default=("configuration", "flow_reservation", "load_shed", "network", "file_status"),
        description="what end devices have beside what CSIP asks for",
    )
    drlc: Sep2Drlc = Sep2Drlc()
    flow: Sep2Flow = Sep2Flow()
    prepayment: Sep2Prepayment = Sep2Prepayment()
    limits: Sep2Limits = Sep2Limits()


class Logging(Block):
    """What goes to standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least level that is written"
    )
    format: Literal["text", "json"] = Field(default="text", description="one line for people, or one JSON object")


class OtelBlock(Block):
    """Traces and figures for an OpenTelemetry collector (OTLP over HTTP); needs gridiface[otel]."""

    endpoint: str = Field(
        default="http://127.0.0.1:4318",
        pattern=worded(
            r"^https?://[^\s?#]{1,500}$",
            "an address that begins with http:// or https://, without blanks, query and fragment",
        ),
        description="the collector; /v1/traces and /v1/metrics are appended",
    )
    service_name: str = Field(default="gridiface", min_length=1, max_length=256, description="service.name")
    traces: bool = Field(default=True, description="whether spans are sent")
    metrics: bool = Field(default=True, description="whether the figures of /metrics are sent")
    period_s: float = Field(default=15.0, ge=1, le=3600, description="how often figures are sent, s")
    headers: Path | None = Field(default=None, description="file with one `Name: value` a line, such as a token")


class Config(Block):
    """One installation."""

    site: Identifier = Field(default="gridiface", description="name of this installation; part of derived identities")
    database: str = Field(
        default="sqlite:///gridiface.sqlite",
        description="sqlite:///PATH (relative to this file) or postgresql://USER@HOST/DB",
    )
    sep2: Sep2 | None = Field(default=None, description="leave out to run without IEEE 2030.5")
    dnp3: Dnp3 | None = Field(default=None, description="leave out to run without DNP3")
    openadr: OpenAdr | None = Field(default=None, description="leave out to run without OpenADR")
    upstreams: tuple[Upstream, ...] = Field(
        default=(), description="utilities' IEEE 2030.5 servers that the fleet connects to as an aggregator"
    )
    devices: tuple[DeviceEntry, ...] = ()
    groups: tuple[GroupEntry, ...] = ()
    schedules: tuple[ScheduleEntry, ...] = ()
    engine: EngineBlock = EngineBlock()
    enrolment: tuple[EnrolmentProgram, ...] = Field(
        default=(), description="programs and what they ask of assets: portfolios are held against them"
    )
    markets: Path | None = Field(
        default=None, description="TOML file with thresholds of wholesale markets, in place of those of the package"
    )
    operator: Operator | None = Operator()
    logging: Logging = Logging()
    otel: OtelBlock | None = Field(default=None, description="leave out to run without OpenTelemetry")
    reading_retention_days: float = Field(
        default=400,
        gt=0,
        description="how long readings, decisions, deliveries and controls of fast services are kept, days",
    )
    _folder: Path = PrivateAttr(default_factory=Path)

    @property
    def folder(self) -> Path:
        """Where the file lies: relative paths inside devices' keys, which belong to drivers, begin there, too."""
        return self._folder

    def placed_in(self, folder: Path) -> Self:
        """The same of a file in `folder`."""
        copy = self.model_copy()
        copy._folder = folder
        return copy
