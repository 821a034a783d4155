"""Bodies, queries and paths over real HTTP: bounded, typed, and refused in the API's own words."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridiface.operator.api import bodies
from gridiface.operator.rows.control_schema import NewControl

BODY = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


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


@pytest.mark.parametrize(
    ("written", "status"), [("60.0", 201), ("6e1", 201), ("60.5", 422), ("1e400", 422), ("9e99", 422)]
)
async def test_a_whole_number_may_be_written_with_a_fraction_of_zeros(house: Any, written: str, status: int) -> None:
    """As JSON Schema has it; languages with one kind of number write them so."""
    text = json.dumps(BODY | {"priority": "!"}).replace('"!"', written)
    headers = {"Content-Type": "application/json"}
    answered, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", data=text, headers=headers)
    assert answered == status, said
    if status == 422:
        assert [fault["at"] for fault in said["errors"]] == ["/priority"]


async def test_a_whole_number_with_a_fraction_is_not_what_is_told_to_be_wrong(house: Any) -> None:
    """It is an integer in JSON Schema; the sender was told to mend it beside what was wrong."""
    wrong = BODY | {"priority": 60.0, "extra": 1}
    status, said, _ = await house.ask("POST", "/api/v1/controls", scope="control", json=wrong)
    assert (status, [fault["at"] for fault in said["errors"]]) == (422, ["/extra"])


async def test_slow_bodies_are_not_waited_for(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", house.pages.port)
    head = f"POST /api/v1/controls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {house.tokens['control']}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
    async with asyncio.timeout(20):
        assert b" 408 " in await reader.readline()
    writer.close()
    await writer.wait_closed()


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


async def test_unexpected_errors_are_500_without_detail(
    house: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: float) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(type(house.desk.status), "at", lambda self, now: broken(now))
    status, body, _ = await house.ask("GET", "/api/v1/status")
    assert (status, "secret" in str(body)) == (500, False)
    assert "secret detail" in caplog.text


async def test_a_part_that_is_not_configured_is_named(house: Any) -> None:
    status, body, _ = await house.ask("GET", "/api/v1/openadr/vens", scope="read")
    assert (status, body["fix"].startswith("`openadr.vens` may be missing")) == (404, True)
    assert (await house.ask("GET", "/api/v1/none", scope="read"))[1]["fix"].startswith("the routes are in")
