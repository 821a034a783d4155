"""Strategies of other packages: right answers count, wrong ones are told and water-filling splits instead."""

import numpy as np
import pytest
from tests.unit.gridiface.aggregation.conftest import ask, battery

from gridiface.aggregation.allocate import Problem
from gridiface.aggregation.allocate.guarded import Guarded
from gridiface.aggregation.allocate.water_filling import WaterFilling

LO, HI = np.array([-5.0, -5.0]), np.array([5.0, 5.0])


def problem(target=6.0):
    return Problem(target=target, lo=LO.copy(), hi=HI.copy(), base=np.zeros(2), weight=np.ones(2))


class Own:
    name = "own"

    def __init__(self, answer):
        self._answer = answer

    def split(self, asked):
        return self._answer(asked)


def test_a_right_answer_counts_also_where_the_target_is_out_of_reach():
    guarded = Guarded("own", Own(lambda asked: np.clip(np.array([5.0, asked.target - 5.0]), asked.lo, asked.hi)))
    assert guarded.split(problem()).tolist() == [5.0, 1.0]
    assert guarded.split(problem(40.0)).tolist() == [5.0, 5.0]
    assert guarded.fault == ""
    assert Guarded("own", Own(lambda asked: [2, 4])).split(problem()).tolist() == [2.0, 4.0]  # a list is one, too


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda asked: 1 / 0, "it raised ZeroDivisionError: division by zero"),
        (lambda asked: headroom(asked), "it raised NameError"),  # noqa: F821 - that is the mistake
        (lambda asked: None, "powers for 2 devices"),
        (lambda asked: "no", "it raised ValueError"),
        (lambda asked: np.array([6.0]), "1 powers for 2 devices"),
        (lambda asked: np.array([np.nan, 6.0]), "no numbers"),
        (lambda asked: np.array([8.0, -2.0]), "beyond what devices can do"),
        (lambda asked: np.array([1.0, 1.0]), "come to 2 W, asked were 6 W"),
    ],
)
def test_a_wrong_answer_is_told_and_water_filling_splits_instead(answer, says):
    guarded = Guarded("own", Own(answer))
    assert guarded.split(problem()).tolist() == WaterFilling().split(problem()).tolist()
    assert says in guarded.fault


def test_what_it_does_to_its_arguments_changes_nothing():
    def spoil(asked):
        asked.hi[:] = 99.0
        asked.base[:] = np.nan
        return np.array([99.0, -93.0])

    mine = problem()
    guarded = Guarded("own", Own(spoil))
    assert guarded.split(mine).tolist() == [3.0, 3.0]
    assert (mine.hi.tolist(), mine.base.tolist()) == (HI.tolist(), [0.0, 0.0])


def test_the_engine_says_so_once_and_goes_on(bench, monkeypatch):
    broken = Guarded("own", Own(lambda asked: 1 / 0))
    monkeypatch.setattr("gridiface.aggregation.deciding.planner.strategy", lambda name: broken)
    world = bench(battery("a"), battery("b")).step(steps=2)
    world.submit(ask("c", duration=600, set_w=6_000.0))
    world.step(steps=3)
    assert world.total == pytest.approx(6_000.0)
    told = [one for one in world.decisions if one.signal == "strategy"]
    assert [one.verdict for one in told] == ["failed"]
    assert "own: it raised ZeroDivisionError" in told[0].reason
