"""Steps of many devices: in order for each, together for all, and none lost when the store cannot write."""

from __future__ import annotations

import asyncio

import pytest

from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.upstream.steps import Steps

Step = tuple[str, int]


def whose(step: Step) -> str | None:
    return step[0] or None


async def test_devices_wait_for_nobody_and_each_keeps_its_order() -> None:
    steps: Steps[Step] = Steps()
    for number in range(3):
        for name in ("a", "b", ""):
            steps.add((name, number))
    begun: list[Step] = []
    both = asyncio.Event()

    async def do(step: Step) -> None:
        begun.append(step)
        if step == ("b", 0):
            both.set()
        await both.wait()

    await steps.carry_out(do, whose)
    assert begun[:2] == [("a", 0), ("b", 0)]
    assert {name: [n for who, n in begun if who == name] for name in "ab"} == {"a": [0, 1, 2], "b": [0, 1, 2]}


async def test_what_cannot_be_stored_waits_with_what_follows_it() -> None:
    steps: Steps[Step] = Steps()
    for step in (("a", 0), ("a", 1), ("b", 0), ("b", 1)):
        steps.add(step)
    done: list[Step] = []
    down = {("a", 1)}

    async def do(step: Step) -> None:
        await asyncio.sleep(0)
        if step in down:
            raise StoreUnavailable("not now")
        done.append(step)
        if step == ("b", 1):
            steps.add(("a", 2))

    with pytest.raises(StoreUnavailable):
        await steps.carry_out(do, whose)
    assert sorted(done) == [("a", 0), ("b", 0), ("b", 1)]
    down.clear()
    await steps.carry_out(do, whose)
    assert [step for step in done if step[0] == "a"] == [("a", 0), ("a", 1), ("a", 2)]


async def test_a_step_that_fails_is_told_and_stops_nobody_else() -> None:
    steps: Steps[Step] = Steps()
    for step in (("a", 0), ("b", 0), ("b", 1)):
        steps.add(step)
    done: list[Step] = []

    async def do(step: Step) -> None:
        if step == ("b", 0):
            raise ValueError("bad")
        done.append(step)

    with pytest.raises(ExceptionGroup) as problem:
        await steps.carry_out(do, whose)
    assert [str(one) for one in problem.value.exceptions] == ["bad"]
    await steps.carry_out(do, whose)
    assert done == [("a", 0), ("b", 1)]
