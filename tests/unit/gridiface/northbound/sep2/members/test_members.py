"""What stands at an end device's place, what it mirrors, and what a program has in the tree."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridiface.northbound.sep2.members.membership import own_device_id
from gridiface.northbound.sep2.members.metering import Meter, Mirror, meter_reading_of, stored_paths, usage_point_of
from gridiface.northbound.sep2.members.placing import time_at
from gridiface.northbound.sep2.members.placing_programs import empty_default, settle_default
from gridiface.northbound.sep2.settings import CsipAusSettings
from gridiface.protocols.sep2.enums import RoleFlags
from gridiface.protocols.sep2.resources import MirrorMeterReading, MirrorUsagePoint

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def mirrored(kit: Any, value: int = 7) -> str:
    period = f"<timePeriod><duration>10</duration><start>{int(kit.NOW) - 10}</start></timePeriod>"
    return (
        f"<MirrorUsagePoint {NS}><mRID>AA01</mRID><roleFlags>0048</roleFlags><serviceCategoryKind>0"
        f"</serviceCategoryKind><status>1</status><deviceLFDI>{kit.lfdi['inv-1']}</deviceLFDI>"
        f"<MirrorMeterReading><mRID>BB01</mRID><MirrorReadingSet><mRID>CC01</mRID>{period}"
        f"<Reading><value>{value}</value></Reading></MirrorReadingSet>"
        "<ReadingType><flowDirection>19</flowDirection><uom>38</uom></ReadingType></MirrorMeterReading>"
        "</MirrorUsagePoint>"
    )


# --- the clock --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "local", "saving"),
    [(1_800_000_000, -5 * 3600, 3600), (1_783_000_000, -4 * 3600, 3600)],  # January and July in New York
)
async def test_the_clock_shows_the_zone_of_the_site(kit: Any, second: int, local: int, saving: int) -> None:
    shown = time_at(replace(kit.settings, timezone="America/New_York"), second + 0.9)
    assert (shown.currentTime, shown.tzOffset, shown.dstOffset) == (second, -5 * 3600, saving)
    assert shown.localTime == second + local


# --- mirrors ----------------------------------------------------------------------------------------------------------


def test_a_usage_point_says_that_it_is_a_mirror() -> None:
    posted = MirrorUsagePoint(
        mRID="AA01", roleFlags=RoleFlags.IS_DER, serviceCategoryKind=0, status=1, deviceLFDI="AB" * 20
    )
    shown = usage_point_of(posted)
    assert (shown.mRID, shown.roleFlags) == ("AA01", RoleFlags.IS_DER | RoleFlags.IS_MIRROR)


def test_the_documents_of_a_mirror_are_its_own_its_quantities_and_their_sets() -> None:
    mirror = Mirror(number=3, poster="P", device_lfdi="D", mrid="AA01")
    assert stored_paths(mirror) == ["/mup/3"]
    meter = Meter(number=2, facts=MirrorMeterReading(mRID="BB01"))
    mirror.meters["BB01"] = meter
    assert stored_paths(mirror) == ["/mup/3", "/upt/3/mr/2"]
    shown = meter_reading_of(meter, mirror.meter_path(meter))
    assert (shown.mRID, shown.ReadingTypeLink.href) == ("BB01", "/upt/3/mr/2/rt")


async def test_what_is_below_a_meter_reading_is_made_when_somebody_looks_and_folded_with_new_values(kit: Any) -> None:
    await kit.send("POST", "/mup", mirrored(kit), by="inv-1")
    tree, [mirror] = kit.core.state.tree, kit.core.metering.mirrors.values()
    below = f"{mirror.usage_point}/mr/1/rs"
    assert tree.get(below) is None
    [reading] = (await kit.get(f"{below}/1/r?l=9")).members
    assert (reading.value, mirror.expanded, tree.get(below) is not None) == (7, True, True)
    await kit.send("POST", "/mup", mirrored(kit, 9), by="inv-1")
    assert (mirror.expanded, tree.get(below)) == (False, None)
    [reading] = (await kit.get(f"{below}/1/r?l=9")).members
    assert reading.value == 9


@pytest.mark.parametrize("path", ["/upt", "/upt/x/mr/1", "/upt/77/mr/1/rs", "/mup/1/mr/1"])
async def test_nothing_is_made_where_no_mirror_is(kit: Any, path: str) -> None:
    await kit.send("POST", "/mup", mirrored(kit), by="inv-1")
    kit.core.metering.expand(path)
    assert [mirror.expanded for mirror in kit.core.metering.mirrors.values()] == [False]


async def test_the_mirrors_of_an_end_device_go_with_it(kit: Any) -> None:
    await kit.send("POST", "/mup", mirrored(kit), by="inv-1")
    metering, record = kit.core.metering, kit.core.state.by_device["inv-1"]
    [mirror] = metering.mirrors.values()
    assert metering.count_of(record.lfdi) == 1
    assert metering.posted(record.lfdi, "AA01") is mirror
    assert metering.places_of(record) == [mirror.path, mirror.usage_point]
    assert metering.holders.get("BB01") == record.lfdi
    metering.remove_of(record)
    assert (metering.count_of(record.lfdi), metering.mirrors) == (0, {})
    assert metering.holders.get("BB01") is None
    assert kit.core.state.tree.get(mirror.usage_point) is None


# --- end devices ------------------------------------------------------------------------------------------------------


def test_a_device_that_registers_itself_is_called_by_its_sfdi() -> None:
    assert own_device_id("3E4F45AB31EDFE5B67E343E5E4562E31984E23E5") == "sep2-167261211391"  # the standard's example


async def test_a_device_of_the_fleet_gets_an_end_device_with_a_program_and_loses_both(kit: Any) -> None:
    kit.fleet.known["new-1"] = replace(kit.fleet.known["bat-1"], id="new-1")
    await kit.core.reconcile(kit.NOW)
    record = kit.core.state.by_device["new-1"]
    program = kit.core.state.program_of_device("new-1")
    assert (await kit.get(record.path)).lFDI == record.lfdi
    assert program is not None
    assert (await kit.get(f"{program.path}/derc")).all == 0
    del kit.fleet.known["new-1"]
    await kit.core.reconcile(kit.NOW)
    assert "new-1" not in kit.core.state.by_device
    assert [(await kit.send("GET", path)).status for path in (record.path, program.path)] == [404, 404]


# --- programs ---------------------------------------------------------------------------------------------------------


async def test_a_default_that_was_not_given_is_empty_in_csip_aus_and_not_there_without(make_kit: Any) -> None:
    for profile, there in ((None, False), (CsipAusSettings(versions=("1.2",)), True)):
        kit = await make_kit(csip_aus=profile)
        program = kit.core.state.program_of_device("inv-1")
        found = empty_default(kit.core.state, program)
        assert (found is not None) is there
        reply = await kit.send("GET", f"{program.path}/dderc", by="inv-1")
        assert reply.status == (200 if there else 404)


async def test_a_default_that_was_given_is_left_alone(make_kit: Any) -> None:
    kit = await make_kit()
    state, program = kit.core.state, kit.core.state.program_of_device("inv-1")
    body = f"<DefaultDERControl {NS}><mRID>DD01</mRID><DERControlBase/><setGradW>50</setGradW></DefaultDERControl>"
    assert (await kit.send("PUT", f"{program.path}/dderc", body)).status in {201, 204}
    settle_default(state, program)
    assert (await kit.get(f"{program.path}/dderc", by="inv-1")).mRID == "DD01"
