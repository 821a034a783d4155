"""`gridiface control`: what it says of events and times; the verbs themselves run in tests/loopback/operator."""

from __future__ import annotations

import pytest

from gridiface.cli.control import lines_of
from gridiface.cli.remote import Event


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            Event("", "outcome", {"control": "c", "device": None, "step": "started", "at": 0.0, "reason": "now"}),
            "1970-01-01 00:00:00 the whole control: started now [c]",
        ),
        (
            Event("", "deliveries", {"deliveries": [{"device": "d", "outcome": "timeout", "detail": "", "at": 1.0}]}),
            "1970-01-01 00:00:01 d: set-point timeout",
        ),
        (Event("", "gap", {"detail": "lost"}), "gap: lost"),
    ],
)
def test_event_is_one_line(event: Event, line: str) -> None:
    assert lines_of(event) == [line]
