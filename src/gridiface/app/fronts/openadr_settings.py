"""From the configuration to the OpenADR adapters: settings, TLS, signatures, and the adapters themselves."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from pathlib import Path

from gridiface.app.config.openadr import (
    OpenAdr,
    OpenAdrCalendar,
    OpenAdrMember,
    OpenAdrProgram,
    OpenAdrResource,
    OpenAdrVenBlock,
    OpenAdrVenEntry,
    OpenAdrVtnBlock,
)
from gridiface.app.config.openadr_links import OpenAdrTls, OpenAdrXmppLogin, OpenAdrXmppVen, OpenAdrXmppVtn
from gridiface.domain.clock import Clock
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.ports import ControlInbox, DeviceRegistry, FleetView, Ledger
from gridiface.errors import ConfigError, LocalProtocolError
from gridiface.northbound.openadr.settings import (
    ListenSettings,
    MemberSettings,
    ResourceSettings,
    Signing,
    VenEntry,
    VenSettings,
    VtnSettings,
    XmppSettings,
)
from gridiface.northbound.openadr.translate.events import Level, PriceStep, Program, fractions
from gridiface.northbound.openadr.translate.fleet import CLAIMS
from gridiface.northbound.openadr.ven.ven import OpenAdrVen
from gridiface.northbound.openadr.ven_calendar import Calendar
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.northbound.tls_limits import Caps
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.contexts import KeyPair, ProfileName, client_context
from gridiface.pki.credentials import TlsFiles, TlsKeeper
from gridiface.pki.identity import openadr_fingerprint
from gridiface.pki.judged import refuse_revoked
from gridiface.pki.revocation import load_revocation
from gridiface.pki.rules import openadr_rules
from gridiface.pki.watch import Stamp, stamp
from gridiface.protocols.openadr.signature import Signer
from gridiface.protocols.openadr.ven import VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig
from gridiface.streams.acceptor import nothing_spare

#: File descriptors that a listener leaves to others where nobody says more.
_RESERVED = 128
_PLAIN_CONNECTIONS = 2_000
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def openadr_vens(
    openadr: OpenAdr, *, clock: Clock, ledger: Ledger, inbox: ControlInbox, fleet: FleetView
) -> list[OpenAdrVen]:
    """Our VENs, not yet started.

    Raises:
        ConfigError: a key to sign with cannot be used.
    """
    return [OpenAdrVen(ven_settings(ven), clock=clock, ledger=ledger, inbox=inbox, fleet=fleet) for ven in openadr.vens]


def openadr_vtn(
    openadr: OpenAdr,
    *,
    clock: Clock,
    ledger: Ledger,
    registry: DeviceRegistry,
    reserved: int = _RESERVED,
    lent: Callable[[], bool] = nothing_spare,
) -> OpenAdrVtn | None:
    """Our VTN, not yet started; None where there is none. It leaves `reserved` file descriptors to others.

    Raises:
        ConfigError: a key to sign with cannot be used.
    """
    if openadr.vtn is None:
        return None
    return OpenAdrVtn(vtn_settings(openadr.vtn, reserved, lent), clock=clock, ledger=ledger, registry=registry)


def ven_settings(ven: OpenAdrVenBlock) -> VenSettings:
    """The settings of one VEN.

    Raises:
        ConfigError: as `openadr_vens`.
    """
    resources = {resource.id: _target(resource.group, resource.device) for resource in ven.resources}
    return VenSettings(
        name=ven.name,
        url=ven.url or "",
        core=VenConfig(
            name=ven.ven_name or ven.name,
            ven_id=ven.ven_id,
            push_address=ven.push.address if ven.push else ven.xmpp.jid if ven.xmpp else None,
            transport="xmpp" if ven.xmpp else "simpleHttp",
            report_only=ven.report_only,
            poll_frequency=ven.poll_s,
            register_again=ven.register_again_s,
            one_point_each=ven.one_point_each,
        ),
        programs={program.market_context: _program(program, resources) for program in ven.programs},
        resources=tuple(
            ResourceSettings(
                resource=resource.id,
                target=resources[resource.id],
                usage=resource.usage,
                status=resource.status,
                history=resource.history,
                rated_load_w=resource.rated_load_w,
                generation_positive=any(program.generation_positive for program in ven.programs),
            )
            for resource in ven.resources
        ),
        min_period_s=ven.min_period_s,
        max_period_s=ven.max_period_s,
        calendars=tuple(_calendar(entry, ven.resources) for entry in ven.calendars),
        history_period_s=ven.history_period_s,
        history_keep_s=int(ven.history_days * 86_400),
        context=_client(ven.tls),
        stamp=_stamp(ven.tls),
        signing=_signing(ven),
        push=_listen(ven.push.listen, ven.tls) if ven.push else None,
        vtn_fingerprint=(ven.vtn_fingerprint or ven.signatures or "") if ven.tls else "",
        xmpp=_xmpp_login(ven.xmpp) if ven.xmpp else None,
    )


def vtn_settings(
    vtn: OpenAdrVtnBlock, reserved: int = _RESERVED, lent: Callable[[], bool] = nothing_spare
) -> VtnSettings:
    """The settings of our VTN.

    Raises:
        ConfigError: as `openadr_vtn`.
    """
    return VtnSettings(
        core=VtnConfig(
            vtn_id=vtn.vtn_id,
            poll_frequency=vtn.poll_s,
            open_registration=vtn.open_registration,
            version_optional=vtn.version_optional,
            version_optional_of=frozenset(ven.ven_id for ven in vtn.vens if ven.version_optional),
            profiles={"2.0a": ("simpleHttp",), "2.0b": ("simpleHttp", "xmpp") if vtn.xmpp else ("simpleHttp",)},
            wishes=tuple(
                ReportWish(name=wish.name, granularity=wish.granularity_s, back=wish.back_s) for wish in vtn.wishes
            ),
        ),
        listen=_listen(vtn.listen, vtn.tls, vtn.requests_at_once, reserved, lent),
        prefix=vtn.prefix,
        vens=tuple(_entry(ven) for ven in vtn.vens),
        signer=_signer(vtn.tls) if vtn.tls is not None else None,
        push_context=_client(vtn.tls),
        push_stamp=_stamp(vtn.tls),
        reports_kept=vtn.reports_kept,
        xmpp=_xmpp_vtn(vtn.xmpp) if vtn.xmpp else None,
    )


def _xmpp_login(login: OpenAdrXmppLogin) -> XmppSettings:
    host, port = _place(login.server)
    return XmppSettings(
        jid=login.jid,
        host=host,
        port=port,
        context=_client(login.tls),
        secret=_secret(login.password_file) if login.password_file else "",
        direct_tls=login.direct_tls,
        directory=login.directory if isinstance(login, OpenAdrXmppVen) else "",
    )


def _xmpp_vtn(xmpp: OpenAdrXmppVtn) -> XmppSettings:
    if xmpp.component is None:
        assert xmpp.login is not None
        return _xmpp_login(xmpp.login)
    host, port = _place(xmpp.component.server)
    secret = _secret(xmpp.component.secret_file)
    return XmppSettings(jid=xmpp.component.domain, host=host, port=port, secret=secret, component=True)


def _secret(path: Path) -> str:
    """The first line of a file.

    Raises:
        ConfigError: it cannot be read, or holds none.
    """
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{path}: cannot be read: {problem}") from problem
    if not text:
        raise ConfigError(f"{path}: holds no secret; write it on one line")
    return text.splitlines()[0]


def _place(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host.strip("[]"), int(port)


def _target(group: str | None, device: str | None) -> Target:
    return Target(TargetKind.DEVICE, device) if device else Target(TargetKind.GROUP, group or "")


def _program(program: OpenAdrProgram, resources: dict[str, Target]) -> Program:
    return Program(
        target=_target(program.group, program.device),
        resources=resources,
        generation_positive=program.generation_positive,
        simple=fractions(*program.simple),
        dispatch={level: Level(watts=watts) for level, watts in program.dispatch.items()},
        offsets={level: Level(watts=watts) for level, watts in program.offsets.items()},
        switchable=program.switchable,
        rated_load_w=program.rated_load_w,
        capacity_wh=program.capacity_wh,
        setpoint_scale=program.setpoint_w,
        prices=tuple(
            PriceStep(
                signal=step.signal, type=step.type, above=step.above, level=Level(fraction=step.shed, watts=step.watts)
            )
            for step in program.prices
        ),
        authority=program.authority,
        service_class=program.service_class,
    )


def _calendar(entry: OpenAdrCalendar, resources: Iterable[OpenAdrResource]) -> Calendar:
    of_device = tuple(one.id for one in resources if entry.device is not None and one.device == entry.device)
    return Calendar(
        opt="optOut" if entry.word == "out" else "optIn",
        days=frozenset(_DAYS.index(day) for day in entry.days),
        start=entry.start,
        end=entry.end,
        zone=entry.zone,
        resources=(entry.resource,) if entry.resource else of_device,
        market_context=entry.market_context,
    )


def _entry(ven: OpenAdrVenEntry) -> VenEntry:
    return VenEntry(
        ven_id=ven.ven_id,
        fingerprint=ven.fingerprint or "",
        jid=ven.jid or "",
        name=ven.name,
        profile=ven.profile,
        signed=ven.signatures,
        groups=ven.groups,
        parties=ven.parties,
        resources=ven.resources,
        market_contexts=ven.market_contexts,
        members=tuple(_member(member) for member in ven.members),
    )


def _member(member: OpenAdrMember) -> MemberSettings:
    return MemberSettings(
        device_id=member.device,
        resource=member.resource,
        kind=member.kind,
        signals=frozenset(CLAIMS[name] for name in member.signals),
        market_context=member.market_context,
        max_w=member.max_w,
        rated_load_w=member.rated_load_w,
        baseline_w=member.baseline_w,
        levels=dict(enumerate(member.levels)),
        offsets=dict(member.offsets),
        setpoint_scale=member.setpoint_w,
        capacity_wh=member.capacity_wh,
        max_var=member.max_var,
        generation_positive=member.generation_positive,
        groups=member.groups,
    )


def _pairs(tls: OpenAdrTls) -> tuple[KeyPair, ...]:
    found = [KeyPair(tls.certificate, tls.key)]
    return (*found, KeyPair(tls.also.certificate, tls.also.key)) if tls.also else tuple(found)


def _client(tls: OpenAdrTls | None) -> Callable[[], ssl.SSLContext] | None:
    if tls is None:
        return None

    def make() -> ssl.SSLContext:
        context = client_context(_profile(tls), key_pairs=_pairs(tls), roots=tls.roots)
        return context if tls.revoked is None else refuse_revoked(context, load_revocation(tls.revoked, ()))

    return make


def _stamp(tls: OpenAdrTls | None) -> Callable[[], Stamp] | None:
    """What tells whether the files of a TLS block changed."""
    if tls is None:
        return None
    paths = TlsFiles(key_pairs=_pairs(tls), roots=tls.roots, revocation_list=tls.revoked).all_paths()
    return lambda: stamp(paths)


def _profile(tls: OpenAdrTls) -> ProfileName:
    return "openadr-wide" if tls.wide else "openadr"


def _listen(
    place: str,
    tls: OpenAdrTls | None,
    most: int = 200,
    reserved: int = _RESERVED,
    lent: Callable[[], bool] = nothing_spare,
) -> ListenSettings:
    host, port = _place(place)
    caps = Caps(reserved_descriptors=reserved)

    def listener(server: Callable[[], asyncio.Protocol]) -> TlsListener:
        assert tls is not None
        files = TlsFiles(key_pairs=_pairs(tls), roots=tls.roots, revocation_list=tls.revoked)
        return TlsListener(server, TlsKeeper(files, profile=_profile(tls), rules=openadr_rules()), caps=caps, lent=lent)

    return ListenSettings(
        host=host,
        port=port,
        tls=listener if tls is not None else None,
        most_at_once=most,
        connections=min(_PLAIN_CONNECTIONS, caps.usable_total()),
    )


def _signer(tls: OpenAdrTls) -> Signer:
    try:
        return Signer.from_pem(tls.key.read_bytes(), tls.certificate.read_bytes())
    except (OSError, LocalProtocolError) as problem:
        raise ConfigError(f"{tls.key} with {tls.certificate}: cannot be signed with: {problem}") from problem


def _signing(ven: OpenAdrVenBlock) -> Signing | None:
    if ven.signatures is None or ven.tls is None:
        return None
    wanted = ven.signatures
    return Signing(signer=_signer(ven.tls), trust=lambda der: openadr_fingerprint(der) == wanted)
