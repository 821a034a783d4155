"""A DNP3 master over TCP, TLS or UDP: the core with a socket, the newest value of each point, and its events."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from types import TracebackType

from gridiface.errors import GridifaceError, LocalProtocolError
from gridiface.protocols.dnp3.controls import Command, CommandStatus
from gridiface.protocols.dnp3.link import datagrams
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import (
    MasterEvent,
    MasterSettings,
    OutstationLost,
    OutstationRestarted,
    PointsReceived,
    TaskDone,
)
from gridiface.protocols.dnp3.master.tasks import Task, class_poll, control
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.points import PointType
from gridiface.streams.datagrams import DatagramCarrier
from gridiface.streams.receiving import Receiver

_KEPT_EVENTS = 100_000


class MasterFailed(GridifaceError):
    """The outstation cannot be reached, or did not do what it was asked."""


class MasterClient(Receiver):
    """One master. Call `connect` first and `close` last, or use it as an async context manager.

    Attributes:
        points: the newest value of each point, static or event.
        events: events in the order received; the oldest go when nobody takes them.
        restarts: how often the outstation told of a restart.
        done: tasks that ended, by name, how often; failures among them in `failed`.
    """

    def __init__(
        self,
        settings: MasterSettings,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        udp: bool = False,
        authentication: MasterAuthentication | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.points: dict[tuple[PointType, int], Measurement] = {}
        self.events: deque[Measurement] = deque(maxlen=_KEPT_EVENTS)
        self.restarts = 0
        self.done: dict[str, int] = {}
        self.failed: list[str] = []
        self.core = Master(settings, authentication)
        self.on_points: Callable[[PointsReceived], None] | None = None
        self._host, self._port, self._tls, self._udp, self._now = host, port, tls, udp, now
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, asyncio.Future[TaskDone]] = {}
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    # --- life --------------------------------------------------------------------------------------------------------

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Connect; the start-up tasks of the settings begin.

        Raises:
            MasterFailed: nobody answers, or TLS was refused.
        """
        name = None if self._tls is None else self._host
        try:
            async with asyncio.timeout(timeout_s):
                if self._udp:
                    await self._address()
                    return
                await asyncio.get_running_loop().create_connection(
                    lambda: self, self._host, self._port, ssl=self._tls, server_hostname=name
                )
        except (OSError, ssl.SSLError, TimeoutError) as problem:
            raise MasterFailed(f"{self._host}:{self._port}: {problem or type(problem).__name__}") from problem

    async def _address(self) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: DatagramCarrier(self, datagrams), remote_addr=(self._host, self._port)
        )

    async def close(self) -> None:
        """Close the connection; tasks that wait fail."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()

    async def __aenter__(self) -> MasterClient:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def connected(self) -> bool:
        """Whether the connection is there."""
        return self._transport is not None and not self._transport.is_closing()

    # --- what a master does ------------------------------------------------------------------------------------------

    async def run(self, name: str, task: Task) -> TaskDone:
        """One task to its end.

        Raises:
            MasterFailed: no connection, no answer, or a refusal.
        """
        try:
            number = self.core.submit(name, task)
        except LocalProtocolError as problem:
            raise MasterFailed(str(problem)) from problem
        future: asyncio.Future[TaskDone] = asyncio.get_running_loop().create_future()
        self._waiting[number] = future
        self._pump()
        result = await future
        if result.failure is not None:
            status = f" ({result.value.name})" if isinstance(result.value, IntEnum) else ""
            raise MasterFailed(f"{name}: {result.failure.value}{status}")
        return result

    async def poll(self, classes: Sequence[int] = (1, 2, 3, 0)) -> TaskDone:
        """Read classes; what comes is in `points` and `events`.

        Raises:
            MasterFailed: as `run`.
        """
        return await self.run(f"poll {tuple(classes)}", class_poll(classes))

    async def operate(self, index: int, command: Command, *, select: bool = False) -> CommandStatus:
        """One command by SELECT and OPERATE, or by DIRECT_OPERATE; its status.

        Raises:
            MasterFailed: as `run`.
        """
        result = await self.run(f"operate {index}", control([(index, command)], select=select))
        return result.outcomes[0].status

    def value(self, point_type: PointType, index: int) -> float | None:
        """The newest value of a point; None before it came."""
        found = self.points.get((point_type, index))
        return None if found is None or isinstance(found.value, bytes) else found.value

    async def until(self, found: Callable[[], bool], seconds: float = 10.0) -> None:
        """Wait until something is true of what came.

        Raises:
            MasterFailed: it did not become true in time.
        """
        try:
            async with asyncio.timeout(seconds):
                while not found():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise MasterFailed(f"what was waited for did not come within {seconds} s") from None

    # --- asyncio -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        own = transport.get_extra_info("socket")
        if own is not None:
            with contextlib.suppress(OSError):
                own.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.core.connected(self._now())
        self._pump()
        self._changed.set()

    def data_received(self, data: bytes) -> None:
        """Octets of the outstation."""
        self.core.receive(data, self._now(), datagram=self._udp)
        self._pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.core.disconnected(self._now())
        self._fetch()
        self._changed.set()

    def _pump(self) -> None:
        now = self._now()
        octets = self.core.to_send(now)
        if octets and self._transport is not None:
            self._transport.write(octets)
        self._fetch()
        due = self.core.next_timer()
        if due is None or (self._timer is not None and self._armed_for <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.core.handle_timer(self._now())
        self._pump()

    def _fetch(self) -> None:
        came = False
        while (event := self.core.next_event()) is not None:
            came = True
            self._take(event)
        if came:
            self._changed.set()

    def _take(self, event: MasterEvent) -> None:
        match event:
            case PointsReceived():
                if self.on_points is not None:
                    self.on_points(event)
                else:
                    self._keep(event)
            case TaskDone():
                self.done[event.name] = self.done.get(event.name, 0) + 1
                if event.failure is not None:
                    self.failed.append(f"{event.name}: {event.failure.value}")
                future = self._waiting.pop(event.task, None)
                if future is not None and not future.done():
                    future.set_result(event)
            case OutstationRestarted():
                self.restarts += 1
            case OutstationLost():
                if self._transport is not None:
                    self._transport.abort()
            case _:
                pass

    def _keep(self, received: PointsReceived) -> None:
        for block in received.blocks:
            for item in block.measurements():
                if item.is_event:
                    self.events.append(item)
                if not item.is_command:
                    self.points[item.type, item.point] = item
