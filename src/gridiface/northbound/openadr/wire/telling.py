"""What passed over simple HTTP and XMPP, for the protocol trace. Reads the payload's name, judges nothing."""

from __future__ import annotations

import re

from gridiface.domain.clock import Instant
from gridiface.domain.traffic import Passed
from gridiface.protocols.openadr.exchange import HttpMessage

_NAME = re.compile(rb"<(?:\w+:)?(oadr(?!Payload|SignedObject)\w+)[\s>/]")


def exchanged(
    request: HttpMessage, reply: HttpMessage, peer: str, address: str, *, at: Instant, received: bool
) -> Passed:
    """A request and its answer.

    Args:
        request, reply: as they passed.
        peer: fingerprint of the peer's certificate, or the name of the VTN.
        address: of the peer.
        at: when.
        received: whether the request came here.
    """
    asked, said = _named(request.body), _named(reply.body)
    service = request.path.rpartition("/")[2]

    def text() -> str:
        parts = (f"{request.method} {request.path}", _plain(request.body), f"{reply.status}", _plain(reply.body))
        return "\n\n".join(part for part in parts if part)

    return Passed(
        at=at,
        protocol="openadr",
        received=received,
        peer=peer,
        address=address,
        what=f"{service} {asked} \u2192 {reply.status} {said}".strip()[:300],
        size=len(request.body) + len(reply.body),
        text=text,
    )


def over_xmpp(
    asked: bytes, said: bytes | None, peer: str, address: str, *, at: Instant, received: bool, problem: str = ""
) -> Passed:
    """A payload over XMPP and what came back.

    Args:
        asked, said: XML as it passed; `said` None: an empty result, or none.
        peer: what the VTN's core knows it by, or its bare JID.
        address: the peer's full JID.
        at: when.
        received: whether the payload came here.
        problem: why there is no answer; empty: there is one.
    """

    def text() -> str:
        return "\n\n".join(part for part in ("XMPP iq set", _plain(asked), problem or _plain(said or b"")) if part)

    back = problem or _named(said or b"") or "result"
    return Passed(
        at=at,
        protocol="openadr",
        received=received,
        peer=peer,
        address=address,
        what=f"XMPP {_named(asked)} \u2192 {back}"[:300],
        size=len(asked) + len(said or b""),
        text=text,
    )


def _named(body: bytes) -> str:
    found = _NAME.search(body)
    return found[1].decode("ascii") if found else ""


def _plain(body: bytes) -> str:
    return body.decode("utf-8", "replace")
