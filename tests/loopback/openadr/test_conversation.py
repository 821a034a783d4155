"""Our VTN and our VEN over real sockets, by pull and by push, with a VTN that goes away in between."""

from __future__ import annotations

import time

import aiohttp
import pytest

from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

pytestmark = pytest.mark.timeout(60)
OFFER = ReportOffer(
    specifier="usage", name="TELEMETRY_USAGE", points=(DataPoint(rid="p", unit=power_real("k"), resources=("r",)),)
)


def config():
    wish = ReportWish(name="TELEMETRY_USAGE", granularity=1, back=1)
    return VtnConfig(vtn_id="VTN", poll_frequency=1, open_registration=True, wishes=(wish,))


def event(name, start):
    signal = Signal(
        name="LOAD_DISPATCH", type="setpoint", id="s", durations=(2, 2), values=(5.0, 7.0), unit=power_real("k")
    )
    return Event(id=name, market_context="http://p/", dtstart=start, duration=4, signals=(signal,), notification=0)


@pytest.mark.parametrize("push", [False, True], ids=["pull", "push"])
async def test_a_whole_conversation(push, start_vtn, start_ven, eventually):
    vtn_shell = await start_vtn(config(), push=push)
    ven_shell = await start_ven(VenConfig(name="ven", offers=(OFFER,)), vtn_shell.url, push=push)
    vtn, ven = vtn_shell.vtn, ven_shell.ven
    await eventually(lambda: ven_shell.told("Registered"), "registration")
    name = ven.registration.venID
    assert vtn.vens[name].pull is not push

    await eventually(lambda: vtn_shell.told("ReportReceived"), "a report")
    ven_shell.samples.record("usage", "p", Sample(at=time.time(), value=4.0))
    vtn_shell.do(vtn.create_event(event("E", time.time() + 1), [name], time.time()))
    await eventually(lambda: vtn.delivery(name, "E") and vtn.delivery(name, "E").opt == "optIn", "optIn")
    await eventually(lambda: "end" in [step.kind for step in ven_shell.told("EventStep")], "the end of the event")
    assert [step.value for step in ven_shell.told("EventStep") if step.kind == "interval"] == [5.0, 7.0]

    vtn_shell.do(vtn.create_event(event("F", time.time() + 100), [name], time.time()))
    vtn_shell.do(vtn.cancel_event("F", time.time()))
    vtn_shell.do(vtn.cancel_registration(name))
    await eventually(lambda: not vtn.vens[name].registered, "the end of the registration")
    await eventually(lambda: ven_shell.told("Unregistered"), "the VEN knows it")
    assert not ven_shell.told("Rejected")


async def test_reports_that_waited_for_the_vtn_arrive_in_order_once(start_vtn, start_ven, eventually):
    vtn_shell = await start_vtn(config())
    ven_shell = await start_ven(VenConfig(name="ven", offers=(OFFER,), retry_most=1.0), vtn_shell.url)
    await eventually(lambda: vtn_shell.told("ReportReceived"), "a report")
    vtn_shell.away = True
    await eventually(lambda: ven_shell.ven.waiting >= 3, "reports that wait")
    vtn_shell.away = False
    await eventually(lambda: ven_shell.ven.waiting == 0, "all delivered")
    starts = [value.start for notice in vtn_shell.told("ReportReceived") for value in notice.values]
    assert starts == sorted(set(starts))


async def test_http_statuses_over_a_socket(start_vtn):
    shell = await start_vtn(config())
    url = f"{shell.url}/OpenADR2/Simple/2.0b/EiEvent"
    bomb = b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
    async with aiohttp.ClientSession() as session:
        for method, where, headers, body, status in (
            ("GET", url, {}, None, 501),
            ("POST", f"{shell.url}/nothing", {"Content-Type": "application/xml"}, b"<a/>", 404),
            ("POST", url, {"Content-Type": "text/plain"}, b"<a/>", 406),
            ("POST", url, {"Content-Type": "application/xml"}, bomb, 406),
        ):
            async with session.request(method, where, headers=headers, data=body) as answer:
                assert answer.status == status
                assert answer.headers["Content-Length"] == "0"
