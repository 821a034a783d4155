"""One WebSocket connection of a charging point: one call at a time each way, answers by their id, deadlines.

Not owned: who may connect (listener), what actions mean (station, profiles).
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable

from aiohttp import WSMsgType, web

from gridiface.domain.clock import Clock
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout, RemoteProtocolError
from gridiface_southbound.ocpp.rpc import Call, Complaint, Failure, Json, Message, Result, Send, decode, encode
from gridiface_southbound.ocpp.station import Station, Unknown

_log = logging.getLogger(__name__)

#: A peer that sends this many messages which are none is something else.
_MAX_GARBAGE = 10

#: Errors after which the same call may succeed later; the others are final (1.6 JSON clause 4.2.3, 2.0.1 part 4).
_PASSING = frozenset({"InternalError", "GenericError"})


class Session:
    """A connection; `run` it until it ends.

    Args:
        socket: the accepted WebSocket.
        version: what both sides speak.
        station: who answers its calls.
        clock: dates them.
        news: called after each call of the station.
    """

    def __init__(
        self, socket: web.WebSocketResponse, version: str, station: Station, clock: Clock, news: Callable[[], None]
    ) -> None:
        self.version = version
        self.can_trigger = True
        self._socket = socket
        self._station = station
        self._clock = clock
        self._news = news
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, asyncio.Future[Result | Failure]] | None = None

    async def call(self, action: str, payload: Json, *, timeout_s: float) -> Json:
        """Ask the charging point; calls wait for each other, as OCPP wants.

        Raises:
            DeviceTimeout: no answer in time, or the connection is gone.
            DeviceBusy, DeviceRejected: it answered with an error.
        """
        async with self._turn:
            name = str(uuid.uuid4())
            answer: asyncio.Future[Result | Failure] = asyncio.get_running_loop().create_future()
            self._waiting = (name, answer)
            try:
                async with asyncio.timeout(timeout_s):
                    await self._send(Call(name, action, payload))
                    reply = await answer
            except TimeoutError:
                raise DeviceTimeout(f"{action}: no answer within {timeout_s:g} s") from None
            finally:
                self._waiting = None
        if isinstance(reply, Failure):
            kind = DeviceBusy if reply.code in _PASSING else DeviceRejected
            raise kind(f"{action}: {reply.code} {reply.text}".rstrip())
        return reply.payload

    async def run(self) -> None:
        """Read until the connection ends; then nobody waits any more."""
        garbage = 0
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.TEXT:
                    break
                try:
                    await self._take(decode(message.data, self.version))
                except RemoteProtocolError as error:
                    garbage += 1
                    _log.warning("a charging point sent nonsense: %s", error.reason)
                    if garbage >= _MAX_GARBAGE:
                        break
        finally:
            if self._waiting is not None and not self._waiting[1].done():
                self._waiting[1].set_exception(DeviceTimeout("the connection was closed"))
            await self._socket.close()

    async def close(self) -> None:
        """End the connection; twice is once."""
        await self._socket.close(code=1001)

    async def _take(self, message: Message) -> None:
        if isinstance(message, Complaint):
            _log.warning("a charging point could not use our answer %s: %s %s", message.id, message.code, message.text)
            return
        if isinstance(message, Send):
            # Streams of measurements are not opened by us, and nothing else is told so (2.1 part 2, N11).
            _log.info("a charging point sent %s, which nobody asked for", message.action)
            return
        if not isinstance(message, Call):
            waiting = self._waiting
            # An answer that nobody waits for came too late.
            if waiting is not None and waiting[0] == message.id and not waiting[1].done():
                waiting[1].set_result(message)
            return
        reply: Message
        try:
            reply = Result(message.id, self._station.handle(message.action, message.payload, self._clock.now()))
        except Unknown as error:
            reply = Failure(message.id, "NotImplemented", error.reason)
        except RemoteProtocolError as error:
            _log.warning("%s refused: %s", message.action, error.reason)
            reply = Failure(message.id, "PropertyConstraintViolation", error.reason)
        await self._send(reply)
        self._news()

    async def _send(self, message: Message) -> None:
        try:
            await self._socket.send_str(encode(message))
        except (ConnectionError, RuntimeError) as error:
            raise DeviceTimeout(f"the connection is gone: {error}") from error
