"""Who may come in over real HTTP: by scope, by token, by host; guesses are slowed down."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from pydantic import TypeAdapter

from gridiface.operator import schema
from gridiface.operator.api.routing import Route
from gridiface.operator.areas.audit import AuditArea
from gridiface.operator.areas.controls import Cancel, ControlsArea
from gridiface.operator.areas.devices import DevicesArea
from gridiface.operator.areas.service import ServiceArea
from gridiface.operator.areas.standing import routes_of
from gridiface.operator.areas.tokens import NewToken, TokensArea
from gridiface.operator.auth.scopes import ALIASES, ROLES, allowed
from gridiface.operator.rows.control_schema import NewControl

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


async def audit(house: Any) -> list[Any]:
    entries: list[Any] = (await house.ask("GET", "/api/v1/audit", scope="admin"))[1]["entries"]
    return entries


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


# --- scopes -----------------------------------------------------------------------------------------------------------


def test_scopes_allow_what_they_imply_and_unknown_ones_nothing() -> None:
    assert allowed(["control"]) == {"read", "stream", "control"}
    assert allowed(["audit", "configure"]) == {"read", "stream", "audit", "configure"}
    assert allowed(["everything", ""]) == frozenset()


def test_only_an_admin_may_do_all_and_every_alias_is_a_scope() -> None:
    every = allowed(["admin"])
    assert [name for name, scopes in ROLES.items() if allowed(scopes) == every] == ["admin"]
    assert set(ALIASES.values()) <= every
