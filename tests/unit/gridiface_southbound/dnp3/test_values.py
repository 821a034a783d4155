"""Points to nameplate and snapshot; numbers to the wire."""

import math

import pytest

from gridiface.domain.fleet import DeviceKind
from gridiface.domain.quantities import Phase
from gridiface.domain.telemetry import OperatingState, Quality
from gridiface.protocols.dnp3.measurements import Measurement
from gridiface.protocols.dnp3.points import PointType
from gridiface_southbound.dnp3.config import Dnp3Config, Output
from gridiface_southbound.dnp3.values import found, kind_of, nameplate, quality_of, snapshot, wire_number

AI, BI = PointType.ANALOG_INPUT, PointType.BINARY_INPUT


def config(*shows, **more):
    inputs = [{"shows": name, "index": number} for number, name in enumerate(("w", *shows))]
    return Dnp3Config.model_validate({"host": "h", "inputs": inputs, **more})


def points(*values, flags=1):
    return {
        (AI, number): Measurement(AI, number, value, flags, None, synchronised=True, is_event=False, is_command=False)
        for number, value in enumerate(values)
    }


def test_what_never_came_or_is_no_number_is_not_known():
    assert set(found(points(1.0, math.nan), config("var", "hz").all_inputs)) == {"w"}


def test_ratings_as_told_or_as_configured():
    assert nameplate(config(), points(1.0)) is None
    assert nameplate(config(rating_w=500.0, max_charge_w=400.0), points(1.0)).max_charge_w == 400
    told = nameplate(config("rated_discharge_w", "rated_charge_w", rating_w=1.0), points(0.0, 900.0, -800.0))
    assert (told.max_w, told.max_discharge_w, told.max_charge_w) == (900, 900, 800)
    assert kind_of(config(), told) is DeviceKind.BATTERY
    assert kind_of(config(), None) is DeviceKind.PV
    assert kind_of(config(kind="pv"), told) is DeviceKind.PV


def test_a_snapshot():
    seen = snapshot("a", config("soc", "fault", "alarm"), points(5.0, 1.2, 1.0, 1.0), 7.0)
    assert (seen.w, seen.soc, seen.state, seen.alarms) == (5.0, 1.0, OperatingState.FAULT, {"alarm"})
    lost = snapshot("a", config("soc"), points(5.0, 0.5, flags=4), 7.0)
    assert (lost.w, lost.soc, lost.quality) == (None, None, Quality.BAD)
    assert snapshot("a", config(), {}, 7.0).quality is Quality.BAD
    assert quality_of(0x21) is Quality.ESTIMATED


def test_single_phases_of_a_meter():
    shows = ("volts", "volts_b", "amps_a", "angle_a", "angle_c", "w_c", "var_b")
    seen = snapshot("a", config(*shows), points(5.0, 231.0, 230.0, 9.0, 360.0, -120.0, 3.0, -2.0), 7.0)
    assert (seen.volts, seen.amps) == ({Phase.BN: 230.0}, {Phase.A: 9.0})
    assert (seen.angles, seen.phase_w, seen.phase_var) == (
        {Phase.AN: 0.0, Phase.CN: 240.0}, {Phase.C: 3.0}, {Phase.B: -2.0}
    )  # fmt: skip
    assert snapshot("a", config("volts"), points(5.0, 231.0), 7.0).volts == {Phase.ALL: 231.0}


@pytest.mark.parametrize(
    ("variation", "scale", "value", "limit", "wire"),
    [
        (1, 1.0, 2.6, False, 3.0),
        (1, 1.0, 2.6, True, 2.0),
        (2, 1.0, 40_000.0, False, None),
        (1, 1e-3, 3e6, False, None),
        (3, 3.0, 1.0, False, float.fromhex("0x1.555556p-2")),
        (3, 3.0, 1.0, True, float.fromhex("0x1.555554p-2")),
        (3, 1e-30, 1e30, False, None),
        (4, 3.0, 1.0, True, 1.0 / 3.0),
    ],
)
def test_numbers_on_the_wire(variation, scale, value, limit, wire):
    output = Output(does="set_w", index=0, scale=scale, variation=variation)
    assert wire_number(output, value, limit=limit) == wire
