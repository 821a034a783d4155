"""What passed over simple HTTP, for the protocol trace. Reads the payload's name, judges nothing."""

from __future__ import annotations

import re
import time

from gridiface.domain.traffic import Passed
from gridiface.protocols.openadr.exchange import HttpMessage

_NAME = re.compile(rb"<(?:\w+:)?(oadr(?!Payload|SignedObject)\w+)[\s>/]")


def exchanged(request: HttpMessage, reply: HttpMessage, peer: str, address: str, *, received: bool) -> Passed:
    """A request and its answer.

    Args:
        request, reply: as they passed.
        peer: fingerprint of the peer's certificate, or the name of the VTN.
        address: of the peer.
        received: whether the request came here.
    """
    asked, said = _named(request.body), _named(reply.body)
    service = request.path.rpartition("/")[2]

    def text() -> str:
        parts = (f"{request.method} {request.path}", _plain(request.body), f"{reply.status}", _plain(reply.body))
        return "\n\n".join(part for part in parts if part)

    return Passed(
        at=time.time(),
        protocol="openadr",
        received=received,
        peer=peer,
        address=address,
        what=f"{service} {asked} \u2192 {reply.status} {said}".strip()[:300],
        size=len(request.body) + len(reply.body),
        text=text,
    )


def _named(body: bytes) -> str:
    found = _NAME.search(body)
    return found[1].decode("ascii") if found else ""


def _plain(body: bytes) -> str:
    return body.decode("utf-8", "replace")
