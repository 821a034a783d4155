"""What the OpenADR adapter is told at its start: values only, made from the configuration by the app."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gridiface.domain.controls import Target
from gridiface.domain.fleet import DeviceKind
from gridiface.northbound.openadr.translate.events import Program
from gridiface.northbound.openadr.ven_calendar import Calendar
from gridiface.northbound.tls_listener import TlsListener
from gridiface.protocols.openadr.signature import Signer, Trust
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import VtnConfig

#: Quantities that can be reported of a resource, with their units on the wire.
QUANTITIES = ("W", "var", "VA", "V", "Hz", "stored")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signing:
    """High security: what we sign with, and who may sign for a peer. Signatures are then required of it."""

    signer: Signer
    trust: Trust
    window_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenSettings:
    """A listener. `tls` None: plain HTTP, which the profile knows for trials only, with `connections` at most."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: Callable[[Callable[[], asyncio.Protocol]], TlsListener] | None = None
    most_at_once: int = 1000
    connections: int = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class XmppSettings:
    """A login at an XMPP server.

    Attributes:
        jid: our full JID; of a component its domain.
        host, port: where the server listens.
        context: makes the TLS context; None only for a component, whose link is plain (XEP-0114).
        secret: password, or the component's secret; "": SASL EXTERNAL with the certificate of `context`.
        direct_tls: TLS from the first octet on, instead of STARTTLS.
        component: whether we log in as a component.
        directory: JID that is asked for the VTN's services; "": the domain of `jid`.
    """

    jid: str
    host: str
    port: int
    context: Callable[[], ssl.SSLContext] | None = None
    secret: str = ""
    direct_tls: bool = False
    component: bool = False
    directory: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSettings:
    """One resource that a VEN reports of.

    Attributes:
        resource: resourceID, part of its rIDs.
        target: the device or group.
        usage: which of QUANTITIES are in TELEMETRY_USAGE; "Wh": energy, too, in a report of its own.
        history: whether its power and energy are recorded for HISTORY_USAGE and HISTORY_GREENBUTTON.
        status: whether it is in TELEMETRY_STATUS.
        rated_load_w: the 1.0 of load control capacities in its status.
        generation_positive: + is delivered, against the profile's usual + = consumption.
    """

    resource: str
    target: Target
    usage: tuple[str, ...] = ("W",)
    status: bool = True
    history: bool = False
    rated_load_w: float | None = None
    generation_positive: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VenSettings:
    """One VEN towards one VTN.

    Attributes:
        name: of the connection, unique here; part of the documents' space.
        url: the VTN's address before OpenADR2/Simple/2.0b.
        core: how the VEN behaves; its offers, resources and groups are made from `resources` and `programs`.
        programs: market context -> how its events are translated; "" any other.
        resources: what is reported.
        history_period_s, history_keep_s: length of a recorded interval, and how far back they are kept.
        calendars: when it does not take part, week by week: kept at the VTN as opt schedules.
        context: makes the TLS context; None for http.
        stamp: of the files behind it; another one calls for a new context.
        signing: None for the Standard security level.
        push: where the VTN pushes to; `core.push_address` is what it is told. None: pull.
        vtn_fingerprint: of the certificate that pushes must come with; "" only without TLS.
        xmpp: the login where the transport is XMPP; `url`, `context` and `push` then mean nothing.
        timeout_s: of one request.
    """

    name: str
    url: str
    core: VenConfig
    programs: Mapping[str, Program]
    resources: tuple[ResourceSettings, ...] = ()
    min_period_s: int = 1
    max_period_s: int = 3600
    history_period_s: int = 300
    history_keep_s: int = 604_800
    calendars: tuple[Calendar, ...] = ()
    context: Callable[[], ssl.SSLContext] | None = None
    stamp: Callable[[], object] | None = None
    signing: Signing | None = None
    push: ListenSettings | None = None
    vtn_fingerprint: str = ""
    xmpp: XmppSettings | None = None
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSettings:
    """A device of the fleet that is a VEN below our VTN, or one resource of it.

    Attributes:
        device_id: its name in the fleet.
        resource: resourceID; "": the VEN as a whole.
        signals: (signalName, signalType) pairs that it carries out; no payload of the profile tells us.
        market_context: the program its events belong to.
        max_w, rated_load_w: the most it delivers and takes, W >= 0.
        baseline_w: its load without an event, W >= 0; None: what it reported last before the event.
        levels, offsets: SIMPLE level and LOAD_CONTROL level offset -> fraction of the baseline that it sheds.
        setpoint_scale: watts of load that 1 of its LOAD_CONTROL set-points means.
        capacity_wh: the 1.0 of its CHARGE_STATE multipliers.
        max_var: the most reactive power that it injects or absorbs, var >= 0.
        groups: groups of the fleet that it joins.
    """

    device_id: str
    resource: str = ""
    name: str = ""
    kind: DeviceKind = DeviceKind.LOAD
    signals: frozenset[tuple[str, str]] = frozenset({("LOAD_DISPATCH", "setpoint")})
    market_context: str = "http://gridiface.invalid/fleet"
    max_w: float = 0.0
    rated_load_w: float = 0.0
    baseline_w: float | None = None
    levels: Mapping[int, float] = field(default_factory=lambda: {0: 0.0, 1: 0.33, 2: 0.66, 3: 1.0})
    offsets: Mapping[int, float] = field(default_factory=dict)
    setpoint_scale: float = 1.0
    capacity_wh: float | None = None
    max_var: float = 0.0
    generation_positive: bool = False
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenEntry:
    """A VEN that is known before it registers. `fingerprint` "" only without TLS or with a `jid`.

    Attributes:
        profile: "2.0a" for a VEN of the A profile, which never registers.
        jid: bare JID under which it speaks XMPP.
        signed: High security: what it sends is signed, or refused.
        groups, parties, resources: groupIDs, partyIDs and resourceIDs that it answers to, beside its members'.
        market_contexts: programs that it takes part in; empty: any.
    """

    ven_id: str
    fingerprint: str = ""
    jid: str = ""
    name: str = ""
    profile: str = "2.0b"
    signed: bool = False
    groups: tuple[str, ...] = ()
    parties: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    market_contexts: tuple[str, ...] = ()
    members: tuple[MemberSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VtnSettings:
    """Our VTN.

    Attributes:
        core: how it behaves.
        listen: where VENs reach it.
        prefix: path before OpenADR2.
        vens: those known beforehand.
        signing: what is signed with; required of the VENs whose entry says `signed`. None: nobody signs.
        push_context: makes the TLS context of pushes.
        push_stamp: of the files behind it; another one calls for a new context.
        reports_kept: of each VEN, for the operator.
        xmpp: where we are reached over XMPP too.
    """

    core: VtnConfig
    listen: ListenSettings
    prefix: str = ""
    vens: tuple[VenEntry, ...] = ()
    signer: Signer | None = None
    signature_window_s: float = 30.0
    push_context: Callable[[], ssl.SSLContext] | None = None
    push_stamp: Callable[[], object] | None = None
    push_timeout_s: float = 10.0
    reports_kept: int = 1000
    xmpp: XmppSettings | None = None
