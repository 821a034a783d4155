"""HTTP/1.1 of the 2030.5 server: who a connection's peer is, and the words of refusals.

Owns no bytes (northbound.http_connection does) and no meaning of a request (the application's).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.http1 import Head
from gridiface.northbound.http_connection import Answer, HttpServing, Taken
from gridiface.northbound.http_deadlines import Timed
from gridiface.northbound.sep2.wire.refusals import RefusalLog
from gridiface.northbound.tls_transport import PEER
from gridiface.protocols.sep2.exchange import Reply, failure, refusal, split_target

#: How long a plain connection, which no listener watches, may live, s.
_PLAIN_S = 10.0
#: Plain connections at one time.
MOST_PLAIN = 256

#: For GET and HEAD: (head, LFDI or "", address) -> the reply; None: it takes time, ask `Write`.
Read = Callable[[Head, str, str], Reply | None]
#: For all else: (head, body, LFDI or "", address) -> the reply.
Write = Callable[[Head, bytes, str, str], Coroutine[Any, Any, Reply]]


class Sep2Http(HttpServing[str]):
    """Makes the protocol of each connection, whose peer is its LFDI, "" without a certificate.

    Args:
        read: answers GET and HEAD at once, or leaves one to `write`.
        write: answers everything else.
        most_octets: of a body.
        most_unknown_octets: of the body of a peer that showed no certificate; None: as of any other.
        plain: for connections without TLS: one answer each, ten seconds at most.
    """

    def __init__(
        self,
        read: Read,
        write: Write,
        *,
        most_octets: int,
        most_unknown_octets: int | None = None,
        plain: bool = False,
    ) -> None:
        super().__init__(_path)
        self._read, self._write, self._plain, self.keeps = read, write, plain, not plain
        self._most_octets = most_octets
        self._most_unknown_octets = most_octets if most_unknown_octets is None else most_unknown_octets
        self._refusals = RefusalLog()

    def who(self, transport: asyncio.Transport) -> str:
        """See HttpServing.who."""
        peer = transport.get_extra_info(PEER)
        return peer.lfdi if peer is not None else ""

    def most_of(self, who: str) -> int:
        """See HttpServing.most_of."""
        return self._most_octets if who else self._most_unknown_octets

    def take(self, head: Head, body: bytes, who: str, address: str) -> Taken:
        """See HttpServing.take."""
        if head.method in {"GET", "HEAD"}:
            reply = self._read(head, who, address)
            if reply is not None:
                return reply
        return self._write(head, body, who, address)

    def refuse(self, problem: RemoteProtocolError, who: str, address: str) -> Answer:
        """See HttpServing.refuse."""
        now = asyncio.get_running_loop().time()
        self._refusals.note("a request", "-", problem.answer, problem.reason, lfdi=who, peer=address, now=now)
        return refusal(problem)

    def failed(self) -> Answer:
        """See HttpServing.failed."""
        return failure()

    def timed(self, transport: asyncio.Transport) -> Timed | None:
        """See HttpServing.timed."""
        return Timed(transport, idle_s=_PLAIN_S, life_s=_PLAIN_S) if self._plain else None

    def has_room(self) -> bool:
        """See HttpServing.has_room."""
        return not self._plain or len(self.connections) <= MOST_PLAIN


def _path(target: str) -> str:
    """The path in its normal form; "" where the target is none, which whoever reads it refuses."""
    try:
        return split_target(target)[0]
    except RemoteProtocolError:
        return ""
