"""OAuth 2.0 client credentials, by the words of RFC 6749 and 7009."""

from __future__ import annotations

import base64
from typing import Any

import pytest

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CONTROL = {"target": {"kind": "group", "id": "fleet"}, "values": {"set_w": 1000.0}, "duration_s": 60}


async def client(house: Any, scope: str = "control", **more: Any) -> Any:
    asked = {"name": f"machine {scope}", "scopes": [scope], "days": 1, **more}
    return (await house.ask("POST", "/api/v1/tokens", scope="admin", json=asked))[1]


def basic(made: Any, secret: str = "") -> dict[str, str]:
    pair = f"{made['client_id']}:{secret or made['client_secret']}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


async def grant(house: Any, made: Any, scope: str = "") -> tuple[int, Any, dict[str, str]]:
    data = {"grant_type": "client_credentials", "client_id": made["client_id"], "client_secret": made["client_secret"]}
    found: tuple[int, Any, dict[str, str]] = await house.ask(
        "POST", "/oauth2/token", data=data | ({"scope": scope} if scope else {})
    )
    return found


@pytest.mark.parametrize("how", ["basic", "post", "whole token"])
async def test_a_machine_gets_an_access_token_and_uses_it(house: Any, how: str) -> None:
    made = await client(house)
    data, headers = {"grant_type": "client_credentials", "scope": "dispatch:write asset:read"}, {}
    if how == "basic":
        headers = basic(made)
    else:
        secret = made["client_secret"] if how == "post" else made["token"]
        data |= {"client_id": made["client_id"], "client_secret": secret}
    status, body, told = await house.ask("POST", "/oauth2/token", data=data, headers=headers)
    assert (status, body["token_type"], body["scope"]) == (200, "Bearer", "dispatch:write asset:read")
    assert 0 < body["expires_in"] <= 3600
    assert (told["Cache-Control"], told["Pragma"]) == ("no-store", "no-cache")
    # gridiface_ID_SECRET: the secret may have the sign between them
    assert body["access_token"].split("_", 2)[2].encode() not in b"".join(house.records.kept.values())
    assert (await house.ask("POST", "/api/v1/controls", token=body["access_token"], json=CONTROL))[0] == 201
    assert house.inbox.controls[-1].source.identity == "machine control"
    assert (await house.ask("GET", "/api/v1/users", token=body["access_token"]))[0] == 403


async def test_scopes_are_at_most_the_clients(house: Any) -> None:
    made = await client(house)
    narrow = (await grant(house, made, "telemetry:stream"))[1]
    assert (await house.ask("GET", "/api/v1/devices", token=narrow["access_token"]))[0] == 403
    assert (await house.ask("POST", "/api/v1/controls", token=narrow["access_token"], json=CONTROL))[0] == 403
    for wanted in ("admin", "asset:write", "nonsense", 'x"y'):
        status, body, _ = await grant(house, made, wanted)
        assert (status, body["error"]) == (400, "invalid_scope"), wanted
        assert '"' not in body["error_description"]


async def test_access_ends_with_time_revocation_and_the_client(house: Any) -> None:
    made = await client(house)
    first, second = (await grant(house, made))[1], (await grant(house, made))[1]

    async def works(answer: Any) -> bool:
        return bool((await house.ask("GET", "/api/v1/devices", token=answer["access_token"]))[0] == 200)

    assert await works(first)
    gone = {"token": first["access_token"]}
    assert (await house.ask("POST", "/oauth2/revoke", data=gone, headers=basic(await client(house, "read"))))[0] == 200
    assert await works(first), "it is another client's"
    assert (await house.ask("POST", "/oauth2/revoke", data=gone, headers=basic(made)))[0] == 200
    assert not await works(first)
    assert (await house.ask("POST", "/oauth2/revoke", data={"token": "x"}, headers=basic(made)))[0] == 200
    assert await works(second)
    house.clock.at += 3_601
    assert not await works(second)
    third = (await grant(house, made))[1]
    await house.ask("DELETE", f"/api/v1/tokens/{made['id']}", scope="admin")
    assert not await works(third)


@pytest.mark.parametrize(
    ("data", "status", "error"),
    [
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, 401, "invalid_client"),
        (b"grant_type=a&grant_type=b", 400, "invalid_request"),
        (b"grant_type=%ff", 401, None),
        (b"\xff\xfe", 400, "invalid_request"),
    ],
)
async def test_errors_are_those_of_the_rfc(house: Any, data: Any, status: int, error: str | None) -> None:
    answered, body, headers = await house.ask("POST", "/oauth2/token", data=data, headers=FORM)
    if error is None:
        assert answered in {400, 401}
        return
    assert (answered, body["error"]) == (status, error)
    assert headers["Cache-Control"] == "no-store"
    assert ("Basic" in headers.get("WWW-Authenticate", "")) == (status == 401)


async def test_json_two_ways_and_broken_basic_are_refused(house: Any) -> None:
    made = await client(house)
    assert (await house.ask("POST", "/oauth2/token", json={"grant_type": "client_credentials"}))[0] == 400
    both = {"grant_type": "client_credentials", "client_secret": "x"}
    assert (await house.ask("POST", "/oauth2/token", data=both, headers=basic(made)))[0] == 400
    for broken in ("Basic !!", "Basic eA==", "Negotiate eA=="):
        one = {"grant_type": "client_credentials"}
        answered = await house.ask("POST", "/oauth2/token", data=one, headers={"Authorization": broken})
        assert answered[0] == 401, broken


async def test_guessing_secrets_is_slowed_down(house: Any) -> None:
    made = await client(house)
    wrong = {"grant_type": "client_credentials"}
    told = [(await house.ask("POST", "/oauth2/token", data=wrong, headers=basic(made, "no")))[0] for _ in range(11)]
    assert told == [401] * 10 + [429]
    access = await grant(house, made)
    assert access[0] == 200, "the right secret passes beside them: nobody can lock it out"
    assert (await house.ask("GET", "/api/v1/devices", token=access[1]["access_token"]))[0] == 200
    assert (await house.ask("POST", "/oauth2/token", data=wrong, headers=basic(made, "no")))[0] == 429


async def test_access_tokens_of_one_client_are_bounded_and_kept(house: Any) -> None:
    made = await client(house)
    first = (await grant(house, made))[1]["access_token"]
    for _ in range(20):
        house.clock.at += 1
        last = (await grant(house, made))[1]["access_token"]
    assert (await house.ask("GET", "/api/v1/devices", token=first))[0] == 401
    await house.desk.access_tokens.load(house.clock.now())
    assert (await house.ask("GET", "/api/v1/devices", token=last))[0] == 200


async def test_metadata_names_the_endpoints(house: Any) -> None:
    body = (await house.ask("GET", "/.well-known/oauth-authorization-server"))[1]
    assert body["token_endpoint"] == f"http://127.0.0.1:{house.pages.port}/oauth2/token"
    assert {"dispatch:write", "asset:read", "telemetry:stream"} <= set(body["scopes_supported"])
