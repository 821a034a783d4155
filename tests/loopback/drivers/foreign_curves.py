"""A SunSpec device with curves that is not ours: its registers are laid out and read by pysunspec2, served by pymodbus.

It adopts as SunSpec has it: AdptCrvReq copies a stored curve into the first, read-only one; AdptCrvRslt tells. With the
older models 126, 132 and 134 ActCrv chooses a stored curve.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.framer import FramerType
from pymodbus.server import ModbusTcpServer, ModbusTlsServer
from pymodbus.simulator import DataType, SimData, SimDevice
from sunspec2.file.client import FileClientModel
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.domain.curves import CurveKind
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
            adopts = name in self.models[model_id].points
            if adopts and address <= self.register(model_id, name) < address + count:
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


#: Names of a point's x and y; of a limit over time x is the time.
OLDER = {
    **{126: ("V", "VAr"), 132: ("V", "W"), 134: ("Hz", "W")},
    **dict.fromkeys((129, 130, 137, 138, 139, 140), ("Tms", "V")),
    **dict.fromkeys((135, 136, 141, 142, 143, 144), ("Tms", "Hz")),
}


def device_older(
    model_id: int, points: list[tuple[int, int]], *, most: int = 6, sets: int = SETS, **more: Any
) -> dict[str, Any]:
    """126, 129 to 144: stored curve 1 is the maker's and read-only, nothing chosen unless `more` says so."""
    x, y = OLDER[model_id]
    scales = {"Hz_SF": -2, "W_SF": -1} if model_id == 134 else {"V_SF": -1, "DeptRef_SF": -1}
    curve = {"ActPt": len(points), "RmpPT1Tms" if model_id == 134 else "RmpPt1Tms" if model_id == 132 else "RmpTms": 5}
    curve |= {"SnptW": 1, "WRef": 0} if model_id == 134 else {"DeptRef": 1}
    if x == "Tms":
        scales, curve = {"Tms_SF": -2, f"{y}_SF": -2}, {"ActPt": len(points)}
        more = {"CrvType": 1} | more if model_id in {139, 140, 143, 144} else more
    for at in range(most):
        here = points[at] if at < len(points) else (0, 0)
        curve |= {f"{x}{at + 1}": here[0], f"{y}{at + 1}": here[1]}
    head = {"ActCrv": 0, "ModEna": 0, "WinTms": 300, "RvrtTms": 0, "RmpTms": 0, "NCrv": sets, "NPt": most}
    stored = [curve | {"CrvNam": f"curve{number}", "ReadOnly": int(number == 0)} for number in range(sets)]
    return {"ID": model_id, **head, **scales, "curve": stored, **more}


class OlderDevice(ForeignDevice):
    """Chooses by ActCrv. It takes no index beyond NCrv, no ActPt beyond NPt, and no change of a curve that acts.

    `chosen`: for each choice the index, WinTms and RvrtTms at that time, and whether its curve may act. Its timer
    counts from a choice: `expire` ends it.
    """

    def __init__(self, models: list[dict[str, Any]], tls: ssl.SSLContext | None = None) -> None:
        super().__init__(models, tls)
        self.chosen: list[tuple[int, int, int, int]] = []
        self.refused: list[tuple[int, list[int]]] = []
        self.over = False

    def stored(self, model_id: int, number: int) -> range:
        """The registers of a stored curve, from 1."""
        group = self.models[model_id].groups["curve"][number - 1]
        first = self.at[model_id] + int(group.offset)
        return range(first, first + int(group.len))

    def expire(self) -> None:
        """The timers run out: no curve is chosen any more, with the next look."""
        self.over = True

    async def act(self, function: int, start: int, address: int, count: int, registers: list[int], values: Any) -> Any:
        def held(model_id: int, name: str) -> int:
            return registers[self.register(model_id, name) - start]

        if values is None:
            for model_id in (OLDER.keys() & self.models.keys()) if self.over else ():
                for name in ("ActCrv", "ModEna"):
                    registers[self.register(model_id, name) - start] = 0
            self.over = False
            return None
        for model_id in OLDER.keys() & self.models.keys():
            told = {self.register(model_id, name): name for name in ("ActCrv", "ModEna", "WinTms", "RvrtTms")}
            mine = {told[at]: values[at - address] for at in told if address <= at < address + count}
            if mine.get("ActCrv", 0) > held(model_id, "NCrv"):
                return self._no(address, values)
            if self._protected(model_id, address, list(values), held):
                return self._no(address, values)
            if "ActCrv" in mine:
                timers = (held(model_id, "WinTms"), held(model_id, "RvrtTms"))
                self.chosen.append((model_id, mine["ActCrv"], *timers))
        self.writes.append((address, list(values)))
        return None

    def _protected(self, model_id: int, address: int, values: list[int], held: Callable[[int, str], int]) -> bool:
        """Whether this would change a curve that acts, the read-only one, or one to more points than there are."""
        for number in range(1, held(model_id, "NCrv") + 1):
            span = self.stored(model_id, number)
            if not any(at in span for at in range(address, address + len(values))):
                continue
            acts = held(model_id, "ModEna") & 1 and held(model_id, "ActCrv") == number
            begins = address <= span.start < address + len(values)
            if number == 1 or acts or (begins and values[span.start - address] > held(model_id, "NPt")):
                return True
        return False

    def _no(self, address: int, values: list[int]) -> ExcCodes:
        self.refused.append((address, list(values)))
        return ExcCodes.ILLEGAL_VALUE

    async def force(self, model_id: int) -> tuple[list[tuple[float, float]], Any, bool]:
        """Points of the curve that is chosen and all of it, as pysunspec2 reads them, and whether it acts."""
        model = (await self.seen()).models[model_id][0]
        curve = model.groups["curve"][model.ActCrv.value - 1]
        x, y = OLDER[model_id]
        points = [
            (curve.points[f"{x}{at}"].cvalue, curve.points[f"{y}{at}"].cvalue) for at in range(1, curve.ActPt.value + 1)
        ]
        return points, curve, bool(model.ModEna.value & 1)
