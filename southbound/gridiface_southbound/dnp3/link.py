"""One connection to an outstation: the master core with a socket, and the newest value of each point.

Owns connecting, TLS, timers, and the wait for a task. A task is one attempt; what fails is told. The core bounds what
it takes in; points are kept for indices that DNP3 has, no history.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from gridiface.errors import DeviceRejected, DeviceTimeout, LocalProtocolError
from gridiface.protocols.dnp3.authentication import AuthenticationSettings, User
from gridiface.protocols.dnp3.authentication_master import MasterAuthentication
from gridiface.protocols.dnp3.master import Master
from gridiface.protocols.dnp3.master_settings import (
    Failure,
    MasterEvent,
    MasterSettings,
    OutstationLost,
    PointsReceived,
    TaskDone,
    TimeSync,
)
from gridiface.protocols.dnp3.master_tasks import Task
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3.config import Dnp3Config

_SILENCE = frozenset({Failure.TIMEOUT, Failure.DISCONNECTED})
_ALL_ROLES = 32_768


class Dnp3Link(asyncio.Protocol):
    """One master's connection. `connect` first, `close` last; after a loss a new link is made.

    Args:
        config: the driver's.
        now: the wall clock.
    """

    def __init__(self, config: Dnp3Config, now: Callable[[], float]) -> None:
        self.points: dict[tuple[PointType, int], Measurement] = {}
        self.restarted = False
        self._config, self._now = config, now
        self._core = Master(_settings(config), _authentication(config))
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[TaskDone]] = {}
        self._named: dict[str, asyncio.Future[TaskDone]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    async def connect(self) -> None:
        """Connect, and wait until everything was read once.

        Raises:
            DeviceTimeout: nobody answers.
            DeviceRejected: TLS was refused, or it is no outstation that answers this master.
        """
        config = self._config
        loop = asyncio.get_running_loop()
        first = self._named["integrity poll"] = loop.create_future()
        context = _tls_context(config) if config.tls else None
        name = None if context is None else config.server_name or config.host
        try:
            async with asyncio.timeout(config.connect_timeout_s):
                await loop.create_connection(lambda: self, config.host, config.port, ssl=context, server_hostname=name)
        except ssl.SSLError as error:
            raise DeviceRejected(f"TLS with {config.host}:{config.port} failed: {error}") from error
        except (OSError, TimeoutError) as error:
            reason = str(error) or "no answer"
            raise DeviceTimeout(f"{config.host}:{config.port} cannot be reached: {reason}") from error
        await self._result("integrity poll", first, 3 * config.timeout_s)

    async def run(self, name: str, task: Task, timeout_s: float) -> TaskDone:
        """One task to its end.

        Raises:
            DeviceTimeout: no connection, or no answer.
            DeviceRejected: an error indication, or an answer that does not fit.
        """
        if self._transport is None or self._transport.is_closing():
            task.close()
            raise DeviceTimeout("the connection is lost")
        future: asyncio.Future[TaskDone] = asyncio.get_running_loop().create_future()
        try:
            number = self._core.submit(name, task)
        except LocalProtocolError as error:
            raise DeviceTimeout(f"{name}: {error}") from error
        self._waiting[number] = future
        try:
            self._pump()
            return await self._result(name, future, timeout_s)
        finally:
            self._waiting.pop(number, None)

    async def close(self) -> None:
        """Close the connection; twice is once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._end()

    @property
    def usable(self) -> bool:
        """Whether the connection is there."""
        return self._transport is not None and not self._transport.is_closing()

    async def _result(self, name: str, future: asyncio.Future[TaskDone], timeout_s: float) -> TaskDone:
        try:
            async with asyncio.timeout(timeout_s):
                result = await future
        except TimeoutError:
            # the core may still wait for an answer that would be taken for another's: begin anew
            await self.close()
            raise DeviceTimeout(f"{name}: no answer within {timeout_s:g} s") from None
        if result.failure in _SILENCE:
            raise DeviceTimeout(f"{name}: {result.failure.value}")
        if result.failure is not None:
            raise DeviceRejected(f"{name}: {result.failure.value}")
        return result

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there: the start-up tasks begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        own = transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._core.connected(self._now())
        self._pump()

    def data_received(self, data: bytes) -> None:
        """Octets of the outstation."""
        self._core.receive(data, self._now())
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; what waits fails."""
        self._transport = None
        self._end()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._core.disconnected(self._now())
        self._fetch()
        for future in (*self._waiting.values(), *self._named.values()):
            if not future.done():
                future.set_result(TaskDone(0, "", Failure.DISCONNECTED))

    def _pump(self) -> None:
        now = self._now()
        octets = self._core.to_send(now)
        if octets and self._transport is not None:
            self._transport.write(octets)
        self._fetch()
        due = self._core.next_timer()
        if due is None or self._transport is None or (self._timer is not None and self._armed_for <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._core.handle_timer(self._now())
        self._pump()

    def _fetch(self) -> None:
        while (event := self._core.next_event()) is not None:
            self._take(event)

    def _take(self, event: MasterEvent) -> None:
        match event:
            case PointsReceived():
                for block in event.blocks:
                    if not block.is_command:
                        self.points.update({(item.type, item.point): item for item in block.measurements()})
            case TaskDone():
                future = self._waiting.get(event.task) or self._named.get(event.name)
                if future is not None and not future.done():
                    future.set_result(event)
            case OutstationLost():
                if self._transport is not None:
                    self._transport.abort()
            case _:
                pass


def _settings(config: Dnp3Config) -> MasterSettings:
    return MasterSettings(
        config.address,
        config.outstation,
        response_timeout=config.timeout_s,
        retry_delay=max(1.0, config.timeout_s),
        enable_classes=(1, 2, 3) if config.unsolicited else (),
        time_sync=TimeSync.LAN if config.set_time else TimeSync.NONE,
        keep_alive=None,
    )


def _authentication(config: Dnp3Config) -> MasterAuthentication | None:
    """Secure authentication, where an update key is configured.

    Raises:
        DeviceRejected: the key cannot be read; the text never holds what was found.
    """
    if config.update_key is None:
        return None
    try:
        key = bytes.fromhex(config.update_key.read_text(encoding="ascii"))
    except (OSError, UnicodeDecodeError, ValueError):
        key = b""
    if len(key) not in {16, 32}:
        raise DeviceRejected(f"{config.update_key}: an update key is 32 or 64 hex digits in a file that can be read")
    return MasterAuthentication(AuthenticationSettings(), User(config.user, "gridiface", key, _ALL_ROLES))


def _tls_context(config: Dnp3Config) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=config.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if config.cert_file is not None:
            context.load_cert_chain(config.cert_file, config.key_file)
    except (OSError, ValueError) as error:
        raise DeviceRejected(f"the TLS files cannot be used: {error}") from error
    return context
