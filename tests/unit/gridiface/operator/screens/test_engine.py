"""The decision log searched, strategies and quarantine as pages."""

from __future__ import annotations

from typing import Any

from gridiface.operator.areas.engine import EngineArea


class Port:
    """A strategy for each group; b is not believed."""

    def quarantined(self) -> list[str]:
        return ["b"]

    def strategies(self) -> tuple[str, ...]:
        return ("merit-order", "water-filling")

    def chosen(self) -> dict[str, tuple[str, bool]]:
        return {"fleet": ("water-filling", False), "feeder": ("merit-order", True)}


async def test_decisions_are_searched(house: Any) -> None:
    status, text, _ = await house.ask("GET", "/decisions?q=run&target=feeder&verdict=accepted&source=sep2&signal=set_w")
    assert status == 200, text
    assert "will run" in text
    search = house.records.searched
    assert (search.text, search.target, search.verdict, search.source, search.signal) == (
        *("run", "feeder", "accepted", "sep2", "set_w"),
    )


async def test_decisions_are_paged_by_the_store(house: Any) -> None:
    house.records.older = 60
    _, text, _ = await house.ask("GET", "/decisions?device=b")
    assert "1–50 of more" in text
    assert "/decisions?device=b&amp;page=2" in text
    assert house.records.searched.targets == ("b", "fleet", "feeder")
    _, text, _ = await house.ask("GET", "/decisions?device=b&page=2")
    assert "51–62 of 62" in text
    assert "/decisions?device=b" in (await house.ask("GET", "/devices/b"))[1]


async def test_strategies_and_quarantine(make_house: Any, signed_in: Any) -> None:
    port: Any = Port()
    house = await make_house(areas=lambda desk: [EngineArea(desk, port)])
    _, text, _ = await house.ask("GET", "/engine")
    assert "merit-order" in text
    assert "chosen while running" in text
    assert "/devices/b" in text
    assert "/api/v1/groups/feeder/strategy" not in text
    engineer = await signed_in(house, "engineer")
    _, text, _ = await engineer.ask("GET", "/engine")
    assert "/api/v1/groups/feeder/strategy" in text
    assert "/api/v1/devices/b/release" in text


async def test_where_the_engine_has_no_area_it_has_no_page(house: Any) -> None:
    assert (await house.ask("GET", "/engine"))[0] == 404


async def test_a_search_that_looked_at_the_newest_says_so_and_leads_to_the_older_ones(house: Any) -> None:
    house.records.reach = 1_700_000_000.0
    _, text, _ = await house.ask("GET", "/decisions?q=run&signal=old_signal")
    assert "Looked through the newest 100,000 decisions, back to" in text
    assert "/decisions?q=run&amp;signal=old_signal&amp;before=1700000000.0" in text
    assert '<option value="old_signal" selected>' in text
    assert house.records.searched.start == 1_700_000_000.0
    house.records.reach = None
    _, text, _ = await house.ask("GET", "/decisions?q=run&before=1700000000.0")
    assert house.records.searched.end == 1_700_000_000.0
    assert "Looked through" not in text
    _, text, _ = await house.ask("GET", "/decisions?before=nan")
    assert house.records.searched.end is None
