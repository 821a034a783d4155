"""Locks by name: one after the other for one name, others at once, and nobody waits for a store that is gone."""

from __future__ import annotations

import asyncio

import pytest

from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.served.locks import NamedLocks


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


class Hall:
    """Who came in, in order; `leave[name]` lets one go."""

    def __init__(self) -> None:
        self.locks, self.inside = NamedLocks(), list[str]()
        self.leave: dict[str, asyncio.Event] = {}

    def come(self, who: str, lock: str) -> asyncio.Task[None]:
        self.leave[who] = asyncio.Event()

        async def stay() -> None:
            async with self.locks.hold(lock):
                self.inside.append(who)
                await self.leave[who].wait()

        return asyncio.get_running_loop().create_task(stay())


async def test_one_after_the_other_in_the_order_they_came_and_others_at_once() -> None:
    hall = Hall()
    tasks = [hall.come("a", "x"), hall.come("b", "x"), hall.come("c", "x"), hall.come("d", "y")]
    await turns()
    assert hall.inside == ["a", "d"]
    hall.leave["a"].set()
    await turns()
    assert hall.inside == ["a", "d", "b"]
    for event in hall.leave.values():
        event.set()
    await asyncio.gather(*tasks)
    assert hall.inside == ["a", "d", "b", "c"]
    assert hall.locks._waiting == {}  # nothing is kept of names that nobody holds


async def test_one_that_gives_up_holds_nobody_up() -> None:
    hall = Hall()
    first, second, third = hall.come("a", "x"), hall.come("b", "x"), hall.come("c", "x")
    await turns()
    second.cancel()
    hall.leave["a"].set()
    await turns()
    assert hall.inside == ["a", "c"]
    hall.leave["c"].set()
    await asyncio.gather(first, third)


async def test_one_that_gives_up_just_when_it_is_its_turn_passes_it_on() -> None:
    hall = Hall()
    first, second, third = hall.come("a", "x"), hall.come("b", "x"), hall.come("c", "x")
    await turns()
    hall.leave["a"].set()
    await asyncio.sleep(0)  # a goes: b has its turn and has not run yet
    second.cancel()
    await turns()
    assert "c" in hall.inside
    hall.leave["c"].set()
    await asyncio.gather(first, third)


async def test_who_waits_behind_a_store_that_is_gone_hears_so_and_so_does_who_comes() -> None:
    hall = Hall()
    first, second = hall.come("a", "x"), hall.come("b", "x")
    await turns()
    hall.locks.on_reach("the database is away")
    with pytest.raises(StoreUnavailable, match="away"):
        await second
    with pytest.raises(StoreUnavailable, match="away"):
        await hall.come("c", "x")
    free = hall.come("d", "y")  # a lock that nobody holds is there to be had
    await turns()
    assert hall.inside == ["a", "d"]
    hall.locks.on_reach("")
    again = hall.come("e", "x")
    for event in hall.leave.values():
        event.set()
    await asyncio.gather(first, free, again)
    assert hall.inside[-1] == "e"
