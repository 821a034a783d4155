"""One message that passed between us and a peer, for people who look for what was said. Values only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridiface.domain.clock import Instant


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A message as an adapter tells it.

    Args:
        at: when, seconds since 1970 UTC.
        protocol: "sep2", "openadr" or "dnp3".
        received: whether it came from the peer; False: it went there.
        peer: identity of the peer in its protocol's words (LFDI, venID, name of a master); empty: not known.
        address: network address, for people.
        what: one line: method and path with status, service and payload, function code.
        size: of the message in bytes.
        text: makes the decoded message; called only when somebody looks.
    """

    at: Instant
    protocol: str
    received: bool
    peer: str
    address: str
    what: str
    size: int
    text: Callable[[], str]


#: Takes what passed; must be quick and must not raise.
Tap = Callable[[Passed], None]
