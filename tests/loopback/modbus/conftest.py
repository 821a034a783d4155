"""Devices simulated by a pymodbus server from the same register tables that the driver reads, and benches on them.

Numbers are put into registers by pymodbus's own converter, so that a mistake of the driver's codec is not made twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice
from tests.clocks import StrideClock

from gridiface.drivers.testkit import Bench, BenchFactory, Held
from gridiface_southbound.modbus.driver import ModbusDriver
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.modbus.table import Area, Point, RegisterTable

DATATYPES = ModbusClientMixin.DATATYPE
WRITES = {5, 6, 15, 16}
AREA_OF = {1: Area.COIL, 5: Area.COIL, 15: Area.COIL, 2: Area.DISCRETE, 3: Area.HOLDING, 6: Area.HOLDING}
AREA_OF |= {16: Area.HOLDING, 4: Area.INPUT}


class SimulatedDevice:
    """One unit: its items by (area, wire address), and the faults of the testkit."""

    faults = frozenset({"none", "off", "hang", "reject", "ignore", "wrong_values"})

    def __init__(self, table: RegisterTable, spec: Spec, *, framer: FramerType = FramerType.SOCKET, **options: Any):
        self.table, self.spec = table, spec
        self.server_class = options.pop("server_class", ModbusTcpServer)
        self.options = {"framer": framer, **options}
        self.items: dict[tuple[Area, int], int] = {}
        self.log: list[tuple[int, int, list[int]]] = []
        self.reads: list[tuple[int, int, int]] = []
        self.port = 0
        self.mode = "none"
        for point in table.points:
            for at in range(point.width):
                self.items[point.area, table.start(point) + at] = 0
        for gap in table.gaps:
            for at in range(gap.count):
                self.items[gap.area, table.start(gap) + at] = 0
        for name, value in spec.initial.items():
            self.put(name, value)
        spec.step(self)

    # Points in raw numbers -----------------------------------------------------------------------------------------

    def get(self, name: str) -> Any:
        point = self.table.by_name[name]
        words = [self.items[point.area, self.table.start(point) + at] for at in range(point.width)]
        if point.type == "bit":
            return words[0]
        return ModbusClientMixin.convert_from_registers(words, _datatype(point), word_order=point.word_order)

    def put(self, name: str, value: Any) -> None:
        point = self.table.by_name[name]
        if point.type == "bit":
            words = [int(value)]
        else:
            words = ModbusClientMixin.convert_to_registers(value, _datatype(point), word_order=point.word_order)
        if point.type == "string":
            words += [0] * (point.width - len(words))
        for at, word in enumerate(words):
            self.items[point.area, self.table.start(point) + at] = word

    # The server ----------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self.server = self.server_class(
            SimDevice(1, simdata=self._memory(), action=self._act),
            address=("127.0.0.1", self.port),
            # A device that hangs acts and is not heard: pymodbus itself mixes up requests that it answers late.
            trace_packet=lambda sending, data: b"" if sending and self.mode == "hang" else data,
            **self.options,
        )
        await self.server.serve_forever(background=True)
        self.port = self.server.transport.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        await self.server.shutdown()
        await asyncio.sleep(0)

    def _memory(self) -> tuple[list[SimData], ...]:
        blocks = []
        for area in (Area.COIL, Area.DISCRETE, Area.HOLDING, Area.INPUT):
            addresses = sorted({at // 16 if area.bits else at for where, at in self.items if where is area}) or [0]
            kind = DataType.BITS if area.bits else DataType.REGISTERS
            blocks.append([SimData(at, values=False if area.bits else 0, datatype=kind) for at in addresses])
        return tuple(blocks)

    async def _act(
        self, function: int, first: int, address: int, count: int, registers: list[int], values: list[Any] | None
    ) -> ExcCodes | None:
        area = AREA_OF[function]
        if values is None:
            if function in WRITES:
                return None  # pymodbus looks at what it has just written
            self.reads.append((function, address, count))
            self._show(area, first, registers)
            return None
        return self._told(function, area, address, [int(value) for value in values])

    def _show(self, area: Area, first: int, registers: list[int]) -> None:
        for (where, at), value in self.items.items():
            if where is not area:
                continue
            if area.bits:
                bit = 1 << at % 16
                registers[at // 16 - first] = registers[at // 16 - first] & ~bit | (bit if value else 0)
            else:
                registers[at - first] = value

    def _told(self, function: int, area: Area, address: int, values: list[int]) -> ExcCodes | None:
        self.log.append((function, address, values))
        if self.mode == "reject":
            return ExcCodes.ILLEGAL_VALUE
        if self.mode != "ignore":
            for at, value in enumerate(values):
                wrong = self.mode == "wrong_values"
                self.items[area, address + at] = value ^ 1 if wrong else value
            self.spec.step(self)
        return None

    # The testkit's peer --------------------------------------------------------------------------------------------

    async def fault(self, name: str) -> None:
        if self.mode == "off" and name != "off":
            await self.start()
        if name == "off" and self.mode != "off":
            await self.stop()
        self.mode = name

    async def held(self) -> Held:
        return self.spec.held(self)

    async def power_w(self) -> float:
        return self.spec.power(self)

    async def writes(self) -> int:
        return len(self.log)


@dataclass
class Spec:
    """What the simulated device is: its ratings, first values, and what its registers mean in words of its own."""

    max_w: float
    max_charge_w: float
    step_w: float
    held: Callable[[SimulatedDevice], Held]
    initial: dict[str, Any] = field(default_factory=dict)
    show: Callable[[SimulatedDevice, float], None] = lambda device, watts: None
    idle_w: float = 0.0
    stride: float = 0.0

    def power(self, device: SimulatedDevice) -> float:
        held = self.held(device)
        watts = self.idle_w if held.active_power_w is None else held.active_power_w
        return watts if held.ceiling_w is None else min(watts, held.ceiling_w)

    def step(self, device: SimulatedDevice) -> None:
        self.show(device, self.power(device))


def _battery_held(device: SimulatedDevice) -> Held:
    limit = device.get("export_limit")
    return Held(
        active_power_w=-device.get("power_target") if device.get("remote_enable") == 1 else None,
        ceiling_w=None if limit >= 1000 else limit * 10.0,
        connected=bool(device.get("contactor_command")),
    )


def _battery_show(device: SimulatedDevice, watts: float) -> None:
    device.put("power", round(-watts * 10))
    device.put("contactor", device.get("contactor_command"))


def _charger_held(device: SimulatedDevice) -> Held:
    free = device.get("current_limit") == 320 and device.get("fall_back_time") == 0
    return Held(active_power_w=None if free else -69.0 * device.get("current_limit"))


def _charger_show(device: SimulatedDevice, watts: float) -> None:
    for name in ("power_a", "power_b", "power_c"):
        device.put(name, round(-watts / 3))


SPECS: dict[str, Spec] = {
    "example-battery": Spec(
        max_w=10_000,
        max_charge_w=8_000,
        step_w=10,
        held=_battery_held,
        show=_battery_show,
        initial={
            "model": "EXAMPLE-BAT 10",
            "serial": "B-0042",
            "rated_power": 10_000,
            "rated_charge": 8_000,
            "rated_var": 6_000,
            "capacity": 205,
            "power_scale": -1,
            "reactive_power": -1200,
            "frequency": 5001,
            "volts_a": 2301,
            "volts_b": 2302,
            "volts_c": 2303,
            "state_of_charge": 555,
            "state": 2,
            "alarms": (1 << 16) | 2,
            "export_limit": 1000,
            "contactor_command": 1,
            "local_mode": 0,
        },
    ),
    "example-battery-little": Spec(
        max_w=5_000,
        max_charge_w=4_000,
        step_w=10,
        held=lambda d: Held(active_power_w=d.get("power_setting") * 10.0 if d.get("work_mode") == 4 else None),
        show=lambda d, watts: d.put("grid_power", round(watts)),
        initial={"state_of_charge": 40, "energy_left": 70_000, "grid_volts": 231.5, "work_mode": 1},
    ),
    "example-pv": Spec(
        max_w=10_000,
        max_charge_w=0,
        step_w=1,
        idle_w=10_000,
        held=lambda d: Held(ceiling_w=float(d.get("limit")) if d.get("limit_enable") == 1 else None),
        show=lambda d, watts: d.put("power", watts / 1000),
        initial={"rated_power": 100, "frequency": 49_990, "daily_state": 2},
    ),
    "example-pv-flash": Spec(
        max_w=8_000,
        max_charge_w=0,
        step_w=1,
        idle_w=8_000,
        held=lambda d: Held(ceiling_w=None if d.get("power_limit") == 8_000 else float(d.get("power_limit"))),
        show=lambda d, watts: d.put("power", round(watts)),
        initial={"power_limit": 8_000},
        stride=700.0,
    ),
    "example-ev-charger": Spec(
        max_w=0,
        max_charge_w=22_080,
        step_w=69,
        held=_charger_held,
        show=_charger_show,
        initial={"vehicle": 2, "current_limit": 320},
    ),
    "example-meter": Spec(
        max_w=0,
        max_charge_w=0,
        step_w=1,
        held=lambda d: Held(),
        initial={
            "volts_a": 229.5,
            "volts_b": 230.5,
            "volts_c": 231.5,
            "power_a": 1000.0,
            "power_b": -250.0,
            "power_c": 500.0,
            "reactive_power": 300.0,
            "frequency": 49.875,
        },
    ),
    "huawei-sun2000": Spec(
        max_w=10_000,
        max_charge_w=0,
        step_w=10,
        idle_w=10_000,
        held=lambda d: Held(ceiling_w=None if d.get("limit") == 1000 else d.get("limit") * 10.0),
        show=lambda d, watts: d.put("power", round(watts)),
        initial={
            "model": "SUN2000-10KTL-M1",
            "serial": "H 1",
            "rated_power": 10_000,
            "volts_a": 2301,
            "frequency": 5001,
            "limit": 1000,
        },
    ),
    "eastron-sdm630": Spec(
        max_w=0,
        max_charge_w=0,
        step_w=1,
        held=lambda d: Held(),
        initial={
            "total_power": -2500.0,
            "total_va": 2600.0,
            "total_var": -700.0,
            "frequency": 50.125,
            "volts_1": 230.0,
        },
    ),
}


def _datatype(point: Point) -> Any:
    if point.type in ("enum", "bitfield"):
        return {1: DATATYPES.UINT16, 2: DATATYPES.UINT32}[point.width]
    return DATATYPES[point.type.upper()]


@pytest.fixture
def specs() -> dict[str, Spec]:
    return SPECS


@pytest.fixture
def simulate() -> Callable[..., contextlib.AbstractAsyncContextManager[SimulatedDevice]]:
    """`async with simulate("example-battery") as device`; further options go to pymodbus's server."""

    @contextlib.asynccontextmanager
    async def run(name: str, table: RegisterTable | None = None, **options: Any) -> AsyncIterator[SimulatedDevice]:
        device = SimulatedDevice(table or load_table(name), SPECS[name], **options)
        await device.start()
        try:
            yield device
        finally:
            if device.mode != "off":
                await device.stop()

    return run


@pytest.fixture
def driver_for() -> Callable[..., ModbusDriver]:
    """`driver_for(device, **keys)`: a driver for a simulated device, not open."""

    def make(device: SimulatedDevice, **keys: Any) -> ModbusDriver:
        clock = keys.pop("clock", None) or StrideClock(device.spec.stride)
        defaults = {"timeout_s": 1.0, "connect_timeout_s": 5.0, "host": "127.0.0.1", "port": device.port}
        config = ModbusDriver.Config(**({"table": device.table} | defaults | keys))
        return ModbusDriver.create("unit", config, clock=clock)

    return make


@pytest.fixture
def benches(simulate: Any, driver_for: Any) -> Callable[..., BenchFactory]:
    """`benches("example-battery", server={...}, **driver_keys)` gives a factory for the testkit."""

    def factory_of(name: str, server: dict[str, Any] | None = None, **keys: Any) -> BenchFactory:
        @contextlib.asynccontextmanager
        async def bench() -> AsyncIterator[Bench]:
            async with simulate(name, **(server or {})) as device:
                spec = device.spec
                yield Bench(
                    driver=driver_for(device, **keys),
                    peer=device,
                    now=time.time,
                    max_w=spec.max_w,
                    max_charge_w=spec.max_charge_w,
                    step_w=spec.step_w,
                )

        return bench

    return factory_of
