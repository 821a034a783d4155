"""Curves and droop on a device that is not ours: its registers are laid out and read by pysunspec2, served by pymodbus.

The device adopts as SunSpec has it: AdptCrvReq copies a stored curve into the first, read-only one; AdptCrvRslt tells.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.file.client import FileClientModel
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from gridiface.app.clock import SystemClock
from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.domain.curves import CurveKind
from gridiface.domain.fleet import Capability
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.pki.folder import TestPki, write_credential
from gridiface_southbound.sunspec.driver import SunSpecDriver

BASE = 40000
COMMON = {"ID": 1, "Mn": "foreign", "Md": "curves", "Vr": "1", "SN": "77", "DA": 1, "Opt": ""}
HEAD = {"AdptCrvReq": 0, "AdptCrvRslt": 1}
REVERT = {"RvrtTms": 0, "RvrtRem": 0, "RvrtCrv": 0}
SETS = 3


def _crv(points: list[dict[str, float]], most: int, number: int, **more: Any) -> dict[str, Any]:
    idle = dict.fromkeys(points[0], 0)
    return {
        "ActPt": len(points),
        **more,
        "ReadOnly": int(number == 0),
        "Pt": points + [dict(idle) for _ in range(most - len(points))],
    }


def device_706(most: int, sets: int = SETS) -> dict[str, Any]:
    points = [{"V": 1060, "W": 1000}, {"V": 1100, "W": 0}]
    curves = [_crv(points, most, number, DeptRef=0, RspTms=100) for number in range(sets)]
    scales = {"V_SF": -1, "DeptRef_SF": -1, "RspTms_SF": -1}
    return {"ID": 706, "Ena": 1, **HEAD, "NPt": most, "NCrv": sets, **REVERT, **scales, "Crv": curves}


def device_705(most: int = 6, sets: int = SETS) -> dict[str, Any]:
    points = [{"V": 9200, "Var": 4400}, {"V": 9800, "Var": 0}, {"V": 10200, "Var": 0}, {"V": 10800, "Var": -4400}]
    extra = {"DeptRef": 1, "Pri": 1, "VRef": 10000, "VRefAuto": 0, "VRefAutoEna": 0, "VRefAutoTms": 300, "RspTms": 50}
    curves = [_crv(points, most, number, **extra) for number in range(sets)]
    scales = {"V_SF": -2, "DeptRef_SF": -2, "RspTms_SF": -1}
    return {"ID": 705, "Ena": 0, **HEAD, "NPt": most, "NCrv": sets, **REVERT, **scales, "Crv": curves}


def device_712() -> dict[str, Any]:
    points = [{"W": 500, "Var": 0}, {"W": 1000, "Var": -440}]
    curves = [_crv(points, 6, number, DeptRef=1, Pri=1) for number in range(2)]
    return {"ID": 712, "Ena": 0, **HEAD, "NPt": 6, "NCrv": 2, **REVERT, "W_SF": -1, "DeptRef_SF": -1, "Crv": curves}


def device_trip(model_id: int, unit: str, value: int) -> dict[str, Any]:
    def part(active: int) -> dict[str, Any]:
        return {"ActPt": active, "Pt": [{unit: value, "Tms": 16 * (at + 1)} for at in range(4)]}

    curves = [
        {"ReadOnly": int(number == 0), "MustTrip": part(2), "MayTrip": part(1), "MomCess": part(1)}
        for number in range(2)
    ]
    return {"ID": model_id, "Ena": 1, **HEAD, "NPt": 4, "NCrvSet": 2, f"{unit}_SF": -2, "Tms_SF": -2, "Crv": curves}


def device_711() -> dict[str, Any]:
    held = {"DbOf": 36, "DbUf": 36, "KOf": 50, "KUf": 50, "RspTms": 50, "PMin": 0}
    return {
        **{"ID": 711, "Ena": 1, "AdptCtlReq": 0, "AdptCtlRslt": 1, "NCtl": 2},
        **{"RvrtTms": 0, "RvrtRem": 0, "RvrtCtl": 0, "Db_SF": -3, "K_SF": -3, "RspTms_SF": -1},
        "Ctl": [{**held, "ReadOnly": 1}, {**held, "ReadOnly": 0}],
    }


ALL = [
    *(device_705(), device_706(4), device_trip(707, "V", 5000), device_trip(708, "V", 12000)),
    *(device_trip(709, "Hz", 5650), device_trip(710, "Hz", 6200), device_711(), device_712()),
]


class ForeignDevice:
    """The registers of a device; `adopts`: after so many looks at AdptCrvRslt, None: it says that it failed."""

    def __init__(self, models: list[dict[str, Any]], tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        data, self.at, self.models = b"SunS", {}, {}
        for one in (COMMON, *models):
            model = FileClientModel(model_id=one["ID"], data=one)
            self.at[model.model_id], self.models[model.model_id] = BASE + len(data) // 2, model
            data += model.get_mb()
        data += b"\xff\xff\0\0"
        self.words = [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]
        self.adopts: int | None = 1
        self.pending: dict[int, int] = {}
        self.writes: list[tuple[int, list[int]]] = []
        self.single = False
        self.port = 0

    def register(self, model_id: int, name: str) -> int:
        """The register of a point of the head."""
        return self.at[model_id] + int(self.models[model_id].points[name].offset)

    def _span(self, model_id: int, number: int) -> range:
        groups = self.models[model_id].groups["Ctl" if model_id == 711 else "Crv"]
        first = self.at[model_id] + int(groups[number].offset)
        return range(first, first + int(groups[number].len))

    async def act(self, function: int, start: int, address: int, count: int, registers: list[int], values: Any) -> Any:
        if values is None:
            self._look(range(address, address + count), registers, start)
            return None
        if function == 16 and self.single:
            return ExcCodes.ILLEGAL_FUNCTION
        self.writes.append((address, list(values)))
        for model_id in self.models:
            name = "AdptCtlReq" if model_id == 711 else "AdptCrvReq"
            if model_id > 1 and address <= self.register(model_id, name) < address + count:
                self.pending[model_id] = values[self.register(model_id, name) - address]
                registers[self.register(model_id, name) + 1 - start] = 0
        return None

    def _look(self, read: range, registers: list[int], start: int) -> None:
        for model_id, slot in list(self.pending.items()):
            result = self.register(model_id, "AdptCtlReq" if model_id == 711 else "AdptCrvReq") + 1
            if result not in read:
                continue
            if self.adopts is None:
                del self.pending[model_id]
                registers[result - start] = 2
            elif self.adopts > 1:
                self.adopts -= 1
            else:
                del self.pending[model_id]
                registers[result - start] = 1
                source, target = self._span(model_id, slot - 1), self._span(model_id, 0)
                registers[target.start - start : target.stop - start] = registers[
                    source.start - start : source.stop - start
                ]
                registers[self._read_only(model_id) - start] = 1

    def _read_only(self, model_id: int) -> int:
        groups = self.models[model_id].groups["Ctl" if model_id == 711 else "Crv"]
        return self.at[model_id] + int(groups[0].points["ReadOnly"].offset)

    async def __aenter__(self) -> ForeignDevice:
        data = SimData(BASE, values=self.words, datatype=DataType.REGISTERS)
        device, address = SimDevice(1, simdata=[data], action=self.act), ("127.0.0.1", 0)
        tls = {"sslctx": self._tls, "framer": FramerType.TLS}
        plain = self._tls is None
        self.server = (
            ModbusTcpServer(device, address=address) if plain else ModbusTlsServer(device, address=address, **tls)
        )
        await self.server.serve_forever(background=True)
        self.port = self.server.transport.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.shutdown()

    async def seen(self) -> Any:
        """The device as pysunspec2 sees it."""

        def look() -> Any:
            device = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=self.port, timeout=5)
            device.scan()
            device.close()
            return device

        return await asyncio.to_thread(look)

    async def curve(self, model_id: int, number: int = 0, group: str = "") -> Any:
        """Points, as pysunspec2 reads them, of a stored curve; and the group itself."""
        stored = (await self.seen()).models[model_id][0].groups["Crv"][number]
        part = stored.groups[group] if group else stored
        points = [tuple(p.cvalue for p in point.points.values()) for point in part.groups["Pt"]]
        return points[: part.points["ActPt"].value], part


Opened = Callable[..., contextlib.AbstractAsyncContextManager[tuple[ForeignDevice, SunSpecDriver]]]


@pytest.fixture
def opened() -> Opened:
    """`async with opened([models], **driver_keys) as (device, driver)`."""

    @contextlib.asynccontextmanager
    async def run(models: list[dict[str, Any]], **keys: Any) -> AsyncIterator[tuple[ForeignDevice, SunSpecDriver]]:
        async with ForeignDevice(models) as device:
            config = SunSpecDriver.Config(
                **({"host": "127.0.0.1", "port": device.port, "rating_w": 10_000, "adopt_timeout_s": 0.5} | keys)
            )
            driver = SunSpecDriver.create("foreign", config, clock=SystemClock())
            try:
                await driver.open()
                yield device, driver
            finally:
                await driver.close()

    return run


def record(kind: CurveKind, points: list[tuple[float, float]], base: int = 0, **more: Any) -> dict[str, Any]:
    data = [{"xvalue": round(100 * x), "yvalue": round(100 * y)} for x, y in points]
    head = {"creationTime": 1, "curveType": kind.number, "xMultiplier": -2, "yMultiplier": -2, "yRefType": base}
    return {kind.mode: {**head, "curveData": data, **more}}


def told(*records: dict[str, Any], droop: dict[str, int] | None = None, **more: Any) -> Setpoint:
    payload = {name: one for found in records for name, one in found.items()}
    passed = {ControlMode.CURVE: ModeValue(float(len(payload)), payload=payload)} if payload else {}
    if droop is not None:
        passed[ControlMode.FREQUENCY_DROOP] = ModeValue(1.0, payload=droop)
    return Setpoint(device_id="foreign", issued=time.time(), passed=passed, **more)


VOLT_VAR = record(CurveKind.VOLT_VAR, [(93.0, 30.0), (97.0, 0.0), (103.0, 0.0), (107.0, -30.0)], 2, openLoopTms=800)
FLAT = record(CurveKind.VOLT_VAR, [(90.0, 0.0), (110.0, 0.0)], 2)
VOLT_WATT = record(CurveKind.VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)], 1)
DROOP = {"dBOF": 50, "dBUF": 60, "kOF": 30, "kUF": 40, "openLoopTms": 250}

CASES = [
    (705, "", VOLT_VAR, [(93.0, 30.0), (97.0, 0.0), (103.0, 0.0), (107.0, -30.0)]),
    (706, "", VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)]),
    (712, "", record(CurveKind.WATT_VAR, [(20.0, 0.0), (60.0, 10.0), (100.0, -20.0)], 2),
     [(20.0, 0.0), (60.0, 10.0), (100.0, -20.0)]),
    (707, "MustTrip", record(CurveKind.LVRT_MUST_TRIP, [(0.16, 45.0), (2.0, 70.0)], 4), [(45.0, 0.16), (70.0, 2.0)]),
    (707, "MayTrip", record(CurveKind.LVRT_MAY_TRIP, [(1.0, 50.0)], 4), [(50.0, 1.0)]),
    (707, "MomCess", record(CurveKind.LVRT_MOMENTARY_CESSATION, [(1.0, 30.0)], 4), [(30.0, 1.0)]),
    (708, "MustTrip", record(CurveKind.HVRT_MUST_TRIP, [(0.16, 120.0), (13.0, 110.0)], 4),
     [(120.0, 0.16), (110.0, 13.0)]),
    (709, "MustTrip", record(CurveKind.LFRT_MUST_TRIP, [(0.16, 56.5), (300.0, 58.5)]), [(56.5, 0.16), (58.5, 300.0)]),
    (710, "MayTrip", record(CurveKind.HFRT_MAY_TRIP, [(10.0, 61.5)]), [(61.5, 10.0)]),
]  # fmt: skip


@pytest.mark.parametrize(("model_id", "group", "asked", "points"), CASES)
async def test_a_curve_is_in_force(model_id: int, group: str, asked: Any, points: Any, opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        ack = await driver.write(told(asked))
        assert ack.verified
        assert not ack.skipped
        shown, _ = await device.curve(model_id, 0, group)
        assert shown == points
        assert (await device.seen()).models[model_id][0].Ena.value == 1


async def test_every_function_is_found(opened: Opened) -> None:
    async with opened(ALL) as (_, driver):
        plate = await driver.open()
        assert plate.capabilities >= {
            Capability.VOLT_VAR,
            Capability.VOLT_WATT,
            Capability.WATT_VAR,
            Capability.LOW_VOLTAGE_TRIP,
            Capability.HIGH_VOLTAGE_TRIP,
            Capability.LOW_FREQUENCY_TRIP,
            Capability.HIGH_FREQUENCY_TRIP,
            Capability.FREQUENCY_DROOP,
        }
        assert not plate.capabilities & {Capability.FREQ_WATT, Capability.CURVES}


async def test_what_stands_beside_the_points(opened: Opened) -> None:
    asked = {name: one | {"vRef": 10100, "autonomousVRefEnable": True} for name, one in VOLT_VAR.items()}
    async with opened(ALL) as (device, driver):
        await driver.write(told(asked))
        _, curve = await device.curve(705)
        held = {name: point.cvalue for name, point in curve.points.items()}
        assert held["DeptRef"] == 1
        assert (held["RspTms"], held["VRef"], held["VRefAutoEna"], held["VRefAutoTms"]) == (8.0, 101.0, 1, 300)
        # The utility said nothing of it: as it was.
        assert held["Pri"] == 1


async def test_one_curve_of_a_trip_set_leaves_the_others(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        before = {group: (await device.curve(707, 0, group))[0] for group in ("MayTrip", "MomCess")}
        await driver.write(told(record(CurveKind.LVRT_MUST_TRIP, [(0.5, 40.0), (1.0, 45.0), (5.0, 60.0)], 4)))
        assert {group: (await device.curve(707, 0, group))[0] for group in before} == before


async def test_droop(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        await driver.write(told(droop=DROOP))
        held = (await device.seen()).models[711][0].groups["Ctl"][0]
        values = {name: point.cvalue for name, point in held.points.items()}
        assert values == pytest.approx(
            {"DbOf": 0.05, "DbUf": 0.06, "KOf": 0.03, "KUf": 0.04, "RspTms": 2.5, "PMin": 0, "ReadOnly": 1}
        )


async def test_it_ends_and_everything_is_as_it_was(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        before = {model_id: (await device.curve(model_id))[0] for model_id in (705, 706)}
        await driver.write(told(VOLT_VAR, VOLT_WATT, droop=DROOP))
        await driver.revert()
        seen = await device.seen()
        assert {model_id: (await device.curve(model_id))[0] for model_id in before} == before
        assert seen.models[705][0].Ena.value == 0
        assert seen.models[706][0].Ena.value == 1
        assert seen.models[711][0].groups["Ctl"][0].DbOf.cvalue == pytest.approx(0.036)


async def test_of_two_curves_one_ends(opened: Opened) -> None:
    """What is handed on is all that stands: a curve that is no longer among it is over."""
    async with opened(ALL) as (device, driver):
        before = (await device.curve(706))[0]
        await driver.write(told(VOLT_VAR, VOLT_WATT))
        await driver.write(told(VOLT_VAR))
        assert (await device.curve(706))[0] == before
        assert len((await device.curve(705))[0]) == 4
        await driver.write(told(let_go=frozenset({ControlMode.CURVE})))
        assert (await device.seen()).models[705][0].Ena.value == 0


async def test_what_was_there_is_known_after_a_restart(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        kept: list[bytes] = []

        async def keep(body: bytes) -> None:
            kept.append(body)

        driver.recall(b"", keep)
        before = (await device.curve(705))[0]
        await driver.write(told(FLAT))
        await driver.close()
        config = SunSpecDriver.Config(host="127.0.0.1", port=device.port, rating_w=1)
        later = SunSpecDriver.create("foreign", config, clock=SystemClock())
        later.recall(kept[-1], keep)
        await later.open()
        await later.write(told(release=True, let_go=frozenset({ControlMode.CURVE})))
        assert (await device.curve(705))[0] == before
        assert (await device.seen()).models[705][0].Ena.value == 0
        assert kept[-1] == b""
        await later.close()


async def test_it_waits_until_the_device_has_adopted_it(opened: Opened) -> None:
    async with opened(ALL, adopt_timeout_s=5) as (device, driver):
        device.adopts = 4
        await driver.write(told(FLAT))
        assert device.adopts == 1
        assert len((await device.curve(705))[0]) == 2


async def test_a_device_that_never_gets_ready_is_busy(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.adopts = 1_000_000
        with pytest.raises(DeviceBusy, match="not adopted after"):
            await driver.write(told(FLAT))
        assert (await device.seen()).models[705][0].Ena.value == 0
        device.adopts = 1
        await driver.write(told(FLAT))


async def test_a_device_that_fails_is_refused_and_asked_again_later(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.adopts = None
        with pytest.raises(DeviceRejected, match="did not adopt stored curve"):
            await driver.write(told(FLAT))
        assert (await device.seen()).models[705][0].Ena.value == 0
        device.adopts = 3  # it still says that it failed until it is through
        await driver.write(told(FLAT))
        assert len((await device.curve(705))[0]) == 2


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (record(CurveKind.VOLT_WATT, [(100.0 + at, 50.0) for at in range(5)], 1), "5 points, the device takes 4"),
        (record(CurveKind.VOLT_WATT, [(105.0, 100.0), (110.0, 20.0)], 3), "no y axis of reference type 3"),
        (record(CurveKind.VOLT_VAR, [(93.0, 30.0), (700.0, 0.0)], 2), "does not fit its register"),
        (record(CurveKind.FREQ_WATT, [(60.0, 100.0), (61.0, 0.0)], 1), "opModFreqWatt: the device has no model"),
        ({"opModVoltVar": {"curveType": 12, "curveData": []}}, "curveType 12"),
        ({"opModVoltVar": {"curveData": [{"xvalue": "1"}]}}, "xvalue is no number"),
    ],
)
async def test_what_the_device_cannot_hold_is_refused(asked: Any, reason: str, opened: Opened) -> None:
    async with opened([device_705(), device_706(4)]) as (device, driver):
        with pytest.raises(DeviceRejected, match=reason):
            await driver.write(told(asked))
        assert device.writes == []


async def test_beside_what_it_can_do_it_is_told_what_it_could_not(opened: Opened) -> None:
    """A curve that fits and two that do not: written is the one, and of the others nothing was done."""
    long = record(CurveKind.VOLT_WATT, [(100.0 + at, 50.0) for at in range(5)], 1)
    other = record(CurveKind.FREQ_WATT, [(60.0, 100.0), (61.0, 0.0)], 1)
    async with opened([device_705(), device_706(4)]) as (device, driver):
        ack = await driver.write(told(FLAT, long, other, droop=DROOP))
        assert ack.undone == {"curve:opModVoltWatt", "curve:opModFreqWatt", "frequency_droop"}
        assert len(ack.skipped) == 3
        assert len((await device.curve(705))[0]) == 2


async def test_nothing_to_write_to(opened: Opened) -> None:
    model = device_705(sets=2)
    model["Crv"][1]["ReadOnly"] = 1
    async with opened([model]) as (device, driver):
        with pytest.raises(DeviceRejected, match="lets no stored curve be written"):
            await driver.write(told(FLAT))
        assert device.writes == []


async def test_the_only_curve_is_no_function(opened: Opened) -> None:
    async with opened([device_705(sets=1)]) as (_, driver):
        assert Capability.VOLT_VAR not in (await driver.open()).capabilities


async def test_the_timer_goes_back_to_what_was_there(opened: Opened) -> None:
    """706 was enabled: its curve is stored where RvrtCrv points. 705 was not: nothing to go back to, no timer."""
    async with opened(ALL, revert_s=90) as (device, driver):
        before = (await device.curve(706))[0]
        ack = await driver.write(told(VOLT_WATT))
        head = (await device.seen()).models[706][0]
        assert (head.RvrtTms.value, ack.revert_s) == (90, 90.0)
        assert (await device.curve(706, head.RvrtCrv.value - 1))[0] == before
        assert (await driver.write(told(VOLT_WATT, VOLT_VAR))).revert_s == 90.0
        assert (await device.seen()).models[705][0].RvrtTms.value == 0


async def test_told_again_it_is_not_written_again(opened: Opened) -> None:
    async with opened(ALL, revert_s=None) as (device, driver):
        await driver.write(told(VOLT_VAR))
        device.writes.clear()
        ack = await driver.write(told(VOLT_VAR))
        assert [address for address, _ in device.writes] == [
            device.register(705, "RvrtTms"),
            device.register(705, "Ena"),
        ]
        assert ack.read_back["705.Ena"] == 1.0


async def test_registers_one_by_one(opened: Opened) -> None:
    async with opened(ALL) as (device, driver):
        device.single = True
        await driver.write(told(VOLT_VAR))
        assert {len(values) for _, values in device.writes} == {1}
        assert len((await device.curve(705))[0]) == 4


async def test_over_tls_both_sides_show_a_certificate(tmp_path: Path) -> None:
    """Modbus/TCP Security: the MBAP message inside TLS; the device asks for a certificate, too (R-44)."""
    now = time.time()
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    write_credential(tmp_path, "client", pki.issue("utility", "c", now=now))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "serca.pem")
    async with ForeignDevice([device_705()], context) as device:
        where = {
            "host": "127.0.0.1",
            "port": device.port,
            "tls": True,
            "ca_file": tmp_path / "serca.pem",
            "rating_w": 1,
        }
        mine = {"cert_file": tmp_path / "client.pem", "key_file": tmp_path / "client.key"}
        driver = SunSpecDriver.create("foreign", SunSpecDriver.Config(**where, **mine), clock=SystemClock())
        assert Capability.VOLT_VAR in (await driver.open()).capabilities
        await driver.write(told(FLAT))
        await driver.close()
        nobody = SunSpecDriver.create("foreign", SunSpecDriver.Config(**where), clock=SystemClock())
        with pytest.raises(DeviceTimeout):
            await nobody.open()
        await nobody.close()
        await asyncio.sleep(0.05)
