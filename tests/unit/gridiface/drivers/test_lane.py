"""The dispatcher's small pieces: policies from configuration, counters, a lane that forgets."""

from __future__ import annotations

import pytest

from gridiface.domain.controls import DeliveryOutcome
from gridiface.drivers.api import DriverConfig
from gridiface.drivers.lane import DevicePolicy, DispatchCounters


@pytest.mark.parametrize(("percent", "band"), [(0.0, 50.0), (1.0, 100.0)])
def test_the_wider_dead_band_counts(percent: float, band: float) -> None:
    config = DriverConfig(dead_band_w=50, dead_band_percent=percent, min_period_s=2)
    assert DevicePolicy.of(config, 10_000) == DevicePolicy(dead_band_w=band, min_period_s=2)


@pytest.mark.parametrize("outcome", list(DeliveryOutcome))
def test_every_outcome_is_counted_once(outcome: DeliveryOutcome) -> None:
    counters = DispatchCounters()
    counters.count(outcome)
    assert sum(getattr(counters, name) for name in DispatchCounters.__slots__) == 1
