"""Deadlines come once, in order, and not for what has ended."""

from __future__ import annotations

import asyncio

from gridiface_southbound.modbus_deadlines import ENDED, Deadlines


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
