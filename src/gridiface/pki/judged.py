"""A client's TLS context that judges the server's chain in the handshake, before the first request leaves.

OpenSSL's own verification stays; this adds what it does not know (see `policy`) and whatever else the caller demands
of the server, such as one of certain LFDIs. Works for every library that takes a context, since the check is part of
the handshake.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from typing import Any

from gridiface.pki.contexts import peer_chain
from gridiface.pki.credentials import ChainPolicy
from gridiface.pki.identity import PeerIdentity

Demand = Callable[[PeerIdentity], str]
"""What else is demanded of a server: the reason to refuse it, "" to take it."""


def judge_server(
    context: ssl.SSLContext,
    policy: ChainPolicy,
    demand: Demand = lambda _identity: "",
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
            reason = refusal(peer_chain(self), policy, demand, wall_clock())
            if reason:
                raise ssl.SSLCertVerificationError(f"the server's certificate is refused: {reason}")

    context.sslobject_class = Judged
    return context


def refusal(chain: list[bytes], policy: ChainPolicy, demand: Demand, now: float) -> str:
    """Why a chain is refused; "" where it is not."""
    verdict = policy.check(chain, now=now)
    check = verdict.refusal
    if check is not None:
        return f"{check.name} ({check.clause}): {check.detail}"
    return demand(verdict.identity) if verdict.identity is not None else "it cannot be read"
