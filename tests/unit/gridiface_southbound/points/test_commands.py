"""A plan that is made from the one before is the plan that is made from the beginning."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.domain.controls import ControlMode, Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface_southbound.modbus.image import RegisterImage
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.points.commands import Commands

PLATE = Nameplate(max_w=5000, max_charge_w=4000, max_var=1000)

COMMANDS = st.builds(
    lambda watts, **keys: Setpoint(device_id="u", issued=0, active_power_w=watts, **keys),
    st.one_of(st.none(), st.floats(-6000, 6000), st.sampled_from([0.0, -0.0, 5000.0, 5000.1, -4000.0])),
    ceiling_w=st.one_of(st.none(), st.floats(0, 6000)),
    reactive_power_var=st.one_of(st.none(), st.floats(-2000, 2000)),
    valid_until=st.sampled_from([None, 7.0, 100.0]),
    let_go=st.sampled_from([frozenset(), frozenset({ControlMode.MAX_W_PERCENT})]),
    ramp_s=st.sampled_from([None, 5.0]),
)


@pytest.mark.parametrize("name", ["example-battery", "example-battery-little", "example-pv", "example-ev-charger"])
@given(st.lists(COMMANDS, max_size=6), st.sampled_from([None, 30.0]))
def test_made_from_the_one_before(name: str, commands: list[Setpoint], revert_s: float | None) -> None:
    image = RegisterImage(load_table(name), {"power_scale": b"\xff\xff"})
    again = Commands(image, PLATE)
    for command in commands:
        plans: list[Any] = [made.plan(command, revert_s=revert_s, now=0.0) for made in (again, Commands(image, PLATE))]
        assert plans[0] == plans[1]
