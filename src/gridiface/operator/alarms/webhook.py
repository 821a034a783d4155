"""Notices by HTTP POST: signed, bounded, never to an address that the configuration does not allow.

Against server-side request forgery the name is resolved here, every address is judged, and the connection goes to one
of those judged (a second look-up cannot answer otherwise); redirects are not followed, the answer is not read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from gridiface.addresses import Scope, scope_of
from gridiface.errors import ConfigError
from gridiface.operator.alarms.notices import Notice, Undelivered

#: Time for one delivery, s.
WITHIN_S = 10.0


class Judge(AbstractResolver):
    """Resolves names to the addresses that may be connected to."""

    def __init__(self, *, private: bool) -> None:
        self._private = private

    def allows(self, address: str) -> bool:
        """Whether an address may be connected to."""
        scope = scope_of(address)
        return scope is Scope.GLOBAL or (self._private and scope in {Scope.PRIVATE, Scope.LOOPBACK})

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The allowed addresses of a name.

        Raises:
            OSError: there is none.
        """
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        allowed = [
            ResolveResult(
                hostname=host,
                host=str(place[0]),
                port=int(place[1]),
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, place in found
            if self.allows(str(place[0]))
        ]
        if not allowed:
            raise OSError(f"{host} leads to no address that may be notified")
        return allowed

    async def close(self) -> None:
        """Nothing is held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One address that is told.

    Args:
        name: for the log.
        url: https://..., or http:// where `private` allows it.
        secret: signs each notice; empty: they are not signed.
        severity, kinds: the least severity, and the kinds (none: all), that it wants to know of.
        private: whether private and loopback addresses may be notified.
    """

    name: str
    url: str
    secret: bytes = b""
    severity: str = "info"
    kinds: tuple[str, ...] = ()
    private: bool = False

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ({"http", "https"} if self.private else {"https"}) or not parts.hostname:
            raise ConfigError(f"the webhook {self.name} needs an https:// address, not {self.url!r}")

    async def send(self, notice: Notice) -> None:
        """POST it once.

        Raises:
            Undelivered: no answer, or not a 2xx.
        """
        judge = Judge(private=self.private)
        host = urlsplit(self.url).hostname or ""
        if _is_address(host) and not judge.allows(host):
            raise Undelivered(f"{host} may not be notified; private_addresses allows it", final=True)
        body = json.dumps({"event": notice.event, "id": notice.id, "alarm": notice.alarm}, sort_keys=True).encode()
        timeout = aiohttp.ClientTimeout(total=WITHIN_S)
        connector = aiohttp.TCPConnector(resolver=judge, force_close=True, use_dns_cache=False)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.post(self.url, data=body, headers=self._headers(notice, body), allow_redirects=False) as answer,
            ):
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            raise Undelivered(f"{self.name}: {problem or type(problem).__name__}") from problem
        if not 200 <= status < 300:
            raise Undelivered(f"{self.name} answered {status}", final=status in {404, 405, 410})

    def _headers(self, notice: Notice, body: bytes) -> dict[str, str]:
        at = str(int(notice.first))
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "gridiface",
            "X-Gridiface-Event": notice.event,
            "X-Gridiface-Delivery": notice.id,
            "X-Gridiface-Timestamp": at,
        }
        if self.secret:
            signed = hmac.new(self.secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers["X-Gridiface-Signature"] = f"sha256={signed}"
        return headers


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
