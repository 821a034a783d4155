"""One Modbus/TCP connection: bytes in, replies matched to the exchange that runs, bytes out in bursts.

Owned here: transaction ids, matching, and what a hostile or late reply leads to. Not owned: opening and closing
(modbus_link), deadlines (modbus_deadlines), message bytes (modbus_pdu).
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakKeyDictionary

from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout, RemoteProtocolError
from gridiface.streams.receiving import Receiver
from gridiface_southbound.modbus_deadlines import ENDED
from gridiface_southbound.modbus_pdu import (
    ExceptionReply,
    Frame,
    FrameDecoder,
    PairShape,
    Request,
    WriteThenRead,
    encode_frame,
    reply_data,
)

#: What one request brought: registers (empty after a write) or the device's exception.
Reply = bytes | ExceptionReply

#: The last transactions, of which a second answer is dropped as a late one is.
_REPEATED = 8

#: Requests in one burst of the outbox.
BURST = 128


@dataclass(slots=True)
class LinkCounters:
    """What a link did so far."""

    connects: int = 0
    requests: int = 0
    timeouts: int = 0
    protocol_errors: int = 0
    late_replies: int = 0


class Waiter(Protocol):
    """Who waits for an exchange: an asyncio.Future, or the exchange itself."""

    def done(self) -> bool:
        """Whether it has been told the end."""
        ...

    def set_result(self, result: None, /) -> None:
        """All replies are there."""
        ...

    def set_exception(self, exception: DeviceTimeout | DeviceRejected, /) -> None:
        """It failed."""
        ...


class Owner(Protocol):
    """Who made an exchange."""

    def overdue(self, exchange: Exchange) -> None:
        """Its deadline has come."""
        ...

    def settled(self, exchange: Exchange, problem: DeviceError | None) -> None:
        """A quick one is over: the next may have its turn."""
        ...


class Exchange:
    """The replies one exchange still waits for.

    `pair`: the shape of a write and a read that went out together; `heads`: how good replies to them begin.
    """

    __slots__ = ("deadline", "future", "heads", "owner", "pair", "positions", "replies", "requests", "unit")

    def __init__(self, unit: int, requests: Sequence[Request], owner: Owner, future: Waiter) -> None:
        self.unit = unit
        self.requests = requests
        self.future = future
        self.positions: dict[int, int] = {}
        self.replies: list[Reply] = [b""] * len(requests)
        self.pair: PairShape | None = None
        self.heads = (b"", b"")
        self.owner = owner
        self.deadline = ENDED

    def late(self) -> None:
        """Its time is over."""
        self.owner.overdue(self)


class _Told:
    """Stands for who waited for an exchange that is over."""

    __slots__ = ()

    def done(self) -> bool:
        """As `Waiter.done`."""
        return True

    def set_result(self, result: None, /) -> None:
        """As `Waiter.set_result`."""

    def set_exception(self, exception: DeviceTimeout | DeviceRejected, /) -> None:
        """As `Waiter.set_exception`."""


_TOLD = _Told()


class QuickExchange(Exchange):
    """An exchange that nobody waits for: it calls one function, once, and gives the turn back.

    Once it is over it holds nothing of who made it, nor itself: the queues of deadlines keep it until its time comes,
    and ten thousand rings would be left to the garbage collector.
    """

    __slots__ = ("_done",)

    def __init__(
        self,
        unit: int,
        requests: Sequence[Request],
        owner: Owner,
        done: Callable[[list[Reply] | DeviceError], None],
    ) -> None:
        super().__init__(unit, requests, owner, self)
        self._done = done

    def done(self) -> bool:
        """As `Waiter.done`."""
        return False

    def set_result(self, result: None, /) -> None:
        """As `Waiter.set_result`."""
        self._settle(None)

    def set_exception(self, exception: DeviceTimeout | DeviceRejected, /) -> None:
        """As `Waiter.set_exception`."""
        self._settle(exception)

    def _settle(self, problem: DeviceError | None) -> None:
        done, self._done, self.future = self._done, _nothing, _TOLD
        self.owner.settled(self, problem)
        done(self.replies if problem is None else problem)


def _nothing(_: list[Reply] | DeviceError) -> None:
    """Nobody is told twice."""


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


class Connection(Receiver):
    """One TCP connection: bytes in, replies matched to the exchange that runs."""

    def __init__(self, counters: LinkCounters, outbox: Outbox) -> None:
        self._outbox = outbox
        self.transport: asyncio.Transport | None = None
        self.counters = counters
        self.running: Exchange | None = None
        self.abandoned: set[int] = set()
        #: Whether the device closed it, not this side.
        self.cut = False
        #: How many requests were answered on it.
        self.answers = 0
        #: Where the device closed it and was asked nothing then: how long it had been open, seconds.
        self.life_s: float | None = None
        self._made = 0.0
        self._decoder = FrameDecoder()
        self._transaction = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As `asyncio.Protocol.connection_made`."""
        if not isinstance(transport, asyncio.Transport):  # pragma: no cover - asyncio gives nothing else for TCP
            raise TypeError("a Modbus/TCP link needs a stream transport")
        self.transport = transport
        self._made = time.monotonic()
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def connection_lost(self, exc: Exception | None) -> None:
        """As `asyncio.Protocol.connection_lost`."""
        self.cut = self.transport is not None
        if self.cut and (self.running is None or not self.running.positions):
            self.life_s = time.monotonic() - self._made
        self.transport = None
        self._fail(DeviceTimeout("the device closed the connection before it answered"))

    def data_received(self, data: bytes) -> None:
        """As `asyncio.Protocol.data_received`."""
        exchange = self.running
        if exchange is not None and self._all_well(exchange, data):
            return
        try:
            for frame in self._decoder.feed(data):
                self._take(frame)
        except RemoteProtocolError as error:
            self.counters.protocol_errors += 1
            self._fail(DeviceRejected(f"connection closed: {error.reason}"))
            self.drop()

    def _all_well(self, exchange: Exchange, data: bytes) -> bool:
        """Take the replies to both requests of an exchange where they came in one piece and as they should."""
        pair = exchange.pair
        if pair is None or len(data) != pair.size or len(exchange.positions) != 2 or self._decoder.amid:
            return False
        taken, shown = exchange.heads
        if not (data.startswith(taken) and data.startswith(shown, pair.shown_at)) or exchange.future.done():
            return False
        exchange.positions.clear()
        self.answers += 2
        exchange.replies[1] = data[pair.data_at :]
        exchange.future.set_result(None)
        return True

    def send(self, exchange: Exchange, positions: Iterable[int]) -> None:
        """Write the requests at `positions` of the exchange in one segment.

        Raises:
            DeviceTimeout: the connection is closed.
        """
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
        exchange.pair = None
        self.running = exchange
        self.counters.requests += len(frames)
        self._outbox.put(transport, b"".join(frames) if len(frames) > 1 else frames[0])

    def send_pair(self, exchange: Exchange, requests: WriteThenRead) -> None:
        """Write both requests of an exchange in one segment, as `send` does with more work.

        Raises:
            DeviceTimeout: the connection is closed.
        """
        transport = self.transport
        if transport is None or transport.is_closing():
            raise DeviceTimeout("the device closed the connection")
        one = self._transaction + 1 & 0xFFFF
        self._transaction = two = one + 1 & 0xFFFF
        if self.abandoned:
            self.abandoned.difference_update((one, two))
        exchange.positions = {one: 0, two: 1}
        exchange.pair = shape = requests.shape
        first, second = one.to_bytes(2, "big"), two.to_bytes(2, "big")
        exchange.heads = shape.heads(first, second)
        self.running = exchange
        self.counters.requests += 2
        self._outbox.put(transport, shape.frames(first, second, requests.registers))

    def leave(self, exchange: Exchange) -> None:
        """Stop waiting for what is still missing; a reply that comes late is dropped."""
        exchange.deadline = ENDED
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
            # Also what was answered a moment ago: a gateway that asked twice passes two answers on.
            if (
                frame.transaction in self.abandoned
                or 0 < frame.transaction <= self._transaction < frame.transaction + _REPEATED
            ):
                self.abandoned.discard(frame.transaction)
                self.counters.late_replies += 1
                return
            raise RemoteProtocolError(f"a reply with transaction {frame.transaction}, which nobody asked for")
        if frame.unit != exchange.unit:
            raise RemoteProtocolError(f"unit {frame.unit} answered for unit {exchange.unit}")
        exchange.replies[position] = reply_data(exchange.requests[position], frame.pdu)
        self.answers += 1
        if not exchange.positions and not exchange.future.done():
            exchange.future.set_result(None)

    def _fail(self, error: DeviceTimeout | DeviceRejected) -> None:
        exchange, self.running = self.running, None
        if exchange is not None and not exchange.future.done():
            exchange.future.set_exception(error)


#: The outbox of each running loop.
_outboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, Outbox] = WeakKeyDictionary()


def outbox_of(loop: asyncio.AbstractEventLoop) -> Outbox:
    """The outbox of a loop."""
    return _outboxes.setdefault(loop, Outbox(loop))
