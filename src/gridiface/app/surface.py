"""The surface for people, as one server has it: its listener, the areas of the parts that run here, the first admin.

Owns no route.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from gridiface.app.alarms import AlarmSources
from gridiface.app.config.base import host_port
from gridiface.app.config.operator import OidcBlock, Operator
from gridiface.app.fronts.front import Front
from gridiface.app.running import Running
from gridiface.domain.clock import Clock
from gridiface.drivers.registry import DriverRegistry
from gridiface.errors import ConfigError
from gridiface.operator.alarms.mail import Mail
from gridiface.operator.alarms.notices import Target
from gridiface.operator.alarms.webhook import Webhook
from gridiface.operator.api.routing import ROOT, Area
from gridiface.operator.areas.engine import EngineArea
from gridiface.operator.areas.fleet import FleetArea
from gridiface.operator.areas.meters import MetersArea
from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.settlements import SettlementsArea
from gridiface.operator.auth.access import AccessRules, is_loopback
from gridiface.operator.auth.oidc import Provider, ProviderSettings
from gridiface.operator.desk import Desk
from gridiface.operator.pages import Pages
from gridiface.operator.server import OperatorServer
from gridiface.operator.upkeep import Upkeep
from gridiface.pki.contexts import KeyPair, server_context

_log = logging.getLogger("gridiface.operator")

#: The name of the first admin.
FIRST = "admin"


def areas_of(server: Running, fronts: Iterable[Front], desk: Desk) -> list[Area]:
    """The areas beside those of the desk; call it when the server's parts are made.

    A part that is not configured has no area: its routes are 404 and not in the API's description.
    """
    areas: list[Area] = [] if server.engine_desk is None else [EngineArea(desk, server.engine_desk)]
    if server.fleet is not None:
        block = server.config.operator
        files = None if block is None else block.device_files
        areas.append(FleetArea(desk, server.fleet, files, key_kinds=DriverRegistry().key_kinds))
    if server.portfolios is not None:
        areas.append(PortfoliosArea(desk, server.portfolios))
    if server.settlements is not None:
        areas.append(SettlementsArea(desk, server.settlements))
    if server.meters is not None:
        areas.append(MetersArea(desk, server.meters))
    for front in fronts:
        areas += front.areas(desk)
    return areas


def audit_key(block: Operator) -> bytes | None:
    """The secret that keys the audit log's seals, or None.

    Raises:
        ConfigError: the file cannot be read, or holds too little.
    """
    if block.audit_key is None:
        return None
    try:
        found = block.audit_key.read_bytes().strip()
    except OSError as problem:
        raise ConfigError(
            f"operator.audit_key {block.audit_key}: {problem.strerror}; name a readable file"
        ) from problem
    if len(found) < 32:
        fix = "make it with `head -c 32 /dev/urandom | base64`"
        raise ConfigError(f"operator.audit_key {block.audit_key} holds less than 32 bytes; {fix}")
    return found


def targets_of(block: Operator) -> list[Target]:
    """Who is told of alarms.

    Raises:
        ConfigError: a file cannot be read, an address cannot be used, or two have one name.
    """
    told: list[Target] = [
        Webhook(
            name=entry.name,
            url=entry.url,
            secret=_secret(entry.secret),
            severity=entry.severity,
            kinds=entry.kinds,
            private=entry.private_addresses,
        )
        for entry in block.webhooks
    ]
    told += [
        Mail(
            name=entry.name,
            host=entry.host,
            port=entry.port,
            security=entry.security,
            sender=entry.sender,
            to=entry.to,
            user=entry.user,
            password=_secret(entry.password).decode(),
            severity=entry.severity,
            kinds=entry.kinds,
            trust=None if entry.trust is None else str(entry.trust),
        )
        for entry in block.mails
    ]
    names = [target.name for target in told]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"operator.webhooks and operator.mails name {name!r} twice; give each its own name")
    return told


def _secret(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes().strip()
    except OSError as problem:
        raise ConfigError(
            f"{path} cannot be read: {problem.strerror}; name a file that the server may read"
        ) from problem


def upkeep_of(desk: Desk, sources: AlarmSources) -> Upkeep:
    """What the surface does by itself."""

    async def seal() -> int:
        return await desk.chain.seal(desk.clock.now())

    async def tell() -> None:
        await desk.notices.deliver(desk.clock.now())

    return Upkeep(seal, sources.look, tell)


def operator_server(block: Operator, desk: Desk, areas: Iterable[Area]) -> OperatorServer:
    """The listener as configured, of a desk that is open.

    Raises:
        ConfigError: certificate and key cannot be used.
    """
    host, port = host_port(block.listen)
    tls = None
    if block.tls is not None:
        pair = KeyPair(block.tls.certificate, block.tls.key)
        tls = server_context("modern", key_pairs=[pair], roots=[], require_client=False)
    rules = AccessRules(
        hosts=block.hosts,
        open_reads=is_loopback(host) if block.open_reads is None else block.open_reads,
        secure=tls is not None or block.plain,
        mark=desk.sessions.mark,
        requests_per_s=block.limits.requests_per_s,
        burst=block.limits.burst,
    )
    mounted = list(areas)
    elsewhere = "" if block.oidc is None else block.oidc.title
    pages = Pages(desk, cookie=rules.cookie, banner=block.banner, areas=mounted, elsewhere=elsewhere)
    return OperatorServer(
        desk,
        host=host,
        port=port,
        areas=mounted,
        pages=pages.pages(),
        refused=pages.refused,
        extend=[pages.extend],
        rules=rules,
        tls=tls,
        oidc=None if block.oidc is None else provider_of(block.oidc),
        connections=block.limits.connections,
    )


def provider_of(block: OidcBlock) -> Callable[[Clock], Provider]:
    """What makes the OpenID provider of the configuration.

    Raises:
        ConfigError: the secret cannot be read, an address is not safe, or PyJWT is not installed.
    """
    settings = ProviderSettings(
        issuer=block.issuer,
        client_id=block.client_id,
        client_secret=_secret(block.client_secret).decode(),
        redirect=f"{block.url}{ROOT}/session/oidc/callback",
        title=block.title,
        scopes=block.scopes,
        role_claim=block.role_claim,
        roles=dict(block.roles),
        default_role=block.default_role,
        algorithms=block.algorithms,
        trust=None if block.trust is None else str(block.trust),
    )
    return lambda clock: Provider(settings, clock)


async def invite_first_admin(desk: Desk, url: str) -> str | None:
    """Where nobody can sign in as an admin: the link, with a ticket, at which the first one chooses a password.

    There is no default password: whoever starts the server sees the link. It is a secret, and so not for the log.

    Raises:
        StoreUnavailable: nothing was made.
    """
    if desk.users.has_admin():
        return None
    now = desk.clock.now()
    user = desk.users.find(FIRST)
    if user is None:
        _, ticket = await desk.users.create(FIRST, "admin", now, by="first start")
    elif user.role != "admin" or user.disabled:
        return None
    else:
        ticket = await desk.users.invite(user, now, by="first start")
    _log.warning("nobody can sign in as an admin yet: the link for %r is printed by `gridiface serve`", FIRST)
    return f"{url}setup#{ticket}"
