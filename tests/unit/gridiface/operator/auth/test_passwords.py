"""Passwords: what is good enough; digests are argon2id, and an unknown user costs the same work."""

from __future__ import annotations

import asyncio

import pytest

from gridiface.errors import ConfigError
from gridiface.operator.auth import passwords
from gridiface.operator.problems import Refused


@pytest.mark.parametrize("text", ["rain over the feeder", "ä" * 6 + "bcdefghi", "x1!" * 4 + "unique words"])
def test_good_passwords(text: str) -> None:
    assert passwords.check(text, "somebody")


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "a" * 257,
        "aaaaaaaaaaaaaa",
        "12345678901234",
        "Password!2026",
        "CorrectHorseBatteryStaple",
        "some.body1234",
    ],
)
def test_what_is_guessed_first_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="password"):
        passwords.check(text, "some.body")


async def test_digest_is_argon2id_and_compares_in_one_normal_form() -> None:
    hashing = passwords.Hashing()
    composed, decomposed = "caf\u00e9 on the corner", "cafe\u0301 on the corner"
    digest = await hashing.digest(passwords.check(composed))
    assert digest.startswith("$argon2id$")
    assert composed not in digest
    assert await hashing.same(digest, decomposed)
    assert not await hashing.same(digest, "cafe on the corner")
    assert not await hashing.same(None, composed)
    assert not await hashing.same("", composed)
    assert not passwords.needs_renewal(digest)
    assert passwords.needs_renewal("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$QvxpPSqKwRu0mXK6MNzeYw")


async def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAITING", 2)
    hashing = passwords.Hashing()
    told = await asyncio.gather(*(hashing.same(None, "x") for _ in range(6)), return_exceptions=True)
    refused = [one for one in told if isinstance(one, Refused)]
    assert len(refused) == 4
    assert all(one.status == 503 and one.headers["Retry-After"] for one in refused)
    assert not await hashing.same(None, "x"), "and goes on after it"
