"""How far the clocks of two peers are apart."""

from __future__ import annotations

import pytest

from gridiface.northbound.openadr.wire.clocks import ahead_by_date, words_of

AT = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


@pytest.mark.parametrize(
    ("sent", "took", "ahead"),
    [
        (AT, 0.0, 0.0),
        (AT + 0.999, 0.01, 0.0),  # A Date has whole seconds.
        (AT - 5.0, 6.0, 0.0),  # It was written somewhere on the way.
        (AT - 7200.0, 2.0, 7198.0),
        (AT + 7200.0, 2.0, -7199.0),
    ],
)
def test_r114_a_date_tells_how_far_a_clock_is_ahead(sent: float, took: float, ahead: float) -> None:
    assert ahead_by_date(DATE, sent, took) == ahead


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2027 08:00:00 GMT", "Fri, 15 Jan 99999 08:00:00 GMT"])
def test_what_is_no_date_tells_nothing(date: str) -> None:
    assert ahead_by_date(date, AT, 0.0) is None


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (None, ""),
        (10.0, ""),
        (-10.0, ""),
        (11.0, "11 s ahead of ours"),
        (-119.0, "119 s behind ours"),
        (600.0, "10 min ahead of ours"),
        (-7200.0, "2 h behind ours"),
    ],
)
def test_only_what_does_harm_is_said(ahead: float | None, words: str) -> None:
    assert words_of(ahead) == words
