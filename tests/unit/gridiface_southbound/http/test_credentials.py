"""Tokens: what is asked of the authorisation server, when, and what of its answers is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gridiface.errors import DeviceRejected
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.http.credentials import Fixed, TokenFile, _error_in, _token_in, credentials_for

GOOD = {"access_token": "abc.def", "token_type": "Bearer", "expires_in": 60}


def config(**keys: Any) -> HttpConfig:
    return HttpConfig(**({"url": "https://h", "table": "fronius-solar-api", "rating_w": 1.0} | keys))


@pytest.mark.parametrize(
    ("changes", "life"),
    [({}, 60.0), ({"token_type": "bearer"}, 60.0), ({"expires_in": "90"}, 90.0), ({"expires_in": None}, None)],
)
def test_a_token_and_its_life(changes: dict[str, Any], life: float | None) -> None:
    answer = {name: value for name, value in (GOOD | changes).items() if value is not None}
    assert _token_in(json.dumps(answer).encode()) == ("abc.def", life or 3600.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"access_token": ""}, {"access_token": 5}, {"access_token": "a\r\nX: y"}, {"access_token": "x" * 20_000},
        {"token_type": "mac"}, {"token_type": None}, {"expires_in": -1}, {"expires_in": True}, {"expires_in": "soon"},
        {"expires_in": 1e300},
    ],
)  # fmt: skip
def test_what_is_no_token_is_refused_and_not_repeated(changes: dict[str, Any]) -> None:
    with pytest.raises(DeviceRejected, match="token_url") as caught:
        _token_in(json.dumps(GOOD | changes).encode())
    assert "abc.def" not in str(caught.value)
    for body in (b"", b"[]", b"<html>"):
        with pytest.raises(DeviceRejected, match="token_url"):
            _token_in(body)


def test_an_error_code_is_told_and_nothing_else() -> None:
    assert _error_in(b'{"error": "invalid_client"}') == " (invalid_client)"
    for body in (b"", b"[]", b'{"error": "a b<script>"}', b'{"error": 5}'):
        assert _error_in(body) == ""


async def test_a_token_file_is_read_again_when_the_token_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    tokens = credentials_for(config(auth="bearer", token_file=file))
    assert isinstance(tokens, TokenFile)
    assert not tokens.renewed()
    file.write_text("two")
    assert await tokens.header() == "Bearer one"
    assert tokens.renewed()
    assert await tokens.header() == "Bearer two"
    await tokens.close()


async def test_without_authentication_there_is_no_header() -> None:
    nobody = credentials_for(config())
    assert isinstance(nobody, Fixed)
    assert (await nobody.header(), nobody.renewed()) == (None, False)
    await nobody.close()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"auth": "oauth"}, "needs token_url"),
        ({"auth": "oauth", "user": "u", "password_file": "f", "token_url": "ftp://h"}, "begins with http"),
        ({"auth": "oauth", "user": "u", "password_file": "f", "token_url": "https://a:b@h"}, "holds no password"),
        ({"auth": "oauth", "user": "u", "password_file": "f", "token_url": "http://h/t"}, "shows the secret"),
        ({"token_url": "https://h/t"}, "are for auth oauth"),
    ],
)
def test_what_is_wrong_is_said(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        config(**keys)
