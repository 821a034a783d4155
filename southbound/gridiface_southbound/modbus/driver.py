"""The generic Modbus driver: any device that a register table describes, as `gridiface.drivers.api.Driver`.

Owned here: opening (identity, ratings, which optional points exist), reading by poll group, one write in its order with
its read-back, and the time since a flash register was written. Not owned: bytes (codec, plan), what a command means in
registers (commands), what registers say (telemetry), connections (carriers).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack, DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus import codec, telemetry
from gridiface_southbound.modbus.carriers import link_for
from gridiface_southbound.modbus.commands import CommandPlan, Commands, Write
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.heartbeat import Pulse
from gridiface_southbound.modbus.meanings import Meaning
from gridiface_southbound.modbus.plan import ReadBlock, plan_reads, write_of
from gridiface_southbound.modbus.table import Identity, Point, Poll
from gridiface_southbound.modbus.telemetry import Image
from gridiface_southbound.modbus_link import Link, Reply
from gridiface_southbound.modbus_pdu import PASSING, ExceptionReply, Request


class ModbusDriver:
    """Drives one device by its register table; made by `create`."""

    Config: ClassVar[type[ModbusConfig]] = ModbusConfig

    def __init__(self, device_id: str, config: ModbusConfig, *, clock: Clock, link: Callable[[], Link]) -> None:
        self._id = device_id
        self._config = config
        self._table = config.table
        self._clock = clock
        self._make_link = link
        self._link: Link | None = None
        self._image = Image(config.table)
        self._nameplate: Nameplate | None = None
        self._commands: Commands | None = None
        self._blocks: dict[Poll, tuple[ReadBlock, ...]] = {}
        self._scales: tuple[ReadBlock, ...] = ()
        self._slow_due = 0.0
        self._touched: set[Meaning] = set()
        self._flash_written: dict[str, float] = {}
        self._writing = asyncio.Lock()
        self._pulse: Pulse | None = None

    @classmethod
    def create(cls, device_id: str, config: ModbusConfig, *, clock: Clock) -> ModbusDriver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock, link=lambda: link_for(config))

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        return self._id

    @property
    def kind(self) -> DeviceKind:
        """What the device is: as configured, else as the table says."""
        return self._config.kind or self._table.kind

    @property
    def settings(self) -> Settings:
        """Nothing: a register table knows ratings only."""
        return Settings()

    @property
    def traits(self) -> DriverTraits:
        """As the table and the configuration say."""
        rules = [p.write for p in self._table.controls.values() if p.write is not None]
        timed = self._config.revert_s is not None and any(rule.revert for rule in rules)
        return DriverTraits(
            min_period_s=max(self._config.min_period_s, *(rule.min_period_s for rule in rules), 0.0),
            power_step_w=self._table.power_step_w,
            revert_timer_s=self._config.revert_s if timed else None,
            sessions=1,
            writes_wear_flash=any(rule.memory == "flash" for rule in rules),
        )

    @property
    def connection(self) -> str | None:
        """The gateway's address or the serial line where the connection is shared."""
        return self._config.place if self._config.shared else None

    @property
    def heartbeat(self) -> Pulse | None:
        """The running heartbeat, None where the table has none or the driver is not open."""
        return self._pulse

    async def open(self) -> Nameplate:
        """As `Driver.open`."""
        await self._stop_pulse()
        self._commands = None
        if self._link is None:
            self._link = self._make_link()
        self._image = Image(self._table)
        await self._probe()
        for identity in self._table.identity:
            self._check(identity)
        plate = telemetry.nameplate(self._image, self._config)
        if plate is None:
            raise DeviceRejected(
                "neither the device nor its table tells a rated power: set rating_w", device_id=self._id
            )
        self._nameplate, self._commands = plate, Commands(self._image, plate)
        self._scales = plan_reads(self._table, self._commands.scale_points())
        self._slow_due = self._clock.monotonic() + self._table.slow_period_s
        rule = self._table.heartbeat
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
            raise DeviceTimeout("the driver is not open", device_id=self._id)
        plate, blocks = self._nameplate, self._blocks[Poll.FAST]
        now = self._clock.monotonic()
        slow = now >= self._slow_due
        self._take(blocks := (*blocks, *self._blocks[Poll.SLOW]) if slow else blocks, await self._ask(blocks))
        if slow:
            self._slow_due = now + self._table.slow_period_s
        return telemetry.snapshot(self._id, self._image, plate, self.kind, now=self._clock.now())

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`."""
        if command.release:
            return await self.revert()
        async with self._writing:
            commands = await self._ready()
            plan = commands.plan(command, revert_s=self._config.revert_s, now=self._clock.now())
            self._spare_flash(plan)
            return await self._carry_out(plan)

    async def revert(self) -> Ack:
        """As `Driver.revert`: lets go of the power set-point and of whatever this driver has switched on."""
        async with self._writing:
            ack = await self._carry_out((await self._ready()).release(self._touched))
            self._touched.clear()
            return ack

    async def close(self) -> None:
        """As `Driver.close`; the heartbeat stops, so a device that watches it falls back by itself."""
        link, self._link, self._commands = self._link, None, None
        await self._stop_pulse()
        if link is not None:
            await link.close()

    # Opening -------------------------------------------------------------------------------------------------------

    async def _probe(self) -> None:
        """Read everything once; what is optional and refused is left out from now on."""
        factors = {p.scale_factor for p in self._table.points if p.scale_factor}
        asked = {identity.point for identity in self._table.identity}
        found: dict[Poll, list[Point]] = {poll: [] for poll in Poll}
        for point in self._table.points:
            # Scale factors are read with what they scale, for some devices change them at run time.
            polled = Poll.FAST if point.name in factors and point.poll is None else point.polled
            found[Poll.ONCE if polled is Poll.NEVER and point.name in asked else polled].append(point)
        for poll in (Poll.ONCE, Poll.SLOW, Poll.FAST):
            blocks: list[ReadBlock] = []
            for block in plan_reads(self._table, found[poll]):
                blocks += await self._probe_block(block)
            self._blocks[poll] = tuple(blocks)

    async def _probe_block(self, block: ReadBlock) -> Sequence[ReadBlock]:
        (reply,) = await self._exchange([block.request()])
        if not isinstance(reply, ExceptionReply):
            self._image.data |= {point.name: data for point, data in block.cut(reply)}
            return (block,)
        if len(block.points) > 1:
            return [part for piece in block.split() for part in await self._probe_block(piece)]
        ((point, _),) = block.points
        if point.optional and reply.code not in PASSING:
            return ()
        raise self._refusal(reply, f"reading {point.name} ({block.area} {point.address})")

    def _check(self, identity: Identity) -> None:
        raw = self._image.raw(self._table.by_name[identity.point])
        if identity.starts_with is not None:
            good = isinstance(raw, str) and raw.startswith(identity.starts_with)
        else:
            good = raw in identity.one_of
        if not good:
            wanted = identity.starts_with or " or ".join(str(value) for value in identity.one_of)
            raise DeviceRejected(
                f"another device: {identity.point} reads {raw!r}, the register table is for {wanted}",
                device_id=self._id,
            )

    async def _beat(self, value: int) -> None:
        rule = self._table.heartbeat
        if rule is None:  # pragma: no cover - a pulse is made from a rule only
            return
        point = self._table.by_name[rule.point]
        try:
            data, _ = codec.encode(point, float(value))
        except ValueError as error:
            raise DeviceRejected(f"heartbeat: {error}", device_id=self._id) from error
        (reply,) = await self._exchange([write_of(self._table, point, data)])
        if isinstance(reply, ExceptionReply):
            raise self._refusal(reply, f"heartbeat {point.name}")

    async def _stop_pulse(self) -> None:
        pulse, self._pulse = self._pulse, None
        if pulse is not None:
            await pulse.stop()

    # One write -----------------------------------------------------------------------------------------------------

    async def _ready(self) -> Commands:
        """The open device's commands, with scale factors that are fresh."""
        if self._commands is None:
            raise DeviceTimeout("the driver is not open", device_id=self._id)
        commands = self._commands
        if self._scales:
            self._take(self._scales, await self._ask(self._scales))
        return commands

    def _spare_flash(self, plan: CommandPlan) -> None:
        """A register that wears out is not written before its time.

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
    def _flash(writes: Iterable[Write]) -> list[tuple[Point, float]]:
        return [
            (write.point, write.point.write.min_period_s)
            for write in writes
            if write.point.write is not None and write.point.write.memory == "flash"
        ]

    async def _carry_out(self, plan: CommandPlan) -> Ack:
        if not plan.writes:
            reasons = "; ".join(plan.skipped) or "the command asks for nothing"
            raise DeviceRejected(f"nothing was written: {reasons}", device_id=self._id)
        shown = self._shown(plan)
        blocks = plan_reads(self._table, {point.name: point for _, point in shown.values()}.values())
        # What is begun counts as switched on, also where it fails half-way: letting go must reach it.
        self._touched |= plan.controls
        for point, _ in self._flash(plan.writes):
            self._flash_written[point.name] = self._clock.monotonic()
        after = self._image_of(blocks, await self._send(plan, blocks))
        read_back = self._compare(shown, after)
        echoed = {
            name: write.value
            for name, write in plan.final().items()
            if name not in shown and write.point.function in (5, 6)
        }
        return Ack(
            device_id=self._id,
            at=self._clock.now(),
            written={name: write.value for name, write in plan.final().items()},
            read_back=read_back | echoed,
            verified=len(read_back) + len(echoed) == len(plan.final()),
            active_power_w=plan.held.get(Meaning.SET_W),
            ceiling_w=plan.held.get(Meaning.LIMIT_W),
            reactive_power_var=plan.held.get(Meaning.SET_VAR),
            revert_s=plan.revert_s,
            notes=tuple(plan.notes),
            skipped=tuple(plan.skipped),
        )

    def _shown(self, plan: CommandPlan) -> dict[str, tuple[Write, Point]]:
        """For each written point that can be read back: what it must hold, and the point that shows it."""
        shown: dict[str, tuple[Write, Point]] = {}
        for name, write in plan.final().items():
            rule = write.point.write
            if rule is None or rule.read_back is False:
                continue
            shown[name] = (write, write.point if rule.read_back is True else self._table.by_name[rule.read_back])
        return shown

    async def _send(self, plan: CommandPlan, blocks: Sequence[ReadBlock]) -> list[Reply]:
        """Write in order, each only after the one before was taken, then read back."""
        requests = [write_of(self._table, write.point, write.data) for write in plan.writes]
        delays = [write.point.write.read_back_delay_s for write in plan.writes if write.point.write is not None]
        delay = max(delays, default=0.0)
        reads = [block.request() for block in blocks]
        if len(requests) == 1 and not delay and self._config.pipeline:
            replies = await self._exchange([*requests, *reads])
            self._require_taken(plan.writes[0], replies[0], "write 1 of 1")
            return replies[1:]
        for number, (write, request) in enumerate(zip(plan.writes, requests, strict=True), 1):
            # An enabling register must not be written after a set-point that was refused.
            (reply,) = await self._exchange([request])
            self._require_taken(write, reply, f"write {number} of {len(requests)}")
        if delay:
            await asyncio.sleep(delay)
        return await self._exchange(reads)

    def _require_taken(self, write: Write, reply: Reply, what: str) -> None:
        if isinstance(reply, ExceptionReply):
            raise self._refusal(reply, f"{what}, {write.point.name} ({write.point.area} {write.point.address})")

    def _compare(self, shown: Mapping[str, tuple[Write, Point]], after: Image) -> dict[str, float]:
        """What the device shows.

        Raises:
            DeviceBusy: something else than what was written.
        """
        seen: dict[str, float] = {}
        for name, (write, point) in shown.items():
            rule = write.point.write
            tolerance = 0.0 if rule is None else rule.tolerance
            data = after.data[point.name]
            exact = point is write.point and data == write.data
            value = write.value if exact else codec.decode(point, data, after.exponent(point))
            if value is not None and point is not write.point:
                value = self._in_unit_of(write.point, point, value)
            if value is None or not (exact or abs(value - write.value) <= tolerance + 1e-9 * abs(write.value)):
                text = "nothing" if value is None else f"{value:g}"
                raise DeviceBusy(f"{point.name} reads {text} after {write.value:g} was written", device_id=self._id)
            seen[name] = value
        return seen

    def _in_unit_of(self, target: Point, source: Point, value: float) -> float:
        known = {} if self._nameplate is None else telemetry.bases(self._nameplate)
        there, here = codec.si_factor(source, known), codec.si_factor(target, known)
        return value if there is None or not here else codec.from_si(codec.to_si(value, there), here)

    # Requests ------------------------------------------------------------------------------------------------------

    async def _ask(self, blocks: Sequence[ReadBlock]) -> list[Reply]:
        return await self._exchange([block.request() for block in blocks])

    def _take(self, blocks: Sequence[ReadBlock], replies: Sequence[Reply]) -> None:
        self._image.data |= self._image_of(blocks, replies).data

    def _image_of(self, blocks: Sequence[ReadBlock], replies: Sequence[Reply]) -> Image:
        """The device's image with these replies put in.

        Raises:
            DeviceRejected: it refused one of them.
        """
        data = dict(self._image.data)
        for block, reply in zip(blocks, replies, strict=True):
            if isinstance(reply, ExceptionReply):
                names = ", ".join(point.name for point, _ in block.points)
                raise self._refusal(reply, f"reading {names} ({block.area} from {block.start} on the wire)")
            data |= {point.name: registers for point, registers in block.cut(reply)}
        return Image(self._table, data)

    async def _exchange(self, requests: Sequence[Request]) -> list[Reply]:
        link = self._link
        if link is None:
            raise DeviceTimeout("the driver is not open", device_id=self._id)
        try:
            return await link.exchange(self._config.unit_id, requests, timeout_s=self._config.timeout_s)
        except (DeviceTimeout, DeviceRejected) as error:
            error.device_id = self._id
            raise

    def _refusal(self, reply: ExceptionReply, what: str) -> DeviceRejected:
        kind = DeviceBusy if reply.code in PASSING else DeviceRejected
        return kind(f"{what}: {reply.reason}", device_id=self._id)
