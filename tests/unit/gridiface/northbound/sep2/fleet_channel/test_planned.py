"""What lies ahead of an inverter is a scheduled control in its own program, replaced and taken back."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Agenda, DeliveryOutcome, Setpoint

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
POWER = "<multiplier>0</multiplier><value>{}</value>"
CAPABILITY = (
    f"<DERCapability {NS}><modesSupported>00D00000</modesSupported><rtgMaxW>{POWER.format(10_000)}</rtgMaxW>"
    "<type>4</type></DERCapability>"
)


def point(kit: Any, watts: float, start: float | None, end: float, *names: str) -> Setpoint:
    return Setpoint(
        device_id="inv-1",
        issued=kit.clock.time,
        active_power_w=watts,
        starts=None if start is None else kit.NOW + start,
        valid_until=kit.NOW + end,
        control_ids=names or ("openadr:e1",),
    )


async def plan(kit: Any, *points: Setpoint, device: str = "inv-1") -> list[str]:
    return list(await kit.core.channel.plan([Agenda(device_id=device, issued=kit.clock.time, setpoints=points)]))


async def listed(kit: Any) -> list[tuple[int, int, int, int]]:
    """(status, start, duration, watts) of the controls in the inverter's program, by start."""
    events = (await kit.get(kit.program("inv-1") + "/derc?l=99", by="inv-1")).members
    found = [
        (
            e.eventStatus.currentStatus,
            e.interval.start - int(kit.NOW),
            e.interval.duration,
            e.derControlBase.opModTargetW.value,
        )
        for e in events
    ]
    return sorted(found, key=lambda one: one[1:])


@pytest.fixture
async def ready(kit: Any) -> Any:
    assert (await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", CAPABILITY, by="inv-1")).status == 204
    return kit


async def test_an_agenda_is_published_ahead_and_changed(ready: Any) -> None:
    assert await plan(ready, point(ready, 3000.0, 600, 900), point(ready, 4000.0, 900, 1000)) == []
    assert await listed(ready) == [(0, 600, 300, 3000), (0, 900, 100, 4000)]
    commits = ready.ledger.commits
    assert await plan(ready, point(ready, 3000.0, 600, 900), point(ready, 4000.0, 900, 1000)) == []
    assert ready.ledger.commits == commits  # the same again changes nothing
    assert await plan(ready, point(ready, 3000.0, 600, 900), point(ready, 5000.0, 900, 1000)) == []
    assert await listed(ready) == [(0, 600, 300, 3000), (2, 900, 100, 4000), (0, 900, 100, 5000)]
    assert await plan(ready) == []
    assert {status for status, *_ in await listed(ready)} == {2}


async def test_what_was_planned_is_followed_when_it_begins(ready: Any) -> None:
    channel = ready.core.channel
    await plan(ready, point(ready, 3000.0, 600, 900))
    (now,) = await channel.apply([point(ready, 1000.0, None, 5000, "openadr:e0")], deadline=ready.clock.time + 5)
    assert now.outcome is DeliveryOutcome.PUBLISHED
    assert (1, 0, 600, 1000) in await listed(ready)  # it ends where the planned one begins
    ready.at(601)
    (then,) = await channel.apply([point(ready, 3000.0, None, 900)], deadline=ready.clock.time + 5)
    assert then.outcome is DeliveryOutcome.UNCHANGED
    assert [one for one in await listed(ready) if one[1] == 600] == [(1, 600, 300, 3000)]
    (other,) = await channel.apply([point(ready, 2000.0, None, 900)], deadline=ready.clock.time + 5)
    assert other.outcome is DeliveryOutcome.PUBLISHED
    assert (2000, 1) in {(watts, status) for status, _, _, watts in await listed(ready)}


async def test_who_has_no_program_is_named_and_a_store_that_is_down_changes_nothing(ready: Any) -> None:
    assert await plan(ready, device="nobody") == ["nobody"]
    ready.ledger.down = True
    assert await plan(ready, point(ready, 3000.0, 600, 900)) == ["inv-1"]
    ready.ledger.down = False
    assert await listed(ready) == []
    assert await plan(ready, point(ready, float("inf"), 600, 900)) == ["inv-1"]


async def test_after_a_restart_what_was_planned_is_known(ready: Any) -> None:
    await plan(ready, point(ready, 3000.0, 600, 900))
    again = await ready.restarted()
    assert [record.end - int(again.NOW) for record in again.core.channel.planned.ahead("inv-1", again.clock.time)] == [
        900
    ]
    assert await plan(again) == []
    assert {status for status, *_ in await listed(again)} == {2}


async def test_a_control_that_is_just_being_posted_is_not_made_a_second_time(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine plans as soon as it has taken a control; the control is shown a moment later."""
    inbox = ready.core.services.inbox
    submit, planned = inbox.submit, []

    async def submit_and_plan(control: Any, now: float, **more: Any) -> Any:
        planned.append(control.id)
        answer = await submit(control, now, **more)
        assert await plan(ready, point(ready, 3000.0, 600, 900, control.id)) == []
        return answer

    monkeypatch.setattr(inbox, "submit", submit_and_plan)
    start = int(ready.NOW) + 600
    body = (
        f"<DERControl {NS}><mRID>{'A7' * 16}</mRID><creationTime>{int(ready.NOW)}</creationTime><EventStatus>"
        "<currentStatus>0</currentStatus><dateTime>0</dateTime><potentiallySuperseded>false</potentiallySuperseded>"
        f"</EventStatus><interval><duration>300</duration><start>{start}</start></interval><DERControlBase>"
        f"<opModTargetW>{POWER.format(3000)}</opModTargetW></DERControlBase></DERControl>"
    )
    assert (await ready.send("POST", ready.program("inv-1") + "/derc", body)).status == 201
    assert len(planned) == 1
    assert await listed(ready) == [(0, 600, 300, 3000)]
    assert not ready.core.state.program_of_device("inv-1").posting
