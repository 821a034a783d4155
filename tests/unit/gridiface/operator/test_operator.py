"""The whole API over real HTTP: who may ask what, what comes out, what is refused and how."""

from __future__ import annotations

import asyncio
import json
import logging
from functools import cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gridiface.domain.controls import Verdict
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.operator import bodies, schema
from gridiface.operator.areas.audit import AuditArea
from gridiface.operator.areas.controls import Cancel, ControlsArea
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.areas.standing import routes_of
from gridiface.operator.areas.tokens import NewToken, TokensArea
from gridiface.operator.control_schema import NewControl
from gridiface.operator.routing import Route

BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}
ALLOWED = {
    "stream": {"stream", "read", "control", "configure", "audit", "admin"},
    "read": {"read", "control", "configure", "audit", "admin"},
    "control": {"control", "admin"},
    "configure": {"configure", "admin"},
    "audit": {"audit", "admin"},
    "admin": {"admin"},
    None: {"stream", "read", "control", "configure", "audit", "admin", "nobody"},
}
SCOPES = ["nobody", "stream", "read", "control", "configure", "audit", "admin"]
ROUTES = routes_of((DevicesArea, ControlsArea, TokensArea, AuditArea, ServiceArea))


def path_of(route: Route) -> str:
    name = {"devices": "a", "groups": "fleet", "controls": "c1", "tokens": "reader"}.get(
        route.path.split("/")[3:4][0] if route.path.startswith("/api/v1/") else "", ""
    )
    return route.path.replace("{id}", name)


def body_of(route: Route) -> dict[str, Any]:
    made: dict[Any, Any] = {
        NewControl: BODY,
        schema.Reason: {"reason": "test"},
        Cancel: {"reason": "test"},
        NewToken: {"name": "new", "scopes": ["read"]},
    }
    return {} if route.body is None else {"json": made[route.body]}


@cache
def shape(kind: Any) -> TypeAdapter[Any]:
    """The declared answer; what stands beside it in a body is left out of what it reads."""
    return TypeAdapter(kind)


@pytest.mark.parametrize("open_reads", [True, False])
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
async def test_route_by_scope(make_house: Any, route: Route, scope: str, *, open_reads: bool) -> None:
    if route.name == "stream_events":
        return  # never ends by itself; its access is tested below
    house = await make_house(rules={"open_reads": open_reads})
    status, body, headers = await house.ask(
        route.method, path_of(route), scope=None if scope == "nobody" else scope, **body_of(route)
    )
    may = scope in ALLOWED[route.scope] or (scope == "nobody" and route.scope in {"read", "stream"} and open_reads)
    if not may:
        assert status == (401 if scope == "nobody" else 403), body
        assert "Bearer" in headers["WWW-Authenticate"]
        assert body["fix"]
    elif route.name == "cancel_control":
        assert status == 409, "c1 is the utility's"
    else:
        assert status == route.done, body
        assert headers["Content-Type"].startswith(route.media)
        assert headers["X-Content-Type-Options"] == "nosniff"
        if route.media == "application/json":
            assert shape(route.answer).validate_python(body) == body


@pytest.mark.parametrize("scope", ["nobody", "stream", "read"])
async def test_stream_needs_the_scope_stream(make_house: Any, scope: str) -> None:
    house = await make_house(rules={"open_reads": False})
    house.desk.events.close()
    status, _, headers = await house.ask("GET", "/api/v1/events", scope=None if scope == "nobody" else scope)
    assert status == (401 if scope == "nobody" else 200)
    assert headers["Content-Type"].startswith("text/event-stream" if status == 200 else "application/problem+json")


# --- access ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 401),
        ("Bearer", 401),
        ("Basic YTpi", 401),
        ("Bearer gridiface_000000000000_" + "A" * 43, 401),
        ("Bearer \u00e9", 401),
    ],
)
async def test_wrong_tokens_are_refused_even_where_reading_is_open(house: Any, text: str, status: int) -> None:
    assert (await house.ask("GET", "/api/v1/status", headers={"Authorization": text}))[0] == status


async def test_token_ends_with_its_time_and_with_its_revocation(house: Any) -> None:
    assert (await house.ask("GET", "/api/v1/status", scope="read"))[0] == 200
    assert (await house.ask("DELETE", "/api/v1/tokens/reader", scope="admin"))[0] == 200
    assert (await house.ask("GET", "/api/v1/status", scope="read"))[0] == 401
    house.clock.at += 90_000
    assert (await house.ask("GET", "/api/v1/status", scope="control"))[0] == 401


async def test_guessing_is_slowed_down_and_forgiven(house: Any) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    answers = [(await house.ask("GET", "/api/v1/status", headers=wrong))[0] for _ in range(11)]
    assert answers == [401] * 10 + [429]
    status, body, headers = await house.ask("GET", "/api/v1/status", headers=wrong)
    assert status == 429
    assert int(headers["Retry-After"]) > 0
    assert body["fix"]
    assert (await house.ask("GET", "/api/v1/status"))[0] == 200, "who sends no token does not guess"
    house.clock.at += int(headers["Retry-After"])
    assert (await house.ask("GET", "/api/v1/status", headers=wrong))[0] == 401


async def test_a_right_token_passes_beside_an_address_that_guesses(house: Any) -> None:
    """256 bits are not found by guessing; who shares an address with the control room cannot lock it out."""
    right = house.tokens["admin"]
    near = [right[:-1] + ("A" if right[-1] != "A" else "B"), right.replace("gridiface_", "gridiface_at_"), "wrong"]
    for n in range(12):
        await house.ask("GET", "/api/v1/status", token=near[n % 3])
    assert [(await house.ask("GET", "/api/v1/status", token=text))[0] for text in near] == [429] * 3
    assert (await house.ask("GET", "/api/v1/users", scope="admin"))[0] == 200
    assert [(await house.ask("GET", "/api/v1/status", token=text))[0] for text in near] == [429] * 3, (
        "no guess forgiven"
    )
    password = {"name": "nobody", "password": "correct horse battery"}
    assert (await house.ask("POST", "/api/v1/session", json=password))[0] == 429, "passwords wait"


async def test_guesses_beyond_the_bound_cost_no_look_at_the_store(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(12):
        await house.ask("GET", "/api/v1/status", token=f"gridiface_{n:012x}_{'A' * 43}")
    house.clock.at += 5
    looks: list[str] = []
    read = house.records.documents

    async def documents(space: str) -> Any:
        looks.append(space)
        return await read(space)

    monkeypatch.setattr(house.records, "documents", documents)
    for kind in (f"gridiface_{15:012x}_", f"gridiface_at_{15:016x}_"):
        assert (await house.ask("GET", "/api/v1/status", token=kind + "A" * 43))[0] == 429
    assert looks == []
    assert (await house.ask("GET", "/api/v1/status", scope="read"))[0] == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("localhost:80", 200),
        ("[::1]:8080", 200),
        ("10.1.2.3", 200),
        ("grid.example.org", 200),
        ("GRID.example.org.:80", 200),
        ("evil.example.org", 421),
        ("127.0.0.1.evil.example.org", 421),
    ],
)
async def test_only_known_hosts(make_house: Any, host: str, status: int) -> None:
    house = await make_house(rules={"hosts": ("grid.example.org",)})
    assert (await house.ask("GET", "/api/v1/status", headers={"Host": host}))[0] == status


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_pages_of_other_sites_change_nothing(house: Any, headers: dict[str, str]) -> None:
    status, body, _ = await house.ask("POST", "/api/v1/controls", scope="admin", json=BODY, headers=headers)
    assert status == 403
    assert "other sites" in body["detail"]
    assert not house.inbox.controls


# --- controls -------------------------------------------------------------------------------------------------------


async def test_control_is_sent_with_its_audit_entry(house: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="gridiface.audit")
    status, body, headers = await house.ask(
        "POST", "/api/v1/controls", scope="control", json=BODY | {"priority": 100, "description": "peak"}
    )
    assert status == 201
    (sent,) = house.inbox.controls
    assert headers["Location"] == f"/api/v1/controls/{sent.id}"
    assert (sent.source.protocol, sent.source.identity, sent.source.authority) == ("operator", "controler", 110.0)
    assert (body["start"], body["end"], body["feasible_W"]) == (100.0, 160.0, 900.0)
    assert [(o["id"], o["higher"]) for o in body["overlaps"]] == [("c1", False)]
    _, log, _ = await house.ask("GET", "/api/v1/audit", scope="admin")
    entry = log["entries"][0]
    assert (entry["who"], entry["what"], entry["subject"]) == ("controler", "control.send", sent.id)
    assert entry["after"]["values"] == {"set_w": 1000.0}
    assert "control.send" in caplog.text
    assert not any(text in caplog.text or text in json.dumps(log) for text in house.tokens.values())


async def test_preview_changes_nothing(house: Any) -> None:
    status, body, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {"preview": True})
    assert (status, body["preview"], body["will_run"]) == (200, True, True)
    assert not house.inbox.controls
    assert all(entry["what"] == "token.create" for entry in (await audit(house)))


async def audit(house: Any) -> list[Any]:
    entries: list[Any] = (await house.ask("GET", "/api/v1/audit", scope="admin"))[1]["entries"]
    return entries


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=10,
)
fields = st.sampled_from([*NewControl.model_fields, "other"])


async def test_no_body_makes_a_server_error(house: Any) -> None:
    """Hundreds of bodies over one connection: whole nonsense, and good bodies with fields replaced."""
    sent: list[bytes] = []

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(
        st.binary(max_size=60)
        | st.dictionaries(fields, json_values, max_size=4).map(lambda d: json.dumps(BODY | d).encode())
        | st.tuples(st.sampled_from(["set_w", "start", "duration_s"]), st.floats()).map(
            lambda pair: json.dumps(
                BODY | ({"values": {pair[0]: pair[1]}} if pair[0] == "set_w" else dict([pair]))
            ).encode()
        )
    )
    def gather(body: bytes) -> None:
        sent.append(body)

    gather()
    sent += [b"[" * 8000, b'{"a":' * 3000, b"1" * 5000, b"1e999", b'{"target": 1, "target": 2}', b"NaN", b"\xff"]
    seen = set()
    for body in sent:
        headers = {"Content-Type": "application/json"}
        status, answer, _ = await house.ask("POST", "/api/v1/controls", scope="control", data=body, headers=headers)
        seen.add(status)
        assert status < 500, (body, answer)
        assert status in {200, 201} or answer["detail"], body
    assert {400, 422} <= seen <= {200, 201, 400, 413, 422}


async def test_bodies_are_bounded_and_typed(house: Any) -> None:
    big = json.dumps(BODY | {"description": "x" * 20_000}).encode()
    json_type = {"Content-Type": "application/json"}

    def send(data: bytes, headers: dict[str, str]) -> Any:
        return house.ask("POST", "/api/v1/controls", scope="control", data=data, headers=headers)

    assert (await send(big, json_type))[0] == 413
    assert (await send(b"a=1", {"Content-Type": "application/x-www-form-urlencoded"}))[0] == 415
    status, body, _ = await send(b'{"values": {"set_w": 1}, "extra": 1}', json_type)
    assert status == 422
    assert {fault["at"] for fault in body["errors"]} == {"/target", "/extra"}


@pytest.mark.parametrize(
    ("start", "status"),
    [("1970-01-01T00:05:00Z", 201), ("1970-01-01T01:05:00+01:00", 201), (300, 201), (300.0, 201), (-1e11, 422),
     (1e300, 422), (True, 422), ("1970-01-01T00:05:00", 422), ("soon", 422), ([300], 422)],
)  # fmt: skip
async def test_a_start_is_iso_8601_or_seconds(house: Any, start: Any, status: int) -> None:
    answered, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {"start": start})
    assert answered == status, said
    if status == 201:
        assert house.inbox.controls[-1].interval.start == 300.0
    else:
        assert [fault["at"] for fault in said["errors"]] == ["/start"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("duration_s", "600"),
        ("duration_s", True),
        ("priority", "5"),
        ("preview", 1),
        ("preview", "yes"),
        ("preview", "true"),
    ],
)
async def test_a_value_of_another_type_is_not_taken_for_one(house: Any, field: str, value: Any) -> None:
    """`true` W are no 1 W: the description says what type each field has, and nothing else is taken."""
    status, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {field: value})
    assert (status, [fault["at"] for fault in said["errors"]]) == (422, [f"/{field}"])
    for wrong in (True, "3", None, [3], {}):
        body = BODY | {"values": {"set_w": wrong}}
        status, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=body)
        assert (status, said["errors"][0]["at"]) == (422, "/values/set_w")


async def test_slow_bodies_are_not_waited_for(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.pages.port)
    head = f"POST /api/v1/controls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.tokens['control']}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
    async with asyncio.timeout(20):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


# --- devices, groups, lists -----------------------------------------------------------------------------------------


async def test_block_is_told_durable_and_taken_back(house: Any) -> None:
    status, row, _ = await house.ask("POST", "/api/v1/devices/a/block", scope="control", json={"reason": "works"})
    assert (status, row["blocked"], house.blocked) == (200, True, {"a": True})
    detail = (await house.ask("GET", "/api/v1/devices/a"))[1]
    assert detail["block"] == {"by": "controler", "at": 100.0, "reason": "works"}
    row = (await house.ask("POST", "/api/v1/devices/a/unblock", scope="control"))[1]
    assert (row["blocked"], house.blocked) == (False, {"a": False})
    assert [entry["what"] for entry in (await audit(house))[:2]] == ["device.unblock", "device.block"]


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


async def test_device_detail_has_what_concerned_it(house: Any) -> None:
    a, b = [(await house.ask("GET", f"/api/v1/devices/{name}"))[1] for name in ("a", "b")]
    assert a["groups"] == ["fleet", "feeder"]
    assert [d["reason"] for d in a["decisions"]] == ["will run"]
    assert [d["reason"] for d in b["decisions"]] == ["will run", "only b"]
    assert a["readings"] == [{"quantity": "W", "phase": "ABC", "value": None, "at": 99.0, "quality": "good"}]
    assert a["deliveries"][0]["outcome"] == "acknowledged"
    assert a["snapshot"]["w"] == 2900.0
    assert b["snapshot"] is None
    assert (await house.ask("GET", "/api/v1/devices/a?readings_s=0"))[1]["readings"] == []


@pytest.mark.parametrize(
    ("query", "found", "following"),
    [
        ("", ["a", "b"], None),
        ("?limit=1", ["a"], "a"),
        ("?limit=1&after=a", ["b"], None),
        ("?group=feeder&driver=sunspec", ["a", "b"], None),
        ("?driver=sep2", [], None),
        ("?quality=good", ["a"], None),
        ("?quality=none", ["b"], None),
    ],
)
async def test_devices_by_page_and_filter(house: Any, query: str, found: list[str], following: str | None) -> None:
    body = (await house.ask("GET", f"/api/v1/devices{query}"))[1]
    assert ([row["id"] for row in body["devices"]], body["next"]) == (found, following)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/devices?limit=0",
        "/api/v1/devices?quality=fine",
        "/api/v1/devices?other=1",
        "/api/v1/devices?limit=1&limit=2",
        "/api/v1/controls?state=gone",
        "/api/v1/controls?after=unknown",
        "/api/v1/decisions?limit=x",
        "/api/v1/decisions?control=%00",
    ],
)
async def test_bad_queries_are_400(house: Any, path: str) -> None:
    status, body, _ = await house.ask("GET", path)
    assert (status, bool(body["detail"]), bool(body["fix"])) == (400, True, True)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/devices/z",
        "/api/v1/devices?group=z",
        "/api/v1/groups/z",
        "/api/v1/controls/z",
        "/api/v1/controls/z%22y/report",
        "/api/v1/devices/%00",
        "/api/v1/controls/%ED%A0%80",
        "/api/v1/groups/%ff",
        "/api/v1/nothing",
    ],
)
async def test_unknown_things_are_404_with_a_fix(house: Any, path: str) -> None:
    status, body, headers = await house.ask("GET", path)
    assert (status, headers["Content-Type"].split(";")[0]) == (404, "application/problem+json")
    assert body["fix"]


async def test_other_methods_are_405(house: Any) -> None:
    status, body, headers = await house.ask("PUT", "/api/v1/status", scope="admin")
    assert (status, headers["Allow"]) == (405, "GET,HEAD")
    assert body["detail"]


async def test_controls_by_page_and_filter(house: Any) -> None:
    for priority in range(3):
        await house.ask("POST", "/api/v1/controls", scope="control", json=BODY | {"priority": priority})
    whole = (await house.ask("GET", "/api/v1/controls"))[1]
    names = [row["id"] for row in whole["controls"]]
    assert (whole["total"], names[-1]) == (4, "c1")
    pages, after = [], ""
    while after is not None:
        page = (await house.ask("GET", f"/api/v1/controls?limit=3&after={after}"))[1]
        pages += [row["id"] for row in page["controls"]]
        after = page["next"]
    assert pages == names
    assert (await house.ask("GET", "/api/v1/controls?target=feeder"))[1]["total"] == 0
    assert (await house.ask("GET", "/api/v1/controls?state=active&target=fleet"))[1]["total"] == 4


async def test_control_detail_has_each_devices_part(house: Any) -> None:
    body = (await house.ask("GET", "/api/v1/controls/c1"))[1]
    assert body["devices"] == [{"device": "a", "steps": {"received": 91.0, "started": 91.0}, "reason": "because"}]
    assert body["steps"] == {"started": 91.0}
    assert body["responses"]["started"] == 1
    assert body["report"]["targets"][0]["mean"]["delivered_w"] == 2900.0


async def test_unexpected_errors_are_500_without_detail(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: float) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(house.desk.status), "at", lambda self, now: broken(now))
    status, body, _ = await house.ask("GET", "/api/v1/status")
    assert (status, "secret" in str(body)) == (500, False)
    assert "secret detail" in caplog.text


# --- tokens ---------------------------------------------------------------------------------------------------------


async def test_tokens_are_made_shown_once_and_work(house: Any) -> None:
    asked = {"name": "robot", "scopes": ["control"], "days": 1}
    status, made, _ = await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked)
    assert status == 201
    assert (await house.ask("POST", "/api/v1/controls", token=made["token"], json=BODY))[0] == 201
    listed = (await house.ask("GET", "/api/v1/tokens", scope="admin"))[1]
    assert {row["name"] for row in listed["tokens"]} == {"robot", *(f"{scope}er" for scope in SCOPES[1:])}
    secret = made["token"].split("_", 2)[2]  # which may hold underscores itself
    assert len(secret) > 40
    assert secret not in json.dumps(listed)
    status, body, _ = await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked)
    assert (status, body["fix"]) == (409, "choose another name or revoke it")
    assert (await house.ask("DELETE", "/api/v1/tokens/nobody", scope="admin"))[0] == 404


async def test_a_part_that_is_not_configured_is_named(house: Any) -> None:
    status, body, _ = await house.ask("GET", "/api/v1/openadr/vens", scope="read")
    assert (status, body["fix"].startswith("`openadr.vens` may be missing")) == (404, True)
    assert (await house.ask("GET", "/api/v1/none", scope="read"))[1]["fix"].startswith("the routes are in")
