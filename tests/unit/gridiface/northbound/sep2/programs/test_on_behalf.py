"""Responses on behalf of those who do not speak IEEE 2030.5."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import OutcomeKind

MRID = "A1" * 16
CONTROL = f"sep2:{MRID}"


async def answers(kit: Any, name: str = "fleet") -> set[tuple[str, int]]:
    """(device, status) of all responses in a program's set."""
    await kit.flush()
    state = kit.core.state
    names = {r.lfdi: n for n, r in [*state.by_device.items(), *state.by_group.items()]}
    found = await kit.get(kit.program(name).replace("derp", "rsps") + "/rsp?l=999")
    assert all(r.subject == MRID for r in found.members)
    return {(names[r.endDeviceLFDI], r.status) for r in found.members}


async def post(kit: Any, name: str = "fleet", **fields: Any) -> None:
    assert (await kit.send("POST", kit.program(name) + "/derc", kit.control(MRID, **fields))).status == 201


async def test_a_utility_sees_received_started_completed_of_every_device_and_of_the_group(kit: Any) -> None:
    await post(kit)
    for kind in (OutcomeKind.RECEIVED, OutcomeKind.STARTED, OutcomeKind.COMPLETED):
        for device in (None, "bat-1", "inv-1", "inv-2"):
            kit.outcome(CONTROL, kind, device)
    names = ("fleet", "bat-1", "inv-1", "inv-2")
    assert await answers(kit) == {(name, status) for name in names for status in (1, 2, 3)}


async def test_the_same_outcome_again_is_said_once(kit: Any) -> None:
    await post(kit)
    for _ in range(3):
        kit.outcome(CONTROL, OutcomeKind.RECEIVED, "bat-1")
        await kit.flush()
    assert (await kit.get(kit.program("fleet").replace("derp", "rsps") + "/rsp")).all == 1
    other = await kit.restarted()
    other.outcome(CONTROL, OutcomeKind.RECEIVED, "bat-1")
    assert await answers(other) == {("bat-1", 1)}


@pytest.mark.parametrize(
    ("mask", "statuses"), [("", set()), ("00", set()), ("01", {1}), ("02", {2, 3}), ("03", {1, 2, 3})]
)
async def test_only_what_the_control_asks_for_is_said(kit: Any, mask: str, statuses: set[int]) -> None:
    await post(kit, response=mask)
    for kind in (OutcomeKind.RECEIVED, OutcomeKind.STARTED, OutcomeKind.COMPLETED):
        kit.outcome(CONTROL, kind, "bat-1")
    assert await answers(kit) == {("bat-1", status) for status in statuses}


async def test_an_inverter_answers_for_itself_in_its_own_program(kit: Any) -> None:
    await post(kit, "inv-1")
    for device in (None, "inv-1"):
        kit.outcome(CONTROL, OutcomeKind.RECEIVED, device)
    assert await answers(kit, "inv-1") == set()


async def test_the_server_answers_for_a_modbus_device_in_its_own_program(kit: Any) -> None:
    await post(kit, "bat-1")
    for device in (None, "bat-1"):
        kit.outcome(CONTROL, OutcomeKind.STARTED, device)
    assert await answers(kit, "bat-1") == {("bat-1", 2)}


async def test_superseded_before_its_start_is_an_abort(kit: Any) -> None:
    await post(kit)
    kit.outcome(CONTROL, OutcomeKind.STARTED, "bat-1")
    for device in ("bat-1", "inv-1"):
        kit.outcome(CONTROL, OutcomeKind.SUPERSEDED, device)
    assert await answers(kit) == {("bat-1", 2), ("bat-1", 7), ("inv-1", 14)}


async def test_outcomes_that_come_before_the_control_is_shown_are_said_afterwards(kit: Any) -> None:
    kit.outcome(CONTROL, OutcomeKind.RECEIVED, "bat-1")
    await post(kit)
    assert await answers(kit) == {("bat-1", 1)}


async def test_outcomes_of_others_and_of_unknown_devices_are_nothing_to_us(kit: Any) -> None:
    await post(kit)
    kit.outcome("oadr:1", OutcomeKind.RECEIVED, "bat-1")
    kit.outcome(CONTROL, OutcomeKind.RECEIVED, "nobody")
    assert await answers(kit) == set()


async def test_nothing_is_shown_before_it_is_durable(kit: Any) -> None:
    await post(kit)
    kit.outcome(CONTROL, OutcomeKind.RECEIVED, "bat-1")
    assert (await kit.get(kit.program("fleet").replace("derp", "rsps") + "/rsp")).all == 0
    assert await answers(kit) == {("bat-1", 1)}


async def test_a_utility_hears_of_a_customer_who_opts_out_and_in_again(kit: Any) -> None:
    await post(kit)
    out = (OutcomeKind.FAILED, "blocked: the device answered 4")
    words = [(OutcomeKind.RECEIVED, ""), (OutcomeKind.STARTED, ""), out, (OutcomeKind.STARTED, ""), out]
    for kind, reason in words:
        kit.outcome(CONTROL, kind, "bat-1", reason=reason)
    assert await answers(kit) == {("bat-1", status) for status in (1, 2, 4, 5)}
    assert (await kit.get(kit.program("fleet").replace("derp", "rsps") + "/rsp")).all == len(words)


@pytest.mark.parametrize("back", [True, False])
async def test_a_customers_words_that_are_told_again_after_a_restart_are_not_said_again(kit: Any, back: bool) -> None:
    await post(kit)
    told = [(OutcomeKind.STARTED, ""), (OutcomeKind.FAILED, "blocked: the device answered 4")]
    told += [(OutcomeKind.STARTED, "")] * back
    for kind, reason in told:
        kit.clock.time += 10
        kit.outcome(CONTROL, kind, "bat-1", reason=reason)
    before = await answers(kit)
    other = await kit.restarted()
    # The store keeps a device's first outcome of each kind.
    for second, (kind, reason) in enumerate(told[:2], start=1):
        other.clock.time = kit.clock.time - 10 * (len(told) - second)
        other.outcome(CONTROL, kind, "bat-1", reason=reason)
    assert await answers(other) == before
    path = kit.program("fleet").replace("derp", "rsps") + "/rsp"
    assert (await other.get(path)).all == len(told)
    other.clock.time = kit.clock.time + 10
    other.outcome(CONTROL, *(told[1][:1] if back else told[0][:1]), "bat-1", reason=told[1][1] if back else "")
    await other.flush()
    assert (await other.get(path)).all == len(told) + 1, "what is new is said"
