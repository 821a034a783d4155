"""The DNP3 driver against a simulated RTU: the testkit's whole battery, statuses, quality, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gridiface.app.process.clock import SystemClock
from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Capability, DeviceKind
from gridiface.domain.telemetry import Quality
from gridiface.drivers.api import DeviceBusy, DeviceForgot
from gridiface.drivers.testkit import CHECKS, Bench, Check, Held, run_check
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.protocols.dnp3.controls import CommandStatus
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.handler import OutstationHandler
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, UnsolicitedSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType
from gridiface_southbound.dnp3.driver import Dnp3Driver

AI, BI, AO, BO = (
    PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.ANALOG_OUTPUT, PointType.BINARY_OUTPUT,
)  # fmt: skip
MAX_W, CHARGE_W = 50_000.0, 40_000.0
INPUTS = [
    {"shows": "w", "index": 0, "scale": 1000},
    {"shows": "soc", "index": 1, "scale": 0.01},
    {"shows": "rated_w", "index": 2, "scale": 1000},
    {"shows": "rated_charge_w", "index": 3, "scale": 1000},
    {"shows": "running", "type": "binary input", "index": 0},
]
OUTPUTS = [
    {"does": "set_w", "index": 0, "scale": 1000},
    {"does": "limit_w", "index": 1, "scale": 1000},
    {"does": "connect", "index": 0},
    {"does": "release", "index": 1},
]
SET, LIMIT = 0, 1
SWITCH, RELEASE = 0, 1


class Rtu(OutstationHandler):
    """A battery behind an RTU: its power follows the set-point at once, under the ceiling."""

    faults = frozenset({"off", "hang", "reject", "ignore", "wrong_values"})

    def __init__(self) -> None:
        points = [PointConfig(AI, index, event_class=2) for index in range(4)]
        points += [PointConfig(BI, 0, event_class=1), PointConfig(BO, SWITCH), PointConfig(BO, RELEASE)]
        points += [PointConfig(AO, index) for index in range(3)]
        self.database = Database(points)
        self.outstation = Outstation(
            OutstationSettings(10, track_outputs=False),
            [AssociationSettings(1, unsolicited=UnsolicitedSettings())],
            self.database,
            self,
            now=time.time(),
        )
        self.told: dict[int, float] = {}
        self.closed = False
        self.status = CommandStatus.SUCCESS
        self.count = self.operated = 0
        self.mode = "none"
        self.channels: dict[Any, asyncio.Transport] = {}
        self.server: asyncio.Server | None = None
        self.port = 0
        now = time.time()
        for index, value in enumerate((0.0, 60.0, MAX_W / 1000, CHARGE_W / 1000)):
            self.database.update(now, AI, index, value)
        self.database.update(now, BI, 0, 1)
        for index in range(3):
            self.database.update(now, AO, index, 0.0)
        for index in (SWITCH, RELEASE):
            self.database.update(now, BO, index, 0)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self.server is not None:
            self.server.close()
            self.server = None
        for transport in list(self.channels.values()):
            transport.abort()
        await asyncio.sleep(0)

    # --- the outstation's handler ------------------------------------------------------------------------------------

    def select(self, request: Any, now: float) -> CommandStatus:
        self.count += 1
        return CommandStatus.NOT_SUPPORTED if self.mode == "reject" else CommandStatus.SUCCESS

    def operate(self, request: Any, now: float) -> CommandStatus:
        self.count += 1
        self.operated += 1
        if self.mode == "reject":
            return CommandStatus.NOT_SUPPORTED
        if self.mode == "ignore" or self.status is not CommandStatus.SUCCESS:
            return self.status
        index, kind = request.point.index, request.point.type
        if kind is AO:
            self.told[index] = request.command.value * (0.5 if self.mode == "wrong_values" else 1.0)
            self.database.update(now, AO, index, self.told[index])
        elif index == RELEASE:
            self.told.clear()
        else:
            self.database.update(now, BO, index, float(request.command.code == 3))
            self.closed = request.command.code == 4
        self.database.update(now, AI, 0, self.kilowatts())
        return CommandStatus.SUCCESS

    def kilowatts(self) -> float:
        wanted = self.told.get(SET, 0.0)
        return min(wanted, self.told.get(LIMIT, wanted))

    # --- the testkit's peer ------------------------------------------------------------------------------------------

    async def fault(self, name: str) -> None:
        was, self.mode = self.mode, name
        if name == "off":
            await self.stop()
        elif was == "off":
            await self.start()

    async def held(self) -> Held:
        def watts(index: int) -> float | None:
            return 1000 * self.told[index] if index in self.told else None

        return Held(active_power_w=watts(SET), ceiling_w=watts(LIMIT), connected=not self.closed)

    async def power_w(self) -> float:
        return 1000 * self.kilowatts()

    async def writes(self) -> int:
        return self.count


class _Connection(asyncio.Protocol):
    def __init__(self, rtu: Rtu) -> None:
        self.rtu = rtu

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.channel = self.rtu.outstation.open(time.time())
        self.rtu.channels[self.channel] = transport
        self.pump()

    def data_received(self, data: bytes) -> None:
        if self.rtu.mode != "hang":
            self.channel.receive(data, time.time())
            self.pump()

    def pump(self) -> None:
        octets = self.channel.to_send(time.time())
        if octets and self.rtu.mode != "hang":
            self.transport.write(octets)

    def connection_lost(self, exc: Exception | None) -> None:
        self.rtu.channels.pop(self.channel, None)
        self.channel.close()


def driver_for(port: int, **more: Any) -> Dnp3Driver:
    keys = {"host": "127.0.0.1", "port": port, "inputs": INPUTS, "outputs": OUTPUTS, "timeout_s": 0.4, **more}
    return Dnp3Driver.create("rtu", Dnp3Driver.Config.model_validate(keys), clock=SystemClock())


@contextlib.asynccontextmanager
async def running(**more: Any) -> AsyncIterator[tuple[Rtu, Dnp3Driver]]:
    rtu = Rtu()
    await rtu.start()
    driver = driver_for(rtu.port, **more)
    try:
        yield rtu, driver
    finally:
        await driver.close()
        await rtu.stop()


@contextlib.asynccontextmanager
async def bench(**more: Any) -> AsyncIterator[Bench]:
    async with running(**more) as (rtu, driver):
        yield Bench(driver=driver, peer=rtu, now=time.time, max_w=MAX_W, max_charge_w=CHARGE_W, step_w=10.0)


VARIANTS = {
    "select": {},
    "direct": {"select": False},
    "polled": {"unsolicited": False},
    "integers": {"outputs": [{**one, "variation": 1, "scale": 1} if one["does"] in {"set_w", "limit_w"} else one
                             for one in OUTPUTS]},
}  # fmt: skip


@pytest.mark.parametrize("variant", ["select", "direct", "polled"])
@pytest.mark.parametrize("check", [check for check, _ in CHECKS], ids=lambda check: check.__name__)
async def test_the_driver_passes(check: Check, variant: str) -> None:
    await run_check(check, lambda: bench(**VARIANTS[variant]))


def setpoint(watts: float | None = None, **more: Any) -> Setpoint:
    return Setpoint(device_id="rtu", issued=time.time(), active_power_w=watts, **more)


async def test_what_it_is_follows_from_its_points() -> None:
    async with running() as (_, driver):
        plate = await driver.open()
        assert driver.kind is DeviceKind.BATTERY
        assert plate.capabilities == {Capability.SET_W, Capability.LIMIT_W, Capability.CONNECT}
        assert driver.traits.revert_timer_s is None


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (CommandStatus.PROCESSING_LIMITED, DeviceBusy),
        (CommandStatus.BLOCKED_OTHER_MASTER, DeviceBusy),
        (CommandStatus.LOCAL, DeviceRejected),
        (CommandStatus.OUT_OF_RANGE, DeviceRejected),
        (CommandStatus.AUTOMATION_INHIBIT, DeviceRejected),
    ],
)
async def test_the_status_tells_whether_to_try_again(status: CommandStatus, kind: type[Exception]) -> None:
    async with running(select=False) as (rtu, driver):
        await driver.open()
        rtu.status = status
        with pytest.raises(DeviceRejected, match=status.name) as caught:
            await driver.write(setpoint(1000.0))
        assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("flags", "quality"),
    [
        (Flags.ONLINE, Quality.GOOD),
        (Flags.COMM_LOST, Quality.BAD),
        (Flags.ONLINE | Flags.COMM_LOST, Quality.ESTIMATED),
        (Flags.ONLINE | Flags.LOCAL_FORCED, Quality.SUBSTITUTED),
        (Flags.ONLINE | Flags.RESTART, Quality.STALE),
    ],
)
async def test_flags_become_quality(flags: int, quality: Quality) -> None:
    async with running(unsolicited=False) as (rtu, driver):
        await driver.open()
        rtu.database.update(time.time(), AI, 0, 7.0, flags)
        seen = await driver.read()
        assert seen.quality is quality
        assert seen.w == (None if quality is Quality.BAD else 7000.0)


async def test_changes_come_as_events_and_a_restart_is_read_through() -> None:
    async with running() as (rtu, driver):
        await driver.open()
        rtu.database.update(time.time(), AI, 1, 42.0)
        assert (await driver.read()).soc == pytest.approx(0.42)
        rtu.outstation.station.restart_all(time.time())
        await rtu.stop()
        await rtu.start()
        assert (await driver.read()).soc == pytest.approx(0.42)


async def test_a_restart_after_a_command_is_told_so_that_it_is_told_again() -> None:
    async with running() as (rtu, driver):
        await driver.open()
        await driver.write(setpoint(500.0))
        await driver.read()
        rtu.outstation.station.restart_all(time.time())
        with pytest.raises(DeviceForgot, match="has restarted"):
            await driver.read()
        await driver.open()
        await driver.read()
        await driver.write(setpoint(500.0))
        # a connection that was cut is no restart
        await rtu.stop()
        await rtu.start()
        await driver.read()
        rtu.outstation.station.restart_all(time.time())
        await rtu.stop()
        await rtu.start()
        with pytest.raises(DeviceForgot, match="has restarted"):
            await driver.read()
        await driver.open()
        await driver.write(setpoint(500.0))
        await driver.revert()
        rtu.outstation.station.restart_all(time.time())
        await driver.read()
        await driver.close()


async def test_connect_and_a_relay_that_shows_its_state() -> None:
    async with running() as (rtu, driver):
        await driver.open()
        ack = await driver.write(setpoint(connect=False))
        assert ack.read_back == {"BO0 connect": 0.0}
        assert rtu.closed


async def test_without_a_rating_it_is_no_device_and_with_one_it_is() -> None:
    inputs = [{"shows": "w", "index": 0}]
    async with running(inputs=inputs) as (_, driver):
        with pytest.raises(DeviceRejected, match="rating_w"):
            await driver.open()
    async with running(inputs=inputs, rating_w=5000.0) as (_, driver):
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w) == (5000.0, 0.0)


async def test_a_device_that_falls_back_by_itself_is_told_for_how_long() -> None:
    outputs = [*OUTPUTS, {"does": "hold", "index": 2}]
    async with running(outputs=outputs, revert_s=30.0) as (rtu, driver):
        await driver.open()
        ack = await driver.write(setpoint(1000.0))
        assert (ack.revert_s, rtu.told[2], driver.traits.revert_timer_s) == (30.0, 30.0, 30.0)
        before = rtu.operated
        await driver.write(setpoint(2000.0))
        assert rtu.operated == before + 1  # the time stands already
        ack = await driver.write(setpoint(2000.0, valid_until=time.time() + 10))
        assert 9 <= ack.revert_s <= 10


async def test_letting_go_without_a_release_output() -> None:
    outputs = [{"does": "set_w", "index": 0, "scale": 1000, "let_go": 0.0}]
    async with running(outputs=outputs) as (rtu, driver):
        await driver.open()
        await driver.write(setpoint(1000.0))
        await driver.revert()
        assert rtu.told[SET] == 0
    async with running(outputs=[{"does": "set_w", "index": 0, "scale": 1000}]) as (_, driver):
        await driver.open()
        with pytest.raises(DeviceRejected, match="let go"):
            await driver.revert()


async def test_an_outstation_that_is_not_for_us_is_a_timeout() -> None:
    async with running(outstation=11, timeout_s=0.1) as (_, driver):
        with pytest.raises(DeviceTimeout):
            await driver.open()


async def test_tls_that_cannot_be_used_is_a_refusal(tmp_path: Any) -> None:
    async with running(tls=True, ca_file=tmp_path / "none.pem") as (_, driver):
        with pytest.raises(DeviceRejected, match=r"none\.pem cannot be used"):
            await driver.open()
    async with running(update_key=tmp_path / "none") as (_, driver):
        with pytest.raises(DeviceRejected, match="update key"):
            await driver.open()


async def test_one_quantity_is_let_go_of_by_its_own_value_or_all_are_released_and_told_again() -> None:
    over = frozenset({ControlMode.SET_W})
    outputs = [{"does": "set_w", "index": 0, "scale": 1000, "let_go": 0.0}]
    async with running(outputs=outputs) as (rtu, driver):
        await driver.open()
        await driver.write(setpoint(1000.0))
        ack = await driver.write(setpoint(None, let_go=over))
        assert rtu.told[SET] == 0
        assert ack.active_power_w is None
    async with running(outputs=[{"does": "set_w", "index": 0, "scale": 1000}]) as (_, driver):
        await driver.open()
        with pytest.raises(DeviceRejected, match="let go"):
            await driver.write(setpoint(None, let_go=over))
