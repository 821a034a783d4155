"""Enrolment rules against an asset's record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gridiface.aggregation.portfolio.assets import Asset, AssetType
from gridiface.aggregation.portfolio.qualification import EnrolmentRules, qualify

ASSET = Asset(
    id="a", asset_type=AssetType.BATTERY, zip="94105", capacity_kwh=10, max_discharge_kw=5, metering_interval_s=900
)
RULES = EnrolmentRules(
    program="peak",
    asset_types=frozenset({AssetType.BATTERY}),
    zips=("941",),
    min_kw=2.0,
    max_kw=50.0,
    min_hours=2.0,
    metering_interval_s=900.0,
    exclusive_with=frozenset({"reserve"}),
)


def test_an_asset_that_meets_every_rule_qualifies() -> None:
    found = qualify(ASSET, RULES, ["net-metering"])
    assert found.qualified
    assert qualify(ASSET, EnrolmentRules(program="anything")).qualified


@pytest.mark.parametrize(
    ("asset", "failure"),
    [
        (replace(ASSET, asset_type=AssetType.PV), "is a pv; the program takes battery"),
        (replace(ASSET, zip="10001"), "is at 10001, outside 941"),
        (replace(ASSET, max_discharge_kw=1.0), "has 1 kW; at least 2 kW are asked"),
        (replace(ASSET, max_discharge_kw=60.0), "at most 50 kW"),
        # 3 kWh over two hours are 1.5 kW.
        (replace(ASSET, capacity_kwh=3.0), "holds 1.5 kW for 2 h; 2 kW are asked"),
        (replace(ASSET, metering_interval_s=3600.0), "metered every 3600 s"),
        (replace(ASSET, metering_interval_s=None), "its metering interval is unknown"),
    ],
)
def test_each_failure_is_named(asset: Asset, failure: str) -> None:
    found = qualify(asset, RULES)
    assert not found.qualified
    assert any(failure in text for text in found.failures)


def test_programs_that_exclude_each_other() -> None:
    assert qualify(ASSET, RULES, ["reserve"]).failures == ("already in reserve, which peak excludes",)
