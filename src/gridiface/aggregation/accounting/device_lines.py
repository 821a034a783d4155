"""The devices' lines in a control's account: what each was told, acknowledged and delivered while the target held it.

What a running control has of them is also a value (`DeviceLines`): kept durable, it is all that a restart needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridiface.aggregation.allocate import FloatArray
from gridiface.aggregation.allocate.problem import IntArray, span
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.response_counts import ResponseCounts
from gridiface.domain.telemetry import Quality

#: Devices whose intervals are worked out together, as they are asked for.
_PART = 1024

#: Rows of `DeviceLines.figures`: the sums over time (W s) of the power told, acknowledged and delivered; the times for
#: which each of them was known; the time counted, all in s; the instants of the beginning and of the end.
SUMS, TIMES, COUNTED, SINCE, UNTIL, FIGURES = slice(0, 3), slice(3, 6), 6, 7, 8, 9


def with_none(figures: FloatArray) -> list[list[float | None]]:
    """Figures row by row, None where there is none (NaN)."""
    return [[None if value != value else value for value in row] for row in figures.tolist()]  # noqa: PLR0124 - NaN


@dataclass(frozen=True, slots=True, eq=False)
class DeviceLines:
    """The lines of one control's devices up to an instant.

    `ids`: the devices; `figures`: one column for each of them, rows as above. `over`: the control has ended.
    `responses`: how long devices took to take signals, of those that did.
    """

    control_id: str
    ids: npt.NDArray[np.object_]
    figures: FloatArray
    over: bool = False
    responses: Mapping[str, ResponseCounts] = field(default_factory=dict)

    def intervals(self) -> Iterator[PerformanceInterval]:
        """One interval for each device that was there for a time; made in parts, as they are asked for."""
        for first in range(0, self.ids.size, _PART):
            yield from self._part(slice(first, first + _PART))

    def _part(self, places: slice) -> Iterator[PerformanceInterval]:
        figures = self.figures[:, places]
        with np.errstate(invalid="ignore", divide="ignore"):
            # Told nothing for a while is nothing allocated then, as in the target's own sum; not measured is not known.
            times = np.where(figures[TIMES] > 0, figures[COUNTED], 0.0)
            times[2] = figures[TIMES][2]
            means = figures[SUMS] / times
            known = np.nan_to_num(np.minimum(figures[TIMES][2] / figures[COUNTED], 1.0))
        columns = with_none(means)
        known[known >= 1 - 1e-6] = 1.0
        spans = (figures[SINCE].tolist(), figures[UNTIL].tolist(), known.tolist())
        return (
            PerformanceInterval(
                control_id=self.control_id,
                target_id=device_id,
                start=start,
                end=end,
                requested_w=told,
                accepted_w=told,
                allocated_w=told,
                acknowledged_w=acknowledged,
                delivered_w=delivered,
                quality=Quality.BAD if delivered is None else Quality.GOOD if heard == 1 else Quality.ESTIMATED,
                known=heard,
                responses=self.responses.get(device_id),
            )
            for device_id, told, acknowledged, delivered, start, end, heard in zip(
                self.ids[places].tolist(), *columns, *spans, strict=True
            )
            if end > start
        )


#: Rows of what is held of devices: the power told, acknowledged and delivered.
ALLOCATED, ACKNOWLEDGED, DELIVERED = range(3)


def held_of(columns: Columns, rows: IntArray) -> FloatArray:
    """Allocated, acknowledged and delivered power of devices, W; NaN: nothing, or not known."""
    c, here = columns, span(rows)
    told = c.told_w[here]
    acknowledged = np.where(c.acknowledged[here] | np.isnan(told), told, 0.0)
    return np.array([told, acknowledged, np.where(c.lost[here] | c.quarantined[here], np.nan, c.w[here])])


class DeviceMeans:
    """Means of allocated, acknowledged and delivered power of each device, over the time for which the target held it.

    What was held last counts until the next `hold`, as in the target's own account: so the devices' energies sum up to
    the target's. Who joins late or leaves early has a line for that time; who is not heard delivers nothing known.
    """

    def __init__(self) -> None:
        self._ids: npt.NDArray[np.object_] = np.empty(0, dtype=np.object_)
        self._figures: FloatArray = np.empty((FIGURES, 0))
        self._rows: IntArray | None = None
        self._places: IntArray | slice = slice(0, 0)
        self._held = np.empty((3, 0))

    @property
    def count(self) -> int:
        """How many devices have a line."""
        return int(self._ids.size)

    def add(self, seconds: float, until: Instant) -> None:
        """What was held counts for so many seconds, which end now."""
        figures, places = self._figures, self._places
        if not self._held.size:
            return
        known = np.isfinite(self._held)
        figures[SUMS, places] += np.where(known, self._held, 0.0) * seconds
        figures[TIMES, places] += known * seconds
        figures[COUNTED, places] += seconds
        figures[UNTIL, places] = until

    def hold(self, columns: Columns, rows: IntArray | None, now: Instant, held: FloatArray | None = None) -> None:
        """The present values of `rows` count from now on. The same array stands for the same devices.

        `held`: what of them is the account's own, as `held_of`; None: all of it.
        """
        if rows is None or not rows.size:
            self._held = np.empty((3, 0))
            return
        if rows is not self._rows:
            self._rows, self._places = rows, self._placed(columns.ids[rows], now)
        self._held = held_of(columns, rows) if held is None else held

    def shift_time(self, seconds: float) -> None:
        """The clock was set."""
        self._figures[[SINCE, UNTIL]] += seconds

    def lines(self, control_id: str, *, over: bool = False) -> DeviceLines:
        """What there is of them now; `over`: nothing will be added any more."""
        return DeviceLines(control_id, self._ids, self._figures if over else self._figures.copy(), over)

    def _placed(self, device_ids: npt.NDArray[np.object_], now: Instant) -> IntArray | slice:
        """Where the devices' lines stand, in their order; new ones begin now."""
        first = not self._ids.size
        known = set(self._ids.tolist())
        new = device_ids if first else device_ids[[name not in known for name in device_ids.tolist()]]
        count = new.size
        self._ids = np.concatenate([self._ids, new])
        self._figures = np.pad(self._figures, ((0, 0), (0, count)))
        self._figures[SINCE : UNTIL + 1, self._ids.size - count :] = now
        if first:
            return slice(0, count)
        place = {name: at for at, name in enumerate(self._ids.tolist())}
        return np.array([place[name] for name in device_ids.tolist()], dtype=np.int64)
