"""CSIP-AUS 1.3: the intervals of all components of a tariff in one list."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.settings import CsipAusSettings


async def with_tariff(make_kit: Any, *versions: str) -> Any:
    """A server with a tariff of two components, an interval in each, and a price in the first."""
    kit = await make_kit(csip_aus=CsipAusSettings(versions=versions) if versions else None)
    kit.schema = None  # the official schema has none of this
    await kit.post("/tp", kit.bodies.tariff())
    for number, start in ((1, 60), (2, 30)):
        await kit.post("/tp/1/rc", kit.bodies.component(f"910{number}"))
        await kit.post(f"/tp/1/rc/{number}/tti", kit.bodies.tier(f"911{number}", start=kit.NOW + start))
    await kit.post("/tp/1/rc/1/tti/1/cti", kit.bodies.block(price=310))
    return kit


async def test_the_intervals_of_all_components_are_one_list_with_their_prices(make_kit: Any) -> None:
    first = await with_tariff(make_kit, "1.2", "1.3")
    for kit in (first, await first.restarted()):
        link = (await kit.get("/tp/1", by="inv-1")).CombinedTimeTariffIntervalListLink
        assert (link.href, link.all) == ("/tp/1/ctti", 2)
        second, later = (await kit.get(f"{link.href}?l=9", by="inv-1")).members
        assert (second.RateComponentLink.href, later.RateComponentLink.href) == ("/tp/1/rc/2", "/tp/1/rc/1")
        summary = later.consumptionTariffIntervalListSummary
        assert (summary.all, [block.price for block in summary.members]) == (1, [310])
        assert second.consumptionTariffIntervalListSummary.all == 0
        assert await kit.get(later.href) == later
    kit = first
    await kit.post("/tp/1/rc/1/tti/1/cti", kit.bodies.block(500, 2, 400))
    later = (await kit.get("/tp/1/ctti?s=1&l=1")).members[0]
    assert [block.price for block in later.consumptionTariffIntervalListSummary.members] == [310, 400]
    assert (await kit.send("PUT", later.href, kit.bodies.tier("9111", start=kit.NOW + 60, status=2))).status == 204
    assert [m.eventStatus.currentStatus for m in (await kit.get("/tp/1/ctti?l=9")).members] == [0, 2]
    assert (await kit.send("DELETE", "/tp/1/rc/1/tti/1")).status == 204
    assert (await kit.get("/tp/1")).CombinedTimeTariffIntervalListLink.all == 1
    assert (await kit.send("POST", "/tp/1/ctti", kit.bodies.tier("9113"))).status == 405


@pytest.mark.parametrize("versions", [(), ("1.2",)])
async def test_without_that_version_there_is_no_such_list(make_kit: Any, versions: tuple[str, ...]) -> None:
    kit = await with_tariff(make_kit, *versions)
    assert (await kit.get("/tp/1")).CombinedTimeTariffIntervalListLink is None
    assert (await kit.send("GET", "/tp/1/ctti")).status == 404
    interval = await kit.get("/tp/1/rc/1/tti/1")
    assert (interval.RateComponentLink, interval.consumptionTariffIntervalListSummary) == (None, None)


async def test_what_the_profile_adds_is_the_servers_to_say(make_kit: Any) -> None:
    kit = await with_tariff(make_kit, "1.3")
    posted = kit.bodies.tier("9114", start=kit.NOW + 90).replace(
        "</touTier>",
        '</touTier><c:ConsumptionTariffIntervalListSummary xmlns:c="https://csipaus.org/ns" all="0" results="0"/>'
        '<RateComponentLink href="/elsewhere"/>',
    )
    path = await kit.post("/tp/1/rc/2/tti", posted)
    assert (await kit.get(path)).RateComponentLink.href == "/tp/1/rc/2"


async def test_an_interval_is_cancelled_by_what_a_get_of_it_said(make_kit: Any) -> None:
    kit = await with_tariff(make_kit, "1.3")
    read = (await kit.send("GET", "/tp/1/rc/1/tti/1")).body.decode()
    assert "ConsumptionTariffIntervalListSummary" in read
    assert (await kit.send("POST", "/tp/1/rc/1/tti", read)).status == 204  # the same thing again
    cancelled = read.replace("<currentStatus>0<", "<currentStatus>2<")
    assert (await kit.send("PUT", "/tp/1/rc/1/tti/1", cancelled)).status == 204
    assert (await kit.get("/tp/1/rc/1/tti/1")).eventStatus.currentStatus == 2
