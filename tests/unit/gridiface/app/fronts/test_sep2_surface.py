"""The operator's plain fields as acts of a real IEEE 2030.5 server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from gridiface.app.fronts.sep2_surface import Sep2Surface
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.controls import Acceptance, Verdict
from gridiface.domain.fleet import Device, Group, Nameplate
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.server import Sep2Server
from gridiface.northbound.sep2.settings import ClientEntry, Sep2Settings

NOW = 1.8e9
LFDI = "AB" * 20
WHO: dict[str, Any] = {"program": None, "device": None, "group": None, "node": False}
WHEN: dict[str, Any] = {"start": None, "duration": 600, "randomize_start": 0, "randomize_duration": 0}


class House:
    """Clock and ports in one."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Document] = {}
        self.known = {"inv": Device(id="inv", nameplate=Nameplate(max_w=5000), driver="sep2")}
        self.controls: dict[str, Any] = {}

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW

    async def commit(self, changes: Any) -> None:
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)

    async def documents(self, space: str) -> list[Document]:
        return [d for d in self.kept.values() if d.space == space]

    def preview(self, control: Any, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def submit(self, control: Any, now: float, *, along: Any = ()) -> Acceptance:
        await self.commit(along)
        self.controls[control.id] = control
        return self.preview(control, now)

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Any = ()) -> bool:
        await self.commit(along)
        return self.controls.pop(control_id, None) is not None

    async def register(self, device: Any, now: float, *, groups: Any = (), along: Any = ()) -> None:
        await self.commit(along)
        self.known[device.id] = device

    def device(self, device_id: str) -> Any:
        return self.known.get(device_id)

    def devices(self) -> list[Any]:
        return list(self.known.values())

    def group(self, group_id: str) -> Any:
        return next((group for group in self.groups() if group.id == group_id), None)

    def groups(self) -> list[Group]:
        return [Group(id="feeder", members=("inv",))]

    def members(self, group_id: str) -> list[str]:
        return ["inv"]

    def snapshot(self, target: Any) -> None:
        return None


@pytest.fixture
async def surface() -> Any:
    house: Any = House()
    settings = Sep2Settings(pen=40732, node_programs=True, clients=(ClientEntry(lfdi=LFDI, device_id="inv"),))
    server = Sep2Server(
        settings, clock=house, ledger=house, inbox=house, registry=house, fleet=house,
        listener=lambda http: SimpleNamespace(),  # type: ignore[arg-type, return-value]  # never started here
    )  # fmt: skip
    await server.core.load(NOW)
    return Sep2Surface(server), house


@pytest.mark.parametrize(
    ("whose", "target"),
    [({"device": "inv"}, "inv"), ({"device": LFDI}, "inv"), ({"group": "feeder"}, "feeder")],
)
async def test_a_control_of_whom_it_names(surface: Any, whose: dict[str, Any], target: str) -> None:
    desk, house = surface
    asked = WHO | WHEN | whose | {"base": {"opModMaxLimW": 5000}, "category": None, "responses": "03"}
    made = await desk.control(asked | {"description": "trial"}, by="ann")
    assert (made["type"], made["EventStatus"]["currentStatus"], made["description"]) == ("DERControl", 1, "trial")
    assert made["mRID"].endswith("00009F1C")
    (control,) = house.controls.values()
    assert (control.target.id, control.source.identity) == (target, "operator:ann")


async def test_a_group_as_a_node_and_a_program_by_number(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | WHEN | {"base": {"opModMaxLimW": 5000}, "category": None, "responses": "00", "description": ""}
    node = await desk.control(asked | {"group": "feeder", "node": True}, by="ann")
    total = await desk.control(asked | {"group": "feeder"}, by="ann")
    assert node["href"].split("/")[2] != total["href"].split("/")[2]
    number = int(node["href"].split("/")[2])
    again = await desk.control(asked | {"program": number, "start": NOW + 60}, by="ann")
    assert (again["href"], again["EventStatus"]["currentStatus"]) == (f"/derp/{number}/derc/2", 0)
    with pytest.raises(RemoteProtocolError):
        await desk.control(asked | {"device": "nobody"}, by="ann")


async def test_defaults_keep_their_mrid_and_curves_get_one(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | {"device": "inv", "base": {"opModMaxLimW": 5000}, "more": {"setGradW": 27}}
    first, second = await desk.default(asked, by="ann"), await desk.default(asked, by="ann")
    assert (first["mRID"], second["version"]) == (second["mRID"], 1)
    curve = {
        "CurveData": [{"xvalue": 1, "yvalue": 1}],
        "curveType": 11,
        "xMultiplier": 0,
        "yMultiplier": 0,
        "yRefType": 2,
    }
    made = await desk.curve(WHO | {"device": "inv", "curve": curve}, by="ann")
    assert made["creationTime"] == NOW


async def test_messages_of_one_language_and_one_target_share_a_source(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | WHEN | {"text": "Hello", "language": "en", "priority": 1, "originator": "DSO"}
    for more in ({}, {}, {"language": "de"}, {"device": "inv"}):
        await desk.message(asked | more, by="ann")
    assert desk.show("/msg")["all"] == 3
    assert desk.show("/msg/1/txt")["all"] == 2


async def test_prices_hang_on_one_tariff_and_are_scaled(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | WHEN | {"price": 0.25, "currency": 978, "tier": 1}
    for _ in range(2):
        await desk.price(asked, by="ann")
    assert (desk.show("/tp")["all"], desk.show("/tp/1/rc")["all"], desk.show("/tp/1/rc/1/tti")["all"]) == (1, 1, 2)
    assert desk.show("/tp/1/rc/1/tti/1/cti")["members"][0]["price"] == 25_000
    assert desk.show("/tp/1/rc/1/rt")["powerOfTenMultiplier"] == 3
    with pytest.raises(RemoteProtocolError):
        await desk.price(asked | {"price": 1e9}, by="ann")


async def test_demand_response_by_primacy(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | WHEN | {"asked": {"DutyCycle": {"normalValue": 40}}, "category": "00000000", "mandatory": False}
    first = await desk.demand_response(asked | {"primacy": 1, "randomize_start": -60}, by="ann")
    second = await desk.demand_response(asked | {"primacy": 2}, by="ann")
    assert (first["randomizeStart"], first["href"], second["href"]) == (-60, "/dr/1/edc/1", "/dr/2/edc/1")


@pytest.mark.parametrize(
    ("verb", "asked"),
    [
        ("message", {"text": "Hello", "language": "en", "priority": 1, "originator": None}),
        ("price", {"price": 0.25, "currency": 978, "tier": 1}),
        (
            "demand_response",
            {"asked": {"DutyCycle": {"normalValue": 40}}, "category": "00000000", "mandatory": False, "primacy": 0},
        ),
    ],
)
async def test_an_act_of_several_changes_is_durable_with_its_audit_entry(surface: Any, verb: str, asked: Any) -> None:
    desk, house = surface
    await getattr(desk, verb)(WHO | WHEN | asked, by="ann", along=[PutDocument("audit", verb, b"entry")])
    assert ("audit", verb) in house.kept


async def test_another_event_in_the_place_of_one_for_the_same_devices(surface: Any) -> None:
    desk, house = surface
    asked = WHO | WHEN | {"text": "Hello", "language": "en", "priority": 1, "originator": None}
    first = await desk.message(asked | {"device": "inv"}, by="ann")
    entry = PutDocument("audit", "again", b"entry")
    again = await desk.message(asked | {"text": "Good day", "instead": first["href"]}, by="ann", along=[entry])
    assert again["href"] == "/msg/1/txt/2"
    assert desk.show(first["href"])["EventStatus"]["currentStatus"] == 2
    assert ("audit", "again") in house.kept
    with pytest.raises(RemoteProtocolError, match="is over") as refused:
        await desk.message(asked | {"instead": first["href"]}, by="ann")
    assert refused.value.answer == 409
    price = {"price": 0.25, "currency": 978, "tier": 1, "instead": again["href"]}
    with pytest.raises(RemoteProtocolError, match="no event of /tp"):
        await desk.price(WHO | WHEN | price, by="ann")


async def test_what_xml_cannot_carry_is_refused_and_nothing_is_made(surface: Any) -> None:
    desk, _ = surface
    asked = WHO | WHEN | {"text": "bell\x07", "language": "en", "priority": 1, "originator": None}
    with pytest.raises(RemoteProtocolError, match=r"textMessage: .* XML cannot carry"):
        await desk.message(asked, by="ann")
    assert desk.show("/msg/1/txt")["all"] == 0
