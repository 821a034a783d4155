"""A control room of the demo's world: DNP3 masters that set the fleet's power and watch what follows.

Each master is a process of its own (`python -m gridiface.simulation.dnp3`). Owns the outstation's configuration and
what is asked; when it is asked is the caller's story.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any

from gridiface.simulation.children import Child

#: The outstation of the demo: what an ISO polls, and two masters of which one only watches.
OUTSTATION: dict[str, Any] = {
    "outstations": [
        {
            "name": "gateway",
            "address": 10,
            "group": "fleet",
            "profile": "iso-gateway",
            # kilowatts are much for this fleet: changes of 0.1 kW and of 0.01 % are told
            "points": [
                {"name": "net power", "type": "analog input", "index": 0, "measure": "w", "unit": "MW", "scale": 1e6,
                 "event_class": 1, "deadband": 1e-4},
                {"name": "state of charge", "type": "analog input", "index": 10, "measure": "soc", "unit": "%",
                 "scale": 0.01, "event_class": 2, "deadband": 0.005},
            ],
            "masters": [
                {"name": "control-room", "address": 1, "unsolicited": {}},
                {"name": "watcher", "address": 2, "may_control": False},
            ],
        }
    ],
    "endpoints": [{"listen": "127.0.0.1:0"}],
    "refresh_s": 0.5,
}  # fmt: skip

_SET_POINT, _EXPORT_LIMIT, _HOLD_TIME = 0, 3, 7
_AGC, _RAISE, _RELEASE = 0, 2, 4
_NET_POWER, _SOC = ("analog input", 0), ("analog input", 10)
_ON, _OFF, _PULSE = 3, 4, 1


class ControlRoom:
    """Two masters. Use as an async context manager.

    Args:
        port: of the outstation, on loopback.
    """

    def __init__(self, port: int) -> None:
        self.statuses: dict[str, str] = {}
        self._port = port
        self._stack = AsyncExitStack()
        self._masters: dict[int, Child] = {}

    async def __aenter__(self) -> ControlRoom:
        for address in (1, 2):
            config = {
                "host": "127.0.0.1",
                "port": self._port,
                "address": address,
                "outstation": 10,
                "unsolicited": [1, 2, 3] if address == 1 else [],
            }
            master = Child(f"dnp3-master-{address}", ["-m", "gridiface.simulation.dnp3"], config)
            self._masters[address] = await self._stack.enter_async_context(master)
            await master.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def against_the_utility(self, watts: float) -> None:
        """A set-point for a second, within the time in which the utility's control of higher authority rules."""
        await self._analog(_HOLD_TIME, 1.0)
        self.statuses["while the utility rules"] = await self._analog(_SET_POINT, watts / 1e6)
        await self._analog(_HOLD_TIME, 0.0)

    async def refusals(self) -> None:
        """Commands that are refused, each for its reason."""
        self.statuses["a limit below zero"] = await self._analog(_EXPORT_LIMIT, -1.0)
        self.statuses["from a master that only watches"] = await self._analog(_SET_POINT, 0.0, master=2)
        await self._relay(_AGC, _OFF)
        self.statuses["a pulse while AGC is off"] = await self._relay(_RAISE, _PULSE)
        await self._relay(_AGC, _ON)

    async def set_power(self, watts: float, patience_s: float) -> dict[str, Any]:
        """An analog output, then the megawatts and the state of charge that come unasked.

        Returns:
            the set-point and the last power told (W), the state of charge before and after (%), how many events came.
        """
        before = await self._value(_SOC)
        await self._ask({"events": True})
        self.statuses["set-point"] = await self._analog(_SET_POINT, watts / 1e6, select=True)
        told: dict[tuple[str, int], float] = {}
        count, deadline = 0, time.monotonic() + patience_s
        while time.monotonic() < deadline:
            for event in (await self._ask({"events": True}))["events"]:
                told[event["type"], event["index"]] = event["value"]
                count += 1
            power = told.get(_NET_POWER)
            if power is not None and abs(1e6 * power - watts) <= 0.02 * abs(watts) and _SOC in told:
                break
            await _pause()
        await self._relay(_RELEASE, _ON)
        power = told.get(_NET_POWER)
        return {
            "set_point_W": watts,
            "told_W": None if power is None else 1e6 * power,
            "soc_before_pct": before,
            "soc_told_pct": told.get(_SOC),
            "events": count,
        }

    async def _value(self, point: tuple[str, int]) -> float | None:
        points = (await self._ask({"points": True}))["points"]
        return next((float(one["value"]) for one in points if (one["type"], one["index"]) == point), None)

    async def _analog(self, index: int, value: float, *, select: bool = False, master: int = 1) -> str:
        return await self._status({"analog": index, "value": value, "select": select}, master)

    async def _relay(self, index: int, code: int) -> str:
        return await self._status({"binary": index, "code": code}, 1)

    async def _status(self, operate: dict[str, Any], master: int) -> str:
        answer = await self._ask({"operate": operate}, master)
        return str(answer.get("status") or answer.get("error"))

    async def _ask(self, line: dict[str, Any], master: int = 1) -> dict[str, Any]:
        child = self._masters[master]
        await child.send(line)
        return await child.receive()


async def _pause() -> None:
    await asyncio.sleep(0.2)
