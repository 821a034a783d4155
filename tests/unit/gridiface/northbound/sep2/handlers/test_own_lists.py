"""Lists that a device fills about itself, five levels deep."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.northbound.sep2.settings import LimitSettings

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


async def test_links_lead_down_to_every_level(sets: Any) -> None:
    by = "inv-1"
    device = await sets.get(sets.edev(by), by=by)
    information = await sets.get(device.DeviceInformationLink.href, by=by)
    assert (await sets.get(information.SupportedLocaleListLink.href, by=by)).members[0].locale == "en-US"
    interface = (await sets.get(device.IPInterfaceListLink.href, by=by)).members[0]
    address = (await sets.get(interface.IPAddrListLink.href, by=by)).members[0]
    assert (await sets.get(address.RPLInstanceListLink.href, by=by)).members[0].rank == 1
    link = (await sets.get(interface.LLInterfaceListLink.href, by=by)).members[0]
    assert link.EUI64 == "0011223344556677"
    assert (await sets.get(device.ConfigurationLink.href, by=by)).currentLocale == "de"


async def test_a_member_is_replaced_and_removed_with_what_is_below_it(sets: Any) -> None:
    edev = sets.edev("inv-1")
    changed = f"<IPInterface {NS}><ifIndex>2</ifIndex></IPInterface>"
    assert (await sets.send("PUT", f"{edev}/ns/1", changed, by="inv-1")).status == 204
    assert (await sets.get(f"{edev}/ns/1")).ifIndex == 2
    assert (await sets.get(f"{edev}/ns/1/addr")).all == 1
    other = await sets.restarted()
    assert (await other.get(f"{edev}/ns/1/ll/1/nbh")).all == 1
    assert (await other.send("DELETE", f"{edev}/ns/1", by="inv-1")).status == 204
    assert not [key for key in other.documents() if key[1].startswith(f"{edev}/ns")]
    assert (await other.get(edev)).IPInterfaceListLink.all == 0


async def test_a_list_has_an_end(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(own_per_list=2))
    path = f"{kit.edev('inv-1')}/di/loc"
    body = f"<SupportedLocale {NS}><locale>en</locale></SupportedLocale>"
    for _ in range(2):
        await kit.post(path, body, by="inv-1")
    reply = await kit.send("POST", path, body, by="inv-1")
    assert (reply.status, kit.typed(reply).reasonCode) == (400, 2)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("di/loc", f"<SupportedLocale {NS}><locale> </locale></SupportedLocale>"),
        ("cfg/prcfg", f"<PriceResponseCfg {NS}><consumeThreshold>9</consumeThreshold>"
         '<maxReductionThreshold>1</maxReductionThreshold><RateComponentLink href="/tp/1/rc/1"/></PriceResponseCfg>'),
        ("lsl", f'<LoadShedAvailability {NS}><DemandResponseProgramLink href="/derp/1"/></LoadShedAvailability>'),
        ("lsl", f'<LoadShedAvailability {NS}><DemandResponseProgramLink href="//x/dr/1"/></LoadShedAvailability>'),
    ],
)  # fmt: skip
async def test_what_makes_no_sense_or_is_anothers_is_refused(sets: Any, name: str, body: str) -> None:
    before = sets.documents()
    path = f"{sets.edev('inv-2')}/{name}"
    hidden = body.replace("/derp/1", sets.program("inv-1"))
    assert (await sets.send("POST", path, hidden, by="inv-2")).status == 400
    assert sets.documents() == before


async def test_device_sets_that_are_switched_off_are_not_there(make_kit: Any) -> None:
    kit = await make_kit(device_sets=frozenset())
    device = await kit.get(kit.edev("inv-1"), by="inv-1")
    for link in ("ConfigurationLink", "FileStatusLink", "FlowReservationRequestListLink", "IPInterfaceListLink",
                 "LoadShedAvailabilityListLink"):  # fmt: skip
        assert getattr(device, link) is None
    for name in ("cfg", "fs", "frq", "frp", "ns", "lsl", "di/loc"):
        assert (await kit.send("GET", f"{kit.edev('inv-1')}/{name}", by="inv-1")).status == 404
