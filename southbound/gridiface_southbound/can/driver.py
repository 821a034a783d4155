"""The CAN driver: any device that a signal table describes, as `gridiface.drivers.api.Driver`.

Owned here: which frames were heard, the frames that are sent and repeated, and that this ends. Not owned: the order of
a driver's work (points.driver), echoes (points.echo), bits (signals), the socket (bus).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import DriverTraits
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import DeviceGone
from gridiface.errors import DeviceError, DeviceTimeout
from gridiface_southbound.can.bus import Bus, open_socket
from gridiface_southbound.can.config import CanConfig
from gridiface_southbound.can.signals import SignalImage, extract, insert
from gridiface_southbound.can.table import Frame, Point
from gridiface_southbound.points.commands import CommandPlan
from gridiface_southbound.points.echo import EchoDriver
from gridiface_southbound.points.heard import Heard
from gridiface_southbound.points.image import Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Poll
from gridiface_southbound.points.template import grouped


class CanDriver(EchoDriver[Point]):
    """Drives one device by its signal table; made by `create`."""

    Config: ClassVar[type[CanConfig]] = CanConfig

    def __init__(
        self, device_id: str, config: CanConfig, *, clock: Clock, sockets: Callable[[], socket.socket]
    ) -> None:
        super().__init__(device_id, config, config.table, clock=clock)
        self._config = config
        self._table = config.table
        self._sockets = sockets
        self._bus: Bus | None = None
        self._image = SignalImage(config.table)
        self._heard = Heard(clock)
        self._frames = {(frame.id, frame.extended): frame for frame in config.table.frames if not frame.sent}
        self._told: dict[str, bytes] = {}
        self._repeating: dict[str, asyncio.Task[None]] = {}
        self._expires = math.inf

    @classmethod
    def create(cls, device_id: str, config: CanConfig, *, clock: Clock) -> CanDriver:
        """A driver, not yet open."""
        ids = [(frame.id, frame.extended) for frame in config.table.frames if not frame.sent]
        return cls(device_id, config, clock=clock, sockets=lambda: open_socket(config.interface, ids))

    @property
    def traits(self) -> DriverTraits:
        """As of every table; frames that are repeated end after `revert_s`, and the device falls back."""
        repeated = any(frame.period_s for frame in self._table.frames)
        found = super().traits
        return replace(found, revert_timer_s=self._config.revert_s) if repeated else found

    async def _connect(self) -> None:
        await self._disconnect()
        self._image = SignalImage(self._table)
        self._heard = Heard(self._clock)
        self._bus = Bus(self._sockets(), self._hear)
        asked = {identity.point for identity in self._table.identity}
        needed = [
            point
            for point in self._table.points
            if point.write is None and not point.optional and (point.polled is not Poll.NEVER or point.name in asked)
        ]
        try:
            async with asyncio.timeout(self._config.first_reading_s):
                await self._heard.until(lambda: not self._missing(needed))
        except TimeoutError:
            await self._disconnect()
            frames = sorted({point.frame for point in self._missing(needed)})
            raise DeviceTimeout(f"{self._config.interface}: nothing was heard of {', '.join(frames)}") from None
        except BaseException:
            await self._disconnect()
            raise
        self._take()

    async def _disconnect(self) -> None:
        bus, self._bus = self._bus, None
        tasks, self._repeating = list(self._repeating.values()), {}
        self._told.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if bus is not None:
            bus.close()

    # Reading -------------------------------------------------------------------------------------------------------

    def _hear(self, identifier: int, extended: bool, data: bytes) -> None:
        frame = self._frames.get((identifier, extended))
        if frame is None or len(data) < frame.length:
            return
        whole = data[: frame.length]
        points = (point for point in self._table.points if point.frame == frame.name)
        self._heard.put(frame.name, {point.name: extract(point, frame, whole) for point in points})

    async def _refresh(self, *, slow: bool) -> None:
        self._require_bus()
        now = self._clock.now()
        fast = {point.frame for point in self._table.points if point.polled is Poll.FAST and not point.optional}
        old = sorted(name for name in fast if now - (self._heard.at(name) or 0.0) > self._table.stale_after_s)
        if old:
            raise DeviceTimeout(f"{', '.join(old)} was not heard for {self._table.stale_after_s:g} s")
        self._take()

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        """With the time at which the power was heard."""
        frames = {point.frame for point in self._table.points if point.meaning is Meaning.W}
        times = [at for name in frames if (at := self._heard.at(name)) is not None]
        return replace(snapshot, source_time=min([*times, snapshot.received]))

    def _source(self, point: Point) -> str | None:
        return None if point.write is not None else point.frame

    def _spot(self, point: Point) -> str:
        return f"/{point.name}"

    # One write -----------------------------------------------------------------------------------------------------

    def _planned(self, plan: CommandPlan[Point], command: Setpoint) -> None:
        """Repeated frames end with the command, or after `revert_s`: what then speaks to the device is nobody."""
        revert_s, now = self._config.revert_s, self._clock.now()
        left = math.inf if command.valid_until is None else max(1.0, command.valid_until - now)
        seconds = min(left, math.inf if revert_s is None else revert_s)
        self._expires = self._clock.monotonic() + seconds
        if any(self._table.frame_by_name[write.point.frame].period_s for write in plan.writes):
            plan.revert_s = None if math.isinf(seconds) else seconds

    def _confirmed(self, write: Write[Point]) -> bool:
        """A helper is proved by its frame: another point of it is read back."""
        mates = (point for point in self._table.points if point.frame == write.point.frame and point is not write.point)
        return any(mate.write is not None and isinstance(mate.write.read_back, str) for mate in mates)

    async def _send(self, writes: Sequence[Write[Point]], shown: Sequence[Point]) -> SignalImage:
        """Send the frames in order, each only after the one before was echoed."""
        for name, members in grouped((write.point.frame, write) for write in writes):
            frame = self._table.frame_by_name[name]
            data = self._told.get(name) or self._idle(frame)
            for write in members:
                data = insert(write.point, frame, data, write.data)
            sought, before = self._sought(members, shown)
            self._require_bus().send(frame.id, frame.extended, data)
            self._told[name] = data
            self._repeat(frame)
            if not await self._echoed(sought, before):
                break
        self._take()
        return SignalImage(self._table, self._image.data)

    def _idle(self, frame: Frame) -> bytes:
        """The frame before anything was written."""
        data = bytes([frame.fill]) * frame.length
        for point in self._table.points:
            if point.frame == frame.name and point.write is not None:
                data = insert(point, frame, data, point.write.default)
        return data

    def _repeat(self, frame: Frame) -> None:
        if frame.period_s and frame.name not in self._repeating:
            self._repeating[frame.name] = asyncio.create_task(self._keep(frame), name=f"can {frame.name}")

    async def _keep(self, frame: Frame) -> None:
        while True:
            await asyncio.sleep(frame.period_s)
            if self._clock.monotonic() < self._expires and self._bus is not None:
                with contextlib.suppress(DeviceError):
                    self._bus.send(frame.id, frame.extended, self._told[frame.name])

    def _require_bus(self) -> Bus:
        if self._bus is None:
            raise DeviceGone("the driver is not open")
        if self._bus.broken is not None:
            raise DeviceTimeout(f"{self._config.interface} is down: {self._bus.broken}")
        return self._bus
