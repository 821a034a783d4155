"""When it is looked whether a device still holds what it was told, and at what."""

from __future__ import annotations

from typing import Any

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface_southbound.looking import LOOK_S
from gridiface_southbound.modbus.image import RegisterImage
from gridiface_southbound.modbus.loading import load_table
from gridiface_southbound.points.commands import CommandPlan, Commands
from gridiface_southbound.points.holding import Holding
from gridiface_southbound.points.meanings import Meaning

TABLE = load_table("example-battery-little")
COMMANDS = Commands(RegisterImage(TABLE), Nameplate(max_w=5000.0, max_charge_w=4000.0))


def plan_of(watts: float, timer: float | None = None) -> tuple[CommandPlan[Any], dict[str, Any]]:
    plan = COMMANDS.plan(Setpoint(device_id="d", issued=0.0, active_power_w=watts), revert_s=None, now=0.0)
    plan.revert_s = timer
    return plan, {name: (write, write.point) for name, write in plan.final().items()}


def holding(timer: float | None = None) -> Holding[Any]:
    held: Holding[Any] = Holding()
    plan, shown = plan_of(1000.0, timer)
    held.told(plan, shown, now=100.0, connects=1)
    return held


def test_after_a_new_connection_or_a_silence_the_control_and_its_mode_are_looked_at() -> None:
    held = holding()
    assert held.to_be_seen(now=101.0, connects=1) == {}
    assert set(held.to_be_seen(now=101.0, connects=2)) == {"power_setting", "work_mode"}
    held.seen(now=101.0, connects=2)
    assert held.to_be_seen(now=102.0, connects=2) == {}
    held.doubt()
    assert set(held.to_be_seen(now=102.0, connects=2)) == {"power_setting", "work_mode"}


def test_without_a_timer_of_its_own_it_is_looked_at_now_and_then() -> None:
    assert holding().to_be_seen(now=100.0 + LOOK_S, connects=1)
    assert not holding(timer=200.0).to_be_seen(now=100.0 + LOOK_S, connects=1)
    assert holding(timer=200.0).to_be_seen(now=100.0 + LOOK_S, connects=2)


def test_what_its_timer_has_ended_is_not_missed() -> None:
    assert holding(timer=20.0).to_be_seen(now=117.0, connects=2)
    assert not holding(timer=20.0).to_be_seen(now=118.0, connects=2)


def test_what_is_being_told_or_was_let_go_of_is_not_missed() -> None:
    held = holding()
    held.begin({Meaning.SET_W})
    assert held.to_be_seen(now=101.0, connects=2) == {}
    held = holding()
    release = COMMANDS.release({Meaning.SET_W})
    held.begin(release.controls)
    held.told(release, {}, now=101.0, connects=1)
    assert held.to_be_seen(now=102.0, connects=2) == {}
    held = holding()
    held.clear()
    assert held.to_be_seen(now=101.0, connects=2) == {}


def test_the_newest_value_of_a_point_counts() -> None:
    held = holding()
    plan, shown = plan_of(-500.0)
    held.told(plan, shown, now=110.0, connects=1)
    assert held.to_be_seen(now=111.0, connects=2)["power_setting"][0].value == -500.0
