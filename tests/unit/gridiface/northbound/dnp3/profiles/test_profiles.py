"""The ready-made maps: complete, free of contradictions, and as the profile says."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import PROFILES, profile
from gridiface.northbound.dnp3.profiles.der import rows
from gridiface.protocols.dnp3.objects import TABLE
from gridiface.protocols.dnp3.points import PointType
from gridiface.protocols.dnp3.values import ENCODERS

SHORT = {
    "AI": PointType.ANALOG_INPUT,
    "BI": PointType.BINARY_INPUT,
    "AO": PointType.ANALOG_OUTPUT,
    "BO": PointType.BINARY_OUTPUT,
}

VECTORS = next(folder for folder in Path(__file__).parents if folder.name == "tests") / "vectors" / "dnp3"
MANDATORY = list(csv.DictReader((VECTORS / "der-mandatory.csv").read_text(encoding="utf-8").splitlines()))
BY_NAME = {row.entry.name: row for row in rows()}


@pytest.mark.parametrize("name", PROFILES)
def test_each_profile_is_a_map_that_the_core_takes(name):
    points = PointMap(profile(name))
    frozen = sum(entry.frozen_class is not None for entry in points)
    assert len(points.core()) == len(points) + frozen > 40


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ConfigError, match="iso-gateway"):
        profile("mesa")


def test_60_every_mandatory_der_point_is_there():
    counts = {kind: sum(row.entry.type is SHORT[kind] and bool(row.mandatory) for row in rows()) for kind in SHORT}
    # 106 base points, and of the curve window type, number of points, units and ten pairs
    assert counts == {"AI": 106 + 24, "BI": 59, "AO": 28, "BO": 10}


@pytest.mark.parametrize("wanted", MANDATORY, ids=lambda row: row["type"] + row["index"])
def test_60_type_scale_limits_class_and_pair_of_every_mandatory_point(wanted):
    """The file holds the lists of IEEE 1815.2 and IEEE 1547 as published: raw limits, class, multiplier of the unit."""
    row = BY_NAME[wanted["type"] + wanted["index"]]
    entry = row.entry
    assert (entry.type, entry.index) == (SHORT[wanted["type"]], int(wanted["index"]))
    assert entry.event_class == int(wanted["class"])
    assert row.mandatory == wanted["mandatory"]
    if wanted["pair"]:
        assert row.pair == wanted["pair"]
    # percent of a state of charge, which is 0..1 in SI
    per_unit = 100 if entry.measure in {Measure.SOC, Measure.USABLE_SOC} else 1
    assert entry.scale * per_unit == pytest.approx(float(wanted["scale"]), rel=1e-12)
    if wanted["type"] in {"AI", "AO"}:
        assert (entry.minimum, entry.maximum) == (float(wanted["minimum"]), float(wanted["maximum"]))
    if wanted["type"] in {"AI", "AO"}:
        assert (entry.static_variation, entry.event_variation) == (1, 3)  # integers with a multiplier


def test_61_every_der_output_has_its_read_back():
    points = PointMap(profile("der"))
    for row in rows():
        if row.served and row.entry.is_output and row.pair:
            back = points.by_key[SHORT[row.pair[:2]], int(row.pair[2:])]
            if row.entry.action.value == back.measure.value:
                # what devices are set to, not what was asked of them
                assert back.measure.value.startswith("enter_"), row.entry.name
                continue
            if row.entry.name == "BO5":  # "switch closed": what devices say
                assert back.measure is Measure.CONNECTED
                continue
            if row.entry.name in {"BO1", "BO2"}:
                # "system is starting up", "system is stopped": what became of it
                told = {"BO1": Measure.STARTING, "BO2": Measure.STOPPED}
                assert (back.measure, back.argument) == (told[row.entry.name], row.entry.name)
                continue
            assert (back.measure, back.argument) == (Measure.READ_BACK, row.entry.name), row.entry.name


@pytest.mark.parametrize(
    ("name", "unit", "scale", "event_class"),
    [("AI537", "W", 1.0, 3), ("AI536", "Hz", 0.001, 3), ("AI553", "V", 0.1, 1), ("AI29", "V", 0.1, 2)],
)
def test_scale_and_class_are_the_profiles(name, unit, scale, event_class):
    entry = PointMap(profile("der")).by_name[name]
    assert (entry.unit, entry.scale, entry.event_class) == (unit, scale, event_class)


def test_der_analogs_are_integers_with_the_profiles_limits():
    entry = PointMap(profile("der")).by_name["AO87"]
    assert (entry.minimum, entry.maximum, entry.scale, entry.static_variation) == (0, 1000, 0.1, 1)
    assert entry.action is Action.MAX_W_PERCENT
    assert entry.to_si(1000) == pytest.approx(100)


def test_what_the_domain_does_not_know_is_in_the_list_and_not_served():
    """IEEE 1815.2: of a function that is not supported an outstation serves no points but that it is not."""
    points = PointMap(profile("der"))
    assert {name: (BY_NAME[name].entry.measure, BY_NAME[name].entry.action) for name in ("BI5", "AO32")} == {
        "BI5": (Measure.UNKNOWN, Action.NONE),
        "AO32": (Measure.UNKNOWN, Action.NONE),
    }
    # what does nothing, what reads it back, what is never known, and what tells of a function that is not there
    assert points.by_name.keys().isdisjoint({"BI5", "AO32", "AI83", "BO14", "BI66", "AI101", "AI317"})
    assert points.by_name["BI33"].measure is Measure.CONSTANT  # "supports": no
    served = {row.entry.name for row in rows() if row.served}
    assert served == points.by_name.keys()
    assert not {row.entry.name for row in rows() if row.mandatory} - served


ANALOGS = [row.entry for row in rows() if row.entry.type in {PointType.ANALOG_INPUT, PointType.ANALOG_OUTPUT}]
INT32 = st.integers(-(2**31), 2**31 - 1)


@given(st.sampled_from(ANALOGS), INT32)
def test_65_every_raw_number_of_the_profile_survives_the_way_to_its_unit_and_back(entry, raw):
    group = 30 if entry.type is PointType.ANALOG_INPUT else 40
    octets = ENCODERS[group, 1](entry.to_wire(entry.to_si(raw)), 1, 0)
    assert TABLE[group, 1].unpack(octets)["value"] == raw


#: Mandatory inputs of which neither IEEE 2030.5 nor SunSpec nor any other device here has a word.
UNTOLD: set[str] = set()


def test_60_which_mandatory_points_are_never_online_is_known():
    points = PointMap(profile("der"))
    dumb = {name for name in (row.entry.name for row in rows() if row.mandatory) if is_dumb(points, name)}
    assert dumb == UNTOLD


def is_dumb(points, name):
    entry = points.by_name[name]
    if entry.is_output:
        return entry.action is Action.NONE
    if entry.measure is Measure.READ_BACK:
        return points.by_name[entry.argument].action is Action.NONE
    return entry.measure is Measure.UNKNOWN
