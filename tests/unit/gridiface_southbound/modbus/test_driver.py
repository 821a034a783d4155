"""The driver on a device in memory: bits of registers, whose other bits stay as they are."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pytest
from pymodbus.pdu import DecodePDU
from tests.clocks import StrideClock

from gridiface.domain.controls import Setpoint
from gridiface.domain.telemetry import OperatingState
from gridiface.errors import DeviceRejected
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
