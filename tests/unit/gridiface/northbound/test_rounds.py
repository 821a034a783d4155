"""One turn of an adapter's loop."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gridiface.errors import StoreUnavailable
from gridiface.northbound.rounds import one_turn

_log = logging.getLogger("gridiface.test")


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (None, ""),
        (StoreUnavailable("full"), "who: the store cannot write, nothing is sent: full"),
        (ValueError("bad"), "who: a step failed"),
    ],
)
async def test_a_turn_ends_when_it_is_woken_whatever_went_wrong(
    problem: Exception | None, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    wake, looked = asyncio.Event(), []

    async def look() -> float:
        looked.append(1)
        wake.set()
        if problem is not None:
            raise problem
        return 1e6

    await one_turn(look, wake, who="who", log=_log, again_s=1e6)
    assert looked == [1]
    assert not wake.is_set()
    assert [record.getMessage() for record in caplog.records] == ([words] if words else [])


async def test_a_turn_ends_by_itself_when_something_is_due() -> None:
    async def look() -> float:
        return 0.0

    await one_turn(look, asyncio.Event(), who="who", log=_log, again_s=1e6)


async def test_a_turn_that_is_cancelled_ends() -> None:
    looking = asyncio.Event()

    async def look() -> float:
        looking.set()
        return 1e6

    task = asyncio.create_task(one_turn(look, asyncio.Event(), who="who", log=_log, again_s=1.0))
    await looking.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
