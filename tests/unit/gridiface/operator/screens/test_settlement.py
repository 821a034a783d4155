"""What came of each control, settlements and portfolios as pages."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.operator.areas.portfolios import PortfoliosArea
from gridiface.operator.areas.settlements import SettlementsArea

SUM = {"key": "ev-7", "rows": 150, "settled": 149, "baseline_wh": 1.0, "metered_wh": 2.0, "delivered_wh": 4321.0,
       "credited_wh": 2160.0,       "committed_wh": 5000.0, "performance": 0.86, "quality": "good"}  # fmt: skip
SETTLEMENT = {"event": "ev-7", "end": 90.0, "revision": 2, "computed": 99.0, "final": False, "rows": 150,
              "total": [SUM], "resources": [{**SUM, "key": "a"}, {**SUM, "key": "meter-x"}]}  # fmt: skip
ROW = {"event_id": "ev-7", "resource_id": "a", "start": "2026-01-01T00:00:00Z", "end": "2026-01-01T00:05:00Z",
       "baseline_w": 100.0, "metered_w": 900.0, "delivered_w": 800.0, "committed_w": 1000.0, "performance": 0.8,
       "quality": "good", "method": "10-of-10", "revision": 2, "eligible": 0.5, "share": 1.0,
       "credited_w": 400.0, "reason": "out from 16:30:00Z: too hot"}  # fmt: skip
ASSET = {"id": "a", "asset_type": "pv_battery", "zip": "94105", "capacity_kwh": 13.5, "max_discharge_kw": 5.0,
         "metering_interval_s": 900.0, "soc_min": 0.1}  # fmt: skip


class Settlements:
    """One settlement."""

    def ends(self) -> dict[str, float]:
        return {"ev-7": 90.0}

    def one(self, event: str) -> Any:
        return SETTLEMENT if event == "ev-7" else None

    def rows(self, event: str, first: int, count: int) -> list[Any]:
        return ([ROW] * 150)[first : first + count]

    def methods(self, event: str) -> list[str]:
        return ["10-of-10"]

    def revisions(self, event: str) -> list[Any]:
        told = {"computed": 99.0, "final": False, "rows": 150}
        return [
            {**told, "revision": 2, "changed": 7, "total": [SUM]},
            {**told, "revision": 1, "changed": 150, "total": []},
        ]

    async def past(self, event: str, revision: int) -> list[Any]:
        return [{**ROW, "reason": "as it was"}]


class Portfolios:
    """One portfolio."""

    def names(self) -> dict[str, str]:
        return {"p1": "roofs"}

    def one(self, name: str) -> Any:
        return {"id": "p1", "name": "roofs", "assets": [ASSET]} if name == "p1" else None

    async def status(self, name: str, now: float) -> Any:
        market = {"name": "regulation", "eligible": False, "gap_kw": 95.0, "checks": [{"check": "size"}]}
        return {"id": "p1", "name": "roofs", "computed": now, "dispatchable_capacity_kw": 4.5, "hold_h": 1.0,
                "withheld": [{"cause": "departed", "kw": 0.5, "assets": 1}], "also_in": {"b1": ["p 2"]},
                "nameplate_capacity_kw": 5.0, "assets": 1, "observed_assets": 1, "dr_programs": [{"program": "dr"}],
                "interconnect_constraints": {"fleet": {"max_export_kw": 100.0}},
                "wholesale_market_eligibility": {"reg": market}}  # fmt: skip


@pytest.fixture
async def whole(make_house: Any) -> Any:
    settlements: Any = Settlements()
    portfolios: Any = Portfolios()
    return await make_house(areas=lambda desk: [SettlementsArea(desk, settlements), PortfoliosArea(desk, portfolios)])


async def test_performance_says_what_came_of_a_control(house: Any) -> None:
    _, text, _ = await house.ask("GET", "/performance")
    assert "evening peak" in text
    assert "3.00\u202fkW" in text
    assert "3\u202f%" in text
    assert "/settlements" not in text
    assert (await house.ask("GET", "/settlements"))[0] == 404
    _, text, _ = await house.ask("GET", "/performance?q=other")
    assert "No control has run" in text or "No control that ran fits" in text


async def test_settlements_with_sums_rows_and_files(whole: Any, signed_in: Any) -> None:
    _, text, _ = await whole.ask("GET", "/performance")
    assert "/settlements?control=c1" in text
    _, text, _ = await whole.ask("GET", "/settlements")
    for said in ("4.32\u202fkWh", "86\u202f%", "awaits late data", "/api/v1/settlements/ev-7/export.csv"):
        assert said in text, said
    assert "Settle a control" not in text
    engineer = await signed_in(whole, "engineer")
    _, text, _ = await engineer.ask("GET", "/settlements?control=c1")
    assert '<option value="c1" selected>' in text
    _, text, _ = await whole.ask("GET", "/settlements/ev-7?page=2")
    for said in ("101–150 of 150", "meter-x", 'href="/devices/a"', "10-of-10", "16:30:00Z: too hot", "2.16\u202fkWh"):
        assert said in text, said
    assert (await whole.ask("GET", "/settlements/none"))[0] == 404
    assert "Rows of revision" not in text
    for said in ("7 / 150", 'href="?revision=1"', "/export.csv?revision=1", "/export.parquet"):
        assert said in text, said
    _, text, _ = await whole.ask("GET", "/settlements/ev-7?revision=1")
    assert "Rows of revision 1" in text
    assert "as it was" in text
    _, text, _ = await engineer.ask("GET", "/settlements")
    assert 'data-api="/api/v1/meter-data"' in text


async def test_portfolios_and_the_markets_they_are_ready_for(whole: Any) -> None:
    _, text, _ = await whole.ask("GET", "/portfolios?q=roof")
    assert "/portfolios/p1" in text
    _, text, _ = await whole.ask("GET", "/portfolios/p1")
    for said in ("4.50\u202fkW", "regulation", "missing, kW: 95", "13.5\u202fkWh", "15\u202fmin", "departed, 1 asset",
                 '/portfolios/p%202"'):  # fmt: skip
        assert said in text, said
    assert (await whole.ask("GET", "/portfolios/none"))[0] == 404
