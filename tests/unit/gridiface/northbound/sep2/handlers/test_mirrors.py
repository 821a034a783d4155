"""Mirrors and readings: rules MUP.001 to 013."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.changes import AppendReadings
from gridiface.domain.quantities import Phase, Quantity
from gridiface.northbound.sep2.settings import LimitSettings

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
WATT = "<ReadingType><flowDirection>19</flowDirection><uom>38</uom></ReadingType>"


def a_set(mrid: str, start: int, *values: int) -> str:
    period = f"<timePeriod><duration>10</duration><start>{start}</start></timePeriod>"
    readings = "".join(f"<Reading>{period}<value>{value}</value></Reading>" for value in values)
    return f"<MirrorReadingSet><mRID>{mrid}</mRID>{period}{readings}</MirrorReadingSet>"


def quantity(mrid: str = "BB01", inside: str = "", kind: str = WATT, value: str = "", ns: str = "") -> str:
    reading = f"<Reading><value>{value}</value></Reading>" if value else ""
    return f"<MirrorMeterReading{ns}><mRID>{mrid}</mRID>{inside}{reading}{kind}</MirrorMeterReading>"


def posted(mrid: str = "BB01", inside: str = "", kind: str = "", value: str = "") -> str:
    return quantity(mrid, inside, kind, value, f" {NS}")


def mirror(lfdi: str, mrid: str = "AA01", *quantities: str, description: str = "", role: str = "0048") -> str:
    described = f"<description>{description}</description>" if description else ""
    return (
        f"<MirrorUsagePoint {NS}><mRID>{mrid}</mRID>{described}<roleFlags>{role}</roleFlags>"
        f"<serviceCategoryKind>0</serviceCategoryKind><status>1</status><deviceLFDI>{lfdi}</deviceLFDI>"
        f"{''.join(quantities)}<postRate>5</postRate></MirrorUsagePoint>"
    )


@pytest.fixture
async def mup(kit: Any) -> str:
    """A mirror of inv-1 with one quantity."""
    reply = await kit.send("POST", "/mup", mirror(kit.lfdi["inv-1"], "AA01", quantity()), by="inv-1")
    assert reply.status == 201
    return reply.headers["Location"]


def usage_point(mup: str) -> str:
    return mup.replace("mup", "upt")


async def test_create_mirrors_with_201_and_overwrite_the_same_mrid_with_204(kit: Any, mup: str) -> None:
    again = mirror(kit.lfdi["inv-1"], "AA01", quantity(), description="changed")
    reply = await kit.send("POST", "/mup", again, by="inv-1")
    assert (reply.status, reply.headers["Location"]) == (204, mup)
    assert (await kit.get(mup, by="inv-1")).description == "changed"
    assert (await kit.get(usage_point(mup), by="inv-1")).description == "changed"
    assert (await kit.get("/mup?l=9")).all == 1


@pytest.mark.parametrize("mrid", ["", "00", "0000000000000000"])
async def test_a_mirror_and_what_it_measures_have_a_name(kit: Any, mup: str, mrid: str) -> None:
    lfdi = kit.lfdi["inv-1"]
    for path, body in (
        ("/mup", mirror(lfdi, mrid, quantity("BB09"))),
        ("/mup", mirror(lfdi, "AA09", quantity(mrid))),
        (mup, posted(mrid, kind=WATT, value="1")),
    ):
        reply = await kit.send("POST", path, body, by="inv-1")
        assert (reply.status, b"<reasonCode>1<" in reply.body) == (400, True), path
    assert (await kit.get("/mup?l=9")).all == 1


async def test_values_of_readings_keep_to_the_ranges_of_the_text(kit: Any, mup: str) -> None:
    wide = WATT.replace("<uom>", "<powerOfTenMultiplier>10</powerOfTenMultiplier><uom>")
    reply = await kit.send("POST", mup, posted("BB02", kind=wide, value="1"), by="inv-1")
    assert (reply.status, b"<reasonCode>1<" in reply.body) == (400, True)


async def test_the_mrid_is_unique_only_per_client(kit: Any, mup: str) -> None:
    reply = await kit.send("POST", "/mup", mirror(kit.lfdi["inv-2"], "AA01", quantity()), by="inv-2")
    assert reply.status == 201
    assert reply.headers["Location"] != mup


async def test_return_first_level_elements_only_and_show_the_post_rate(kit: Any, mup: str) -> None:
    found = await kit.get(mup, by="inv-1")
    assert (found.mirrorMeterReading, found.postRate, found.deviceLFDI) == ([], 300, kit.lfdi["inv-1"])


async def test_publish_mirrored_data_under_upt_with_the_same_mrids_and_is_mirror_set(kit: Any, mup: str) -> None:
    body = posted("BB01", a_set("CC01", 1_799_999_000, 1, 2), value="7")
    where = (await kit.send("POST", mup, body, by="inv-1")).headers["Location"]
    point = await kit.get(usage_point(mup))
    assert (point.mRID, point.roleFlags, point.deviceLFDI) == ("AA01", 0x49, kit.lfdi["inv-1"])
    assert point.MeterReadingListLink.all == 1
    meter = await kit.get(where)
    assert (meter.mRID, meter.href) == ("BB01", where)
    assert (await kit.get(meter.ReadingTypeLink.href)).uom == 38
    assert (await kit.get(meter.ReadingLink.href)).value == 7
    found = await kit.get(meter.ReadingSetListLink.href + "?l=9")
    assert (found.all, found.members[0].mRID) == (1, "CC01")
    readings = await kit.get(found.members[0].ReadingListLink.href + "?l=9")
    assert [r.value for r in readings.members] == [1, 2]
    assert (await kit.get(readings.members[1].href)).value == 2


async def test_the_list_of_meter_readings_can_be_entered_first(kit: Any, mup: str) -> None:
    await kit.send("POST", mup, posted("BB01", a_set("CC01", 1_799_999_000, 1)), by="inv-1")
    found = await kit.get(usage_point(mup) + "/mr?l=9")
    assert found.members[0].ReadingSetListLink.all == 1
    assert found.members[0].ReadingTypeLink is not None


async def test_match_by_mrid_sets_are_added_or_replaced_and_the_reading_replaces(kit: Any, mup: str) -> None:
    where = ""
    for inside, value in (
        (a_set("CC01", 1_799_999_000, 1), "5"),
        (a_set("CC02", 1_799_999_100, 2), ""),
        (a_set("CC01", 1_799_999_000, 9), "6"),
    ):
        reply = await kit.send("POST", mup, posted("BB01", inside, value=value), by="inv-1")
        assert reply.status == 201
        where = reply.headers["Location"]
    assert (await kit.get(f"{where}/r")).value == 6
    sets = await kit.get(f"{where}/rs?l=9")
    assert [s.mRID for s in sets.members] == ["CC02", "CC01"]  # newest period first
    assert (await kit.get(sets.members[1].href + "/r")).members[0].value == 9
    other = await kit.restarted()
    assert await other.get(f"{where}/rs?l=9") == sets


async def test_reject_readings_for_an_unknown_mrid_without_reading_type_with_400(kit: Any, mup: str) -> None:
    before = kit.documents()
    assert (await kit.send("POST", mup, posted("BB99", value="1"), by="inv-1")).status == 400
    several = f"<MirrorMeterReadingList {NS} all=\"2\" results=\"2\">{quantity('BB01', value='1', kind='')}" \
              f"{quantity('BB99', value='1', kind='')}</MirrorMeterReadingList>"  # fmt: skip
    assert (await kit.send("POST", mup, several, by="inv-1")).status == 400
    assert kit.documents() == before  # nothing of the good one either
    assert (await kit.send("POST", mup, posted("BB99", kind=WATT, value="1"), by="inv-1")).status == 201


async def test_several_at_once_answer_with_the_list(kit: Any, mup: str) -> None:
    volt = "<ReadingType><phase>129</phase><powerOfTenMultiplier>-1</powerOfTenMultiplier><uom>29</uom></ReadingType>"
    several = (
        f'<MirrorMeterReadingList {NS} all="3" results="3">{quantity("BB01", kind="", value="4200")}'
        f"{quantity('BB02', kind=volt, value='2305')}"
        f"{quantity('BB03', kind='<ReadingType><uom>72</uom></ReadingType>', value='9')}</MirrorMeterReadingList>"
    )
    reply = await kit.send("POST", mup, several, by="inv-1")
    assert (reply.status, reply.headers["Location"]) == (201, usage_point(mup) + "/mr")
    (snapshot,) = kit.registry.observed
    assert (snapshot.device_id, snapshot.w, snapshot.volts) == ("inv-1", 4200.0, {Phase.AN: 230.5})
    (energy,) = [c for c in kit.ledger.others if isinstance(c, AppendReadings)]
    assert [(r.quantity, r.value) for r in energy.readings] == [(Quantity.ENERGY, 9.0)]


async def test_telemetry_keeps_the_states_that_the_device_told(kit: Any, mup: str) -> None:
    status = (
        f"<DERStatus {NS}><localControlModeStatus><dateTime>1</dateTime><value>0</value></localControlModeStatus>"
        "<readingTime>1</readingTime></DERStatus>"
    )
    await kit.send("PUT", kit.edev("inv-1") + "/der/1/ders", status, by="inv-1")
    await kit.send("POST", mup, posted("BB01", value="1"), by="inv-1")
    assert kit.registry.observed[-1].local_control
    assert kit.registry.observed[-1].soc is None


@pytest.mark.parametrize(
    ("by", "owner", "status"),
    [("inv-1", "inv-2", 403), ("aggregator", "managed-1", 201), ("aggregator", "inv-2", 201),
     ("aggregator", "inv-1", 403), ("utility", "inv-1", 403), ("inv-1", "bat-1", 403)],
)  # fmt: skip
async def test_device_lfdi_must_be_the_callers_or_of_a_managed_device(
    kit: Any, by: str, owner: str, status: int
) -> None:
    lfdi = kit.core.state.by_device[owner].lfdi
    assert (await kit.send("POST", "/mup", mirror(lfdi, "AA05", quantity()), by=by)).status == status
    assert (await kit.send("POST", "/mup", mirror("AB" * 20, "AA05", quantity()), by=by)).status == 403


@pytest.mark.parametrize(("by", "status"), [("inv-2", 404), ("stranger", 403), ("utility", 403)])
async def test_another_clients_mirror_is_not_written(kit: Any, mup: str, by: str, status: int) -> None:
    for method, body in (("POST", posted("BB01", value="1")), ("PUT", mirror(kit.lfdi["inv-1"])), ("DELETE", "")):
        assert (await kit.send(method, mup, body, by=by)).status == status


async def test_put_overwrites_and_keeps_the_mrid(kit: Any, mup: str) -> None:
    lfdi = kit.lfdi["inv-1"]
    assert (await kit.send("PUT", mup, mirror(lfdi, "AA01", description="new"), by="inv-1")).status == 204
    assert (await kit.get(mup)).description == "new"
    assert (await kit.send("PUT", mup, mirror(lfdi, "AA02"), by="inv-1")).status == 400


async def test_delete_takes_the_usage_point_along(kit: Any, mup: str) -> None:
    await kit.send("POST", mup, posted("BB01", a_set("CC01", 1, 1)), by="inv-1")
    assert (await kit.send("GET", usage_point(mup) + "/mr/1/rs")).status == 200
    assert (await kit.send("DELETE", mup, by="inv-1")).status == 204
    for path in (mup, usage_point(mup), usage_point(mup) + "/mr", usage_point(mup) + "/mr/1/rs"):
        assert (await kit.send("GET", path)).status == 404
    assert not [key for key in kit.documents() if key[1].startswith((mup, usage_point(mup)))]
    assert (await kit.send("POST", mup, posted("BB01", value="1"), by="inv-1")).status == 404


async def test_a_mirror_may_come_before_its_quantities(kit: Any) -> None:
    reply = await kit.send("POST", "/mup", mirror(kit.lfdi["inv-1"]), by="inv-1")
    assert reply.status == 201
    mup = reply.headers["Location"]
    point = await kit.get(usage_point(mup))
    assert (point.mRID, point.MeterReadingListLink.all) == ("AA01", 0)
    assert (await kit.send("POST", mup, posted("BB01", value="1"), by="inv-1")).status == 400
    assert (await kit.send("POST", mup, posted("BB01", kind=WATT, value="1"), by="inv-1")).status == 201
    assert (await kit.get(usage_point(mup))).MeterReadingListLink.all == 1


async def test_limits_are_said_as_such(make_kit: Any) -> None:
    limits = LimitSettings(mirrors_per_device=1, meter_readings_per_mirror=1, readings_per_set=2)
    kit = await make_kit(limits=limits)
    lfdi = kit.lfdi["inv-1"]
    where = (await kit.send("POST", "/mup", mirror(lfdi, "AA01", quantity()), by="inv-1")).headers["Location"]
    for path, body in (
        ("/mup", mirror(lfdi, "AA02", quantity())),
        (where, posted("BB02", kind=WATT, value="1")),
        (where, posted("BB01", a_set("CC01", 1, 1, 2, 3))),
    ):
        reply = await kit.send("POST", path, body, by="inv-1")
        assert (reply.status, kit.typed(reply).reasonCode) == (400, 2)


async def test_the_oldest_sets_leave(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(reading_sets_per_meter_reading=3))
    reply = await kit.send("POST", "/mup", mirror(kit.lfdi["inv-1"], "AA01", quantity()), by="inv-1")
    where = reply.headers["Location"]
    for number in range(6):
        inside = a_set(f"CC0{number}", 1000 + number, number)
        assert (await kit.send("POST", where, posted("BB01", inside), by="inv-1")).status == 201
    sets = await kit.get(usage_point(where) + "/mr/1/rs?l=9")
    assert [s.mRID for s in sets.members] == ["CC05", "CC04", "CC03"]
    assert len([key for key in kit.documents() if key[0] == "sep2/rs"]) == 3


async def test_a_list_of_readings_need_not_say_how_many_it_holds(kit: Any, mup: str) -> None:
    members = quantity("BB01", value="7", kind="") + quantity("BB02", value="8")
    body = f"<MirrorMeterReadingList {NS}>{members}</MirrorMeterReadingList>"
    reply = await kit.send("POST", mup, body, by="inv-1")
    assert (reply.status, reply.headers["Location"]) == (201, usage_point(mup) + "/mr")
    assert (await kit.get(usage_point(mup) + "/mr?l=9", by="inv-1")).all == 2
    other = f"<MirrorReadingSetList {NS}/>"
    assert (await kit.send("POST", mup, other, by="inv-1")).status == 400


async def test_the_mirror_of_a_der_is_its_associated_usage_point(kit: Any) -> None:
    der = kit.edev("inv-1") + "/der/1"
    assert (await kit.get(der, by="inv-1")).AssociatedUsagePointLink is None
    assert (await kit.send("GET", f"{der}/upt", by="inv-1")).status == 404
    site = mirror(kit.lfdi["inv-1"], "AA02", quantity("BB02"), role="0003")
    assert (await kit.send("POST", "/mup", site, by="inv-1")).status == 201
    assert (await kit.get(der, by="inv-1")).AssociatedUsagePointLink is None  # the premises are not the DER
    own = (await kit.send("POST", "/mup", mirror(kit.lfdi["inv-1"], "AA03", quantity("BB03")), by="inv-1")).headers
    point = await kit.get((await kit.get(der, by="inv-1")).AssociatedUsagePointLink.href, by="inv-1")
    assert (point.href, point.mRID, point.roleFlags) == (f"{der}/upt", "AA03", 0x49)
    assert point.MeterReadingListLink.href == usage_point(own["Location"]) + "/mr"
    assert (await kit.get(f"{point.MeterReadingListLink.href}?l=9", by="inv-1")).all == 1
    assert (await kit.send("GET", f"{der}/upt", by="inv-2")).status == 404
    again = await kit.restarted()
    assert await again.get(f"{der}/upt", by="inv-1") == point
    assert (await kit.send("DELETE", own["Location"], by="inv-1")).status == 204
    assert (await kit.get(der, by="inv-1")).AssociatedUsagePointLink is None


async def test_mirrors_quantities_and_sets_are_known_by_any_spelling_of_their_mrids(kit: Any, mup: str) -> None:
    lfdi = kit.lfdi["inv-1"]
    again = mirror(lfdi, "0000AA01", quantity("000000BB01", a_set("0C01", 1_799_999_000, 1)))
    for each in (kit, await kit.restarted()):
        reply = await each.send("POST", "/mup", again, by="inv-1")
        assert (reply.status, reply.headers["Location"]) == (204, mup)
    assert (await kit.send("PUT", mup, mirror(lfdi, "00AA01"), by="inv-1")).status == 204
    assert (
        await kit.send("POST", mup, posted("00BB01", a_set("00000C01", 1_799_999_000, 5)), by="inv-1")
    ).status == 201
    assert (await kit.get(mup, by="inv-1")).mRID == "AA01"
    (meter,) = (await kit.get(f"{usage_point(mup)}/mr?l=9", by="inv-1")).members
    (shown,) = (await kit.get(f"{meter.href}/rs?l=9", by="inv-1")).members
    (reading,) = (await kit.get(f"{shown.href}/r?l=9", by="inv-1")).members
    assert (meter.mRID, reading.value) == ("BB01", 5)


def power(mrid: str, value: int, *, direction: int = 19) -> str:
    kind = f"<ReadingType><flowDirection>{direction}</flowDirection><uom>38</uom></ReadingType>"
    return quantity(mrid, kind=kind, value=str(value))


@pytest.mark.parametrize("role", ["0003", "0021", "0029"])
async def test_what_is_measured_elsewhere_is_not_how_the_der_is(kit: Any, role: str) -> None:
    """CSIP-AUS has a site and its DER mirrored for one end device; a battery may mirror its direct current, too."""
    lfdi = kit.lfdi["inv-1"]
    site = (await kit.send("POST", "/mup", mirror(lfdi, "A1", power("B1", -700), role=role), by="inv-1")).headers
    assert kit.registry.observed[-1].w == -700  # nothing better is known
    der = (await kit.send("POST", "/mup", mirror(lfdi, "A2", power("B2", 4000), role="0049"), by="inv-1")).headers
    assert kit.registry.observed[-1].w == 4000
    for again in (site["Location"], der["Location"]):
        kit.at(5)
        body = posted(
            "B1" if again == site["Location"] else "B2", value="-900" if again == site["Location"] else "4100"
        )
        assert (await kit.send("POST", again, body, by="inv-1")).status == 201
    assert [s.w for s in kit.registry.observed] == [-700, 4000, 4100]
    assert any(r.value == -900 for c in kit.ledger.others if isinstance(c, AppendReadings) for r in c.readings)
    assert (await kit.send("DELETE", der["Location"], by="inv-1")).status == 204
    kit.at(9)
    assert (await kit.send("POST", site["Location"], posted("B1", value="-500"), by="inv-1")).status == 201
    assert kit.registry.observed[-1].w == -500


@pytest.mark.parametrize("first", [1, 19])
async def test_power_in_and_power_out_as_two_quantities_are_one_power(make_kit: Any, first: int) -> None:
    kit = await make_kit()
    both = [power("B1", 500, direction=1), power("B2", 0, direction=19)]
    body = mirror(kit.lfdi["inv-1"], "A1", *(both if first == 1 else reversed(both)), role="0049")
    path = (await kit.send("POST", "/mup", body, by="inv-1")).headers["Location"]
    assert kit.registry.observed[-1].w == -500
    for after, (name, value), expected in ((5, ("B1", 0), 0), (6, ("B2", 3000), 3000), (7, ("B1", 10), 2990)):
        kit.at(after)
        assert (await kit.send("POST", path, posted(name, value=str(value)), by="inv-1")).status == 201
        assert kit.registry.observed[-1].w == expected
    start = int(kit.NOW) + 10
    kit.at(60)
    sets = [
        quantity(name, "".join(a_set(f"{name}{n:02X}", start + 10 * n, v) for n, v in enumerate(values)), kind="")
        for name, values in (("B1", (100, 0, 300)), ("B2", (0, 2000, 0)))
    ]
    several = f'<MirrorMeterReadingList {NS} all="2" results="2">{"".join(sets)}</MirrorMeterReadingList>'
    assert (await kit.send("POST", path, several, by="inv-1")).status == 201
    assert [s.w for s in kit.registry.observed][-3:] == [-100, 2000, -300]
    again = await kit.restarted()
    again.at(70)
    assert (await again.send("POST", path, posted("B2", value="50"), by="inv-1")).status == 201
    assert again.registry.observed[-1].w == 40  # with the last single value of the other way


def phased(mrid: str, phase: int, value: int = 0) -> str:
    kind = f"<ReadingType><flowDirection>19</flowDirection><phase>{phase}</phase><uom>38</uom></ReadingType>"
    return quantity(mrid, kind=kind, value=str(value))


async def test_the_powers_of_the_phases_are_the_power_where_nothing_tells_it(kit: Any) -> None:
    lfdi = kit.lfdi["inv-1"]
    one = mirror(lfdi, "A1", phased("B1", 129, 1500), role="0049")  # a device on one phase
    path = (await kit.send("POST", "/mup", one, by="inv-1")).headers["Location"]
    assert kit.registry.observed[-1].w == 1500
    kept = [r for c in kit.ledger.others if isinstance(c, AppendReadings) for r in c.readings]
    assert [(r.phase, r.value) for r in kept] == [(Phase.AN, 1500)]
    for mrid, phase, value, expected in (("B2", 65, 1000, 2500), ("B3", 33, 500, 3000)):
        body = phased(mrid, phase, value).replace("<MirrorMeterReading>", f"<MirrorMeterReading {NS}>")
        assert (await kit.send("POST", path, body, by="inv-1")).status == 201
        assert kit.registry.observed[-1].w == expected
    before = len(kit.registry.observed)
    assert (await kit.send("POST", path, posted("B4", kind=WATT, value="2990"), by="inv-1")).status == 201
    assert [s.w for s in kit.registry.observed[before:]] == [2990]
    assert (await kit.send("POST", path, posted("B1", value="1"), by="inv-1")).status == 201
    assert len(kit.registry.observed) == before + 1  # the whole is told, so a phase is a reading
