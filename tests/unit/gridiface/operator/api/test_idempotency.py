"""Idempotency keys on every POST: once, alike, bound to the caller and the request, also over a restart."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from tests.waiting import until

from gridiface.errors import StoreUnavailable
from gridiface.operator.api.idempotency import KEPT_S, SPACE, Kept, Replies, _put
from gridiface.operator.schema import Reason

NEW = {"name": "ann", "role": "viewer"}


async def make(house: Any, key: str = "k-1", body: Any = NEW, scope: str = "admin") -> Any:
    return await house.ask("POST", "/api/v1/users", scope=scope, json=body, headers={"Idempotency-Key": key})


async def block(house: Any, key: str, reason: str = "works", scope: str = "control") -> Any:
    headers = {"Idempotency-Key": key}
    return await house.ask("POST", "/api/v1/devices/a/block", scope=scope, json={"reason": reason}, headers=headers)


async def count(house: Any, what: str) -> int:
    return len((await house.ask("GET", f"/api/v1/audit?what={what}&limit=1000", scope="audit"))[1]["entries"])


async def test_the_same_request_is_carried_out_once_and_answered_alike(house: Any) -> None:
    first, again = await block(house, "k"), await block(house, "k")
    assert (first[0], first[1]) == (again[0], again[1])
    assert again[2]["Idempotency-Replayed"] == "true"
    assert await count(house, "device.block") == 1
    assert (await block(house, "k", "other"))[0] == 422
    assert (await block(house, "k", scope="admin"))[0] == 200, "another caller's key is another key"
    assert await count(house, "device.block") == 2
    assert (await block(house, "k k"))[0] == 400


async def test_keys_outlive_a_restart_and_end_after_a_day(house: Any) -> None:
    await block(house, "k")
    house.desk.replies = Replies(house.records)
    await house.desk.replies.load(house.clock.now())
    assert (await block(house, "k"))[2]["Idempotency-Replayed"] == "true"
    house.clock.at += KEPT_S - 1
    await house.desk.tokens.create("fresh", ["control"], 1.0, house.clock.now(), by="test")
    house.clock.at += 2
    late = Replies(house.records)
    await late.load(house.clock.now())
    assert not [key for key in house.records.kept if key[0] == SPACE]


async def test_requests_at_the_same_time_are_one(house: Any) -> None:
    told = await asyncio.gather(*(block(house, "k") for _ in range(6)))
    assert {status for status, _, _ in told} == {200}
    assert await count(house, "device.block") == 1


async def test_those_that_follow_a_refused_one_are_one(house: Any) -> None:
    """The first fails, the second takes its turn, and the third comes while the second is at work."""
    replies, begun, ends = Replies(house.records), [], asyncio.Event()

    async def ask(status: int) -> web.StreamResponse:
        async def work() -> web.StreamResponse:
            begun.append(status)
            await asyncio.sleep(0) if status == 503 else await ends.wait()
            if status == 503:
                raise StoreUnavailable("not now")
            return web.json_response({"status": status})

        request = make_mocked_request("POST", "/x", headers={"Idempotency-Key": "k"})
        return await replies.once(request, Reason(reason="r"), "ann", house.clock.now(), work, secret=False)

    tasks = [asyncio.create_task(ask(503)), asyncio.create_task(ask(200))]
    await until(lambda: 200 in begun, "the second")
    tasks.append(asyncio.create_task(ask(201)))
    for _ in range(10):
        await asyncio.sleep(0)
    ends.set()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(first, StoreUnavailable)
    assert isinstance(second, web.Response)
    assert isinstance(third, web.Response)
    assert (second.text, third.headers["Idempotency-Replayed"]) == (third.text, "true")
    assert begun == [503, 200]
    assert not replies._turns


async def test_secrets_are_not_kept_for_a_repetition(house: Any) -> None:
    status, made, _ = await make(house)
    assert status == 201
    assert made["ticket"].encode() not in b"".join(house.records.kept.values())
    status, body, _ = await make(house)
    assert (status, "not kept" in body["detail"]) == (409, True)
    assert await count(house, "user.create") == 1


async def test_a_refused_request_leaves_its_key_free(house: Any) -> None:
    assert (await make(house, body=NEW | {"groups": ["nowhere"]}))[0] == 422
    assert (await make(house))[0] == 201
    house.records.down = True
    assert (await block(house, "k"))[0] == 503
    house.records.down = False
    assert (await block(house, "k"))[0] == 200


async def test_what_was_broken_off_is_not_tried_again(house: Any) -> None:
    first = await block(house, "k")
    assert first[0] == 200
    ((place, raw),) = [(key, body) for key, body in house.records.kept.items() if key[0] == SPACE]
    broken = Kept(**{**json.loads(raw), "status": 0, "body": None, "headers": ()})
    await house.records.commit([_put(broken)])
    assert place[1] == broken.key
    house.desk.replies = Replies(house.records)
    await house.desk.replies.load(house.clock.now())
    status, body, _ = await block(house, "k")
    assert (status, "not come to its end" in body["detail"]) == (409, True)


@pytest.mark.parametrize("keys", [["a", "b"]])
async def test_two_keys_are_refused(house: Any, keys: list[str]) -> None:
    import aiohttp  # noqa: PLC0415 - only this test sends a header twice

    headers = [("Authorization", f"Bearer {house.tokens['control']}"), *(("Idempotency-Key", key) for key in keys)]
    url = f"http://127.0.0.1:{house.pages.port}/api/v1/devices/a/block"
    async with aiohttp.ClientSession() as session, session.post(url, json={}, headers=headers) as answer:
        assert answer.status == 400
