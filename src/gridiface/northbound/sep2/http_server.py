"""The HTTP server as IEEE 2030.5 wants it: refusals of malformed requests carry an Error body too.

aiohttp answers what its parser cannot read by itself, in plain text; here such answers get the standard's status and
body. What a well-formed request means is not decided here.
"""

from __future__ import annotations

import functools
import logging
import re
import time
from email.utils import formatdate
from http import HTTPStatus

from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import BadHttpMethod
from aiohttp.web_protocol import RequestHandler

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import Reply, failure, refusal

_log = logging.getLogger("gridiface.sep2")

#: A request line that is well-formed but for a method that HTTP does not know.
_FOREIGN_METHOD = re.compile(r"'[A-Z]{1,20} /\S* HTTP/1\.[01]")


class Sep2Http(web.Server):
    """An aiohttp low-level server whose connections refuse in the words of the standard."""

    def __call__(self) -> RequestHandler:
        """The protocol of one connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    """One connection."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the parser refused, or what broke outside a handler; ends the connection."""
        if status < 500:
            _log.debug("a malformed request from %s: %s", request.remote, message)
            reply = refusal(_meaning(exc, message))
        else:
            _log.error("a request from %s failed", request.remote, exc_info=exc)
            reply = failure()
        response = respond(reply)
        response.force_close()
        return response


def _meaning(exc: BaseException | None, message: str | None) -> RemoteProtocolError:
    if isinstance(exc, BadHttpMethod) and _FOREIGN_METHOD.search(f"{message} {exc}"):
        return RemoteProtocolError("unknown method", answer=501, detail=ErrorReason.INVALID_FORMAT)
    return RemoteProtocolError("malformed request", detail=ErrorReason.INVALID_FORMAT)


class Ready(web.StreamResponse):
    """A reply that is bytes already: status line, headers and body leave in one write.

    Saves the two thirds of aiohttp's work on an answer that a reply of known length does not need.
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(status=int(reply.status))
        self._reply = reply

    async def prepare(self, request: web.BaseRequest) -> None:
        """Send the reply."""
        reply = self._reply
        if self._keep_alive is None:
            self._keep_alive = request.keep_alive
        head = [_status_line(self.status), _date_line(int(time.time()))]
        head += [f"{name}: {value}\r\n" for name, value in reply.headers.items()]
        if not self._keep_alive:
            head.append("Connection: close\r\n")
        elif request.version < HttpVersion11:
            head.append("Connection: keep-alive\r\n")
        head.append("\r\n")
        await request.writer.write("".join(head).encode("latin-1") + reply.body)

    async def write_eof(self, data: bytes | bytearray | memoryview = b"") -> None:
        """Everything was sent already."""
        self._eof_sent = True


@functools.lru_cache(maxsize=64)
def _status_line(status: int) -> str:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\nServer: gridiface\r\n"


@functools.lru_cache(maxsize=2)
def _date_line(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}\r\n"


def respond(reply: Reply) -> web.StreamResponse:
    """The aiohttp form of a reply. A refused body may still be on its way: its connection is closed."""
    response = Ready(reply)
    if reply.status == 413:
        response.force_close()
    return response


async def read_body(request: web.BaseRequest, most: int) -> bytes:
    """A request's body, read no further than allowed.

    Raises:
        RemoteProtocolError: 413 when it is longer than `most` octets.
    """
    too_large = RemoteProtocolError("the body is too large", answer=413, detail=ErrorReason.RESOURCE_LIMIT)
    if request.content_length is not None and request.content_length > most:
        raise too_large
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            raise too_large
        parts.append(part)
    return b"".join(parts)
