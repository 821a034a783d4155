"""What a server is before its start: its engine and clock, and none of the parts that a start makes."""

from __future__ import annotations

from tests.clocks import StandingClock

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.process.clock import SystemClock
from gridiface.app.running import Running


def test_before_a_start_there_is_no_part_that_it_makes() -> None:
    parts = dict(vars(Running(Config(), None, Engine())))
    assert isinstance(parts.pop("clock"), SystemClock)
    there = {name for name, part in parts.items() if part}
    assert there == {"config", "engine", "reserve"}


def test_a_clock_of_ones_own_takes_the_machine_s_place() -> None:
    clock = StandingClock(5.0)
    assert Running(Config(), clock, Engine()).clock is clock
