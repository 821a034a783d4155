"""Response times counted by size: number, mean and longest exact, the others to 15 %."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.performance_sums import ResponseTimes
from gridiface.domain.response_counts import ResponseCounts

TIMES = st.lists(st.floats(0.0, 25.0), min_size=1, max_size=60)


def counted(times: list[float]) -> ResponseCounts:
    made = ResponseCounts()
    for one in times:
        made.add(one)
    return made


def test_sizes_by_hand() -> None:
    made = counted([0.0, 0.001, 0.0011, 0.0014, 1000.0])
    # To 1 ms; to 1.3 ms; to 1.69 ms; beyond the last.
    assert made.sizes == {0: 2, 1: 1, 2: 1, 39: 1}
    assert made.text == "1000 1000 0:2,1:1,2:1,39:1"
    assert [round(value, 6) for value, _ in made.values()][:2] == [0.0005, 0.00114]


@given(TIMES, TIMES)
def test_what_is_counted_is_what_comes_back(first: list[float], second: list[float]) -> None:
    made = counted(first)
    made.merge(ResponseCounts.of_text(counted(second).text))
    whole, exact = ResponseTimes.of([], made), ResponseTimes.of(first + second)
    assert whole.count == exact.count
    assert (whole.mean_s, whole.max_s) == (pytest.approx(exact.mean_s, rel=1e-4), pytest.approx(exact.max_s, rel=1e-4))
    for near, right in ((whole.p95_s, exact.p95_s),):
        assert near is not None
        assert right is not None
        assert near == pytest.approx(right, rel=0.15, abs=0.001)
    mixed = ResponseTimes.of(second, counted(first))
    assert (mixed.count, mixed.mean_s) == (exact.count, pytest.approx(exact.mean_s, rel=1e-4))


@pytest.mark.parametrize("text", ["", "1 2", "1 2 40:1", "1 2 0:0", "1 2 -1:1", "x 2 0:1"])
def test_what_is_damaged_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any words
        ResponseCounts.of_text(text)
