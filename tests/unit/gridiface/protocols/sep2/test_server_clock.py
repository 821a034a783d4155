"""The server's clock: rounding, quality, plausibility, and a clock of ours that is set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.protocols.sep2.resources import Time
from gridiface.protocols.sep2.server_clock import ServerClock


def time_at(current: int, quality: int = 7) -> Time:
    return Time(currentTime=current, dstEndTime=0, dstOffset=0, dstStartTime=0, quality=quality, tzOffset=0)


def test_clocks_that_agree_within_a_second_are_taken_as_equal() -> None:
    clock = ServerClock()
    assert clock.read(time_at(1000), 1000.3, 1000.9)
    assert clock.offset == 0.0


def test_an_offset_that_still_fits_is_kept() -> None:
    clock = ServerClock()
    clock.read(time_at(5000), 1000.0, 1000.0)
    assert clock.offset == 4000.0
    clock.read(time_at(5100), 1100.4, 1100.6)
    assert clock.offset == 4000.0
    clock.read(time_at(5202), 1200.0, 1200.0)
    assert clock.offset == 4002.0


@pytest.mark.parametrize("quality", [0, 1, 2, 8, 255])
def test_a_time_of_unknown_quality_is_not_safe(quality: int) -> None:
    clock = ServerClock()
    assert not clock.read(time_at(1000, quality), 1000, 1000)
    assert clock.offset is None
    assert str(quality) in clock.refused


def test_a_time_that_cannot_be_believed_is_refused_and_the_former_one_holds() -> None:
    clock = ServerClock(most=60)
    assert clock.read(time_at(1010), 1000, 1000)
    assert not clock.read(time_at(9000), 1100, 1100)
    assert (clock.offset, bool(clock.refused)) == (10.0, True)


def test_a_jump_of_our_own_clock_does_not_move_the_servers() -> None:
    clock = ServerClock()
    clock.read(time_at(5000), 1000, 1000)
    clock.jumped(3600)
    assert clock.offset == 400.0
    ServerClock().jumped(5)


@given(st.integers(-(10**6), 10**6), st.floats(0, 5), st.floats(0, 1, exclude_max=True))
def test_the_offset_is_never_further_off_than_rounding_and_the_way_there(
    offset: int, travel: float, fraction: float
) -> None:
    asked = 10_000_000 + fraction
    read_at = asked + travel / 2
    clock = ServerClock()
    clock.read(time_at(int(read_at + offset)), asked, asked + travel)
    assert clock.offset is not None
    assert abs(clock.offset - offset) <= 1 + travel / 2 + 1e-6
