"""The DNP3 driver: an RTU, plant controller or gateway as a member of the fleet.

Owned here: opening (everything read once), reading (events, now and then everything), one command with its status and
read-back, letting go. Not owned: what points mean (values), the connection (link).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack, DeviceBusy, DeviceForgot, DeviceGone
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.protocols.dnp3.controls import AnalogOutput, Command, CommandStatus, ControlRelayOutputBlock
from gridiface.protocols.dnp3.master.settings import TaskDone
from gridiface.protocols.dnp3.master.tasks import Task, class_poll, control, range_poll
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3 import values
from gridiface_southbound.dnp3.config import Dnp3Config, Output
from gridiface_southbound.dnp3.link import Dnp3Link

#: Statuses after which the same command may succeed later; all others are final.
_PASSING = frozenset(
    {
        CommandStatus.TIMEOUT,
        CommandStatus.NO_SELECT,
        CommandStatus.ALREADY_ACTIVE,
        CommandStatus.PROCESSING_LIMITED,
        CommandStatus.BLOCKED_OTHER_MASTER,
        CommandStatus.DOWNSTREAM_FAIL,
    }
)
#: The output behind each mode that a command can let go of.
_LET_GO = {
    ControlMode.SET_W: "set_w",
    ControlMode.MAX_W_PERCENT: "limit_w",
    ControlMode.SET_VAR: "set_var",
    ControlMode.CONNECT: "connect",
    ControlMode.ENERGIZE: "energize",
}
_STATIC = {PointType.ANALOG_INPUT: 30, PointType.ANALOG_OUTPUT: 40, PointType.BINARY_OUTPUT: 10}


@dataclass(slots=True)
class _Write:
    """One command and what must be seen after it: wire value, or state."""

    output: Output
    command: Command
    value: float


@dataclass(slots=True)
class _Plan:
    """What a set-point leads to; `gone`: what is let go of by its own output."""

    writes: list[_Write] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    revert_s: float | None = None


class Dnp3Driver:
    """Drives one outstation; made by `create`."""

    Config: ClassVar[type[Dnp3Config]] = Dnp3Config

    def __init__(self, device_id: str, config: Dnp3Config, *, clock: Clock) -> None:
        self._id = device_id
        self._config = config
        self._clock = clock
        self._link: Dnp3Link | None = None
        self._nameplate: Nameplate | None = None
        self._outputs: dict[str, Output] = {point.does: point for point in config.all_outputs}
        self._integrity_due = 0.0
        #: Whether it was told something that still stands, and how many of its restarts came before that.
        self._told = False
        self._restarts = 0
        self._writing = asyncio.Lock()

    @classmethod
    def create(cls, device_id: str, config: Dnp3Config, *, clock: Clock) -> Dnp3Driver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock)

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        return self._id

    @property
    def kind(self) -> DeviceKind:
        """What the device is: as configured, else by what it can do."""
        return values.kind_of(self._config, self._nameplate)

    @property
    def settings(self) -> Settings:
        """Nothing: points tell ratings only."""
        return Settings()

    @property
    def traits(self) -> DriverTraits:
        """As configured; the device falls back by itself where it has an output for the time."""
        return DriverTraits(
            min_period_s=self._config.min_period_s,
            revert_timer_s=self._config.revert_s if "hold" in self._outputs else None,
            sessions=1,
        )

    @property
    def connection(self) -> str | None:
        """As `Driver.connection`."""
        return self._config.place if self._config.shared else None

    async def open(self) -> Nameplate:
        """As `Driver.open`."""
        await self.close()
        link = Dnp3Link(self._config, self._clock.now)
        try:
            await link.connect()
        except BaseException as error:
            await link.close()
            self._name(error)
            raise
        plate = values.nameplate(self._config, link.points)
        if plate is None:
            await link.close()
            raise DeviceRejected("no point tells a rated power: set rating_w", device_id=self._id)
        self._link, self._nameplate = link, plate
        self._told, self._restarts = False, link.restarts
        self._integrity_due = self._clock.monotonic() + self._config.integrity_period_s
        return plate

    async def read(self) -> Snapshot:
        """As `Driver.read`: what changed since, now and then everything."""
        whole = self._clock.monotonic() >= self._integrity_due
        link = await self._ready()
        await self._run(link, "read", class_poll((1, 2, 3, 0) if whole else (1, 2, 3)))
        if whole:
            self._integrity_due = self._clock.monotonic() + self._config.integrity_period_s
        if self._told and link.restarts != self._restarts:
            self._told = False
            raise DeviceForgot("the outstation has restarted", device_id=self._id)
        return values.snapshot(self._id, self._config, link.points, self._clock.now())

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`."""
        if command.release:
            return await self.revert()
        async with self._writing:
            link = await self._ready()
            plan = self._plan(command, link)
            if not any(write.output.does not in {"hold", "enable"} for write in plan.writes):
                reasons = "; ".join(plan.skipped) or "the command asks for nothing"
                raise DeviceRejected(f"nothing was written: {reasons}", device_id=self._id)
            return await self._carry_out(link, plan)

    async def revert(self) -> Ack:
        """As `Driver.revert`: the output that releases, else each output's own value for letting go."""
        async with self._writing:
            link = await self._ready()
            release = self._outputs.get("release")
            if release is not None:
                plan = _Plan([_Write(release, ControlRelayOutputBlock(release.on), 1.0)])
                return await self._carry_out(link, plan, read_back=False)
            plan = _Plan()
            for output in self._outputs.values():
                if output.let_go is not None:
                    plan.writes.append(_Write(output, _command(output, output.let_go), output.let_go))
            if not plan.writes:
                raise DeviceRejected("no output says how to let go: configure `release` or `let_go`",
                                     device_id=self._id)  # fmt: skip
            return await self._carry_out(link, plan, let_go=True)

    async def close(self) -> None:
        """As `Driver.close`."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    # --- what a command is -------------------------------------------------------------------------------------------

    def _plan(self, command: Setpoint, link: Dnp3Link) -> _Plan:
        plan = _Plan()
        plate = self._nameplate
        assert plate is not None
        power = command.active_power_w
        if power is not None:
            held = min(plate.max_w, max(-plate.max_charge_w, power))
            if held != power:
                plan.notes.append(f"held to {held:.0f} W")
            self._analog(plan, "set_w", held)
        if command.ceiling_w is not None:
            self._analog(plan, "limit_w", min(plate.max_w, max(0.0, command.ceiling_w)))
        if command.reactive_power_var is not None:
            self._analog(plan, "set_var", command.reactive_power_var)
        for does, state in (("connect", command.connect), ("energize", command.energize)):
            if state is not None:
                self._relay(plan, does, on=state)
        plan.skipped += [f"{mode}: there is no output for it" for mode in command.passed]
        again = self._let_go(plan, command)
        if plan.writes:
            self._prelude(plan, command, link, again=again)
        if again:
            release = self._outputs["release"]
            plan.writes.insert(0, _Write(release, ControlRelayOutputBlock(release.on), 1.0))
        return plan

    def _let_go(self, plan: _Plan, command: Setpoint) -> bool:
        """What is over: by each output's own value. True: there is none, all must be released and told again."""
        named = {write.output.does for write in plan.writes}
        over = {_LET_GO[mode] for mode in command.let_go if mode in _LET_GO} & self._outputs.keys() - named
        whole = False
        for does in sorted(over):
            output = self._outputs[does]
            if output.let_go is not None:
                plan.writes.append(_Write(output, _command(output, output.let_go), output.let_go))
                plan.gone.add(does)
            elif "release" in self._outputs:
                whole = True
            else:
                plan.skipped.append(f"{does}: no output says how to let go: configure `release` or `let_go`")
        return whole

    def _analog(self, plan: _Plan, does: str, value: float) -> None:
        output = self._outputs.get(does)
        number = None if output is None else values.wire_number(output, value, limit=does == "limit_w")
        if output is None or number is None:
            plan.skipped.append(f"{does}: {'there is no output for it' if output is None else 'out of its range'}")
            return
        plan.writes.append(_Write(output, _command(output, number), number))

    def _relay(self, plan: _Plan, does: str, *, on: bool) -> None:
        output = self._outputs.get(does)
        if output is None:
            plan.skipped.append(f"{does}: there is no output for it")
            return
        plan.writes.append(_Write(output, _command(output, float(on)), float(on)))

    def _prelude(self, plan: _Plan, command: Setpoint, link: Dnp3Link, *, again: bool) -> None:
        """What must stand before: the fall-back time, and the output that lets others act.

        `again`: they are written whatever is shown.
        """
        first: list[_Write] = []
        enable = self._outputs.get("enable")
        if enable is not None and (again or self._shown(link, PointType.BINARY_OUTPUT, enable.index) != 1.0):
            first.append(_Write(enable, _command(enable, 1.0), 1.0))
        hold = self._outputs.get("hold")
        wanted = self._config.revert_s
        if command.valid_until is not None and wanted is not None:
            wanted = max(1.0, min(wanted, command.valid_until - self._clock.now()))
        number = None if hold is None or wanted is None else values.wire_number(hold, wanted, limit=False)
        if hold is not None and number is not None:
            plan.revert_s = hold.si(number)
            if again or self._shown(link, PointType.ANALOG_OUTPUT, hold.index) != number:
                first.append(_Write(hold, _command(hold, number), number))
        plan.writes[:0] = first

    @staticmethod
    def _shown(link: Dnp3Link, kind: PointType, index: int) -> float | None:
        seen = link.points.get((kind, index))
        return None if seen is None or isinstance(seen.value, bytes) else seen.value

    # --- carrying out ------------------------------------------------------------------------------------------------

    async def _carry_out(self, link: Dnp3Link, plan: _Plan, *, read_back: bool = True, let_go: bool = False) -> Ack:
        if not self._told:
            self._restarts = link.restarts  # what it held before is no matter
        for write in plan.writes:
            # an output that lets others act must not be followed by a command when it was refused
            await self._send(link, write)
        shown = [write for write in plan.writes if write.output.does != "release"]  # a pulse shows nothing afterwards
        seen = await self._read_back(link, shown) if read_back else {}
        self._told = read_back and not let_go
        held = {} if let_go else {write.output.does: write.output.si(seen[_label(write)])
                                  for write in shown if write.output.does not in plan.gone}  # fmt: skip
        return Ack(
            device_id=self._id,
            at=self._clock.now(),
            written={_label(write): write.value for write in plan.writes},
            read_back=seen,
            # the status in the echo is the outstation's own confirmation of a relay that shows nothing
            verified=True,
            active_power_w=held.get("set_w"),
            ceiling_w=held.get("limit_w"),
            reactive_power_var=held.get("set_var"),
            revert_s=plan.revert_s,
            notes=tuple(plan.notes),
            skipped=tuple(plan.skipped),
        )

    async def _send(self, link: Dnp3Link, write: _Write) -> None:
        """One command.

        Raises:
            DeviceBusy, DeviceRejected: its status is not SUCCESS.
        """
        task = control([(write.output.index, write.command)], select=self._config.select)
        result = await self._run(link, _label(write), task)
        status = result.outcomes[0].status if result.outcomes else CommandStatus.UNDEFINED
        if status is not CommandStatus.SUCCESS:
            kind = DeviceBusy if status in _PASSING else DeviceRejected
            raise kind(f"{_label(write)} = {write.value:g}: {status.name}", device_id=self._id)

    async def _read_back(self, link: Dnp3Link, writes: Sequence[_Write]) -> dict[str, float]:
        """What the outstation shows now.

        Raises:
            DeviceBusy: something else than what was written, or nothing.
        """
        seen: dict[str, float] = {}
        for write in writes:
            output = write.output
            kind, index = PointType.ANALOG_OUTPUT, output.index
            if output.relay:
                kind = PointType.BINARY_OUTPUT
            elif output.read_back is not None:
                kind, index = PointType.ANALOG_INPUT, output.read_back
            await self._run(link, f"read back {_label(write)}", range_poll(_STATIC[kind], 0, index, index))
            value = self._shown(link, kind, index)
            room = output.tolerance + 1e-6 * abs(write.value)
            if value is None or abs(value - write.value) > room:
                text = "nothing" if value is None else f"{value:g}"
                raise DeviceBusy(f"{_label(write)} reads {text} after {write.value:g}", device_id=self._id)
            seen[_label(write)] = value
        return seen

    async def _ready(self) -> Dnp3Link:
        """The connection; one that was lost is made again once."""
        if self._link is None or self._nameplate is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        if not self._link.usable:
            link = Dnp3Link(self._config, self._clock.now)
            try:
                await link.connect()
            except BaseException as error:
                await link.close()
                self._name(error)
                raise
            self._link, self._restarts = link, 0
        return self._link

    async def _run(self, link: Dnp3Link, name: str, task: Task) -> TaskDone:
        try:
            return await link.run(name, task, 2 * self._config.timeout_s)
        except (DeviceTimeout, DeviceRejected) as error:
            self._name(error)
            raise
        except asyncio.CancelledError:
            # the answer to come must not be taken for another's
            await link.close()
            raise

    def _name(self, error: BaseException) -> None:
        if isinstance(error, DeviceTimeout | DeviceRejected):
            error.device_id = self._id


def _command(output: Output, value: float) -> Command:
    if output.relay:
        return ControlRelayOutputBlock(output.on if value else output.off)
    return AnalogOutput(value, output.variation)


def _label(write: _Write) -> str:
    return f"{'BO' if write.output.relay else 'AO'}{write.output.index} {write.output.does}"
