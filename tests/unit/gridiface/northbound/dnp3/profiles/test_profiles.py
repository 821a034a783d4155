"""The ready-made maps: complete, free of contradictions, and as the profile says."""

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.points import Action, Measure, PointMap
from gridiface.northbound.dnp3.profiles import PROFILES, profile
from gridiface.northbound.dnp3.profiles.der import rows
from gridiface.protocols.dnp3.points import PointType

SHORT = {
    "AI": PointType.ANALOG_INPUT,
    "BI": PointType.BINARY_INPUT,
    "AO": PointType.ANALOG_OUTPUT,
    "BO": PointType.BINARY_OUTPUT,
}


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


def test_61_every_der_output_has_its_read_back():
    points = PointMap(profile("der"))
    for row in rows():
        if row.entry.is_output and row.pair:
            back = points.by_key[SHORT[row.pair[:2]], int(row.pair[2:])]
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


def test_what_the_domain_does_not_know_is_marked():
    points = PointMap(profile("der"))
    assert points.by_name["AI22"].measure is Measure.UNKNOWN
    assert points.by_name["AO32"].action is Action.NONE
