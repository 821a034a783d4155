"""What the connections of the HTTPS and the plain listener are answered: the core's answer in the client's own edition.

Owns what comes before and after the core: rates per certificate, editions, octets of files, the versions of CSIP-AUS,
the trace, and the redirect of plain HTTP. Sockets are the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridiface.domain.clock import Clock
from gridiface.domain.traffic import Passed, Tap
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.http1 import Head
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.dialects import Dialects
from gridiface.northbound.sep2.requests import UNNAMED_HOST, Requests
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.northbound.sep2.wire.rates import Rates
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import Reply, RetryLater, moved, refusal


class Answering:
    """Answers whole requests of connections.

    Args:
        settings: limits and profiles.
        clock: the wall clock.
        requests: the core's answers.
        dialects: which edition a client speaks.
        port: the port of the HTTPS listener, for the redirect.
    """

    def __init__(
        self,
        settings: Sep2Settings,
        clock: Clock,
        requests: Requests,
        dialects: Dialects,
        port: Callable[[], int],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._requests = requests
        self._dialects = dialects
        self._port = port
        self._rates = Rates(settings.limits.requests_per_s, settings.limits.requests_at_once)
        #: Told of every request and its answer; None: nobody listens.
        self.tap: Tap | None = None

    def read(self, head: Head, lfdi: str, address: str) -> Reply | None:
        """As `http_server.Read`."""
        reply = self._too_often(head, lfdi, address) or self._found(head, lfdi)
        if self.tap is not None and reply is not None:
            self._tell(self.tap, head, b"", reply, lfdi, address)
        return reply

    def _found(self, head: Head, lfdi: str) -> Reply | None:
        fields = _fields(head)
        if head.path.startswith("/file/") and self._requests.file_at(head.path, lfdi) is not None:
            return None  # read from the disk, which takes time
        accept, now = fields.get("accept"), self._clock.now()
        if head.path == csip_aus.WELL_KNOWN:
            return csip_aus.versions(self._settings.csip_aus)
        self._dialects.asked(lfdi, accept)
        if head.method == "HEAD" and self._dialects.of(lfdi):
            whole = self._requests.read("GET", head.target, fields.get("host"), accept, lfdi, now)
            return self._dialects.outward(lfdi, whole).for_head()
        reply = self._requests.read(head.method, head.target, fields.get("host"), accept, lfdi, now)
        return self._dialects.outward(lfdi, reply)

    async def write(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        """As `http_server.Write`."""
        # A GET that comes here takes time, and was counted before.
        reply = None if head.method in {"GET", "HEAD"} else self._too_often(head, lfdi, address)
        reply = reply or await self._done(head, body, lfdi, address)
        if self.tap is not None:
            self._tell(self.tap, head, body, reply, lfdi, address)
        return reply

    def _too_often(self, head: Head, lfdi: str, address: str) -> Reply | None:
        """429 where the client asks more often than it may; others are not delayed by it."""
        wait = self._rates.wait(lfdi, self._clock.monotonic())
        if not wait:
            return None
        problem = RetryLater("too many requests", wait, answer=429, detail=ErrorReason.TOO_FREQUENT)
        self._requests.refusals.note(
            head.method, head.target, problem.answer, problem.reason, lfdi=lfdi, peer=address, now=self._clock.now()
        )
        reply = self._dialects.outward(lfdi, refusal(problem))
        return reply.for_head() if head.method == "HEAD" else reply

    def _tell(self, tap: Tap, head: Head, body: bytes, reply: Reply, lfdi: str, address: str) -> None:
        """Tell the trace of a request and its answer."""
        what = f"{head.method} {head.target} \u2192 {reply.status}"

        def text() -> str:
            asked = body.decode("utf-8", "replace")
            said = reply.body.decode("utf-8", "replace")
            return "\n\n".join(
                part for part in (f"{head.method} {head.target}", asked, f"{reply.status}", said) if part
            )

        now, size = self._clock.now(), len(body) + len(reply.body) + len(head.target)
        tap(
            Passed(
                at=now,
                protocol="sep2",
                received=True,
                peer=lfdi,
                address=address,
                what=what[:300],
                size=size,
                text=text,
            )
        )

    async def _done(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        method, target, fields = head.method, head.target, _fields(head)
        if method in {"GET", "HEAD"}:
            return await self._requests.octets(method, head.path, fields, lfdi, self._clock.now(), address)
        try:
            body = self._dialects.inward(lfdi, body)
        except RemoteProtocolError as problem:
            return self._dialects.outward(lfdi, refusal(problem))
        reply = await self._requests.handle(method, target, fields, body, lfdi, self._clock.now(), address)
        return self._dialects.outward(lfdi, reply)

    def redirected(self, head: Head, lfdi: str, address: str) -> Reply:
        """Plain HTTP knows one thing: where /dcap really is."""
        host = head.headers.get("host", "")
        if not host:
            return refusal(RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT))
        if head.path != "/dcap":
            return refusal(RemoteProtocolError("use https", answer=404))
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        port = "" if self._port() == 443 else f":{self._port()}"
        return moved(f"https://{name}{port}/dcap")

    async def not_redirected(self, head: Head, body: bytes, lfdi: str, address: str) -> Reply:
        """Nothing is written over plain HTTP."""
        return refusal(RemoteProtocolError("use https", answer=404))


def _fields(head: Head) -> Mapping[str, str]:
    """The header fields, Host among them where it need not be said."""
    return {**head.headers, "host": UNNAMED_HOST} if head.old and not head.headers.get("host") else head.headers
