"""Sockets of peers: one TCP or TLS connection, and one UDP socket with its peers. Octets only; sessions are session.py.

An application fragment is one write and TCP_NODELAY is set, so that no answer waits for an acknowledgement.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol, cast

from gridiface.northbound.dnp3.wire.identity import CertificateNames, names_of
from gridiface.northbound.dnp3.wire.session import Session
from gridiface.northbound.tls_transport import CONNECTION, PEER
from gridiface.pki.contexts import peer_chain
from gridiface.protocols.dnp3.link import datagrams
from gridiface.streams.receiving import Receiver

_log = logging.getLogger("gridiface.dnp3")

_BUFFER = 256 * 1024

Write = Callable[[bytes], None]
Drop = Callable[[str], None]


class Door(Protocol):
    """What a connection asks of its end point."""

    def admit(
        self,
        peer: tuple[str, int],
        certificate: CertificateNames | None,
        write: Write,
        drop: Drop,
        *,
        expected: bool = False,
    ) -> Session | None:
        """A session for a new peer, or None: it is closed without an octet.

        `expected`: the address is configured as the master's; it is told of a restart before it spoke, over UDP too.
        """

    def gone(self, session: Session) -> None:
        """Told once when a peer is gone."""


class TcpConnection(Receiver):
    """One connection, accepted or made; `closed` is set when it is over."""

    def __init__(self, door: Door) -> None:
        self.closed = asyncio.Event()
        self._door = door
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Admit the peer or close at once."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        own = transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = transport.get_extra_info(CONNECTION)
        if tls is not None:
            # our deadlines are the session's: the listener's are those of HTTP
            tls.request_begins(body_complete=True)
        transport.set_write_buffer_limits(high=_BUFFER)
        address = transport.get_extra_info("peername") or ("", 0)
        peer = (str(address[0]), int(address[1]))
        self._session = self._door.admit(peer, _certificate(transport), transport.write, self.end)
        if self._session is None:
            transport.abort() if tls is None else transport.close()

    def data_received(self, data: bytes) -> None:
        """Octets of the peer."""
        if self._session is not None:
            self._session.receive(data)

    def pause_writing(self) -> None:
        """The peer does not keep up: take nothing more from it either."""
        if self._session is not None and self._transport is not None:
            self._transport.pause_reading()
            self._session.pause()

    def resume_writing(self) -> None:
        """It keeps up again."""
        if self._session is not None and self._transport is not None:
            if not self._transport.is_closing():
                self._transport.resume_reading()
            self._session.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self.closed.set()
        session, self._session = self._session, None
        if session is not None:
            session.close()
            self._door.gone(session)

    def chain(self) -> list[bytes]:
        """The peer's certificates in DER where we made the connection, its own first; empty without TLS."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return [] if tls is None else peer_chain(tls)

    def end(self, reason: str) -> None:
        """End it at once; the log has the reason."""
        if self._session is not None:
            _log.info("%s:%d closed: %s", *self._session.peer, reason)
            self._session.close()
        if self._transport is not None:
            self._transport.abort()


def _certificate(transport: asyncio.Transport) -> CertificateNames | None:
    """The peer's certificate, whichever side made the connection."""
    identity = transport.get_extra_info(PEER)
    if identity is not None:
        return names_of(identity.chain[0])
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    der = tls.getpeercert(binary_form=True) if tls is not None else None
    return None if der is None else names_of(der)


class UdpSocket(asyncio.DatagramProtocol):
    """One UDP socket; every peer address is a session of its own.

    Args:
        door: the end point.
        most: sessions at one time; beyond it those that showed no frame of a master give way.
        called: where the master is told unasked before it spoke (IEEE 1815 clause 13.2.3); its session is always there.
    """

    def __init__(self, door: Door, most: int, called: tuple[str, int] | None = None) -> None:
        self._door = door
        self._most = most
        self._called = called
        self._sessions: dict[tuple[str, int], Session] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is ready."""
        # asyncio's own datagram transport is no subclass of DatagramTransport in Python 3.11
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._call()

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """One or more whole frames of a peer."""
        peer = (str(addr[0]), int(addr[1]))
        session = self._sessions.get(peer)
        if session is None:
            session = self._open(peer, addr)
            if session is None:
                return
        session.receive(data)

    def error_received(self, exc: Exception) -> None:
        """A peer's port is closed; its events wait."""
        _log.debug("UDP: %s", exc)

    def _open(self, peer: tuple[str, int], addr: tuple[Any, ...]) -> Session | None:
        if len(self._sessions) >= self._most and not self._make_room():
            return None

        def write(octets: bytes) -> None:
            if self._transport is not None:
                for datagram in datagrams(octets):
                    self._transport.sendto(datagram, addr)

        def drop(reason: str) -> None:
            _log.info("%s:%d forgotten: %s", *peer, reason)
            self._forget(peer)

        session = self._door.admit(peer, None, write, drop, expected=peer == self._called)
        if session is not None:
            self._sessions[peer] = session
        return session

    def _call(self) -> None:
        """Be ready to tell the master at its configured address."""
        if self._called is None or self._called in self._sessions:
            return
        if self._transport is not None and not self._transport.is_closing():
            self._open(self._called, self._called)

    def _make_room(self) -> bool:
        silent = (peer for peer, session in self._sessions.items() if not session.identified and peer != self._called)
        victim = next(silent, None)
        if victim is not None:
            self._forget(victim)
        return victim is not None

    def _forget(self, peer: tuple[str, int]) -> None:
        session = self._sessions.pop(peer, None)
        if session is not None:
            session.close()
            self._door.gone(session)
            if self._called is not None:
                asyncio.get_running_loop().call_soon(self._call)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        self._transport = None
        for peer in list(self._sessions):
            self._forget(peer)
