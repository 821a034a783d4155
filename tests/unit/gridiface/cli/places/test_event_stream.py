"""How a stream of events is read: its lines, and what of them is an event."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gridiface.cli.places.event_stream import Event, events_of, lines_of


def test_lines_come_without_their_ends_and_the_longest_in_parts() -> None:
    answer: Any = io.BytesIO(b"id: 1\r\n\n\xff\n" + b"x" * (1024 * 1024 + 1))
    assert list(lines_of(answer)) == ["id: 1", "", "\ufffd", "x" * 1024 * 1024, "x"]


def test_events_are_read_from_lines() -> None:
    lines = [
        "retry: 2000",
        "",
        ": still here",
        "",
        "id: r-1",
        "event: outcome",
        'data: {"a": 1}',
        "",
        "data: {",
        "",
        "x",
    ]
    assert list(events_of(lines)) == [Event("r-1", "outcome", {"a": 1})]


@given(st.lists(st.text()))
def test_no_stream_raises(lines: list[str]) -> None:
    assert all(isinstance(event, Event) for event in events_of([*lines, ""]))
