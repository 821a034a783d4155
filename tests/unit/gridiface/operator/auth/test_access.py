"""Who may ask what: tenants see only their groups, forged headers are worth nothing, nobody takes it all."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.domain.clock import Interval
from gridiface.domain.controls import Control, ControlMode, ModeValue, Source, Target, TargetKind
from gridiface.domain.fleet import Device, Group, Nameplate
from gridiface.operator.areas.catalogue import AREAS
from gridiface.operator.auth.scopes import IMPLIED, ROLES, allowed


@pytest.fixture
async def shared(make_house: Any) -> Any:
    """Two tenants: device a in group mine, device b in group theirs, a control on each and one on both."""
    house = await make_house(rules={"open_reads": False})
    fleet = house.desk.status.fleet
    fleet._devices = [Device(id="a", nameplate=Nameplate(max_w=1.0)), Device(id="b", nameplate=Nameplate(max_w=1.0))]
    fleet._groups = [
        Group(id="all", members=("mine", "theirs")),
        Group(id="mine", members=("a",), parent="all"),
        Group(id="theirs", members=("b",), parent="all"),
    ]
    members = {"all": ["a", "b"], "mine": ["a"], "theirs": ["b"]}
    fleet.members = lambda group: members.get(group, [])
    for name in members:
        house.inbox.controls.append(
            Control(
                id=f"on-{name}",
                source=Source(protocol="operator"),
                target=Target(TargetKind.GROUP, name),
                values={ControlMode.SET_W: ModeValue(1.0)},
                interval=Interval(90.0, 300.0),
                created=80.0,
            )
        )
    asked = {"name": "tenant", "scopes": ["control"], "groups": ["mine"]}
    house.tokens["tenant"] = (await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked))[1]["token"]
    return house


async def test_a_tenant_sees_its_own(shared: Any) -> None:
    def get(path: str) -> Any:
        return shared.ask("GET", f"/api/v1{path}", scope="tenant")

    assert [row["id"] for row in (await get("/devices"))[1]["devices"]] == ["a"]
    assert [row["id"] for row in (await get("/groups"))[1]["groups"]] == ["mine"]
    assert [row["id"] for row in (await get("/controls"))[1]["controls"]] == ["on-mine"]
    assert (await get("/devices?group=mine"))[0] == 200
    detail = (await get("/devices/a"))[1]
    assert detail["groups"] == ["mine"]
    assert "b" not in {row["target"] for row in detail["decisions"]}
    assert {row["target"] for row in (await get("/decisions"))[1]["decisions"]} <= {"mine", "a"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/devices/b", 404),
        ("GET", "/devices?group=theirs", 404),
        ("GET", "/devices?group=all", 404),
        ("POST", "/devices/b/block", 404),
        ("POST", "/devices/b/unblock", 404),
        ("GET", "/groups/theirs", 404),
        ("GET", "/groups/all", 404),
        ("GET", "/controls/on-theirs", 404),
        ("GET", "/controls/on-all", 404),
        ("GET", "/controls/c1/report", 404),
        ("POST", "/controls/on-theirs/cancel", 404),
        ("GET", "/status", 403),
        ("GET", "/../metrics", 403),
    ],
)
async def test_a_tenant_reaches_nothing_of_others(shared: Any, method: str, path: str, status: int) -> None:
    more = {"json": {}} if method == "POST" else {}
    answered, body, _ = await shared.ask(method, f"/api/v1{path}".replace("/api/v1/..", ""), scope="tenant", **more)
    assert answered == status, body
    assert not shared.blocked
    missing = path.replace("theirs", "nowhere").replace("/devices/b", "/devices/nowhere").replace("all", "nowhere")
    if status == 404 and "c1" not in path:
        told = (await shared.ask(method, f"/api/v1{missing}", scope="tenant", **more))[1]
        hidden = (await shared.ask(method, f"/api/v1{path}", scope="tenant", **more))[1]
        assert told["fix"] == hidden["fix"], "what is hidden looks like what is not there"


@pytest.mark.parametrize(("target", "status"), [("mine", 201), ("theirs", 403), ("all", 403), ("nowhere", 403)])
async def test_a_tenant_controls_its_own(shared: Any, target: str, status: int) -> None:
    body = {"target": {"kind": "group", "id": target}, "values": {"set_w": 1.0}, "duration_s": 60}
    before = len(shared.inbox.controls)
    assert (await shared.ask("POST", "/api/v1/controls", scope="tenant", json=body))[0] == status
    preview = body | {"preview": True}
    assert (await shared.ask("POST", "/api/v1/controls", scope="tenant", json=preview))[0] == (
        200 if status == 201 else 403
    )
    assert len(shared.inbox.controls) == before + (status == 201)


async def test_routes_that_do_not_heed_groups_are_closed_to_tenants(shared: Any) -> None:
    """A tenant with every scope reaches only operations that say that they heed its groups."""
    asked = {"name": "all-powerful", "scopes": ["admin"], "groups": ["mine"]}
    token = (await shared.ask("POST", "/api/v1/tokens", scope="admin", json=asked))[1]["token"]
    mounted = {(route.method, route.path) for area in shared.pages.areas for route in area.routes()}
    for route in (route for kind in AREAS for route in kind.routes()):
        if route.scope is None or route.confined or (route.method, route.path) not in mounted:
            continue
        more = {} if route.body is None else {"json": {}}
        status = (await shared.ask(route.method, route.path.replace("{id}", "a"), token=token, **more))[0]
        assert status == 403, route.name


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "127.0.0.1"},
        {"Forwarded": "for=127.0.0.1;host=localhost;proto=https"},
        {"X-Forwarded-Host": "localhost", "X-Forwarded-Proto": "https"},
        {"X-Original-URL": "/healthz", "X-Rewrite-URL": "/healthz"},
        {"X-HTTP-Method-Override": "GET", "X-Method-Override": "GET"},
        {"X-Remote-User": "admin", "Remote-User": "admin", "X-Forwarded-User": "admin", "X-Auth-Request-User": "admin"},
        {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-S-DN": "CN=admin", "X-Client-Cert": "x"},
        {"Cookie": "gridiface=admin; gridiface-00000000=admin; user=admin; role=admin"},
        {"Authorization": "Bearer null"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
    ],
)
async def test_forged_headers_open_nothing(make_house: Any, headers: dict[str, str]) -> None:
    house = await make_house(rules={"open_reads": False})
    assert (await house.ask("GET", "/api/v1/users", headers=headers))[0] == 401
    assert (await house.ask("POST", "/api/v1/tokens", json={"name": "x", "scopes": ["admin"]}, headers=headers))[
        0
    ] == 401


async def test_forged_addresses_do_not_share_out_guesses(house: Any) -> None:
    told = []
    for n in range(11):
        headers = {"X-Forwarded-For": f"10.0.0.{n}", "Authorization": "Bearer wrong"}
        told.append((await house.ask("GET", "/api/v1/status", headers=headers))[0])
    assert told == [401] * 10 + [429]


async def test_two_authorizations_are_refused(house: Any) -> None:
    headers = [("Authorization", "Bearer a"), ("Authorization", "Bearer b")]
    import aiohttp  # noqa: PLC0415 - only this test sends a header twice

    url = f"http://127.0.0.1:{house.pages.port}/api/v1/status"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        assert answer.status == 400


async def test_one_caller_cannot_take_it_all(make_house: Any) -> None:
    house = await make_house(rules={"burst": 5, "requests_per_s": 1.0, "open_reads": False})
    told = [(await house.ask("GET", "/api/v1/groups", scope="read"))[0] for _ in range(6)]
    assert told == [200] * 5 + [429]
    status, body, headers = await house.ask("GET", "/api/v1/groups", scope="read")
    assert (status, int(headers["Retry-After"]) >= 1, bool(body["fix"])) == (429, True, True)
    assert (await house.ask("GET", "/api/v1/groups", scope="control"))[0] == 200, "others go on"
    assert (await house.ask("GET", "/healthz"))[0] == 200
    house.clock.at += 2
    assert (await house.ask("GET", "/api/v1/groups", scope="read"))[0] == 200


@pytest.mark.parametrize("role", ROLES)
async def test_roles_reach_what_their_scopes_allow(make_house: Any, signed_in: Any, role: str) -> None:
    """Every role on every mounted route, with cookie and CSRF token."""
    house = await make_house(rules={"open_reads": False})
    if role != "admin":
        await signed_in(house, "admin", "other")
    browser = await signed_in(house, role, "tester")
    own = {"sign_out", "change_password", "set_up", "sign_in", "stream_events"}
    for area in house.pages.areas:
        for route in area.routes():
            if route.name in own:
                continue
            more = {} if route.body is None else {"json": {}}
            status = (await browser.ask(route.method, route.path.replace("{id}", "none-such"), **more))[0]
            may = route.scope is None or route.scope in allowed(ROLES[role])
            assert (status == 403) != may, (role, route.name, status)
            assert status != 401 or route.scope is None


def test_scopes_and_roles_are_tables_that_fit() -> None:
    assert set(ROLES) == {"viewer", "operator", "engineer", "admin", "auditor"}
    assert all(scope in IMPLIED for scopes in ROLES.values() for scope in scopes)
    assert allowed(ROLES["admin"]) == set(IMPLIED)
    assert "control" not in allowed(ROLES["auditor"]) | allowed(ROLES["viewer"])
    assert allowed(["unknown"]) == frozenset()
