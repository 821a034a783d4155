"""Ratings and settings of members as sums."""

from dataclasses import replace

import pytest

from gridiface.domain.fleet import DeviceKind
from gridiface.northbound.dnp3.ratings import Ratings, ratings_of


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
