"""How far a peer's clock is from ours, by what it says of the time (rule 114: the two are to be synchronised). Pure."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

#: Clocks that are no further apart do no harm to events that begin at whole minutes, s.
MOST_APART_S = 10.0


def ahead_by_date(date: str, sent: float, took: float) -> float | None:
    """How far the clock of who wrote the Date of an HTTP answer is ahead of ours, s; negative: behind.

    Args:
        date: the header; empty: there was none.
        sent: when the request went, by our clock, s since 1970.
        took: until its answer was there, s.

    Returns:
        0.0 for what the way of the answer and the whole seconds of a Date allow; None where nobody can tell.
    """
    try:
        said = parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    if said > sent + took:
        return said - sent - took
    return min(0.0, said + 1.0 - sent)


def words_of(ahead: float | None) -> str:
    """What is wrong with a clock: "50 s ahead of ours", "2 h behind ours"; "" where nothing is, or nobody can tell."""
    if ahead is None or abs(ahead) <= MOST_APART_S:
        return ""
    seconds = abs(ahead)
    unit, size = next(((u, s) for u, s in (("h", 3600), ("min", 60)) if seconds >= 2 * s), ("s", 1))
    return f"{seconds / size:.0f} {unit} {'ahead of' if ahead > 0 else 'behind'} ours"
