"""Turns on a shared connection."""

from __future__ import annotations

import asyncio
import contextlib

from gridiface.drivers.gate import Gate


async def test_who_answered_last_time_goes_before_who_did_not() -> None:
    gate, turns = Gate(), []

    async def command(name: str, *, suspect: bool) -> None:
        async with gate.turn(suspect=suspect):
            turns.append(name)
            await asyncio.sleep(0)

    await asyncio.gather(
        command("first", suspect=True),
        command("dead 1", suspect=True),
        command("good 1", suspect=False),
        command("dead 2", suspect=True),
        command("good 2", suspect=False),
    )
    assert turns == ["first", "good 1", "good 2", "dead 1", "dead 2"]


async def test_who_gives_up_waiting_takes_nobodys_turn() -> None:
    gate, turns = Gate(), []

    async def command(name: str) -> None:
        async with gate.turn(suspect=False):
            turns.append(name)
            await asyncio.sleep(0)

    async with gate.turn(suspect=False):
        tasks = [asyncio.create_task(command(name)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[0].cancel()
    # The turn of the second has come already when it is called off: the third has it then.
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert turns in (["c"], ["b", "c"])
    async with gate.turn(suspect=True):
        turns.append("free")
    assert turns[-1] == "free"


async def rounds(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_turn_is_had_by_one_and_handed_on_in_order() -> None:
    gate, order = Gate(), []

    async def use(name: str) -> None:
        async with gate:
            order.append(name)
            await asyncio.sleep(0)

    assert gate.take()
    assert not gate.take()
    tasks = [asyncio.create_task(use(name)) for name in "abc"]
    await rounds()
    assert order == []
    gate.give()
    assert not gate.take()  # it belongs to the one who waited
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert gate.take()


async def test_who_is_cancelled_leaves_the_turn_to_the_next() -> None:
    gate, order = Gate(), []

    async def use(name: str) -> None:
        async with gate:
            order.append(name)

    assert gate.take()
    tasks = [asyncio.create_task(use(name)) for name in "abc"]
    await rounds()
    tasks[0].cancel()  # while it waits
    gate.give()
    tasks[1].cancel()  # when it has been given the turn
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert order == ["c"]
    assert gate.take()
