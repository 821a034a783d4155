"""The form in which curves travel."""

import pytest

from gridiface.domain.controls import ModeValue
from gridiface.domain.curves import (
    MOST_POINTS,
    BadCurve,
    Curve,
    CurveBase,
    CurveKind,
    Droop,
    curve_payload,
    curves_in,
    each_curve,
    fault_of_curves,
    fault_of_droop,
)
from gridiface.protocols.sep2.der_codes import CURVE_MODES, DERUnitRefType
from gridiface.protocols.sep2.resources.der import CurveData, DERCurve


def test_points_become_hundredths():
    payload = curve_payload(CurveKind.VOLT_VAR, [(92.0, 44.0), (108.05, -44.0)], CurveBase.MAX_VAR, 1.7e9)
    record = payload["opModVoltVar"]
    assert record["curveData"] == [{"xvalue": 9200, "yvalue": 4400}, {"xvalue": 10805, "yvalue": -4400}]
    assert (record["curveType"], record["yRefType"], record["xMultiplier"]) == (11, 2, -2)
    assert record["creationTime"] == 1_700_000_000


@pytest.mark.parametrize("points", [[], [(0.0, 0.0)] * (MOST_POINTS + 1), [(1e9, 0.0)]])
def test_what_no_carrier_can_take(points):
    assert curve_payload(CurveKind.FREQ_WATT, points, CurveBase.MAX_W, 0.0) is None


def test_every_kind_has_a_name_and_a_number_of_its_own():
    assert len({kind.mode for kind in CurveKind}) == len({kind.number for kind in CurveKind}) == len(CurveKind)


#: Curves that IEEE 2030.5 does not have; SunSpec and the DER profile of DNP3 do.
BEYOND = {CurveKind.HFRT_MOMENTARY_CESSATION, CurveKind.LFRT_MOMENTARY_CESSATION}


def test_what_ieee_2030_5_does_not_have_takes_no_name_and_no_number_of_its_curves():
    assert {kind.mode for kind in CurveKind} - CURVE_MODES.keys() == {kind.mode for kind in BEYOND}
    assert not {kind.number for kind in BEYOND} & set(CURVE_MODES.values())


@pytest.mark.parametrize("kind", [kind for kind in CurveKind if kind not in BEYOND])
def test_ieee_2030_5_takes_the_record_as_it_is(kind):
    """The form is that of DERCurve: a server of 2030.5 can publish what came by another protocol."""
    assert CURVE_MODES[kind.mode] == kind.number
    record = curve_payload(kind, [(50.0, 10.0), (51.0, -10.0)], CurveBase.MAX_W, 1.7e9)[kind.mode]
    points = [CurveData(**point) for point in record["curveData"]]
    curve = DERCurve(mRID="0" * 32, **{**record, "curveData": points})
    assert curve.curveData[1].yvalue == -1000
    assert DERUnitRefType(curve.yRefType) is DERUnitRefType.SET_MAX_W


VOLT_VAR = {"curveType": 11, "yRefType": 2, "xMultiplier": -2, "yMultiplier": -1, "openLoopTms": 500, "vRef": 10100,
            "curveData": [{"xvalue": 9850, "yvalue": 440}, {"xvalue": 102, "yvalue": -3}]}  # fmt: skip


def test_what_a_record_says():
    curve = Curve.of(CurveKind.VOLT_VAR, VOLT_VAR)
    assert curve.points == ((98.5, 44.0), (1.02, -0.3))
    assert (curve.base, curve.response_s, curve.reference_percent, curve.follows) == (2, 5.0, 101.0, None)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"curveType": 12}, "curveType 12"),
        ({"curveData": []}, "1 to 10 points"),
        ({"curveData": "abc"}, "1 to 10 points"),
        ({"curveData": [{"xvalue": 1}]}, "xvalue and yvalue"),
        ({"curveData": [{"xvalue": True, "yvalue": 1}]}, "xvalue is no number"),
        ({"curveData": [7]}, "xvalue and yvalue"),
        ({"xMultiplier": 0.5}, "xMultiplier"),
        ({"yMultiplier": 300}, "yMultiplier"),
        ({"openLoopTms": -1}, "openLoopTms cannot be -1"),
        ({"vRef": float("nan")}, "vRef is no number"),
    ],
)
def test_what_is_no_curve(change, reason):
    with pytest.raises(BadCurve, match=reason):
        Curve.of(CurveKind.VOLT_VAR, VOLT_VAR | change)


@pytest.mark.parametrize("record", [None, 1, {}, {"dBOF": 1, "dBUF": 1, "kOF": 0, "kUF": 1, "openLoopTms": 1}])
def test_what_is_no_droop(record):
    with pytest.raises(BadCurve):
        Droop.of(record)


def test_what_a_droop_says():
    record = {"dBOF": 36, "dBUF": 30, "kOF": 50, "kUF": 40, "openLoopTms": 250}
    droop = Droop.of(record)
    assert (droop.over_hz, droop.under_hz, droop.over_gain, droop.under_gain, droop.response_s) == (
        *(0.036, 0.03, 0.05, 0.04, 2.5),
    )


def test_each_curve_is_a_value_of_its_own():
    both = ModeValue(2.0, payload={"opModVoltVar": VOLT_VAR, "opModVoltWatt": {"a": 1}})
    assert each_curve(both) == [
        ModeValue(1.0, "opModVoltVar", {"opModVoltVar": VOLT_VAR}),
        ModeValue(1.0, "opModVoltWatt", {"opModVoltWatt": {"a": 1}}),
    ]
    assert [curves_in(one) for one in each_curve(both)] == [
        {"opModVoltVar": VOLT_VAR},
        {"opModVoltWatt": {"a": 1}},
    ]
    named = ModeValue(3.0, "opModVoltVar", VOLT_VAR)
    assert each_curve(named) == [named]
    assert curves_in(named) == {"opModVoltVar": VOLT_VAR}
    assert each_curve(ModeValue(0.0)) == [ModeValue(0.0)]


def test_faults_are_told_with_the_curve():
    assert fault_of_curves(ModeValue(1.0, payload={"opModVoltWatt": {"curveData": 1}})).startswith("opModVoltWatt: ")
    assert fault_of_curves(ModeValue(1.0, payload={"opModVoltVar": VOLT_VAR, "x": 1})) == ""


@pytest.mark.parametrize(
    ("limits", "fault"),
    [({}, ""), ({"minW": -10_000, "maxW": 10_000}, ""), ({"minW": 10_001}, "minW cannot be 100.01 %"),
     ({"maxW": float("nan")}, "maxW is no number"), ({"minW": 5_000, "maxW": 4_000}, "minW is above maxW"),
     ({"kOF": 0}, "kOF and kUF")],
)  # fmt: skip
def test_the_limits_of_a_droop(limits, fault):
    record = {"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 50, "openLoopTms": 0, **limits}
    found = fault_of_droop(ModeValue(1.0, payload=record))
    assert found.startswith(fault)
    assert bool(found) == bool(fault)
    if not fault:
        droop = Droop.of(record)
        assert (droop.least_percent, droop.most_percent) == ((-100.0, 100.0) if limits else (None, None))
