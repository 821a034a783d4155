"""From the configuration to the sessions with utilities' IEEE 2030.5 servers: settings, TLS, identities."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from ipaddress import ip_network
from urllib.parse import urlsplit

from gridiface.app.config.model import Config
from gridiface.app.config.upstream import (
    Upstream,
    UpstreamDiscovery,
    UpstreamHints,
    UpstreamMember,
    UpstreamNotifications,
)
from gridiface.app.fleet.identities import lfdi_of
from gridiface.domain.clock import Clock
from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import DeviceKind
from gridiface.domain.ports import ControlInbox, FleetView, History, Ledger
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.translate.ratings import CATEGORIES
from gridiface.northbound.sep2.upstream.finding import find_servers
from gridiface.northbound.sep2.upstream.settings import Hints, Locate, Member, Met, NotificationListen, UpstreamSettings
from gridiface.northbound.sep2.upstream.upstreams import Upstreams
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.northbound.tls_limits import Caps
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.certificate import CertificateMalformed, parse_certificate, parse_pem_certificates
from gridiface.pki.contexts import KeyPair, client_context, peer_chain
from gridiface.pki.credentials import ChainPolicy, TlsFiles, TlsKeeper, load_roots
from gridiface.pki.identity import PeerIdentity, lfdi_from_der, sfdi_from_lfdi
from gridiface.pki.judged import judge_server
from gridiface.pki.revocation import load_revocation
from gridiface.pki.rules import SERVER_AUTH, sep2_rules
from gridiface.protocols.sep2.enums import DeviceCategory

#: Of a notification listener that anybody at the server's addresses may connect to.
_CAPS_WITHOUT_CERTIFICATE = Caps(total=256, per_address=64)


def upstreams(
    config: Config, *, clock: Clock, ledger: Ledger, inbox: ControlInbox, fleet: FleetView, history: History
) -> Upstreams | None:
    """The sessions of a configuration, not yet started; None where there are none.

    Raises:
        ConfigError: a certificate cannot be read, or two members of one session have the same LFDI.
    """
    if not config.upstreams:
        return None
    settings = [upstream_settings(one, config) for one in config.upstreams]
    return Upstreams(settings, clock=clock, ledger=ledger, inbox=inbox, fleet=fleet, history=history)


def upstream_settings(upstream: Upstream, config: Config) -> UpstreamSettings:
    """The settings of one session.

    Raises:
        ConfigError: as `upstreams`.
    """
    lfdi = own_lfdi(upstream)
    members = _members(upstream, config)
    lfdis = [lfdi, *(member.lfdi for member in members)]
    if len(set(lfdis)) < len(lfdis):
        raise ConfigError(f"upstream {upstream.name}: each device needs an LFDI of its own, and another one than ours")
    authority, dcap = _place(upstream)
    return UpstreamSettings(
        name=upstream.name,
        authority=authority,
        dcap=dcap,
        locate=None if upstream.discover is None else _locator(upstream.discover),
        context=lambda seen: upstream_context(upstream, seen),
        lfdi=lfdi,
        sfdi=sfdi_from_lfdi(bytes.fromhex(lfdi)),
        members=tuple(members),
        ours=None if upstream.own_group is None else Target(TargetKind.GROUP, upstream.own_group),
        pin=upstream.pin,
        servers=frozenset(upstream.servers),
        register=upstream.register_devices,
        others=frozenset(upstream.others),
        authority_base=upstream.authority,
        notifications=_notifications(upstream) if upstream.mode == "subscribe" else None,
        csip_aus=upstream.csip_aus,
        post_rate=upstream.post_rate_s,
        sample_s=upstream.sample_s,
        readings_kept=upstream.readings_kept,
        pen=config.sep2.pen if config.sep2 is not None else 0,
        qualities=frozenset(upstream.time_qualities),
        most_offset_s=upstream.max_clock_offset_s,
        shortest_poll_s=upstream.min_poll_s,
        timeout_s=upstream.timeout_s,
        parallel=upstream.requests_at_once,
    )


def _place(upstream: Upstream) -> tuple[str, str]:
    """Authority and path of the DeviceCapability; of a server that is looked for, what stands for them."""
    if upstream.url is None:
        return f"{upstream.name}.found.invalid:443", "/dcap"
    parts = urlsplit(upstream.url)
    path = parts.path if parts.path not in {"", "/"} else "/dcap"
    return f"{_bracketed(parts.hostname or '')}:{parts.port or 443}", path


def _locator(wanted: UpstreamDiscovery) -> Locate:
    async def locate() -> tuple[str, str] | None:
        found = await find_servers(
            wanted.transport, wanted.interfaces, wanted.subtype, wait_s=wanted.wait_s, port=wanted.port
        )
        chosen = [one for one in found if wanted.instance in {"", one.instance.partition("._")[0]}]
        return (chosen[0].authority, chosen[0].dcap) if chosen else None

    return locate


def own_lfdi(upstream: Upstream) -> str:
    """The LFDI of our certificate at a server, 40 upper-case hex digits.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        leaf = parse_pem_certificates(upstream.tls.certificate.read_bytes())[0]
    except (OSError, CertificateMalformed, IndexError) as problem:
        raise ConfigError(f"{upstream.tls.certificate}: no certificate can be read: {problem}") from problem
    return lfdi_from_der(leaf.der).hex().upper()


def upstream_context(upstream: Upstream, seen: Callable[[Met], None]) -> ssl.SSLContext:
    """The TLS context towards a server: our certificate, strict suites, and our own judgement of its chain.

    Args:
        upstream: of the configuration.
        seen: told of every server that was accepted.

    Raises:
        ConfigError: a file is missing or unusable.
    """
    tls = upstream.tls
    context = client_context(
        tls.profile,
        key_pairs=[KeyPair(tls.certificate, tls.key)],
        roots=tls.roots,
        check_hostname=tls.check_hostname,
    )
    revoked = load_revocation(tls.revoked, ())
    policy = ChainPolicy(sep2_rules(purpose=SERVER_AUTH), load_roots(tls.roots), revocation=revoked)
    own = [one.not_after for one in parse_pem_certificates(tls.certificate.read_bytes())]

    def demand(identity: PeerIdentity, connection: ssl.SSLObject) -> str:
        if upstream.servers and identity.lfdi not in upstream.servers:
            return f"its LFDI {identity.lfdi} is not among `servers`"
        chain = peer_chain(connection)
        seen(Met(identity.lfdi, chain[0], (*own, *(parse_certificate(der).not_after for der in chain))))
        return ""

    return judge_server(context, policy, demand)


def _members(upstream: Upstream, config: Config) -> list[Member]:
    entries = list(upstream.devices)
    if upstream.all_devices:
        named = {entry.device for entry in entries}
        entries += [UpstreamMember(device=device.id) for device in config.devices if device.id not in named]
    return [_member(entry, config) for entry in entries]


def _member(entry: UpstreamMember, config: Config) -> Member:
    site, pen = config.site, config.sep2.pen if config.sep2 is not None else 0
    if entry.group is not None:
        lfdi = entry.lfdi or identities.derived_lfdi(site, "group", entry.group, pen)
        target, category = Target(TargetKind.GROUP, entry.group), DeviceCategory.VIRTUAL_OR_MIXED_DER
        return Member(lfdi=lfdi, target=target, category=int(category), connection_point=entry.connection_point)
    name = entry.device or ""
    kind = next((device.kind for device in config.devices if device.id == name), None)
    return Member(
        lfdi=entry.lfdi or _known_lfdi(name, config) or identities.derived_lfdi(site, "device", name, pen),
        target=Target(TargetKind.DEVICE, name),
        category=int(CATEGORIES[kind or DeviceKind.BATTERY]),
        connection_point=entry.connection_point,
    )


def _known_lfdi(device: str, config: Config) -> str | None:
    """The LFDI of a device that has a certificate of its own."""
    clients = config.sep2.clients if config.sep2 is not None else ()
    return next((lfdi_of(client) for client in clients if client.device == device), None)


def _notifications(upstream: Upstream) -> NotificationListen | None:
    block = upstream.notifications
    if block is None:
        return None
    host, _, port = block.listen.rpartition(":")
    return NotificationListen(
        host=host.strip("[]"),
        port=int(port),
        listener=lambda server: _listener(upstream, block, server),
        uri=block.uri or "",
        renew_s=block.renew_s,
        slow_poll_s=block.slow_poll_s,
        hints=None if block.without_certificate is None else _hints(block.without_certificate),
    )


def _hints(block: UpstreamHints) -> Hints:
    return Hints(
        sources=tuple(ip_network(text) for text in block.sources),
        per_minute=block.per_minute,
        most_octets=block.max_body_bytes,
    )


def _listener(upstream: Upstream, block: UpstreamNotifications, server: Sep2Http) -> TlsListener:
    tls = upstream.tls
    pair = KeyPair(block.certificate or tls.certificate, block.key or tls.key)
    files = TlsFiles(key_pairs=(pair,), roots=tls.roots, revocation_list=tls.revoked)
    asks = block.without_certificate is None
    keeper = TlsKeeper(files, profile=block.profile or tls.profile, rules=sep2_rules(), require_client=asks)
    return TlsListener(server, keeper, caps=None if asks else _CAPS_WITHOUT_CERTIFICATE)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
