"""Ratings and settings of members as sums."""

from dataclasses import replace

import pytest

from gridiface.domain.fleet import DeviceKind
from gridiface.northbound.dnp3.translate.ratings import Excited, Ratings, ratings_of


def test_ratings_are_sums_over_members(battery):
    meter = replace(battery, id="m", kind=DeviceKind.METER)
    off = replace(battery, id="off", enabled=False)
    found = ratings_of([battery, replace(battery, id="b2"), meter, off])
    assert (found.w, found.charge_w, found.va, found.wh, found.set_w) == (10e6, 8e6, 12e6, 20e6, 9e6)
    assert (found.members, found.batteries, found.meters) == (3, 2, 1)
    assert (found.soc_min, found.soc_max) == (pytest.approx(0.1), pytest.approx(0.9))
    assert found.ramp_w_per_s == 2e5


def test_nobody_has_no_ratings():
    assert ratings_of([]) == Ratings()


def test_what_storage_can_use_lies_between_its_settings(battery):
    assert ratings_of([battery]).usable_wh == pytest.approx(8e6)
    assert ratings_of([battery]).set_charge_w == 4e6


def stating(device, name, **more):
    return replace(device, id=name, nameplate=replace(device.nameplate, **more))


def test_voltages_are_the_window_that_every_member_stands(battery):
    one = stating(battery, "a", nominal_v=230.0, min_v=184.0, max_v=253.0, max_a=30.0)
    two = stating(battery, "b", nominal_v=230.0, min_v=196.0, max_v=264.0, max_a=12.5)
    found = ratings_of([one, two, battery])
    assert (found.min_v, found.max_v, found.amps) == (196.0, 253.0, 42.5)
    held = replace(one, settings=replace(one.settings, min_v=207.0))
    assert (ratings_of([held, two]).set_min_v, ratings_of([held, two]).set_max_v) == (207.0, 253.0)
    other = stating(battery, "c", nominal_v=400.0, min_v=340.0, max_v=440.0, max_a=5.0)
    mixed = ratings_of([one, other])  # of two nominal voltages there is no one window, and currents do not add up
    assert (mixed.min_v, mixed.max_v, mixed.amps, mixed.set_min_v) == (None, None, None, None)


def test_excited_powers_add_up_with_their_reactive_power(battery):
    one = stating(battery, "a", over_excited_w=80.0, over_excited_pf=0.8)  # and 60 var
    two = stating(battery, "b", over_excited_w=40.0, over_excited_pf=0.8)  # and 30 var
    assert ratings_of([one, two, battery]).over_excited == Excited(120.0, pytest.approx(0.8))
    unity = stating(battery, "c", over_excited_w=120.0, over_excited_pf=1.0)
    found = ratings_of([one, two, unity]).over_excited
    assert (found.w, found.pf) == (240.0, pytest.approx(240 / (240**2 + 90**2) ** 0.5))
    assert ratings_of([one]).under_excited == Excited()


def test_a_category_is_claimed_when_every_member_claims_it(battery):
    one = stating(battery, "a", normal_category=2, abnormal_category=3)
    two = stating(battery, "b", normal_category=1, abnormal_category=3)
    assert (ratings_of([one, two]).normal_category, ratings_of([one, two]).abnormal_category) == (1, 3)
    assert ratings_of([one, battery]).normal_category is None


def test_charging_has_an_apparent_power_of_its_own(battery):
    one = stating(battery, "a", max_charge_va=5e6)
    held = replace(one, settings=replace(one.settings, max_charge_va=4e6))
    assert (ratings_of([one, held]).charge_va, ratings_of([one, held]).set_charge_va) == (10e6, 9e6)


def test_returning_to_service_is_told_as_it_holds_for_every_member(battery):
    def held(name, **more):
        return replace(battery, id=name, settings=replace(battery.settings, **more))

    one = held("a", enter_v_high=105.0, enter_v_low=91.7, enter_hz_high=60.1, enter_hz_low=59.5, enter_delay_s=300.0)
    two = held("b", enter_v_high=106.0, enter_v_low=95.0, enter_hz_high=60.05, enter_hz_low=59.0, enter_ramp_s=60.0)
    assert ratings_of([one, two, battery]).enter == {
        "enter_v_high": 105.0,
        "enter_v_low": 95.0,
        "enter_hz_high": 60.05,
        "enter_hz_low": 59.5,
        "enter_delay_s": 300.0,
        "enter_ramp_s": 60.0,
    }
    assert ratings_of([battery]).enter == {}


def test_what_can_be_taken_at_a_power_factor_is_a_sum_of_those_who_state_it(battery):
    one = stating(battery, "a", under_excited_charge_w=300.0)
    two = stating(battery, "b", under_excited_charge_w=200.0, over_excited_charge_w=100.0)
    found = ratings_of([one, two, battery])
    assert (found.under_excited_charge_w, found.over_excited_charge_w) == (500.0, 100.0)
    assert ratings_of([battery]).under_excited_charge_w is None
