"""Controls on much of the fleet wait for a second person, where that is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Verdict
from gridiface.operator.auth.approvals import ApprovalRule
from gridiface.operator.desk import Desk

FLEET = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}
DEVICE = FLEET | {"target": {"kind": "device", "id": "a"}}


@pytest.fixture
async def strict(make_house: Any) -> Any:
    """A house in which controls on more than half of the devices wait for a minute."""
    return await make_house(desk_options={"approval": ApprovalRule(share=0.6, within_s=60.0)})


async def asked(house: Any, browser: Any, body: Any = FLEET, **headers: str) -> Any:
    return await browser.ask("POST", "/api/v1/controls", json=body, headers=headers)


async def test_a_second_person_sends_it(strict: Any, signed_in: Any) -> None:
    first, second = await signed_in(strict, "operator", "ann"), await signed_in(strict, "operator", "bob")
    assert (await asked(strict, first, DEVICE))[0] == 201, "one device is not much"
    status, said, headers = await asked(strict, first)
    assert (status, said["verdict"], said["will_run"]) == (202, "pending", False)
    assert len(strict.inbox.controls) == 1
    path = headers["Location"]
    (row,) = (await second.ask("GET", "/api/v1/approvals"))[1]["approvals"]
    assert (row["by"], row["mine"], row["asked"]["values"]) == ("ann", False, {"set_w": 1000.0})
    assert (await first.ask("GET", path))[1]["mine"] is True
    status, body, _ = await first.ask("POST", f"{path}/approve", json={})
    assert (status, "second person" in body["fix"]) == (403, True)
    status, said, _ = await second.ask("POST", f"{path}/approve", json={"reason": "as agreed"})
    assert (status, said["verdict"]) == (201, "accepted")
    sent = strict.inbox.controls[-1]
    assert (sent.id, sent.source.identity) == (row["control"], "ann")
    status, body, _ = await second.ask("POST", f"{path}/approve", json={})
    assert (status, "somebody has decided it" in body["detail"]) == (404, True), "once"
    entries = (await strict.ask("GET", "/api/v1/audit", scope="audit"))[1]["entries"]
    told = {entry["what"]: entry["who"] for entry in entries}
    assert (told["control.ask"], told["control.approve"], told["control.send"]) == ("ann", "bob", "ann")


async def test_own_tokens_are_not_a_second_person(strict: Any, signed_in: Any) -> None:
    admin = await signed_in(strict, "admin", "ann")
    made = [
        (await admin.ask("POST", "/api/v1/tokens", json={"name": name, "scopes": ["control"]}))[1]["token"]
        for name in ("one", "two")
    ]
    status, said, _ = await strict.ask("POST", "/api/v1/controls", token=made[0], json=FLEET)
    assert status == 202
    path = f"/api/v1/approvals/{said['control']}/approve"
    assert (await strict.ask("POST", path, token=made[1], json={}))[0] == 403
    assert (await admin.ask("POST", path, json={}))[0] == 403
    other = await signed_in(strict, "operator", "bob")
    assert (await other.ask("POST", path, json={}))[0] == 201


async def test_waiting_ends_by_time_or_by_rejection(strict: Any, signed_in: Any) -> None:
    first, second = await signed_in(strict, "operator", "ann"), await signed_in(strict, "operator", "bob")
    one, two = [(await asked(strict, first))[1]["control"] for _ in range(2)]
    assert (await first.ask("POST", f"/api/v1/approvals/{one}/reject", json={"reason": "typo"}))[0] == 200
    assert (await second.ask("POST", f"/api/v1/approvals/{one}/approve", json={}))[0] == 404
    strict.clock.at += 61
    assert (await second.ask("POST", f"/api/v1/approvals/{two}/approve", json={}))[0] == 404
    assert (await second.ask("GET", "/api/v1/approvals"))[1]["approvals"] == []
    assert not strict.inbox.controls


async def test_preview_and_refusal_do_not_wait(strict: Any, signed_in: Any) -> None:
    first = await signed_in(strict, "operator")
    assert (await asked(strict, first, FLEET | {"preview": True}))[0] == 200
    strict.inbox.verdict = Verdict.UNSUPPORTED
    assert (await asked(strict, first))[0] == 422
    assert (await first.ask("GET", "/api/v1/approvals"))[1]["approvals"] == []


async def test_idempotency_key_asks_once_and_follows_the_control(strict: Any, signed_in: Any) -> None:
    first, second = await signed_in(strict, "operator", "ann"), await signed_in(strict, "operator", "bob")
    key = {"Idempotency-Key": "k-1"}
    one, again = await asked(strict, first, FLEET, **key), await asked(strict, first, FLEET, **key)
    assert (one[0], again[0], one[1]) == (202, 202, again[1])
    assert (await asked(strict, first, DEVICE, **key))[0] == 422
    assert (await second.ask("POST", f"/api/v1/approvals/{one[1]['control']}/approve", json={}))[0] == 201
    after = await asked(strict, first, FLEET, **key)
    assert (after[0], after[1]["control"]) == (201, one[1]["control"])
    assert len(strict.inbox.controls) == 1


async def test_what_is_judged_otherwise_at_approval_is_refused_and_waits_on(strict: Any, signed_in: Any) -> None:
    first, second = await signed_in(strict, "operator", "ann"), await signed_in(strict, "operator", "bob")
    said = (await asked(strict, first))[1]
    strict.inbox.verdict = Verdict.SUPERSEDED
    path = f"/api/v1/approvals/{said['control']}"
    assert (await second.ask("POST", f"{path}/approve", json={}))[0] == 409
    assert (await second.ask("GET", path))[0] == 200
    strict.records.down = True
    assert (await second.ask("POST", f"{path}/reject", json={}))[0] == 503
    strict.records.down = False
    assert (await second.ask("GET", path))[0] == 200


async def test_waiting_controls_outlive_a_restart(strict: Any, signed_in: Any) -> None:
    first = await signed_in(strict, "operator")
    said = (await asked(strict, first))[1]
    old = strict.desk
    again = Desk(
        status=old.status, clock=old.clock, inbox=old.inbox, records=old.records, block=old.block, ready=old.ready
    )
    await again.open()
    (pending,) = await again.pending.waiting(strict.clock.now())
    assert pending.id == said["control"]
    assert pending.asked["values"] == {"set_w": 1000.0}
