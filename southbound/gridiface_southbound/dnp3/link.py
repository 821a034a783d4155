"""One outstation's link: the master core on a connection, and the newest value of each point.

Owns timers, turns, and the wait for a task; the connection is wire.py's. A task is one attempt; what fails is told. The
core bounds what it takes in; points are kept for indices that DNP3 has, no history.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from gridiface.errors import DeviceRejected, DeviceTimeout, LocalProtocolError
from gridiface.protocols.dnp3.authentication.algorithms import AuthenticationSettings, MacAlgorithm, User
from gridiface.protocols.dnp3.link import FRAME_GAP
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.master import Master
from gridiface.protocols.dnp3.master.settings import (
    Failure,
    MasterEvent,
    MasterSettings,
    OutstationLost,
    OutstationRestarted,
    PointsReceived,
    TaskDone,
    TimeSync,
)
from gridiface.protocols.dnp3.master.tasks import Task
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3.config import Dnp3Config
from gridiface_southbound.dnp3.wire import Wire, wire_for
from gridiface_southbound.silence import noted

_SILENCE = frozenset({Failure.TIMEOUT, Failure.DISCONNECTED})
_ALL_ROLES = 32_768


class Dnp3Link:
    """One master's talk with one outstation. `connect` first, `close` last; after a loss a new link is made.

    On a shared connection a task waits for its turn, which does not count as its time; what the outstation says unasked
    is answered when nobody else's answer is awaited.

    Args:
        config: the driver's.
        now: the wall clock.
    """

    def __init__(self, config: Dnp3Config, now: Callable[[], float]) -> None:
        self.points: dict[tuple[PointType, int], Measurement] = {}
        #: How often it has said that it restarted (IIN1.7).
        self.restarts = 0
        self._config, self._now = config, now
        self._core = Master(_settings(config), _authentication(config))
        self._wire: Wire | None = None
        self._waiting: dict[int, asyncio.Future[TaskDone]] = {}
        self._named: dict[str, asyncio.Future[TaskDone]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0
        self._core.held = config.shared
        self._rest = asyncio.Event()
        self._service: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Connect, and wait until everything was read once.

        Raises:
            DeviceTimeout: nobody answers.
            DeviceRejected: TLS was refused, or it is no outstation that answers this master.
        """
        self._wire = wire = wire_for(self._config)
        first = self._named["integrity poll"] = asyncio.get_running_loop().create_future()
        await wire.open(self._config)
        async with self._turn(wire):
            patience = self._patience(wire, 3 * self._config.timeout_s)
            self._core.sequence = wire.sequences.get(self._key, 0)
            wire.use(self)
            await noted(wire.silence, self._key, self._result("integrity poll", first, patience), came=bool)

    async def run(self, name: str, task: Task, timeout_s: float) -> TaskDone:
        """One task to its end.

        Raises:
            DeviceTimeout: no connection, or no answer.
            DeviceRejected: an error indication, or an answer that does not fit.
        """
        if self._wire is None or not self.usable:
            task.close()
            raise DeviceTimeout("the connection is lost")
        wire = self._wire
        async with self._turn(wire):
            try:
                patience = self._patience(wire, timeout_s)
            except DeviceTimeout:
                task.close()
                raise
            future: asyncio.Future[TaskDone] = asyncio.get_running_loop().create_future()
            try:
                number = self._core.submit(name, task)
            except LocalProtocolError as error:
                task.close()
                raise DeviceTimeout(f"{name}: {error}") from error
            self._waiting[number] = future
            try:
                self._pump()
                return await noted(wire.silence, self._key, self._result(name, future, patience), came=bool)
            finally:
                self._waiting.pop(number, None)

    async def close(self) -> None:
        """Leave the connection; twice is once."""
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.sequences[self._key] = self._core.sequence
            wire.leave(self)
        if self._service is not None:
            self._service.cancel()
        self._end()

    @property
    def usable(self) -> bool:
        """Whether the connection is there."""
        return self._wire is not None and self._wire.usable

    @property
    def _key(self) -> tuple[int, int]:
        return self._config.address, self._config.outstation

    @contextlib.asynccontextmanager
    async def _turn(self, wire: Wire) -> AsyncIterator[None]:
        """Ours alone while we ask, where others use the connection too; until everything is answered."""
        if not wire.shared:
            yield
            return
        async with wire.turn:
            self._core.held = False
            try:
                yield
                await self._at_rest()
            finally:
                self._core.held = True

    def _patience(self, wire: Wire, timeout_s: float) -> float:
        """The time that an answer has in our turn. Raises DeviceTimeout where the others on the line go first."""
        if wire.silence is None:
            return timeout_s
        return wire.silence.time_for(self._key, timeout_s, asyncio.get_running_loop().time())

    async def _at_rest(self) -> None:
        """What the outstation's answers led to by themselves is over, or has had its time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(3 * self._config.timeout_s):
                while self._core.busy and self.usable:
                    self._rest.clear()
                    await self._rest.wait()

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

    # --- what the connection tells (wire.User) ------------------------------------------------------------------------

    def ready(self) -> None:
        """The connection is there: the start-up tasks begin."""
        self._core.connected(self._now())
        self._pump()

    def received(self, data: bytes) -> None:
        """Octets of an outstation, ours or another's."""
        self._core.receive(data, self._now(), datagram=self._config.udp)
        self._pump()

    def lost(self) -> None:
        """The connection is gone; what waits fails."""
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
        self._rest.set()

    def _pump(self) -> None:
        wire, now = self._wire, self._now()
        if wire is not None and not self._core.held:
            octets = self._core.to_send(now)
            if octets:
                wire.write(octets)
        elif wire is not None and self._core.wants_to_send and self._service is None:
            self._service = asyncio.get_running_loop().create_task(self._serve(wire))
        self._fetch()
        self._rest.set()
        due = self._core.next_timer()
        if due is None or not self.usable or (self._timer is not None and self._armed_for <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    async def _serve(self, wire: Wire) -> None:
        """Confirms, and what an outstation's indications ask for, in our turn."""
        try:
            async with self._turn(wire):
                self._pump()
        finally:
            self._service = None

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
                self._end()
            case OutstationRestarted():
                self.restarts += 1
            case _:
                pass


def _settings(config: Dnp3Config) -> MasterSettings:
    return MasterSettings(
        config.address,
        config.outstation,
        response_timeout=config.timeout_s,
        retry_delay=max(1.0, config.timeout_s),
        enable_classes=(1, 2, 3) if config.reports_unasked else (),
        time_sync=TimeSync.LAN if config.set_time else TimeSync.NONE,
        keep_alive=None,
        frame_gap=FRAME_GAP if config.serial_port else None,
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
    algorithm = MacAlgorithm[config.mac.upper().replace("-", "_")]
    settings = AuthenticationSettings(mac=algorithm, allow_sha_1="sha-1-" in config.mac)
    return MasterAuthentication(settings, User(config.user, "gridiface", key, _ALL_ROLES))
