"""Our VTN on the wire: nobody is answered before what the answer rests on is durable; what is taken back is gone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import aiohttp
import pytest
from tests.unit.gridiface.northbound.openadr.conftest import NOW, Shelf

from gridiface.errors import ConfigError, RefusedControl, StoreUnavailable
from gridiface.northbound.openadr.settings import ListenSettings, MemberSettings, VenEntry, VtnSettings
from gridiface.northbound.openadr.translate.fleet import SETPOINT
from gridiface.northbound.openadr.vtn.vtn import OpenAdrVtn
from gridiface.protocols.openadr.exchange import HttpClient, HttpMessage, HttpRefused
from gridiface.protocols.openadr.payloads.event import OadrPoll
from gridiface.protocols.openadr.payloads.registration import OadrCreatePartyRegistration
from gridiface.protocols.openadr.payloads.report import OadrRegisterReport
from gridiface.protocols.openadr.vtn import VtnConfig


class House(Shelf):
    """Clock, store and registry."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: dict[str, Any] = {}

    async def register(self, device: Any, now: float, **more: Any) -> None:
        self.devices[device.id] = device

    async def remove(self, device_id: str, now: float, **more: Any) -> None:
        self.devices.pop(device_id, None)

    async def report(self, deliveries: Any, outcomes: Any, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)

    async def observe(self, snapshots: Any, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)


def vtn_of(house: House, *entries: VenEntry, **more: Any) -> OpenAdrVtn:
    numbers = itertools.count(1)
    settings = VtnSettings(
        core=VtnConfig(vtn_id="V", open_registration=True), listen=ListenSettings(**more), vens=entries
    )
    return OpenAdrVtn(settings, clock=house, ledger=house, registry=house, new_id=lambda: f"N{next(numbers)}")


def registration() -> OadrCreatePartyRegistration:
    return OadrCreatePartyRegistration(
        requestID="r1",
        oadrProfileName="2.0b",
        oadrTransportName="simpleHttp",
        oadrReportOnly=False,
        oadrXmlSignature=False,
        oadrVenName="a house",
        oadrHttpPullModel=True,
    )


async def post(vtn: OpenAdrVtn, service: str, payload: Any) -> Any:
    """The answer over a socket; HttpRefused for another status than 200."""
    client = HttpClient()
    message = client.request(service, payload, NOW)
    url = f"http://127.0.0.1:{vtn.port}/OpenADR2/Simple/2.0b/{service}"
    headers = {"Content-Type": message.headers["Content-Type"]}
    async with (
        aiohttp.ClientSession(auto_decompress=False) as session,
        session.post(url, data=message.body, headers=headers) as answer,
    ):
        reply = HttpMessage(answer.status, dict(answer.headers), await answer.read())
    return client.response(reply, NOW)


async def test_a_registration_is_answered_when_it_is_durable_and_not_before() -> None:
    house = House()
    vtn = vtn_of(house)
    await vtn.start()
    try:
        house.down = True
        with pytest.raises(HttpRefused) as refused:
            await post(vtn, "EiRegisterParty", registration())
        assert refused.value.answer == 503
        assert dict(vtn.core.vens) == {}
        house.down = False
        answer = await post(vtn, "EiRegisterParty", registration())
        assert answer.eiResponse.responseCode == "200"
        assert answer.venID in vtn.core.vens
        assert any(answer.venID in key for key in house.bodies)
    finally:
        await vtn.stop()


async def test_who_registered_is_known_after_a_restart() -> None:
    house = House()
    vtn = vtn_of(house)
    await vtn.start()
    ven_id = (await post(vtn, "EiRegisterParty", registration())).venID
    await vtn.stop()
    again = vtn_of(house)
    await again.start()
    try:
        assert again.core.vens[ven_id].registered
        answer = await post(again, "OadrPoll", OadrPoll(venID=ven_id))
        assert isinstance(answer, OadrRegisterReport)  # what follows a registration is still to be told
    finally:
        await again.stop()


async def test_a_configured_ven_is_what_the_configuration_says_and_keeps_what_is_known_beside() -> None:
    house = House()
    vtn = vtn_of(house, VenEntry(ven_id="A", name="one", groups=("north",)))
    await vtn.start()
    vtn.core.vens["A"].registrationID = "R"
    await vtn.do(lambda core, now: core.put_ven(core.vens["A"]))
    await vtn.stop()
    again = vtn_of(house, VenEntry(ven_id="A", name="two"))
    await again.start()
    known = again.core.vens["A"]
    assert (known.name, known.groups, known.registrationID) == ("two", ["north"], "R")
    assert again.configured == {"A"}
    await again.stop()


async def test_a_member_is_a_device_of_the_fleet_as_long_as_its_ven_is_registered() -> None:
    house = House()
    member = MemberSettings(device_id="d", signals=frozenset({SETPOINT}), rated_load_w=10_000.0)
    vtn = vtn_of(house, VenEntry(ven_id="A", members=(member,)))
    await vtn.start()
    assert house.devices == {}
    answer = await post(vtn, "EiRegisterParty", registration())
    assert answer.venID != "A"  # another one: A is known by what it shows
    await vtn.do(lambda core, now: core.drop_ven(answer.venID))
    vtn.core.vens["A"].registrationID = "R"
    await vtn.members.resume(NOW)
    device = house.devices["d"]
    assert (device.driver, device.identities, device.traits.answers_itself) == ("openadr", {"ven_id": "A"}, True)
    assert device.enabled
    await vtn.members.opted("d", NOW, out=True, away=())
    assert not house.devices["d"].enabled
    await vtn.members.opted("d", NOW, out=False, away=())
    assert house.devices["d"].enabled
    await vtn.stop()


async def test_a_verb_of_the_operator_that_cannot_be_kept_changes_nothing() -> None:
    house = House()
    vtn = vtn_of(house, VenEntry(ven_id="A"))
    await vtn.start()
    house.down = True
    with pytest.raises(StoreUnavailable):
        await vtn.do(lambda core, now: core.drop_ven("A"))
    assert "A" in vtn.core.vens
    house.down = False
    with pytest.raises(RefusedControl):
        await vtn.do(lambda core, now: core.cancel_event("unknown", now))
    await vtn.stop()


async def test_a_port_that_is_taken_is_said() -> None:
    house = House()
    vtn = vtn_of(house)
    await vtn.start()
    other = vtn_of(House(), port=vtn.port)
    with pytest.raises(ConfigError, match=str(vtn.port)):
        await other.start()
    await other.stop()
    await vtn.stop()
