"""Whole conversations with openleadr 0.5.36 over plain HTTP: its VEN with our VTN, our VEN with its VTN."""

from __future__ import annotations

import time

import pytest

from gridiface.protocols.openadr.events import Event, Signal
from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.reports import ReportRequest
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, VenConfig
from gridiface.protocols.openadr.vtn import ReportWish, VtnConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(90)]
PROGRAM = "http://program.example/dr"


def simple_event(name, start, *, values=(1.0, 2.0), length=600):
    signal = Signal(name="SIMPLE", type="level", id="s", durations=(length,) * len(values), values=values)
    return Event(
        id=name,
        market_context=PROGRAM,
        dtstart=start,
        duration=length * len(values),
        signals=(signal,),
        notification=60,
        ramp_up=30,
        recovery=30,
    )


async def test_openleadrs_ven_with_our_vtn(start_vtn, start_process, eventually):
    wish = ReportWish(name="TELEMETRY_USAGE", granularity=1, back=2)
    # openleadr's VEN takes a vtnID in small letters for wrong.
    shell = await start_vtn(VtnConfig(vtn_id="VTN-1", poll_frequency=1, open_registration=True, wishes=(wish,)))
    ven = await start_process("openleadr_ven.py", shell.url)
    vtn = shell.vtn

    await eventually(lambda: ven.heard("registered"), "registration")
    name = ven.heard("registered")[0]["ven"]
    assert vtn.vens[name].name == "openleadr-ven"
    assert shell.told("VenRegistered")
    assert shell.told("MetadataReceived")

    # Our own metadata goes out by the poll and is confirmed.
    await eventually(lambda: "register_report" not in vtn.waiting(name), "metadata both ways")

    # The wish was requested inside oadrRegisteredReport; data comes.
    await eventually(lambda: shell.told("ReportReceived"), "a periodic report")
    report = shell.told("ReportReceived")[0]
    assert {value.rid for value in report.values} == {"heater-power"}
    assert {value.value for value in report.values} == {1.5}

    # An event, with notification and ramps that it can read.
    start = float(int(time.time()) + 600)
    shell.do(vtn.create_event(simple_event("E1", start), [name], time.time()))
    await eventually(lambda: shell.told("EventAnswered"), "the answer to the event")
    assert ven.heard("event")[0]["values"] == [1.0, 2.0]
    assert ven.heard("event")[0]["notification"] == "0:01:00"
    assert vtn.delivery(name, "E1").opt == "optIn"

    # A change: it says the opposite in its handler for changes.
    signal = simple_event("E1", start, values=(3.0, 1.0)).signals
    shell.do(vtn.modify_event("E1", time.time(), signals=signal))
    await eventually(lambda: vtn.delivery(name, "E1").answered == 1, "the answer to the change")
    assert ven.heard("update")[0]["values"] == [3.0, 1.0]
    assert vtn.delivery(name, "E1").opt == "optOut"

    # EiOpt for one resource.
    ven.say(do="opt", event="E1", resource="heater", modification=1)
    await eventually(lambda: ven.heard("opted"), "the opt")
    assert vtn.opt_of(name, "E1", "heater", start) == "optOut"
    assert shell.told("OptChanged")[0].resources == ("heater",)

    # A cancellation is acknowledged and then not sent any more.
    shell.do(vtn.cancel_event("E1", time.time()))
    await eventually(lambda: vtn.delivery(name, "E1").cancel_done, "the acknowledged cancellation")
    assert "events" not in vtn.waiting(name)

    # A report request through the queue, then its end.
    ids = shell.do(vtn.request_reports(name, [ReportRequest(id="", specifier="usage", rids=("heater-power",))])).value
    await eventually(lambda: "create_report" not in vtn.waiting(name), "oadrCreatedReport")
    await eventually(
        lambda: any(n.reportRequestID == ids[0] for n in shell.told("ReportReceived")), "the one-shot report"
    )

    shell.do(vtn.request_reregistration(name))
    await eventually(lambda: len(shell.told("VenRegistered")) > 1, "the re-registration")
    assert shell.told("VenRegistered")[-1].again

    ven.say(do="cancel")
    await eventually(lambda: shell.told("VenCancelled"), "the end of the registration")
    assert not vtn.vens[name].registered


async def test_our_ven_with_openleadrs_vtn(start_ven, start_process, eventually):
    vtn = await start_process("openleadr_vtn.py")
    await eventually(lambda: vtn.heard("listening"), "the VTN")
    points = tuple(
        DataPoint(rid=f"r{n}", unit=power_real(), resources=(f"unit{n}",), min_period=1, max_period=60) for n in (1, 2)
    )
    config = VenConfig(
        name="gridiface",
        offers=(ReportOffer(specifier="usage", name="TELEMETRY_USAGE", points=points),),
        # openleadr reads one value of an interval only.
        one_point_each=True,
    )
    shell = await start_ven(config, vtn.heard("listening")[0]["url"])
    ven = shell.ven
    for second in range(30):
        at = time.time() + second
        shell.samples.record("usage", "r1", Sample(at=at, value=10.0))
        shell.samples.record("usage", "r2", Sample(at=at, value=20.0))

    await eventually(lambda: shell.told("Registered"), "registration")
    assert ven.registration.venID == "VEN-1"
    assert ven.registration.registrationID == "REG-1"
    await eventually(lambda: ven.pending_reports, "the report request")
    await eventually(lambda: len(vtn.heard("data")) >= 2, "reports")
    assert {line["resource"]: set(line["values"]) for line in vtn.heard("data")} == {"unit1": {10.0}, "unit2": {20.0}}

    vtn.say(do="event", id="E1", delay=2, duration=30, value=2)
    await eventually(lambda: vtn.heard("answer"), "the answer to the event")
    assert vtn.heard("answer")[0] == {"kind": "answer", "event": "E1", "opt": "optIn"}
    await eventually(lambda: ven.active(time.time()), "the start of the event")
    assert ven.active(time.time())[0].values
    await eventually(lambda: len(shell.told("EventStep")) >= 2, "the steps of the event")
    assert [step.kind for step in shell.told("EventStep")] == ["start", "interval"]

    vtn.say(do="cancel", id="E1")
    await eventually(lambda: shell.told("EventCancelled"), "the cancellation")
    await eventually(lambda: not ven.active(time.time()), "the end of the event")

    vtn.say(do="event", id="E2", delay=60, duration=30, value=5, signal="LOAD_DISPATCH", type="setpoint")
    await eventually(lambda: len(vtn.heard("answer")) > 1, "the answer to the second event")
    assert vtn.heard("answer")[1]["opt"] == "optIn"
    assert not [n for n in shell.told("Rejected") if n.code in {0, 452}]
