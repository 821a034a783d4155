"""The whole body of an answer or a request, up to a cap."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import StreamReader


class BodyTooLarge(ValueError):
    """A body is larger than anybody asked for."""


async def whole_body(content: StreamReader, most: int) -> bytes:
    """All octets to the end; aiohttp's own `read(n)` gives what has come so far.

    Raises:
        BodyTooLarge: there are more than `most`.
    """
    parts, size = [], 0
    async for part in content.iter_any():
        size += len(part)
        if size > most:
            raise BodyTooLarge(f"the body is larger than {most} octets")
        parts.append(part)
    return b"".join(parts)
