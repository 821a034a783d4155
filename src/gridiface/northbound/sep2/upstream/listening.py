"""The listener for notifications: HTTPS with certificates on both sides, one POST per notification.

Answers as CSIP wants it: 201 for what was subscribed, 400 for what was not (the sender then ends that subscription),
403 for anybody but the server. Bodies are bounded; what one says is subscribing.py's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.http1 import Head
from gridiface.northbound.sep2.http_server import Sep2Http
from gridiface.northbound.sep2.upstream.settings import Listener, NotificationListen
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import SEP_XML, MethodNotAllowed, Reply, created, refusal
from gridiface.protocols.sep2.resources import Notification
from gridiface.protocols.xmlwire import DEFAULT_LIMITS, decode

_log = logging.getLogger("gridiface.sep2.upstream")

PREFIX = "/ntfy"
"""Before the part that names the subscription, where no public address is configured."""


class NotificationListener:
    """Takes notifications for one session.

    Args:
        listen: where.
        prefix: path before the part that names the subscription.
        may: LFDI of the sender -> whether it is the server.
        take: (token, notification) -> whether it is about something that was subscribed.
    """

    def __init__(
        self,
        listen: NotificationListen,
        prefix: str,
        may: Callable[[str], bool],
        take: Callable[[str, Notification], bool],
    ) -> None:
        self._listen = listen
        self._prefix = prefix.rstrip("/") + "/"
        self._may = may
        self._take = take
        self._http: Sep2Http | None = None
        self._listener: Listener | None = None
        self.refused = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be taken, or a TLS file cannot be used.
        """
        self._http = Sep2Http(self._read, self._write, most_octets=DEFAULT_LIMITS.octets)
        self._listener = self._listen.listener(self._http)
        await self._listener.start(self._listen.host, self._listen.port)

    async def stop(self) -> None:
        """End."""
        if self._listener is not None:
            self._listener.stop_accepting()
        if self._http is not None:
            await self._http.shutdown(2.0)
        if self._listener is not None:
            await self._listener.close()

    @property
    def port(self) -> int:
        """The port that is listened on; 0 before the start."""
        return self._listener.addresses[0][1] if self._listener is not None and self._listener.addresses else 0

    def _read(self, head: Head, lfdi: str, address: str) -> Reply:
        """GET and HEAD: nothing is here to be read."""
        return self._refuse(_wrong_method(head, lfdi, self._may, self._prefix), address)

    async def _write(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        try:
            return self._answer(head, body, lfdi)
        except RemoteProtocolError as problem:
            return self._refuse(problem, address)

    def _refuse(self, problem: RemoteProtocolError, address: str) -> Reply:
        self.refused += 1
        _log.info("a notification from %s was refused: %s", address, problem.reason)
        return refusal(problem)

    def _answer(self, head: Head, body: bytes, lfdi: str) -> Reply:
        problem = _wrong_method(head, lfdi, self._may, self._prefix)
        if head.method != "POST" or problem.answer != 405:
            raise problem
        if head.headers.get("content-type", "").partition(";")[0].strip().lower() != SEP_XML:
            raise RemoteProtocolError("unsupported media type", answer=415, detail=ErrorReason.INVALID_FORMAT)
        notification = decode(body, Notification)
        path = head.target.partition("?")[0]
        if not self._take(path.removeprefix(self._prefix), notification):
            raise RemoteProtocolError("nothing of that was subscribed", detail=ErrorReason.INVALID_VALUES)
        return created(path)


def _wrong_method(head: Head, lfdi: str, may: Callable[[str], bool], prefix: str) -> RemoteProtocolError:
    """What anything but a POST of the server's is refused with; 405 where only the method is wrong."""
    if not lfdi or not may(lfdi):
        return RemoteProtocolError("only the server notifies", answer=403, detail=ErrorReason.INVALID_VALUES)
    if not head.target.startswith(prefix):
        return RemoteProtocolError("no such resource", answer=404, detail=ErrorReason.INVALID_VALUES)
    return MethodNotAllowed(frozenset({"POST"}))
