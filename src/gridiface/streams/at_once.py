"""A coroutine that begins at once, and becomes a task only where it has to wait.

Python 3.12 has this as eager tasks; here it is for 3.11 too. What waits for nothing costs no task and no turn of the
event loop, and what does wait has handed its work over one turn earlier.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from contextvars import copy_context
from typing import Any


def start_at_once(work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
    """Run a coroutine up to its first wait; the task that goes on from there, None where it came to its end.

    To be called from a callback of the running loop. Up to its first wait there is no current task: no
    `asyncio.timeout` there. It runs in a copy of the context, as a task does. What it raises before its first wait is
    raised here.
    """
    context = copy_context()
    try:
        waits_for = context.run(work.send, None)
    except StopIteration:
        return None
    return asyncio.get_running_loop().create_task(_rest(work, waits_for), context=context)


async def _rest(work: Coroutine[Any, Any, None], waits_for: Any) -> None:
    await _from_there(work, waits_for)


@types.coroutine
def _from_there(work: Coroutine[Any, Any, None], waits_for: Any) -> Generator[Any, Any, None]:
    """What the coroutine waits for goes to the task, and what the task is told to the coroutine."""
    while True:
        problem: BaseException | None = None
        told = None
        try:
            told = yield waits_for
        except GeneratorExit:
            work.close()
            raise
        except BaseException as raised:
            problem = raised
        try:
            waits_for = work.send(told) if problem is None else work.throw(problem)
        except StopIteration:
            return
