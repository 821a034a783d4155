"""Events of the server become controls of the engine, and what becomes of them is answered, device by device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from gridiface.domain.controls import ControlMode, Outcome, OutcomeKind, Verdict
from gridiface.northbound.sep2.upstream.rivals import Displaced
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.exchange import Reply
from gridiface.protocols.sep2.resources import (
    CurveData,
    DateTimeInterval,
    DefaultDERControl,
    DERControlBase,
    DERCurve,
    DERCurveList,
    EventStatus,
    FunctionSetAssignmentsList,
    Link,
)

Make = Callable[..., Any]


def tell(stage: Any, kind: OutcomeKind, reason: str = "", device_id: str | None = None) -> None:
    (name,) = list(stage.session.book.bindings.by_control)
    outcome = Outcome(control_id=name, kind=kind, at=stage.clock.now(), device_id=device_id, reason=reason)
    stage.session.on_outcome(outcome)


async def begun(make_stage: Make, event: Make, **more: Any) -> Any:
    stage = await make_stage(**more)
    stage.server.controls = [event(stage.clock.now() + 30)]
    await stage.run(5)
    return stage


async def test_a_control_is_received_started_and_completed_as_the_engine_says(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    (control,) = stage.house.live().values()
    assert (control.span.start, control.span.end) == (1_000_030, 1_000_090)
    assert control.values[ControlMode.SET_W].value == 500
    assert (control.source.authority, control.target.id) == (251.0, "d1")
    assert stage.server.responses() == [1]
    await stage.run(30)
    assert stage.server.responses() == [1], "nobody has begun it yet"
    tell(stage, OutcomeKind.STARTED)
    tell(stage, OutcomeKind.STARTED, device_id="d1")
    await stage.run(60)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(2)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(20)
    assert stage.server.responses() == [1, 2, 3]


async def test_an_event_that_the_server_takes_away_as_it_ends_is_answered_all_the_same(
    make_stage: Make, event: Make
) -> None:
    stage = await begun(make_stage, event)
    await stage.run(30)
    tell(stage, OutcomeKind.STARTED)
    await stage.run(56)
    stage.server.controls = []
    stage.session.poll(stage.clock.now())
    await stage.run(3)
    assert stage.session.client.tree.value_at("/derp/1/derc").all == 0
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(20)
    assert stage.server.responses() == [1, 2, 3]
    stage.session.poll(stage.clock.now())
    await stage.run(10)
    assert stage.session.book.bindings.known == {}, "nothing is left to say, so it is forgotten"


@pytest.mark.parametrize(
    ("kind", "reason", "started", "statuses"),
    [
        (OutcomeKind.PARTIAL, "", True, [1, 2, 8]),
        (OutcomeKind.FAILED, "", False, [1, 10]),
        (OutcomeKind.SUPERSEDED, "", True, [1, 2, 7]),
        (OutcomeKind.SUPERSEDED, "", False, [1, 13]),
        (OutcomeKind.CANCELLED, "", True, [1, 2, 4, 8]),
        (OutcomeKind.CANCELLED, "", False, [1, 4, 10]),
        (OutcomeKind.REFUSED, "unsupported: no", False, [1, 252]),
        (OutcomeKind.REFUSED, "late", False, [1, 254]),
    ],
)
async def test_every_end_has_its_status(
    make_stage: Make, event: Make, kind: OutcomeKind, reason: str, started: bool, statuses: list[int]
) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 5, responseRequired=7)]
    await stage.run(7)
    if started:
        tell(stage, OutcomeKind.STARTED)
    tell(stage, kind, reason)
    await stage.run(90)
    assert stage.server.responses() == statuses


@pytest.mark.parametrize(
    ("verdict", "statuses"),
    [
        (Verdict.UNSUPPORTED, [252]),
        (Verdict.INVALID, [253]),
        (Verdict.LATE, [254]),
        (Verdict.BLOCKED, [1, 4]),
        (Verdict.SUPERSEDED, [1, 13]),
        (Verdict.NOT_ALLOWED, [253]),
    ],
)
async def test_what_the_engine_refuses_is_answered_at_once_and_never_again(
    make_stage: Make, event: Make, verdict: Verdict, statuses: list[int]
) -> None:
    stage = await make_stage()
    stage.house.verdicts = {"C0": verdict}
    stage.server.controls = [event(stage.clock.now() + 5)]
    await stage.run(5)
    assert stage.server.responses() == statuses
    await stage.restart()
    await stage.run(100)
    assert stage.server.responses() == statuses
    assert stage.house.live() == {}


async def test_only_what_is_asked_for_is_answered(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 5, responseRequired=2)]
    await stage.run(6)
    tell(stage, OutcomeKind.STARTED)
    await stage.run(2)
    assert stage.server.responses() == [2]


async def test_a_cancelled_control_ends_at_the_engine_and_is_confirmed(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    tell(stage, OutcomeKind.STARTED)
    cancelled = EventStatus(currentStatus=2, dateTime=1_000_010, potentiallySuperseded=False)
    stage.server.controls = [replace(stage.server.controls[0], eventStatus=cancelled)]
    await stage.run(10)
    assert stage.house.live() == {}
    assert stage.house.cancelled[0][1] == "cancelled at utility"
    assert stage.server.responses() == [1, 2, 6]


async def test_a_stronger_program_takes_the_place_of_a_control(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.server.controls.append(event(stage.clock.now() + 30, mrid="C1", creationTime=1_000_004))
    await stage.run(32)
    assert stage.server.responses() == [1, 7]
    assert stage.server.responses(mrid="C1") == [1]
    assert [control.extra["mRID"].lstrip("0") for control in stage.house.live().values()] == ["C1"]


async def test_an_event_of_another_server_takes_the_place_of_a_control(
    make_stage: Make, event: Make, lfdis: Any
) -> None:
    stage = await begun(make_stage, event)
    ((lfdi, mrid),) = stage.session.book.bindings.known
    assert lfdi == lfdis[1]
    stage.session.book.note(Displaced((lfdi, mrid), ResponseStatus.ABORTED_OTHER_SERVER))
    await stage.run(100)
    assert stage.server.responses() == [1, 13]
    assert stage.house.live() == {}


async def test_a_device_that_leaves_a_program_is_let_go_in_silence(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.server.resources["/edev/2/fsa"] = FunctionSetAssignmentsList(all=0, results=0)
    await stage.run(120)
    assert stage.house.live() == {}
    assert stage.server.responses() == [1]


@pytest.mark.parametrize("restart", [False, True])
async def test_a_device_that_is_back_in_time_goes_on_and_says_nothing_twice(
    make_stage: Make, event: Make, *, restart: bool
) -> None:
    stage = await make_stage()
    start = int(stage.clock.now()) + 30
    stage.server.controls = [event(start, interval=DateTimeInterval(duration=3600, start=start))]
    await stage.run(5)
    kept = stage.server.resources["/edev/2/fsa"]
    stage.server.resources["/edev/2/fsa"] = FunctionSetAssignmentsList(all=0, results=0)
    stage.session.poll(stage.clock.now())
    await stage.run(60)
    assert stage.house.live() == {}
    if restart:
        await stage.restart()
    stage.server.resources["/edev/2/fsa"] = kept
    stage.session.poll(stage.clock.now())
    await stage.run(60)
    (control,) = stage.house.live()
    assert control.endswith("~0002")
    assert stage.server.responses() == [1]


async def test_an_invalid_control_is_rejected(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.controls = [
        event(stage.clock.now() + 5, mrid="E1", derControlBase=DERControlBase(opModMaxLimW=20_000)),
        event(stage.clock.now() + 5, mrid="E2", derControlBase=DERControlBase(opModVoltVar=Link(href="/derp/1/dc/9"))),
        event(stage.clock.now() - 500, mrid="E3"),
    ]
    await stage.run(5)
    found = [stage.server.responses(mrid=mrid) for mrid in ("E1", "E2", "E3")]
    assert found == [[253], [253], [254]]


async def test_a_control_waits_for_its_curves(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    curve = DERCurve(
        href="/derp/1/dc/1", mRID="CC", creationTime=1, curveType=11, xMultiplier=0, yMultiplier=0, yRefType=3,
        curveData=[CurveData(xvalue=95, yvalue=50), CurveData(xvalue=105, yvalue=-50)],
    )  # fmt: skip
    stage.server.resources["/derp/1/dc"] = DERCurveList(all=1, results=1, members=[curve])
    down = True
    stage.server.trouble = lambda request: Reply(503) if down and request.target.startswith("/derp/1/dc?") else None
    stage.server.controls = [
        event(stage.clock.now() + 60, derControlBase=DERControlBase(opModVoltVar=Link(href="/derp/1/dc/1")))
    ]
    await stage.run(10)
    assert stage.house.live() == {}
    assert stage.server.responses() == []
    down = False
    await stage.run(10)
    (control,) = stage.house.live().values()
    assert len(control.values[ControlMode.CURVE].payload["opModVoltVar"]["curveData"]) == 2
    assert stage.server.responses() == [1]


async def test_a_restart_says_nothing_twice_and_draws_nothing_anew(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.controls = [event(stage.clock.now() + 30, randomizeStart=20, randomizeDuration=20)]
    await stage.run(5)
    (before,) = stage.house.live().values()
    for _ in range(3):
        await stage.restart()
        await stage.run(3)
    (after,) = stage.house.live().values()
    assert after == before
    assert stage.server.responses() == [1]
    tell(stage, OutcomeKind.STARTED)
    await stage.run(1)
    await stage.restart()
    tell(stage, OutcomeKind.STARTED)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(100)
    assert stage.server.responses() == [1, 2, 3]


async def test_while_the_link_is_down_a_restart_keeps_the_running_control(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    tell(stage, OutcomeKind.STARTED)
    await stage.run(1)
    stage.server.silent = True
    await stage.restart()
    await stage.run(30)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(10)
    assert stage.server.responses() == [1, 2]
    stage.server.silent = False
    await stage.run(20)
    assert stage.server.responses() == [1, 2, 3]


async def test_nothing_is_said_that_could_not_be_stored(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.house.down = True
    tell(stage, OutcomeKind.STARTED)
    for _ in range(3):
        with pytest.raises(Exception, match="not now"):
            await stage.session._round()
    assert stage.server.responses() == [1]
    stage.house.down = False
    await stage.run(2)
    assert stage.server.responses() == [1, 2]


async def test_a_control_follows_a_clock_that_was_set(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.clock.wall += 3600
    stage.server.offset -= 3600
    await stage.run(2)
    (control,) = stage.house.live().values()
    assert control.span.start == pytest.approx(1_003_630, abs=1.5)
    assert stage.server.responses() == [1]
    assert [reason for _, reason in stage.house.cancelled] == ["its times have moved"]


@pytest.mark.parametrize("running", [False, True])
async def test_a_control_that_our_clock_ended_as_it_was_set_is_taken_up_again(
    make_stage: Make, event: Make, running: bool
) -> None:
    """The engine goes by our clock and ends it at once; the event goes by the server's."""
    stage = await begun(make_stage, event)
    if running:
        await stage.run(30)
        tell(stage, OutcomeKind.STARTED)
        await stage.run(5)
    said = [1, 2] if running else [1]
    stage.clock.wall += 3600
    stage.server.offset -= 3600
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(2)
    control = list(stage.house.live().values())[-1]
    assert (control.span.start, control.span.end) == pytest.approx((1_003_630, 1_003_690), abs=1.5)
    assert stage.server.responses() == said
    if not running:
        await stage.run(28)
        tell(stage, OutcomeKind.STARTED)
    await stage.run(60)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(5)
    assert stage.server.responses() == [1, 2, 3]


@pytest.mark.parametrize("verdict", [Verdict.INVALID, Verdict.BLOCKED])
async def test_what_the_engine_does_not_take_up_again_is_answered(
    make_stage: Make, event: Make, verdict: Verdict
) -> None:
    stage = await begun(make_stage, event)
    stage.house.verdicts["~0002"] = verdict
    stage.clock.wall += 3600
    stage.server.offset -= 3600
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(5)
    assert stage.server.responses() == [1, 253 if verdict is Verdict.INVALID else 4]


async def test_what_cannot_be_stored_is_taken_up_again_later(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.clock.wall += 3600
    stage.server.offset -= 3600
    stage.house.down = True
    tell(stage, OutcomeKind.COMPLETED)
    with pytest.raises(Exception, match="not now"):
        await stage.session._round()
    stage.house.down = False
    await stage.run(3)
    assert [name.rpartition("~")[2] for name in stage.house.live()][-1] == "0002"
    assert stage.server.responses() == [1]


@pytest.mark.parametrize("jump", [3600, -3600])
@pytest.mark.parametrize("running", [False, True])
async def test_a_clock_that_was_set_while_we_were_down_moves_no_event(
    make_stage: Make, event: Make, jump: int, running: bool
) -> None:
    """What the engine says by our clock waits for the server's Time, which nobody knows after a restart."""
    stage = await begun(make_stage, event)
    if running:
        await stage.run(30)
        tell(stage, OutcomeKind.STARTED)
        await stage.run(5)
    said = [1, 2] if running else [1]
    stage.clock.wall += jump
    stage.server.offset -= jump
    stage.server.silent = True
    await stage.restart()
    if jump > 0:
        for kind in (OutcomeKind.STARTED, OutcomeKind.COMPLETED) * 3:
            tell(stage, kind)
    await stage.run(3)
    assert len(stage.session.book._timeless) == (2 if jump > 0 else 0), (
        "each step is kept once, however often it is said"
    )
    stage.server.silent = False
    assert stage.house.cancelled == [], "nothing moves by a clock that nobody has compared"
    await stage.run(7)
    begins = 1_000_030 + jump
    control = list(stage.house.live().values())[-1]
    assert control.span.end == pytest.approx(begins + 60, abs=1.5)
    assert running or control.span.start == pytest.approx(begins, abs=1.5)
    assert stage.server.responses() == said
    await stage.run(begins + 1 - stage.clock.now())
    tell(stage, OutcomeKind.STARTED)
    await stage.run(60)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(5)
    assert stage.server.responses() == [1, 2, 3]


async def test_a_control_that_our_clock_began_as_it_was_set_is_no_start(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    stage.clock.wall += 40  # into the middle of it, by our clock
    stage.server.offset -= 40
    tell(stage, OutcomeKind.STARTED)
    await stage.run(2)
    assert stage.server.responses() == [1]
    assert [reason for _, reason in stage.house.cancelled] == ["its times have moved"]
    (control,) = stage.house.live().values()
    assert control.span.start == pytest.approx(1_000_070, abs=1.5)
    await stage.run(30)
    tell(stage, OutcomeKind.STARTED)
    await stage.run(60)
    tell(stage, OutcomeKind.COMPLETED)
    await stage.run(5)
    assert stage.server.responses() == [1, 2, 3]


@pytest.mark.parametrize("offset", [3600, -3600])
async def test_a_restart_moves_no_control_of_a_server_whose_clock_is_another(
    make_stage: Make, event: Make, offset: int
) -> None:
    stage = await make_stage()
    stage.server.offset = offset
    stage.server.controls = [event(stage.clock.now() + offset + 30)]
    await stage.run(5)
    before = dict(stage.house.live())
    stage.server.silent = True
    await stage.restart()
    await stage.run(5)
    assert stage.house.live() == before
    stage.server.silent = False
    await stage.run(15)
    assert stage.house.live() == before


async def test_an_engine_that_says_nothing_does_not_leave_the_utility_waiting(make_stage: Make, event: Make) -> None:
    stage = await begun(make_stage, event)
    await stage.run(120)
    assert stage.server.responses() == [1, 10]


def volt_var(y: int) -> DERCurveList:
    """The curves of the program: one of Volt-Var that gives `y` % at 95 % of the voltage."""
    points = [CurveData(xvalue=95, yvalue=y), CurveData(xvalue=105, yvalue=-y)]
    curve = DERCurve(
        href="/derp/1/dc/1", mRID="CC", creationTime=1, curveType=11, xMultiplier=0, yMultiplier=0, yRefType=3,
        curveData=points,
    )  # fmt: skip
    return DERCurveList(all=1, results=1, members=[curve])


def told(control: Any) -> int:
    """What the curve of a control gives at its first point."""
    first: int = control.values[ControlMode.CURVE].payload["opModVoltVar"]["curveData"][0]["yvalue"]
    return first


async def test_a_curve_that_changes_under_a_running_control_changes_it(make_stage: Make, event: Make) -> None:
    stage = await make_stage()
    stage.server.resources["/derp/1/dc"] = volt_var(50)
    linked = DERControlBase(opModVoltVar=Link(href="/derp/1/dc/1"))
    when = DateTimeInterval(duration=1000, start=int(stage.clock.now()) + 5)
    stage.server.controls = [event(0, derControlBase=linked, interval=when)]
    await stage.run(10)
    (name,) = stage.house.live()
    tell(stage, OutcomeKind.STARTED)
    await stage.run(10)
    stage.server.resources["/derp/1/dc"] = volt_var(40)
    await stage.run(20)
    (control,) = stage.house.live().values()
    assert told(control) == 40
    assert control.span.end == when.start + when.duration
    assert stage.house.cancelled == [(name, "its curves have changed")]
    submits = stage.house.submits
    await stage.restart()
    await stage.run(20)
    assert stage.house.submits == submits, "the same curve is not taken again"
    # A curve that is gone changes nothing that runs: the event is what the server shows.
    stage.server.resources["/derp/1/dc"] = DERCurveList(all=0, results=0)
    await stage.run(20)
    assert [told(control) for control in stage.house.live().values()] == [40]
    assert stage.server.responses() == [1, 2]


async def test_a_curve_that_changes_changes_the_default_that_links_to_it(make_stage: Make) -> None:
    stage = await make_stage()
    stage.server.resources["/derp/1/dc"] = volt_var(50)
    linked = DERControlBase(opModVoltVar=Link(href="/derp/1/dc/1"))
    stage.server.resources["/derp/1/dderc"] = DefaultDERControl(mRID="D1", derControlBase=linked)
    await stage.run(10)
    assert [told(control) for control in stage.house.controls.values()] == [50]
    stage.server.resources["/derp/1/dc"] = volt_var(30)
    await stage.run(20)
    assert [told(control) for control in stage.house.controls.values()] == [30]
