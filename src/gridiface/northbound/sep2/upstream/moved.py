"""What a clock that was set does to a control: the engine goes by our clock, its event by the server's. Pure.

`offset` is the server's clock - ours, s; instants are by our clock, s since 1970 UTC.
"""

from __future__ import annotations

from gridiface.domain.clock import Instant
from gridiface.domain.controls import OutcomeKind
from gridiface.northbound.sep2.upstream.bindings import Binding
from gridiface.protocols.sep2.followed import Followed, Phase

#: What the engine says of a control whose time is over by our clock, and all that it says by that clock.
OVER = frozenset({OutcomeKind.COMPLETED, OutcomeKind.PARTIAL, OutcomeKind.FAILED})
BY_OUR_CLOCK = OVER | {OutcomeKind.STARTED}

#: Times count as moved only when they moved by more than this, s: the server tells its clock in whole seconds.
_MOVED_S = 0.5


def times_of(followed: Followed, offset: float) -> tuple[Instant, Instant]:
    """When an event begins and ends by our clock."""
    return followed.begins - offset, followed.ends - offset


def has_moved(binding: Binding, begins: Instant, ends: Instant) -> bool:
    """Whether a control runs at other times than these; when it began does not matter once it has."""
    begin_moved = not binding.started and abs(begins - binding.begins) > _MOVED_S
    return begin_moved or abs(ends - binding.ends) > _MOVED_S


def begins_later(binding: Binding, followed: Followed | None, offset: float, now: Instant) -> bool:
    """Whether it was our clock that began a control: it was set, and the event's time is still to come."""
    if binding.started or followed is None or followed.phase is Phase.DONE:
        return False
    begins, _ = times_of(followed, offset)
    return begins > max(now, binding.begins) + _MOVED_S


def goes_on(binding: Binding, followed: Followed | None, offset: float, now: Instant) -> bool:
    """Whether it was our clock that ended a control: it was set, and the event's time is still to run."""
    if followed is None or followed.phase is Phase.DONE:
        return False
    _, ends = times_of(followed, offset)
    return ends > max(now, binding.ends) + _MOVED_S
