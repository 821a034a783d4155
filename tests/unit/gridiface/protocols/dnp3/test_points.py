import pytest

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.objects import find
from gridiface.protocols.dnp3.points import BY_EVENT_GROUP, KINDS, PointConfig, PointType


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: f"g{kind.static_group}")
def test_default_variations_exist(kind):
    assert not kind.static_variation or find(kind.static_group, kind.static_variation)
    assert not kind.event_variation or find(kind.event_group, kind.event_variation)


def test_event_groups_lead_back_to_their_points():
    assert BY_EVENT_GROUP[32] is PointType.ANALOG_INPUT
    assert BY_EVENT_GROUP[13] is PointType.BINARY_OUTPUT


@pytest.mark.parametrize(
    "wrong",
    [
        {"index": -1},
        {"index": 65_536},
        {"event_class": 4},
        {"command_event_class": -1},
        {"deadband": -0.1},
        {"static_variation": 9},
        {"event_variation": 9},
    ],
)
def test_what_cannot_be_is_refused(wrong):
    with pytest.raises(LocalProtocolError):
        PointConfig(**({"type": PointType.ANALOG_INPUT, "index": 1} | wrong))


def test_delta_counters_are_not_offered():
    with pytest.raises(LocalProtocolError, match="g20v3"):
        PointConfig(PointType.COUNTER, 0, static_variation=3)


def test_a_point_without_a_name_is_called_by_type_and_index():
    assert PointConfig(PointType.COUNTER, 7).label == "counter 7"
    assert PointConfig(PointType.COUNTER, 7, "Wh out").label == "Wh out"
