import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.clock import ClockWatch, Interval, latest_end, randomised


def test_an_interval_is_half_open():
    span = Interval(10.0, 5.0)
    assert span.contains(10.0)
    assert not span.contains(15.0)
    assert span.end == 15.0
    assert not span.overlaps(Interval(15.0, 1.0))
    assert span.overlaps(Interval(14.9, None))


def test_open_ended_and_negative():
    assert Interval(0.0, None).end == float("inf")
    assert Interval(0.0, None).contains(1e12)
    with pytest.raises(ValueError, match="cannot last"):
        Interval(0.0, -1.0)


@given(
    start_s=st.floats(-3600, 3600),
    duration_s=st.floats(-3600, 3600),
    draws=st.lists(st.floats(0, 1), min_size=2, max_size=2),
)
def test_random_times_stay_between_the_earliest_start_and_the_latest_end(start_s, duration_s, draws):
    span = Interval(10_000.0, 1_800.0)
    drawn = randomised(span, start_s=start_s, duration_s=duration_s, draw=iter(draws).__next__)
    assert drawn.start >= span.start + min(0.0, start_s) - 1e-6
    assert drawn.end <= latest_end(span, start_s, duration_s) + 1e-6
    assert drawn.duration >= 0


def test_an_open_interval_keeps_its_end():
    drawn = randomised(Interval(0.0, None), start_s=10.0, duration_s=10.0, draw=lambda: 0.5)
    assert drawn == Interval(5.0, None)


def test_a_clock_that_was_set_is_noticed_once_and_one_that_is_slewed_is_not():
    watch = ClockWatch()
    assert watch.look(1_000.0, 5.0) == 0.0
    assert watch.look(1_010.0, 15.0) == 0.0
    assert watch.look(1_010.0 + 3_600.0, 15.0) == 3_600.0
    assert watch.look(4_611.0, 16.0) == 0.0
    assert watch.look(11.0, 16.0) == -4_600.0
    assert watch.look(11.2, 16.0) == 0.0
    assert watch.look(11.4, 16.0) == 0.0
    assert watch.look(11.7, 16.0) == pytest.approx(0.3)
    assert ClockWatch(0.75).look(11.7, 16.0) == 0.0
