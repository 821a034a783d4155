"""Closed loop on a group's measured power: integrate what is missing and add it to the next target.

Inverters lose a little on the way, meters see what nobody told them of. The integral works on the difference
between what the devices should show by now (the twin's trapezoid) and what is measured, so that a ramp under way is
not taken for a lack. Anti-windup: it stops while the allocation is at its bounds in that direction, and is clipped.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridiface.domain.clock import Instant

#: Longest step that is integrated at once, s.
LONGEST_STEP_S = 10.0


@dataclass(slots=True)
class Trim:
    """The integral of one group."""

    watts: float = 0.0
    at: Instant | None = None

    def update(
        self,
        missing_w: float | None,
        now: Instant,
        *,
        gain: float,
        limit_w: float,
        quiet_w: float,
        room_up_w: float,
        room_down_w: float,
    ) -> float:
        """The trim for the next step, W.

        Args:
            missing_w: expected minus measured total, W; None = not measured well enough: the trim holds.
            now: when.
            gain: 1/s.
            limit_w: largest magnitude.
            quiet_w: differences up to this are left alone.
            room_up_w, room_down_w: how far the last allocation could still have moved, W >= 0.
        """
        elapsed = 0.0 if self.at is None else min(max(now - self.at, 0.0), LONGEST_STEP_S)
        self.at = now
        if missing_w is None or abs(missing_w) <= quiet_w or elapsed == 0.0:
            self.watts = max(-limit_w, min(limit_w, self.watts))
            return self.watts
        step = min(1.0, gain * elapsed) * missing_w
        step = min(step, room_up_w) if step > 0 else max(step, -room_down_w)
        self.watts = max(-limit_w, min(limit_w, self.watts + step))
        return self.watts


@dataclass(slots=True)
class Residual:
    """What a group's meter sees beside its members, W, smoothed; 0 without a meter."""

    watts: float = 0.0
    at: Instant | None = None

    def update(self, metered_w: float, members_w: float, now: Instant, *, filter_s: float) -> float:
        """Take one pair of simultaneous values in; the smoothed difference, W."""
        difference = metered_w - members_w
        if self.at is None:
            self.watts = difference
        elif now > self.at:
            part = 1.0 if filter_s <= 0 else min(1.0, (now - self.at) / filter_s)
            self.watts += part * (difference - self.watts)
        self.at = now
        return self.watts
