"""A client's TLS context that judges the server's chain in the handshake, before the first request leaves.

OpenSSL's own verification stays; this adds what it does not know (see `policy`) and whatever else the caller demands
of the server, such as one of certain LFDIs. Works for every library that takes a context, since the check is part of
the handshake.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import Callable
from typing import Any

from gridiface.pki.certificate import CertificateMalformed, parse_certificate
from gridiface.pki.contexts import peer_chain
from gridiface.pki.credentials import ChainPolicy
from gridiface.pki.identity import PeerIdentity
from gridiface.pki.revocation import Revocation

Demand = Callable[[PeerIdentity, ssl.SSLObject], str]
"""What else is demanded of the server of a connection: the reason to refuse it, "" to take it."""


def judge_server(
    context: ssl.SSLContext,
    policy: ChainPolicy,
    demand: Demand = lambda _identity, _connection: "",
    wall_clock: Callable[[], float] = time.time,
) -> ssl.SSLContext:
    """Let `context` refuse servers whose chain the policy or the demand refuses.

    The handshake then raises ssl.SSLCertVerificationError with the reason.

    Args:
        context: a client's.
        policy: what a chain must be.
        demand: asked after the policy has accepted.
        wall_clock: s since 1970 UTC.
    """

    class Judged(ssl.SSLObject):
        """A connection of this context."""

        def do_handshake(self) -> Any:
            """Shake hands, then judge; may be called again until it is done."""
            super().do_handshake()
            reason = _refusal(self, policy, demand, wall_clock())
            if reason:
                raise _refused(reason)

    context.sslobject_class = Judged
    return context


def refuse_revoked(context: ssl.SSLContext, revocation: Revocation) -> ssl.SSLContext:
    """Let `context` refuse servers of which a certificate of the chain is revoked, and leave the rest to OpenSSL.

    The handshake then raises ssl.SSLCertVerificationError with the reason.

    Args:
        context: a client's.
        revocation: everything that is revoked.
    """

    class Judged(ssl.SSLObject):
        """A connection of this context."""

        def do_handshake(self) -> Any:
            """Shake hands, then look everybody up; may be called again until it is done."""
            super().do_handshake()
            try:
                chain = [parse_certificate(der) for der in peer_chain(self)]
            except CertificateMalformed as problem:  # who cannot be looked up is not let in
                raise _refused(f"it cannot be read: {problem}") from problem
            for certificate, issuer in zip(chain, [*chain[1:], None], strict=True):
                reason = revocation.reason(certificate, issuer)
                if reason is not None:
                    raise _refused(f"{certificate.label} is revoked: {reason}")

    context.sslobject_class = Judged
    return context


def _refused(reason: str) -> ssl.SSLCertVerificationError:
    """As OpenSSL's own refusals are: the bare reason stands in `verify_message`."""
    error = ssl.SSLCertVerificationError(1, f"the server's certificate is refused: {reason}")
    error.verify_message = reason
    return error


def _refusal(connection: ssl.SSLObject, policy: ChainPolicy, demand: Demand, now: float) -> str:
    verdict = policy.check(peer_chain(connection), now=now)
    check = verdict.refusal
    if check is not None:
        return f"{check.name} ({check.clause}): {check.detail}"
    return demand(verdict.identity, connection) if verdict.identity is not None else "it cannot be read"


def names_host(connection: ssl.SSLObject) -> bool:
    """Whether the server's certificate names the host that was connected to (RFC 9525 section 6.3).

    A dNSName counts letter by letter in either case, with `*` as its whole first label; an iPAddress as an address.
    """
    host = connection.server_hostname
    found = (connection.getpeercert() or {}).get("subjectAltName", ())
    return host is not None and any(_names(kind, name, host) for kind, name in _pairs(found))


def _pairs(names: object) -> list[tuple[str, str]]:
    return [(str(name[0]), str(name[1])) for name in names] if isinstance(names, tuple) else []


def _names(kind: str, name: str, host: str) -> bool:
    if kind == "IP Address":
        try:
            return ipaddress.ip_address(name.strip()) == ipaddress.ip_address(host)
        except ValueError:
            return False
    if kind != "DNS":
        return False
    name, host = name.lower(), host.lower().removesuffix(".")
    first, _, rest = host.partition(".")
    return name == host or (bool(first) and rest.count(".") > 0 and name == f"*.{rest}")
