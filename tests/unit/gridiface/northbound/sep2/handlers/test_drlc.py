"""Demand response: published by default, asked of the engine where configured; responses with what was applied."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, OutcomeKind, Target, TargetKind, Verdict
from gridiface.northbound.sep2.settings import DrlcSettings
from gridiface.protocols.sep2.resources import DemandResponseProgram

NS = 'xmlns="urn:ieee:std:2030.5:ns"'


def answer(lfdi: str, subject: str, status: int, more: str = "") -> str:
    return (
        f"<DrResponse {NS}><endDeviceLFDI>{lfdi}</endDeviceLFDI><status>{status}</status><subject>{subject}</subject>"
        f"{more}</DrResponse>"
    )


async def test_a_control_is_published_for_the_devices_and_nothing_is_asked_of_the_engine(kit: Any) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    await kit.post("/dr/1/edc", kit.bodies.load(start=kit.NOW))
    assert kit.inbox.controls == {}
    program = (await kit.get("/dr", by="inv-1")).members[0]
    assert (program.EndDeviceControlListLink.all, program.ActiveEndDeviceControlListLink.all) == (1, 1)
    control = (await kit.get("/dr/1/actedc", by="inv-1")).members[0]
    assert (control.dutyCycle.normalValue, control.replyTo) == (40, "/rsps/dr1/rsp")


async def test_a_newer_control_supersedes_what_it_covers_and_warns_of_a_part(kit: Any) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    await kit.post("/dr/1/edc", kit.bodies.load("01", start=kit.NOW, duration=1000))
    kit.clock.time += 1
    part = kit.bodies.load("02", start=kit.NOW + 10, duration=50, created=kit.NOW + 1)
    await kit.post("/dr/1/edc", part.replace("<deviceCategory>00000000", "<deviceCategory>00000001"))
    kit.at(20)
    first = await kit.get("/dr/1/edc/1")
    assert (first.eventStatus.currentStatus, first.eventStatus.potentiallySuperseded) == (1, True)
    whole = kit.bodies.load("03", start=kit.NOW + 30, duration=50, created=kit.NOW + 20)
    await kit.post("/dr/1/edc", whole)
    kit.at(30)
    assert [await kit.status(f"/dr/1/edc/{n}") for n in (1, 2, 3)] == [4, 4, 1]


async def test_cancel_with_randomisation_only_where_it_is_randomised(kit: Any) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    plain, shifted = kit.bodies.load("01"), kit.bodies.load("02", randomise="<randomizeStart>-30</randomizeStart>")
    for body in (plain, shifted):
        await kit.post("/dr/1/edc", body)
    for number, body, status in ((1, plain, 400), (2, shifted, 204)):
        cancelled = body.replace("<currentStatus>0<", "<currentStatus>3<")
        assert (await kit.send("PUT", f"/dr/1/edc/{number}", cancelled)).status == status


async def test_it_becomes_active_when_the_first_device_may_start(kit: Any) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    await kit.post("/dr/1/edc", kit.bodies.load(randomise="<randomizeStart>-30</randomizeStart>"))
    kit.at(29)
    assert await kit.status("/dr/1/edc/1") == 0
    kit.at(30)
    assert await kit.status("/dr/1/edc/1") == 1


@pytest.mark.parametrize(
    "more",
    [
        "",
        "<DutyCycle><normalValue>101</normalValue></DutyCycle>",
        "<TargetReduction><type>77</type><value>1</value></TargetReduction>",
    ],
)
async def test_a_control_that_makes_no_sense_is_refused(kit: Any, more: str) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    body = kit.bodies.load(more=more)
    if "TargetReduction" in more:
        body = kit.bodies.load(more="").replace("</EndDeviceControl>", f"{more}</EndDeviceControl>")
    assert (await kit.send("POST", "/dr/1/edc", body)).status == 400


async def engine_kit(make_kit: Any) -> Any:
    kit = await make_kit(drlc=DrlcSettings(engine=True))
    listing = kit.core.state.tree.listing("/dr")
    program = DemandResponseProgram(mRID="D1", primacy=2)
    target = Target(TargetKind.GROUP, "fleet")
    assert await kit.core.publishing.create(listing, program, kit.NOW, by="op", target=target) == ("/dr/1", True)
    return kit


async def test_the_engine_is_asked_where_configured(make_kit: Any) -> None:
    kit = await engine_kit(make_kit)
    await kit.post("/dr/1/edc", kit.bodies.load("AB", start=kit.NOW + 60))
    control = kit.inbox.controls["sep2:dr:AB"]
    assert control.target == Target(TargetKind.GROUP, "fleet")
    assert control.values[ControlMode.LOAD_LEVEL].value == pytest.approx(0.6)
    assert (control.interval.start, control.interval.duration) == (kit.NOW + 60, 600.0)
    kit.outcome("sep2:dr:AB", OutcomeKind.STARTED, "bat-1")
    kit.outcome("sep2:dr:AB", OutcomeKind.STARTED, "inv-1")  # answers by itself
    await kit.flush()
    answers = await kit.get("/rsps/dr1/rsp?l=9")
    assert [(a.endDeviceLFDI, a.status) for a in answers.members] == [(kit.core.state.by_device["bat-1"].lfdi, 2)]
    cancelled = kit.bodies.load("AB", start=kit.NOW + 60, status=2)
    assert (await kit.send("PUT", "/dr/1/edc/1", cancelled)).status == 204
    assert kit.inbox.cancelled == ["sep2:dr:AB"]


async def test_what_the_engine_refuses_is_not_published(make_kit: Any) -> None:
    kit = await engine_kit(make_kit)
    kit.inbox.verdict = Verdict.BLOCKED
    before = kit.documents()
    assert (await kit.send("POST", "/dr/1/edc", kit.bodies.load())).status == 409
    assert (await kit.get("/dr/1/edc?l=9")).all == 0
    assert {k: v for k, v in kit.documents().items() if k[0] != "sep2/counters"} == {
        k: v for k, v in before.items() if k[0] != "sep2/counters"
    }


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ("", 201),
        ("<DutyCycle><normalValue>40</normalValue></DutyCycle>", 201),
        ("<DutyCycle><normalValue>140</normalValue></DutyCycle>", 400),
        ("<overrideDuration>60</overrideDuration>", 400),
    ],
)
async def test_a_response_echoes_what_was_applied(kit: Any, more: str, status: int) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    await kit.post("/dr/1/edc", kit.bodies.load("01"))
    reply = await kit.send("POST", "/rsps/dr1/rsp", answer(kit.lfdi["inv-1"], "01", 2, more), by="inv-1")
    assert reply.status == status


@pytest.mark.parametrize(
    ("allowed", "status", "said", "answered"),
    [(60, 8, 60, 201), (60, 8, 61, 400), (60, 10, 61, 201), (None, 10, 5, 201), (None, 8, 0, 201), (None, 8, 1, 400)],
)
async def test_who_overrides_for_longer_than_it_may_says_that_it_took_no_part(
    kit: Any, allowed: int | None, status: int, said: int, answered: int
) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    control = kit.bodies.load("01")
    if allowed is not None:
        override = f"<overrideDuration>{allowed}</overrideDuration>"
        control = control.replace("</loadShiftForward>", f"</loadShiftForward>{override}")
    await kit.post("/dr/1/edc", control)
    words = answer(kit.lfdi["inv-1"], "01", status, f"<overrideDuration>{said}</overrideDuration>")
    assert (await kit.send("POST", "/rsps/dr1/rsp", words, by="inv-1")).status == answered


async def test_availability_is_told_by_the_device_and_names_its_program(sets: Any) -> None:
    path = f"{sets.edev('inv-1')}/lsl"
    found = (await sets.get(path)).members[0]
    assert (found.sheddablePercent, found.DemandResponseProgramLink.href) == (2500, "/dr/1")
    wrong = f"<LoadShedAvailability {NS}><sheddablePercent>10001</sheddablePercent></LoadShedAvailability>"
    assert (await sets.send("POST", path, wrong, by="inv-1")).status == 400
    assert (await sets.send("POST", path, wrong, by="utility")).status == 403


async def test_a_randomised_control_can_be_cancelled_until_its_last_device_has_ended(kit: Any) -> None:
    await kit.post("/dr", kit.bodies.dr_program())
    later = "<randomizeDuration>20</randomizeDuration><randomizeStart>30</randomizeStart>"
    body = kit.bodies.load(randomise=later, start=kit.NOW, duration=100)
    path = await kit.post("/dr/1/edc", body)
    kit.at(149)
    assert (await kit.send("PUT", path, body.replace("<currentStatus>0<", "<currentStatus>3<"))).status == 204
    over = kit.bodies.load("D102", randomise=later, start=kit.NOW + 150, duration=100, created=kit.NOW + 149)
    other = await kit.post("/dr/1/edc", over)
    kit.at(300)
    assert (await kit.send("PUT", other, over.replace("<currentStatus>0<", "<currentStatus>2<"))).status == 409


async def test_a_control_and_its_program_are_known_by_any_spelling_of_their_mrids(kit: Any) -> None:
    program = await kit.post("/dr", kit.bodies.dr_program())
    body = kit.bodies.load("0E01")
    path = await kit.post(f"{program}/edc", body)
    again = await kit.send("POST", f"{program}/edc", body.replace(">0E01<", ">00000E01<"))
    assert (again.status, again.headers["Location"]) == (204, path)
    known = await kit.send("POST", "/dr", kit.bodies.dr_program("00D100"))
    assert (known.status, known.headers["Location"]) == (204, program)
