"""Waiting until a time of the wall clock, which may be set back meanwhile. Pure; for what comes again or is retried."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

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


def pause_asked(retry_after: str, date: str, most_s: float) -> float | None:
    """Seconds that an HTTP answer wants to be left alone for; None: it does not say (RFC 9110, 10.2.3).

    Args:
        retry_after: its Retry-After: a number, or a date, which is held against `date`.
        date: its Date.
        most_s: what is waited at most, s.
    """
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:20]), most_s)
    try:
        wanted_at, said_at = (parsedate_to_datetime(one) for one in (text, date))
        seconds = (wanted_at - said_at).total_seconds()
    except (TypeError, ValueError):
        return None
    return min(max(seconds, 0.0), most_s)
