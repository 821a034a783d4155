"""Signing in and what only some may see."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/controls", "/controls"),
        ("//evil.example/x", "/"),
        ("/%5Cevil.example", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
async def test_signing_in_leads_only_to_this_server(house: Any, wanted: str, goes: str) -> None:
    status, text, _ = await house.ask("GET", f"/login?next={wanted}")
    assert status == 200
    assert f'data-next="{goes}"' in text


async def test_pages_of_admins_and_auditors_are_theirs(house: Any) -> None:
    for path, scope in (("/users", "admin"), ("/tokens", "admin"), ("/audit", "audit")):
        assert (await house.ask("GET", path, scope="read"))[0] == 403
        status, text, _ = await house.ask("GET", path, scope=scope)
        assert status == 200, text
    _, text, _ = await house.ask("GET", "/", scope="read")
    assert 'href="/users"' not in text
    _, text, _ = await house.ask("GET", "/", scope="admin")
    assert 'href="/users"' in text


async def test_users_tokens_and_their_changes_are_listed_without_secrets(house: Any) -> None:
    _, made, _ = await house.ask("POST", "/api/v1/users", scope="admin", json={"name": "ada", "role": "operator"})
    _, text, _ = await house.ask("GET", "/users", scope="admin")
    assert "ada" in text
    assert made["ticket"] not in text
    _, text, _ = await house.ask("GET", "/audit?q=ADA", scope="audit")
    assert "user.create" in text
    assert made["ticket"] not in text
    _, text, _ = await house.ask("GET", "/tokens", scope="admin")
    assert "controler" in text
    assert house.tokens["control"] not in text


async def test_nobody_and_anybody_have_an_account_page(house: Any) -> None:
    for path in ("/account", "/setup", "/approvals"):
        assert (await house.ask("GET", path))[0] == 200
