"""Agendas: worked out between steps, and who gets them."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gridiface.app.dispatching.ahead import Ahead
from gridiface.domain.controls import Agenda


class Engine:
    """Has agendas for some rounds."""

    def __init__(self, *rounds: list[Agenda]) -> None:
        self.rounds = list(rounds)
        self.left: list[str] = []

    @property
    def planning(self) -> bool:
        return bool(self.rounds)

    def plan_ahead(self) -> tuple[Agenda, ...]:
        return tuple(self.rounds.pop(0))

    def unplanned(self, names: Any) -> None:
        self.left += names


class Planner:
    """Takes agendas of devices whose names begin so; gives back what it could not take."""

    def __init__(self, first: str, *refused: str) -> None:
        self.first, self.refused = first, refused
        self.taken: list[str] = []

    def serves(self, device_id: str) -> bool:
        return device_id.startswith(self.first)

    async def apply(self, setpoints: Any, *, deadline: float) -> Any:
        raise AssertionError("agendas are planned, not applied")

    async def plan(self, agendas: Any) -> list[str]:
        self.taken += [agenda.device_id for agenda in agendas]
        return [name for name in self.refused if name in self.taken]


def agenda(name: str) -> Agenda:
    return Agenda(device_id=name, issued=1.0, setpoints=())


async def test_each_agenda_goes_to_the_channel_that_serves_its_device_and_the_rest_is_planned_again() -> None:
    engine = Engine([agenda("a1"), agenda("b1"), agenda("c1")], [], [agenda("a2")])
    one, other, tasks = Planner("a", "a2"), Planner("b"), list[asyncio.Task[None]]()

    def spawn(work: Any) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(work))
        return tasks[-1]

    ahead = Ahead(cast("Any", engine), cast("Any", [one, object(), other]), spawn)
    ahead.go_on()
    ahead.go_on()  # it is being done
    await asyncio.gather(*tasks)
    assert (one.taken, other.taken, engine.left, len(tasks)) == (["a1", "a2"], ["b1"], ["c1", "a2"], 1)
    ahead.go_on()  # nothing is to be planned
    engine.rounds = [[agenda("b2")]]
    ahead.go_on()
    await asyncio.gather(*tasks)
    assert (other.taken, len(tasks)) == (["b1", "b2"], 2)


async def test_others_have_as_much_time_as_a_slice_took(monkeypatch: pytest.MonkeyPatch) -> None:
    now, naps, sleep = [100.0], list[float](), asyncio.sleep

    class Slow(Engine):
        def plan_ahead(self) -> tuple[Agenda, ...]:
            now[0] += 0.25
            return super().plan_ahead()

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(0)

    clock = SimpleNamespace(time=lambda: now[0])
    monkeypatch.setattr(
        "gridiface.app.dispatching.ahead.asyncio", SimpleNamespace(sleep=nap, get_running_loop=lambda: clock)
    )
    await Ahead(cast("Any", Slow([], [], [])), [], cast("Any", None))._work()
    assert naps == [0.0, 0.25, 0.25]
