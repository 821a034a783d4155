"""What the engine is asked for a program, and what its answers mean."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Verdict
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.programs.asking import Asking
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.translate.controls import event_to_control
from gridiface.protocols.sep2.resources import ActivePower, DateTimeInterval, DERControl, DERControlBase, EventStatus


def control_for(kit: Any, name: str) -> Any:
    state = kit.core.state
    program = state.program_of_group(name) or state.program_of_device(name)
    event = DERControl(
        mRID="A1",
        creationTime=int(kit.NOW),
        eventStatus=EventStatus(currentStatus=0, dateTime=int(kit.NOW), potentiallySuperseded=False),
        interval=DateTimeInterval(start=int(kit.NOW) + 60, duration=60),
        derControlBase=DERControlBase(opModTargetW=ActivePower(multiplier=0, value=5)),
    )
    return event_to_control(event, Asking(kit.core.services).scope(program), "", lambda _: None)


def test_whom_a_program_concerns_is_what_the_fleet_is_now(kit: Any) -> None:
    state, asking = kit.core.state, Asking(kit.core.services)
    assert asking.scope(state.program_of_group("fleet")).storage  # a battery is among them
    assert not asking.scope(state.program_of_device("inv-1")).storage
    assert asking.scope(state.program_of_device("bat-1")).storage


@pytest.mark.parametrize(("verdict", "answer"), [(Verdict.UNSUPPORTED, 400), (Verdict.NOT_ALLOWED, 403)])
async def test_a_refusal_writes_nothing(kit: Any, verdict: Verdict, answer: int) -> None:
    kit.inbox.verdict = verdict
    before = kit.documents()
    with pytest.raises(RemoteProtocolError) as refused:
        await Asking(kit.core.services).submit(control_for(kit, "fleet"), kit.NOW, [documents.put("x", "y", None)])
    assert refused.value.answer == answer
    assert kit.documents() == before


async def test_whether_it_can_is_the_answer_of_a_device_that_fetches_itself(kit: Any) -> None:
    kit.inbox.verdict = Verdict.UNSUPPORTED
    asking = Asking(kit.core.services)
    acceptance = await asking.submit(control_for(kit, "inv-1"), kit.NOW, [documents.put("x", "y", None)])
    assert acceptance.verdict is Verdict.UNSUPPORTED
    assert ("x", "y") in kit.documents()
