"""Controls, refusals and alarms of the whole API over real HTTP."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.controls import Verdict
from gridiface.errors import DeviceRejected, DeviceTimeout

BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


async def audit(house: Any) -> list[Any]:
    entries: list[Any] = (await house.ask("GET", "/api/v1/audit", scope="admin"))[1]["entries"]
    return entries


async def test_preview_changes_nothing(house: Any) -> None:
    status, body, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {"preview": True})
    assert (status, body["preview"], body["will_run"]) == (200, True, True)
    assert not house.inbox.controls
    assert all(entry["what"] == "token.create" for entry in (await audit(house)))


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (Verdict.SUPERSEDED, 409),
        (Verdict.UNSUPPORTED, 422),
        (Verdict.INVALID, 422),
        (Verdict.LATE, 422),
        (Verdict.BLOCKED, 409),
        (Verdict.NOT_ALLOWED, 403),
    ],
)
async def test_refusals_tell_reason_and_fix(house: Any, verdict: Verdict, status: int) -> None:
    house.inbox.verdict = verdict
    answered, body, headers = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY)
    assert (answered, body["verdict"], body["detail"]) == (status, verdict.value, "so be it")
    assert body["fix"]
    assert headers["Content-Type"].startswith("application/problem+json")
    assert not house.inbox.controls


async def test_idempotency_key_sends_once(house: Any) -> None:
    def send(body: Any, key: str = "k-1", scope: str = "control") -> Any:
        return house.ask("POST", "/api/v1/controls", scope=scope, json=body, headers={"Idempotency-Key": key})

    first, again = await send(BODY), await send(BODY)
    assert (first[0], again[0]) == (201, 201)
    assert first[1] == again[1]
    assert again[2]["Idempotency-Replayed"] == "true"
    assert len(house.inbox.controls) == 1
    other = await send(BODY | {"priority": 1})
    assert other[0] == 422
    assert "another control" in other[1]["detail"]
    assert (await send(BODY, scope="admin"))[0] == 201, "another token's key is another key"
    assert (await send(BODY, key="k 1"))[0] == 400
    assert len(house.inbox.controls) == 2


async def test_cancel_only_what_was_made_here_and_once(house: Any) -> None:
    made = (await house.ask("POST", "/api/v1/controls", scope="control", json=BODY))[1]["control"]

    def cancel(name: str) -> Any:
        return house.ask("POST", f"/api/v1/controls/{name}/cancel", scope="control", json={"reason": "enough"})

    status, row, _ = await cancel(made)
    assert (status, row["state"]) == (200, "cancelled")
    assert (await audit(house))[0]["reason"] == "enough"
    assert [(await cancel(name))[0] for name in (made, "c1", "unknown")] == [409, 409, 404]


async def test_what_came_in_over_a_protocol_is_cancelled_in_its_words_where_it_lets_us(house: Any) -> None:
    told = []

    async def way(control_id: str, now: float, *, reason: str, along: Any) -> bool:
        told.append((control_id, reason))
        await house.records.commit(along)
        return len(told) == 1

    house.desk.withdraw = {"sep2": way}

    def cancel() -> Any:
        return house.ask(
            "POST", "/api/v1/controls/c1/cancel", scope="control", json={"reason": "enough", "foreign": True}
        )

    first = await cancel()
    assert first[0] == 200, first[1]
    assert told == [("c1", "by controler: enough")]
    assert (await audit(house))[0]["what"] == "control.cancel"
    assert (await cancel())[0] == 409


async def test_store_that_is_down_is_503_and_nothing_is_done(house: Any) -> None:
    house.records.down = True
    status, body, headers = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY)
    assert (status, house.inbox.controls) == (503, [])
    assert "Retry-After" in headers
    assert "disk is full" in body["detail"]
    assert (await house.ask("POST", "/api/v1/devices/a/block", scope="control"))[0] == 503
    assert not house.blocked
    assert (await house.ask("GET", "/readyz"))[0] == 503


async def test_alarms_are_reset_and_refusals_say_why(make_house: Any) -> None:
    answers: list[Any] = [frozenset({"GROUND_FAULT"}), DeviceTimeout("silent"), DeviceRejected("no such point")]

    async def reset(device_id: str) -> frozenset[str]:
        assert device_id == "a"
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    house = await make_house(desk_options={"reset_alarms": reset})
    path = "/api/v1/devices/a/reset-alarms"
    status, row, _ = await house.ask("POST", path, scope="control", json={"reason": "breaker closed"})
    assert (status, row) == (200, {"device": "a", "alarms": ["GROUND_FAULT"]})
    entry, *earlier = await audit(house)
    assert (entry["what"], entry["subject"], entry["reason"]) == ("device.reset_alarms", "a", "breaker closed")
    for expected, said in ((504, "silent"), (409, "no such point")):
        status, problem, _ = await house.ask("POST", path, scope="control")
        assert (status, problem["detail"]) == (expected, said)
    assert (await audit(house))[1:] == earlier
    assert (await house.ask("POST", "/api/v1/devices/zz/reset-alarms", scope="control"))[0] == 404
    assert (await house.ask("POST", path, scope="read"))[0] == 403
    bare = await make_house(desk_options={"reset_alarms": None})
    assert (await bare.ask("POST", path, scope="control"))[0] == 409
