"""One end point: listens, connects or both, and decides who gets a session.

Owns the allow-lists (IP addresses and certificates), the policy for a new connection, the caps, and the attempts of a
connecting end point. What a peer says is session.py's; TLS itself is northbound.tls_listener's and pki's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
import ssl
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from gridiface.errors import ConfigError, cannot_listen
from gridiface.northbound.dnp3.settings import (
    Deadlines,
    EndpointSettings,
    Mode,
    NewConnection,
    TlsSettings,
    Transport,
)
from gridiface.northbound.dnp3.station import Station
from gridiface.northbound.dnp3.wire.connection import Drop, TcpConnection, UdpSocket, Write
from gridiface.northbound.dnp3.wire.identity import RULES, CertificateNames, permitted
from gridiface.northbound.dnp3.wire.serial_line import SerialLine
from gridiface.northbound.dnp3.wire.session import Hub, Session
from gridiface.northbound.peer_certificates import end_of
from gridiface.northbound.tls_limits import Caps, Throttle, address_key
from gridiface.northbound.tls_limits import Deadlines as TlsDeadlines
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.contexts import client_context
from gridiface.pki.credentials import TlsFiles, TlsKeeper
from gridiface.pki.judged import refuse_revoked
from gridiface.pki.revocation import load_revocation
from gridiface.pki.watch import Stamp, stamp
from gridiface.protocols.dnp3.link import FRAME_GAP
from gridiface.streams.tcp_listener import TcpListener

if TYPE_CHECKING:
    from aiohttp import web

_log = logging.getLogger("gridiface.dnp3")

_BACKLOG = 64
#: Above the cap a few are still looked at, so that a refusal is counted and told by its reason.
_MORE_TO_REFUSE = 8
_LOG_LINES_PER_SECOND = 20
_JITTER = 0.2
#: How often what a connection that we made was judged by is looked at, s.
_LOOK_S = 2.0
_CONNECTIONS = frozenset((Transport.TCP, Transport.TLS))
#: A line has no connection that could be given up: nobody has to speak on it.
_FOR_EVER = Deadlines(first_frame=math.inf, idle=math.inf, write=math.inf)


class _Front:
    """What the TLS listener asks of a server of another protocol: a factory of connections."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def __call__(self) -> asyncio.Protocol:
        return TcpConnection(self._endpoint)

    async def request_handler(self, *_: object) -> object:
        """Never called: there are no HTTP requests here."""
        raise NotImplementedError


class Endpoint:
    """One end point; `start` once, `stop` once.

    Args:
        settings: what it is.
        stations: the outstations behind it.
        hub: the server.
    """

    def __init__(self, settings: EndpointSettings, stations: Sequence[Station], hub: Hub) -> None:
        self.settings = settings
        self.sessions: dict[Session, None] = {}
        self.counters: Counter[str] = Counter()
        self._stations = tuple(stations)
        self._hub = hub
        self._keeper = None if settings.tls is None else _keeper(settings.tls)
        self._tls: TlsListener | None = None
        self._tcp: TcpListener | None = None
        self._udp: asyncio.DatagramTransport | None = None
        self._calling: asyncio.Task[None] | None = None
        self._line: SerialLine | None = None
        self._throttle = Throttle(_LOG_LINES_PER_SECOND)

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen, and begin to connect.

        Raises:
            ConfigError: the address cannot be taken, or the TLS files cannot be used.
        """
        settings = self.settings
        if settings.mode is not Mode.CONNECT:
            try:
                await self._listen()
            except OSError as problem:
                raise cannot_listen(f"{settings.host} port {settings.port}", problem) from problem
        if settings.mode is not Mode.LISTEN:
            self._calling = asyncio.create_task(self._call(), name="dnp3 connecting")

    async def _listen(self) -> None:
        settings, loop = self.settings, asyncio.get_running_loop()
        match settings.transport:
            case Transport.SERIAL:
                assert settings.serial is not None
                waits = settings.deadlines
                self._line = SerialLine(self, settings.serial, waits.reconnect, waits.reconnect_most)
                self._calling = asyncio.create_task(self._line.run(), name="dnp3 serial line")
            case Transport.UDP:
                self._udp, _ = await loop.create_datagram_endpoint(
                    lambda: UdpSocket(self, settings.connections, settings.peer),
                    local_addr=(settings.host, settings.port),
                )
            case Transport.TCP:
                self._tcp = TcpListener(
                    lambda: TcpConnection(self),
                    most=settings.connections + _MORE_TO_REFUSE,
                    opened=lambda: len(self.sessions),
                    spare=self._hub.spare,
                )
                await self._tcp.start(settings.host, settings.port, backlog=_BACKLOG)
            case Transport.TLS:
                assert self._keeper is not None
                deadlines = TlsDeadlines(handshake=settings.deadlines.handshake, write=settings.deadlines.write)
                caps = Caps(
                    total=settings.connections,
                    per_address=settings.connections_per_address,
                    per_identity=settings.connections_per_address,
                )
                front = cast("web.Server", _Front(self))
                self._tls = TlsListener(
                    front,
                    self._keeper,
                    deadlines=deadlines,
                    caps=caps,
                    wall_clock=self._hub.now,
                    spare=self._hub.spare,
                )
                await self._tls.start(settings.host, settings.port, backlog=_BACKLOG)

    async def stop(self) -> None:
        """Take no new peers and close those there are."""
        if self._calling is not None:
            self._calling.cancel()
            await asyncio.gather(self._calling, return_exceptions=True)
        if self._tcp is not None:
            self._tcp.close()
        if self._tls is not None:
            self._tls.stop_accepting()
        for session in list(self.sessions):
            session.dismiss("the server stops")
        if self._line is not None:
            self._line.close()
        if self._udp is not None:
            self._udp.close()
        if self._tls is not None:
            await self._tls.close(grace=0.5)

    @property
    def port(self) -> int:
        """The port it listens on; 0 where it only connects."""
        if self._tls is not None and self._tls.addresses:
            return self._tls.addresses[0][1]
        if self._tcp is not None:
            return self._tcp.port
        if self._udp is not None:
            return int(self._udp.get_extra_info("sockname")[1])
        return 0

    @property
    def where(self) -> str:
        """Where it listens and whom it calls, for messages."""
        own = self.settings
        if own.serial is not None:
            return f"on {own.place}"
        ways = [] if own.mode is Mode.CONNECT else [f"on {own.host} port {self.port}"]
        ways += [] if own.peer is None else [f"to {own.peer[0]} port {own.peer[1]}"]
        return " and ".join(ways)

    # --- who gets in (connection.Door) -------------------------------------------------------------------------------

    def admit(
        self,
        peer: tuple[str, int],
        certificate: CertificateNames | None,
        write: Write,
        drop: Drop,
        *,
        expected: bool = False,
    ) -> Session | None:
        """A session for a peer that may be one of the masters, within caps and policy; else None."""
        settings = self.settings
        tls = settings.transport is Transport.TLS
        reach = [
            (station, masters)
            for station in self._stations
            if (masters := permitted(station.settings.masters, peer[0], certificate, tls=tls))
        ]
        objection = self._objection(peer, certificate, empty=not reach)
        if objection is not None:
            kind, why = objection
            self.counters[f"refused_{kind}"] += 1
            if self._throttle.passes(asyncio.get_running_loop().time()):
                _log.warning("%s:%d refused: %s", *peer, why)
            return None
        if settings.new_connection is NewConnection.REPLACE and settings.transport in _CONNECTIONS:
            for session in list(self.sessions):
                session.dismiss("a new connection replaces it")
        datagram, line = settings.transport is Transport.UDP, settings.transport is Transport.SERIAL
        session = Session(
            self._hub,
            peer,
            reach,
            _FOR_EVER if expected or line else settings.deadlines,
            write=write,
            drop=drop,
            datagram=datagram,
            probes=not line,
            greets=expected or not datagram,
            frame_gap=FRAME_GAP if line else None,
        )
        self.sessions[session] = None
        self.counters["admitted"] += 1
        _log.info("%s:%d connected to %s", *peer, ", ".join(station.settings.name for station, _ in reach))
        asyncio.get_running_loop().call_soon(self._welcome, session)
        return session

    def _welcome(self, session: Session) -> None:
        """A master that can only be one is told of a restart before it asks."""
        if not session.closed:
            session.pump(self._hub.now())

    def _objection(
        self, peer: tuple[str, int], certificate: CertificateNames | None, *, empty: bool
    ) -> tuple[str, str] | None:
        """Why a peer does not get in: a word for the counter, and a reason; None: it does."""
        settings = self.settings
        if empty:
            tls = settings.transport is Transport.TLS
            return "unlisted", _unlisted(certificate) if tls else "no master may come from there"
        here = sum(address_key(session.peer[0]) == address_key(peer[0]) for session in self.sessions)
        if len(self.sessions) >= settings.connections or here >= settings.connections_per_address:
            return "full", f"{len(self.sessions)} are connected, {here} from there"
        refusing = settings.new_connection is NewConnection.REFUSE and settings.transport in _CONNECTIONS
        return ("busy", "another master is connected") if refusing and self.sessions else None

    def gone(self, session: Session) -> None:
        """A peer is gone."""
        self.sessions.pop(session, None)

    def displaced(self, by: Session) -> None:
        """A master came by another connection, or from another port: those that carry nobody any more are closed."""
        for session in list(self.sessions):
            if session is not by and self.settings.transport is Transport.UDP:
                by.follow(session)
            if session is not by and session.displaced:
                session.dismiss("its master came again by another connection")

    # --- connecting --------------------------------------------------------------------------------------------------

    async def _call(self) -> None:
        """Connect for ever, with pauses that grow while nobody answers."""
        deadlines = self.settings.deadlines
        pause = deadlines.reconnect
        while True:
            if self.settings.mode is Mode.DUAL and self.sessions:
                await asyncio.sleep(deadlines.reconnect)
                continue
            files = self._files()
            connection = await self._connect()
            if connection is None:
                await asyncio.sleep(pause * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - spreads load
                pause = min(2 * pause, deadlines.reconnect_most)
                continue
            pause = deadlines.reconnect
            await self._hold(connection, files)
            await asyncio.sleep(pause)

    async def _hold(self, connection: TcpConnection, files: Stamp) -> None:
        """Wait until a connection that we made is over, and end it where it may not be made like this any more.

        That is so when a certificate of the master ends, or when our TLS files changed since `files`: the next call
        judges it anew. Files that cannot be used leave it as it is.
        """
        now = self._hub.now()
        ends = min((end for end in map(end_of, connection.chain()) if end > now), default=math.inf)
        while not connection.closed.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if self.settings.tls is None else _LOOK_S):
                    await connection.closed.wait()
                return
            changed = self._files()
            if self._hub.now() >= ends:
                connection.end("the master's certificate has ended")
            elif changed != files and self._usable():
                connection.end("TLS files changed: it is judged anew")
            files = changed

    def _files(self) -> Stamp:
        """What tells whether the files behind TLS changed."""
        return () if self._keeper is None else stamp(self._keeper.files.all_paths())

    def _usable(self) -> bool:
        """Whether a call can be made with the TLS files as they are."""
        try:
            self._client_tls("")
        except ConfigError as problem:
            _log.warning("changed TLS files are not used yet: %s", problem)
            return False
        return True

    async def _connect(self) -> TcpConnection | None:
        assert self.settings.peer is not None
        host, port = self.settings.peer
        try:
            async with asyncio.timeout(self.settings.deadlines.handshake):
                _, connection = await asyncio.get_running_loop().create_connection(
                    lambda: TcpConnection(self), host, port, **self._client_tls(host)
                )
        except (OSError, ssl.SSLError, TimeoutError, ConfigError) as problem:
            self.counters["unreachable"] += 1
            if self._throttle.passes(asyncio.get_running_loop().time()):
                _log.info("cannot connect to %s:%d: %s", host, port, problem or type(problem).__name__)
            return None
        return connection

    def _client_tls(self, host: str) -> dict[str, Any]:
        tls = self.settings.tls
        if tls is None:
            return {}
        # the master is known by its certificate's fingerprint or name, not by the name we called
        context = client_context("modern", key_pairs=[tls.key_pair], roots=tls.roots, check_hostname=False)
        refuse_revoked(context, load_revocation(tls.revocation_list, tls.crls))
        return {"ssl": context, "server_hostname": host}


def _keeper(tls: TlsSettings) -> TlsKeeper:
    files = TlsFiles(key_pairs=(tls.key_pair,), roots=tls.roots, revocation_list=tls.revocation_list, crls=tls.crls)
    return TlsKeeper(files, profile="modern", rules=RULES)


def _unlisted(certificate: CertificateNames | None) -> str:
    if certificate is None:
        return "it showed no certificate"
    names = ", ".join(sorted(certificate.names)) or "no name"
    return f"its certificate is in no master's list: {names}, fingerprint {certificate.fingerprint}"
