"""Telemetry both ways."""

from __future__ import annotations

import pytest

from gridiface.domain.quantities import Phase, Quantity
from gridiface.domain.telemetry import OperatingState, Quality, Snapshot
from gridiface.northbound.openadr.translate.reports import (
    quality_of,
    readings_of,
    status_sample,
    stored_energy_sample,
    usage_sample,
)
from gridiface.protocols.openadr.payloads import units
from gridiface.protocols.openadr.payloads.stream import DATA_QUALITIES
from gridiface.protocols.openadr.reports import ReportValue

NOW = 1_800_000_000.0
VOLT = units.Voltage(itemDescription="Voltage", itemUnits="V", siScaleCode="none")
APPARENT = units.PowerApparent(
    itemDescription="ApparentPower",
    itemUnits="VA",
    siScaleCode="none",
    powerAttributes=units.PowerAttributes(hertz=50, voltage=230, ac=True),
)
HERTZ = units.Frequency(itemDescription="Frequency", itemUnits="Hz", siScaleCode="none")


def snapshot(**fields):
    return Snapshot(**{"device_id": "d", "source_time": NOW - 2, "received": NOW, **fields})


@pytest.mark.parametrize(
    ("unit", "fields", "value"),
    [
        (units.power_real("k"), {"w": 1500.0}, -1.5),
        (units.power_real(), {"w": -20.0}, 20.0),
        (units.power_reactive(), {"var": 3.0}, -3.0),
        (HERTZ, {"hz": 50.02}, 50.02),
        (VOLT, {"volts": {Phase.A: 229.0, Phase.B: 231.0}}, 230.0),
        (APPARENT, {"va": 7.0}, 7.0),
    ],
)
def test_usage_speaks_of_load(unit, fields, value):
    sample = usage_sample(snapshot(**fields), unit, NOW)
    assert sample.value == pytest.approx(value)
    assert (sample.at, sample.quality) == (NOW - 2, "Quality Good - Non Specific")


def test_usage_in_a_program_where_plus_is_delivered():
    assert usage_sample(snapshot(w=5.0), units.power_real(), NOW, generation_positive=True).value == 5.0


@pytest.mark.parametrize("unit", [VOLT, HERTZ, APPARENT, units.energy_real()])
def test_a_quantity_that_a_snapshot_does_not_hold_is_a_communication_failure(unit):
    assert usage_sample(snapshot(w=5.0), unit, NOW).quality == "Quality Bad - Comm Failure"


@pytest.mark.parametrize("state", [None, snapshot()])
def test_what_is_not_known_is_a_communication_failure(state):
    sample = usage_sample(state, units.power_real(), NOW)
    assert (sample.at, sample.value, sample.quality) == (NOW, 0.0, "Quality Bad - Comm Failure")


def test_zero_has_no_sign():
    assert str(usage_sample(snapshot(w=0.0), units.power_real(), NOW).value) == "0.0"


def test_stored_energy_has_no_sign_to_change():
    assert stored_energy_sample(snapshot(available_wh=2500.0), units.energy_real("k"), NOW).value == 2.5
    assert stored_energy_sample(snapshot(), units.energy_real(), NOW).quality == "Quality Bad - Comm Failure"
    assert stored_energy_sample(None, units.energy_real(), NOW).value == 0.0


@pytest.mark.parametrize("quality", Quality)
def test_quality_words_are_of_the_standard(quality):
    word = usage_sample(snapshot(w=1.0, quality=quality), units.power_real(), NOW).quality
    assert word in DATA_QUALITIES
    assert quality_of(word) is quality


@pytest.mark.parametrize(
    ("word", "quality"),
    [
        (None, Quality.GOOD),
        ("Quality Good - Local Override", Quality.SUBSTITUTED),
        ("No New Value - Previous Value Used", Quality.STALE),
        ("No Quality - No Value", Quality.BAD),
        ("Quality Bad - Comm Failure", Quality.BAD),
        ("Quality Uncertain - Sub Normal", Quality.ESTIMATED),
        ("Quality Limit - Field/High", Quality.GOOD),
        ("x-strange", Quality.BAD),
    ],
)
def test_received_quality_words(word, quality):
    assert quality_of(word) is quality


@pytest.mark.parametrize(
    ("fields", "online", "manual"),
    [
        ({"state": OperatingState.RUNNING}, True, False),
        ({"state": OperatingState.UNKNOWN, "local_control": True}, True, True),
        ({"state": OperatingState.FAULT}, False, False),
        ({"connected": False}, False, False),
    ],
)
def test_status(fields, online, manual):
    status = status_sample(snapshot(**fields), NOW).status
    assert (status.oadrOnline, status.oadrManualOverride, status.oadrLoadControlState) == (online, manual, None)


def test_a_lost_device_is_offline():
    sample = status_sample(None, NOW)
    assert not sample.status.oadrOnline
    assert sample.quality == "Quality Bad - Comm Failure"


def test_the_load_control_state_holds_the_range_of_the_load():
    state = snapshot(w=-4000.0, available_up_w=3000.0, available_down_w=1000.0)
    capacity = status_sample(state, NOW, rated_load_w=10_000.0).status.oadrLoadControlState.oadrCapacity
    assert (capacity.oadrMin, capacity.oadrMax, capacity.oadrCurrent) == pytest.approx((0.1, 0.5, 0.4))


def test_the_range_of_a_load_that_cannot_move_is_what_it_takes():
    capacity = status_sample(snapshot(w=-4000.0), NOW, rated_load_w=8_000.0).status.oadrLoadControlState.oadrCapacity
    assert (capacity.oadrMin, capacity.oadrMax, capacity.oadrCurrent, capacity.oadrNormal) == (0.5, 0.5, 0.5, 1.0)


@pytest.mark.parametrize(("state", "rated"), [(snapshot(), 8_000.0), (snapshot(w=-1.0), None), (snapshot(w=-1.0), 0.0)])
def test_without_a_power_or_a_rating_there_is_no_load_control_state(state, rated):
    assert status_sample(state, NOW, rated_load_w=rated).status.oadrLoadControlState is None


@pytest.mark.parametrize(
    ("unit", "quantity", "value"),
    [
        (VOLT, Quantity.VOLTAGE, 230.0),
        (HERTZ, Quantity.FREQUENCY, 230.0),
        (APPARENT, Quantity.APPARENT_POWER, 230.0),
        (units.power_real(), Quantity.ACTIVE_POWER, -230.0),
        (units.power_reactive(), Quantity.REACTIVE_POWER, -230.0),
        (units.energy_real("k"), Quantity.ENERGY, -230_000.0),
    ],
)
@pytest.mark.parametrize("delivered", [False, True])
def test_only_what_flows_changes_its_sign(unit, quantity, value, delivered):
    given = [ReportValue(rid="r", start=NOW - 9, value=230.0)]
    (reading,) = readings_of(given, unit, "d", NOW, generation_positive=delivered)
    assert (reading.quantity, reading.value) == (quantity, abs(value) if delivered else value)
    assert (reading.source_time, reading.duration_s) == (NOW - 9, 0.0)


def test_a_reading_of_zero_has_no_sign():
    (reading,) = readings_of([ReportValue(rid="r", start=NOW, value=0.0)], units.power_real(), "d", NOW)
    assert str(reading.value) == "0.0"


def test_reports_of_vens_below_us_become_readings():
    values = [
        ReportValue(rid="r", start=NOW - 9, value=1.5, duration=60, quality="Quality Uncertain - Non Specific"),
        ReportValue(rid="r", start=NOW, feed=b"<x/>"),
    ]
    (reading,) = readings_of(values, units.power_real("k"), "d", NOW)
    assert (reading.quantity, reading.value, reading.quality) == (Quantity.ACTIVE_POWER, -1500.0, Quality.ESTIMATED)
    assert (reading.source_time, reading.received, reading.duration_s) == (NOW, NOW, 60.0)
    (over,) = readings_of(
        [ReportValue(rid="r", start=NOW - 90, value=1.5, duration=60)], units.power_real("k"), "d", NOW
    )
    assert over.source_time == NOW - 30  # a mean is dated at its end
    assert readings_of(values, units.power_real("k"), "d", NOW, generation_positive=True)[0].value == 1500.0


@pytest.mark.parametrize("unit", [None, units.price_per_kwh("EUR")])
def test_values_of_other_kinds_give_no_readings(unit):
    assert readings_of([ReportValue(rid="r", start=NOW, value=1.0)], unit, "d", NOW) == []
