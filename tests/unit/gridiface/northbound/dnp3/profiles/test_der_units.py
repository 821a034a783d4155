"""Blocks of single devices: where they stand, what they show."""

import pytest

from gridiface.domain.controls import Target, TargetKind
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointMap
from gridiface.northbound.dnp3.profiles import profile
from gridiface.northbound.dnp3.profiles.der_units import STARTS, most, unit_entries
from gridiface.protocols.dnp3.points import PointType

AI, BI, AO, CT = PointType.ANALOG_INPUT, PointType.BINARY_INPUT, PointType.ANALOG_OUTPUT, PointType.COUNTER


def test_blocks_follow_each_other_as_the_profile_counts_them():
    points = PointMap(
        unit_entries({"meters": ["m1"], "inverters": ["i1", "i2", "i3"], "batteries": ["b1", "b2", "b3"]})
    )
    # the third inverter's power is AI15069, the third battery's state of charge AI20062
    assert points.by_key[AI, 15_069].measure is Measure.W
    assert points.by_key[AI, 15_069].target == Target(TargetKind.DEVICE, "i3")
    assert points.by_key[AI, 20_062].measure is Measure.SOC
    assert (points.by_key[AI, 20_062].scale, points.by_key[AI, 20_062].unit) == (0.1, "%")
    assert points.by_key[BI, 5012].measure is Measure.COMM_LOST
    assert points.by_key[CT, 5003].measure is Measure.REACTIVE_IN
    assert {kind: sum(e.type is kind and e.index < 10_000 for e in points) for kind in (AI, BI, AO, CT)} == {
        AI: 37, BI: 13, AO: 12, CT: 4,
    }  # fmt: skip


def test_thresholds_of_each_block_are_its_own():
    points = PointMap(unit_entries({"inverters": ["i1", "i2"]}))
    assert points.by_key[BI, 15_035].argument == "w AO15012"
    assert points.by_key[AO, 15_012].action is Action.STORE
    assert points.by_key[AO, 15_012].initial == 2_147_483_647
    assert points.by_key[AI, 15_054].argument == "AO15012"


@pytest.mark.parametrize("block", STARTS)
def test_there_is_room_for_so_many(block):
    whole = PointMap(profile("der")).merged(unit_entries({block: [f"d{n}" for n in range(most(block))]}))
    assert len(whole.core()) > 1000
    with pytest.raises(ConfigError, match="room for"):
        unit_entries({block: ["d"] * (most(block) + 1)})


def test_an_unknown_block_is_named():
    with pytest.raises(ConfigError, match="no blocks of 'chillers'"):
        unit_entries({"chillers": ["c"]})
