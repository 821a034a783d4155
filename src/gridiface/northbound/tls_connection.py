"""One TLS connection of a listener: handshake, judgement of the peer, records in and out, and when it has to end.

asyncio's own TLS drops the alert of a failed handshake, spends 256 KiB on each connection and can refuse nobody after
the handshake but by hanging up. So the records go through two memory buffers here, by the public `ssl` API only, and
the server's last flight of a TLS 1.2 handshake is held back until the peer's chain was judged: a refusal then still
reaches the client as the right alert.

The application's protocol sees an ordinary transport. Deadlines are kept as one number per connection; the listener
looks at them all at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from math import inf
from typing import Any, Protocol

from gridiface.northbound.tls_limits import Deadlines
from gridiface.northbound.tls_transport import CONNECTION, PEER, TALKING, Phase, TlsTransport, reason_of
from gridiface.pki.alerts import Alert
from gridiface.pki.contexts import peer_chain
from gridiface.pki.identity import PeerIdentity
from gridiface.pki.rules import Verdict
from gridiface.pki.tlswire import HandshakeTap, alert_record
from gridiface.streams.receiving import shared_buffer

_RECORD = 16 * 1024
_LINGER_SECONDS = 2.0


class Owner(Protocol):
    """What a connection asks of its listener."""

    deadlines: Deadlines

    def clock(self) -> float:
        """Seconds on the loop's clock."""

    def judge(self, chain: list[bytes]) -> Verdict | None:
        """The verdict on a peer's chain; None where no client certificate is asked for and none came."""

    def admit(self, connection: TlsConnection) -> Alert | None:
        """Whether the identified peer may have one more connection; None if so, else what to tell it."""

    def application(self) -> asyncio.Protocol:
        """A new protocol of the application for an accepted connection."""

    def refused(self, connection: TlsConnection, reason: str, verdict: Verdict | None) -> None:
        """Told of each handshake that failed."""

    def expired(self, connection: TlsConnection, phase: str) -> None:
        """Told of each connection that missed a deadline."""

    def closed(self, connection: TlsConnection) -> None:
        """Told once when the connection is gone."""


class TlsConnection(asyncio.BufferedProtocol):
    """One accepted TCP connection.

    Attributes:
        address: of the peer, as the socket tells it.
        phase: see Phase.
        deadline: on the loop's clock; infinite where nothing is awaited.
        peer: who it is, from the moment the chain was accepted.
        refusal_alert: what the client was told if the handshake was refused by us.
    """

    def __init__(self, owner: Owner, context: ssl.SSLContext, address: tuple[Any, ...]) -> None:
        self.address = address
        self.phase = Phase.HANDSHAKE
        self.peer: PeerIdentity | None = None
        self.app: asyncio.Protocol | None = None
        self.tcp: asyncio.Transport | None = None
        self.reading_paused = False
        self.refusal_alert: Alert | None = None
        self._owner = owner
        self._context = context
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None
        self._tap: HandshakeTap | None = HandshakeTap()
        self._surplus = False
        self._write_deadline, self._unread = inf, 0
        self._phase_deadline = owner.clock() + owner.deadlines.handshake

    @property
    def deadline(self) -> float:
        """When this connection has waited long enough for its peer, on the loop's clock."""
        return min(self._phase_deadline, self._write_deadline)

    # From the socket -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready: begin the handshake. Raises TypeError where it is no stream."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("a stream transport is wanted")
        self.tcp = transport
        if self.phase is not Phase.HANDSHAKE:
            transport.abort()
            return
        self._tls = self._context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def get_buffer(self, sizehint: int) -> memoryview:
        """One buffer for all connections: it is filled and read in one step of the loop."""
        return shared_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes of the peer are in the shared buffer."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        data = shared_buffer()[:nbytes]
        self._incoming.write(data)
        if self.phase is Phase.HANDSHAKE:
            if self._tap is not None:
                self._tap.feed(data)
            self._handshake()
        else:
            self._read()

    def eof_received(self) -> bool:
        """The peer's side of the socket is shut: let the transport close."""
        if self.phase is Phase.HANDSHAKE:
            self._owner.refused(self, "the client hung up in the handshake", None)
        return False

    def pause_writing(self) -> None:
        """The peer reads slower than we write."""
        self._watch_writing()
        if self.app is not None:
            self.app.pause_writing()

    def _watch_writing(self) -> None:
        self._write_deadline, self._unread = self._owner.clock() + self._owner.deadlines.write, self._left()

    def _left(self) -> int:
        return self.tcp.get_write_buffer_size() if self.tcp is not None else 0

    def resume_writing(self) -> None:
        """The peer caught up."""
        if self.phase is not Phase.CLOSING:  # There it has the rest to take in time.
            self._write_deadline = inf
        if self.app is not None:
            self.app.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._end(Phase.CLOSED)
        self._tell_lost(exc)
        self._owner.closed(self)
        self.tcp = None
        self._tls = None

    # Handshake -------------------------------------------------------------------------------------------------

    def _handshake(self) -> None:
        tls = self._object()
        try:
            tls.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._flush()
        except ssl.SSLError as error:
            self._handshake_failed(error)
        else:
            self._handshake_done(tls)

    def _handshake_failed(self, error: ssl.SSLError) -> None:
        presented = self._tap.certificates if self._tap is not None else ()
        verdict = self._owner.judge(list(presented)) if presented else None
        refusal = verdict.refusal if verdict is not None else None
        self._owner.refused(self, reason_of(error), verdict if refusal is not None else None)
        if refusal is not None:
            # Certificates in clear text mean a TLS 1.2 handshake before our ChangeCipherSpec: our alert can be read.
            self._refuse(refusal.alert)
        else:
            self._flush()
            self._linger()

    def _handshake_done(self, tls: ssl.SSLObject) -> None:
        verdict = self._owner.judge(peer_chain(tls))
        refusal = verdict.refusal if verdict is not None else None
        alert = refusal.alert if refusal is not None else None
        if verdict is not None and refusal is None:
            self.peer = verdict.identity
        if refusal is None:
            alert = self._owner.admit(self)
        if alert is None:
            self._tap = None
            self._begin(tls)
            return
        self.peer = None
        if refusal is not None:
            self._owner.refused(self, "the certificate chain is not accepted", verdict)
        if tls.version() == "TLSv1.2" and not tls.session_reused:
            self._refuse(alert)
        else:
            # Our ChangeCipherSpec is out or TLS 1.3 is spoken: no alert of ours can be sent, closing has to do.
            self.close()

    def _refuse(self, alert: Alert) -> None:
        self._outgoing.read()
        self.refusal_alert = alert
        if self.tcp is not None:
            self.tcp.write(alert_record(alert))
        self._linger()

    def _begin(self, tls: ssl.SSLObject) -> None:
        self._flush()
        if tls.session_reused:
            self._acknowledge()
        self._await(Phase.HEADER, self._owner.deadlines.header)
        extra: dict[str, Any] = {
            PEER: self.peer,
            CONNECTION: self,
            "ssl_object": tls,
            "sslcontext": self._context,
            "cipher": tls.cipher(),
            "peercert": {},
        }
        self.app = self._owner.application()
        self.app.connection_made(TlsTransport(self, extra))
        self._read()

    def _acknowledge(self) -> None:
        # A resumed handshake ends with the client's flight. A client without TCP_NODELAY holds its request until that
        # flight is acknowledged, which the kernel puts off by 40 ms: measured, 48 ms a connection instead of 2.
        sock = self.tcp.get_extra_info("socket") if self.tcp is not None else None
        if sock is not None and hasattr(socket, "TCP_QUICKACK"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    # Records ---------------------------------------------------------------------------------------------------

    def _object(self) -> ssl.SSLObject:
        if self._tls is None:
            raise RuntimeError("the connection has no TLS object yet")
        return self._tls

    def _read(self) -> None:
        tls = self._object()
        try:
            while self.phase in TALKING and not self.reading_paused and (self._incoming.pending or tls.pending()):
                data = tls.read(_RECORD)
                if not data:
                    self.close()
                    return
                self._arrived()
                if self.app is not None:
                    self.app.data_received(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except ssl.SSLZeroReturnError:
            self.close()
            return
        except ssl.SSLError:
            self._flush()
            self._linger()
            return
        self._flush()

    def _arrived(self) -> None:
        if self.phase is Phase.IDLE:
            self._await(Phase.HEADER, self._owner.deadlines.header)
        elif self.phase is Phase.HANDLING:
            self._surplus = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and hand to the socket; dropped when the connection is closing."""
        if self.phase not in TALKING or not data:
            return
        tls, rest = self._object(), memoryview(data)
        try:
            while rest:
                rest = rest[tls.write(rest) :]
        except ssl.SSLError:
            self.abort()
            return
        self._flush()

    def _flush(self) -> None:
        data = self._outgoing.read()
        if data and self.tcp is not None:
            self.tcp.write(data)

    def pause_reading(self) -> None:
        """Pass on nothing more, and take nothing more from the socket."""
        self.reading_paused = True
        if self.tcp is not None:
            self.tcp.pause_reading()

    def resume_reading(self) -> None:
        """Go on with what is here already, then with the socket."""
        if not self.reading_paused:
            return
        self.reading_paused = False
        if self.tcp is not None:
            self.tcp.resume_reading()
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        if self.phase in TALKING:
            self._read()

    # Phases of a request, told by the listener's wrapper around the request handler --------------------------------

    def request_begins(self, *, body_complete: bool) -> None:
        """The header of a request is complete and its handler is about to run."""
        self._surplus = False
        if self.phase in TALKING:
            if body_complete:
                self._await(Phase.HANDLING, inf)
            else:
                self._await(Phase.BODY, self._owner.deadlines.body)

    def body_complete(self) -> None:
        """The last byte of the request's body is here."""
        if self.phase is Phase.BODY:
            self._await(Phase.HANDLING, inf)

    def request_ends(self, *, more: bool | None = None) -> None:
        """The answer is being written.

        Args:
            more: whether a next request has begun to come; None: it has where bytes came since the last one began.
        """
        if self.phase in TALKING:
            if self._surplus if more is None else more:
                self._await(Phase.HEADER, self._owner.deadlines.header)
            else:
                self._await(Phase.IDLE, self._owner.deadlines.idle)

    def _await(self, phase: Phase, seconds: float) -> None:
        self.phase = phase
        self._phase_deadline = self._owner.clock() + seconds

    # The end -----------------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """The deadline has passed: end the connection."""
        closing, left = self.phase is Phase.CLOSING, self._left()
        writing = self._write_deadline <= now and (closing or now < self._phase_deadline)
        if writing and self._owner.deadlines.keeps_up(self._unread, left):
            self._watch_writing()
            return
        if closing and left and now < self._write_deadline:
            self._phase_deadline = now + _LINGER_SECONDS
            return
        if closing:
            self.abort()
            return
        late = "write" if self._write_deadline <= now else self.phase.value
        self._owner.expired(self, late)
        if late == Phase.IDLE.value:
            self.close()
        else:
            self.abort()

    def close(self) -> None:
        """Send what was written, then close_notify, then wait a moment for the peer to close too."""
        if self.phase in (Phase.CLOSING, Phase.CLOSED):
            return
        if self._tls is not None and self.phase is not Phase.HANDSHAKE:
            # The peer's own close_notify is still to come, which OpenSSL reports as an error: ours is written.
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
            self._flush()
        self._linger()

    def _linger(self) -> None:
        # Closing a socket with unread bytes makes the kernel send a reset, which may overtake what we sent last.
        self._end(Phase.CLOSING)
        self._watch_writing()  # Who takes a long last answer slowly has as much time for it as for any other.
        self._phase_deadline = self._owner.clock() + _LINGER_SECONDS
        if self.tcp is not None:
            asyncio.get_running_loop().call_soon(self._tell_lost, None)
            try:
                self.tcp.resume_reading()
                if self.tcp.can_write_eof():
                    self.tcp.write_eof()
            except OSError:
                # The peer has reset the connection, and the loop has not told us yet.
                self.abort()

    def abort(self) -> None:
        """Drop the connection at once."""
        self._end(Phase.CLOSED)
        if self.tcp is not None:
            self.tcp.abort()

    def _end(self, phase: Phase) -> None:
        self.phase = phase
        self._phase_deadline = self._write_deadline = inf

    def _tell_lost(self, exc: Exception | None) -> None:
        app, self.app = self.app, None
        if app is not None:
            app.connection_lost(exc)
