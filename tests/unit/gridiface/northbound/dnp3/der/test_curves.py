"""Curves of the DER profile: scaling, and what cannot be used."""

import pytest

from gridiface.domain.curves import CurveKind
from gridiface.northbound.dnp3.der.curves import KINDS, payload_of, points_of
from gridiface.northbound.dnp3.der.windows import Record

VOLT_VAR = {
    "type": 2.0, "points": 4.0, "x_unit": 129.0, "y_unit": 2.0,
    "x1": 920.0, "y1": 440.0, "x2": 980.0, "y2": 0.0, "x3": 1020.0, "y3": 0.0, "x4": 1080.0, "y4": -440.0,
}  # fmt: skip


def test_a_volt_var_curve():
    record = payload_of(Record(VOLT_VAR), CurveKind.VOLT_VAR, 1.7e9)["opModVoltVar"]
    assert [(p["xvalue"], p["yvalue"]) for p in record["curveData"]] == [
        (9200, 4400), (9800, 0), (10200, 0), (10800, -4400),
    ]  # fmt: skip
    assert len(points_of(Record(VOLT_VAR))) == 4


def test_a_ride_through_curve_has_seconds_and_percent_of_volts():
    record = Record({"type": 9.0, "points": 2.0, "x_unit": 4.0, "y_unit": 8.0,
                     "x1": 160.0, "y1": 1200.0, "x2": 2000.0, "y2": 1100.0})  # fmt: skip
    payload = payload_of(record, CurveKind.HVRT_MUST_TRIP, 0.0)["opModHVRTMustTrip"]
    assert [(p["xvalue"], p["yvalue"]) for p in payload["curveData"]] == [(16, 12000), (200, 11000)]
    assert payload["yRefType"] == 4


@pytest.mark.parametrize(
    "change",
    [
        {"type": 5.0},  # of another kind
        {"points": 1.0},
        {"points": 11.0},
        {"points": 0.0},
        {"x_unit": 29.0},  # volts depend on the device
        {"y_unit": 7.0},
        {"x2": 900.0},  # falls
    ],
)
def test_what_cannot_be_used(change):
    assert payload_of(Record(VOLT_VAR | change), CurveKind.VOLT_VAR, 0.0) is None


def test_every_kind_has_one_number():
    """The profile has no numbers for may-trip curves and none for watt-PF."""
    assert len(set(KINDS.values())) == len(KINDS)
    assert set(KINDS.values()) == {kind for kind in CurveKind if "MayTrip" not in kind.mode} - {CurveKind.WATT_PF}
