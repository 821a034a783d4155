"""Devices on one line of which some are away: what they may cost the others."""

from __future__ import annotations

import asyncio

import pytest

from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface_southbound.silence import AWAY_AFTER, SHARE, Silence, noted

TIMEOUT_S = 1.0


class Line:
    """A line on which time passes only while somebody is asked; `dead` never answer, the others in `takes_s`."""

    def __init__(self, dead: set[int], takes_s: float = 0.05) -> None:
        self.dead, self.takes_s = dead, takes_s
        self.silence = Silence()
        self.now = 0.0
        self.lost_s = 0.0
        self.asked: list[int] = []

    def ask(self, unit: int) -> float | None:
        """How long it took; None: it was not asked."""
        try:
            patience = self.silence.time_for(unit, TIMEOUT_S, self.now)
        except DeviceTimeout:
            return None
        self.asked.append(unit)
        dead = unit in self.dead or self.takes_s > patience
        took = patience if dead else self.takes_s
        self.now += took
        self.lost_s += took if dead else 0.0
        (self.silence.unanswered if dead else self.silence.answered)(unit, took, self.now)
        return took

    def poll(self, units: range, seconds: float, period_s: float = 5.0) -> None:
        """Ask all, again and again."""
        end = self.now + seconds
        while self.now < end:
            following = self.now + period_s
            for unit in units:
                self.ask(unit)
            self.now = max(self.now, following)


def test_ten_dead_devices_of_thirty_take_a_tenth_of_the_lines_time() -> None:
    line = Line(dead=set(range(10)))
    line.poll(range(30), 60.0)
    before, at = line.lost_s, line.now
    line.poll(range(30), 600.0)
    assert line.lost_s - before <= 1.2 * SHARE * (line.now - at)
    assert {unit for unit in line.asked[-2000:] if unit in line.dead}, "they are still visited"


def test_a_device_that_comes_back_is_found_and_counts_as_before() -> None:
    line = Line(dead={1, 2, 3})
    line.poll(range(6), 100.0)
    line.dead.clear()
    line.poll(range(6), 100.0)
    assert [line.ask(unit) for unit in range(6)] == [line.takes_s] * 6


def test_who_answered_fast_before_is_waited_for_a_shorter_time_but_not_always() -> None:
    line = Line(dead=set())
    line.poll(range(2), 10.0)
    line.dead = {1}
    assert [line.ask(unit) for unit in (1, 0, 1, 0, 1)][::2] == [TIMEOUT_S, 0.25, 0.25]
    seen = []
    for _ in range(200):
        line.ask(0)
        line.now += 1.0
        if (took := line.ask(1)) is not None:
            seen.append(took)
    assert min(seen) < TIMEOUT_S / 2
    assert TIMEOUT_S in seen, "it may have become slower"


def test_who_answered_before_costs_the_others_one_time_out_and_then_little() -> None:
    line = Line(dead=set(), takes_s=0.1)
    line.poll(range(30), 20.0)
    line.dead = set(range(10))
    before = line.lost_s
    for _ in range(AWAY_AFTER):
        for unit in range(30):
            line.ask(unit)
    assert line.lost_s - before == pytest.approx(10 * (TIMEOUT_S + 2 * 0.3))


def test_one_lost_frame_costs_a_device_nothing() -> None:
    line = Line(dead=set())
    line.poll(range(3), 20.0)
    line.dead = {1, 2}
    for _ in range(20):  # 2 is away, and its visits have taken their share
        line.ask(0)
        line.ask(2)
    assert line.ask(1) == TIMEOUT_S
    line.dead = {2}
    assert line.ask(1) == line.takes_s, "it is asked at once, and what it says counts"


def test_of_those_that_never_answered_each_costs_one_time_out_before_they_share() -> None:
    line = Line(dead=set(range(10)))
    for _ in range(AWAY_AFTER):
        for unit in reversed(range(30)):
            line.ask(unit)
    assert line.lost_s <= 10 * TIMEOUT_S + TIMEOUT_S


def test_who_never_answered_has_its_whole_time() -> None:
    line = Line(dead={1})
    line.ask(0)
    for _ in range(AWAY_AFTER):
        line.ask(1)
    line.ask(0)
    assert line.ask(1) == TIMEOUT_S


def test_a_visit_has_several_questions_and_no_other_visit_comes_between() -> None:
    line = Line(dead={1, 2})
    for _ in range(AWAY_AFTER):
        line.ask(1)
        line.ask(2)
    line.ask(0)
    assert [line.ask(unit) for unit in (1, 2, 1, 2, 1)] == [1.0, None, 1.0, None, 1.0]
    line.now += 3 * TIMEOUT_S / SHARE
    line.ask(0)
    assert [line.ask(unit) for unit in (2, 1)] == [1.0, None]


def test_a_visit_has_an_end() -> None:
    line = Line(dead={1})
    for _ in range(AWAY_AFTER):
        line.ask(1)
    line.ask(0)
    asked = [line.ask(1) for _ in range(50)]
    assert asked.count(None) > 40


def test_where_nobody_answers_everybody_is_asked_as_always() -> None:
    line = Line(dead={0, 1, 2})
    assert [line.ask(unit) for _ in range(10) for unit in range(3)] == [TIMEOUT_S] * 30


def test_a_line_whose_last_answer_is_long_ago_is_no_line_that_answers() -> None:
    line = Line(dead={1})
    line.ask(0)
    for _ in range(AWAY_AFTER):
        line.ask(1)
    line.dead = {0, 1}
    line.now += 400.0
    assert [line.ask(1) for _ in range(20)] == [TIMEOUT_S] * 20


def test_the_line_is_to_blame_only_where_nobody_else_answers_meanwhile() -> None:
    line = Line(dead={1})
    line.ask(0)
    assert not line.silence.line_answers(1)
    line.ask(1)
    assert not line.silence.line_answers(1)
    line.ask(0)
    assert line.silence.line_answers(1)
    assert not line.silence.line_answers(0)


async def test_what_came_of_a_question_is_noted() -> None:
    silence = Silence()

    async def silent() -> bool:
        raise DeviceTimeout("no answer")

    async def answer(came: bool) -> bool:
        return came

    async def refused() -> bool:
        raise DeviceRejected("not Modbus")

    assert await noted(None, 1, answer(False), bool) is False
    assert await noted(silence, 0, answer(True), bool)
    for _ in range(AWAY_AFTER):
        with pytest.raises(DeviceTimeout):
            await noted(silence, 1, silent(), bool)
        assert not await noted(silence, 2, answer(False), bool), "a gateway answered in its place"
        with pytest.raises(DeviceRejected):
            await noted(silence, 3, refused(), bool)
    now = asyncio.get_running_loop().time()
    assert silence.time_for(1, 1.0, now) == 1.0
    with pytest.raises(DeviceTimeout, match=r"left [123] questions? in a row unanswered"):
        silence.time_for(2, 1.0, now)
    assert silence.time_for(3, 1.0, now) == 1.0
