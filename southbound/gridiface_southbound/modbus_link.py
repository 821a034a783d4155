"""The Modbus/TCP link: one connection to one (host, port), with time-outs, reconnection and hostile replies handled.

Owned here: opening and closing, and the order of exchanges. Not owned: what runs on an open connection
(modbus_connection), which links are shared (modbus_sharing), message bytes (modbus_pdu), retries (the dispatcher), and
meaning (a driver). An
*exchange* is one or several requests that belong together; exchanges on one link never overlap, so a shared gateway
serves its units one after the other.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from gridiface.drivers.gate import Gate
from gridiface.errors import DeviceError, DeviceTimeout
from gridiface_southbound.modbus_connection import (
    Connection,
    Exchange,
    LinkCounters,
    QuickExchange,
    Reply,
    outbox_of,
)
from gridiface_southbound.modbus_deadlines import Deadlines
from gridiface_southbound.modbus_pdu import READ_INPUT, Request, WriteThenRead, from_unit
from gridiface_southbound.silence import Silence, noted

#: Time-outs in a row after which the connection is thought dead and is opened anew.
TIMEOUTS_TO_CLOSE = 2

#: Connections in a row that the device closed amid several requests, after which it is asked one at a time.
CUTS_TO_FIND_OUT = 2

#: Connections in a row that the device closed after its first answer, asked nothing more, after which each request gets
#: one of its own; and the longest life of such a one, seconds: later it was closed for being idle.
LONERS_TO_FIND_OUT, _LONER_S = 2, 3.0

#: Exchanges in a row of which only the first requests were answered and a write was not, after which it is so, too.
HALVES_TO_FIND_OUT = 2


class Link(Protocol):
    """What drivers need of a Modbus link, whatever carries it."""

    @property
    def connected(self) -> bool:
        """Whether a connection is open now: else the next exchange makes one."""
        ...

    @property
    def connects(self) -> int:
        """How often it has connected: where it is more than before, the device may have restarted."""
        ...

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


class TcpLink:
    """A Modbus/TCP connection that opens itself when it is needed and after it was lost.

    Args:
        host, port: the device or gateway.
        connect_timeout_s: time for one TCP connect, with its TLS handshake.
        pipelined: send the requests of one exchange in one segment. A device that answers only the first of them
            is found out (`pipelined` becomes False) where the missing ones are reads: they are then asked again.
        tls: Modbus/TCP Security; None: plain TCP.
        silence: of the units behind a gateway, where several use the link; None: one device alone does.

    Some devices close the connection now and then, or after so many requests: reads that were not answered for that are
    asked once more on a new one, which changes nothing there. What may have written is not.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_timeout_s: float = 3.0,
        pipelined: bool = True,
        tls: ssl.SSLContext | None = None,
        silence: Silence | None = None,
    ) -> None:
        self._tls = tls
        self._silence = silence
        self.host = host
        self.port = port
        self.pipelined = pipelined
        self.counters = LinkCounters()
        #: Least time between an answer, or a connect, and the next request, seconds; then they go out one by one.
        self.pause_s = 0.0
        self._quiet_since = float("-inf")
        self._connect_timeout_s = connect_timeout_s
        self._connection: Connection | None = None
        self._turn = Gate()
        self._timeouts = 0
        self._cuts = 0
        self._halves = 0
        self._lone = False
        self._loners = 0
        self._renewals = 0
        self._deadlines: Deadlines | None = None

    @property
    def connected(self) -> bool:
        """As `Link.connected`; so it is, too, where the device has closed it after its answer, as it always does."""
        connection = self._connection
        return connection is not None and (connection.transport is not None or (self._lone and connection.answers > 0))

    @property
    def connects(self) -> int:
        """As `Link.connects`; connections that only follow one which had its answer are not counted."""
        return self.counters.connects - self._renewals

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        """As `Link.exchange`; `timeout_s` counts from the moment of sending, without the wait for a turn."""
        if not requests:
            return []
        async with self._turn:
            silence, connection = self._silence, self._connection
            if silence is not None:
                timeout_s = silence.time_for(unit, timeout_s, asyncio.get_running_loop().time())
            fresh = connection is None or self._is_spent(connection)
            if connection is None or fresh:
                connection = await self._renewed()
            asking = self._exchange(connection, unit, requests, timeout_s, fresh=fresh)
            return await (asking if silence is None else noted(silence, unit, asking, from_unit))

    async def _exchange(
        self, connection: Connection, unit: int, requests: Sequence[Request], timeout_s: float, *, fresh: bool
    ) -> list[Reply]:
        """In our turn, on a connection that is open; `fresh`: since just now."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        exchange = Exchange(unit, requests, self, future)
        if self.pause_s or (not self.pipelined and len(requests) > 1):
            return await self._one_by_one(connection, exchange, range(len(requests)), timeout_s, fresh=fresh)
        connection.send(exchange, range(len(requests)))
        self._watch(exchange, timeout_s)
        try:
            await future
        except DeviceTimeout:
            missing = self._missing_reads(connection, exchange, fresh=fresh)
            if not missing:
                self._half_done(exchange)
                raise
        else:
            self._all_there(exchange)
            return exchange.replies
        finally:
            connection.leave(exchange)
        self._found_out(connection, missing)
        return await self._one_by_one(connection, exchange, missing, timeout_s, fresh=True)

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
        if connection is None or connection.transport is None or not self.pipelined or self.pause_s:
            return False
        if not self._turn.take():
            return False
        exchange = QuickExchange(unit, requests, self, done)
        try:
            if isinstance(requests, WriteThenRead) and requests.shape.unit == unit:
                connection.send_pair(exchange, requests)
            else:
                connection.send(exchange, range(len(requests)))
        except DeviceTimeout:
            self._turn.give()
            return False
        self._watch(exchange, timeout_s)
        return True

    def settled(self, exchange: Exchange, problem: DeviceError | None) -> None:
        """As `Owner.settled`."""
        connection = self._connection
        if problem is None:
            self._all_there(exchange)
        elif connection is not None and (missing := self._missing_reads(connection, exchange, fresh=False)):
            self._found_out(connection, missing)
        else:
            self._half_done(exchange)
        if connection is not None:
            connection.leave(exchange)
        self._turn.give()

    async def close(self) -> None:
        """Close the connection; an exchange that waits fails with DeviceTimeout. Twice is once."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop()
            # One turn of the loop lets the transport release its socket.
            await asyncio.sleep(0)

    async def _connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        outbox = outbox_of(loop)
        self.counters.connects += 1
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: Connection(self.counters, outbox), self.host, self.port, ssl=self._tls
                )
        except TimeoutError as error:
            raise DeviceTimeout(f"{self.host}:{self.port} took no connection in {self._connect_timeout_s} s") from error
        except ssl.SSLError as error:
            # Its errno is a number of its own: strerror would call it another mistake.
            why = getattr(error, "verify_message", "") or error.reason or error
            raise DeviceTimeout(f"{self.host}:{self.port} cannot be reached over TLS: {why}") from error
        except OSError as error:
            why = os.strerror(error.errno).lower() if error.errno else error
            raise DeviceTimeout(f"{self.host}:{self.port} cannot be reached: {why}") from error
        self._timeouts = 0
        self._connection = connection
        return connection

    def _is_spent(self, connection: Connection) -> bool:
        """Whether another is needed for the next request."""
        return connection.transport is None or (self._lone and connection.answers > 0)

    async def _renewed(self) -> Connection:
        """A new connection; what became of the one before is noted.

        Raises:
            DeviceTimeout: none can be made.
        """
        # What became of it is told once: where none can be made now, the next one follows a silence.
        before, self._connection = self._connection, None
        if before is not None:
            if before.life_s is not None:
                self._loners = self._loners + 1 if before.answers == 1 and before.life_s < _LONER_S else 0
            if self._loners >= LONERS_TO_FIND_OUT:
                self._lone, self.pipelined = True, False
            self._renewals += self._lone and before.answers > 0
            before.drop()
        connection = await self._connect()
        self._quiet_since = asyncio.get_running_loop().time()
        return connection

    async def _usable(self, connection: Connection) -> Connection:
        """A connection for the next request, after the silence that the device wants."""
        if self.pause_s:
            await self._keep_quiet()
        if not self._is_spent(connection):
            return connection
        connection = await self._renewed()
        if self.pause_s:
            await self._keep_quiet()
        return connection

    async def _keep_quiet(self) -> None:
        left = self._quiet_since + self.pause_s - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)

    def _missing_reads(self, connection: Connection, exchange: Exchange, *, fresh: bool) -> list[int]:
        """The requests to ask again: reads, never a write. Empty: none.

        Of a device that answered only the first, or closed the connection; a `fresh` one on which it answered nothing
        would be closed again.
        """
        missing = sorted(exchange.positions.values())
        if not missing or any(exchange.requests[position].pdu[0] > READ_INPUT for position in missing):
            return []
        if connection.transport is None:
            again = connection.cut and connection is self._connection and (missing[0] > 0 or not fresh)
        else:
            again = missing[0] > 0
        return missing if again else []

    def _found_out(self, connection: Connection, missing: Sequence[int]) -> None:
        """One request at a time from now on: of a device that left others unanswered, or closed for them twice."""
        self._cuts += connection.cut and missing[0] > 0
        if not connection.cut or self._cuts >= CUTS_TO_FIND_OUT:
            self.pipelined = False

    def _all_there(self, exchange: Exchange) -> None:
        self._timeouts = self._cuts = 0
        if len(exchange.requests) > 1:
            self._halves = 0

    def _half_done(self, exchange: Exchange) -> None:
        """What may have written is not asked again; that only the first were answered is remembered all the same."""
        self._halves += min(exchange.positions.values(), default=0) > 0
        if self._halves >= HALVES_TO_FIND_OUT:
            self.pipelined = False

    async def _one_by_one(
        self, connection: Connection, exchange: Exchange, positions: Sequence[int], timeout_s: float, *, fresh: bool
    ) -> list[Reply]:
        for position in positions:
            connection = await self._usable(connection)
            try:
                await self._ask(connection, exchange, position, timeout_s)
            except DeviceTimeout:
                if not self._missing_reads(connection, exchange, fresh=fresh) or connection.transport is not None:
                    raise
                connection = await self._usable(connection)
                await self._ask(connection, exchange, position, timeout_s)
            fresh = False
            self._timeouts = 0
        return exchange.replies

    async def _ask(self, connection: Connection, exchange: Exchange, position: int, timeout_s: float) -> None:
        exchange.positions = {}
        exchange.future = future = asyncio.get_running_loop().create_future()
        connection.send(exchange, (position,))
        self._watch(exchange, timeout_s)
        try:
            await future
        finally:
            connection.leave(exchange)
            self._quiet_since = asyncio.get_running_loop().time()

    def _watch(self, exchange: Exchange, timeout_s: float) -> None:
        if self._deadlines is None:
            self._deadlines = Deadlines.of(asyncio.get_running_loop())
        self._deadlines.watch(exchange, timeout_s)

    def overdue(self, exchange: Exchange) -> None:
        """As `Owner.overdue`."""
        connection = self._connection
        if connection is None or connection.running is not exchange or exchange.future.done():
            return
        self.counters.timeouts += 1
        self._timeouts += 1
        exchange.future.set_exception(
            DeviceTimeout(f"{self.host}:{self.port} unit {exchange.unit} did not answer in time")
        )
        # Where others behind the gateway answer it is the unit that is silent, and they keep the connection.
        if self._timeouts >= TIMEOUTS_TO_CLOSE and not (self._silence and self._silence.line_answers(exchange.unit)):
            connection.drop()
