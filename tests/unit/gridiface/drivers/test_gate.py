"""Turns on a shared connection."""

from __future__ import annotations

import asyncio

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
