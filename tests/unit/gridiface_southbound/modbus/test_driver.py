"""The driver on a device in memory: bits of registers, and commands that nobody waits for."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from pymodbus.pdu import DecodePDU
from tests.clocks import StrideClock

from gridiface.domain.controls import Setpoint
from gridiface.domain.telemetry import OperatingState
from gridiface.drivers.api import Ack, DeviceBusy
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus.config import ModbusConfig
from gridiface_southbound.modbus.driver import ModbusDriver
from gridiface_southbound.modbus_pdu import Request, reply_data


class Memory:
    """A device of holding registers; what it was asked is decoded by pymodbus."""

    connected, connects = True, 1

    def __init__(self, registers: dict[int, int], unknown: Sequence[int] = ()) -> None:
        self.registers = registers
        self.unknown = unknown
        self.asked: list[int] = []
        self.begun = 0
        self.busy = self.taken = self.silent = False

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Any]:
        return [reply_data(request, self._answer(request.pdu)) for request in requests]

    def _answer(self, pdu: bytes) -> bytes:
        told: Any = DecodePDU(is_server=True).decode(pdu)
        function, at = pdu[0], told.address
        self.asked.append(function)
        if function in self.unknown:
            return bytes((function | 0x80, 1))
        if function == 3:
            words = [self.registers[at + i] for i in range(told.count)]
            return bytes((3, 2 * told.count)) + struct.pack(f">{told.count}H", *words)
        if function == 22:  # V1.1b3, 6.16
            self.registers[at] = (self.registers[at] & told.and_mask) | (told.or_mask & ~told.and_mask & 0xFFFF)
            return pdu
        self.registers |= {at + i: word for i, word in enumerate(told.registers)}
        return pdu[:5]

    def begin(self, unit: int, requests: Sequence[Request], done: Callable[[Any], None], *, timeout_s: float) -> bool:
        if self.busy:
            return False
        self.begun += 1
        self.busy = self.taken
        problem = DeviceTimeout("no answer") if self.silent else None
        replies = problem or [reply_data(request, self._answer(request.pdu)) for request in requests]
        asyncio.get_running_loop().call_soon(done, replies)
        return True

    async def close(self) -> None:
        pass


def table(byte_order: str = "big", **write: Any) -> dict[str, Any]:
    """Register 4: the state in bits 0 to 2, a switch in bit 5, a power of 100 W a step in the high byte."""
    word = {"address": 4, "byte_order": byte_order}
    states = {"values": {1: "standby", 5: "running"}}
    return {
        "kind": "battery",
        "address_base": 0,
        "nameplate": {"max_w": 20_000, "max_charge_w": 0},
        "points": [
            {"name": "state", "meaning": "state", "type": "enum", "mask": 0x0007, **states, **word},
            {"name": "remote", "type": "bitfield", "mask": 0x0020, "write": write, **word},
            {
                "name": "target",
                "meaning": "set_w",
                "type": "uint16",
                "mask": 0xFF00,
                "scale": 100,
                "unit": "W",
                "positive": "delivered",
                "write": write
                | {"before": [{"point": "remote", "value": 1}], "release": [{"point": "remote", "value": 0}]},
                **word,
            },
        ],
    }


def driver_of(device: Memory, content: dict[str, Any]) -> ModbusDriver:
    config = ModbusConfig.model_validate({"table": content, "host": "h"})
    return ModbusDriver("u", config, clock=StrideClock(), link=lambda: device)


@pytest.mark.parametrize(
    ("write", "unknown", "functions"),
    [
        ({"function": 22}, (), [22, 22, 3]),
        ({}, (), [3, 16, 3, 16, 3]),
        ({}, (16,), [3, 16, 6, 3, 6, 3]),
        ({"function": 6}, (), [3, 6, 3, 6, 3]),
    ],
)
@pytest.mark.parametrize("order", ["big", "little"])
async def test_the_bits_of_others_stay(
    order: str, write: dict[str, Any], unknown: tuple[int, ...], functions: Any
) -> None:
    def at_rest(word: int) -> int:
        return word if order == "big" else int.from_bytes(word.to_bytes(2, "big"), "little")

    device = Memory({4: at_rest(0x03D5)}, unknown)
    driver = driver_of(device, table(order, **write))
    await driver.open()
    assert (await driver.read()).state is OperatingState.RUNNING
    device.asked.clear()
    ack = await driver.write(Setpoint(device_id="u", issued=0, active_power_w=1234))
    assert (ack.active_power_w, ack.verified) == (1200, True)
    assert at_rest(device.registers[4]) == 0x0CF5
    assert device.asked == functions
    await driver.revert()
    assert at_rest(device.registers[4]) == 0x0CD5


async def test_what_does_not_fit_into_its_bits_is_held_to_them() -> None:
    device = Memory({4: 0x0001})
    driver = driver_of(device, table(function=22) | {"nameplate": {"max_w": 90_000}})
    await driver.open()
    ack = await driver.write(Setpoint(device_id="u", issued=0, active_power_w=60_000))
    assert ack.active_power_w == 25_500
    assert device.registers[4] == 0xFF21


async def test_a_register_that_cannot_be_read_is_not_written_in_part() -> None:
    device = Memory({4: 0x0001})
    driver = driver_of(device, table())
    await driver.open()
    device.unknown = (3,)
    with pytest.raises(DeviceRejected, match=r"reading remote \(holding 4\) before it is written"):
        await driver.write(Setpoint(device_id="u", issued=0, active_power_w=100))
    assert 16 not in device.asked


class Unhurried(Memory):
    """Lets others ask between any two exchanges, as a network does."""

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Any]:
        await asyncio.sleep(0)
        found = await super().exchange(unit, requests, timeout_s=timeout_s)
        await asyncio.sleep(0)
        return found


@pytest.mark.parametrize("write", [{}, {"function": 6}, {"function": 22}])
async def test_a_heartbeat_in_the_same_register_takes_no_command_back(write: dict[str, Any]) -> None:
    content = table(**write)
    content["points"].append({"name": "alive", "type": "bitfield", "mask": 0x0010, "address": 4, "write": write})
    content["heartbeat"] = {"point": "alive", "period_s": 3600, "kind": "constant", "value": 1}
    device = Unhurried({4: 0x0001})
    driver = driver_of(device, content)
    await driver.open()
    for watts, word in ((1200, 0x0C31), (2400, 0x1831)):
        _, *beats = await asyncio.gather(
            driver.write(Setpoint(device_id="u", issued=0, active_power_w=watts)), *(driver._beat(1) for _ in range(3))
        )
        assert (beats, device.registers[4]) == ([None] * 3, word)
    await driver.close()


# Commands that nobody waits for -----------------------------------------------------------------------------------

#: A set-point at 20, with a mode at 18 and a timer at 19 before it where there are three writes.
ONE: dict[str, Any] = {"name": "target", "meaning": "set_w", "address": 20, "type": "int16", "unit": "W"}
ONE |= {"positive": "delivered", "write": {"release": [{"point": "target", "value": 0}]}}
THREE = ONE | {
    "write": {
        "revert": "timer",
        "before": [{"point": "mode", "value": 4}],
        "release": [{"point": "mode", "value": 0}],
    }
}
HELPERS = [
    {"name": "mode", "address": 18, "type": "enum", "write": {}},
    {"name": "timer", "address": 19, "type": "uint16", "unit": "s", "write": {}},
]
RATED = {"kind": "battery", "address_base": 0, "nameplate": {"max_w": 5000, "max_charge_w": 4000}}
TABLES = {"one": RATED | {"points": [ONE]}, "three": RATED | {"points": [THREE, *HELPERS]}}


def told(watts: float, **keys: Any) -> Setpoint:
    return Setpoint(device_id="u", issued=0, active_power_w=watts, **keys)


async def opened(content: dict[str, Any], device: Memory | None = None) -> tuple[Memory, ModbusDriver]:
    device = device or Memory({18: 0, 19: 0, 20: 0})
    config = ModbusConfig.model_validate({"table": content, "host": "h", "revert_s": 60})
    driver = ModbusDriver("u", config, clock=StrideClock(), link=lambda: device)
    await driver.open()
    return device, driver


async def quickly(driver: ModbusDriver, command: Setpoint) -> Ack | DeviceError | None:
    """What a command brings that is begun; None: it cannot be."""
    over: asyncio.Future[Ack | DeviceError] = asyncio.get_running_loop().create_future()
    return await over if driver.begin(command, over.set_result) else None


@pytest.mark.parametrize("content", TABLES.values(), ids=TABLES)
async def test_what_is_begun_is_what_is_waited_for(content: dict[str, Any]) -> None:
    slow, waits = await opened(content)
    quick, begins = await opened(content)
    for command in (
        told(1000),
        told(1250.4),
        told(-700),
        told(9000),
        told(500, ceiling_w=700),
        told(-12, let_go=frozenset()),
    ):
        long, short = await waits.write(command), await quickly(begins, command)
        assert isinstance(short, Ack)
        assert (short.written, short.read_back, short.notes) == (long.written, long.read_back, long.notes)
        assert (short.active_power_w, short.revert_s, short.skipped) == (
            long.active_power_w,
            long.revert_s,
            long.skipped,
        )
        assert quick.registers == slow.registers
    assert quick.asked == slow.asked
    assert quick.begun
    assert await quickly(begins, Setpoint(device_id="u", issued=0, release=True)) is None


async def test_a_wrong_value_a_refusal_and_silence_are_told_as_ever() -> None:
    device, driver = await opened(TABLES["three"])
    device.unknown = (16,)
    device.asked.clear()
    assert isinstance(await quickly(driver, told(100)), Ack), "6 was found out, the long way"
    assert device.asked == [16, 16, 6, 6, 6, 3]
    device.unknown = (6,)
    refused = await quickly(driver, told(200))
    assert isinstance(refused, DeviceRejected)
    assert "write 1 of 3, mode" in refused.reason
    device.unknown, device.silent = (), True
    silent = await quickly(driver, told(300))
    assert isinstance(silent, DeviceTimeout)
    assert silent.device_id == "u"
    device.silent = False
    assert isinstance(await quickly(driver, told(400)), Ack)


async def test_who_comes_between_two_writes_is_not_in_the_way() -> None:
    device, driver = await opened(TABLES["three"])
    device.taken = True
    ack = await quickly(driver, told(800))
    assert isinstance(ack, Ack)
    assert device.registers[20] == 800
    device.busy = device.taken = False
    assert isinstance(await quickly(driver, told(900)), Ack)


async def test_another_value_than_was_written_is_busy() -> None:
    device, driver = await opened(TABLES["one"])

    def lie(pdu: bytes) -> bytes:
        return pdu[:5] if pdu[0] == 16 else bytes((3, 2, 0, 7))

    device._answer = lie  # type: ignore[method-assign]
    assert isinstance(await quickly(driver, told(800)), DeviceBusy)
