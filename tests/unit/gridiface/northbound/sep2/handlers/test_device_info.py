"""What devices say about themselves, and their log."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.fleet import Capability
from gridiface.domain.telemetry import OperatingState
from gridiface.northbound.sep2.settings import LimitSettings

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
POWER = "<multiplier>0</multiplier><value>{}</value>"
CAPABILITY = (
    f"<DERCapability {NS}><modesSupported>00500000</modesSupported><rtgMaxW>{POWER.format(9000)}</rtgMaxW>"
    "<type>4</type></DERCapability>"
)
SETTINGS = (
    f"<DERSettings {NS}><setGradW>27</setGradW><setMaxW>{POWER.format(8000)}</setMaxW>"
    "<updatedTime>1799999990</updatedTime></DERSettings>"
)
STATUS = (
    f"<DERStatus {NS}><genConnectStatus><dateTime>1</dateTime><value>07</value></genConnectStatus>"
    "<localControlModeStatus><dateTime>1</dateTime><value>0</value></localControlModeStatus>"
    "<operationalModeStatus><dateTime>1</dateTime><value>2</value></operationalModeStatus>"
    "<readingTime>1799999990</readingTime><stateOfChargeStatus><dateTime>1</dateTime><value>5500</value>"
    "</stateOfChargeStatus></DERStatus>"
)
AVAILABILITY = (
    f"<DERAvailability {NS}><availabilityDuration>3600</availabilityDuration><readingTime>1799999990</readingTime>"
    f"<statWAvail>{POWER.format(7000)}</statWAvail></DERAvailability>"
)
LOG = (
    f"<LogEvent {NS}><createdDateTime>{{at}}</createdDateTime><details>d</details><functionSet>11</functionSet>"
    "<logEventCode>2</logEventCode><logEventID>{id}</logEventID><logEventPEN>40732</logEventPEN>"
    "<profileID>2</profileID></LogEvent>"
)


@pytest.mark.parametrize(
    ("name", "body"), [("dercap", CAPABILITY), ("derg", SETTINGS), ("ders", STATUS), ("dera", AVAILABILITY)]
)
@pytest.mark.parametrize(("device", "by"), [("inv-1", "inv-1"), ("managed-1", "aggregator"), ("inv-2", "aggregator")])
async def test_store_put_and_return_the_same_values_on_get(
    kit: Any, name: str, body: str, device: str, by: str
) -> None:
    path = f"{kit.edev(device)}/der/1/{name}"
    reply = await kit.send("PUT", path, body, by=by)
    assert (reply.status, reply.body) == (204, b"")
    stored = (await kit.send("GET", path, by=by)).body.decode()
    assert stored == body.replace(NS, f'{NS} href="{path}"')
    other = await kit.restarted()
    assert (await other.send("GET", path, by=by)).body.decode() == stored


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("ders", STATUS.replace("5500", "10001")),
        ("derg", SETTINGS.replace("<multiplier>0<", "<multiplier>10<")),
        ("dercap", CAPABILITY.replace("<multiplier>0<", "<multiplier>-10<")),
        ("dera", AVAILABILITY.replace("<statWAvail>", "<reservePercent>10001</reservePercent><statWAvail>")),
    ],
)
async def test_values_keep_to_the_ranges_that_the_text_gives_and_the_schema_does_not(
    kit: Any, name: str, body: str
) -> None:
    path = f"{kit.edev('inv-1')}/der/1/{name}"
    before = (await kit.send("GET", path, by="inv-1")).body
    reply = await kit.send("PUT", path, body, by="inv-1")
    assert (reply.status, b"<reasonCode>" in reply.body) == (400, True)
    assert (await kit.send("GET", path, by="inv-1")).body == before


async def test_nameplate_and_settings_reach_the_fleet(kit: Any) -> None:
    edev = kit.edev("inv-1")
    await kit.send("PUT", f"{edev}/der/1/dercap", CAPABILITY, by="inv-1")
    await kit.send("PUT", f"{edev}/der/1/derg", SETTINGS, by="inv-1")
    device = kit.fleet.known["inv-1"]
    assert (device.nameplate.max_w, device.settings.max_w) == (9000.0, 8000.0)
    assert device.nameplate.capabilities == {Capability.SET_W, Capability.LIMIT_W, Capability.ENTER_SERVICE}
    assert device.settings.ramp_w_per_s == pytest.approx(21.6)
    assert device.traits.answers_itself
    assert device.identities["lfdi"] == kit.lfdi["inv-1"]


async def test_status_and_availability_reach_the_fleet(kit: Any) -> None:
    edev = kit.edev("inv-1")
    await kit.send("PUT", f"{edev}/der/1/ders", STATUS, by="inv-1")
    await kit.send("PUT", f"{edev}/der/1/dera", AVAILABILITY, by="inv-1")
    status, available = kit.registry.observed
    assert (status.soc, status.connected, status.state) == (0.55, True, OperatingState.RUNNING)
    assert status.local_control
    assert (available.available_up_w, available.available_wh, available.soc) == (7000.0, 7000.0, None)
    assert available.local_control  # the state that was told before holds
    assert status.source_time == kit.NOW - 10


@pytest.mark.parametrize("missing", ["setGradW", "setMaxW", "updatedTime"])
async def test_reject_der_settings_without_updated_time_set_max_w_or_set_grad_w(kit: Any, missing: str) -> None:
    body = re.sub(f"<{missing}>.*</{missing}>", "", SETTINGS)
    assert body != SETTINGS
    path = kit.edev("inv-1") + "/der/1/derg"
    assert (await kit.send("PUT", path, SETTINGS, by="inv-1")).status == 204
    before, shown = kit.documents(), await kit.get(path, by="inv-1")
    reply = await kit.send("PUT", path, body, by="inv-1")
    assert (reply.status, kit.typed(reply).reasonCode) in {(400, 0), (400, 1)}
    assert (kit.documents(), await kit.get(path, by="inv-1")) == (before, shown)


async def test_before_the_first_put_there_is_something_valid(kit: Any) -> None:
    der = await kit.get(kit.edev("inv-1") + "/der/1", by="inv-1")
    for link in (der.DERCapabilityLink, der.DERSettingsLink, der.DERStatusLink, der.DERAvailabilityLink):
        assert (await kit.send("GET", link.href, by="inv-1")).status == 200


async def test_a_device_states_its_own_lfdi(kit: Any) -> None:
    path = kit.edev("inv-1") + "/di"
    body = (
        f"<DeviceInformation {NS}><lFDI>{{}}</lFDI><mfDate>1</mfDate><mfHwVer>1</mfHwVer><mfID>1</mfID>"
        "<mfModel>m</mfModel><mfSerNum>s</mfSerNum><primaryPower>1</primaryPower><secondaryPower>0</secondaryPower>"
        "<swActTime>1</swActTime><swVer>1</swVer></DeviceInformation>"
    )
    assert (await kit.send("PUT", path, body.format(kit.lfdi["inv-2"]), by="inv-1")).status == 400
    assert (await kit.send("PUT", path, body.format(kit.lfdi["inv-1"]), by="inv-1")).status == 204
    assert (await kit.get(path, by="inv-1")).mfModel == "m"


async def test_nobody_writes_for_a_device_that_the_server_speaks_for(kit: Any) -> None:
    for name in ("bat-1", "fleet"):
        for by, status in (("utility", 403), ("aggregator", 404), ("inv-1", 404)):
            reply = await kit.send("PUT", kit.edev(name) + "/der/1/ders", STATUS, by=by)
            assert reply.status == status


async def test_the_aggregated_der_is_rolled_up_live(kit: Any) -> None:
    path = kit.edev("fleet") + "/der/1"
    first = await kit.get(f"{path}/ders")
    assert (first.stateOfChargeStatus.value, first.readingTime) == (5000, kit.NOW - 1)
    assert (await kit.get(f"{path}/dercap")).type == 1
    snapshot = kit.fleet.snapshots["fleet"]
    kit.fleet.snapshots["fleet"] = replace(snapshot, soc=0.25, source_time=kit.NOW + 1)
    kit.at(2)
    assert (await kit.get(f"{path}/ders")).stateOfChargeStatus.value == 2500
    assert (await kit.get(f"{path}/dera")).statWAvail.value == 3800


# --- log ---


async def test_accept_five_log_events_with_201_and_keep_at_least_ten(make_kit: Any) -> None:
    kit = await make_kit(limits=LimitSettings(log_events_per_device=3))
    path = kit.edev("inv-1") + "/lel"
    for number in range(15):
        reply = await kit.send("POST", path, LOG.format(at=1000 + number, id=number), by="inv-1")
        assert reply.status == 201
        found = await kit.get(reply.headers["Location"], by="inv-1")
        assert found.logEventID == number
    found = await kit.get(f"{path}?l=255", by="inv-1")
    assert (found.all, [e.logEventID for e in found.members]) == (10, list(range(14, 4, -1)))
    assert (await kit.get(kit.edev("inv-1"), by="inv-1")).LogEventListLink.all == 10
    other = await kit.restarted()
    assert (await other.get(path)).all == 10


async def test_order_log_event_list_newest_first_and_page_it_by_time(kit: Any) -> None:
    path = kit.edev("inv-1") + "/lel"
    for at in (1000, 3000, 2000):
        await kit.send("POST", path, LOG.format(at=at, id=at), by="inv-1")
    assert [e.createdDateTime for e in (await kit.get(f"{path}?l=9", by="inv-1")).members] == [3000, 2000, 1000]
    assert [e.createdDateTime for e in (await kit.get(f"{path}?l=9&a=1000", by="inv-1")).members] == [3000, 2000]


async def test_a_log_event_can_be_deleted_by_its_device(kit: Any) -> None:
    path = kit.edev("inv-1") + "/lel"
    where = (await kit.send("POST", path, LOG.format(at=1, id=1), by="inv-1")).headers["Location"]
    assert (await kit.send("DELETE", where, by="utility")).status == 403
    assert (await kit.send("DELETE", where, by="inv-1")).status == 204
    assert (await kit.send("GET", where, by="inv-1")).status == 404
    assert (await kit.get(path, by="inv-1")).all == 0


async def test_a_log_event_that_is_sent_again_is_kept_once(kit: Any) -> None:
    path = kit.edev("inv-1") + "/lel"
    first = await kit.send("POST", path, LOG.format(at=5, id=7), by="inv-1")
    again = await kit.send("POST", path, LOG.format(at=5, id=7), by="inv-1")
    other = await kit.send("POST", path, LOG.format(at=5, id=8), by="inv-1")
    assert (first.status, again.status) == (201, 201)
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]
    assert (await kit.get(f"{path}?l=9", by="inv-1")).all == 2
