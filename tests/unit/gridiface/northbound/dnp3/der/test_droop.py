"""Droop and what else belongs to curves: the profile's gradients as the engine's per-unit figures."""

import pytest

from gridiface.northbound.dnp3.der.droop import droop_payload, response_time, with_parameters

USUAL = {"low": -0.036, "high_gradient": 20.0, "low_gradient": -25.0, "up": 5.0, "down": 3.0}
WATTS = {"low": -0.5, "in_watts": 1.0, "high_w": 2e6, "low_w": 1e6, "nominal": 50.0}


def test_percent_by_percent():
    # 20 % of power by 1 % of frequency is a droop of 5 %
    assert droop_payload(0.036, USUAL.get, None) == {"dBOF": 36, "dBUF": 36, "kOF": 50, "kUF": 40, "openLoopTms": 500}


def test_watts_by_hertz_need_rating_and_nominal_frequency():
    # 2 MW/Hz of 5 MW at 50 Hz: 20 per unit
    assert droop_payload(0.2, WATTS.get, 5e6) == {"dBOF": 200, "dBUF": 500, "kOF": 50, "kUF": 100, "openLoopTms": 0}
    assert droop_payload(0.2, WATTS.get, None) is None
    assert droop_payload(0.2, (WATTS | {"nominal": 0.0}).get, 5e6) is None


@pytest.mark.parametrize(
    ("high", "change"),
    [(-0.1, {}), (0.1, {"low": 0.1}), (0.1, {"low": None}), (0.1, {"high_gradient": 0.0}), (0.1, {"low_gradient": 1e9}),
     (0.1, {"high_gradient": 1e-3})],
)  # fmt: skip
def test_what_no_device_could_do_is_none(high, change):
    assert droop_payload(high, (USUAL | change).get, None) is None


def test_curves_get_their_times_and_the_reference_that_follows():
    curve = {"opModVoltVar": {"curveType": 11}}
    assert with_parameters(curve, {}.get) == curve
    assert with_parameters(curve, {"up": 2.0, "down": 0.0, "vref": 1.0, "vref_time": 300.0}.get)["opModVoltVar"] == {
        "curveType": 11, "openLoopTms": 200, "autonomousVRefEnable": True, "autonomousVRefTimeConstant": 30_000,
    }  # fmt: skip
    assert response_time({"up": 1e6}.get) == 65_535


def test_limits_are_parts_of_the_rating_and_those_that_limit_nothing_are_not_told():
    def told(**limits: float) -> dict[str, int] | None:
        found = droop_payload(0.036, (USUAL | limits).get, 3e6)
        return None if found is None else {name: found[name] for name in ("minW", "maxW") if name in found}

    assert told() == told(least=0.0, most=3e6) == told(most=4e6) == {}
    assert told(least=1e6) == {"minW": 3_334}  # a least power rounds up, a most power down
    assert told(least=3e5, most=2e6) == {"minW": 1_000, "maxW": 6_666}
    assert told(least=3.1e6) is None
    assert told(least=2e6, most=1e6) is None
    assert droop_payload(0.036, (USUAL | {"least": 1.0}).get, None) is None  # parts of what?
