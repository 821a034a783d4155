"""Devices that fail in the middle of an event: their share moves, and the record says why."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("faults"), pytest.mark.timeout(120)]

BATTERIES = 20
ASKED_W = 60_000.0
SHARE_W = ASKED_W / BATTERIES
FAILING = 3


@pytest.mark.parametrize("fault", ["off", "hang"])
async def test_the_share_of_a_failed_device_is_on_the_others_within_five_seconds(
    site_class: Any, eventually: Callable[..., Awaitable[float]], fault: str
) -> None:
    name = f"battery{FAILING + 1}"
    async with site_class(WorldPlan(batteries=BATTERIES, inverters=0, page_port=0)) as site:
        await site.start()
        await site.fleet_is_up()
        async with site.utility() as utility:
            fleet = await utility.program("fleet")
            now = time.time()
            posted = await utility.post_target(
                fleet, ASKED_W, start=now, duration_s=600, now=now, title="one of twenty fails"
            )

        async def delivered() -> float:
            """What the devices that still work really deliver, W."""
            powers = await site.powers()
            return sum(powers) - (powers[FAILING] if broken else 0.0)

        async def within_two_percent() -> bool:
            return abs(await delivered() - ASKED_W) <= 0.02 * ASKED_W

        broken = False
        await eventually(within_two_percent, 20.0, "the event runs")
        await site.fault(FAILING, fault)
        broken = True
        assert not await within_two_percent()
        took = await eventually(within_two_percent, 5.0, "the others have its share")

        async def shown() -> bool:
            """The account says the same, as soon as the next readings are in."""
            group = next(row for row in (await site.status())["groups"] if row["id"] == "fleet")
            return all(abs(group[name] - ASKED_W) <= 0.02 * ASKED_W for name in ("allocated_W", "delivered_W"))

        await eventually(shown, 30.0, "what is shown as delivered is within 2 % again")
        control = f"sep2:{posted.mrid}"
        row = next(row for row in (await site.status())["controls"] if row["id"] == control)
        assert row["state"] == "active"

        async def recorded() -> bool:
            return bool(site.rows("SELECT 1 FROM decisions WHERE target_id = ? AND verdict = 're-allocated'", name))

        await eventually(recorded, 30.0, "the decision is recorded")
        found = site.rows("SELECT verdict, reason, value FROM decisions WHERE target_id = ? ORDER BY id", name)
        reasons = {verdict: reason for verdict, reason, _ in found}
        assert reasons["re-allocated"] == "its share goes to the others"
        assert any(reason for verdict, reason, _ in found if verdict != "re-allocated"), found
        share = next(value for verdict, _, value in found if verdict == "re-allocated")
        assert share == pytest.approx(SHARE_W, rel=0.05)
        print(f"{fault}: {took:.2f} s")


async def test_a_device_that_comes_back_gets_its_share_again(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    async with site_class(WorldPlan(batteries=4, inverters=0, page_port=0)) as site:
        await site.start()
        await site.fleet_is_up()
        async with site.utility() as utility:
            fleet = await utility.program("fleet")
            now = time.time()
            await utility.post_target(fleet, 8_000.0, start=now, duration_s=600, now=now, title="goes and comes")

        def all_near(powers: list[float], watts: float) -> bool:
            return all(abs(power - watts) <= 0.03 * watts for power in powers)

        async def equal() -> bool:
            return all_near(await site.powers(), 2_000.0)

        async def three_do_all() -> bool:
            return all_near((await site.powers())[1:], 8_000.0 / 3)

        await eventually(equal, 20.0, "all four take part")
        await site.fault(0, "off")
        await eventually(three_do_all, 5.0, "three have the share of the fourth")
        await site.fault(0, "none")
        await eventually(equal, 40.0, "the fourth takes part again")
