"""Intervals of controls of single devices, as columns: thousands end in the same second.

Owns what such an interval is while it is not looked at, and how many of them are kept in memory. Not owned: how they
are summed up (`single_accounts`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.accounting.device_lines import with_none
from gridiface.aggregation.allocate import BoolArray, FloatArray
from gridiface.aggregation.allocate.problem import IntArray
from gridiface.domain.performance import TRUST, LimitAccount, PerformanceInterval

#: Intervals worked out together, as they are asked for.
_PART = 512

#: Intervals kept in memory, of all controls of single devices together; older ones are in the store.
MOST_KEPT = 200_000


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """Intervals, one column each. NaN: not known.

    Attributes:
        serials: of the accounts, ascending; `controls`, `targets`: the ids of their controls and of what these ask.
        start, end: instants.
        means: requested, accepted, allocated, acknowledged, delivered, W: five rows.
        trust: the place in `TRUST` of the worst quality; `known`: the part of the time that was measured, 0 to 1.
        limited: whether limits are accounted for; `limits`: the four figures of a `LimitAccount`, in their order.
    """

    serials: IntArray
    controls: npt.NDArray[np.object_]
    targets: npt.NDArray[np.object_]
    start: FloatArray
    end: FloatArray
    means: FloatArray
    trust: npt.NDArray[np.int8]
    known: FloatArray
    limited: BoolArray
    limits: FloatArray

    def intervals(self) -> Iterator[PerformanceInterval]:
        """All of them; made in parts, as they are asked for."""
        for first in range(0, self.serials.size, _PART):
            yield from self._made(slice(first, first + _PART))

    def of(self, serial: int) -> Iterator[PerformanceInterval]:
        """That of one account, where it is among them."""
        place = int(np.searchsorted(self.serials, serial))
        if place < self.serials.size and self.serials[place] == serial:
            yield from self._made(slice(place, place + 1))

    def _made(self, places: slice) -> Iterator[PerformanceInterval]:
        means = zip(*with_none(self.means[:, places]), strict=True)
        limited = self.limited[places].tolist()
        limits = zip(*with_none(self.limits[:, places]), strict=True)
        for control_id, target_id, start, end, powers, trust, known, has, limit in zip(
            self.controls[places].tolist(),
            self.targets[places].tolist(),
            self.start[places].tolist(),
            self.end[places].tolist(),
            means,
            self.trust[places].tolist(),
            self.known[places].tolist(),
            limited,
            limits,
            strict=True,
        ):
            requested, accepted, allocated, acknowledged, delivered = powers
            yield PerformanceInterval(
                control_id=control_id,
                target_id=target_id,
                start=start,
                end=end,
                requested_w=requested,
                accepted_w=accepted,
                allocated_w=allocated,
                acknowledged_w=acknowledged,
                delivered_w=delivered,
                quality=TRUST[trust],
                known=known,
                limit=LimitAccount(limit_w=limit[0], excess_w=limit[1], over_s=limit[2], peak_w=limit[3])
                if has
                else None,
            )


class Kept:
    """The finished intervals in memory, the oldest first; beyond `MOST_KEPT` these go."""

    def __init__(self) -> None:
        self._spans: deque[Spans] = deque()
        self._count = 0

    def add(self, spans: Spans) -> None:
        """Keep some more."""
        if not spans.serials.size:
            return
        self._spans.append(spans)
        self._count += spans.serials.size
        while self._count > MOST_KEPT and len(self._spans) > 1:
            self._count -= self._spans.popleft().serials.size

    def of(self, serial: int) -> list[PerformanceInterval]:
        """Those of one account, in order."""
        return [one for spans in self._spans for one in spans.of(serial)]

    def newest(self, serial: int) -> PerformanceInterval | None:
        """The last of one account."""
        return next((one for spans in reversed(self._spans) for one in spans.of(serial)), None)
