"""The form in which curves travel."""

import pytest

from gridiface.domain.curves import MOST_POINTS, CurveBase, CurveKind, curve_payload
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


@pytest.mark.parametrize("kind", list(CurveKind))
def test_ieee_2030_5_takes_the_record_as_it_is(kind):
    """The form is that of DERCurve: a server of 2030.5 can publish what came by another protocol."""
    assert CURVE_MODES[kind.mode] == kind.number
    record = curve_payload(kind, [(50.0, 10.0), (51.0, -10.0)], CurveBase.MAX_W, 1.7e9)[kind.mode]
    points = [CurveData(**point) for point in record["curveData"]]
    curve = DERCurve(mRID="0" * 32, **{**record, "curveData": points})
    assert curve.curveData[1].yvalue == -1000
    assert DERUnitRefType(curve.yRefType) is DERUnitRefType.SET_MAX_W
