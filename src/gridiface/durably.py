"""Writing several things in one transaction when one of them may be what the store does not take. Owns no store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gridiface.errors import LocalProtocolError, StoreUnavailable

_Part = TypeVar("_Part")


async def in_order(
    commit: Callable[[Sequence[_Part]], Awaitable[None]], parts: Sequence[_Part]
) -> tuple[int, StoreUnavailable | LocalProtocolError | None]:
    """Make parts durable in their order, together as far as that goes; where some are refused in halves.

    Args:
        commit: makes parts durable, all or none of them; StoreUnavailable where the store cannot write,
            LocalProtocolError where it does not take one of them.
        parts: one at least.

    Returns:
        how many of the first are durable, and why the next one is not: the store cannot write, or does not take that
        one (those behind it were not tried). None: all are durable.
    """
    try:
        await commit(parts)
    except StoreUnavailable as unavailable:
        return 0, unavailable
    except LocalProtocolError as refusal:
        if len(parts) == 1:
            return 0, refusal
    else:
        return len(parts), None
    middle = len(parts) // 2
    done, problem = await in_order(commit, parts[:middle])
    if problem is None:
        more, problem = await in_order(commit, parts[middle:])
        done += more
    return done, problem
