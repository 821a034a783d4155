"""What is polled of an open device, and what it says."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.fleet import DeviceKind, Nameplate, Settings
from gridiface.errors import DeviceRejected
from gridiface_southbound.sunspec.config import SunSpecConfig
from gridiface_southbound.sunspec.controls import ControlOptions, Controls
from gridiface_southbound.sunspec.functions import Ratings
from gridiface_southbound.sunspec.opened import Opened
from gridiface_southbound.sunspec.scan import DeviceMap, ModelPlace

CONFIG = SunSpecConfig(host="h", meter_positive="taken")
LIMITS = Ratings(max_w=5000.0)


def opened(blocks: dict[int, Any], meter: ModelPlace | None = None) -> Opened:
    places = tuple(ModelPlace(m, 40002 + 200 * at, 100) for at, m in enumerate((1, 701, 203, 713)))
    controls = Controls({}, LIMITS, ControlOptions())
    plate = Nameplate(max_w=5000.0)
    kind = DeviceKind.BATTERY if meter is None else DeviceKind.METER
    found = DeviceMap(40000, places)
    return Opened(found, blocks, plate, Settings(), LIMITS, kind, controls, frozenset(), meter=meter)


def test_an_inverter_is_polled_without_the_meter_beside_it_and_a_meter_alone(block: Any) -> None:
    assert [place.id for place in opened({}).polled] == [701, 713]
    meter = ModelPlace(203, 40402, 105)
    device = opened({}, meter)
    assert device.polled == [meter]
    seen = device.snapshot("d", {203: block(203, {"W": 5, "W_SF": 0})}, CONFIG, now=1.0)
    assert seen.w == -5
    with pytest.raises(DeviceRejected, match="model 203 cannot be read"):
        device.snapshot("d", {}, CONFIG, now=1.0)
    with pytest.raises(DeviceRejected, match="no readable measurements"):
        opened({}).snapshot("d", {713: block(713, {})}, CONFIG, now=1.0)


def test_other_scale_factors_are_noticed(block: Any) -> None:
    device = opened({704: block(704, {"WSet_SF": 0})})
    assert not device.rescaled({704: block(704, {"WSet_SF": 0, "WSet": 5})})
    assert device.rescaled({704: block(704, {"WSet_SF": 1})})
