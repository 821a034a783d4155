"""A device's power from the store as an even series: page by page, off the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gridiface.aggregation.settlement.series import MeterSeries
from gridiface.aggregation.settlement.told import Row, Told, from_told
from gridiface.domain.clock import Instant
from gridiface.domain.quantities import Quantity

#: Meter data are looked for this long before an event, s: the longest look-back and the day itself.
BEFORE_S = 47 * 86_400.0

#: And this long after its end: a mean over its last hour is dated then.
AFTER_S = 3600.0

#: Values that are read at once.
_PAGE = 50_000


class Powers(Protocol):
    """The store as this module uses it."""

    async def told(
        self, device_id: str, quantity: Quantity, *, start: Instant, end: Instant, after: int, limit: int
    ) -> Sequence[tuple[Row, int]]:
        """Values by time and number; those of `start` itself after number `after`."""
        ...


async def device_series(
    store: Powers, device_id: str, start: Instant, end: Instant, interval_s: float, phase_s: float
) -> MeterSeries | None:
    """What the device told of its active power in [start, end); None: nothing that is known. See `from_told`.

    Raises:
        StoreUnavailable: the store does not answer.
        ValueError: as from_told.
    """
    parts: list[Told] = []
    since, after, full = start, 0, True
    while full:
        page = await store.told(device_id, Quantity.ACTIVE_POWER, start=since, end=end, after=after, limit=_PAGE)
        full = len(page) == _PAGE
        if page:
            last, after = page[-1]
            since = last[1]
            parts.append(await asyncio.to_thread(Told.of, [row for row, _ in page]))
    return await asyncio.to_thread(lambda: from_told(device_id, Told.joined(parts), interval_s, phase_s))
