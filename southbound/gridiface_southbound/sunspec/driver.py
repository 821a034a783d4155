"""The SunSpec driver: one inverter or battery over Modbus/TCP or TLS, as `gridiface.drivers.api.Driver`.

Owned here: opening (scan, blocks, ratings), reading, one write with its read-back, and what is remembered about one
device's habits (changes its scale factors). Not owned: bytes and sockets (modbus_link), tables (models), what a command
means in registers (controls), curves and droop (adopting).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from gridiface.domain.clock import Clock
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import DeviceKind, DriverTraits, Nameplate, Settings
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Ack, DeviceBusy, DeviceForgot, DeviceGone, Keep, Shown
from gridiface.drivers.gate import Gate
from gridiface.errors import DeviceError, DeviceRejected
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_link import Link
from gridiface_southbound.modbus_pdu import ExceptionReply
from gridiface_southbound.modbus_sharing import tcp_link
from gridiface_southbound.sunspec import models, telemetry
from gridiface_southbound.sunspec.adopting import Curves
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.controls import (
    Controls,
    Plan,
    fall_back_s,
    functions_of,
)
from gridiface_southbound.sunspec.curve_tasks import with_curves
from gridiface_southbound.sunspec.holding import Holding
from gridiface_southbound.sunspec.hot import HotPower
from gridiface_southbound.sunspec.memory import Memory
from gridiface_southbound.sunspec.meter import meter_in
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.opened import Opened, controls_of, learned, metered
from gridiface_southbound.sunspec.registers import Registers, place_of
from gridiface_southbound.sunspec.scan import BASE_ADDRESSES, DeviceMap, scan
from gridiface_southbound.sunspec.sending import send
from gridiface_southbound.sunspec.sheet import Filled, PointValues
from gridiface_southbound.sunspec.supervision import Supervision


class SunSpecDriver:
    """Drives one SunSpec device; made by `create`."""

    Config: ClassVar[type[SunSpecConfig]] = SunSpecConfig

    def __init__(self, device_id: str, config: SunSpecConfig, *, clock: Clock, link: Callable[[], Link]) -> None:
        self._id = device_id
        self._config = config
        self._clock = clock
        self._make_link = link
        self._registers = Registers(device_id, config.unit_id, config.timeout_s, config.max_registers)
        self._device: Opened | None = None
        self._touched: set[str] = set()
        self._holding = Holding()
        self._before = Memory()
        self._curves = Curves(self._registers, self._before, config.adopt_timeout_s)
        self._supervision = Supervision(device_id, self._registers)
        self._registers.single = not config.function_16
        self._volatile = config.scale_factors == "reread"
        self._writing = Gate()

    @classmethod
    def create(cls, device_id: str, config: SunSpecConfig, *, clock: Clock) -> SunSpecDriver:
        """A driver, not yet open."""
        return cls(device_id, config, clock=clock, link=partial(tcp_link, config))

    @property
    def device_id(self) -> str:
        """The device's id in the fleet."""
        return self._id

    @property
    def kind(self) -> DeviceKind:
        """What the device is: as configured, else as it tells."""
        if self._config.kind is not None:
            return self._config.kind
        return DeviceKind.OTHER if self._device is None else self._device.kind

    def show(self) -> list[Shown]:
        """As `ShowingDriver.show`: the models, where they lie."""
        return [] if self.map is None else self.map.shown()

    @property
    def settings(self) -> Settings:
        """What the device is set to: as read at opening, and after each write to its settings."""
        return Settings() if self._device is None else self._device.settings

    @property
    def traits(self) -> DriverTraits:
        """As configured; the revert timer is the one that is written."""
        return DriverTraits(
            min_period_s=self._config.min_period_s,
            revert_timer_s=self._config.revert_s,
            sessions=1,
        )

    @property
    def connection(self) -> str | None:
        """The gateway's address where the connection is shared."""
        return f"{self._config.host}:{self._config.tcp_port}" if self._config.shared_connection else None

    @property
    def map(self) -> DeviceMap | None:
        """What the scan found, None before `open`."""
        return None if self._device is None else self._device.map

    def recall(self, kept: bytes, keep: Keep) -> None:
        """As `RememberingDriver.recall`: what settings held before they were written first."""
        self._before.recall(kept, keep)

    async def open(self) -> Nameplate:
        """As `Driver.open`."""
        await asyncio.to_thread(models.preload)
        self._holding.clear()
        if self._registers.link is None:
            self._registers.link = self._make_link()
        self._registers.found(())
        base = self._config.base_address
        found = await scan(self._registers.read, BASE_ADDRESSES if base is None else (base,))
        place = meter_in(found, self._config.kind)
        used = models.USED_MODELS if place is None else (1, place.id)
        blocks = await self._registers.blocks([p for m in used if (p := found.first(m)) is not None])
        await self._curves.learn(found, blocks)
        self._registers.found(found.models)
        device = metered(found, blocks, place, self._config) if place is not None else self._learned(found, blocks)
        await self._supervision.begin(blocks, self._config.heartbeat_s)
        self._device = device
        return device.nameplate

    def _learned(self, found: DeviceMap, blocks: dict[int, Block]) -> Opened:
        single, able = self._registers.single, self._curves.capabilities
        return learned(found, blocks, self._before, self._config, single=single, able=able, now=self._clock.now())

    async def read(self) -> Snapshot:
        """As `Driver.read`."""
        device = self._opened()
        try:
            blocks = await self._registers.blocks(device.polled)
        except DeviceError:
            self._holding.doubt()
            raise
        await self._see_what_it_holds(device)
        snapshot = device.snapshot(self._id, blocks, self._config, now=self._clock.now())
        return self._supervision.judged(snapshot, blocks)

    async def _see_what_it_holds(self, device: Opened) -> None:
        """Raises DeviceForgot where it restarted, or was set by others, and does not hold what it was told."""
        if not self._writing.take():
            return  # the command that is under way will tell
        try:
            odd = await self._holding.look(self._registers, device.blocks, self._clock.monotonic())
        finally:
            self._writing.give()
        if odd:
            raise DeviceForgot(f"it does not hold what it was told: {odd}", device_id=self._id)

    async def write(self, command: Setpoint) -> Ack:
        """As `Driver.write`."""
        if command.release:
            return await self._let_go(command.let_go)
        self._supervision.require_remote()
        async with self._writing:
            return await self._carry_out(command)

    async def reset_alarms(self) -> frozenset[str]:
        """As `ResettingDriver.reset_alarms`."""
        self._opened()
        await self._supervision.reset_alarms()
        return (await self.read()).alarms

    def begin(self, command: Setpoint, done: Callable[[Ack | DeviceError], None]) -> bool:
        """As `QuickDriver.begin`: a new active power and nothing else, once one went the long way."""
        device = self._device
        hot = None if device is None else device.hot
        if device is None or hot is None or command.release or not hot.fits(command, self._clock.now()):
            return False
        if self._supervision.local or not self._writing.take():
            return False
        form, requests = hot.prepare(command.active_power_w or 0.0)
        if not self._registers.begin(requests, partial(self._begun_ended, device, hot, form, done)):
            self._writing.give()
            return False
        return True

    def _begun_ended(
        self,
        device: Opened,
        hot: HotPower,
        form: Filled,
        done: Callable[[Ack | DeviceError], None],
        result: list[Reply] | DeviceError,
    ) -> None:
        """What came of a command that nobody waits for."""
        self._writing.give()
        if isinstance(result, DeviceError):
            result.device_id = self._id
            done(result)
            return
        try:
            ack = self._power_done(device, hot, form, result)
        except DeviceError as problem:
            done(problem)
            return
        # The long way reads the new scale factors and writes again.
        done(ack or DeviceBusy("the device changed its scale factors", device_id=self._id))

    async def revert(self) -> Ack:
        """As `Driver.revert`: switches off the power set-point and whatever this driver has switched on."""
        return await self._let_go(frozenset())

    async def _let_go(self, modes: frozenset[ControlMode]) -> Ack:
        """Release what this process has switched on, and `modes`, which another one may have before it."""
        async with self._writing:
            self._touched |= functions_of(modes)
            ack = await self._carry_out(None)
            self._touched.clear()
            return ack

    async def close(self) -> None:
        """As `Driver.close`."""
        await self._supervision.end()
        link, self._registers.link, self._device = self._registers.link, None, None
        if link is not None:
            await link.close()

    # One write -----------------------------------------------------------------------------------------------------

    def _plan(self, device: Opened, command: Setpoint | None) -> Plan:
        """The forms for a command, or for letting go (None)."""
        if command is None:
            return device.controls.release(frozenset(self._touched))
        return device.controls.plan(command, revert_s=self._config.revert_s, now=self._clock.now())

    async def _carry_out(self, command: Setpoint | None) -> Ack:
        device = self._opened()
        if device.hot is not None and command is not None and device.hot.fits(command, self._clock.now()):
            return await self._carry_out_power(device, device.hot, command)
        plan, task = self._plan(device, command), self._curves.task(command)
        if self._volatile or self._registers.single or not device.steady.issuperset(plan.models):
            await self._refresh(device, plan.models)
            plan = self._plan(device, command)
        ack = await self._write_plan(device, plan, command) if plan.effects else None
        timer = None if command is None else fall_back_s(command, self._config.revert_s, self._clock.now())
        done = await self._curves.carry_out(task, revert_s=timer, alone=ack is None)
        device.hot = None if self._curves.timed else self._short_way(device, plan, command, done.skipped)
        if ack is None and not done.touched:
            reasons = "; ".join((*plan.skipped, *done.skipped)) or "the command asks for nothing"
            raise DeviceRejected(f"nothing was written: {reasons}", device_id=self._id)
        return with_curves(ack or plan.acknowledge({}, device_id=self._id, at=self._clock.now()), done)

    async def _write_plan(self, device: Opened, plan: Plan, command: Setpoint | None) -> Ack:
        """Send a plan and see that it is shown."""
        await self._remember(device, plan)
        self._holding.begin(plan.effects)
        after = await send(self._registers, device.blocks, plan, self._config.read_back_delay_s)
        if device.rescaled(after):
            # What was written had another meaning than meant: put it right at once, and be careful from now on.
            self._volatile = True
            self._adopt(device, after)
            plan = self._plan(device, command)
            after = await send(self._registers, device.blocks, plan, self._config.read_back_delay_s)
            if device.rescaled(after):
                self._adopt(device, after)
                raise DeviceBusy("the device changes its scale factors while it is written", device_id=self._id)
        await self._set(device, plan, after)
        self._touched.update(plan.effects)
        ack = plan.acknowledge(after, device_id=self._id, at=self._clock.now())
        self._holding.told(plan.effects, now=self._clock.monotonic(), connects=self._registers.connects)
        return ack

    async def _remember(self, device: Opened, plan: Plan) -> None:
        """What settings hold before they are written for the first time."""
        entering = device.controls.entering
        if entering is not None and plan.entering:
            await self._before.add(entering.held(plan.entering))

    async def _set(self, device: Opened, plan: Plan, after: dict[int, Block]) -> None:
        """Take over what the models hold now."""
        device.blocks.update(after)
        if 703 not in after:
            return
        if plan.restored:
            await self._before.drop(plan.restored)
        now = telemetry.settings(device.blocks, now=self._clock.now())
        if replace(now, updated=device.settings.updated) != device.settings:
            device.settings = now
        device.controls = self._controls(device)

    async def _carry_out_power(self, device: Opened, hot: HotPower, command: Setpoint) -> Ack:
        """The short way; whatever is not as it should be is settled on the long one."""
        form, requests = hot.prepare(command.active_power_w or 0.0)
        ack = self._power_done(device, hot, form, await self._registers.exchange(requests))
        return ack or await self._carry_out(command)

    def _power_done(self, device: Opened, hot: HotPower, form: Filled, replies: Sequence[Reply]) -> Ack | None:
        """What the short way did. None: the scale factors changed meanwhile, and nothing is known.

        Raises:
            DeviceRejected: the device refused.
            DeviceBusy: so it did for now, or it shows something else than what was written.
        """
        if hot.confirmed(form, replies):
            self._touched.add("active_power")
            self._holding.put("active_power", form, hot.timer, self._clock.monotonic())
            values = PointValues((form,))
            return Ack(
                device_id=self._id,
                at=self._clock.now(),
                written=values,
                read_back=values,
                active_power_w=hot.held(form),
                revert_s=hot.timer,
            )
        device.hot = None
        self._holding.begin(("active_power",))
        taken, shown = replies
        if isinstance(taken, ExceptionReply):
            raise self._registers.refusal(taken, "write 1 of 1")
        if isinstance(shown, ExceptionReply):
            raise self._registers.refusal(shown, "reading model 704 back")
        self._registers.require_at(place_of(device.blocks[704]), shown)
        after = {704: Block(device.blocks[704].model, device.blocks[704].address, shown)}
        if device.rescaled(after):
            self._volatile = True
            self._adopt(device, after)
            return None
        plan = Plan({"active_power": hot.effect(form)}, models=[704])
        return plan.acknowledge(after, device_id=self._id, at=self._clock.now())

    def _short_way(
        self, device: Opened, plan: Plan, command: Setpoint | None, skipped: Sequence[str]
    ) -> HotPower | None:
        config = self._config
        steady = 704 in device.steady and not (self._volatile or self._registers.single or config.read_back_delay_s)
        if command is None or skipped or not steady or plan.models != [704]:
            return None
        if fall_back_s(command, config.revert_s, self._clock.now()) != config.revert_s:
            return None
        block = device.blocks[704]
        return HotPower.made_from(
            plan,
            device.controls.functions.get("active_power"),
            block,
            self._registers.requests(place_of(block)),
            revert_s=config.revert_s,
            ratings=device.ratings,
            entered=command.passed,
            unit=config.unit_id,
        )

    # Blocks --------------------------------------------------------------------------------------------------------

    async def _refresh(self, device: Opened, model_ids: Sequence[int]) -> None:
        places = [place_of(device.blocks[model_id]) for model_id in model_ids]
        self._adopt(device, await self._registers.blocks(places))

    def _adopt(self, device: Opened, fresh: dict[int, Block]) -> None:
        """Take newer blocks over, and make anew what depends on their scale factors and bases."""
        device.blocks.update(fresh)
        device.hot = None
        device.controls = self._controls(device)

    def _controls(self, device: Opened) -> Controls:
        single = self._registers.single
        return controls_of(device.blocks, device.ratings, self._before, self._config, single=single)

    def _opened(self) -> Opened:
        if self._device is None:
            raise DeviceGone("the driver is not open", device_id=self._id)
        return self._device
