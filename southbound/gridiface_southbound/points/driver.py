"""A driver for any device that a table of points describes; what carries the points is a subclass's.

Owned here: opening (identity, ratings, heartbeat), when points are read, one command with its read-back, letting go,
and the time since a flash point was written. Not owned: connections and messages (subclasses), what a command means in
points (commands), whether a device shows what was written (readback), what points say (telemetry, showing).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack, DeviceBusy, DeviceForgot, DeviceGone, Shown
from gridiface.drivers.gate import Gate
from gridiface.errors import DeviceError, DeviceRejected
from gridiface_southbound.points import readback, showing, telemetry
from gridiface_southbound.points.commands import CommandPlan, Commands
from gridiface_southbound.points.config import PointsConfig
from gridiface_southbound.points.heartbeat import Pulse
from gridiface_southbound.points.holding import Holding
from gridiface_southbound.points.image import Image, Unplannable, Write
from gridiface_southbound.points.meanings import Meaning
from gridiface_southbound.points.table import Identity, Point, Table

P = TypeVar("P", bound=Point)


class PointDriver(ABC, Generic[P]):
    """Drives one device by its table."""

    _image: Image[P]

    def __init__(self, device_id: str, config: PointsConfig, table: Table[P], *, clock: Clock) -> None:
        self._id = device_id
        self._keys = config
        self._points = table
        self._clock = clock
        self._nameplate: Nameplate | None = None
        self._commands: Commands[P] | None = None
        self._slow_due = 0.0
        self._touched: set[Meaning] = set()
        self._flash_written: dict[str, float] = {}
        self._writing = Gate()
        self._holding: Holding[P] = Holding()
        self._pulse: Pulse | None = None

    # What a carrier does -------------------------------------------------------------------------------------------

    @abstractmethod
    async def _connect(self) -> None:
        """Connect, and read everything once into a fresh `_image`; raises as `Driver.open`."""

    @abstractmethod
    async def _disconnect(self) -> None:
        """Disconnect; twice is once; never raises."""

    @abstractmethod
    async def _refresh(self, *, slow: bool) -> None:
        """Read what is polled fast, with `slow` also the rest, into `_image`; raises as `Driver.read`."""

    @abstractmethod
    async def _send(self, writes: Sequence[Write[P]], shown: Sequence[P]) -> Image[P]:
        """Write in order, each only after the one before was taken; then read `shown`; raises as `Driver.write`.

        Returns:
            the device's image with what was read back.
        """

    async def _prepare(self) -> None:
        """What must be fresh before a command is planned: nothing, for most."""

    def _planned(self, plan: CommandPlan[P], command: Setpoint) -> None:
        """The last look at a plan before it is carried out."""
        return

    @property
    def _connects(self) -> int:
        """How often the carrier has connected, where it connects by itself."""
        return 0

    async def _look(self, points: Sequence[P]) -> Image[P]:
        """Read these points now, or take what was heard of them; raises as `Driver.read`."""
        return await self._send([], points)

    def _confirmed(self, write: Write[P]) -> bool:
        """Whether the carrier itself confirms the value of a write that cannot be read back."""
        return False

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot with what the carrier knows of its times and quality."""
        return snapshot

    # The driver ----------------------------------------------------------------------------------------------------

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        return self._id

    @property
    def kind(self) -> DeviceKind:
        """What the device is: as configured, else as the table says."""
        return self._keys.kind or self._points.kind

    @property
    def settings(self) -> Settings:
        """Nothing: a table knows ratings only."""
        return Settings()

    @property
    def traits(self) -> DriverTraits:
        """As the table and the configuration say."""
        rules = [p.write for p in self._points.controls.values() if p.write is not None]
        timed = self._keys.revert_s is not None and any(rule.revert for rule in rules)
        return DriverTraits(
            min_period_s=max(self._keys.min_period_s, *(rule.min_period_s for rule in rules), 0.0),
            power_step_w=self._points.power_step_w,
            revert_timer_s=self._keys.revert_s if timed else None,
            sessions=1,
            writes_wear_flash=any(rule.memory == "flash" for rule in rules),
        )

    @property
    def connection(self) -> str | None:
        """Its own."""
        return None

    @property
    def heartbeat(self) -> Pulse | None:
        """The running heartbeat, None where the table has none or the driver is not open."""
        return self._pulse

    async def open(self) -> Nameplate:
        """As `Driver.open`."""
        await self._stop_pulse()
        self._commands = None
        self._holding.clear()
        try:
            await self._connect()
            for identity in self._points.identity:
                self._check(identity)
        except DeviceError as error:
            error.device_id = self._id
            raise
        plate = telemetry.nameplate(self._image, self._keys)
        if plate is None:
            raise DeviceRejected(
                "neither the device nor its table tells a rated power: set rating_w", device_id=self._id
            )
        self._nameplate, self._commands = plate, Commands(self._image, plate)
        self._slow_due = self._clock.monotonic() + self._points.slow_period_s
        rule = self._points.heartbeat
        if rule is not None:
            pulse = Pulse(rule, self._beat)
            try:
                await pulse.start()
            except BaseException:
                self._commands = None
                raise
            self._pulse = pulse
        return plate

    async def read(self) -> Snapshot:
        """As `Driver.read`."""
        if self._commands is None or self._nameplate is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        plate = self._nameplate
        now = self._clock.monotonic()
        slow = now >= self._slow_due
        with _named(self._id):
            try:
                await self._refresh(slow=slow)
            except DeviceError:
                self._holding.doubt()
                raise
            await self._see_what_it_holds()
        if slow:
            self._slow_due = now + self._points.slow_period_s
        seen = telemetry.snapshot(self._id, self._image, plate, self.kind, now=self._clock.now())
        return self._judged(seen)

    async def _see_what_it_holds(self) -> None:
        """Whether the device still holds what it was told, where it may have restarted or been set by others.

        Raises:
            DeviceForgot: it does not.
            DeviceError: it cannot be read.
        """
        if not self._writing.take():
            return  # the command that is under way will tell
        try:
            now, connects = self._clock.monotonic(), self._connects
            shown = self._holding.to_be_seen(now=now, connects=connects)
            if not shown:
                return
            image = await self._look(readback.showing(shown))
            try:
                self._compare(shown, image)
            except DeviceBusy as error:
                self._holding.clear()
                raise DeviceForgot(f"it does not hold what it was told: {error.reason}", device_id=self._id) from error
            self._holding.seen(now=now, connects=self._connects)
        finally:
            self._writing.give()

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`."""
        if command.release:
            return await self._let_go(command.let_go)
        async with self._writing:
            commands = await self._ready()
            plan = commands.plan(command, revert_s=self._keys.revert_s, now=self._clock.now())
            self._spare_flash(plan)
            self._planned(plan, command)
            return await self._carry_out(plan)

    async def revert(self) -> Ack:
        """As `Driver.revert`: lets go of the power set-point and of whatever this driver has switched on."""
        return await self._let_go(frozenset())

    async def _let_go(self, modes: frozenset[ControlMode]) -> Ack:
        """Release what this process has switched on, and `modes`, which another one may have before it."""
        async with self._writing:
            ack = await self._carry_out((await self._ready()).release(self._touched, modes))
            self._touched.clear()
            return ack

    async def close(self) -> None:
        """As `Driver.close`; the heartbeat stops, so a device that watches it falls back by itself."""
        self._commands = None
        await self._stop_pulse()
        await self._disconnect()

    # Opening -------------------------------------------------------------------------------------------------------

    def _check(self, identity: Identity) -> None:
        raw = self._image.raw(self._points.by_name[identity.point])
        if identity.starts_with is not None:
            good = isinstance(raw, str) and raw.startswith(identity.starts_with)
        else:
            good = raw in identity.one_of
        if not good:
            wanted = identity.starts_with or " or ".join(str(value) for value in identity.one_of)
            raise DeviceRejected(f"another device: {identity.point} reads {raw!r}, the table is for {wanted}")

    async def _beat(self, value: int) -> None:
        rule = self._points.heartbeat
        if rule is None:  # pragma: no cover - a pulse is made from a rule only
            return
        try:
            write = self._image.encoded(self._points.by_name[rule.point], float(value))
        except Unplannable as error:
            raise DeviceRejected(f"heartbeat: {error}", device_id=self._id) from error
        with _named(self._id):
            await self._send([write], [])

    async def _stop_pulse(self) -> None:
        pulse, self._pulse = self._pulse, None
        if pulse is not None:
            await pulse.stop()

    # One write -----------------------------------------------------------------------------------------------------

    async def _ready(self) -> Commands[P]:
        """The open device's commands, with what they depend on."""
        if self._commands is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        commands = self._commands
        with _named(self._id):
            await self._prepare()
        return commands

    def _spare_flash(self, plan: CommandPlan[P]) -> None:
        """A point that wears out is not written before its time.

        Raises:
            DeviceBusy: it was written too short a time ago.
        """
        now = self._clock.monotonic()
        for point, rule in self._flash(plan.writes):
            last = self._flash_written.get(point.name)
            if last is not None and now - last < rule:
                left = rule - (now - last)
                raise DeviceBusy(f"{point.name} is flash memory and rests for {left:.1f} s more", device_id=self._id)

    @staticmethod
    def _flash(writes: Iterable[Write[P]]) -> list[tuple[P, float]]:
        return [
            (write.point, write.point.write.min_period_s)
            for write in writes
            if write.point.write is not None and write.point.write.memory == "flash"
        ]

    async def _carry_out(self, plan: CommandPlan[P]) -> Ack:
        if not plan.writes:
            reasons = "; ".join(plan.skipped) or "the command asks for nothing"
            raise DeviceRejected(f"nothing was written: {reasons}", device_id=self._id)
        shown = self._shown(plan)
        self._begins(plan)
        for point, _ in self._flash(plan.writes):
            self._flash_written[point.name] = self._clock.monotonic()
        with _named(self._id):
            return self._acknowledged(plan, shown, await self._send(plan.writes, readback.showing(shown)))

    def _begins(self, plan: CommandPlan[P]) -> None:
        """What is begun counts as switched on, also where it fails half-way: letting go must reach it."""
        self._touched |= plan.controls
        self._holding.begin(plan.controls)

    def _acknowledged(self, plan: CommandPlan[P], shown: Mapping[str, tuple[Write[P], P]], after: Image[P]) -> Ack:
        """What was done, by what the device shows after it.

        Raises:
            DeviceBusy: something else than what was written.
        """
        read_back = self._compare(shown, after)
        self._holding.told(plan, shown, now=self._clock.monotonic(), connects=self._connects)
        final = plan.final()
        echoed = {n: write.value for n, write in final.items() if n not in shown and self._confirmed(write)}
        return Ack(
            device_id=self._id,
            at=self._clock.now(),
            written={name: write.value for name, write in final.items()},
            read_back=read_back | echoed,
            verified=len(read_back) + len(echoed) == len(final),
            active_power_w=plan.held.get(Meaning.SET_W),
            ceiling_w=plan.held.get(Meaning.LIMIT_W),
            reactive_power_var=plan.held.get(Meaning.SET_VAR),
            revert_s=plan.revert_s,
            notes=tuple(plan.notes),
            skipped=tuple(plan.skipped),
        )

    def _shown(self, plan: CommandPlan[P]) -> dict[str, tuple[Write[P], P]]:
        return readback.to_be_shown(plan.final(), self._points)

    def _compare(self, shown: Mapping[str, tuple[Write[P], P]], after: Image[P]) -> dict[str, float]:
        """What the device shows; raises as `readback.compared`."""
        try:
            return readback.compared(shown, after, self._nameplate)
        except DeviceBusy as error:
            error.device_id = self._id
            raise

    def _shows(self, write: Write[P], point: P, after: Image[P]) -> tuple[float | None, bool]:
        return readback.shows(write, point, after, self._nameplate)

    def _delay(self, writes: Iterable[Write[P]]) -> float:
        return readback.delay_s(writes)

    def show(self) -> list[Shown]:
        """As `ShowingDriver.show`."""
        return showing.shown(self._image, self._keys.values)


class _named:  # noqa: N801 - used like a function
    """Puts the device's id into each DeviceError that passes."""

    __slots__ = ("_id",)

    def __init__(self, device_id: str) -> None:
        self._id = device_id

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, DeviceError):
            error.device_id = self._id
