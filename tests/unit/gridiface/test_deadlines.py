"""What waits for a time, and what a clock that is set back has left too far ahead."""

from __future__ import annotations

import pytest

from gridiface.deadlines import waits


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
