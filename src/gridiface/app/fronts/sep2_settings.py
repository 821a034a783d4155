"""From the configuration to the settings of the IEEE 2030.5 server and its TLS listener. Pure but for reading files."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gridiface.app.config.base import host_port
from gridiface.app.config.model import Client, Sep2
from gridiface.app.fleet.identities import lfdi_of
from gridiface.app.fronts.credit_tokens import verifier_of
from gridiface.domain.fleet import Role
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.settings import (
    ClientEntry,
    CsipAusSettings,
    DiscoverySettings,
    DrlcSettings,
    FlowSettings,
    LimitSettings,
    NotificationSettings,
    PrepaymentSettings,
    Sep2Settings,
)
from gridiface.northbound.sep2.translate.load_control import LoadLevels
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.northbound.sep2.wire.notifier import HttpsNotifier
from gridiface.northbound.tls_limits import Caps
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.credentials import ChainPolicy, TlsFiles, TlsKeeper, load_roots
from gridiface.pki.identity import format_lfdi, lfdi_from_der
from gridiface.pki.judged import Demand, judge_server
from gridiface.pki.revocation import load_revocation
from gridiface.pki.rules import SERVER_AUTH, sep2_rules
from gridiface.streams.acceptor import nothing_spare

#: A PEN of eight decimal digits is the last that an mRID can show in decimal.
_LARGEST_DECIMAL = 99_999_999


def sep2_settings(sep2: Sep2, site: str) -> Sep2Settings:
    """The server's settings.

    Raises:
        ConfigError: a client's certificate cannot be read, or two clients are one.
    """
    host, port = host_port(sep2.listen)
    clients = tuple(
        ClientEntry(
            lfdi=lfdi_of(client),
            role=Role(client.role),
            device_id=client.device,
            pin=client.pin,
            manages=client.manages,
            edition=_edition(client),
        )
        for client in sep2.clients
    )
    return Sep2Settings(
        host=host,
        port=port,
        redirect_port=None if sep2.redirect is None else host_port(sep2.redirect)[1],
        pen=_pen(sep2),
        site=site,
        lfdi=_own_lfdi(sep2),
        poll_rates=sep2.poll_rates.model_dump(),
        post_rate=sep2.post_rate,
        timezone=sep2.timezone,
        in_band_registration=sep2.in_band_registration,
        in_band_groups=sep2.in_band_groups,
        clients=clients,
        event_retention_s=float(sep2.event_retention_s),
        notifications=_notifications(sep2),
        node_programs=sep2.node_programs,
        discovery=_discovery(sep2, site),
        csip_aus=None
        if sep2.csip_aus is None
        else CsipAusSettings(
            versions=sep2.csip_aus.versions,
            connection_points=sep2.csip_aus.connection_points,
            nmi=sep2.csip_aus.nmi,
        ),
        device_sets=frozenset(sep2.device_sets),
        drlc=DrlcSettings(
            engine=sep2.drlc.engine, levels=LoadLevels(appliance=dict(enumerate(sep2.drlc.appliance_levels)))
        ),
        flow=FlowSettings(engine=sep2.flow.engine, by_operator=sep2.flow.by_operator),
        prepayment=PrepaymentSettings(verifier=verifier_of(sep2.prepayment.tokens), within_s=sep2.prepayment.within_s),
        limits=LimitSettings(
            page=sep2.limits.page,
            body_bytes=sep2.limits.body_bytes,
            requests_per_s=sep2.limits.requests_per_s,
            requests_at_once=sep2.limits.requests_at_once,
        ),
    )


def _discovery(sep2: Sep2, site: str) -> DiscoverySettings | None:
    wanted = sep2.discovery
    if wanted is None:
        return None
    for text in wanted.addresses:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ConfigError(f"sep2.discovery.addresses: {text!r} is no address") from None
    return DiscoverySettings(
        transports=tuple(dict.fromkeys(wanted.transports)),
        interfaces=wanted.interfaces,
        name=wanted.name or f"gridiface {site}"[:40],
        host=f"gridiface-{socket.gethostname().partition('.')[0]}"[:50],
        addresses=wanted.addresses,
        port=wanted.port,
    )


def _own_lfdi(sep2: Sep2) -> str:
    """The LFDI of our certificate; "" where it cannot be read, of which the listener complains."""
    try:
        leaf = x509.load_pem_x509_certificates(sep2.tls.certificate.read_bytes())[0]
    except (OSError, ValueError, IndexError):
        return ""
    return format_lfdi(lfdi_from_der(leaf.public_bytes(Encoding.DER)))


def _pen(sep2: Sep2) -> int:
    """What our mRIDs end in, as a number: its hexadecimal digits are those of the PEN, or its decimal ones."""
    decimal = sep2.csip_aus is not None and sep2.csip_aus.decimal_pen and sep2.pen <= _LARGEST_DECIMAL
    return int(str(sep2.pen), 16) if decimal else sep2.pen


def _edition(client: Client) -> str | None:
    """Name of a client's dialect, "" for plain 2018; None where it is to be found out."""
    return None if client.edition == "auto" else client.edition.replace("2018", "")


def _notifications(sep2: Sep2) -> NotificationSettings | None:
    wanted = sep2.notifications
    if not wanted.enabled:
        return None
    rules = TargetRules(
        hosts=frozenset(host.lower() for host in wanted.hosts),
        private_addresses=wanted.private_addresses,
        loopback=wanted.loopback,
        plain=wanted.plain_http,
    )
    return NotificationSettings(
        make=lambda: HttpsNotifier(lambda demand: notifier_context(sep2, demand), rules),
        rules=rules,
        spacing_s=wanted.spacing_s,
    )


def notifier_context(sep2: Sep2, demand: Demand) -> ssl.SSLContext:
    """The TLS context of notifications: the server's own certificate, roots and rules for chains.

    Args:
        sep2: of the configuration.
        demand: what else is demanded of a receiver.

    Raises:
        ConfigError: a file is missing or unusable.
    """
    tls = sep2.tls
    pair = KeyPair(tls.certificate, tls.key)
    context = client_context(tls.profile, key_pairs=[pair], roots=tls.roots, check_hostname=False)
    revoked = load_revocation(tls.revoked, ())
    policy = ChainPolicy(sep2_rules(purpose=SERVER_AUTH), load_roots(tls.roots), revocation=revoked)
    return judge_server(context, policy, demand)


def tls_keeper(sep2: Sep2) -> TlsKeeper:
    """Keys, trust and policy of the listener, renewed when their files change.

    Raises:
        ConfigError: a file is missing or unusable.
    """
    tls = sep2.tls
    files = TlsFiles(key_pairs=(KeyPair(tls.certificate, tls.key),), roots=tls.roots, revocation_list=tls.revoked)
    return TlsKeeper(files, profile=tls.profile, rules=sep2_rules())


def tls_listener(sep2: Sep2, server: Sep2Http, reserved: int, lent: Callable[[], bool] = nothing_spare) -> TlsListener:
    """The listener in front of the server's HTTP; it leaves `reserved` file descriptors to the rest of the process.

    `lent`: see TlsListener.
    """
    limits = sep2.limits
    caps = Caps(
        total=limits.connections,
        per_address=limits.connections_per_address,
        per_identity=limits.connections_per_identity,
        identities={lfdi_of(client): client.connections for client in sep2.clients if client.connections is not None},
        reserved_descriptors=reserved,
    )
    return TlsListener(server, tls_keeper(sep2), caps=caps, lent=lent)
