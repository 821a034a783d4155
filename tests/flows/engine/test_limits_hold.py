"""No active limit is passed: mixed fleets, nested groups, programs that come and go, sun and demand, restarts."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from tests.flows.engine.stories import STORIES, Story, feeders, fleet


@given(seed=st.integers(0, 1_000_000))
@example(seed=207_643)  # a battery that gives by itself has a limit of its own, and its group another one
@STORIES
def test_no_active_limit_is_passed(make_world: Any, make_battery: Any, seed: int) -> None:
    draw = random.Random(seed)
    devices = fleet(draw, make_battery)
    story = Story(draw, make_world(devices=devices, groups=feeders(draw, devices, deep=True)))
    story.weather()
    story.world.run(3)
    number = 0
    for _ in range(4):
        for _ in range(draw.randint(1, 3)):
            number += 1
            story.ask(number)
        story.turn()
        story.changed = story.world.now
        for _ in range(30):
            story.world.run(1)
            if story.settled():
                assert story.broken() == []
