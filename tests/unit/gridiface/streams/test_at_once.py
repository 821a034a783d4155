"""Coroutines that begin at once."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar

import pytest

from gridiface.streams.at_once import start_at_once

NAME: ContextVar[str] = ContextVar("NAME", default="outside")


async def test_what_waits_for_nothing_is_done_at_once_and_needs_no_task() -> None:
    done: list[str] = []

    async def work() -> None:
        async with asyncio.Lock():
            done.append("it")

    assert start_at_once(work()) is None
    assert done == ["it"]


async def test_what_waits_goes_on_as_a_task_from_where_it_was() -> None:
    seen: list[str] = []
    gate = asyncio.get_running_loop().create_future()

    async def work() -> None:
        token = NAME.set("inside")
        seen.append("begun")
        seen.append(await gate)
        await asyncio.sleep(0)
        seen.append(NAME.get())
        NAME.reset(token)

    task = start_at_once(work())
    assert task is not None
    assert (seen, NAME.get()) == (["begun"], "outside")
    gate.set_result("told")
    await task
    assert seen == ["begun", "told", "inside"]


async def test_what_fails_later_reaches_the_coroutine_and_then_the_task() -> None:
    gate = asyncio.get_running_loop().create_future()
    caught: list[BaseException] = []

    async def work() -> None:
        try:
            await gate
        except LookupError as problem:
            caught.append(problem)
            raise

    task = start_at_once(work())
    assert task is not None
    gate.set_exception(LookupError("gone"))
    with pytest.raises(LookupError):
        await task
    assert len(caught) == 1


async def test_what_fails_before_its_first_wait_is_raised() -> None:
    async def work() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError):
        start_at_once(work())


async def test_cancelling_the_task_cancels_what_it_waits_for() -> None:
    gate = asyncio.get_running_loop().create_future()
    ended: list[str] = []

    async def work() -> None:
        try:
            await gate
        finally:
            ended.append("it")

    task = start_at_once(work())
    assert task is not None
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (ended, gate.cancelled()) == (["it"], True)
