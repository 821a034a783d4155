"""Set-points for VENs below us."""

from __future__ import annotations

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.northbound.openadr.translate.fleet import (
    CAPACITY,
    CHARGE_DELTA,
    CHARGE_MULTIPLIER,
    CHARGE_SETPOINT,
    CLAIMS,
    CONTROL_SETPOINT,
    DELTA,
    LEVEL_OFFSET,
    MULTIPLIER,
    PERCENT_OFFSET,
    REACTIVE,
    SETPOINT,
    SIMPLE,
    Claims,
    event_for,
    signals_for,
)
from gridiface.protocols.openadr.complaints import complaints

NOW = 1_800_000_000.0
ALL = frozenset({SETPOINT, DELTA, SIMPLE, CAPACITY})


def claims(*signals, **fields):
    base = {"market_context": "http://p/", "baseline_w": 1000.0, "rated_load_w": 2000.0}
    base |= {"offsets": {-1: -0.5, 0: 0.0, 1: 0.2, 2: 0.9}, "setpoint_scale": 1000.0}
    base |= {"stored_wh": 2000.0, "capacity_wh": 4000.0}
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
        ({CONTROL_SETPOINT}, {"active_power_w": -400.0}, CONTROL_SETPOINT, 0.4),
        ({MULTIPLIER}, {"active_power_w": -400.0}, MULTIPLIER, 0.4),
        ({PERCENT_OFFSET}, {"active_power_w": -400.0}, PERCENT_OFFSET, -60.0),
        ({LEVEL_OFFSET}, {"active_power_w": -900.0}, LEVEL_OFFSET, 1.0),
        ({LEVEL_OFFSET}, {"active_power_w": -400.0}, LEVEL_OFFSET, 2.0),
        ({LEVEL_OFFSET}, {"active_power_w": -1500.0}, LEVEL_OFFSET, -1.0),
        ({CHARGE_DELTA}, {"active_power_w": -600.0}, CHARGE_DELTA, 100.0),
        ({CHARGE_SETPOINT}, {"active_power_w": 600.0}, CHARGE_SETPOINT, 1900.0),
        ({CHARGE_MULTIPLIER}, {"active_power_w": -600.0}, CHARGE_MULTIPLIER, 0.525),
        ({REACTIVE}, {"reactive_power_var": 50.0}, SETPOINT, -50.0),
        (ALL, {"ceiling_w": 500.0}, CAPACITY, 0.25),
        (ALL, {"ceiling_w": 9000.0}, CAPACITY, 1.0),
        (ALL, {"connect": False, "active_power_w": 5.0}, CAPACITY, 0.0),
        (ALL, {"energize": False}, CAPACITY, 0.0),
    ],
)
def test_the_best_signal_that_the_ven_understands(signals, fields, name, value):
    (made,) = signals_for(setpoint(**fields), claims(*signals), 600)
    assert (made.name, made.type) == name
    assert made.values == (pytest.approx(value),)
    assert complaints(event_for(setpoint(**fields), claims(*signals), "E", NOW, duration=600)) == []


def test_every_claim_of_the_configuration_can_be_told():
    told = {SETPOINT} if signals_for(setpoint(reactive_power_var=1.0), claims(REACTIVE), 60) else set()
    for kind in set(CLAIMS.values()) - {REACTIVE}:
        fields = {"connect": False} if kind == CAPACITY else {"active_power_w": -400.0}
        told |= {(made.name, made.type) for made in signals_for(setpoint(**fields), claims(kind), 60)}
    assert told == set(CLAIMS.values()) - {REACTIVE}


def test_active_and_reactive_power_are_two_signals_of_one_event():
    made = event_for(
        setpoint(active_power_w=10.0, reactive_power_var=5.0), claims(SETPOINT, REACTIVE), "E", NOW, duration=60
    )
    assert [(s.id, s.values, type(s.unit).__name__) for s in made.signals] == [
        ("0", (-10.0,), "PowerReal"),
        ("1", (-5.0,), "PowerReactive"),
    ]
    assert complaints(made) == []


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
        (setpoint(active_power_w=1.0), claims(CHARGE_DELTA)),
        (setpoint(active_power_w=1.0), claims(MULTIPLIER, PERCENT_OFFSET, baseline_w=0.0)),
        (setpoint(active_power_w=1.0), claims(LEVEL_OFFSET, offsets={})),
        (setpoint(reactive_power_var=1.0), claims(SETPOINT)),
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
