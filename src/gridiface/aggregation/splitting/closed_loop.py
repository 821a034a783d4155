"""Closed loop on a group's measured power: what is missing beside what was told is added to the next target.

Inverters lose a little on the way. The trim is an integral that settles on the lack itself: it follows the
difference between what the devices should show by now (the twin's trapezoid, so that a ramp under way is not taken
for a lack) and what is measured. It therefore needs no unwinding: at a bound it stands at the true lack, and where
devices do as they are told it goes back to 0. It is clipped, and holds while nothing is measured. A device whose
ramp nobody knows is taken for a lack only as far as it will not have come by itself: else the others, who stand in for
it, would pass the target together with it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridiface.aggregation.allocate import FloatArray, IntArray
from gridiface.aggregation.allocate.problem import span
from gridiface.aggregation.envelope import twin
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.clock import Instant

#: Longest step that is integrated at once, s.
LONGEST_STEP_S = 10.0

#: Readings so far apart at least, and at most, tell how fast a device moves, s.
PACE_S, PACE_LONGEST_S = 1.0, 30.0

#: A lack of less than this part of a device's rating is not that of one that is on its way.
SMALL = 0.05


@dataclass(slots=True)
class Trim:
    """The integral of one group."""

    watts: float = 0.0
    at: Instant | None = None

    def update(self, missing_w: float | None, now: Instant, *, gain: float, limit_w: float, quiet_w: float) -> float:
        """The trim for the next step, W.

        Args:
            missing_w: expected minus measured total, W; None = not measured well enough: the trim holds.
            now: when.
            gain: 1/s; the trim covers the difference with the time constant 1/gain.
            limit_w: largest magnitude.
            quiet_w: a trim this near to the lack is left as it is.
        """
        elapsed = 0.0 if self.at is None else min(max(now - self.at, 0.0), LONGEST_STEP_S)
        self.at = now
        if missing_w is not None and abs(missing_w - self.watts) > quiet_w:
            self.watts += min(1.0, gain * elapsed) * (missing_w - self.watts)
        self.watts = max(-limit_w, min(limit_w, self.watts))
        return self.watts

    def give_up(self, lacked_w: float) -> None:
        """So much of what it makes up for is told to others from now on, W: it is not to be told twice."""
        self.watts -= min(max(lacked_w, min(self.watts, 0.0)), max(self.watts, 0.0))


def judge_lack(columns: Columns, rows: IntArray, response_s: float) -> FloatArray:
    """What each should show more than it does, W, + delivered; negative: less. Kept in `lack_w`.

    Who fetches what it is told has its dead time from then on. What it lacks is not known before that is over: told
    anew every few seconds, a device that does not follow would lack nothing each time, and the total go to and fro. So
    it lacks what it lacked before, as far as it is not where it was told.

    Args:
        columns: the fleet.
        rows: whose; told a power, and read since.
        response_s: time constant of devices, s.
    """
    c, here = columns, span(rows)
    lag, since = c.latency_s[here] + response_s, c.received[here] - c.from_at[here]
    lack = twin.lack_of(c.w[here], c.from_w[here], c.told_w[here], c.ramp_w_per_s[here], lag, since)
    dead = c.answers[here] & (since < lag)
    if dead.any():
        left = c.told_w[here] - c.w[here]
        lack = np.where(dead, np.clip(c.lack_w[here], np.minimum(left, 0.0), np.maximum(left, 0.0)), lack)
    c.lack_w[here] = lack
    return lack


class Pace:
    """How fast each device moves by its own readings; `w_per_s` one per row, 0 where that is not known."""

    def __init__(self, columns: Columns) -> None:
        self._c = columns
        self._version = -1
        self._w: FloatArray = np.empty(0)
        self._at: FloatArray = np.empty(0)
        self.w_per_s: FloatArray = np.empty(0)

    def look(self) -> None:
        """Take in the newest readings; before each use, as devices may have come or gone."""
        c = self._c
        if self._version != c.version:
            self._version = c.version
            self._w, self._at, self.w_per_s = c.w.copy(), c.received.copy(), np.zeros(c.w.size)
            return
        with np.errstate(invalid="ignore"):  # of who was never heard
            since = c.received - self._at
        if not (fresh := since >= PACE_S).any():
            return
        pace = (c.w - self._w) / np.maximum(since, PACE_S)
        known = np.isfinite(pace) & (since <= PACE_LONGEST_S)
        np.copyto(self.w_per_s, np.where(known, pace, 0.0), where=fresh)
        np.copyto(self._w, c.w, where=fresh)
        np.copyto(self._at, c.received, where=fresh)

    def lasting(self, rows: IntArray, lack: FloatArray, rating: FloatArray, within_s: float) -> FloatArray:
        """What of a lack devices will not have made good by themselves within that time.

        A small lack counts as it is: who loses a little moves because the trim does.

        Args:
            rows: whose.
            lack, rating: W, one per row.
            within_s: s.
        """
        size = np.abs(lack)
        coming = np.clip(self.w_per_s[rows] * np.sign(lack) * within_s, 0.0, np.maximum(size - SMALL * rating, 0.0))
        return np.copysign(size - coming, lack)

    def shift_time(self, seconds: float) -> None:
        """The clock was set: distances stay."""
        self._at += seconds
