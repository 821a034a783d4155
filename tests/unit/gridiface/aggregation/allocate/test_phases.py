import numpy as np
import pytest

from gridiface.aggregation.allocate import Problem, strategy
from gridiface.aggregation.allocate.phases import balance, spread


def shares(phases):
    return tuple(np.array([share[at] for share in phases], dtype=float) for at in range(3))


A, B, C, ALL = (1, 0, 0), (0, 1, 0), (0, 0, 1), (1 / 3, 1 / 3, 1 / 3)


def problem(count, target):
    return Problem(
        target=target, lo=np.full(count, -9.0), hi=np.full(count, 9.0), base=np.zeros(count), weight=np.ones(count)
    )


@pytest.mark.parametrize("name", ["water-filling", "merit-order", "proportional"])
def test_spread_is_brought_to_the_limit_and_the_total_stays(name):
    on = shares([A] * 6 + [B] * 2 + [C] * 2)
    case = problem(10, 30.0)
    plain = strategy(name).split(case)
    balanced = balance(strategy(name), case, plain, on, 0.2)
    assert spread(plain, on) > 0.2
    assert spread(balanced, on) <= 0.2 + 1e-9
    assert balanced.sum() == pytest.approx(30.0)


def test_three_phase_devices_fill_in():
    on = shares([A, A, ALL, ALL, B, C])
    case = problem(6, 18.0)
    balanced = balance(strategy("water-filling"), case, strategy("water-filling").split(case), on, 0.2)
    assert spread(balanced, on) <= 0.2 + 1e-9


def test_what_cannot_be_balanced_keeps_its_total():
    on = shares([A] * 4)
    case = problem(4, 12.0)
    plain = strategy("water-filling").split(case)
    assert balance(strategy("water-filling"), case, plain, on, 0.2).sum() == pytest.approx(12.0)


def test_balanced_already_is_left_alone():
    on = shares([A, B, C])
    case = problem(3, 9.0)
    plain = strategy("water-filling").split(case)
    assert balance(strategy("water-filling"), case, plain, on, 0.2) is plain
    assert spread(np.zeros(3), on) == 0.0
