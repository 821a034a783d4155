"""How tests wait: for what is to come to pass, never for an amount of time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

#: Long enough for the busiest machine, seconds: it only ends a test that is broken.
PATIENCE_S = 100.0


async def until(condition: Callable[[], Any], what: str = "it", deadline: float = PATIENCE_S) -> Any:
    """Poll until `condition` holds, a coroutine's result too; what it gave.

    Raises:
        AssertionError: it never did.
    """
    end = time.monotonic() + deadline
    while True:
        found = condition()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < end, f"never happened: {what}"
        await asyncio.sleep(0.02)
