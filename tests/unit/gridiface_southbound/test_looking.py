"""When it is time to look, and how long a device's own timer is believed."""

from __future__ import annotations

import math

from gridiface_southbound.looking import LOOK_S, Looking, sure_until


def looking() -> Looking:
    one = Looking()
    one.seen(now=100.0, connects=3)
    return one


def test_a_new_connection_and_a_silence_are_reasons_for_all_that_stands() -> None:
    one = looking()
    for until in (math.inf, 150.0):
        assert not one.is_wanted(until, now=101.0, connects=3)
        assert one.is_wanted(until, now=101.0, connects=4)
    one.doubt()
    assert one.is_wanted(150.0, now=101.0, connects=3)
    assert not one.is_wanted(150.0, now=150.0, connects=4)
    one.seen(now=102.0, connects=3)
    assert not one.is_wanted(150.0, now=103.0, connects=3)


def test_now_and_then_what_has_no_timer_is_looked_at() -> None:
    one = looking()
    assert not one.is_wanted(math.inf, now=100.0 + LOOK_S - 1, connects=3)
    assert one.is_wanted(math.inf, now=100.0 + LOOK_S, connects=3)
    assert not one.is_wanted(1000.0, now=100.0 + LOOK_S, connects=3)


def test_a_timer_is_not_believed_to_its_last_second() -> None:
    assert sure_until(100.0, None) == math.inf
    assert sure_until(100.0, 20.0) == 118.0
