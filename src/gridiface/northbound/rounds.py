"""One turn of an adapter's loop: look at what is due, then wait until more is or somebody wakes it.

Owns that a store which cannot write and a step which fails end no loop. What is due is the adapter's.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gridiface.errors import StoreUnavailable


async def one_turn(
    look: Callable[[], Awaitable[float]], wake: asyncio.Event, *, who: str, log: logging.Logger, again_s: float
) -> None:
    """Carry out `look` once and wait; log what goes wrong and go on.

    Args:
        look: does what is due; returns how long nothing will be, s.
        wake: set by who has something new; cleared here.
        who: the adapter, for the log.
        log: where to.
        again_s: how long until the next look after a failure, s.
    """
    try:
        wait = await look()
    except StoreUnavailable as problem:
        log.warning("%s: the store cannot write, nothing is sent: %s", who, problem)
        wait = again_s
    except Exception:  # one bad message or event must not end the session with everybody
        log.exception("%s: a step failed", who)
        wait = again_s
    with suppress(TimeoutError):
        async with asyncio.timeout(wait):
            await wake.wait()
    wake.clear()
