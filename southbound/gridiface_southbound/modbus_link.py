"""The Modbus/TCP link: one connection to one (host, port), with time-outs, reconnection and hostile replies handled.

Owned here: the socket, transaction ids, the order of exchanges, and which links are shared. Not owned: message bytes
(modbus_pdu), retries (the dispatcher), and meaning (a driver). An *exchange* is one or several requests that belong
together; exchanges on one link never overlap, so a shared gateway serves its units one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable
from weakref import WeakKeyDictionary

from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout, RemoteProtocolError
from gridiface_southbound.modbus_pdu import (
    READ_INPUT,
    ExceptionReply,
    Frame,
    FrameDecoder,
    Request,
    encode_frame,
    reply_data,
)

#: What one request brought: registers (empty after a write) or the device's exception.
Reply = bytes | ExceptionReply

#: Requests in one burst of the outbox.
BURST = 128

#: Time-outs in a row after which the connection is thought dead and is opened anew.
TIMEOUTS_TO_CLOSE = 2


class Link(Protocol):
    """What drivers need of a Modbus link, whatever carries it."""

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """Send the requests and wait for all replies; an exception reply is a value.

        Raises:
            DeviceTimeout: no connection, or not every reply came in time. Whether a write took effect is unknown.
            DeviceRejected: a reply was not Modbus or not the one asked for; the connection was closed.
        """
        ...

    async def close(self) -> None:
        """Close the connection; twice is once. A later exchange opens it again."""
        ...


@runtime_checkable
class QuickLink(Protocol):
    """A link that can do without a task per exchange."""

    def begin(
        self,
        unit: int,
        requests: Sequence[Request],
        done: Callable[[list[Reply] | DeviceError], None],
        *,
        timeout_s: float,
    ) -> bool:
        """Begin an exchange without waiting for anything. False: not now (closed, or in use), use `exchange`.

        True: sent; `done` is called exactly once, later, with the replies or with what `exchange` would raise. It must
        not raise.
        """
        ...


@dataclass(slots=True)
class LinkCounters:
    """What a link did so far."""

    connects: int = 0
    requests: int = 0
    timeouts: int = 0
    protocol_errors: int = 0
    late_replies: int = 0


class _Waiter(Protocol):
    """Who waits for an exchange: an asyncio.Future, or a _Callback."""

    def done(self) -> bool: ...

    def set_result(self, result: None, /) -> None: ...

    def set_exception(self, exception: DeviceTimeout | DeviceRejected, /) -> None: ...


class _Callback:
    """Waits without a task: calls one function, once."""

    __slots__ = ("_call",)

    def __init__(self, call: Callable[[DeviceError | None], None]) -> None:
        self._call: Callable[[DeviceError | None], None] | None = call

    def done(self) -> bool:
        return self._call is None

    def set_result(self, result: None, /) -> None:
        self._settle(None)

    def set_exception(self, exception: DeviceTimeout | DeviceRejected, /) -> None:
        self._settle(exception)

    def _settle(self, problem: DeviceError | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call(problem)


def taken_at_once(lock: asyncio.Lock) -> bool:
    """Take a lock that is free, without waiting; False where it is not."""
    if lock.locked():
        return False
    taking = lock.acquire()
    try:
        taking.send(None)
    except StopIteration:
        return True
    taking.close()  # somebody waits for it already
    return False


class _Exchange:
    """The replies one exchange still waits for."""

    __slots__ = ("future", "positions", "replies", "requests", "unit")

    def __init__(self, unit: int, requests: Sequence[Request], future: _Waiter) -> None:
        self.unit = unit
        self.requests = requests
        self.future = future
        self.positions: dict[int, int] = {}
        self.replies: list[Reply] = [b""] * len(requests)


class Outbox:
    """Gathers what many connections send in one turn of the loop and sends it in short bursts.

    In a fan-out the sending of each request would wake the other end or the network card anew while the next request
    is still being made; in bursts the two sides work side by side.
    """

    __slots__ = ("_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[tuple[asyncio.Transport, bytes]] = []

    def put(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send `data` with the next burst: now if enough has gathered, at the latest when this turn is over."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append((transport, data))
        if len(self._waiting) >= BURST:
            self.flush()

    def flush(self) -> None:
        """Send everything."""
        waiting, self._waiting = self._waiting, []
        for transport, data in waiting:
            if not transport.is_closing():
                transport.write(data)


class _Connection(asyncio.Protocol):
    """One TCP connection: bytes in, replies matched to the exchange that runs."""

    def __init__(self, counters: LinkCounters, outbox: Outbox) -> None:
        self._outbox = outbox
        self.transport: asyncio.Transport | None = None
        self.counters = counters
        self.running: _Exchange | None = None
        self.abandoned: set[int] = set()
        self._decoder = FrameDecoder()
        self._transaction = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):  # pragma: no cover - asyncio gives nothing else for TCP
            raise TypeError("a Modbus/TCP link needs a stream transport")
        self.transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._fail(DeviceTimeout("the device closed the connection before it answered"))

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except RemoteProtocolError as error:
            self.counters.protocol_errors += 1
            self._fail(DeviceRejected(f"connection closed: {error.reason}"))
            self.drop()

    def send(self, exchange: _Exchange, positions: Iterable[int]) -> None:
        """Write the requests at `positions` of the exchange in one segment."""
        transport = self.transport
        if transport is None or transport.is_closing():
            raise DeviceTimeout("the device closed the connection")
        frames = []
        for position in positions:
            self._transaction = transaction = self._transaction + 1 & 0xFFFF
            if self.abandoned:
                self.abandoned.discard(transaction)
            exchange.positions[transaction] = position
            frames.append(encode_frame(transaction, exchange.unit, exchange.requests[position].pdu))
        self.running = exchange
        self.counters.requests += len(frames)
        self._outbox.put(transport, b"".join(frames) if len(frames) > 1 else frames[0])

    def leave(self, exchange: _Exchange) -> None:
        """Stop waiting for what is still missing; a reply that comes late is dropped."""
        if exchange.positions:
            self.abandoned.update(exchange.positions)
        if self.running is exchange:
            self.running = None

    def drop(self) -> None:
        """Close at once."""
        if self.transport is not None:
            self.transport.abort()
            self.transport = None

    def _take(self, frame: Frame) -> None:
        exchange = self.running
        position = None if exchange is None else exchange.positions.pop(frame.transaction, None)
        if exchange is None or position is None:
            if frame.transaction in self.abandoned:
                self.abandoned.discard(frame.transaction)
                self.counters.late_replies += 1
                return
            raise RemoteProtocolError(f"a reply with transaction {frame.transaction}, which nobody asked for")
        if frame.unit != exchange.unit:
            raise RemoteProtocolError(f"unit {frame.unit} answered for unit {exchange.unit}")
        exchange.replies[position] = reply_data(exchange.requests[position], frame.pdu)
        if not exchange.positions and not exchange.future.done():
            exchange.future.set_result(None)

    def _fail(self, error: DeviceTimeout | DeviceRejected) -> None:
        exchange, self.running = self.running, None
        if exchange is not None and not exchange.future.done():
            exchange.future.set_exception(error)


#: The outbox of each running loop.
_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


def _outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    return _outboxes.setdefault(loop, Outbox(loop))


class TcpLink:
    """A Modbus/TCP connection that opens itself when it is needed and after it was lost.

    Args:
        host, port: the device or gateway.
        connect_timeout_s: time for one TCP connect.
        pipelined: send the requests of one exchange in one segment. A device that answers only the first of them
            is found out (`pipelined` becomes False) where the missing ones are reads: they are then asked again.
    """

    def __init__(self, host: str, port: int, *, connect_timeout_s: float = 3.0, pipelined: bool = True) -> None:
        self.host = host
        self.port = port
        self.pipelined = pipelined
        self.counters = LinkCounters()
        self._connect_timeout_s = connect_timeout_s
        self._connection: _Connection | None = None
        self._turn = asyncio.Lock()
        self._timeouts = 0
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0

    @property
    def connected(self) -> bool:
        """Whether a connection is open now."""
        return self._connection is not None and self._connection.transport is not None

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`; `timeout_s` counts from the moment of sending, without the wait for a turn."""
        if not requests:
            return []
        async with self._turn:
            connection = self._connection
            if connection is None or connection.transport is None:
                connection = await self._connect()
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            exchange = _Exchange(unit, requests, future)
            if not self.pipelined and len(requests) > 1:
                return await self._one_by_one(connection, exchange, range(len(requests)), timeout_s)
            connection.send(exchange, range(len(requests)))
            self._watch(connection, timeout_s)
            try:
                await future
            except DeviceTimeout:
                missing = self._missing_reads(connection, exchange)
                if not missing:
                    raise
            else:
                self._timeouts = 0
                return exchange.replies
            finally:
                connection.leave(exchange)
            self.pipelined = False
            return await self._one_by_one(connection, exchange, missing, timeout_s)

    def begin(
        self,
        unit: int,
        requests: Sequence[Request],
        done: Callable[[list[Reply] | DeviceError], None],
        *,
        timeout_s: float,
    ) -> bool:
        """As `QuickLink.begin`."""
        connection = self._connection
        if connection is None or connection.transport is None or not self.pipelined or not taken_at_once(self._turn):
            return False

        def settle(problem: DeviceError | None) -> None:
            if problem is None:
                self._timeouts = 0
            elif self._missing_reads(connection, exchange):
                self.pipelined = False  # found out: from now on one after the other
            connection.leave(exchange)
            self._turn.release()
            done(exchange.replies if problem is None else problem)

        exchange = _Exchange(unit, requests, _Callback(settle))
        try:
            connection.send(exchange, range(len(requests)))
        except DeviceTimeout:
            self._turn.release()
            return False
        self._watch(connection, timeout_s)
        return True

    async def close(self) -> None:
        """Close the connection; an exchange that waits fails with DeviceTimeout. Twice is once."""
        connection, self._connection = self._connection, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if connection is not None:
            connection.drop()
            # One turn of the loop lets the transport release its socket.
            await asyncio.sleep(0)

    async def _connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        outbox = _outbox_of(loop)
        self.counters.connects += 1
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self.counters, outbox), self.host, self.port
                )
        except TimeoutError as error:
            raise DeviceTimeout(f"{self.host}:{self.port} took no connection in {self._connect_timeout_s} s") from error
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else error
            raise DeviceTimeout(f"{self.host}:{self.port} cannot be reached: {why}") from error
        self._timeouts = 0
        self._connection = connection
        return connection

    @staticmethod
    def _missing_reads(connection: _Connection, exchange: _Exchange) -> list[int]:
        """The requests to ask again of a device that answered only the first: reads, never a write. Empty: not that."""
        missing = sorted(exchange.positions.values())
        alive = connection.transport is not None and missing and missing[0] > 0
        if not alive or any(exchange.requests[position].pdu[0] > READ_INPUT for position in missing):
            return []
        return missing

    async def _one_by_one(
        self, connection: _Connection, exchange: _Exchange, positions: Sequence[int], timeout_s: float
    ) -> list[Reply]:
        for position in positions:
            exchange.positions = {}
            exchange.future = future = asyncio.get_running_loop().create_future()
            connection.send(exchange, (position,))
            self._watch(connection, timeout_s)
            try:
                await future
            finally:
                connection.leave(exchange)
            self._timeouts = 0
        return exchange.replies

    def _watch(self, connection: _Connection, timeout_s: float) -> None:
        """See to it that the running exchange ends in time. The timer outlives a quick exchange and serves the next."""
        loop = asyncio.get_running_loop()
        self._deadline = deadline = loop.time() + timeout_s
        if self._timer is not None:
            if self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = loop.call_at(deadline, self._late, connection)

    def _late(self, connection: _Connection) -> None:
        self._timer = None
        exchange = connection.running
        if exchange is None or connection is not self._connection:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            self._timer = loop.call_at(self._deadline, self._late, connection)
            return
        self.counters.timeouts += 1
        self._timeouts += 1
        if not exchange.future.done():
            exchange.future.set_exception(
                DeviceTimeout(f"{self.host}:{self.port} unit {exchange.unit} did not answer in time")
            )
        if self._timeouts >= TIMEOUTS_TO_CLOSE:
            connection.drop()


class SharedLink:
    """One user's handle on a link that several drivers share; the last one to close it closes the connection."""

    def __init__(self, link: TcpLink, users: dict[tuple[str, int], tuple[TcpLink, int]]) -> None:
        self._link = link
        self._users = users
        self._open = True

    @property
    def connected(self) -> bool:
        """Whether the shared connection is open now."""
        return self._open and self._link.connected

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`."""
        if not self._open:
            raise DeviceTimeout("the link was closed")
        return await self._link.exchange(unit, requests, timeout_s=timeout_s)

    def begin(
        self,
        unit: int,
        requests: Sequence[Request],
        done: Callable[[list[Reply] | DeviceError], None],
        *,
        timeout_s: float,
    ) -> bool:
        """As `QuickLink.begin`."""
        return self._open and self._link.begin(unit, requests, done, timeout_s=timeout_s)

    async def close(self) -> None:
        """Give the link back; twice is once."""
        if not self._open:
            return
        self._open = False
        key = (self._link.host, self._link.port)
        link, users = self._users[key]
        if users > 1:
            self._users[key] = (link, users - 1)
            return
        with contextlib.suppress(KeyError):
            del self._users[key]
        await link.close()


#: The shared links of each running loop: a link's lock and socket belong to one loop.
_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, int], tuple[TcpLink, int]]] = WeakKeyDictionary()


def shared_link(host: str, port: int, *, connect_timeout_s: float = 3.0, pipelined: bool = True) -> SharedLink:
    """A handle on THE link to (host, port) of the running loop; the options of the first caller count."""
    links = _shared.setdefault(asyncio.get_running_loop(), {})
    link, users = links.get((host, port), (None, 0))
    if link is None:
        link = TcpLink(host, port, connect_timeout_s=connect_timeout_s, pipelined=pipelined)
    links[host, port] = (link, users + 1)
    return SharedLink(link, links)
