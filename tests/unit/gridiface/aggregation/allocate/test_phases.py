import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.allocate import Problem, strategy
from gridiface.aggregation.allocate.phases import balance, spread
from gridiface.aggregation.allocate.tree import Cap, split_tree


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


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_nobody_works_for_its_phase_against_what_is_asked_of_the_group_around(sign):
    # A roof (or a load) on A has to make up for what others of the group do too much of; a battery could do it as well.
    on = shares([A, ALL])
    least, most = sorted((0.0, 5.0 * sign))
    case = Problem(
        target=sign,
        lo=np.array([least, -9.0]),
        hi=np.array([most, 9.0]),
        base=np.array([5.0 * sign, 0.0]),
        weight=np.ones(2),
    )
    plain = np.array([sign, 0.0])
    alone = balance(strategy("water-filling"), case, plain, on, 0.2)
    assert alone[1] * sign > 0.0
    assert balance(strategy("water-filling"), case, plain, on, 0.2, asked=-9.0 * sign) == pytest.approx(plain)


def test_balanced_already_is_left_alone():
    on = shares([A, B, C])
    case = problem(3, 9.0)
    plain = strategy("water-filling").split(case)
    assert balance(strategy("water-filling"), case, plain, on, 0.2) is plain
    assert spread(np.zeros(3), on) == 0.0


@given(st.data())
def test_under_nested_caps_the_total_and_every_cap_stay_and_the_spread_only_falls(data):
    count = data.draw(st.integers(6, 24))
    phases = data.draw(st.lists(st.sampled_from([A, B, C, ALL]), min_size=count, max_size=count))
    cut = data.draw(st.integers(2, count - 2))
    low, high = sorted(data.draw(st.tuples(st.floats(-40.0, 40.0), st.floats(-40.0, 40.0))))
    caps = (Cap(np.arange(cut), low, high, (Cap(np.arange(cut // 2), -20.0, 20.0),)),)
    case = problem(count, data.draw(st.floats(-9.0 * count, 9.0 * count)))
    name = data.draw(st.sampled_from(["water-filling", "merit-order", "proportional"]))
    plain = split_tree(strategy(name), case, caps)
    on = shares(phases)
    found = balance(strategy(name), case, plain, on, 0.2, caps)
    slack = 1e-6 * max(1.0, np.abs(plain).sum())
    assert found.sum() == pytest.approx(plain.sum(), abs=slack)
    assert np.all((found >= -9.0 - slack) & (found <= 9.0 + slack))
    for rows, most in ((caps[0].rows, (low, high)), (caps[0].inside[0].rows, (-20.0, 20.0))):
        inside = most[0] - slack <= plain[rows].sum() <= most[1] + slack
        assert not inside or most[0] - slack <= found[rows].sum() <= most[1] + slack
    assert spread(found, on) <= spread(plain, on) + 1e-9


def test_under_a_feeders_cap_the_phases_are_brought_to_the_limit():
    on = shares([A] * 6 + [B] * 3 + [C] * 3)
    case = problem(12, 40.0)
    caps = (Cap(np.arange(0, 12, 2), -100.0, 15.0),)  # every other device hangs on a feeder that takes 15
    plain = split_tree(strategy("water-filling"), case, caps)
    assert spread(plain, on) > 0.2
    found = balance(strategy("water-filling"), case, plain, on, 0.2, caps)
    assert spread(found, on) <= 0.2 + 1e-9
    assert found.sum() == pytest.approx(40.0)
    assert found[caps[0].rows].sum() <= 15.0 + 1e-6


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("caps", [(), (Cap(np.arange(3), -50.0, 50.0),)])
def test_nobody_works_against_the_total_for_its_phase(sign, caps):
    on = shares([A] * 5 + [B])  # only who charges on A could balance it
    case = problem(6, 12.0 * sign)
    plain = split_tree(strategy("water-filling"), case, caps)
    found = balance(strategy("water-filling"), case, plain, on, 0.2, caps)
    assert np.all(sign * found >= -1e-9)
    assert found.sum() == pytest.approx(12.0 * sign)
