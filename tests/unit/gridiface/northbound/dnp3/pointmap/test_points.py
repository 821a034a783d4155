"""Entries and maps of points: scaling both ways, and what a map refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry, PointMap
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.points import PointType

AI, AO, BI, BO = (
    PointType.ANALOG_INPUT,
    PointType.ANALOG_OUTPUT,
    PointType.BINARY_INPUT,
    PointType.BINARY_OUTPUT,
)


def analog(index=0, name="p", **more):
    return PointEntry(type=AI, index=index, name=name, **({"measure": Measure.W} | more))


def output(index=0, name="o", **more):
    return PointEntry(type=AO, index=index, name=name, **({"action": Action.SET_W} | more))


@given(
    value=st.floats(-1e9, 1e9),
    scale=st.sampled_from([0.001, 0.1, 1.0, 1e3, 1e6]),
    sign=st.sampled_from([1, -1]),
    offset=st.floats(-100, 100),
)
def test_65_a_number_survives_the_way_to_the_wire_and_back(value, scale, sign, offset):
    entry = analog(scale=scale, sign=sign, offset=offset)
    assert entry.to_si(entry.to_wire(value)) == pytest.approx(value, rel=1e-9, abs=1e-4 * scale)


@pytest.mark.parametrize(("sign", "value", "wire"), [(1, 1, 1), (1, 0, 0), (-1, 1, 0), (-1, 0, 1)])
def test_a_state_can_be_turned_round(sign, value, wire):
    entry = PointEntry(type=BI, index=0, name="s", measure=Measure.CONNECTED, sign=sign)
    assert entry.to_wire(value) == wire
    assert entry.to_si(wire) == value


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0},
        {"sign": 0},
        {"measure": Measure.CONSTANT, "argument": "many"},
        {"measure": Measure.READ_BACK},
        {"measure": Measure.SUPPORTS},
        {"type": PointType.OCTET_STRING},
    ],
)
def test_an_entry_that_means_nothing_is_refused(wrong):
    with pytest.raises(ConfigError):
        PointEntry(**({"type": AI, "index": 0, "name": "p", "measure": Measure.W} | wrong))


@pytest.mark.parametrize(
    "entries",
    [
        [analog(), analog(name="q")],
        [analog(), analog(1)],
        [analog(measure=Measure.READ_BACK, argument="nobody")],
        [analog(), analog(1, "q", measure=Measure.READ_BACK, argument="p")],
        [output(enabled_by="nobody")],
        [output(), output(1, "q", enabled_by="o")],
        [output(ramp_from="nobody")],
    ],
)
def test_a_map_that_leads_nowhere_is_refused(entries):
    with pytest.raises(ConfigError):
        PointMap(entries)


def test_a_variation_that_does_not_exist_is_refused():
    with pytest.raises(ConfigError, match="g30v9"):
        PointMap([analog(static_variation=9)]).core()


def test_a_later_map_replaces_points_of_the_same_index():
    merged = PointMap([analog(), analog(1, "q")]).merged([analog(1, "other"), analog(2, "new")])
    assert [entry.name for entry in merged] == ["p", "other", "new"]
    assert [entry.name for entry in merged.inputs()] == ["p", "other", "new"]
    assert merged.outputs() == []


def test_outputs_of_one_slot_are_found_together():
    points = PointMap([output(0, "a", slot="s"), output(1, "b", slot="s"), output(2, "c")])
    assert [entry.name for entry in points.of_slot("s")] == ["a", "b"]
    assert [entry.name for entry in points.of_slot("c")] == ["c"]
    assert points.of_slot("x") == []


def test_stored_outputs_are_online_from_the_start():
    states = {entry.name: entry.core().initial_flags for entry in (output(), output(1, "kept", action=Action.STORE))}
    assert states == {"o": Flags.RESTART, "kept": Flags.ONLINE}


def test_a_number_within_the_rounding_of_its_range_stays():
    entry = analog(minimum=0, maximum=100)
    assert [entry.within(wire) for wire in (-0.4, 100.5, 50.0)] == [-0.4, 100.5, 50.0]
    assert [entry.within(wire) for wire in (-0.6, 101.0)] == [0, 100]
    assert entry.within(float("nan")) != entry.within(float("nan"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"rates_from": "use=a discharge_up=b"}, "rates are charge_down"),
        ({"rates_from": "use"}, "NAME=OUTPUT"),
        ({"parameters_from": "low"}, "NAME=OUTPUT"),
        ({"needs": "volt_var flying"}, "no capability is called 'flying'"),
    ],
)
def test_what_is_named_must_have_the_right_form(change, reason):
    with pytest.raises(ConfigError, match=reason):
        PointEntry(type=PointType.ANALOG_OUTPUT, index=0, name="x", action=Action.SET_W, **change)
