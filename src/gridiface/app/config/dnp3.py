"""What the configuration may say of DNP3: outstations, their masters and points, and where they are reached.

Owns names, types, ranges and defaults. What becomes of it is app/fronts/dnp3_settings.py's. Units of points are their
own, with `scale` to SI; active power is + delivered unless a point says `sign: -1`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from gridiface.app.config.base import Block, Network, place_like
from gridiface.domain.controls import ServiceClass
from gridiface.domain.definitions import Identifier as Name
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.settings import Mode, NewConnection, StaleFlags, Transport

_MAX_ADDRESS = 65_519


def _fingerprint(text: str) -> str:
    compact = text.replace(":", "").replace(" ", "").upper()
    if not re.fullmatch(r"[0-9A-F]{64}", compact):
        raise ValueError("a SHA-256 fingerprint has 64 hex digits")
    return compact


Place = Annotated[str, place_like(20_000)]
Fingerprint = Annotated[str, AfterValidator(_fingerprint)]
LinkAddress = Annotated[int, Field(ge=0, le=_MAX_ADDRESS)]
EventClass = Annotated[int, Field(ge=0, le=3)]


class Dnp3Trigger(Block):
    """When events of one class are reported unasked."""

    event_class: EventClass = Field(ge=1, description="the class")
    count: int = Field(default=1, ge=1, description="as soon as so many wait")
    hold_time_s: float = Field(default=0.0, ge=0, description="or as soon as the oldest waits so long, s")


class Dnp3Unsolicited(Block):
    """Unsolicited responses to one master."""

    confirm_timeout_s: float = Field(default=5.0, gt=0, description="wait for a confirm, s")
    retries: int | None = Field(default=3, ge=0, description="before the pause; none: without end")
    offline_interval_s: float = Field(default=60.0, ge=0, description="pause after the last retry, s")
    regenerate: bool = Field(default=False, description="whether a retry holds the newest events")
    triggers: tuple[Dnp3Trigger, ...] = Field(default=(), description="a class without one reports each event at once")
    backoff_s: float = Field(
        default=0.0, ge=0, le=60, description="a report waits a random part of it: for lines that stations share, s"
    )


class Dnp3Master(Block):
    """One master that an outstation serves."""

    name: Name = Field(description="for logs and in the source of its controls")
    address: LinkAddress = Field(description="its link address")
    authority: float = Field(default=0.0, description="of its controls; of several sources the larger wins")
    may_control: bool = Field(default=True, description="false: every command is answered NOT_AUTHORIZED")
    sources: tuple[Network, ...] = Field(default=(), description="addresses or networks it may come from; none: any")
    fingerprints: tuple[Fingerprint, ...] = Field(default=(), description="SHA-256 of its certificates, under TLS")
    certificate_names: tuple[str, ...] = Field(
        default=(), description="common or DNS names of its certificates, under TLS"
    )
    unsolicited: Dnp3Unsolicited | None = Field(default=None, description="leave out: it is never told unasked")
    confirm_timeout_s: float = Field(default=5.0, gt=0, description="wait for the confirm of a response, s")
    select_timeout_s: float = Field(default=10.0, gt=0, description="OPERATE must follow SELECT within, s")
    max_fragment: int = Field(default=2048, ge=249, le=65_535, description="octets of a fragment sent to it")
    max_controls: int = Field(default=64, ge=1, le=1000, description="commands in one request")
    event_capacity: int = Field(default=10_000, ge=1, le=1_000_000, description="events kept per class")
    overflow: Literal["oldest", "newest"] = Field(default="oldest", description="which event a full class loses")
    need_time: bool = Field(default=False, description="whether it is asked to write the time (IIN1.4)")
    time_sync_interval_s: float | None = Field(default=None, gt=0, description="after which it is asked again, s")


class Dnp3Point(Block):
    """One point by hand. It replaces a point of the profile that has the same type and index."""

    type: Literal["analog input", "binary input", "counter", "analog output", "binary output"] = Field(
        description="type of point"
    )
    index: int = Field(ge=0, le=65_535, description="its index")
    name: str = Field(default="", max_length=80, description="unique in the map; empty: type and index")
    measure: Measure | None = Field(default=None, description="what an input shows")
    action: Action | None = Field(default=None, description="what a command to an output asks")
    argument: str = Field(default="", description="of the measure or action: a point's name, a capability, a number")
    group: Name | None = Field(default=None, description="the group it speaks of; none: the outstation's")
    device: Name | None = Field(default=None, description="or the device")
    unit: str = Field(default="", max_length=40, description="for people and the device profile")
    scale: float = Field(default=1.0, gt=0, description="SI units in one unit of the point: 1e6 for MW")
    offset: float = Field(default=0.0, description="added on the wire, in the point's unit")
    sign: Literal[1, -1] = Field(default=1, description="-1 turns the sign, or a state, round")
    event_class: EventClass = Field(default=0, description="0: no events")
    static_variation: int = Field(default=0, ge=0, le=10, description="0: the type's default")
    event_variation: int = Field(default=0, ge=0, le=10, description="0: the type's default")
    deadband: float = Field(default=0.0, ge=0, description="smaller changes make no event, in the point's unit")
    most_recent_only: bool = Field(default=False, description="a newer event replaces one that was not yet reported")
    minimum: float | None = Field(
        default=None, description="of an analog point, in its unit; below: OUT_OF_RANGE, or shown as over range"
    )
    maximum: float | None = Field(
        default=None, description="of an analog point, in its unit; above: OUT_OF_RANGE, or shown as over range"
    )
    hold_s: float | None = Field(default=None, gt=0, description="a command counts so long, s; none: until changed")
    slot: str = Field(default="", description="outputs of one slot replace each other's control")
    enabled_by: str = Field(default="", description="output that must be on for this one to act")
    hold_from: str = Field(default="", description="output that holds the hold time, s")
    ramp_from: str = Field(default="", description="output that holds the ramp, W/s after scaling")
    sign_from: str = Field(default="", description="output that turns the sign round while it is on")
    ramp_time_from: str = Field(default="", description="output that holds the time of the ramp, s")
    window_from: str = Field(default="", description="output that holds the time within which it starts at random, s")
    rates_from: str = Field(
        default="",
        description="NAME=OUTPUT ...: ramp rates in % of the rating by second, discharge_up, discharge_down, charge_up "
        "and charge_down, and `use`, the output that must be on for them to count",
    )
    parameters_from: str = Field(
        default="", description="of a curve or droop: NAME=OUTPUT ..., what else belongs to it"
    )
    keeps: bool = Field(
        default=False, description="the value stays when its enabling output goes off, and acts when it is on again"
    )
    effect_with: str = Field(
        default="", description="of an input: output that enables its function; while it is off: without ONLINE"
    )
    family: str = Field(
        default="", description="of an enabling output: of those of one family that are on, the smallest priority acts"
    )
    priority_from: str = Field(default="", description="output that holds the priority of an enabling output")
    only: float | None = Field(default=None, description="the one value that the output takes, in the point's unit")
    not_below: Literal["", "rated_w"] = Field(
        default="", description="a stored value is taken where it is no less than the target's: it limits nothing"
    )
    needs: str = Field(
        default="",
        description="capabilities, with blanks between: while a member has one, `only` and `not_below` do not count; "
        "an enabling output goes on only while a member has one",
    )
    permitted_by: str = Field(default="", description="output that must be on, else commands are BLOCKED")
    or_kept: bool = Field(
        default=False, description="where nobody can carry the control out the value is kept, for outputs that name it"
    )
    idle: float = Field(default=0.0, description="read back while no control is in force, in the point's unit")
    initial: float = Field(default=0.0, description="of a stored or enabling output at the first start")
    on_only: bool = Field(default=False, description="off means nothing and is NOT_SUPPORTED")
    service_class: ServiceClass = Field(default=ServiceClass.DISPATCH, description="of its controls")
    masters: tuple[Name, ...] = Field(default=(), description="masters that may command it; none: all that may control")
    frozen_class: EventClass | None = Field(
        default=None, description="of a counter: class of its frozen value's events; none: it cannot be frozen"
    )

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        if self.type.endswith("output") and self.action is None:
            raise ValueError("an output needs an `action`")
        if not self.type.endswith("output") and self.measure is None:
            raise ValueError("an input needs a `measure`")
        if self.measure is not None and self.action is not None:
            raise ValueError("an input has a `measure`, an output an `action`, no point has both")
        if self.group is not None and self.device is not None:
            raise ValueError("name a `group` or a `device`, not both")
        return self


class Dnp3User(Block):
    """One user of secure authentication."""

    number: int = Field(ge=1, le=65_535, description="as agreed with the master; 1 is the usual default")
    name: str = Field(default="", max_length=64, description="for logs")
    key: Path = Field(description="file with the update key: 32 or 64 hex digits, readable by its owner only")
    role: Literal["viewer", "operator", "engineer", "installer", "security-admin", "single"] = Field(
        default="single", description="what the user may do; single: everything"
    )


class Dnp3Authentication(Block):
    """Secure authentication (SAv5) of masters."""

    users: tuple[Dnp3User, ...] = Field(min_length=1)
    masters: tuple[Name, ...] = Field(default=(), description="masters that are challenged; none: all")
    mac: Literal["hmac-sha-256-16", "hmac-sha-256-8", "aes-gmac-12", "hmac-sha-1-10", "hmac-sha-1-8"] = Field(
        default="hmac-sha-256-16", description="algorithm; those with sha-1 are for legacy masters only"
    )
    aggressive: bool = Field(default=True, description="whether aggressive mode is taken")
    also_critical: tuple[Literal["read", "delay-measure", "freeze", "assign-class"], ...] = Field(
        default=(), description="requests that are challenged beside those that the standard has challenged always"
    )
    challenge_octets: int = Field(default=16, ge=4, le=64, description="length of the data of a challenge")
    max_errors: int = Field(default=2, ge=0, le=255, description="error messages sent between two successes")
    max_failures: int = Field(
        default=5, ge=0, le=255, description="wrong proofs in a row after which the session keys of everyone end"
    )
    reply_timeout_s: float = Field(default=2.0, gt=0, description="wait for the answer to a challenge, s")
    key_lifetime_s: float = Field(default=1800.0, gt=0, le=86_400, description="session keys last so long, s")
    key_messages: int = Field(default=2000, ge=1, le=10_000, description="or for so many messages")
    authority_key: Path | None = Field(
        default=None,
        description="file with the key shared with the authority, 32 or 64 hex digits: it may then add, change and "
        "remove users and give them update keys over the wire, durably; leave out: users are fixed",
    )
    max_users: int = Field(default=100, ge=1, le=65_534, description="users at most, those of the authority included")
    max_status_requests: int | None = Field(
        default=None,
        ge=2,
        le=255,
        description="how often a user may ask for its key status before its session keys change (error 12); none: "
        "without limit, as anyone could use up these requests, which nobody signs",
    )


class Dnp3Quality(Block):
    """Flags of doubtful values; a lost source is always COMM_LOST without ONLINE."""

    stale: StaleFlags = Field(default=StaleFlags.LOCAL_FORCED, description="telemetry that is too old")
    estimated: StaleFlags = Field(default=StaleFlags.COMM_LOST, description="a total in which members are missing")
    substituted: StaleFlags = Field(default=StaleFlags.LOCAL_FORCED, description="a value that somebody put in")
    disabled_offline: bool = Field(
        default=True,
        description="inputs of a function that is disabled are without ONLINE (IEEE 1815.2, 6.1.1); off for a master "
        "that discards such values",
    )


class Dnp3Units(Block):
    """Devices that have blocks of their own in the DER profile, in the order of their numbers."""

    meters: tuple[Name, ...] = Field(default=(), description="points 5000 on")
    ders: tuple[Name, ...] = Field(default=(), description="DER units, points 10000 on")
    inverters: tuple[Name, ...] = Field(default=(), description="points 15000 on")
    batteries: tuple[Name, ...] = Field(default=(), description="points 20000 on")


class Dnp3Outstation(Block):
    """One outstation."""

    name: Name = Field(description="unique; part of the ids of its controls")
    address: LinkAddress = Field(description="its link address")
    group: Name | None = Field(default=None, description="the group that its points and commands mean")
    device: Name | None = Field(default=None, description="or the device")
    profile: Literal["iso-gateway", "der", "none"] = Field(
        default="iso-gateway", description="ready-made point map; none: only `points`"
    )
    units: Dnp3Units | None = Field(default=None, description="with profile der: blocks of single devices")
    point_file: Path | None = Field(default=None, description="YAML list of points, as `gridiface dnp3 points` writes")
    points: tuple[Dnp3Point, ...] = Field(default=(), description="points by hand, over the profile and the file")
    masters: tuple[Dnp3Master, ...] = Field(min_length=1)
    quality: Dnp3Quality = Dnp3Quality()
    out_of_range_above_ratings: bool = Field(
        default=False, description="refuse a set-point that is feasible only in part, instead of reading back the part"
    )
    local: bool = Field(default=False, description="start in local mode: commands are answered LOCAL")
    restart_s: float | None = Field(
        default=None, ge=0, le=65_535, description="answer to COLD_RESTART and WARM_RESTART, s; none: refused"
    )
    deadband_writes: bool = Field(default=True, description="whether masters may change dead-bands (g34)")
    keep_alive_s: float | None = Field(default=60.0, gt=0, description="link status request after silence, s")
    link_timeout_s: float = Field(default=5.0, gt=0, description="wait for the answer to it, s")
    self_address: bool = Field(default=False, description="whether requests to 0xFFFC are answered")
    authentication: Dnp3Authentication | None = Field(default=None, description="leave out: nobody is challenged")
    files: bool = Field(
        default=False,
        description="whether masters that may control can read device profile, frame log and points as files",
    )
    configuration_writes: bool = Field(
        default=False,
        description="with `files`: whether they can also write the point configuration and activate it; use secure "
        "authentication then",
    )
    owner: str = Field(default="", max_length=250, description="device attribute g0v244")
    location: str = Field(default="", max_length=250, description="device attribute g0v245")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.group is None) == (self.device is None):
            raise ValueError("an outstation speaks of exactly one of `group` and `device`")
        if self.units is not None and self.profile != "der":
            raise ValueError("`units` are blocks of `profile: der`")
        if self.configuration_writes and not self.files:
            raise ValueError("`configuration_writes` needs `files: true`")
        return self


class Dnp3Tls(Block):
    """Keys and trust of one end point; TLS 1.2 and 1.3 with certificates on both sides."""

    certificate: Path = Field(description="PEM: own certificate, followed by its intermediates")
    key: Path = Field(description="PEM: its private key, readable by its owner only")
    roots: tuple[Path, ...] = Field(min_length=1, description="PEM files with the roots of the masters' certificates")
    revoked: Path | None = Field(default=None, description="local revocation list as `gridiface pki revoke` keeps it")
    crls: tuple[Path, ...] = Field(default=(), description="CRL files")


class Dnp3Serial(Block):
    """A serial line."""

    port: str = Field(min_length=1, description="device file, for example /dev/ttyUSB0")
    baud_rate: int = Field(default=9600, ge=50, le=4_000_000, description="bits per second")
    data_bits: Literal[7, 8] = Field(default=8, description="DNP3 needs 8 unless a converter says otherwise")
    parity: Literal["none", "even", "odd"] = Field(default="none", description="as the master's")
    stop_bits: Literal[1, 2] = Field(default=1, description="as the master's")
    flow_control: Literal["none", "hardware"] = Field(default="none", description="hardware: RTS and CTS")
    rs485: bool = Field(default=False, description="the driver switches the sender, on two-wire lines")


class Dnp3Endpoint(Block):
    """Where outstations are reached, or whom they call."""

    listen: Place | None = Field(default=None, description="HOST:PORT to listen on; port 0: any free one")
    connect: Place | None = Field(
        default=None,
        description="HOST:PORT of the master to call; with `listen`: dual; over UDP where it is told before it speaks",
    )
    transport: Transport = Field(default=Transport.TCP, description="what carries the frames")
    tls: Dnp3Tls | None = Field(default=None, description="with transport tls")
    serial: Dnp3Serial | None = Field(default=None, description="with transport serial; no `listen`, no `connect`")
    outstations: tuple[Name, ...] = Field(default=(), description="those behind it; none: all")
    new_connection: NewConnection = Field(
        default=NewConnection.SEVERAL, description="what a connection does while another is open"
    )
    connections: int = Field(default=64, ge=1, le=10_000, description="open at once")
    connections_per_address: int = Field(default=8, ge=1, description="open at once from one address")
    handshake_s: float = Field(default=10.0, gt=0, description="time for the TLS handshake, s")
    first_frame_s: float = Field(default=30.0, gt=0, description="time for the first frame of a master, s")
    idle_s: float = Field(default=900.0, gt=0, description="closed when silent for so long, s")

    @model_validator(mode="after")
    def _somewhere(self) -> Self:
        if (self.transport is Transport.SERIAL) != (self.serial is not None):
            raise ValueError("`transport: serial` and a `serial` block belong together")
        if self.serial is not None and (self.listen is not None or self.connect is not None):
            raise ValueError("a serial line has neither `listen` nor `connect`")
        if self.serial is None and self.listen is None and self.connect is None:
            raise ValueError("an end point needs `listen`, `connect` or both")
        if (self.transport is Transport.TLS) != (self.tls is not None):
            raise ValueError("`transport: tls` and a `tls` block belong together")
        if self.transport is Transport.UDP and self.listen is None:
            raise ValueError("over UDP an outstation needs `listen`")
        return self

    @property
    def mode(self) -> Mode:
        """Who opens the connection."""
        if self.connect is None or self.transport is Transport.UDP:
            return Mode.LISTEN
        return Mode.CONNECT if self.listen is None else Mode.DUAL


class Dnp3(Block):
    """The DNP3 outstations of this installation."""

    outstations: tuple[Dnp3Outstation, ...] = Field(min_length=1)
    endpoints: tuple[Dnp3Endpoint, ...] = Field(min_length=1)
    refresh_s: float = Field(default=1.0, gt=0, le=60, description="period in which points follow the fleet, s")
    journal_frames: int = Field(
        default=2000, ge=0, le=1_000_000, description="reads and writes kept for the frame log; 0: none"
    )


def dnp3_targets(block: Dnp3) -> Iterator[tuple[tuple[int | str, ...], str, str]]:
    """Every group and device that the block names, as (place below `dnp3`, "group" or "device", name)."""
    for number, outstation in enumerate(block.outstations):
        where: tuple[int | str, ...] = ("outstations", number)
        named: list[tuple[tuple[int | str, ...], Dnp3Outstation | Dnp3Point]] = [(where, outstation)]
        named += [((*where, "points", index), point) for index, point in enumerate(outstation.points)]
        for kind, devices in ({} if outstation.units is None else outstation.units.model_dump()).items():
            yield from (((*where, "units", kind, at), "device", name) for at, name in enumerate(devices))
        for place, holder in named:
            if holder.group is not None:
                yield (*place, "group"), "group", holder.group
            if holder.device is not None:
                yield (*place, "device"), "device", holder.device
