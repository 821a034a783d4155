"""Turns are fair and survive cancellation; deadlines come once, in order, and not for what has ended."""

from __future__ import annotations

import asyncio
import contextlib

from gridiface_southbound.modbus_turns import ENDED, Deadlines, Turn


async def rounds(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_turn_is_had_by_one_and_handed_on_in_order() -> None:
    turn, order = Turn(), []

    async def use(name: str) -> None:
        async with turn:
            order.append(name)
            await asyncio.sleep(0)

    assert turn.take()
    assert not turn.take()
    tasks = [asyncio.create_task(use(name)) for name in "abc"]
    await rounds()
    assert order == []
    turn.give()
    assert not turn.take()  # it belongs to the one who waited
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert turn.take()


async def test_who_is_cancelled_leaves_the_turn_to_the_next() -> None:
    turn, order = Turn(), []

    async def use(name: str) -> None:
        async with turn:
            order.append(name)

    assert turn.take()
    tasks = [asyncio.create_task(use(name)) for name in "abc"]
    await rounds()
    tasks[0].cancel()  # while it waits
    turn.give()
    tasks[1].cancel()  # when it has been given the turn
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert order == ["c"]
    assert turn.take()


class Work:
    def __init__(self) -> None:
        self.deadline = ENDED
        self.calls = 0

    def late(self) -> None:
        self.calls += 1


async def until(works: list[Work]) -> None:
    async with asyncio.timeout(20):
        while not all(work.calls for work in works):
            await asyncio.sleep(0.005)


async def test_what_does_not_end_is_told_once() -> None:
    deadlines = Deadlines.of(asyncio.get_running_loop())
    assert Deadlines.of(asyncio.get_running_loop()) is deadlines
    late, ended, longer, last = Work(), Work(), Work(), Work()
    for work in (late, ended, longer):
        deadlines.watch(work, 0.01)
    ended.deadline = ENDED
    deadlines.watch(longer, 60.0)  # it was given more time
    deadlines.watch(last, 0.02)
    await until([late, last])
    again = Work()
    deadlines.watch(again, 0.01)  # the queue had become empty
    await until([again])
    assert [work.calls for work in (late, ended, longer, last, again)] == [1, 0, 0, 1, 1]
    assert late.deadline == ENDED
