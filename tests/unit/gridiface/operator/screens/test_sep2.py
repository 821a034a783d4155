"""Pages of IEEE 2030.5: programs with responses, end devices, any resource, sessions with utilities' servers."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import RemoteProtocolError
from gridiface.operator.areas.sep2_devices import Sep2DevicesArea
from gridiface.operator.areas.sep2_programs import Sep2ProgramsArea
from gridiface.operator.areas.sep2_resources import Sep2ResourcesArea
from gridiface.operator.areas.sep2_upstreams import Sep2UpstreamsArea

LFDI, AGGREGATOR = "AB" * 20, "CD" * 20
CONTROL = {
    "href": "/derp/1/derc/1",
    "replyTo": "/rsps/1/rsp",
    "mRID": "C1",
    "description": "evening peak",
    "EventStatus": {"currentStatus": 1, "potentiallySuperseded": False},
    "interval": {"start": 90, "duration": 600},
    "DERControlBase": {"opModTargetW": {"multiplier": 0, "value": 5000}},
}
RESOURCES: dict[str, Any] = {
    "/dcap": {"type": "DeviceCapability", "href": "/dcap", "DERProgramListLink": {"href": "/derp", "all": 1}},
    "/derp/1": {
        "type": "DERProgram",
        "href": "/derp/1",
        "DERControlListLink": {"href": "/derp/1/derc", "all": 1},
        "DefaultDERControlLink": {"href": "/derp/1/dderc"},
    },
    "/derp/1/derc": {"type": "DERControlList", "href": "/derp/1/derc", "all": 1, "members": [CONTROL]},
    "/derp/1/dderc": {"type": "DefaultDERControl", "href": "/derp/1/dderc", "DERControlBase": {"opModConnect": True}},
    "/rsps/1/rsp": {
        "type": "ResponseList",
        "members": [{"subject": "C1", "status": 1}, {"subject": "C1", "status": 1}, {"subject": "C1", "status": 2}],
    },
    "/edev/1": {
        "type": "EndDevice",
        "href": "/edev/1",
        "DERListLink": {"href": "/edev/1/der", "all": 1},
        "LogEventListLink": {"href": "/edev/1/lel", "all": 0},
    },
    "/edev/1/der": {
        "type": "DERList",
        "members": [{"href": "/edev/1/der/1", "DERStatusLink": {"href": "/edev/1/der/1/ders"}}],
    },
    "/edev/1/der/1/ders": {"type": "DERStatus", "href": "/edev/1/der/1/ders", "readingTime": 1_795_905_720},
    "/edev/1/lel": {"type": "LogEventList", "members": []},
    "/edev/2": {"type": "EndDevice", "href": "/edev/2"},
    "/mup": {"type": "MirrorUsagePointList", "members": [{"href": "/mup/1", "deviceLFDI": LFDI, "mRID": "M1"}]},
}


class Port:
    """One program with a control, one end device, one subscription, two sessions upward."""

    def programs(self) -> list[Any]:
        one = {"number": 1, "path": "/derp/1", "mrid": "P1", "name": "own program", "primacy": 10, "target": "device:a",
               "node": False, "assignment": "", "controls": 1, "active": 1}  # fmt: skip
        rest = [{**one, "number": n, "path": f"/derp/{n}", "name": f"p{n}", "active": 0} for n in range(2, 80)]
        return [one, *rest]

    def find_programs(self, text: str, live: str, start: int, limit: int) -> tuple[list[Any], int]:
        fits = [row for row in self.programs() if text in row["name"] and (live != "only" or row["active"])]
        return fits[start : start + limit], len(fits)

    def find_end_devices(self, text: str, role: str, start: int, limit: int) -> tuple[list[Any], int]:
        fits = [row for row in self.end_devices()
                if text in " ".join([row["lfdi"], *row["managed_by"]]) and role in {"", row["role"]}]  # fmt: skip
        return fits[start : start + limit], len(fits)

    def find_subscriptions(self, text: str, start: int, limit: int) -> tuple[list[Any], int]:
        fits = [row for row in self.subscriptions() if text in row["resource"]]
        return fits[start : start + limit], len(fits)

    def end_device(self, lfdi: str) -> Any:
        return next((row for row in self.end_devices() if row["lfdi"] == lfdi), None)

    def counts(self) -> dict[str, int]:
        return {"programs": 79, "active": 1, "controls": 79, "end_devices": 1, "subscriptions": 1}

    def program(self, number: int) -> Any:
        return next((row for row in self.programs() if row["number"] == number), None)

    def end_devices(self) -> list[Any]:
        return [{"path": "/edev/1", "lfdi": LFDI, "sfdi": 1, "role": "device", "device": "a", "group": None,
                 "granted": True, "connects": True, "in_band": False, "changed": 1, "post_rate": 300,
                 "managed_by": [AGGREGATOR], "pin": None},
                {"path": "/edev/2", "lfdi": AGGREGATOR, "sfdi": 2, "role": "aggregator", "device": None, "group": None,
                 "granted": True, "connects": True, "in_band": False, "changed": 1, "post_rate": 300,
                 "managed_by": [], "pin": None}]  # fmt: skip

    def subscriptions(self) -> list[Any]:
        return [{"path": "/edev/1/sub/1", "resource": "/derp", "by": LFDI, "uri": "https://10.0.0.1/n", "limit": 10}]

    def poll_rates(self) -> dict[str, int]:
        return {"DERProgramList": 60}

    def show(self, path: str, *, start: int, limit: int) -> Any:
        if path not in RESOURCES:
            raise RemoteProtocolError("nothing is here", answer=404)
        return RESOURCES[path]

    def status(self) -> list[Any]:
        device = {"id": "a", "lfdi": LFDI, "listed": True, "href": "/edev/7", "mirror": None,
                  "programs": [{"mRID": "P", "primacy": 1, "description": "feeder"}]}  # fmt: skip
        row = {"name": "east", "server": "https://utility.example", "server_lfdi": "", "state": "connected",
               "since": 1.0, "last_answer": 99.0, "trouble": "", "failures": 0, "bad_replies": 0, "last_bad_reply": "",
               "clock_offset_s": 0.2, "time_quality": 3, "time_refused": "", "registration": "", "devices": [device],
               "unknown_devices": [], "resources": 1, "events_live": 1, "events_running": 1, "waiting": 2,
               "delivered": 5, "refused": 0, "dropped": 0, "subscriptions": 1, "notifications": 3}  # fmt: skip
        return [row, {**row, "name": "west", "state": "unreachable", "trouble": "no route"}]

    def resources(self, name: str) -> list[Any]:
        return [{"href": "/edev/7", "resource": "EndDevice", "fetched_at": 9.0, "next_at": 99.0, "failures": 0,
                 "subscribed": True, "members": None}]  # fmt: skip

    def events(self, name: str) -> list[Any]:
        return [{"mRID": "E1", "lfdi": LFDI, "target": "a", "description": "peak", "program": "P", "primacy": 1,
                 "phase": "started", "modes": ["opModTargetW"], "begins": 90.0, "ends": 190.0, "control": "c1",
                 "answered": [1, 2], "over": False}]  # fmt: skip


@pytest.fixture
async def house(make_house: Any) -> Any:
    port: Any = Port()
    return await make_house(
        areas=lambda desk: [
            Sep2DevicesArea(port),
            Sep2ProgramsArea(port),
            Sep2ResourcesArea(port),
            Sep2UpstreamsArea(desk, port),
        ]
    )


async def shown(house: Any, path: str, expected: int = 200) -> str:
    status, text, _ = await house.ask("GET", path)
    assert status == expected, text
    assert isinstance(text, str)
    return text


async def test_programs_are_searched_and_paged(house: Any) -> None:
    text = await shown(house, "/sep2")
    assert 'href="/sep2"' in text
    assert "own program" in text
    assert "1–50 of 79" in text
    assert "1–1 of 1" in await shown(house, "/sep2?q=p77")
    assert "1–1 of 1" in await shown(house, "/sep2?live=1")


async def test_a_program_with_its_controls_and_the_responses_to_each(house: Any) -> None:
    for path in ("/sep2/programs/1", "/parts/sep2/programs/1"):
        text = await shown(house, path)
        for said in ("evening peak", "opModTargetW 5000", "active", "2 received", "1 started"):
            assert said in text, said
    assert "opModConnect true" in await shown(house, "/sep2/programs/1")
    assert "o such program" in await shown(house, "/sep2/programs/999", 404)


async def test_an_end_device_and_what_hangs_below_it(house: Any) -> None:
    assert LFDI in await shown(house, "/sep2/devices?q=ABAB&role=device")
    assert "No end device fits" in await shown(house, "/sep2/devices?q=other")
    text = await shown(house, f"/sep2/devices/{LFDI.lower()}")
    for said in ("/edev/1/lel", "/mup/1", "readingTime", "It has not connected"):
        assert said in text, said
    await shown(house, "/sep2/devices/00", 404)


async def test_who_acts_for_an_end_device_and_for_which_an_aggregator_acts(house: Any) -> None:
    paths = [f"/sep2/devices/{one}" for one in (LFDI, AGGREGATOR)]
    assert "/release" not in await shown(house, paths[0])  # who only reads is offered nothing
    device, aggregator = [str((await house.ask("GET", path, scope="configure"))[1]) for path in paths]
    assert f'href="/sep2/devices/{AGGREGATOR}"' in device
    assert f'<option value="{AGGREGATOR}">' in device
    assert f'href="/sep2/devices/{LFDI}"' in aggregator
    for text in (device, aggregator):
        assert f"/api/v1/sep2/end-devices/{AGGREGATOR}/release" in text
        assert f'<input type="hidden" name="device" value="{LFDI}">' in text
    assert f"/api/v1/sep2/end-devices/{AGGREGATOR}/manage" in aggregator


async def test_the_certificate_that_a_peer_came_with(make_house: Any) -> None:
    from gridiface.pki.folder import TestPki  # noqa: PLC0415 - only this test makes certificates

    made = TestPki.create(depth=2, now=100.0).issue("device", "inverter1", now=100.0)
    port: Any = Port()
    house = await make_house(areas=lambda _: [Sep2DevicesArea(port), Sep2ProgramsArea(port), Sep2ResourcesArea(port)])
    house.desk.certificates = type(house.desk.certificates)(peer=lambda _: (made.der, 99.0, "10.0.0.9"))
    text = await shown(house, f"/sep2/devices/{LFDI}")
    assert "10.0.0.9" in text
    assert "secp256r1" in text
    assert "BEGIN CERTIFICATE" in await shown(house, f"/certificates?lfdi={LFDI}")


async def test_any_resource_with_its_links(house: Any) -> None:
    assert "DERProgramListLink" in await shown(house, "/sep2/resources")
    assert "/sep2/resources?href=/derp" in await shown(house, "/sep2/resources?href=/dcap")
    assert "evening peak" in await shown(house, "/sep2/resources?href=/derp/1/derc")
    await shown(house, "/sep2/resources?href=/none", 404)
    await shown(house, "/sep2/resources?href=http://elsewhere", 400)


async def test_who_is_told_of_what(house: Any) -> None:
    text = await shown(house, "/sep2/subscriptions")
    assert "https://10.0.0.1/n" in text
    assert "DERProgramList" in text


async def test_sessions_with_utilities_servers(house: Any) -> None:
    assert "no route" in await shown(house, "/sep2/upstreams")
    text = await shown(house, "/sep2/upstreams/east")
    for said in ("feeder", "peak", "received", "subscribed", "0.20 s ahead"):
        assert said in text, said
    assert "Why it does not answer" in await shown(house, "/sep2/upstreams/west")
    await shown(house, "/sep2/upstreams/north", 404)


async def test_without_a_server_the_sessions_are_the_page(make_house: Any) -> None:
    port: Any = Port()
    house = await make_house(areas=lambda desk: [Sep2UpstreamsArea(desk, port)])
    assert "no route" in await shown(house, "/sep2")
