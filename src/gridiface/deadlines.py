"""Waiting until a time of the wall clock, which may be set back meanwhile. Pure; for what comes again or is retried."""

from __future__ import annotations

#: A clock that is slewed meanwhile, or set by so little, makes nobody be early, s.
_SLACK_S = 1.0


def waits(due: float, now: float, longest_s: float) -> bool:
    """Whether the time for something is still to come.

    What is further ahead than it was ever put off for was put off by a clock that is set back since: it is due.

    Args:
        due: when it was to be done, s since 1970.
        now: s since 1970.
        longest_s: how far ahead `due` was at most when it was chosen, s.
    """
    return 0 < due - now <= longest_s + _SLACK_S
