"""Usage points of the utility's own, beside those that are made of mirrors."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.desk.resetting import Resetting
from gridiface.protocols.sep2.enums import RoleFlags

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
MIRROR = (
    f"<MirrorUsagePoint {NS}><mRID>AA01</mRID><roleFlags>0049</roleFlags><serviceCategoryKind>0</serviceCategoryKind>"
    "<status>1</status><deviceLFDI>{lfdi}</deviceLFDI><MirrorMeterReading><mRID>BB01</mRID><Reading><value>2</value>"
    "</Reading><ReadingType><uom>38</uom></ReadingType></MirrorMeterReading></MirrorUsagePoint>"
)


def point(mrid: str, more: str = "", flags: str = "0002", status: int = 1) -> str:
    return (
        f"<UsagePoint {NS}><mRID>{mrid}</mRID><roleFlags>{flags}</roleFlags><serviceCategoryKind>0"
        f"</serviceCategoryKind><status>{status}</status>{more}</UsagePoint>"
    )


async def test_a_meter_of_the_utility_is_read_link_by_link(sets: Any) -> None:
    (shown,) = (await sets.get("/upt?l=9", by="inv-1")).members
    assert not shown.roleFlags & RoleFlags.IS_MIRROR
    (meter,) = (await sets.get(shown.MeterReadingListLink.href, by="inv-1")).members
    assert (await sets.get(meter.ReadingTypeLink.href, by="inv-1")).uom == 72
    assert (await sets.get(meter.ReadingLink.href, by="inv-1")).value == 4711
    (found,) = (await sets.get(meter.ReadingSetListLink.href, by="inv-1")).members
    (reading,) = (await sets.get(found.ReadingListLink.href, by="inv-1")).members
    assert (reading.value, reading.localID, reading.subscribable) == (42, 1, None)
    assert (await sets.get(f"{sets.edev('inv-1')}/fsa/1", by="inv-1")).UsagePointListLink.all == 1


async def test_mirrors_and_meters_share_a_list_and_no_address(sets: Any) -> None:
    mirror = await sets.post("/mup", MIRROR.format(lfdi=sets.lfdi["inv-1"]), by="inv-1")
    other = await sets.post("/upt", point("C200"))
    assert len({"/upt/1", mirror.replace("mup", "upt"), other}) == 3
    assert (await sets.get("/upt?l=9")).all == 3
    again = await sets.restarted()
    assert [(m.href, m.mRID) for m in (await again.get("/upt?l=9")).members] == [
        (m.href, m.mRID) for m in (await sets.get("/upt?l=9")).members
    ]
    assert (await again.get("/upt/1/mr/1/rs/1/r/1")).value == 42
    assert (await again.post("/upt", point("C201"))) not in {mirror.replace("mup", "upt"), other, "/upt/1"}


@pytest.mark.parametrize(
    ("method", "below"), [("DELETE", ""), ("POST", "/mr"), ("DELETE", "/mr/1"), ("PUT", "/mr/1/rt"), ("PUT", "/mr/1/r")]
)
async def test_what_is_made_of_a_mirror_is_written_at_the_mirror(kit: Any, method: str, below: str) -> None:
    usage = (await kit.post("/mup", MIRROR.format(lfdi=kit.lfdi["inv-1"]), by="inv-1")).replace("mup", "upt")
    reply = await kit.send(method, usage + below, "<a/>")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")


async def test_a_meter_that_names_a_device_is_for_that_device(kit: Any) -> None:
    path = await kit.post("/upt", point("C300", f"<deviceLFDI>{kit.lfdi['inv-2']}</deviceLFDI>"))
    later = await kit.post("/upt", point("C301", f"<deviceLFDI>{kit.lfdi['stranger']}</deviceLFDI>"))
    for by, status in (("inv-2", 200), ("aggregator", 200), ("utility", 200), ("inv-1", 404), ("stranger", 403)):
        assert (await kit.send("GET", path, by=by)).status == status
        assert (await kit.send("GET", f"{path}/mr", by=by)).status == status
    await kit.core.add_end_device(kit.lfdi["stranger"], kit.clock.time)
    assert (await kit.send("GET", later, by="stranger")).status == 200
    assert (await kit.get("/upt?l=9", by="stranger")).all == 1


@pytest.mark.parametrize(
    ("target", "body"),
    [
        ("/upt", point("C400", flags="0003")),
        ("/upt", point("C401", status=2)),
        ("/upt/1/mr/1/rs", f"<ReadingSet {NS}><mRID>C402</mRID><timePeriod><duration>0</duration><start>1</start>"
         "</timePeriod></ReadingSet>"),
        ("/upt/1/mr/1/rs/1/r", f"<Reading {NS}><localID>02</localID></Reading>"),
        ("/upt/1/mr/1/rs/1/r", f"<Reading {NS}><value>1</value><localID>01</localID></Reading>"),
    ],
)  # fmt: skip
async def test_values_that_make_no_sense_change_nothing(sets: Any, target: str, body: str) -> None:
    before = sets.documents()
    assert (await sets.send("POST", target, body)).status == 400
    wrong = (
        f"<ReadingType {NS}><intervalLength>5</intervalLength><subIntervalLength>6</subIntervalLength></ReadingType>"
    )
    assert (await sets.send("PUT", "/upt/1/mr/1/rt", wrong)).status == 400
    assert sets.documents() == before


async def test_a_meter_that_goes_leaves_nothing_behind(sets: Any) -> None:
    await sets.post("/mup", MIRROR.format(lfdi=sets.lfdi["inv-1"]), by="inv-1")
    assert (await sets.send("DELETE", "/upt/1")).status == 204
    assert (await sets.send("GET", "/upt/1/mr/1/r")).status == 404
    assert not any(key.startswith("/upt/1") for _, key in sets.documents())
    assert (await sets.get("/upt?l=9")).all == 1
    again = await sets.restarted()
    assert (await again.get("/upt?l=9")).all == 1
    with_mirror = {key for _, key in sets.documents() if key.startswith(("/mup", "/upt"))}
    await Resetting(again.core).everything(again.clock.time)
    assert with_mirror
    assert (await again.get("/upt?l=9")).all == 0
