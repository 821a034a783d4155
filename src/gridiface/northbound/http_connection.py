"""HTTP/1.1 for our own servers: bytes of a connection in, one answer after the other out.

Own instead of aiohttp's, because of what a poll costs: here a known head and a rendered body are one look-up each and
leave in one write. Owns one connection's order (one request at a time, pipelined ones wait) and back-pressure;
deadlines and caps are the listener's. What a request means, and the words of refusals, are the application's.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Any, Generic, Protocol, TypeVar

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.http1 import END_OF_HEAD, LONGEST_HEAD, Body, Head, Heads, malformed, too_long
from gridiface.northbound.http_deadlines import Timed
from gridiface.northbound.tls_transport import CONNECTION

_log = logging.getLogger("gridiface.http")

#: Octets that wait behind a request that is being answered; beyond them nothing more is read.
_MOST_WAITING = 64 * 1024

_W = TypeVar("_W")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")


class Answer(Protocol):
    """What goes out; header names as they are written, Content-Length among them."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """All but Server, Date and Connection."""
        ...

    @property
    def body(self) -> bytes:
        """The octets behind the head."""
        ...


#: What becomes of a request: its answer, or what gives it.
Taken = Answer | Coroutine[Any, Any, Answer] | asyncio.Future[Any]


class Watched(Protocol):
    """What the listener's connection wants to be told (northbound.tls_connection.TlsConnection)."""

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
    """A connection that has nobody to tell."""

    def request_begins(self, *, body_complete: bool) -> None: ...

    def body_complete(self) -> None: ...

    def request_ends(self, *, more: bool = False) -> None: ...


_UNWATCHED = _Unwatched()


class HttpServing(ABC, Generic[_W]):
    """Makes the protocol of each connection and ends them all; an application fills in what requests mean.

    Args:
        path_of: the path of a request's target, as the application compares it.

    Attributes:
        keeps: whether a connection may go on after an answer.
    """

    keeps = True

    def __init__(self, path_of: Callable[[str], str] = str) -> None:
        self.heads = Heads(path_of)
        self.connections: set[HttpConnection[_W]] = set()
        self.closing = False

    def __call__(self) -> asyncio.Protocol:
        """The protocol of one connection."""
        return HttpConnection(self)

    def open(self) -> None:
        """Serve, also again after a `shutdown`."""
        self.closing = False

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

    # -- what a connection asks --------------------------------------------------------------------------------------

    @abstractmethod
    def who(self, transport: asyncio.Transport) -> _W:
        """Whose connection it is."""

    @abstractmethod
    def most_of(self, who: _W) -> int:
        """Octets of a body of theirs."""

    @abstractmethod
    def take(self, head: Head, body: bytes, who: _W, address: str) -> Taken:
        """The answer, at once or after a while; what is raised is a fault of ours."""

    @abstractmethod
    def refuse(self, problem: RemoteProtocolError, who: _W, address: str) -> Answer:
        """The answer to a request that cannot be read; it ends the connection."""

    @abstractmethod
    def failed(self) -> Answer:
        """The answer where we failed."""

    def timed(self, transport: asyncio.Transport) -> Timed | None:
        """What ends a connection in time that has no listener to do it."""
        del transport
        return None

    def has_room(self) -> bool:
        """Whether the newest connection may stay."""
        return True


class HttpConnection(asyncio.Protocol, Generic[_W]):
    """One connection; made by an HttpServing."""

    def __init__(self, server: HttpServing[_W]) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._timed: Timed | None = None
        self._watched: Watched = _UNWATCHED
        self._who: _W
        self._address = ""
        self._waiting = bytearray()
        self._looked_at = 0  # octets of `_waiting` in which no end of a head is
        self._head: Head | None = None
        self._body: Body | None = None
        self._task: asyncio.Future[Answer] | None = None
        self._held = False  # the peer does not take what was written
        self._reading_paused = False
        self._done = False

    # --- from the transport -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._who = self._server.who(transport)
        name: Any = transport.get_extra_info("peername")
        self._address = str(name[0]) if isinstance(name, tuple) and name else ""
        self._timed = self._server.timed(transport)
        self._watched = transport.get_extra_info(CONNECTION) or self._timed or _UNWATCHED
        server = self._server
        server.connections.add(self)
        if server.closing or not server.has_room():
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
        if self._timed is not None:
            self._timed.cancel()

    def finish(self) -> asyncio.Future[Answer] | None:
        """The server stops: close after the answer that is under way, which this is; else at once."""
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
                self._refuse(too_long(bytes(waiting[:LONGEST_HEAD])))
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
        most = self._server.most_of(self._who)
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
        try:
            found = self._server.take(head, body, self._who, self._address)
        except Exception:  # a fault of ours must not leave the peer without an answer
            _log.exception("a request from %s failed", self._address)
            found = self._server.failed()
        if isinstance(found, Coroutine):
            found = asyncio.get_running_loop().create_task(found)
        if not isinstance(found, asyncio.Future):
            self._answer(head, found)
            return
        self._watched.request_begins(body_complete=True)
        self._task = found
        found.add_done_callback(functools.partial(self._carried_out, head))

    def _carried_out(self, head: Head, done: asyncio.Future[Answer]) -> None:
        self._task = None
        problem = None if done.cancelled() else done.exception()
        if done.cancelled() or not (problem is None or isinstance(problem, Exception)):
            self._close()
            return
        if problem is not None:  # as above
            _log.error("a request from %s failed", self._address, exc_info=problem)
        self._answer(head, done.result() if problem is None else self._server.failed())
        self._advance()

    # --- answers ----------------------------------------------------------------------------------------------------

    def _answer(self, head: Head, reply: Answer) -> None:
        keep = head.keep_alive and not self._server.closing and self._server.keeps and reply.status != 413
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
        reply = self._server.refuse(problem, self._who, self._address)
        self._send(_head_of(reply, "Connection: close\r\n") + reply.body)
        self._linger()

    def _send(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _linger(self) -> None:
        """Close when the peer does, or soon: closing over unread octets resets, which may overtake the answer."""
        transport, timed = self._transport, self._timed
        if transport is None or timed is None or not transport.can_write_eof():
            self._close()  # A TLS connection lingers by itself.
            return
        self._done = True
        self._waiting.clear()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()
        timed.lingers()
        transport.write_eof()

    def _close(self) -> None:
        self._done = True
        self._waiting.clear()
        if self._transport is not None:
            self._transport.close()


def _head_of(reply: Answer, how: str) -> bytes:
    fields = "".join([f"{name}: {value}\r\n" for name, value in reply.headers.items()])
    return f"{_status_line(reply.status)}{_date_line(int(time.time()))}{fields}{how}\r\n".encode("latin-1")


@functools.lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}\r\nServer: gridiface\r\n"


@functools.lru_cache(maxsize=2)
def _date_line(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"
