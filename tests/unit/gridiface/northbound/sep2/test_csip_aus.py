"""CSIP-AUS switched on and off: limits, bit maps, connection points, versions; bodies checked by its own schema."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from gridiface.domain.controls import ControlMode, Setpoint, Verdict
from gridiface.domain.fleet import Capability
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.settings import CsipAusSettings, NotificationSettings
from gridiface.northbound.sep2.wire.notification_target import TargetRules
from gridiface.protocols.sep2.events import modes_of
from gridiface.protocols.sep2.resources import DERCapability, DERControl, DERSettings, EndDevice

NS = 'xmlns="urn:ieee:std:2030.5:ns" xmlns:csipaus="https://csipaus.org/ns"'
ON = CsipAusSettings()
NOTIFICATIONS = NotificationSettings(make=lambda: None, rules=TargetRules())  # type: ignore[arg-type,return-value]  # nothing is sent here
LIMITS = {
    "opModImpLimW": ControlMode.IMPORT_LIMIT,
    "opModExpLimW": ControlMode.EXPORT_LIMIT,
    "opModGenLimW": ControlMode.GENERATION_LIMIT,
    "opModLoadLimW": ControlMode.LOAD_LIMIT,
}


def control(kit: Any, mrid: str, base: str) -> str:
    return (
        f"<DERControl {NS}><mRID>{mrid}</mRID><creationTime>{int(kit.NOW)}</creationTime><EventStatus><currentStatus>0"
        "</currentStatus><dateTime>0</dateTime><potentiallySuperseded>false</potentiallySuperseded></EventStatus>"
        f"<interval><duration>60</duration><start>{int(kit.NOW) + 100}</start></interval>"
        f"<DERControlBase>{base}</DERControlBase></DERControl>"
    )


def watts(name: str, value: int) -> str:
    return f"<csipaus:{name}><multiplier>0</multiplier><value>{value}</value></csipaus:{name}>"


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    folder = Path(os.environ.get("GRIDIFACE_SEP2_XSD", "")).parent
    root = Path(__file__).resolve().parents[5]
    path = folder / "csipaus-core.xsd" if folder.name else root / ".cache" / "schemas" / "sep2" / "csipaus-core.xsd"
    if not path.is_file():
        pytest.skip(f"no CSIP-AUS schema at {path}: run `make test`")
    return etree.XMLSchema(etree.parse(path))


async def test_the_four_limits_become_limits_of_the_engine(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON)
    path = kit.core.state.program_of_device("inv-1").path
    every = "".join(watts(name, 1000 + place) for place, name in enumerate(LIMITS))
    assert (await kit.send("POST", f"{path}/derc", control(kit, "A1" * 16, every))).status == 201
    (made,) = kit.inbox.controls.values()
    assert {mode: made.values[mode].value for mode in LIMITS.values()} == dict(
        zip(LIMITS.values(), (1000.0, 1001.0, 1002.0, 1003.0), strict=True)
    )


async def test_switched_off_the_extensions_are_refused_and_not_written(make_kit: Any) -> None:
    kit = await make_kit()
    path = kit.core.state.program_of_device("inv-1").path
    assert (await kit.send("POST", f"{path}/derc", control(kit, "A1" * 16, watts("opModExpLimW", 5)))).status == 400
    default = f"<DefaultDERControl {NS}><mRID>0D</mRID><DERControlBase>{watts('opModExpLimW', 5)}</DERControlBase>"
    assert (await kit.send("PUT", f"{path}/dderc", default + "</DefaultDERControl>")).status == 400
    assert kit.inbox.controls == {}
    assert csip_aus.versions(None).status == 404
    device = await kit.get(kit.core.state.by_device["inv-1"].path, by="inv-1")
    assert device.ConnectionPointLink is None


async def test_a_storage_target_belongs_to_1_3_and_is_a_power(make_kit: Any) -> None:
    old = await make_kit(csip_aus=CsipAusSettings(versions=("1.2",)))
    path = old.core.state.program_of_device("inv-1").path
    wanted = watts("opModStorageTargetW", -2000)
    assert (await old.send("POST", f"{path}/derc", control(old, "A1" * 16, wanted))).status == 400
    kit = await make_kit(csip_aus=ON)
    assert (await kit.send("POST", f"{path}/derc", control(kit, "A1" * 16, wanted))).status == 201
    (made,) = kit.inbox.controls.values()
    assert made.values[ControlMode.SET_W].value == -2000.0


async def test_a_connection_point_is_linked_set_read_and_kept(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON)
    device = await kit.get(kit.core.state.by_device["inv-1"].path, by="inv-1")
    href = device.ConnectionPointLink.href
    assert (await kit.get(href, by="inv-1")).connectionPointId == ""
    body = (
        '<ConnectionPoint xmlns="https://csipaus.org/ns"><connectionPointId>NMI4102003004</connectionPointId>'
        "</ConnectionPoint>"
    )
    assert (await kit.send("PUT", href, body, by="inv-1")).status == 204
    reply = await kit.send("POST", href, body, by="inv-1")
    assert (reply.status, reply.headers["Location"]) == (201, href)
    assert (await kit.send("PUT", href, body, by="inv-2")).status in {403, 404}
    again = await kit.restarted()
    assert (await again.get(href, by="inv-1")).connectionPointId == "NMI4102003004"
    closed = await make_kit(csip_aus=CsipAusSettings(connection_points=False))
    assert (await closed.send("PUT", href, body, by="inv-1")).status == 409


def test_versions_are_told_as_json_only_where_1_3_is_served() -> None:
    reply = csip_aus.versions(ON)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert json.loads(reply.body) == {"supportedSchemaVersions": {"https://csipaus.org/ns/v1.3": {"dcap": ["/dcap"]}}}
    assert csip_aus.versions(CsipAusSettings(versions=("1.2",))).status == 410


@pytest.mark.parametrize(
    ("capabilities", "bits"), [({Capability.SET_W}, 15), ({Capability.LIMIT_W}, 5), ({Capability.CURVES}, 0)]
)
def test_a_device_takes_the_limits_that_it_can_keep(capabilities: set[Capability], bits: int) -> None:
    assert csip_aus.limits_of(capabilities) == bits


@pytest.mark.schema
async def test_what_we_write_is_valid_for_the_australian_schema(make_kit: Any, schema: etree.XMLSchema) -> None:
    kit = await make_kit(csip_aus=CsipAusSettings(versions=("1.2",)))
    path = kit.core.state.program_of_device("inv-1").path
    every = "<opModConnect>true</opModConnect>" + "".join(watts(name, 10) for name in LIMITS)
    place = (await kit.send("POST", f"{path}/derc", control(kit, "A1" * 16, every))).headers["Location"]
    group = kit.core.state.by_group["fleet"]
    for href, kind in (
        (place, DERControl),
        (f"{group.der}/dercap", DERCapability),
        (f"{group.der}/derg", DERSettings),
        (kit.core.state.by_device["inv-1"].path, EndDevice),
    ):
        reply = await kit.send("GET", href)
        assert reply.status == 200
        schema.assertValid(etree.fromstring(reply.body))
        assert kind.__name__ in reply.body.decode()
    assert (await kit.get(f"{group.der}/dercap")).doeModesSupported == 15


async def test_a_control_goes_to_a_device_that_has_not_said_it_can(make_kit: Any) -> None:
    """A device that tells its limits by doeModesSupported alone is asked all the same: it answers for itself."""
    kit = await make_kit(csip_aus=ON)
    kit.inbox.verdict = Verdict.UNSUPPORTED
    derc = f"{kit.core.state.program_of_device('inv-1').path}/derc"
    assert (await kit.send("POST", derc, control(kit, "A1" * 16, watts("opModExpLimW", 0)))).status == 201
    assert (await kit.get(derc, by="inv-1")).all == 1
    assert kit.inbox.controls == {}
    again = await kit.restarted()
    assert (await again.get(derc, by="inv-1")).all == 1
    battery = f"{kit.core.state.program_of_device('bat-1').path}/derc"
    assert (await kit.send("POST", battery, control(kit, "A2" * 16, watts("opModExpLimW", 0)))).status == 400


@pytest.mark.parametrize("profile", [ON, None], ids=["on", "off"])
async def test_a_device_that_names_a_limit_of_generation_alone_is_told_ceilings_by_it(
    make_kit: Any, profile: CsipAusSettings | None
) -> None:
    kit = await make_kit(csip_aus=profile)
    body = (
        f"<DERCapability {NS}><modesSupported>0000000C</modesSupported><rtgMaxW><multiplier>4</multiplier>"
        "<value>1</value></rtgMaxW><type>4</type><csipaus:doeModesSupported>05</csipaus:doeModesSupported>"
        "</DERCapability>"
    )
    assert (await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", body, by="inv-1")).status == 204
    able = kit.fleet.device("inv-1").nameplate.capabilities
    assert (Capability.LIMIT_W in able, Capability.CONNECT in able) == (profile is not None, True)
    point = Setpoint(device_id="inv-1", issued=kit.NOW, ceiling_w=3000.0, valid_until=kit.NOW + 60)
    await kit.core.channel.apply([point], deadline=kit.NOW + 5)
    told = [event.derControlBase for event in (await kit.get(kit.program("inv-1") + "/derc?l=9", by="inv-1")).members]
    assert [modes_of(base) for base in told] == ([{"opModGenLimW"}] if profile else [])


async def test_a_program_has_a_default_control_before_there_is_anything_in_it(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON)
    program = kit.core.state.program_of_device("inv-1").path
    place = f"{program}/dderc"
    assert (await kit.get(program, by="inv-1")).DefaultDERControlLink.href == place
    empty = await kit.get(place, by="inv-1")
    assert modes_of(empty.derControlBase) == frozenset()
    body = (
        f"<DefaultDERControl {NS}><mRID>{empty.mRID}</mRID><DERControlBase>{watts('opModExpLimW', 5)}</DERControlBase>"
    )
    assert (await kit.send("PUT", place, f"{body}</DefaultDERControl>")).status == 204
    assert (await kit.get(place, by="inv-1")).version == 1
    assert (await kit.send("DELETE", place)).status == 204
    assert await kit.get(place, by="inv-1") == empty


async def test_a_connection_point_says_where_it_is(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON)
    place = f"{kit.edev('inv-1')}/cp"
    name = "<csipaus:connectionPointId>{}</csipaus:connectionPointId>"
    sent = f"<csipaus:ConnectionPoint {NS}>{name}</csipaus:ConnectionPoint>"
    reply = await kit.send("PUT", place, sent.format("41020000002"), by="inv-1")
    assert (reply.status, reply.headers["Location"]) == (204, place)
    strict = await make_kit(csip_aus=CsipAusSettings(nmi=True))
    assert (await strict.send("PUT", place, sent.format("41020000002"), by="inv-1")).status == 204
    for wrong in ("NOTAVALIDID", "41020000003", "4102O000002", "410200000020"):
        assert (await strict.send("PUT", place, sent.format(wrong), by="inv-1")).status == 400, wrong
    assert (await strict.get(place, by="inv-1")).connectionPointId == "41020000002"


@pytest.mark.parametrize(("nmi", "valid"), [("4102000000", True), ("QAAAVZZZZZ3", True), ("30756218758", True),
                                            ("30756218757", False), ("", False), ("410200000", False)])  # fmt: skip
def test_national_metering_identifiers(nmi: str, valid: bool) -> None:
    assert csip_aus.is_nmi(nmi) is valid


async def test_an_aggregator_is_led_to_its_own_subscriptions_and_sees_the_pins_of_its_devices(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON, notifications=NOTIFICATIONS)
    seen = {device.lFDI: device for device in (await kit.get("/edev?l=99", by="aggregator")).members}
    own = seen.pop(kit.lfdi["aggregator"])
    assert own.SubscriptionListLink is not None
    assert [device.SubscriptionListLink for device in seen.values()] == [None] * len(seen)
    managed = seen[kit.lfdi["inv-2"]]
    assert (await kit.get(managed.RegistrationLink.href, by="aggregator")).pIN == 123_455
    assert (await kit.send("GET", managed.RegistrationLink.href, by="inv-1")).status == 404
    assert (await kit.send("GET", managed.RegistrationLink.href, by="utility")).status == 404


MIRROR = (
    f"<MirrorUsagePoint {NS}><mRID>{{mrid}}</mRID><roleFlags>49</roleFlags><serviceCategoryKind>0</serviceCategoryKind>"
    "<status>1</status><deviceLFDI>{lfdi}</deviceLFDI><MirrorMeterReading><mRID>{meter}</mRID><ReadingType><uom>38</uom>"
    "</ReadingType></MirrorMeterReading></MirrorUsagePoint>"
)


@pytest.mark.parametrize(("settings", "status"), [(None, 201), (ON, 409)])
async def test_the_mrid_of_anothers_quantity_is_refused_in_csip_aus(
    make_kit: Any, settings: CsipAusSettings | None, status: int
) -> None:
    kit = await make_kit(csip_aus=settings)
    first = MIRROR.format(mrid="01" * 16, lfdi=kit.lfdi["inv-1"], meter="AB" * 16)
    place = (await kit.send("POST", "/mup", first, by="inv-1")).headers["Location"]
    other = MIRROR.format(mrid="02" * 16, lfdi=kit.lfdi["inv-2"], meter="AB" * 16)
    assert (await kit.send("POST", "/mup", other, by="inv-2")).status == status
    again = await kit.restarted()
    assert (await again.send("POST", "/mup", first, by="inv-1")).status == 204
    assert (await again.send("POST", "/mup", other, by="inv-2")).status == (204 if status == 201 else 409)
    assert (await kit.send("DELETE", place, by="inv-1")).status == 204
    assert (await kit.send("POST", "/mup", other, by="inv-2")).status in {201, 204}


async def test_a_bit_map_is_shown_as_its_device_wrote_it(make_kit: Any) -> None:
    kit = await make_kit(csip_aus=ON)
    place = f"{kit.edev('inv-1')}/der/1/dercap"
    for written in ("03", "0003", "00000003", "00700003"):
        body = (
            f"<DERCapability {NS}><modesSupported>{written}</modesSupported><rtgMaxW><multiplier>0</multiplier>"
            "<value>9000</value></rtgMaxW><type>4</type><csipaus:doeModesSupported>0F</csipaus:doeModesSupported>"
            "</DERCapability>"
        )
        assert (await kit.send("PUT", place, body, by="inv-1")).status == 204
        assert f"<modesSupported>{written}</modesSupported>".encode() in (await kit.send("GET", place, by="inv-1")).body
