"""The listener that charging points call: who may come in, by which version, and one session for each.

Owned here: the socket, TLS, passwords and certificates, caps. One listener serves all charging points of an address and
lives until the last driver has left. Not owned: what is said (session).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hmac
import itertools
import logging
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from aiohttp import web

from gridiface.domain.clock import Clock
from gridiface.errors import DeviceError, DeviceRejected
from gridiface.streams.doors import Doors
from gridiface_southbound.ocpp.config import ListenerKey, OcppConfig
from gridiface_southbound.ocpp.rpc import MAX_BYTES
from gridiface_southbound.ocpp.session import Session
from gridiface_southbound.ocpp.station import Station
from gridiface_southbound.points.secrets import secret_in

_log = logging.getLogger(__name__)

#: Connections at a time; a charging point needs one.
MAX_CONNECTIONS = 5000
#: Who has not become a charging point by then is closed, seconds.
HANDSHAKE_S = 15.0
#: A charging point that does not answer a ping for so long is gone, seconds.
PING_S = 30.0

_PROTOCOLS = {"1.6": "ocpp1.6", "2.0.1": "ocpp2.0.1", "2.1": "ocpp2.1"}


@dataclass(slots=True)
class Seat:
    """The place of one charging point; `devices` are the connectors that are driven, each by a driver of its own."""

    config: OcppConfig
    station: Station
    clock: Clock
    devices: set[int] = field(default_factory=set)
    session: Session | None = None
    refusal: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    #: Who is told, besides those that wait for `news`.
    hearers: list[Callable[[], None]] = field(default_factory=list)

    def tell(self) -> None:
        """Something has changed."""
        self.news.set()
        for hearer in self.hearers:
            hearer()


class Listener:
    """One address."""

    def __init__(self, key: ListenerKey) -> None:
        self.seats: dict[str, Seat] = {}
        self.port = 0
        self._key = key
        self._runner: web.AppRunner | None = None
        self._doors: Doors | None = None
        self._starting = asyncio.Lock()

    def sit(self, config: OcppConfig, station: Station, clock: Clock) -> Seat:
        """The place of a charging point, for the driver of one connector; `station` serves where it is the first.

        Raises:
            DeviceRejected: another device has this connector, or is to be let in otherwise.
        """
        seat = self.seats.get(config.charge_point)
        if seat is None:
            seat = self.seats[config.charge_point] = Seat(config, station, clock)
        elif clash := _clash(seat, config):
            raise DeviceRejected(f"charging point {config.charge_point} on {config.listen}: {clash}")
        seat.devices.add(config.connector)
        seat.station.take_in(config)
        return seat

    async def start(self) -> None:
        """Begin to listen; twice is once.

        Raises:
            DeviceRejected: the address or a file cannot be used.
        """
        async with self._starting:
            if self._doors is not None:
                return
            key = self._key
            app = web.Application()
            app.router.add_get(key.path + "/{id}", self._come_in)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
            await runner.setup()
            try:
                context = None if key.cert_file is None else _tls(key)
                server = runner.server
                if server is None:  # pragma: no cover - a set-up runner has one
                    raise RuntimeError("the runner is not set up")
                doors = Doors(server, most=MAX_CONNECTIONS, within_s=HANDSHAKE_S, tls=context)
                await doors.open(key.host, key.port, backlog=512)
            except (OSError, ssl.SSLError) as error:
                await runner.cleanup()
                raise DeviceRejected(f"{key.host}:{key.port} cannot be listened on: {error}") from error
            self._runner, self._doors = runner, doors
            self.port = doors.port

    async def stop(self) -> None:
        """End, and every connection with it; twice is once."""
        doors, self._doors = self._doors, None
        runner, self._runner = self._runner, None
        if doors is not None:
            doors.close()
        for seat in self.seats.values():
            if seat.session is not None:
                await seat.session.close()
        if runner is not None:
            await runner.cleanup()

    async def _come_in(self, request: web.Request) -> web.StreamResponse:
        seat = self.seats.get(request.match_info["id"])
        if seat is None:
            _log.warning("an unknown charging point %.48r called from %s", request.match_info["id"], request.remote)
            return web.Response(status=404)
        refusal = _refusal(seat.config, request)
        if refusal:
            seat.refusal = refusal
            _log.warning("charging point %s from %s: %s", seat.config.charge_point, request.remote, refusal)
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="OCPP"'})
        offered = [word.strip() for word in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        version = next((one for one in seat.config.versions if _PROTOCOLS[one] in offered), None)
        if version is None:
            seat.refusal = f"speaks {', '.join(offered)[:80] or 'nothing'}, not {', '.join(seat.config.versions)}"
            return web.Response(status=400, text="no version in common")
        socket = web.WebSocketResponse(
            protocols=(_PROTOCOLS[version],), max_msg_size=MAX_BYTES, heartbeat=PING_S, compress=False, timeout=2.0
        )
        await socket.prepare(request)
        if self._doors is not None:
            self._doors.asked(request.protocol)
        await self._serve(seat, socket, version)
        return socket

    @staticmethod
    async def _serve(seat: Seat, socket: web.WebSocketResponse, version: str) -> None:
        session = Session(socket, version, seat.station, seat.clock, seat.tell)
        before, seat.session, seat.refusal = seat.session, session, ""
        seat.station.version = version
        if before is not None:
            # The same charging point again: its old connection is dead, or soon will be.
            await before.close()
        seat.tell()
        try:
            with contextlib.suppress(DeviceError):
                await session.run()
        finally:
            if seat.session is session:
                seat.session = None
                seat.tell()


def _clash(seat: Seat, config: OcppConfig) -> str:
    """Why a device cannot share a charging point with those that are there; empty: it can."""
    if config.connector in seat.devices:
        return f"connector {config.connector} is configured twice"
    if not config.connector or 0 in seat.devices:
        return "connector 0 is the whole station, which has no other device"
    for name in ("security_profile", "password_file", "certificate_name", "versions"):
        if getattr(seat.config, name) != getattr(config, name):
            return f"its devices must have the same {name}"
    return ""


def _refusal(config: OcppConfig, request: web.Request) -> str:
    """Why it may not come in; empty: it may."""
    if config.security_profile == 0:
        return ""
    if config.security_profile == 3:
        peer = request.get_extra_info("peercert") or {}
        names = [value for part in peer.get("subject", ()) for name, value in part if name == "commonName"]
        wanted = config.certificate_name or config.charge_point
        return "" if names == [wanted] else f"its certificate names {names or 'nobody'}, not {wanted}"
    if config.password_file is None:  # pragma: no cover - the configuration demands one
        return "no password is configured"
    scheme, _, coded = request.headers.get("Authorization", "").partition(" ")
    try:
        given = base64.b64decode(coded, validate=True) if scheme.lower() == "basic" else b""
        wanted_pair = f"{config.charge_point}:{secret_in(config.password_file)}".encode()
    except (binascii.Error, ValueError):
        return "its authorisation cannot be read"
    except DeviceRejected as error:
        return error.reason
    return "" if hmac.compare_digest(given, wanted_pair) else "its password is missing or wrong"


def _tls(key: ListenerKey) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(str(key.cert_file), str(key.key_file))
    if key.client_ca_file is not None:
        # Charging points of profile 2 on the same listener have none; profile 3 is checked after the handshake.
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(key.client_ca_file)
    return context


def listener_for(key: ListenerKey) -> Listener:
    """The listener of an address, in the running loop.

    Raises:
        DeviceRejected: another charging point has this address with other files.
    """
    known = _listeners.setdefault(asyncio.get_running_loop(), {})
    for other in known:
        if other != key and (other.host, other.port) == (key.host, key.port) and key.port:
            raise DeviceRejected(f"{key.host}:{key.port} is used with another path or other certificates")
    return known.setdefault(key, Listener(key))


async def leave(listener: Listener, config: OcppConfig) -> None:
    """Give a place back; the last device of a charging point ends its session, the last of all the listener."""
    key, seat = config.listener, listener.seats.get(config.charge_point)
    if seat is not None:
        seat.devices.discard(config.connector)
        seat.station.let_out(config)
        if not seat.devices:
            del listener.seats[config.charge_point]
            if seat.session is not None:
                await seat.session.close()
    if not listener.seats:
        _listeners.get(asyncio.get_running_loop(), {}).pop(key, None)
        await listener.stop()


def numbers(clock: Clock) -> Iterator[int]:
    """Transaction numbers: after a restart of ours none comes twice, unless a charger begins one a second."""
    return itertools.count(int(clock.now()) & 0x7FFF_FFFF)


#: The listeners of each running loop.
_listeners: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ListenerKey, Listener]] = WeakKeyDictionary()
