"""Thresholds as data, and what a portfolio lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from gridiface.aggregation.portfolio.assets import Asset, AssetType
from gridiface.aggregation.portfolio.eligibility import Market, bundled_markets, eligibility, parse_markets
from gridiface.errors import ConfigError

NOW = datetime(2026, 12, 1, tzinfo=UTC).timestamp()
MARKET = Market(
    id="m",
    name="M",
    source="s",
    checked=date(2026, 11, 21),
    min_aggregation_kw=500.0,
    max_resource_kw=1000.0,
    metering_interval_s=900.0,
    duration_h=2.0,
)


def fleet(count: int, *, kw: float = 10.0, kwh: float = 30.0, metering: float | None = 900.0) -> list[Asset]:
    return [
        Asset(
            id=f"a{n}",
            asset_type=AssetType.BATTERY,
            zip="94105",
            capacity_kwh=kwh,
            max_discharge_kw=kw,
            metering_interval_s=metering,
        )
        for n in range(count)
    ]


def test_every_bundled_entry_is_dated_and_cited() -> None:
    markets = bundled_markets().markets
    assert {market.id for market in markets} >= {"us-order-2222", "caiso-derp", "nyiso-der"}
    for market in markets:
        assert market.source
        assert market.checked >= date(2026, 1, 1)
    derp = next(market for market in markets if market.id == "caiso-derp")
    assert (derp.min_aggregation_kw, derp.metering_interval_s) == (500, 900)


def test_golden_gap() -> None:
    # 40 assets hold min(10, 30 / 2) = 10 kW for two hours: 400 kW; 100 kW are missing: 10 more of 10 kW.
    found = eligibility(fleet(40), MARKET, NOW)
    assert (found.eligible, found.qualified_kw, found.gap_kw, found.incremental_assets) == (False, 400.0, 100.0, 10)
    assert found.checks[0].fix == "enrol 100.0 kW more"
    # 12 kWh over two hours is 6 kW each: 240 kW, 260 missing: 260 / 6 = 43.3 -> 44.
    weak = eligibility(fleet(40, kwh=12.0), MARKET, NOW)
    assert (weak.qualified_kw, weak.incremental_assets) == (240.0, 44)
    enough = eligibility(fleet(50), MARKET, NOW)
    assert (enough.eligible, enough.gap_kw, enough.incremental_assets) == (True, 0.0, 0)


def test_assets_that_do_not_fit_are_left_out() -> None:
    slow, huge = fleet(1, metering=3600.0)[0], fleet(1, kw=1000.0, kwh=5000.0)[0]
    found = eligibility([slow, huge, *fleet(1, metering=None)], MARKET, NOW)
    assert len(found.left_out) == 3
    assert (found.eligible, found.qualified_kw, found.incremental_assets) == (False, 0.0, None)
    assert {check.rule for check in found.checks if not check.ok} >= {"max_resource_kw", "metering_interval_s"}
    assert eligibility([], MARKET, NOW).eligible is False


def test_a_cap_on_export_cannot_be_enrolled_away() -> None:
    found = eligibility(fleet(60), MARKET, NOW, let_through=lambda powers: min(300.0, sum(powers.values())))
    assert (found.qualified_kw, found.gap_kw, found.incremental_assets) == (300.0, 200.0, None)
    assert "interconnection" in found.checks[0].fix


@pytest.mark.parametrize(
    ("count", "kw", "kwh", "soc_min"),
    [(3, 100 / 3, 200 / 3, 0.0), (1, 100.0, 2_000.0, 0.9), (1, 100.0, 1_000.0, 0.8), (1000, 0.1, 0.2, 0.0)],
)
def test_exactly_the_threshold_is_enough_whatever_floats_make_of_it(
    count: int, kw: float, kwh: float, soc_min: float
) -> None:
    floor = Market(id="m", name="M", source="s", checked=date(2026, 11, 21), min_aggregation_kw=100.0, duration_h=2.0)
    found = eligibility([replace(one, soc_min=soc_min) for one in fleet(count, kw=kw, kwh=kwh)], floor, NOW)
    assert (found.eligible, found.gap_kw, found.incremental_assets) == (True, 0.0, 0)
    assert found.checks[0].fix == ""
    less = eligibility(fleet(count, kw=kw * 0.9999, kwh=kwh), floor, NOW)
    assert (less.eligible, less.incremental_assets) == (False, 1)
    assert less.gap_kw == pytest.approx(0.01)


def test_an_aggregation_can_be_too_large_and_an_entry_too_old() -> None:
    small = Market(
        id="m", name="M", source="s", checked=date(2020, 1, 1), min_aggregation_kw=1.0, max_aggregation_kw=50.0
    )
    found = eligibility(fleet(10), small, NOW)
    assert (found.eligible, found.stale) == (False, True)
    assert "split it: 50.0 kW too large" in found.checks[1].fix
    assert eligibility(fleet(10), MARKET, NOW).stale is False


GOOD = '[[market]]\nid = "a"\nname = "A"\nsource = "s"\nchecked = 2026-01-01\nmin_aggregation_kw = 1\n'


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("= 3", "not valid TOML"),
        ("x = 1", "x: unknown key"),
        ("market = 1", "must be a list of tables"),
        ("stale_after_days = true", "stale_after_days"),
        (GOOD + "min_kw = 3", "market[0].min_kw: unknown key"),
        (GOOD + 'duration_h = "2"', "market[0].duration_h: has the wrong kind"),
        (GOOD + "duration_h = -1", "0 or more"),
        (GOOD + "duration_h = nan", "0 or more"),
        (GOOD.replace("2026-01-01", "2026-01-01T00:00:00"), "checked"),
        (GOOD.replace('source = "s"\n', ""), "market[0].source: missing"),
        (GOOD + GOOD, "an id is used twice"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(text: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_markets(text, "mine.toml")
    assert str(caught.value).startswith("mine.toml: ")
    assert wrong in str(caught.value)


def test_a_file_of_ones_own() -> None:
    assert parse_markets(GOOD).markets[0].duration_h == 1.0
    assert parse_markets("").markets == ()
