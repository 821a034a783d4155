"""Set-points become controls of inverters, and their answers those of the controls behind them."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Agenda, ControlMode, DeliveryOutcome, ModeValue, OutcomeKind, Setpoint
from gridiface.northbound.sep2.desk.desk import Sep2Desk

PARENT = "A1" * 16
NS = 'xmlns="urn:ieee:std:2030.5:ns"'
POWER = "<multiplier>0</multiplier><value>{}</value>"
#: TargetW, MaxLimW, VoltVar.
CAPABILITY = (
    f"<DERCapability {NS}><modesSupported>00D00000</modesSupported><rtgMaxW>{POWER.format(10_000)}</rtgMaxW>"
    "<type>4</type></DERCapability>"
)


def setpoint(kit: Any, watts: float | None = 5000.0, *, until: float = 600, **fields: Any) -> Setpoint:
    base: dict[str, Any] = {
        "device_id": "inv-1",
        "issued": kit.clock.time,
        "active_power_w": watts,
        "valid_until": kit.NOW + until,
        "control_ids": (f"sep2:{PARENT}",),
    }
    return Setpoint(**(base | fields))


def release(kit: Any) -> Setpoint:
    return Setpoint(device_id="inv-1", issued=kit.clock.time, release=True)


async def apply(kit: Any, *points: Setpoint) -> list[Any]:
    return list(await kit.core.channel.apply(points, deadline=kit.clock.time + 5))


async def listed(kit: Any) -> list[Any]:
    return (await kit.get(kit.program("inv-1") + "/derc?l=99", by="inv-1")).members


async def answer(kit: Any, subject: str, status: int) -> list[tuple[str, OutcomeKind]]:
    """POST a response and return the outcomes that it made."""
    before = len(kit.registry.outcomes)
    body = kit.response(kit.lfdi["inv-1"], subject, status)
    reply = await kit.send("POST", kit.program("inv-1").replace("derp", "rsps") + "/rsp", body, by="inv-1")
    assert reply.status == 201
    return [(o.control_id, o.kind) for o in kit.registry.outcomes[before:] if o.device_id == "inv-1"]


@pytest.fixture
async def ready(kit: Any) -> Any:
    """An inverter with TargetW and a group control that wants 07."""
    assert (await kit.send("PUT", kit.edev("inv-1") + "/der/1/dercap", CAPABILITY, by="inv-1")).status == 204
    body = kit.control(PARENT, start=kit.NOW, response="07")
    assert (await kit.send("POST", kit.program("fleet") + "/derc", body)).status == 201
    return kit


async def test_it_serves_members_that_fetch_their_controls_here(kit: Any) -> None:
    serves = kit.core.channel.serves
    assert [serves(name) for name in ("inv-1", "inv-2", "managed-1", "bat-1", "nobody")] == [True] * 3 + [False] * 2


async def test_a_set_point_becomes_a_control_of_the_inverters_own_program(ready: Any) -> None:
    (delivery,) = await apply(ready, setpoint(ready))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    (event,) = await listed(ready)
    assert event.derControlBase.opModTargetW.value == 5000
    assert (event.interval.start, event.interval.duration) == (ready.NOW, 600)
    assert event.eventStatus.currentStatus == 1
    assert event.responseRequired == 7  # as its parent
    assert event.replyTo == ready.program("inv-1").replace("derp", "rsps") + "/rsp"
    assert event.mRID.endswith("00009F1C")
    assert ready.inbox.controls.keys() == {f"sep2:{PARENT}"}  # it does not come back to the engine


async def test_a_newer_set_point_supersedes_the_one_before(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    ready.at(10)
    await apply(ready, setpoint(ready, 6000.0))
    old, new = await listed(ready)
    assert [e.eventStatus.currentStatus for e in (old, new)] == [4, 1]
    assert new.derControlBase.opModTargetW.value == 6000
    assert [e.mRID for e in (await ready.get(ready.program("inv-1") + "/actderc?l=9")).members] == [new.mRID]


async def test_inside_the_dead_band_nothing_is_published(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    ready.at(10)
    commits = ready.ledger.commits
    (delivery,) = await apply(ready, setpoint(ready, 5000.9))
    assert delivery.outcome is DeliveryOutcome.UNCHANGED
    assert ready.ledger.commits == commits
    (delivery,) = await apply(ready, setpoint(ready, 5020.0))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED


@pytest.mark.parametrize("change", [{"control_ids": ("other",)}, {"until": 700}])
async def test_another_parent_or_a_longer_validity_is_published(ready: Any, change: dict[str, Any]) -> None:
    await apply(ready, setpoint(ready))
    ready.at(10)
    (delivery,) = await apply(ready, setpoint(ready, **change))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    assert len(await listed(ready)) == 2


async def test_a_set_point_too_soon_is_held_back_and_goes_out_later(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    ready.at(0.4)
    (delivery,) = await apply(ready, setpoint(ready, 7000.0))
    assert (delivery.outcome, bool(delivery.detail)) == (DeliveryOutcome.PUBLISHED, True)
    assert len(await listed(ready)) == 1
    channel = ready.core.channel
    assert channel.next_timer(ready.clock.time) == ready.NOW + 1
    assert channel.due(ready.NOW + 0.9) == []
    ready.at(1)
    await apply(ready, *channel.due(ready.clock.time))
    assert [e.derControlBase.opModTargetW.value for e in await listed(ready)][-1] == 7000
    assert channel.next_timer(ready.clock.time) is None


async def test_a_release_cancels_the_running_control_and_drops_what_was_held_back(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    await apply(ready, setpoint(ready, 7000.0))
    (delivery,) = await apply(ready, release(ready))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    assert ready.core.channel.next_timer(0.0) is None
    (event,) = await listed(ready)
    assert event.eventStatus.currentStatus == 2
    (delivery,) = await apply(ready, release(ready))
    assert delivery.outcome is DeliveryOutcome.UNCHANGED


async def test_a_power_that_is_over_ends_while_the_ceiling_stands(ready: Any) -> None:
    over = frozenset({ControlMode.SET_W})
    await apply(ready, setpoint(ready, ceiling_w=8000.0))
    ready.at(60)
    (delivery,) = await apply(ready, setpoint(ready, None, ceiling_w=8000.0, let_go=over))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    by_status = {event.eventStatus.currentStatus: event.derControlBase for event in await listed(ready)}
    assert by_status[2].opModTargetW.value == 5000
    assert (by_status[1].opModTargetW, by_status[1].opModMaxLimW) == (None, 8000)
    ready.at(120)
    curve = {ControlMode.FREQUENCY_DROOP: ModeValue(1.0)}  # of what is left the inverter supports nothing
    (delivery,) = await apply(
        ready,
        setpoint(ready, None, passed=curve, let_go=frozenset({ControlMode.MAX_W_PERCENT})),
    )
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    assert {event.eventStatus.currentStatus for event in await listed(ready)} == {2}


async def test_a_release_at_the_end_lets_the_control_end_by_itself(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    ready.at(600)
    (delivery,) = await apply(ready, release(ready))
    assert delivery.outcome is DeliveryOutcome.UNCHANGED
    assert await listed(ready) == []
    assert (await ready.get(event.href)).eventStatus.currentStatus == 1


async def test_after_a_reset_nobody_finds_what_was_made_of_set_points_once_it_is_over(ready: Any) -> None:
    """The next test of a harness begins with empty lists, also where the engine lets go after the reset."""
    await apply(ready, setpoint(ready))
    ready.at(60)
    await apply(ready, setpoint(ready, 3000.0))
    assert [e.eventStatus.currentStatus for e in await listed(ready)] == [4, 1]
    await Sep2Desk(ready.core, ready.clock).reset(by="ann")
    (running,) = await listed(ready)
    assert running.eventStatus.currentStatus == 1
    await apply(ready, release(ready))
    assert await listed(ready) == []
    await ready.flush()
    for each in (ready, await ready.restarted()):
        assert await listed(each) == []
        assert (await each.send("GET", running.href)).status == 404


async def test_a_control_that_the_inverter_fetches_by_itself_is_not_published_twice(kit: Any) -> None:
    body = kit.control(PARENT, start=kit.NOW)
    await kit.send("POST", kit.program("inv-1") + "/derc", body)
    (delivery,) = await apply(kit, setpoint(kit, 50_000.0))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    assert [e.mRID for e in await listed(kit)] == [PARENT]
    kit.at(10)
    (delivery,) = await apply(kit, setpoint(kit, 30_000.0))  # the device's own control stands
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    (direct,) = await listed(kit)
    assert direct.eventStatus.currentStatus == 1


async def test_what_a_newer_set_point_no_longer_asks_is_cancelled_with_the_control_that_asked_it(ready: Any) -> None:
    full = CAPABILITY.replace("00D00000", "00D00004")
    await ready.send("PUT", ready.edev("inv-1") + "/der/1/dercap", full, by="inv-1")
    await apply(ready, setpoint(ready, connect=False))
    ready.at(10)
    await apply(ready, setpoint(ready))
    old, new = await listed(ready)
    assert [e.eventStatus.currentStatus for e in (old, new)] == [2, 1]
    assert (old.derControlBase.opModConnect, new.derControlBase.opModConnect) == (False, None)


async def test_a_default_control_of_its_own_program_is_not_published_either(ready: Any) -> None:
    program = ready.program("inv-1")
    default = (
        f"<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase><opModMaxLimW>5000</opModMaxLimW></DERControlBase>"
        "</DefaultDERControl>"
    )
    assert (await ready.send("PUT", f"{program}/dderc", default)).status == 204
    own = {"control_ids": ("sep2:D1",)}
    await apply(ready, setpoint(ready, None, ceiling_w=5000.0, **own))
    assert await listed(ready) == []
    await apply(ready, setpoint(ready, None, ceiling_w=4000.0, **own))  # cut by a limit
    assert [e.derControlBase.opModMaxLimW for e in await listed(ready)] == [4000]


async def test_a_default_control_beside_a_posted_one_is_not_told_again(ready: Any) -> None:
    """The inverter has both from its programs; what a limit of others cuts off it does not have."""
    program = ready.program("inv-1")
    default = (
        f"<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase><opModMaxLimW>5000</opModMaxLimW></DERControlBase>"
        "</DefaultDERControl>"
    )
    assert (await ready.send("PUT", f"{program}/dderc", default)).status == 204
    await ready.post(f"{program}/derc", ready.control("E1", start=ready.NOW, base="<opModConnect>true</opModConnect>"))
    both = {"control_ids": ("sep2:E1", "sep2:D1"), "connect": True}
    await apply(ready, setpoint(ready, None, ceiling_w=5000.0, **both))
    assert [e.mRID for e in await listed(ready)] == ["E1"]
    ahead = setpoint(ready, None, ceiling_w=5000.0, starts=ready.NOW + 60, **both)
    assert await ready.core.channel.plan([Agenda(device_id="inv-1", issued=ready.NOW, setpoints=(ahead,))]) == []
    assert [e.mRID for e in await listed(ready)] == ["E1"]
    await apply(ready, setpoint(ready, None, ceiling_w=4000.0, **both))
    assert {e.derControlBase.opModMaxLimW for e in await listed(ready)} == {None, 4000}


@pytest.mark.parametrize("bad", [{"watts": float("nan")}, {"watts": 1e30}, {"passed": "curve"}])
async def test_a_set_point_without_a_form_on_the_wire_fails_alone(ready: Any, bad: dict[str, Any]) -> None:
    if "passed" in bad:
        broken = {ControlMode.CURVE: ModeValue(1.0, payload={"opModVoltVar": {"nonsense": 1}})}
        bad = {"watts": None, "passed": broken}
    first, second = await apply(ready, setpoint(ready, **bad), setpoint(ready, 10.0, device_id="inv-2"))
    assert (first.outcome, second.outcome) == (DeliveryOutcome.REJECTED, DeliveryOutcome.PUBLISHED)


async def test_the_mode_is_one_that_the_inverter_supports(ready: Any) -> None:
    no_target = CAPABILITY.replace("00D00000", "00100000")
    await ready.send("PUT", ready.edev("inv-1") + "/der/1/dercap", no_target, by="inv-1")
    await apply(ready, setpoint(ready, 2500.0))
    (event,) = await listed(ready)
    assert (event.derControlBase.opModTargetW, event.derControlBase.opModMaxLimW) == (None, 2500)


async def test_what_an_inverter_cannot_do_is_rejected(ready: Any) -> None:
    nothing = CAPABILITY.replace("00D00000", "00000000")
    await ready.send("PUT", ready.edev("inv-1") + "/der/1/dercap", nothing, by="inv-1")
    (delivery,) = await apply(ready, setpoint(ready))
    assert delivery.outcome is DeliveryOutcome.REJECTED
    (delivery,) = await apply(ready, setpoint(ready, device_id="bat-1"))
    assert delivery.outcome is DeliveryOutcome.REJECTED


async def test_a_passed_curve_is_served_in_the_inverters_program_once(ready: Any) -> None:
    payload = {
        "creationTime": 1, "curveType": 11, "xMultiplier": 0, "yMultiplier": 0, "yRefType": 2,
        "curveData": [{"xvalue": 92, "yvalue": 44, "excitation": None}],
    }  # fmt: skip
    passed = {ControlMode.CURVE: ModeValue(1.0, payload={"opModVoltVar": payload})}
    await apply(ready, setpoint(ready, None, passed=passed))
    ready.at(5)
    await apply(ready, setpoint(ready, 10.0, passed=passed))
    curves = await ready.get(ready.program("inv-1") + "/dc?l=9", by="inv-1")
    assert (curves.all, curves.members[0].curveType) == (1, 11)
    for event in await listed(ready):
        assert event.derControlBase.opModVoltVar.href == curves.members[0].href


async def test_a_store_that_cannot_write_rejects_and_shows_nothing(ready: Any) -> None:
    ready.ledger.down = True
    (delivery,) = await apply(ready, setpoint(ready))
    assert delivery.outcome is DeliveryOutcome.REJECTED
    assert await listed(ready) == []
    ready.ledger.down = False
    (delivery,) = await apply(ready, setpoint(ready))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED


# --- answers ---


@pytest.mark.parametrize(
    ("status", "kind"),
    [(1, OutcomeKind.RECEIVED), (2, OutcomeKind.STARTED), (4, OutcomeKind.FAILED), (8, OutcomeKind.PARTIAL),
     (10, OutcomeKind.FAILED), (13, OutcomeKind.REFUSED), (14, OutcomeKind.REFUSED), (252, OutcomeKind.REFUSED),
     (253, OutcomeKind.REFUSED), (254, OutcomeKind.REFUSED)],
)  # fmt: skip
async def test_an_answer_is_told_for_the_control_behind(ready: Any, status: int, kind: OutcomeKind) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    assert await answer(ready, event.mRID, status) == [(f"sep2:{PARENT}", kind)]


@pytest.mark.parametrize("status", [3, 6, 7])
async def test_while_the_parent_runs_one_published_control_just_follows_another(ready: Any, status: int) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    ready.at(10)
    assert await answer(ready, event.mRID, status) == []
    assert await answer(ready, event.mRID, 5) == []


@pytest.mark.parametrize("status", [3, 6, 7])
async def test_when_the_parent_is_over_the_inverter_has_completed_it(ready: Any, status: int) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    ready.at(600)
    assert await answer(ready, event.mRID, status) == [(f"sep2:{PARENT}", OutcomeKind.COMPLETED)]


async def test_when_the_parent_was_cancelled_so_is_the_inverters_part(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    ready.at(10)
    parent = (await ready.get(ready.program("fleet") + "/derc")).members[0].href
    await ready.send("PUT", parent, ready.control(PARENT, start=ready.NOW, response="07", status=2))
    await apply(ready, release(ready))
    assert await answer(ready, event.mRID, 6) == [(f"sep2:{PARENT}", OutcomeKind.CANCELLED)]


async def test_superseded_is_told_only_when_the_parent_itself_was(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    (event,) = await listed(ready)
    ready.at(10)
    newer = ready.control("B1" * 16, start=ready.NOW + 10, created=ready.NOW + 10)
    await ready.send("POST", ready.program("fleet") + "/derc", newer)
    assert await answer(ready, event.mRID, 7) == [(f"sep2:{PARENT}", OutcomeKind.SUPERSEDED)]


@pytest.mark.parametrize(
    ("ended", "kind"),
    [(OutcomeKind.COMPLETED, OutcomeKind.COMPLETED), (OutcomeKind.CANCELLED, OutcomeKind.CANCELLED),
     (OutcomeKind.SUPERSEDED, OutcomeKind.SUPERSEDED), (None, None)],
)  # fmt: skip
async def test_a_parent_of_another_protocol_ends_as_it_was_told(
    ready: Any, ended: OutcomeKind | None, kind: OutcomeKind | None
) -> None:
    await apply(ready, setpoint(ready, control_ids=("oadr:1",)))
    (event,) = await listed(ready)
    assert event.responseRequired == 7  # the life cycle, and its customer's word, whose share others take
    if ended is not None:
        ready.outcome("oadr:1", ended)
    assert await answer(ready, event.mRID, 6) == ([("oadr:1", kind)] if kind else [])


async def test_a_released_parent_of_another_protocol_is_completed(ready: Any) -> None:
    await apply(ready, setpoint(ready, control_ids=("oadr:1",)))
    (event,) = await listed(ready)
    await apply(ready, release(ready))
    assert await answer(ready, event.mRID, 6) == [("oadr:1", OutcomeKind.COMPLETED)]


async def test_after_a_restart_the_channel_knows_what_inverters_follow(ready: Any) -> None:
    await apply(ready, setpoint(ready))
    ready.at(10)
    other = await ready.restarted()
    (delivery,) = await apply(other, setpoint(other))
    assert delivery.outcome is DeliveryOutcome.UNCHANGED
    (delivery,) = await apply(other, release(other))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    assert (await listed(other))[0].eventStatus.currentStatus == 2


def entering(**values: float) -> dict[ControlMode, ModeValue]:
    return {ControlMode(name): ModeValue(value) for name, value in values.items()}


STATED = (
    f"<DefaultDERControl {NS}><mRID>D1</mRID><DERControlBase/><setESDelay>30000</setESDelay>"
    "<setGradW>27</setGradW></DefaultDERControl>"
)


async def default_of(kit: Any) -> Any:
    return await kit.get(kit.program("inv-1") + "/dderc", by="inv-1")


async def test_when_to_return_to_service_is_told_in_the_inverters_default_control(ready: Any) -> None:
    asked = entering(enter_v_high=105.5, enter_hz_low=59.6, enter_delay_s=120, enter_random_s=5)
    (delivery,) = await apply(ready, setpoint(ready, None, passed=asked, control_ids=("dnp3:a",)))
    assert delivery.outcome is DeliveryOutcome.PUBLISHED
    found = await default_of(ready)
    told = (found.setESHighVolt, found.setESLowFreq, found.setESDelay, found.setESRandomDelay, found.setESLowVolt)
    assert told == (10_550, 5_960, 12_000, 500, None)
    assert await listed(ready) == []
    ready.at(10)
    commits = ready.ledger.commits
    await apply(ready, setpoint(ready, None, passed=asked, control_ids=("dnp3:a",)))
    assert ready.ledger.commits == commits
    (delivery,) = await apply(ready, setpoint(ready, 500.0, passed=entering(enter_delay_s=60)))
    found = await default_of(ready)
    assert (found.setESDelay, found.setESHighVolt, found.version) == (6_000, None, 1)
    assert len(await listed(ready)) == 1  # the power is a control, beside it
    other = await ready.restarted()
    assert (await other.get(other.program("inv-1") + "/dderc", by="inv-1")).setESDelay == 6_000
    await apply(ready, release(ready))
    assert (await ready.send("GET", ready.program("inv-1") + "/dderc", by="inv-1")).status == 404


async def test_what_the_utility_states_in_the_default_control_stands(ready: Any) -> None:
    path = ready.program("inv-1") + "/dderc"
    asked = entering(enter_delay_s=120, enter_ramp_s=60)
    await apply(ready, setpoint(ready, None, passed=asked, control_ids=("dnp3:a",)))
    assert (await ready.send("PUT", path, STATED)).status == 204
    found = await default_of(ready)
    assert (found.mRID, found.setESDelay, found.setESRampTms, found.setGradW) == ("D1", 30_000, 6_000, 27)
    (control,) = [one for one in ready.inbox.controls.values() if one.is_default]
    assert control.values == entering(enter_delay_s=300)
    ready.at(10)
    await apply(ready, setpoint(ready, None, passed=entering(enter_delay_s=90), control_ids=("dnp3:a",)))
    found = await default_of(ready)
    assert (found.setESDelay, found.setESRampTms) == (30_000, None)
    await apply(ready, setpoint(ready, None, passed=asked, control_ids=("dnp3:a",)))
    assert (await ready.send("DELETE", path)).status == 204
    found = await default_of(ready)
    assert (found.setESDelay, found.setESRampTms, found.setGradW) == (None, 6_000, None)
