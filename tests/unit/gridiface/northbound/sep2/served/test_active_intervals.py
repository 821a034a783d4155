"""When members of lists of intervals become active, and what a clock that is set back does to them."""

from __future__ import annotations

import math
from typing import Any

import pytest


def period(kit: Any, start: float, duration: int) -> str:
    body: str = kit.bodies.BILLING[2][1]
    begun = f"<duration>86400</duration><start>{int(kit.NOW) - 3600}</start>"
    assert begun in body
    return body.replace(begun, f"<duration>{duration}</duration><start>{int(kit.NOW + start)}</start>")


async def account(kit: Any) -> str:
    for target, body in kit.bodies.BILLING[:2]:
        await kit.post(target, body)
    return "/bill/1/ca/1"


async def active(kit: Any, at: str) -> list[str]:
    return [member.href for member in (await kit.get(f"{at}/actbp?l=9")).members]


async def test_each_interval_wakes_at_both_of_its_ends(kit: Any) -> None:
    at, lists = await account(kit), kit.core.intervals
    assert (lists.next_timer(kit.NOW), lists.due) == (None, math.inf)
    first = await kit.post(f"{at}/bp", period(kit, 50, 100))
    second = await kit.post(f"{at}/bp", period(kit, 150, 30))
    shown = []
    while (due := lists.next_timer(kit.clock.time)) is not None:
        lists.handle_timer(due)
        kit.clock.time = due
        shown.append((due - kit.NOW, await active(kit, at)))
    assert shown == [(50, [first]), (150, [second]), (180, [])]
    assert lists.due == math.inf


async def test_a_clock_that_is_set_back_makes_active_again_what_was_over(kit: Any) -> None:
    at, lists = await account(kit), kit.core.intervals
    only = await kit.post(f"{at}/bp", period(kit, 10, 100))
    kit.at(500)
    assert await active(kit, at) == []
    assert lists.next_timer(kit.NOW + 60) == kit.NOW + 60  # at once
    kit.at(60)
    assert await active(kit, at) == [only]
    assert lists.next_timer(kit.NOW + 60) == kit.NOW + 110


async def test_who_reads_before_the_timer_ran_is_shown_the_truth(kit: Any) -> None:
    at = await account(kit)
    only = await kit.post(f"{at}/bp", period(kit, 10, 100))
    kit.clock.time = kit.NOW + 10  # nothing has looked yet
    assert await active(kit, at) == [only]


@pytest.mark.parametrize("path", ["/bill", "/bill/1/ca", "/nothing/bp", "/bill/1/ca/1/pro"])
async def test_lists_without_intervals_have_no_active_members(kit: Any, path: str) -> None:
    at, lists = await account(kit), kit.core.intervals
    await kit.post(f"{at}/bp", period(kit, 10, 100))
    before = lists.next_timer(kit.NOW)
    lists.refresh(path, kit.NOW)
    assert lists.next_timer(kit.NOW) == before == kit.NOW + 10


async def test_after_a_restart_the_lists_follow_from_their_members(kit: Any) -> None:
    at = await account(kit)
    only = await kit.post(f"{at}/bp", period(kit, -10, 100))
    other = await kit.restarted()
    assert await active(other, at) == [only]
    assert other.core.intervals.next_timer(kit.NOW) == kit.NOW + 90
