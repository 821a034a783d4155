"""What the configuration may say of OpenADR: our VTN with its VENs, and our VENs towards utilities' VTNs.

Owns names, types, ranges and defaults. What becomes of it is app/fronts/openadr_settings.py's. Powers in W, magnitudes;
a market context is an address that names a program and need not lead anywhere.
"""

from __future__ import annotations

from datetime import time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from gridiface.app.config.base import Block
from gridiface.app.config.openadr_links import OpenAdrPush, OpenAdrTls, OpenAdrXmppVen, OpenAdrXmppVtn
from gridiface.app.config.openadr_words import (
    Address,
    BareJid,
    Fingerprint,
    Place,
)
from gridiface.domain.controls import ServiceClass
from gridiface.domain.definitions import Identifier as Name
from gridiface.domain.fleet import DeviceKind

#: Recorded intervals of a resource: a year of five minutes, which is some 15 MiB of memory.
MOST_RECORDED = 110_000

_Part = Annotated[float, Field(ge=0, le=1)]


class _Target(Block):
    """One device, or the total of one group."""

    group: Name | None = Field(default=None, description="the group")
    device: Name | None = Field(default=None, description="or the device")

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.group is None) == (self.device is None):
            raise ValueError("name exactly one of `group` and `device`")
        return self


class OpenAdrResource(_Target):
    """A resource of ours, as the utility knows it."""

    id: str = Field(min_length=1, max_length=128, description="resourceID; `<id>/<quantity>` are the rIDs")
    usage: tuple[Literal["W", "var", "VA", "V", "Hz", "Wh", "stored"], ...] = Field(
        default=("W",),
        description="what telemetry offers of it: W, and Wh (energy over `history_period_s`) as TELEMETRY_USAGE; the "
        "others as x-TELEMETRY_OTHER; stored: what can still be delivered, as storedEnergy",
    )
    status: bool = Field(default=True, description="whether TELEMETRY_STATUS offers it")
    history: bool = Field(default=True, description="whether its power and energy are recorded and offered as history")
    rated_load_w: float | None = Field(default=None, gt=0, description="the 1.0 of load control capacities, W")


class OpenAdrPriceStep(Block):
    """What is done from a price on: of several steps reached the highest counts, below all the load is normal."""

    signal: Literal["ELECTRICITY_PRICE", "ENERGY_PRICE", "DEMAND_CHARGE"] = Field(
        default="ELECTRICITY_PRICE", description="whose prices"
    )
    type: Literal["price", "priceRelative", "priceMultiplier"] = Field(default="price", description="signalType")
    above: float = Field(allow_inf_nan=False, description="from this value on, currency per kWh or kW, or a multiplier")
    shed: float | None = Field(default=None, ge=-1, le=1, description="part of what can be shed")
    watts: float | None = Field(default=None, allow_inf_nan=False, description="or W of change, + delivered")

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        if (self.shed is None) is (self.watts is None):
            raise ValueError("give exactly one of `shed` and `watts`")
        return self


class OpenAdrProgram(_Target):
    """How the events of one market context are understood."""

    market_context: str = Field(default="", description="the program's URI; empty: any that is not named elsewhere")
    authority: float = Field(default=0.0, allow_inf_nan=False, description="against other sources; the larger wins")
    generation_positive: bool = Field(default=False, description="+ is delivered, against the usual + = consumption")
    simple: tuple[_Part, ...] = Field(
        default=(0.0, 0.33, 0.66, 1.0),
        max_length=4,
        description="SIMPLE levels 0, 1, 2, 3 as parts of what can be shed",
    )
    dispatch: dict[int, float] = Field(
        default_factory=dict, description="LOAD_DISPATCH level -> W of change, + delivered"
    )
    offsets: dict[int, float] = Field(
        default_factory=dict, description="LOAD_CONTROL level offset -> W of change, + delivered"
    )
    switchable: bool = Field(default=False, description="LOAD_CONTROL capacity 0 and 1 disconnect and connect")
    rated_load_w: float | None = Field(default=None, gt=0, description="the 1.0 of LOAD_CONTROL capacity, W")
    capacity_wh: float | None = Field(default=None, gt=0, description="the 1.0 of CHARGE_STATE multipliers, Wh")
    setpoint_w: float | None = Field(
        default=None, gt=0, description="W of load that 1 of LOAD_CONTROL set-points means; none: they get 460"
    )
    prices: tuple[OpenAdrPriceStep, ...] = Field(
        default=(), max_length=100, description="what prices make the fleet do, beside being passed on"
    )
    service_class: ServiceClass = Field(default=ServiceClass.DEMAND_RESPONSE, description="how fast it must be done")


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class OpenAdrCalendar(Block):
    """Hours of the week in which we (or one resource) do not take part; the VTN is told a fortnight ahead."""

    word: Literal["out", "in"] = Field(default="out", description="whether we do not, or do, take part then")
    days: tuple[Day, ...] = Field(default=_DAYS, min_length=1, description="of the start")
    start: time = Field(default=time(0), description="local time, as 22:00")
    end: time = Field(default=time(0), description="local time; not after the start: on the next day")
    zone: str = Field(default="UTC", description="IANA time zone, as Europe/Berlin")
    resource: str | None = Field(default=None, description="id of a resource; none: all")
    device: Name | None = Field(default=None, description="or a device: all resources that are this device alone")
    market_context: str | None = Field(default=None, min_length=1, description="only in this program")

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"no time zone is called {zone!r}; write it as Europe/Berlin") from None
        return zone

    @model_validator(mode="after")
    def _of_one(self) -> Self:
        if self.resource is not None and self.device is not None:
            raise ValueError("a calendar is of a `resource` or of a `device`")
        return self


class OpenAdrVenBlock(Block):
    """One VEN of ours at one VTN."""

    name: Name = Field(description="unique among our VENs; under it its state is kept")
    ven_name: str = Field(default="", max_length=128, description="oadrVenName; empty: as `name`")
    url: Address | None = Field(
        default=None, description="the VTN's address before OpenADR2/Simple/2.0b; leave out with `xmpp`"
    )
    ven_id: str | None = Field(default=None, description="venID where the utility gave one beforehand")
    tls: OpenAdrTls | None = Field(default=None, description="keys and trust; leave out with http:// only")
    signatures: Fingerprint | None = Field(
        default=None, description="High security: sign, and take only what this certificate of the VTN has signed"
    )
    push: OpenAdrPush | None = Field(default=None, description="leave out to poll")
    vtn_fingerprint: Fingerprint | None = Field(
        default=None, description="of the VTN's certificate: nobody else may push; needed with `push` and `tls`"
    )
    xmpp: OpenAdrXmppVen | None = Field(default=None, description="instead of `url`: the VTN is reached over XMPP")
    poll_s: float = Field(default=10.0, gt=0, le=86_400, description="poll interval where the VTN names none, s")
    register_again_s: float | None = Field(
        default=None,
        gt=0,
        le=31 * 86_400,
        description="register anew so long after the VTN cancelled, s; empty: at the next start or by hand",
    )
    report_only: bool = Field(default=False, description="only reports are spoken, no events")
    one_point_each: bool = Field(default=False, description="for VTNs that read one value of an interval only")
    min_period_s: int = Field(default=1, ge=1, le=86_400, description="shortest sampling period offered, s")
    max_period_s: int = Field(default=3600, ge=1, le=86_400, description="longest sampling period offered, s")
    history_period_s: int = Field(default=300, ge=10, le=86_400, description="length of a recorded interval, s")
    history_days: float = Field(default=7.0, gt=0, le=366, description="how far back history is kept, days")
    programs: tuple[OpenAdrProgram, ...] = Field(min_length=1, description="what is taken part in")
    resources: tuple[OpenAdrResource, ...] = Field(default=(), description="what is told and reported by name")
    calendars: tuple[OpenAdrCalendar, ...] = Field(default=(), description="when we do not take part, week by week")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.url is None) is (self.xmpp is None):
            raise ValueError("give exactly one of `url` and `xmpp`")
        if self.xmpp is not None and (self.tls or self.push or self.signatures):
            raise ValueError("`tls`, `push` and `signatures` belong to simple HTTP; `xmpp` has a `tls` of its own")
        if self.url is not None and self.url.startswith("https://") is not (self.tls is not None):
            raise ValueError("`tls` belongs to https:// and only to it")
        if self.signatures and self.tls is None:
            raise ValueError("`signatures` needs the key of a `tls` block")
        if self.history_days * 86_400 / self.history_period_s > MOST_RECORDED:
            raise ValueError(
                f"`history_days` holds more than {MOST_RECORDED} intervals; make `history_period_s` longer"
            )
        if self.push and self.tls and not (self.vtn_fingerprint or self.signatures):
            raise ValueError("`push` needs `vtn_fingerprint`: who but the VTN may call us")
        if self.vtn_fingerprint and self.signatures not in {None, self.vtn_fingerprint}:
            raise ValueError("`signatures` and `vtn_fingerprint` name two certificates; the VTN has one")
        contexts = [program.market_context for program in self.programs]
        names = [resource.id for resource in self.resources]
        if len(set(contexts)) < len(contexts) or len(set(names)) < len(names):
            raise ValueError("market contexts and resources are named once each")
        return self

    @model_validator(mode="after")
    def _calendars_fit(self) -> Self:
        names = {resource.id for resource in self.resources}
        strange = [entry.resource for entry in self.calendars if entry.resource and entry.resource not in names]
        if strange:
            raise ValueError(f"a calendar names a resource that is not listed: {strange[0]}")
        devices = {resource.device for resource in self.resources}
        alone = [entry.device for entry in self.calendars if entry.device and entry.device not in devices]
        if alone:
            raise ValueError(f"a calendar names a device that is no resource by itself: {alone[0]}; list it as one")
        return self


class OpenAdrMember(Block):
    """A VEN below our VTN, or one resource of it, as a device of the fleet."""

    device: Name = Field(description="its name in the fleet; not one of `devices`")
    resource: str = Field(default="", description="resourceID; empty: the VEN as a whole")
    kind: DeviceKind = Field(default=DeviceKind.LOAD, description="what it is")
    groups: tuple[Name, ...] = Field(default=(), description="groups that it joins")
    signals: tuple[
        Literal[
            "setpoint",
            "delta",
            "multiplier",
            "reactive",
            "simple",
            "capacity",
            "level_offset",
            "percent_offset",
            "control_setpoint",
            "charge_setpoint",
            "charge_delta",
            "charge_multiplier",
        ],
        ...,
    ] = Field(
        default=("setpoint",),
        min_length=1,
        description="what it carries out of LOAD_DISPATCH, SIMPLE, LOAD_CONTROL and CHARGE_STATE; the best is used",
    )
    market_context: str = Field(default="http://gridiface.invalid/fleet", description="program of its events")
    max_w: float = Field(default=0.0, ge=0, description="most it delivers, W")
    rated_load_w: float = Field(default=0.0, ge=0, description="most it takes, W")
    baseline_w: float | None = Field(default=None, ge=0, description="its load without events, W; none: as reported")
    levels: tuple[_Part, ...] = Field(
        default=(0.0, 0.33, 0.66, 1.0), min_length=1, max_length=4, description="part shed by SIMPLE levels 0, 1, 2, 3"
    )
    offsets: dict[int, float] = Field(
        default_factory=dict, description="part shed by LOAD_CONTROL level offsets; offset -> -1..1"
    )
    setpoint_w: float = Field(default=1.0, gt=0, description="W of load that 1 of its LOAD_CONTROL set-points means")
    capacity_wh: float | None = Field(default=None, gt=0, description="the 1.0 of its CHARGE_STATE multipliers, Wh")
    max_var: float = Field(default=0.0, ge=0, description="most reactive power either way, var")
    generation_positive: bool = Field(default=False, description="it takes + as delivered")


class OpenAdrVenEntry(Block):
    """A VEN that is known before it registers."""

    ven_id: str = Field(min_length=1, max_length=128, description="venID")
    name: str = Field(default="", description="for people")
    fingerprint: Fingerprint | None = Field(
        default=None, description="of its certificate; needed with TLS, except of a VEN with a `jid`"
    )
    jid: BareJid | None = Field(default=None, description="user@domain under which it speaks XMPP")
    profile: Literal["2.0a", "2.0b"] = Field(default="2.0b", description="2.0a: events only, never registers")
    signatures: bool = Field(default=False, description="High security: it signs, and what is not signed is refused")
    version_optional: bool = Field(
        default=False, description="whether it may leave schemaVersion out, which else gets 459 (rule 509)"
    )
    groups: tuple[str, ...] = Field(default=(), description="groupIDs that it belongs to")
    parties: tuple[str, ...] = Field(default=(), description="partyIDs that it acts for")
    resources: tuple[str, ...] = Field(default=(), description="resourceIDs of it, beside those of its members")
    market_contexts: tuple[str, ...] = Field(default=(), description="programs of it; empty: any")
    members: tuple[OpenAdrMember, ...] = Field(default=(), description="devices of the fleet that it is")


class OpenAdrWish(Block):
    """A report that is asked of every VEN that offers it."""

    name: str = Field(default="TELEMETRY_USAGE", description="report name without METADATA_")
    granularity_s: int = Field(default=10, ge=0, description="seconds between values; 0: each change")
    back_s: int = Field(default=10, ge=0, description="seconds between reports; 0: once")


class OpenAdrVtnBlock(Block):
    """Our VTN."""

    vtn_id: str = Field(default="GRIDIFACE", min_length=1, description="vtnID; some VENs want a capital letter in it")
    listen: Place = Field(default="127.0.0.1:8444", description="HOST:PORT; port 0 = any free")
    tls: OpenAdrTls | None = Field(default=None, description="leave out for plain HTTP on this machine only")
    prefix: str = Field(default="", description="path before OpenADR2")
    poll_s: int = Field(default=10, ge=1, le=86_400, description="poll interval asked of VENs, s")
    open_registration: bool = Field(default=False, description="whether VENs that are not listed may register")
    version_optional: bool = Field(default=False, description="whether any VEN may leave schemaVersion out")
    requests_at_once: int = Field(default=1000, ge=1, description="more are answered with 503")
    reports_kept: int = Field(default=1000, ge=1, le=1_000_000, description="newest reports kept of each VEN")
    wishes: tuple[OpenAdrWish, ...] = Field(
        default=(OpenAdrWish(), OpenAdrWish(name="TELEMETRY_STATUS"), OpenAdrWish(name="x-TELEMETRY_OTHER")),
        description="reports asked of every VEN that offers them",
    )
    xmpp: OpenAdrXmppVtn | None = Field(default=None, description="where VENs reach it over XMPP too")
    vens: tuple[OpenAdrVenEntry, ...] = ()

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.tls is None and self.listen.rpartition(":")[0] not in {"127.0.0.1", "localhost", "[::1]"}:
            raise ValueError("without `tls` only this machine itself may be listened on")
        if self.tls is not None and any(ven.fingerprint is None and ven.jid is None for ven in self.vens):
            raise ValueError("with `tls` each VEN needs its `fingerprint`, or the `jid` it speaks XMPP with")
        if any(ven.jid and (ven.signatures or self.xmpp is None) for ven in self.vens):
            raise ValueError("a `jid` needs the `xmpp` block and goes without `signatures`")
        if self.tls is None and any(ven.fingerprint or ven.signatures for ven in self.vens):
            raise ValueError("fingerprints and signatures need `tls`")
        for what, names in (
            ("venIDs", [ven.ven_id for ven in self.vens]),
            ("jids", [ven.jid for ven in self.vens if ven.jid]),
            ("fingerprints", [ven.fingerprint for ven in self.vens if ven.fingerprint]),
            ("devices", [member.device for ven in self.vens for member in ven.members]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"{what} must differ")
        return self


class OpenAdr(Block):
    """OpenADR 2.0b, either end or both."""

    vtn: OpenAdrVtnBlock | None = Field(default=None, description="VENs that are members of the fleet")
    vens: tuple[OpenAdrVenBlock, ...] = Field(default=(), description="utilities' programs that we take part in")

    @model_validator(mode="after")
    def _names(self) -> Self:
        names = [ven.name for ven in self.vens]
        if len(set(names)) < len(names):
            raise ValueError("VENs have names of their own")
        return self
