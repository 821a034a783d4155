"""Users over HTTP: invited with a ticket, changed under an ETag, removed; never without an admin."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gridiface.errors import ConfigError

#: Of every user of the tests, see conftest.
PASSWORD = "rain over the northern feeder"


async def invited(house: Any, name: str = "ann", role: str = "operator") -> Any:
    status, body, _ = await house.ask("POST", "/api/v1/users", scope="admin", json={"name": name, "role": role})
    assert status == 201
    return body


async def test_a_new_user_chooses_a_password_with_the_ticket_once(house: Any, browser_of: Any) -> None:
    made = await invited(house)
    assert made["user"]["state"] == "invited"
    assert made["ticket"].encode() not in b"".join(house.records.kept.values())
    browser = browser_of(house)
    first = {"ticket": made["ticket"], "password": PASSWORD}
    assert (await browser.ask("POST", "/api/v1/session/setup", json=first | {"password": "short"}))[0] == 422
    status, body, _ = await browser.ask("POST", "/api/v1/session/setup", json=first)
    assert (status, body["name"]) == (201, "ann")
    assert (await browser_of(house).ask("POST", "/api/v1/session/setup", json=first))[0] == 401, "used"
    assert (await house.ask("GET", "/api/v1/users/ANN", scope="admin"))[1]["state"] == "active"


async def test_tickets_end_with_their_time_and_with_a_newer_one(house: Any, browser_of: Any) -> None:
    made = await invited(house)
    status, newer, _ = await house.ask("POST", "/api/v1/users/ann/invite", scope="admin", json={})
    assert status == 200
    old = {"ticket": made["ticket"], "password": PASSWORD}
    assert (await browser_of(house).ask("POST", "/api/v1/session/setup", json=old))[0] == 401
    house.clock.at += 86_400
    late = {"ticket": newer["ticket"], "password": PASSWORD}
    assert (await browser_of(house).ask("POST", "/api/v1/session/setup", json=late))[0] == 401


async def test_guessing_tickets_is_slowed_down(house: Any, browser_of: Any) -> None:
    told = [
        (await browser_of(house).ask("POST", "/api/v1/session/setup", json={"ticket": f"x{n}", "password": PASSWORD}))[
            0
        ]
        for n in range(11)
    ]
    assert told == [401] * 10 + [429]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "ann", "role": "operator"}, 409),
        ({"name": "ANN", "role": "operator"}, 409),
        ({"name": "a b", "role": "operator"}, 422),
        ({"name": "bob", "role": "boss"}, 422),
        ({"name": "bob", "role": "operator", "groups": ["nowhere"]}, 422),
        ({"name": "bob", "role": "operator", "groups": []}, 422),
        ({"name": "bob", "role": "admin", "groups": ["fleet"]}, 409),
        ({"name": "bob", "role": "operator", "groups": ["feeder"]}, 201),
    ],
)
async def test_what_a_user_may_be(house: Any, body: dict[str, Any], status: int) -> None:
    await invited(house)
    answered, told, _ = await house.ask("POST", "/api/v1/users", scope="admin", json=body)
    assert answered == status, told


async def test_changes_are_made_to_what_was_read(house: Any) -> None:
    await invited(house)
    _, row, headers = await house.ask("GET", "/api/v1/users/ann", scope="admin")
    etag = headers["ETag"]
    same = await house.ask("GET", "/api/v1/users/ann", scope="admin", headers={"If-None-Match": etag})
    assert (same[0], same[1]) == (304, "")
    change = {"role": "engineer", "groups": ["feeder"]}

    def patch(tag: str) -> Any:
        return house.ask("PATCH", f"/api/v1/users/{row['id']}", scope="admin", json=change, headers={"If-Match": tag})

    status, body, headers = await patch(etag)
    assert (status, body["role"], body["groups"]) == (200, "engineer", ["feeder"])
    status, body, _ = await patch(etag)
    assert (status, bool(body["fix"])) == (412, True)
    assert (await patch(f'"other", {headers["ETag"]}'))[0] == 200
    assert (await patch("*"))[0] == 200
    assert (await house.ask("PATCH", "/api/v1/users/ann", scope="admin", json={"whole_fleet": True}))[1][
        "groups"
    ] is None
    gone = await house.ask("DELETE", "/api/v1/users/ann", scope="admin", headers={"If-Match": etag})
    assert gone[0] == 412
    assert (await house.ask("DELETE", "/api/v1/users/ann", scope="admin"))[0] == 200
    assert (await house.ask("GET", "/api/v1/users/ann", scope="admin"))[0] == 404
    for path in ("/api/v1/users/ann/invite", "/api/v1/users/ann/sign-out"):
        assert (await house.ask("POST", path, scope="admin", json={}))[0] == 404


async def test_the_last_admin_stays(house: Any, signed_in: Any) -> None:
    await signed_in(house, "admin")
    for change in ({"role": "viewer"}, {"disabled": True}):
        status, body, _ = await house.ask("PATCH", "/api/v1/users/admin", scope="admin", json=change)
        assert (status, "last admin" in body["detail"]) == (409, True)
    assert (await house.ask("DELETE", "/api/v1/users/admin", scope="admin"))[0] == 409
    await signed_in(house, "admin", "second")
    assert (await house.ask("PATCH", "/api/v1/users/admin", scope="admin", json={"disabled": True}))[0] == 200


async def test_admins_sign_people_out(house: Any, signed_in: Any) -> None:
    browser = await signed_in(house, "viewer")
    house.clock.at += 1
    assert (await house.ask("POST", "/api/v1/users/viewer/sign-out", scope="admin", json={}))[0] == 200
    assert (await browser.ask("GET", "/api/v1/session"))[1]["name"] == ""
    assert await browser.sign_in("viewer") == 201


async def test_every_change_is_in_the_audit_log_without_secrets(house: Any, signed_in: Any, browser_of: Any) -> None:
    browser = await signed_in(house, "operator")
    await browser_of(house).sign_in("operator", "wrong but long enough")
    await browser_of(house).sign_in("my password typed as a name", "wrong but long enough")
    await browser.ask("DELETE", "/api/v1/session")
    entries = (await house.ask("GET", "/api/v1/audit?limit=100", scope="audit"))[1]["entries"]
    kinds = {entry["what"] for entry in entries}
    assert {"user.create", "user.password", "session.begin", "session.refused", "session.end"} <= kinds
    text = json.dumps(entries)
    assert "argon2" not in text
    assert "typed as a name" not in text
    assert PASSWORD not in text


async def test_a_user_of_elsewhere_has_no_password_here(house: Any) -> None:
    user, ticket = await house.desk.users.create("eve", "viewer", 100.0, by="oidc", subject="https://idp#eve")
    assert ticket == ""
    assert user.row()["state"] == "active"
    assert house.desk.users.of_subject("https://idp#eve") == user
    with pytest.raises(ConfigError, match="OpenID"):
        await house.desk.users.invite(user, 100.0, by="test")
    assert (await house.ask("POST", "/api/v1/users/eve/invite", scope="admin", json={}))[0] == 409
