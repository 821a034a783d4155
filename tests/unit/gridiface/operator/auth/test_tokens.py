"""Tokens: only their digest is kept, other processes' changes are seen, nothing wrong is recognised."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.auth.tokens import SPACE, TokenBook


async def test_secret_is_kept_as_digest_only(house: Any) -> None:
    secret = house.tokens["admin"].split("_", 2)[2]
    kept = b"".join(body for (space, _), body in house.records.kept.items() if space == SPACE)
    assert secret.encode() not in kept
    assert kept.count(b"sha256") == len(house.tokens)


async def test_tokens_of_another_process_are_found(house: Any) -> None:
    other = TokenBook(house.records)
    await other.load(100.0)
    made = await other.create("late", ["read"], 1.0, 103.0, by="test")
    assert await house.desk.tokens.verify(made["token"], 103.0) is not None
    await other.revoke("late", 104.0, by="test")
    assert await house.desk.tokens.verify(made["token"], 150.0) is None


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "A", lambda t: t.swapcase(), lambda t: "x" + t])
async def test_changed_tokens_are_not_recognised(house: Any, change: Any) -> None:
    assert await house.desk.tokens.verify(change(house.tokens["read"]), 100.0) is None


async def test_name_is_taken_until_its_token_expires(house: Any) -> None:
    book = house.desk.tokens
    with pytest.raises(ConfigError, match="already"):
        await book.create("reader", ["read"], 1.0, 100.0, by="test")
    await book.create("reader", ["read"], 1.0, 100_000.0, by="test")
    assert [row["name"] for row in book.rows(100_000.0)] == ["reader"], "expired ones go"


async def test_scopes_imply_smaller_ones(house: Any) -> None:
    found = {scope: await house.desk.tokens.verify(text, 100.0) for scope, text in house.tokens.items()}
    allowed = {scope: {s for s in house.tokens if token.allows(s)} for scope, token in found.items()}
    assert allowed == {
        "stream": {"stream"},
        "read": {"read", "stream"},
        "control": {"read", "stream", "control"},
        "configure": {"read", "stream", "configure"},
        "audit": {"read", "stream", "audit"},
        "admin": set(house.tokens),
    }


async def test_one_token_is_read_and_revoked_as_it_was_read(house: Any) -> None:
    path = "/api/v1/tokens/reader"
    await house.desk.tokens.create("reader2", ["read"], 1.0, house.clock.at, by="test")
    status, body, headers = await house.ask("GET", path, scope="admin")
    assert (status, body["name"], "token" in body) == (200, "reader", False)
    other = {"If-Match": '"another"'}
    assert (await house.ask("DELETE", path, scope="admin", headers=other))[0] == 412
    assert (await house.ask("DELETE", path, scope="admin", headers={"If-Match": headers["ETag"]}))[0] == 200
    assert (await house.ask("GET", path, scope="admin"))[0] == 404
