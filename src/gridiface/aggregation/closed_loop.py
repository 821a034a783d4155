"""Closed loop on a group's measured power: what is missing beside what was told is added to the next target.

Inverters lose a little on the way. The trim is an integral that settles on the lack itself: it follows the
difference between what the devices should show by now (the twin's trapezoid, so that a ramp under way is not taken
for a lack) and what is measured. It therefore needs no unwinding: at a bound it stands at the true lack, and where
devices do as they are told it goes back to 0. It is clipped, and holds while nothing is measured.
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


@dataclass(slots=True)
class Residual:
    """What a group's meter sees beside its members, W, smoothed; 0 without a meter."""

    watts: float = 0.0
    at: Instant | None = None

    def update(self, metered_w: float, members_w: float, now: Instant, *, filter_s: float) -> float:
        """Take one pair of simultaneous values in; the smoothed difference, W.

        Args:
            metered_w: at the group's meter, W, + delivered.
            members_w: what its members say, summed, W, + delivered.
            now: s since 1970; a pair that is not later than the last does not change the difference.
            filter_s: time constant of the smoothing, s; 0: none.
        """
        difference = metered_w - members_w
        if self.at is None:
            self.watts = difference
        elif now > self.at:
            part = 1.0 if filter_s <= 0 else min(1.0, (now - self.at) / filter_s)
            self.watts += part * (difference - self.watts)
        self.at = now
        return self.watts
