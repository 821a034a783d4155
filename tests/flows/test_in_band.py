"""An inverter registers itself, and inverters and the utility go away in the middle of an event."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from gridiface.protocols.sep2.resources import (
    ActivePower,
    DefaultDERControl,
    DERControlBase,
    DERSettings,
    EndDeviceList,
)
from gridiface.protocols.xmlwire import decode
from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("in-band"), pytest.mark.timeout(120)]


async def inverter_power(site: Any, number: int = 0) -> float:
    """What a simulated inverter really delivers, W."""
    child = site.inverters[number]
    await child.send({"query": "state"})
    return float((await child.receive())["w"])


def near(watts: float, wanted: float) -> bool:
    return abs(watts - wanted) <= 0.03 * abs(wanted) + 5.0


async def test_an_inverter_registers_joins_its_group_and_gets_a_share(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    plan = WorldPlan(batteries=2, inverters=2, inverter_w=5_000.0, page_port=0, in_band=True)
    async with site_class(plan) as site:
        await site.start()
        await site.fleet_is_up()
        groups = {row["id"]: row["devices"] for row in (await site.status())["groups"]}
        assert groups == {"fleet": 4, "north": 3, "south": 1}
        async with site.utility() as utility:
            north = await utility.program("north")
            now = time.time()
            posted = await utility.post_target(north, 6_000.0, start=now, duration_s=60, now=now, title="in band")

            async def shared() -> bool:
                powers = [(await site.powers())[0], await inverter_power(site, 0), await inverter_power(site, 1)]
                return all(near(power, 2_000.0) for power in powers)

            await eventually(shared, 20.0, "battery and both inverters have a third each")

            async def answered() -> bool:
                return len((await utility.responses(posted)).get(2, set())) >= 3

            await eventually(answered, 10.0, "all three answered that they started")
        # After a restart the registrations are there, and the inverters still belong to their group.
        await site.kill_server()
        await site.start_server()
        groups = {row["id"]: row["devices"] for row in (await site.status())["groups"]}
        assert groups == {"fleet": 4, "north": 3, "south": 1}
        assert near(await inverter_power(site, 0), 2_000.0)


async def test_without_utility_and_inverters_the_event_finishes_and_the_default_rules(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    plan = WorldPlan(batteries=4, inverters=1, inverter_w=5_000.0, page_port=0)
    async with site_class(plan) as site:
        await site.start()
        await site.fleet_is_up()
        lost = DefaultDERControl(
            mRID="D" * 24 + "0000B4F3",
            derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=2_000)),
        )
        async with site.utility() as utility:
            fleet = await utility.program("fleet")
            now = time.time()
            await utility.post_target(fleet, 10_000.0, start=now, duration_s=16, now=now, title="runs on")
            assert (await site.wire("utility").ask("PUT", f"{fleet.href}/dderc", lost)).status == 204

        async def event_runs() -> bool:
            return near(sum(await site.powers()) + await inverter_power(site), 10_000.0)

        await eventually(event_runs, 12.0, "the event runs")
        # The northbound side goes: no utility, no inverter.
        await site.inverters[0].kill()

        async def batteries_carry(watts: float) -> bool:
            return near(sum(await site.powers()), watts)

        await eventually(lambda: batteries_carry(10_000.0), 8.0, "the batteries have the inverter's share")
        await eventually(lambda: batteries_carry(2_000.0), 20.0, "the event is over and the default rules")
        states = {control["description"]: control["state"] for control in (await site.status())["controls"]}
        assert states["runs on"] == "completed"
        # It comes back, and takes part again.
        site.inverters[0] = site._inverter(0)
        await site.inverters[0].start()

        async def all_take_part() -> bool:
            return near(await inverter_power(site), 400.0) and near(sum(await site.powers()), 1_600.0)

        await eventually(all_take_part, 40.0, "the inverter has its part of the default")


async def test_when_to_return_to_service_reaches_batteries_and_inverters_which_show_it(
    site_class: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    """The utility's word for the group: to registers of the batteries, to the default control of the inverter."""
    plan = WorldPlan(batteries=2, inverters=1, inverter_w=5_000.0, page_port=0)
    async with site_class(plan) as site:
        await site.start()
        await site.fleet_is_up()
        told = DefaultDERControl(
            mRID="E" * 24 + "0000B4F3", derControlBase=DERControlBase(), setESDelay=12_000, setESHighVolt=10_400
        )
        async with site.utility() as utility:
            fleet = await utility.program("fleet")
            wire = site.wire("utility")
            assert (await wire.ask("PUT", f"{fleet.href}/dderc", told)).status == 204

            async def shown() -> bool:
                """What each device says that it is set to, by its DERSettings."""
                devices = decode((await wire.ask("GET", "/edev?l=99")).body, EndDeviceList).members
                answers = [await wire.ask("GET", f"{device.href}/der/1/derg") for device in devices]
                found = [decode(answer.body, DERSettings) for answer in answers if answer.status == 200]
                obeyed = [one for one in found if (one.setESDelay, one.setESHighVolt) == (12_000, 10_400)]
                return len(obeyed) == 3

            await eventually(shown, 60.0, "two batteries and the inverter are set so")
