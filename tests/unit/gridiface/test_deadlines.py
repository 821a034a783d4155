"""What waits for a time, and what a clock that is set back has left too far ahead."""

from __future__ import annotations

import pytest

from gridiface.deadlines import pause_asked, waits


@pytest.mark.parametrize(
    ("ahead", "still"),
    [
        (-5.0, False),
        (0.0, False),
        (0.5, True),
        (60.0, True),
        (61.0, True),  # slewed
        (61.5, False),  # set back
        (86_400.0, False),
    ],
)
def test_what_is_ahead_by_more_than_its_pause_is_due(ahead: float, still: bool) -> None:
    assert waits(1_800_000_000.0 + ahead, 1_800_000_000.0, 60.0) is still


@pytest.mark.parametrize(
    ("retry_after", "date", "seconds"),
    [
        ("", "", None),
        (" 7 ", "", 7.0),
        ("9" * 30, "", 100.0),
        ("-7", "", None),
        ("soon", "Mon, 30 Nov 2026 10:00:00 GMT", None),
        ("Mon, 30 Nov 2026 10:00:30 GMT", "Mon, 30 Nov 2026 10:00:00 GMT", 30.0),
        ("Mon, 30 Nov 2026 09:00:00 GMT", "Mon, 30 Nov 2026 10:00:00 GMT", 0.0),
        ("Mon, 30 Nov 2026 10:00:30 GMT", "", None),
        ("Mon, 30 Nov 2026 10:00:30 -0000", "Mon, 30 Nov 2026 10:00:00 GMT", None),  # without a zone of its own
    ],
)
def test_a_pause_is_read_as_a_number_or_against_the_answers_own_date(
    retry_after: str, date: str, seconds: float | None
) -> None:
    assert pause_asked(retry_after, date, 100.0) == seconds
