"""Merging, the dead-band's rules, and what re-assertion relies on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.controls import ControlMode, ModeValue, Setpoint
from gridiface.drivers.held import covers, merged, unchanged


def told(watts: float | None = None, **more: Any) -> Setpoint:
    return Setpoint(device_id="d", issued=0.0, active_power_w=watts, **more)


POWER = frozenset({ControlMode.SET_W})


@pytest.mark.parametrize(
    ("held", "new", "same"),
    [
        (told(1000), told(1000), True),
        (told(1000), told(1099), True),
        (told(1000), told(1101), False),
        (told(50), told(0), False),  # a stop is always sent
        (told(50), told(-20), False),  # so is a change of direction
        (told(0), told(0), True),
        (told(None), told(5), False),
        (told(1000), told(None), True),
        (told(1000, ceiling_w=500), told(1000, ceiling_w=499), False),  # a limit that tightens is always sent
        (told(1000, ceiling_w=500), told(1000, ceiling_w=590), True),
        (told(1000, ceiling_w=500), told(1000, ceiling_w=700), False),
        (told(1, connect=True), told(1, connect=False), False),
        (told(1, connect=True), told(1, connect=True), True),
        (told(1), told(1, energize=True), False),
        (told(1), told(1, release=True), False),
        (told(1), told(1, passed={ControlMode.CURVE: ModeValue(1.0)}), False),
        (None, told(1), False),
        (told(1, ceiling_w=5), told(ceiling_w=5, let_go=POWER), False),
        (told(ceiling_w=5, let_go=POWER), told(ceiling_w=5, let_go=POWER), True),
        (told(ceiling_w=5, let_go=POWER), told(ceiling_w=5), True),
        (told(ceiling_w=5), told(ceiling_w=5, let_go=POWER), False),  # whether it holds a power is not known
    ],
)
def test_dead_band(held: Setpoint | None, new: Setpoint, same: bool) -> None:
    assert unchanged(held, new, 100.0) is same


def test_merging_keeps_what_is_not_named() -> None:
    factor = {ControlMode.POWER_FACTOR_INJECT: ModeValue(0.9)}
    held = merged(told(5, ceiling_w=7, connect=True, passed=factor), told(reactive_power_var=3.0, energize=True))
    assert (held.active_power_w, held.ceiling_w, held.reactive_power_var) == (5, 7, 3)
    assert (held.connect, held.energize, held.passed) == (True, True, factor)
    assert merged(held, told(release=True)).active_power_w is None


def test_what_covers_what() -> None:
    assert covers(told(1), None)
    assert covers(told(1), told(2))
    assert not covers(told(1), told(2, ceiling_w=3))
    assert not covers(told(1), told(passed={ControlMode.CURVE: ModeValue(1.0)}))
    assert covers(told(release=True), told(2, ceiling_w=3))


watts = st.one_of(st.none(), st.floats(-1e6, 1e6))


@given(
    watts, watts, st.one_of(st.none(), st.floats(0, 1e6)), st.one_of(st.none(), st.floats(0, 1e6)), st.floats(0, 1e4)
)
def test_what_was_merged_in_is_held(
    old: float | None, new: float | None, old_top: float | None, new_top: float | None, band: float
) -> None:
    command = told(new, ceiling_w=new_top)
    held = merged(told(old, ceiling_w=old_top), command)
    assert unchanged(held, command, band)
    assert covers(held, command)


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e4))
def test_a_dead_band_never_breaks_a_limit(held: float, new: float, band: float) -> None:
    if unchanged(told(ceiling_w=held), told(ceiling_w=new), band):
        assert held <= new


def test_what_is_let_go_of_is_not_held_any_more():
    every = frozenset(
        {ControlMode.SET_W, ControlMode.SET_VAR, ControlMode.CONNECT, ControlMode.ENERGIZE, ControlMode.CURVE}
    )
    first = told(5, ceiling_w=7, reactive_power_var=1.0, connect=True, energize=True)
    held = replace(first, passed={ControlMode.CURVE: ModeValue(1.0)})
    new = told(ceiling_w=6, let_go=every)
    assert covers(new, held)
    assert merged(held, new) == new
    after = merged(held, told(let_go=POWER))
    assert (after.active_power_w, after.ceiling_w, after.let_go) == (None, 7, POWER)
    assert not covers(told(let_go=POWER), held)
    again = merged(after, told(3))
    assert (again.active_power_w, again.let_go) == (3, frozenset())
    assert merged(held, told(let_go=frozenset({ControlMode.MAX_W_PERCENT}))).ceiling_w is None
