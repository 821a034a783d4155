"""The status of a portfolio, in numbers that can be checked by hand."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridiface.aggregation.portfolio.assets import Asset, AssetState, AssetType, Portfolio
from gridiface.aggregation.portfolio.eligibility import bundled_markets
from gridiface.aggregation.portfolio.status import ExportCap, ProgramEnrolment, capped_kw, portfolio_status

NOW = 1_795_000_000.0


def asset(name: str) -> Asset:
    return Asset(
        id=name,
        asset_type=AssetType.BATTERY,
        zip="94105",
        capacity_kwh=10.0,
        max_discharge_kw=5.0,
        metering_interval_s=900.0,
    )


def test_golden_status() -> None:
    portfolio = Portfolio(id="p", name="Bay", assets=tuple(asset(name) for name in "abcd"))
    # a and b: 0.35 - 0.05 = 0.30 x 10 kWh = 3 kW for an hour; c: full, so 5 kW; d: never heard of.
    states = {
        "a": AssetState(asset_id="a", observed=NOW, soc=0.35),
        "b": AssetState(asset_id="b", observed=NOW, soc=0.35),
        "c": AssetState(asset_id="c", observed=NOW, soc=1.0),
    }
    caps = [ExportCap(name="feeder", asset_ids=frozenset({"a", "b", "elsewhere"}), max_export_kw=4.0)]
    programs = [
        ProgramEnrolment(
            program="peak", asset_ids=frozenset({"b", "c"}), parts={"b": 0.9, "c": 0.9, "e": 1.0}, active=True
        ),
        ProgramEnrolment(program="other", asset_ids=frozenset({"elsewhere"})),
    ]
    status = portfolio_status(portfolio, states, bundled_markets(), NOW, caps=caps, programs=programs)
    # (3 + 3 capped to 4) + 5 + 0 = 9 kW of 4 x 5 = 20 kW.
    assert status.dispatchable_capacity_kw == pytest.approx(9.0)
    assert (status.nameplate_capacity_kw, status.assets, status.observed_assets) == (20.0, 4, 3)
    (peak,) = status.dr_programs
    # 0.9 x (5 + 5) = 9 kW are reserved, of which 3 + 5 = 8 are there.
    assert peak.committed_kw == pytest.approx(9.0)
    assert (peak.assets, peak.dispatchable_kw, peak.shortfall_kw, peak.active) == (2, pytest.approx(8.0), 1.0, True)
    feeder = status.interconnect_constraints["feeder"]
    assert (feeder.assets, feeder.nameplate_kw, feeder.withheld_kw, feeder.binding) == (2, 10.0, 6.0, True)
    market = status.wholesale_market_eligibility["us-order-2222"]
    # From full each holds 5 kW for an hour: 20 kW, of which the feeder lets 4 + 10 = 14 through.
    assert (market.eligible, market.qualified_kw, market.gap_kw) == (False, 14.0, 86.0)
    body = json.loads(json.dumps(status.as_json()))
    assert set(body) >= {
        "dispatchable_capacity_kw",
        "dr_programs",
        "interconnect_constraints",
        "wholesale_market_eligibility",
    }
    assert body["wholesale_market_eligibility"]["caiso-derp"]["checked"] == "2026-11-21"


def test_nested_caps() -> None:
    powers = {"a": 4.0, "b": 4.0, "c": 4.0}
    site = ExportCap(name="site", asset_ids=frozenset("ab"), max_export_kw=5.0)
    feeder = ExportCap(name="feeder", asset_ids=frozenset("abc"), max_export_kw=8.0)
    assert capped_kw(powers, [site]) == 9.0
    assert capped_kw(powers, [feeder, site]) == 8.0
    assert capped_kw(powers, [feeder]) == 8.0
    assert capped_kw({}, [site]) == 0.0


@given(
    st.lists(st.floats(0, 100), min_size=6, max_size=6),
    st.lists(st.floats(0, 300), min_size=3, max_size=3),
)
def test_no_cap_is_exceeded_and_none_gives_more(powers: list[float], limits: list[float]) -> None:
    assets = {str(number): power for number, power in enumerate(powers)}
    caps = [
        ExportCap(name="left", asset_ids=frozenset("01"), max_export_kw=limits[0]),
        ExportCap(name="right", asset_ids=frozenset("23"), max_export_kw=limits[1]),
        ExportCap(name="both", asset_ids=frozenset("0123"), max_export_kw=limits[2]),
    ]
    total = capped_kw(assets, caps)
    left, right = min(limits[0], powers[0] + powers[1]), min(limits[1], powers[2] + powers[3])
    assert total == pytest.approx(min(limits[2], left + right) + powers[4] + powers[5])


def test_a_market_counts_what_a_cap_lets_through_of_the_assets_that_fit() -> None:
    far = replace(asset("far"), max_discharge_kw=2_000.0, capacity_kwh=8_000.0)  # too large for CAISO, behind no cap
    portfolio = Portfolio(id="p", name="Bay", assets=(asset("a"), asset("b"), far))
    caps = [ExportCap(name="feeder", asset_ids=frozenset({"a", "b"}), max_export_kw=4.0)]
    status = portfolio_status(portfolio, {}, bundled_markets(), NOW, caps=caps)
    derp = status.wholesale_market_eligibility["caiso-derp"]
    assert derp.left_out == ("far",)
    assert derp.qualified_kw == 4.0
    assert derp.incremental_assets is None
