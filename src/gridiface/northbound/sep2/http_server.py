"""HTTP/1.1 for the 2030.5 server: bytes of a connection in, one answer after the other out.

Own instead of aiohttp's, because of what a poll costs: here a known head and a rendered body are one look-up each and
leave in one write. Owns one connection's order (one request at a time, pipelined ones wait), back-pressure and the
words of refusals; deadlines and caps are the TLS listener's. What a request means is the application's.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Protocol

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.http1 import END_OF_HEAD, LONGEST_HEAD, Body, Head, Heads, malformed
from gridiface.northbound.sep2.refusals import RefusalLog
from gridiface.northbound.tls_transport import CONNECTION, PEER
from gridiface.protocols.sep2.exchange import Reply, failure, refusal

_log = logging.getLogger("gridiface.sep2")

#: Octets that wait behind a request that is being answered; beyond them nothing more is read.
_MOST_WAITING = 64 * 1024
#: How long a plain connection, which no listener watches, may live, s.
_PLAIN_S = 10.0
#: Plain connections at one time.
MOST_PLAIN = 256

#: For GET and HEAD: (head, LFDI or "", address) -> the reply; None: it takes time, ask `Write`.
Read = Callable[[Head, str, str], Reply | None]
#: For all else: (head, body, LFDI or "", address) -> the reply.
Write = Callable[[Head, bytes, str, str], Awaitable[Reply]]


class Watched(Protocol):
    """What the TLS listener's connection wants to be told (northbound.tls_connection.TlsConnection)."""

    def request_begins(self, *, body_complete: bool) -> None:
        """A head is complete."""
        ...

    def body_complete(self) -> None:
        """Its body, too."""
        ...

    def request_ends(self, *, more: bool = False) -> None:
        """It was answered; `more`: the next one has begun to come."""
        ...


class _Unwatched:
    """A plain connection has nobody to tell."""

    def request_begins(self, *, body_complete: bool) -> None: ...

    def body_complete(self) -> None: ...

    def request_ends(self, *, more: bool = False) -> None: ...


_UNWATCHED = _Unwatched()

_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Sep2Http:
    """Makes the protocol of each connection and ends them all.

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
        self.read, self.write, self.most_octets, self.plain = read, write, most_octets, plain
        self.most_unknown_octets = most_octets if most_unknown_octets is None else most_unknown_octets
        self.heads = Heads()
        self.refusals = RefusalLog()
        self.connections: set[HttpConnection] = set()
        self.closing = False

    def __call__(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        return HttpConnection(self)

    async def shutdown(self, grace_s: float) -> None:
        """Close what is idle; what is being answered has `grace_s` to be."""
        self.closing = True
        running = {task for connection in list(self.connections) if (task := connection.finish()) is not None}
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)


class HttpConnection(asyncio.Protocol):
    """One connection; made by Sep2Http."""

    def __init__(self, server: Sep2Http) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._watched: Watched = _UNWATCHED
        self._lfdi = self._address = ""
        self._waiting = bytearray()
        self._looked_at = 0  # octets of `_waiting` in which no end of a head is
        self._head: Head | None = None
        self._body: Body | None = None
        self._task: asyncio.Task[None] | None = None
        self._held = False  # the peer does not take what was written
        self._reading_paused = False
        self._done = False
        self._deadline: asyncio.TimerHandle | None = None

    # --- from the transport -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        peer = transport.get_extra_info(PEER)
        self._lfdi = peer.lfdi if peer is not None else ""
        name: Any = transport.get_extra_info("peername")
        self._address = str(name[0]) if isinstance(name, tuple) and name else ""
        self._watched = transport.get_extra_info(CONNECTION) or _UNWATCHED
        server = self._server
        server.connections.add(self)
        if server.plain:
            self._deadline = asyncio.get_running_loop().call_later(_PLAIN_S, transport.abort)
        if server.closing or (server.plain and len(server.connections) > MOST_PLAIN):
            self._close()

    def data_received(self, data: bytes) -> None:
        """Bytes of the peer."""
        if self._done:
            return
        if not self._waiting and self._idle() and data.find(END_OF_HEAD) == len(data) - 4 > 0:
            # What nearly every poll is: one whole head and nothing else.
            self._take_head(data)
        else:
            self._waiting += data
            self._advance()
        if len(self._waiting) > _MOST_WAITING and not self._reading_paused and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The peer does not take our answers: no further request of its is looked at."""
        self._held = True

    def resume_writing(self) -> None:
        """It does again."""
        self._held = False
        self._advance()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; a request that is being carried out is carried out to its end."""
        self._done = True
        self._transport = None
        self._waiting.clear()
        self._server.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()

    def finish(self) -> asyncio.Task[None] | None:
        """The server stops: close after the answer that is under way, whose task this is; else at once."""
        if self._task is None:
            self._close()
        return self._task

    # --- requests ---------------------------------------------------------------------------------------------------

    def _idle(self) -> bool:
        return self._task is None and self._head is None and not self._held and not self._done

    def _advance(self) -> None:
        """Do what can be done with what is here."""
        while self._waiting and self._task is None and not self._held and not self._done:
            if self._head is not None:
                if not self._more_body(self._head):
                    break
            elif not self._next_head():
                break
        if self._reading_paused and len(self._waiting) <= _MOST_WAITING and self._transport is not None:
            self._reading_paused = False
            self._transport.resume_reading()

    def _next_head(self) -> bool:
        waiting = self._waiting
        while waiting.startswith(b"\r\n"):  # RFC 9112 2.2: empty lines before a request are skipped
            del waiting[:2]
            self._looked_at = 0
        end = waiting.find(END_OF_HEAD, max(0, self._looked_at - 3), LONGEST_HEAD)
        if end < 0:
            if len(waiting) >= LONGEST_HEAD:
                self._refuse(malformed("the head is too long"))
            elif _BARE_LINE_FEED.search(waiting, max(0, self._looked_at - 1)):
                self._refuse(malformed("a line ends with a bare line feed"))
            self._looked_at = len(waiting)
            return False
        raw = bytes(waiting[: end + 4])
        del waiting[: end + 4]
        self._looked_at = 0
        self._take_head(raw)
        return True

    def _take_head(self, raw: bytes) -> None:
        try:
            head = self._server.heads.get(raw)
        except RemoteProtocolError as problem:
            self._refuse(problem)
            return
        if head.length == 0:
            self._complete(head, b"")
            return
        most = self._server.most_octets if self._lfdi else self._server.most_unknown_octets
        self._head, self._body = head, Body(head.length, most)
        self._watched.request_begins(body_complete=False)
        if head.expects and not self._waiting and (head.length is None or head.length <= most):
            self._send(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._more_body(head)

    def _more_body(self, head: Head) -> bool:
        """Whether the body is whole, and the request being answered."""
        body = self._body
        assert body is not None
        try:
            body.take(self._waiting)
        except RemoteProtocolError as problem:
            self._refuse(problem)
            return False
        if not body.done:
            return False
        self._head = self._body = None
        self._watched.body_complete()
        self._complete(head, body.data)
        return True

    def _complete(self, head: Head, body: bytes) -> None:
        if head.method in {"GET", "HEAD"}:
            reply = self._server.read(head, self._lfdi, self._address)
            if reply is not None:
                self._answer(head, reply)
                return
        self._watched.request_begins(body_complete=True)
        self._task = asyncio.get_running_loop().create_task(self._carry_out(head, body))

    async def _carry_out(self, head: Head, body: bytes) -> None:
        try:
            reply = await self._server.write(head, body, self._lfdi, self._address)
        except asyncio.CancelledError:
            self._task = None
            self._close()
            raise
        except Exception:  # a fault of ours must not leave the peer without an answer
            _log.exception("a request from %s failed", self._address)
            reply = failure()
        self._task = None
        self._answer(head, reply)
        self._advance()

    # --- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, head: Head, reply: Reply) -> None:
        keep = head.keep_alive and not self._server.closing and not self._server.plain and reply.status != 413
        if self._transport is None:
            return
        how = "" if keep and not head.old else "Connection: keep-alive\r\n" if keep else "Connection: close\r\n"
        self._send(_head_of(reply, how) + reply.body)
        if keep:
            self._watched.request_ends(more=bool(self._waiting))
        else:
            self._close()

    def _refuse(self, problem: RemoteProtocolError) -> None:
        """Say why, and close: what follows on the connection has no beginning that we know."""
        self._head = self._body = None
        now = asyncio.get_running_loop().time()
        self._server.refusals.note(
            "a request", "-", problem.answer, problem.reason, lfdi=self._lfdi, peer=self._address, now=now
        )
        reply = refusal(problem)
        self._send(_head_of(reply, "Connection: close\r\n") + reply.body)
        self._close()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _close(self) -> None:
        self._done = True
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()


def _head_of(reply: Reply, how: str) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
    return f"{_status_line(reply.status)}{_date_line(int(time.time()))}{fields}{how}\r\n".encode("latin-1")


@functools.lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}\r\nServer: gridiface\r\n"


@functools.lru_cache(maxsize=2)
def _date_line(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
