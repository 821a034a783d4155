"""How the engine decides, for people: who is quarantined and why not any more, by which strategy a total is split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Protocol

from pydantic import Field
from typing_extensions import TypedDict

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.errors import ConfigError
from gridiface.operator.api.routing import Area, Call, get, post, put, unknown
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.records.audit import Entry
from gridiface.operator.schema import NoBody, NoQuery, Reason


class EnginePort(Protocol):
    """The engine as this area uses it; app/desks/engine_desk.py has it. What is changed is durable on return."""

    def quarantined(self) -> Sequence[str]:
        """The devices in quarantine, by id."""
        ...

    def strategies(self) -> Sequence[str]:
        """All strategies that can be chosen."""
        ...

    def chosen(self) -> Mapping[str, tuple[str, bool]]:
        """Group -> (its strategy, whether it was chosen while running)."""
        ...

    async def quarantine(self, device_id: str, now: Instant, *, reason: str, along: Sequence[Change]) -> bool:
        """Leave a device out; False where it is left out already."""
        ...

    async def release(self, device_id: str, now: Instant, *, reason: str, along: Sequence[Change]) -> bool:
        """Believe a device again, its state of charge too; False where neither is in question."""
        ...

    async def choose(self, group_id: str, name: str | None, now: Instant, *, along: Sequence[Change]) -> None:
        """Another strategy; raises ConfigError where nobody offers it."""
        ...


class QuarantineList(TypedDict):
    """The devices that are left out because their telemetry is not believed."""

    devices: list[str]


class StrategyRow(TypedDict):
    """How one group's total is split; `chosen`: while running, not by the configuration."""

    group: str
    strategy: str
    chosen: bool


class StrategyList(TypedDict):
    """Every group's strategy, and which ones there are."""

    groups: list[StrategyRow]
    known: list[str]


class Choice(Reason):
    """Which strategy."""

    strategy: str | None = Field(max_length=128, description="its name; null: as configured")


class EngineArea(Area):
    """How the engine decides."""

    name: ClassVar[str] = "engine"
    title: ClassVar[str] = "Engine"
    screens: ClassVar[str] = "gridiface.operator.screens.engine:EngineScreen"

    def __init__(self, desk: Desk, port: EnginePort) -> None:
        self._desk, self._port = desk, port

    @get("/engine/quarantine", "Devices whose telemetry is not believed")
    async def list_quarantine(self, call: Call[NoQuery, NoBody]) -> QuarantineList:
        """By id; the decision log says why."""
        return {"devices": list(self._port.quarantined())}

    @post("/devices/{id}/quarantine", "Leave a device out as not to be believed", scope="control", problems=(404,))
    async def quarantine_device(self, call: Call[NoQuery, Reason]) -> QuarantineList:
        """One that is quarantined already stays so."""
        device, reason = self._device(call.id), call.body.reason or "by the operator"
        entry = Entry(at=call.now, who=call.caller.name, what="device.quarantine", subject=device, reason=reason)
        if await self._port.quarantine(device, call.now, reason=reason, along=[entry.change()]):
            entry.log()
        return {"devices": list(self._port.quarantined())}

    @post(
        "/devices/{id}/release",
        "Believe a device again: its quarantine, or the doubt about its state of charge, ends",
        scope="control",
        problems=(404,),
    )
    async def release_device(self, call: Call[NoQuery, Reason]) -> QuarantineList:
        """One that is believed stays as it is."""
        device, reason = self._device(call.id), call.body.reason or "by the operator"
        entry = Entry(at=call.now, who=call.caller.name, what="device.release", subject=device, reason=reason)
        if await self._port.release(device, call.now, reason=reason, along=[entry.change()]):
            entry.log()
        return {"devices": list(self._port.quarantined())}

    @get("/engine/strategies", "How each group's total is split, and how it could be", tagged=True)
    async def list_strategies(self, call: Call[NoQuery, NoBody]) -> StrategyList:
        """All groups."""
        return self._strategies()

    @put(
        "/groups/{id}/strategy",
        "Split a group's total by another strategy from the next step on, also after a restart",
        scope="configure",
        problems=(404, 422),
        match="list_strategies",
    )
    async def choose_strategy(self, call: Call[NoQuery, Choice]) -> StrategyList:
        """Nothing is let go: the next step splits the same total anew."""
        before = self._port.chosen().get(call.id)
        if before is None:
            raise unknown("group", call.id, "GET /api/v1/groups lists them")
        entry = Entry(
            at=call.now,
            who=call.caller.name,
            what="group.strategy",
            subject=call.id,
            before=before[0],
            after=call.body.strategy,
            reason=call.body.reason,
        )
        try:
            await self._port.choose(call.id, call.body.strategy, call.now, along=[entry.change()])
        except ConfigError as problem:
            raise Refused(422, str(problem), "GET /api/v1/engine/strategies lists them") from problem
        entry.log()
        return self._strategies()

    def _strategies(self) -> StrategyList:
        rows: list[StrategyRow] = [
            {"group": group, "strategy": name, "chosen": chosen}
            for group, (name, chosen) in sorted(self._port.chosen().items())
        ]
        return {"groups": rows, "known": list(self._port.strategies())}

    def _device(self, device_id: str) -> str:
        if self._desk.status.fleet.device(device_id) is None:
            raise unknown("device", device_id, "GET /api/v1/devices lists them")
        return device_id
