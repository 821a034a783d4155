"""What is missing in the accounts of controls because no server was running. Owns which have a gap, and since when.

A server that dies leaves accounts that end; the next one's begin with it. What lies between is told as a time of which
nothing is known, so that it counts in availability and nobody takes the sums for whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridiface.aggregation.deciding.arbitration import is_information
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, ControlState
from gridiface.domain.performance import PerformanceInterval
from gridiface.domain.telemetry import Quality
from gridiface.domain.timeline import TERMINAL

REASON = "the server was not running"

#: An account that ended so long before the newest of all was not under way: another control's power ruled, s.
_SLACK_S = 30.0


def gaps_of(controls: Iterable[Control], until: Mapping[str, Instant], now: Instant) -> list[PerformanceInterval]:
    """The gap of each control that was under way when the last server ended, or began since.

    Args:
        controls: as the last server left them.
        until: the ends of their accounts on their own targets, by id; without those that have none.
        now: when this server begins.
    """
    ended = max(until.values(), default=None)
    found = []
    for control in controls:
        if control.is_default or control.state in TERMINAL or is_information(control):
            continue
        span, last = control.span, until.get(control.id)
        if last is not None:
            since = last if ended is not None and last > ended - _SLACK_S else None
        elif control.state is ControlState.ACTIVE:
            since = span.start if ended is None or span.start > ended - _SLACK_S else None
        else:
            since = span.start
        end = min(now, span.end)
        if since is not None and end > since:
            found.append(
                PerformanceInterval(
                    control_id=control.id,
                    target_id=control.target.id,
                    start=since,
                    end=end,
                    requested_w=None,
                    accepted_w=None,
                    allocated_w=None,
                    acknowledged_w=None,
                    delivered_w=None,
                    quality=Quality.BAD,
                    known=0.0,
                    reason=REASON,
                )
            )
    return found
