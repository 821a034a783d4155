import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.envelope import twin
from gridiface.aggregation.state.columns import Columns
from gridiface.domain.fleet import Device, DriverTraits, Nameplate, Settings

POWER = st.floats(-1e4, 1e4)


def fleet(*ramps, energy_wh=10_000.0, latency_s=0.0):
    columns = Columns()
    for at, ramp in enumerate(ramps):
        plate = Nameplate(max_w=1e4, max_charge_w=1e4, energy_wh=energy_wh)
        settings = Settings(ramp_w_per_s=ramp)
        columns.put(Device(id=f"d{at}", nameplate=plate, settings=settings, traits=DriverTraits(latency_s=latency_s)))
    return columns


@given(start=POWER, target=POWER, ramp=st.floats(1.0, 1e5), lag=st.floats(0.0, 2.0), seconds=st.floats(0.1, 10.0))
def test_the_closed_form_agrees_with_small_steps(start, target, ramp, lag, seconds):
    power, energy, steps = start, 0.0, 4000
    dt = seconds / steps
    for at in range(steps):
        before = power
        if (at + 0.5) * dt > lag:
            power += max(-ramp * dt, min(ramp * dt, target - power))
        energy += (before + power) / 2 * dt
    arrays = [np.array([value]) for value in (start, target, ramp, lag)]
    slack = 2 * ramp * dt + 1e-6 * (1 + abs(start) + abs(target))
    assert twin.power_after(*arrays, seconds)[0] == pytest.approx(power, abs=slack)
    assert twin.energy_after(*arrays, seconds)[0] == pytest.approx(energy, abs=min(slack, 2e4) * seconds)


def test_a_set_point_that_would_empty_the_battery_is_corrected():
    columns = fleet(None, None)
    columns.soc[:] = [0.0005, 0.5]
    wanted = np.array([5_000.0, 5_000.0])
    safe, changed = twin.keep_energy(columns, wanted.copy(), wanted, horizon_s=5.0, response_s=0.4)
    assert changed.tolist() == [True, False]
    assert 0 <= safe[0] <= 3_600.0 + 1e-6
    assert safe[1] == 5_000.0


def test_what_is_safe_is_returned_as_it_is():
    columns = fleet(100.0)
    columns.soc[:] = 0.5
    wanted = np.array([-5_000.0])
    assert twin.keep_energy(columns, np.zeros(1), wanted, horizon_s=5.0, response_s=0.4)[0] is wanted


def test_the_quick_wait_for_the_slow_where_a_limit_would_be_passed():
    columns = fleet(None, 100.0)
    start, wanted = np.array([0.0, 5_000.0]), np.array([5_000.0, 0.0])
    rows, kwargs = np.array([0, 1]), {"able": (np.full(2, -1e4), np.full(2, 1e4)), "horizon_s": 5.0, "response_s": 0.0}
    kwargs["planned"] = 5_000.0
    safe = twin.overshoot(columns, rows, start, wanted, 0.0, (-1e12, 5_000.0), **kwargs)
    ramp = columns.ramp_w_per_s
    for seconds in (1.25, 2.5, 5.0):
        assert twin.power_after(start, safe, ramp, 0.0, seconds).sum() <= 5_000.0 + 1e-3
    assert safe[0] > 0
    same = twin.overshoot(columns, rows, start, wanted, 0.0, (-1e12, 20_000.0), **kwargs)
    assert same is wanted


@pytest.mark.parametrize(
    ("shown", "lack"),
    [
        (1_000.0, 0.0),  # as its ramp says
        (400.0, 600.0),  # behind it
        (3_000.0, 0.0),  # ahead of it, on its way
        (4_000.0, 0.0),  # there already
        (4_500.0, -500.0),  # beyond its target
        (-200.0, 1_200.0),  # the other way
        (np.nan, np.nan),
    ],
)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_who_is_ahead_of_its_ramp_lacks_nothing(shown, lack, sign):
    values = [np.array([sign * value]) for value in (shown, 0.0, 4_000.0)]
    found = twin.lack_of(*values, np.array([100.0]), 2.0, 12.0)
    assert found[0] == pytest.approx(sign * lack, nan_ok=True)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("planned", "quick"), [(0.0, 125.0), (500.0, 5_000.0)], ids=["inside", "outside"])
def test_outside_of_a_limit_the_quick_go_further_until_the_slow_are_there(sign, planned, quick):
    """But not where the total is to stay outside: limits in it leave no more."""
    columns = fleet(None, 100.0)
    start, wanted = np.array([6_000.0, 0.0]) * sign, np.array([5_000.0, -5_000.0]) * sign
    able = np.array([0.0, -1e4]), np.array([1e4, 1e4])
    able = able if sign > 0 else (-able[1], -able[0])
    limits, times = (-1e12, 0.0) if sign > 0 else (0.0, 1e12), {"horizon_s": 5.0, "response_s": 0.0}
    safe = twin.overshoot(
        columns, np.array([0, 1]), start, wanted, 0.0, limits, able=able, planned=sign * planned, **times
    )
    # in 1.25 s the slow one moves by 125 W: so much the quick one may do by then
    assert safe == pytest.approx(np.array([quick, -5_000.0]) * sign)
