"""Set-points for VENs below us."""

from __future__ import annotations

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.northbound.openadr.translate_fleet import (
    CAPACITY,
    DELTA,
    SETPOINT,
    SIMPLE,
    Claims,
    event_for,
    signals_for,
)
from gridiface.protocols.openadr.events import complaints

NOW = 1_800_000_000.0
ALL = frozenset({SETPOINT, DELTA, SIMPLE, CAPACITY})


def claims(*signals, **fields):
    base = {"market_context": "http://p/", "baseline_w": 1000.0, "rated_load_w": 2000.0}
    return Claims(**{"signals": frozenset(signals), **base, **fields})


def setpoint(**fields):
    return Setpoint(**{"device_id": "d", "issued": NOW, **fields})


@pytest.mark.parametrize(
    ("signals", "fields", "name", "value"),
    [
        (ALL, {"active_power_w": -400.0}, SETPOINT, 400.0),
        (ALL, {"active_power_w": 400.0}, SETPOINT, -400.0),
        (ALL - {SETPOINT}, {"active_power_w": -400.0}, DELTA, -600.0),
        ({SIMPLE}, {"active_power_w": -1000.0}, SIMPLE, 0.0),
        ({SIMPLE}, {"active_power_w": -700.0}, SIMPLE, 1.0),
        ({SIMPLE}, {"active_power_w": -400.0}, SIMPLE, 2.0),
        ({SIMPLE}, {"active_power_w": 100.0}, SIMPLE, 3.0),
        (ALL, {"ceiling_w": 500.0}, CAPACITY, 0.25),
        (ALL, {"ceiling_w": 9000.0}, CAPACITY, 1.0),
        (ALL, {"connect": False, "active_power_w": 5.0}, CAPACITY, 0.0),
        (ALL, {"energize": False}, CAPACITY, 0.0),
    ],
)
def test_the_best_signal_that_the_ven_understands(signals, fields, name, value):
    (made,) = signals_for(setpoint(**fields), claims(*signals), 600)
    assert (made.name, made.type) == name
    assert made.values == (value,)
    assert complaints(event_for(setpoint(**fields), claims(*signals), "E", NOW, duration=600)) == []


def test_a_ven_where_plus_is_delivered():
    (made,) = signals_for(setpoint(active_power_w=400.0), claims(SETPOINT, generation_positive=True), 60)
    assert made.values == (400.0,)
    (made,) = signals_for(setpoint(active_power_w=-400.0), claims(DELTA, generation_positive=True), 60)
    assert made.values == (600.0,)


@pytest.mark.parametrize(
    ("made", "known"),
    [
        (setpoint(active_power_w=1.0), claims()),
        (setpoint(active_power_w=1.0), claims(DELTA, baseline_w=None)),
        (setpoint(active_power_w=1.0), claims(SIMPLE, baseline_w=0.0)),
        (setpoint(ceiling_w=1.0), claims(CAPACITY, rated_load_w=None)),
        (setpoint(connect=False), claims(SETPOINT)),
        (setpoint(release=True), claims(*ALL)),
        (setpoint(), claims(*ALL)),
    ],
)
def test_nothing_is_said_where_nothing_can_be_told(made, known):
    assert event_for(made, known, "E", NOW) is None


def test_the_event_lasts_as_long_as_the_set_point():
    made = event_for(
        setpoint(active_power_w=1.0, valid_until=NOW + 90, ramp_s=20), claims(SETPOINT, resource="r"), "E", NOW
    )
    assert (made.dtstart, made.duration, made.ramp_up) == (NOW, 90, -20)
    assert made.target.resourceID == ["r"]
    open_ended = event_for(setpoint(active_power_w=1.0), claims(SETPOINT), "E", NOW)
    assert open_ended.duration == 0
    assert open_ended.target.is_empty()
    assert complaints(open_ended) == []
