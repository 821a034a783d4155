"""Pricing: tiers supersede each other within their component, blocks rise from 0, links lead somewhere."""

from __future__ import annotations

from typing import Any

import pytest

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


async def a_tariff(kit: Any) -> None:
    await kit.post("/tp", kit.bodies.tariff())
    await kit.post("/tp/1/rc", kit.bodies.component())


async def test_a_tariff_is_found_from_the_assignment_down_to_the_price(kit: Any) -> None:
    await a_tariff(kit)
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier(start=kit.NOW))
    await kit.post("/tp/1/rc/1/tti/1/cti", kit.bodies.block())
    by = "inv-1"
    assignment = await kit.get(f"{kit.edev(by)}/fsa/1", by=by)
    tariff = (await kit.get(assignment.TariffProfileListLink.href, by=by)).members[0]
    component = (await kit.get(tariff.RateComponentListLink.href, by=by)).members[0]
    kind = await kit.get(component.ReadingTypeLink.href, by=by)
    assert (kind.uom, kind.flowDirection) == (72, 1)
    active = await kit.get(component.ActiveTimeTariffIntervalListLink.href, by=by)
    blocks = await kit.get(active.members[0].ConsumptionTariffIntervalListLink.href, by=by)
    assert (tariff.pricePowerOfTenMultiplier, blocks.members[0].price) == (-3, 250)


async def test_a_newer_tier_supersedes_the_one_that_it_overlaps_at_its_start(kit: Any) -> None:
    await a_tariff(kit)
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier("01", start=kit.NOW, duration=1000))
    kit.clock.time += 1
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier("02", 2, start=kit.NOW + 100, duration=50, created=kit.NOW + 1))
    assert await kit.status("/tp/1/rc/1/tti/1") == 1
    kit.at(100)
    assert [await kit.status(f"/tp/1/rc/1/tti/{n}") for n in (1, 2)] == [4, 1]
    assert [t.touTier for t in (await kit.get("/tp/1/rc/1/acttti?l=9")).members] == [2]


async def test_tiers_of_other_components_do_not_touch_each_other(kit: Any) -> None:
    await a_tariff(kit)
    await kit.post("/tp/1/rc", kit.bodies.component("9199"))
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier("01", start=kit.NOW, duration=1000))
    await kit.post("/tp/1/rc/2/tti", kit.bodies.tier("02", start=kit.NOW, duration=1000))
    assert [await kit.status(f"/tp/1/rc/{n}/tti/1") for n in (1, 2)] == [1, 1]


async def test_the_first_block_begins_at_0_and_numbers_rise_with_consumption(kit: Any) -> None:
    await a_tariff(kit)
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier())
    path = "/tp/1/rc/1/tti/1/cti"
    assert (await kit.send("POST", path, kit.bodies.block(100))).status == 400
    await kit.post(path, kit.bodies.block(0, 1))
    assert (await kit.send("POST", path, kit.bodies.block(0, 2))).status == 400
    assert (await kit.send("POST", path, kit.bodies.block(500, 0))).status == 400
    await kit.post(path, kit.bodies.block(1000, 3))
    for start, number in ((500, 1), (500, 3), (2000, 3), (2000, 17)):
        assert (await kit.send("POST", path, kit.bodies.block(start, number))).status == 400, (start, number)
    await kit.post(path, kit.bodies.block(500, 2))
    assert [b.startValue for b in (await kit.get(f"{path}?l=9")).members] == [0, 500, 1000]


async def test_tiers_and_blocks_are_those_that_the_standard_names(kit: Any) -> None:
    await a_tariff(kit)
    assert (await kit.send("POST", "/tp/1/rc/1/tti", kit.bodies.tier(tier=16))).status == 400
    path = await kit.post("/tp/1/rc/1/tti", kit.bodies.tier(tier=15))
    # Without numbers (0: not applicable) blocks go by their start alone.
    await kit.post(f"{path}/cti", kit.bodies.block(0, 0))
    await kit.post(f"{path}/cti", kit.bodies.block(500, 0))
    await kit.post(f"{path}/cti", kit.bodies.block(900, 16))


async def test_what_a_component_measures_can_be_changed(kit: Any) -> None:
    await a_tariff(kit)
    changed = f"<ReadingType {NS}><kind>8</kind><uom>38</uom></ReadingType>"
    assert (await kit.send("PUT", "/tp/1/rc/1/rt", changed)).status == 204
    assert (await kit.send("PUT", "/tp/1/rc/1/rt", changed, by="inv-1")).status == 403
    other = await kit.restarted()
    assert (await other.get("/tp/1/rc/1/rt", by="inv-1")).uom == 38


async def test_an_interval_that_is_over_is_not_taken(kit: Any) -> None:
    await a_tariff(kit)
    assert (await kit.send("POST", "/tp/1/rc/1/tti", kit.bodies.tier(start=kit.NOW - 700))).status == 400


@pytest.mark.parametrize(("status", "answer"), [(1, 201), (11, 201), (14, 201), (12, 400), (99, 400)])
async def test_prices_are_answered(kit: Any, status: int, answer: int) -> None:
    await a_tariff(kit)
    await kit.post("/tp/1/rc/1/tti", kit.bodies.tier("01", start=kit.NOW))
    assert (await kit.get("/tp/1/rc/1/tti/1")).replyTo == "/rsps/tp1/rsp"
    body = (
        f"<PriceResponse {NS}><endDeviceLFDI>{kit.lfdi['inv-1']}</endDeviceLFDI><status>{status}</status>"
        "<subject>01</subject></PriceResponse>"
    )
    assert (await kit.send("POST", "/rsps/tp1/rsp", body, by="inv-1")).status == answer


async def test_price_thresholds_need_their_component_and_leave_with_it(sets: Any) -> None:
    edev = sets.edev("inv-1")
    path = f"{edev}/cfg/prcfg"
    nowhere = (
        f"<PriceResponseCfg {NS}><consumeThreshold>1</consumeThreshold><maxReductionThreshold>9</maxReductionThreshold>"
        '<RateComponentLink href="/tp/7/rc/7"/></PriceResponseCfg>'
    )
    assert (await sets.send("POST", path, nowhere, by="inv-1")).status == 400
    assert (await sets.get(path, by="inv-1")).all == 1
    sets.at(5000)
    assert (await sets.send("DELETE", "/tp/1")).status == 204
    assert (await sets.get(path, by="inv-1")).all == 0
    assert (await (await sets.restarted()).get(path, by="inv-1")).all == 0
