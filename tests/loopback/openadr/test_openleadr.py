"""A whole conversation of our VEN's core with openleadr 0.5.36 over plain HTTP; the adapters' are in openadr_server."""

from __future__ import annotations

import time

import pytest

from gridiface.protocols.openadr.payloads.units import power_real
from gridiface.protocols.openadr.ven import DataPoint, ReportOffer, Sample, VenConfig

pytestmark = [pytest.mark.processes, pytest.mark.timeout(90)]
PROGRAM = "http://program.example/dr"


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
