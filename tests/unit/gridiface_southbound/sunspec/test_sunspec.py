"""Forms and their values, and the driver on a link in memory: what is on the wire for each command.

Covers sheet, functions, reactive, config and driver; whole devices are in tests/loopback/drivers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tests.clocks import StandingClock

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Capability
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.modbus_connection import Reply
from gridiface_southbound.modbus_pdu import ExceptionReply, Request, reply_data
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.driver import SunSpecDriver
from gridiface_southbound.sunspec.functions import Power704, Ratings
from gridiface_southbound.sunspec.models import model
from gridiface_southbound.sunspec.reactive import Connect123, PowerFactor704, Var704
from gridiface_southbound.sunspec.registers import block_requests
from gridiface_southbound.sunspec.scan import ModelPlace
from gridiface_southbound.sunspec.sheet import PointValues, sheet_for

PLATE = {"WMaxRtg": 10_000, "W_SF": 0, "WChaRteMaxRtg": 5_000, "WDisChaRteMaxRtg": 10_000}
POWER = {"WSetEna": 0, "WSetMod": 0, "WSet": 0, "WSetRvrt": 0, "WSet_SF": 0, "WSetEnaRvrt": 0, "WSetRvrtTms": 0}


class MemoryLink:
    """Registers in memory behind the Link protocol; refuses function 16 or reads as told."""

    connected, connects = True, 1

    def __init__(self, blocks: Sequence[Any]) -> None:
        self.memory = bytearray(b"SunS")
        for block in blocks:
            self.memory += block.data
        self.memory += b"\xff\xff\0\0"
        self.sent: list[Request] = []
        self.refuse: dict[int, int] = {}
        self.unreadable: set[int] = set()
        self.most = 125
        self.busy: dict[int, int] = {}
        self.on_write: Any = None
        self.closed = 0

    async def exchange(self, unit: int, requests: Sequence[Request], *, timeout_s: float) -> list[Reply]:
        return [self.answer(request) for request in requests]

    def answer(self, request: Request) -> Reply:
        self.sent.append(request)
        function, address = request.pdu[0], int.from_bytes(request.pdu[1:3], "big") - 40000
        if function in self.refuse:
            return ExceptionReply(function, self.refuse[function])
        count = int.from_bytes(request.pdu[3:5], "big") if function != 6 else 1
        if self.busy.get(address):
            self.busy[address] -= 1
            return ExceptionReply(function, 6)
        if function == 3 and count > self.most:
            return ExceptionReply(function, 3)
        if address in self.unreadable or not 0 <= address <= len(self.memory) // 2 - count:
            return ExceptionReply(function, 2)
        if function == 3:
            return reply_data(request, bytes((3, 2 * count)) + self.memory[2 * address : 2 * (address + count)])
        data = request.pdu[6:] if function == 16 else request.pdu[3:]
        self.memory[2 * address : 2 * address + len(data)] = data
        if self.on_write is not None:
            self.on_write(self)
        return b""

    async def close(self) -> None:
        self.closed += 1


def told(watts: float | None = None, **more: Any) -> Setpoint:
    return Setpoint(device_id="d", issued=1000.0, active_power_w=watts, **more)


@pytest.fixture
def device(block: Any) -> Any:
    """`await device({model: points}, **keys)`: (driver, link), opened and with nothing sent yet."""

    async def make(points: dict[int, dict[str, Any]] | None = None, **keys: Any) -> tuple[SunSpecDriver, MemoryLink]:
        wanted = {1: {}, 701: {}, 702: PLATE, 704: POWER} if points is None else points
        link = MemoryLink([block(model_id, names) for model_id, names in wanted.items()])
        driver = driver_on(link, **keys)
        await driver.open()
        link.sent.clear()
        return driver, link

    return make


def driver_on(link: MemoryLink, **keys: Any) -> SunSpecDriver:
    return SunSpecDriver("d", SunSpecConfig(host="h", **keys), clock=StandingClock(1000.0, 5.0), link=lambda: link)


def writes(link: MemoryLink) -> list[tuple[int, int, str]]:
    """(function, register, bytes) of everything written."""
    return [
        (r.pdu[0], int.from_bytes(r.pdu[1:3], "big"), (r.pdu[6:] if r.pdu[0] == 16 else r.pdu[3:]).hex())
        for r in link.sent
        if r.pdu[0] in (6, 16)
    ]


async def test_one_set_point_is_one_write_and_one_read(device: Any) -> None:
    driver, link = await device()
    await driver.write(told(-1000))
    # 704 begins behind 1 (68 registers), 701 (155) and 702 (52); WSetEna is its register 22, 28 and 29 are missing.
    start = 40002 + 68 + 155 + 52
    assert writes(link) == [(16, start + 30, "00000000003c"), (16, start + 22, "00010001fffffc1800000000")]
    assert [r.pdu[0] for r in link.sent] == [16, 16, 3]


async def test_function_16_refused_means_function_6_from_then_on(device: Any) -> None:
    driver, link = await device()
    link.refuse[16] = 1
    await driver.write(told(500))
    functions = [function for function, _, _ in writes(link)]
    assert functions.count(16) == 2
    assert functions[-1] == 6
    last = [entry for entry in writes(link) if entry[0] == 6][-1]
    assert last == (6, 40002 + 68 + 155 + 52 + 22, "0001")
    link.sent.clear()
    await driver.write(told(600))
    assert all(function == 6 for function, _, _ in writes(link))


async def test_any_other_refusal_is_final(device: Any) -> None:
    driver, link = await device()
    link.refuse[16] = 3
    with pytest.raises(DeviceRejected, match="illegal data value") as caught:
        await driver.write(told(500))
    assert not isinstance(caught.value, DeviceBusy)
    assert caught.value.device_id == "d"
    link.refuse[16] = 6
    with pytest.raises(DeviceBusy, match="busy"):
        await driver.write(told(500))


async def test_a_read_back_that_cannot_be_read_is_no_acknowledgement(device: Any) -> None:
    driver, link = await device()
    link.unreadable.add(2 + 68 + 155 + 52)
    with pytest.raises(DeviceRejected, match="reading model 704 back"):
        await driver.write(told(500))


async def test_a_device_that_counts_its_timer_down_is_believed(device: Any, block: Any) -> None:
    driver, link = await device()
    table = model(704)
    assert table is not None
    at = 2 * (2 + 68 + 155 + 52 + table.points["WSetRvrtTms"].offset)

    def run_down(memory: MemoryLink) -> None:
        memory.memory[at : at + 4] = (41).to_bytes(4, "big")

    link.on_write = run_down
    ack = await driver.write(told(500))
    assert ack.revert_s == 41
    assert (ack.written["704.WSetRvrtTms"], ack.read_back["704.WSetRvrtTms"]) == (60, 41)


async def test_scale_factors_that_never_rest_are_not_acknowledged(device: Any) -> None:
    driver, link = await device()
    table = model(704)
    assert table is not None
    at = 2 * (2 + 68 + 155 + 52 + table.points["WSet_SF"].offset) + 1
    exponents = [1, 2, 3, 0] * 10

    def restless(memory: MemoryLink) -> None:
        memory.memory[at] = exponents.pop()

    link.on_write = restless
    with pytest.raises(DeviceBusy, match="scale factors"):
        await driver.write(told(500))


async def test_older_models_are_read_before_each_write(device: Any) -> None:
    storage = {"StorCtl_Mod": 0, "OutWRte": 0, "InWRte": 0, "InOutWRte_SF": -2, "WChaMax": 5000, "WChaMax_SF": 0}
    driver, link = await device({1: {}, 103: {"W": 1, "W_SF": 0}, 120: {"WRtg": 5000, "WRtg_SF": 0}, 124: storage})
    await driver.write(told(1000))
    assert [r.pdu[0] for r in link.sent] == [3, 16, 16, 3]
    fixed, link = await device(
        {1: {}, 103: {"W": 1, "W_SF": 0}, 120: {"WRtg": 5000, "WRtg_SF": 0}, 124: storage}, scale_factors="fixed"
    )
    await fixed.write(told(1000))
    assert [r.pdu[0] for r in link.sent] == [16, 16, 3]


async def test_a_device_without_measurements_cannot_be_read(device: Any) -> None:
    driver, _ = await device({1: {}, 702: PLATE, 704: POWER})
    with pytest.raises(DeviceRejected, match="no readable measurements"):
        await driver.read()


@pytest.mark.parametrize("address", [40000, 40002 + 68, 40002 + 68 + 155 + 52])
async def test_a_device_that_is_busy_while_it_is_opened_lacks_nothing_later(block: Any, address: int) -> None:
    link = MemoryLink([block(number, names) for number, names in ((1, {}), (701, {}), (702, PLATE), (704, POWER))])
    driver = driver_on(link)
    link.busy = {address - 40000: 99}
    with pytest.raises((DeviceBusy, DeviceTimeout), match="busy"):
        await driver.open()
    link.busy.clear()
    plate = await driver.open()
    assert (plate.max_w, plate.capabilities) == (10_000, {Capability.SET_W})


async def test_a_device_that_is_busy_while_it_is_read_is_not_without_its_battery(device: Any) -> None:
    driver, link = await device({1: {}, 701: {"W": 1}, 702: PLATE, 713: {"SoC": 50, "Pct_SF": 0}})
    assert (await driver.read()).soc == 0.5
    link.busy = {2 + 68 + 155 + 52: 1}
    with pytest.raises(DeviceBusy, match="reading model 713: "):
        await driver.read()
    assert (await driver.read()).soc == 0.5


@pytest.mark.parametrize("most", [125, 64, 20, 7])
async def test_a_device_that_gives_few_registers_at_once_is_asked_for_few(device: Any, most: int) -> None:
    driver, link = await device({1: {"SN": "A1"}, 701: {"W": 70, "W_SF": 0}, 702: PLATE, 704: POWER}, max_registers=125)
    link.most = most
    if most < 125:
        with pytest.raises(DeviceRejected, match="no readable measurements"):
            await driver.read()
    careful = driver_on(link, max_registers=most)
    assert (await careful.open()).max_w == 10_000
    assert (await careful.read()).w == 70
    assert (await careful.write(told(-1000))).active_power_w == -1000


def test_a_number_of_several_registers_is_read_in_one_answer() -> None:
    place = ModelPlace(701, 40070, 153)
    table = model(701)
    assert table is not None
    cuts = {int.from_bytes(request.pdu[1:3], "big") - 40070 for request in block_requests(place, 20)}
    assert cuts <= {point.offset for point in table.points.values()}
    lengths = [int.from_bytes(request.pdu[3:5], "big") for request in block_requests(place, 20)]
    assert (sum(lengths), max(lengths) <= 20) == (125, True)


async def test_a_closed_driver_times_out(device: Any) -> None:
    driver, link = await device()
    await driver.close()
    await driver.close()
    assert link.closed == 1
    for call in (driver.read, driver.revert, lambda: driver.write(told(1))):
        with pytest.raises(DeviceTimeout, match="not open"):
            await call()
    assert (driver.map, driver.settings.max_w) == (None, None)


def test_a_form_writes_its_enable_last_and_rounds_as_told(block: Any) -> None:
    controls = block(704, POWER)
    sheet = sheet_for(controls, ("WSetEna", "WSetMod", "WSet", "WSetEnaRvrt", "WSetRvrtTms"), enable="WSetEna")
    form = sheet.fill({"WSetEna": 1, "WSet": -7.4, "WSetPct": 3, "WSetRvrtTms": 9})
    assert [offset for offset, _ in form.writes] == [30, 22]
    assert form.value("WSet") == -7
    assert "WSetPct" not in sheet
    assert "WSet" in sheet
    written = block(704, POWER | {"WSetEna": 1, "WSet": -7, "WSetRvrtTms": 3})
    assert form.differing(written) == []
    assert not form.shown(written)
    assert form.differing(controls) == ["WSetEna", "WSet"]


def test_devices_alike_share_their_forms(block: Any) -> None:
    names = ("WSetEna", "WSet")
    first = sheet_for(block(704, POWER, address=100), names, enable="WSetEna")
    assert first is sheet_for(block(704, POWER | {"WSet": 9}, address=200), names, enable="WSetEna")
    assert first is not sheet_for(block(704, POWER | {"WSet_SF": 1}), names, enable="WSetEna")


def test_point_values_are_a_mapping(block: Any) -> None:
    sheet = sheet_for(block(704, POWER), ("WSetEna", "WSet"), enable="WSetEna")
    values = PointValues([sheet.fill({"WSetEna": 1, "WSet": 5})])
    assert dict(values) == {"704.WSetEna": 1, "704.WSet": 5}
    assert len(values) == 2
    assert "5" in repr(values)
    with pytest.raises(KeyError):
        values["704.Nothing"]


def test_functions_that_a_device_lacks_are_not_found(block: Any) -> None:
    ratings = Ratings(max_w=10)
    empty = {m: block(m, {}) for m in (703, 704, 123, 124)}
    assert Power704.find(empty, ratings) is None
    assert Power704.find({704: block(704, {"WSetEna": 0})}, ratings) is None
    assert Var704.find(empty, ratings) is None
    assert PowerFactor704.find(empty, "PFWAbs") is None
    assert Connect123.find(empty) is None


def test_a_power_factor_and_its_excitation(block: Any) -> None:
    points = {"PFWAbsEna": 0, "PFWAbsRvrtTms": 0, "PFWAbs.PF": 0, "PFWAbs.Ext": 0, "PF_SF": -2}
    function = PowerFactor704.find({704: block(704, points)}, "PFWAbs")
    assert function is not None
    effect = function.set(-0.9, revert_s=30, ramp_s=None)
    assert (effect.form.value("PFWAbs.PF"), effect.form.value("PFWAbs.Ext"), effect.revert_s) == (0.9, 1, 30)
    assert effect.value == -0.9
    assert function.release().value is None


def test_disconnecting_has_a_timer_and_connecting_has_none(block: Any) -> None:
    function = Connect123.find({123: block(123, {"Conn": 1, "Conn_RvrtTms": 0})})
    assert function is not None
    assert function.set(0, revert_s=30, ramp_s=None).revert_s == 30
    assert function.set(1, revert_s=30, ramp_s=None).revert_s is None
    assert function.release().value == 1
