"""In-band registration and leaving."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.served.identities import sfdi
from gridiface.northbound.sep2.settings import LimitSettings

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
MIRROR = (
    f"<MirrorUsagePoint {NS}><mRID>0A</mRID><roleFlags>49</roleFlags><serviceCategoryKind>0</serviceCategoryKind>"
    "<status>1</status><deviceLFDI>{lfdi}</deviceLFDI><MirrorMeterReading><mRID>0B</mRID><ReadingType><uom>38</uom>"
    "</ReadingType></MirrorMeterReading></MirrorUsagePoint>"
)


def body(lfdi: str | None = None, sfdi: int = 1) -> str:
    given = f"<lFDI>{lfdi}</lFDI>" if lfdi is not None else ""
    return f"<EndDevice {NS}>{given}<sFDI>{sfdi}</sFDI><changedTime>5</changedTime></EndDevice>"


@pytest.fixture
async def open_kit(make_kit: Any) -> Any:
    return await make_kit(in_band_registration=True, in_band_groups=("fleet",))


async def test_a_client_registers_under_the_identity_of_its_certificate(open_kit: Any) -> None:
    kit = open_kit
    lfdi = kit.lfdi["stranger"]
    assert (await kit.get("/edev?l=9", by="stranger")).all == 0
    # Where it will report is shown beforehand too, and empty; nothing can be posted there yet.
    assert (await kit.get("/dcap", by="stranger")).MirrorUsagePointListLink.all == 0
    assert (await kit.get("/mup?l=9", by="stranger")).members == []
    assert (await kit.send("POST", "/mup", MIRROR.format(lfdi=lfdi), by="stranger")).status == 403
    assert (await kit.get("/dcap", by="stranger")).EndDeviceListLink.all == 0
    reply = await kit.send("POST", "/edev", body(lfdi), by="stranger")
    assert reply.status == 201
    found = await kit.get(reply.headers["Location"], by="stranger")
    assert (found.lFDI, found.changedTime, found.enabled) == (lfdi, kit.NOW, True)
    assert found.sFDI != 1
    assert (await kit.get(found.RegistrationLink.href, by="stranger")).pIN == 111_115
    assert (await kit.get("/edev?l=9", by="stranger")).members == [found]
    device_id = f"sep2-{found.sFDI}"
    assert kit.fleet.known[device_id].identities == {"lfdi": lfdi}
    assert kit.fleet.known[device_id].traits.answers_itself
    assert kit.registry.joined[device_id] == ("fleet",)
    programs = (await kit.get(found.FunctionSetAssignmentsListLink.href, by="stranger")).members[0]
    assert programs.TimeLink.href == "/tm"
    assert (await kit.get(programs.DERProgramListLink.href, by="stranger")).all == 1


async def test_nothing_is_said_in_the_name_of_a_der_that_told_nothing(open_kit: Any) -> None:
    edev = (await open_kit.send("POST", "/edev", body(open_kit.lfdi["stranger"]), by="stranger")).headers["Location"]
    shown = []
    for each in (open_kit, await open_kit.restarted()):
        capability = await each.get(f"{edev}/der/1/dercap", by="stranger")
        assert (capability.modesSupported, capability.type, capability.rtgMaxW.value) == (0, 0, 0)
        settings = await each.get(f"{edev}/der/1/derg", by="stranger")
        assert (settings.modesEnabled, settings.setMaxW.value) == (None, 0)
        shown.append((capability, settings))
    assert shown[0] == shown[1]


async def test_a_client_that_knows_only_its_sfdi_registers_too(open_kit: Any) -> None:
    lfdi = open_kit.lfdi["stranger"]
    assert (await open_kit.send("POST", "/edev", body(None, sfdi(lfdi)), by="stranger")).status == 201
    assert (await open_kit.get("/edev", by="stranger")).members[0].lFDI == lfdi


async def test_refuse_in_band_registration_with_a_foreign_malformed_or_duplicate_lfdi(open_kit: Any) -> None:
    kit = open_kit
    lfdi, before = kit.lfdi["stranger"], kit.documents()
    cases = [
        (body(kit.lfdi["inv-1"]), 403),
        (body(None, 5), 403),
        (body("AB"), 400),
        (body("XY" * 20), 400),
        (body("AB" * 21), 400),
        (f"<EndDevice {NS}><changedTime>5</changedTime></EndDevice>", 400),
    ]
    for sent, status in cases:
        assert (await kit.send("POST", "/edev", sent, by="stranger")).status == status, sent
    assert kit.documents() == before
    assert (await kit.send("POST", "/edev", body(lfdi), by="stranger")).status == 201
    assert (await kit.send("POST", "/edev", body(lfdi), by="stranger")).status == 409
    assert (await kit.send("POST", "/edev", body(kit.lfdi["inv-1"]), by="inv-1")).status == 409
    assert (await kit.send("POST", "/edev", body(kit.lfdi["utility"]), by="utility")).status == 403


async def test_registration_in_band_can_be_off(kit: Any) -> None:
    reply = await kit.send("POST", "/edev", body(kit.lfdi["inv-1"]), by="inv-1")
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    assert (await kit.send("POST", "/edev", body(kit.lfdi["stranger"]), by="stranger")).status == 403
    assert (await kit.get("/dcap", by="stranger")).EndDeviceListLink is None


async def test_limits_of_registration(make_kit: Any) -> None:
    kit = await make_kit(in_band_registration=True, limits=LimitSettings(end_devices=6))
    reply = await kit.send("POST", "/edev", body(kit.lfdi["stranger"]), by="stranger")
    assert (reply.status, kit.typed(reply).reasonCode) == (400, 2)


async def test_return_404_for_a_removed_device_and_drop_it_from_all_lists(open_kit: Any) -> None:
    kit = open_kit
    where = (await kit.send("POST", "/edev", body(kit.lfdi["stranger"]), by="stranger")).headers["Location"]
    device_id = kit.core.state.by_lfdi[kit.lfdi["stranger"]].device_id
    program = kit.program(device_id)
    await kit.send("POST", f"{program}/derc", kit.control())
    status = f"<DERStatus {NS}><readingTime>1</readingTime></DERStatus>"
    await kit.send("PUT", f"{where}/der/1/ders", status, by="stranger")
    mirror = (
        f"<MirrorUsagePoint {NS}><mRID>AA01</mRID><roleFlags>0049</roleFlags><serviceCategoryKind>0"
        f"</serviceCategoryKind><status>1</status><deviceLFDI>{kit.lfdi['stranger']}</deviceLFDI><MirrorMeterReading>"
        "<mRID>BB01</mRID><ReadingType><uom>38</uom></ReadingType></MirrorMeterReading></MirrorUsagePoint>"
    )
    await kit.post("/mup", mirror, by="stranger")
    lists = ("/edev", "/derp", "/rsps", "/mup", "/upt")
    before = {path: (await kit.get(f"{path}?l=99")).all for path in lists}
    assert (await kit.send("DELETE", kit.edev("inv-1"), by="inv-1")).status == 403
    assert (await kit.send("DELETE", where, by="utility")).status == 403
    assert (await kit.send("DELETE", where, by="stranger")).status == 204
    gone = (
        where,
        f"{where}/der/1/ders",
        program,
        f"{program}/derc",
        program.replace("derp", "rsps"),
        "/mup/1",
        "/upt/1",
    )
    for path in gone:
        assert (await kit.send("GET", path)).status == 404
        assert (await kit.send("GET", path, by="stranger")).status == 404
    for path in lists:
        left_in = await kit.get(f"{path}?l=99")
        assert (left_in.all, len(left_in.members)) == (before[path] - 1, before[path] - 1), path
        assert not [member.href for member in left_in.members if member.href in gone]
    assert (await kit.get("/edev?l=9")).all == 6
    assert (await kit.get("/derp?l=9")).all == 5
    assert device_id not in kit.fleet.known
    number = where.rpartition("/")[2]
    left = [key for key in kit.documents() if key[1].startswith((where + "/", program)) or key == ("sep2/edev", number)]
    assert left == []
    assert (await kit.send("POST", "/edev", body(kit.lfdi["stranger"]), by="stranger")).status == 201


async def test_a_registration_survives_a_restart_with_all_it_has(open_kit: Any) -> None:
    kit = open_kit
    where = (await kit.send("POST", "/edev", body(kit.lfdi["stranger"]), by="stranger")).headers["Location"]
    power = "<multiplier>0</multiplier><value>9000</value>"
    capability = (
        f"<DERCapability {NS}><modesSupported>00500000</modesSupported><rtgMaxW>{power}</rtgMaxW>"
        "<type>4</type></DERCapability>"
    )
    assert (await kit.send("PUT", f"{where}/der/1/dercap", capability, by="stranger")).status == 204
    before = await kit.get(where, by="stranger")
    device = kit.fleet.known.pop(kit.core.state.by_lfdi[kit.lfdi["stranger"]].device_id)
    other = await kit.restarted()
    assert await other.get(where, by="stranger") == before
    assert other.fleet.known[device.id].nameplate == device.nameplate
    assert other.registry.joined[device.id] == ("fleet",)


async def test_an_aggregator_registers_the_devices_that_it_manages_and_takes_them_back(open_kit: Any) -> None:
    kit = open_kit
    lfdi = "4D" * 20
    reply = await kit.send("POST", "/edev", body(lfdi, sfdi(lfdi)), by="aggregator")
    assert reply.status == 201
    place = reply.headers["Location"]
    found = await kit.get(place, by="aggregator")
    assert (found.lFDI, found.sFDI, found.enabled) == (lfdi, sfdi(lfdi), True)
    assert kit.fleet.known[f"sep2-{sfdi(lfdi)}"].traits.answers_itself
    status = f"<DERStatus {NS}><readingTime>5</readingTime></DERStatus>"
    assert (await kit.send("PUT", f"{place}/der/1/ders", status, by="aggregator")).status == 204
    assert (await kit.send("POST", "/edev", body(lfdi, sfdi(lfdi)), by="aggregator")).status == 409
    assert (await kit.send("POST", "/edev", body("5E" * 20, 1), by="aggregator")).status == 400
    assert (await kit.send("GET", place, by="inv-1")).status == 404
    assert (await kit.send("DELETE", place, by="inv-1")).status in {403, 404}
    assert (await kit.send("DELETE", place, by="aggregator")).status == 204
    assert (await kit.send("GET", place, by="aggregator")).status == 404


async def test_an_aggregators_devices_are_its_own_after_a_restart_too(open_kit: Any) -> None:
    lfdi = "4D" * 20
    reply = await open_kit.send("POST", "/edev", body(lfdi, sfdi(lfdi)), by="aggregator")
    again = await open_kit.restarted()
    assert (await again.get(reply.headers["Location"], by="aggregator")).lFDI == lfdi
    assert (await again.send("DELETE", reply.headers["Location"], by="aggregator")).status == 204
