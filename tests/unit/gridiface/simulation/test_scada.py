"""The demo's control room with masters that answer from a script."""

from __future__ import annotations

from typing import Any

from gridiface.app.config.dnp3 import Dnp3
from gridiface.simulation.scada import OUTSTATION, ControlRoom


class Master:
    """Takes lines, answers as a child of gridiface.simulation.dnp3 does."""

    def __init__(self, *, may: bool) -> None:
        self.may, self.lines, self.agc, self.told = may, list[Any](), True, False

    async def send(self, line: Any) -> None:
        self.lines.append(line)

    async def receive(self) -> dict[str, Any]:
        line = self.lines[-1]
        if "points" in line:
            return {"points": [{"type": "analog input", "index": 10, "value": 70.0}]}
        if "events" in line:
            values = {0: 0.04, 10: 69.9}
            came = [{"type": "analog input", "index": at, "value": value} for at, value in values.items()]
            return {"events": came if self.told else []}
        return {"status": self._status(line["operate"])}

    def _status(self, asked: dict[str, Any]) -> str:
        if not self.may:
            return "NOT_AUTHORIZED"
        if asked.get("analog") == 3 and asked["value"] < 0:
            return "OUT_OF_RANGE"
        if asked.get("binary") == 0:
            self.agc = asked["code"] == 3
        if asked.get("binary") == 2 and not self.agc:
            return "BLOCKED"
        self.told = True
        return "SUCCESS"


async def test_what_is_asked_and_what_is_told() -> None:
    room = ControlRoom(0)
    first, second = Master(may=True), Master(may=False)
    room._masters = {1: first, 2: second}  # type: ignore[dict-item]  # a child's two verbs are all that is used
    await room.against_the_utility(40_000.0)
    await room.refusals()
    told = await room.set_power(40_000.0, 5.0)
    assert told == {
        "set_point_W": 40_000.0, "told_W": 40_000.0, "soc_before_pct": 70.0, "soc_told_pct": 69.9, "events": 2,
    }  # fmt: skip
    assert room.statuses == {
        "while the utility rules": "SUCCESS",
        "a limit below zero": "OUT_OF_RANGE",
        "from a master that only watches": "NOT_AUTHORIZED",
        "a pulse while AGC is off": "BLOCKED",
        "set-point": "SUCCESS",
    }
    assert first.agc


def test_its_outstation_is_a_configuration() -> None:
    assert Dnp3.model_validate(OUTSTATION).outstations[0].masters[1].may_control is False
