"""Identifiers and places to listen on."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gridiface.app.config.base import Listen, Pin, host_port


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:http", "host:65536"])
def test_places_that_cannot_be_listened_on(text: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        TypeAdapter(Listen).validate_python(text)


@pytest.mark.parametrize(
    "host", ["my host", "http://127.0.0.1", "::1", "12", "127.0.0.256", "[127.0.0.1]", "[::1", "a/b", "-a", "[here]"]
)
def test_what_is_no_host_is_told_so(host: str) -> None:
    with pytest.raises(ValidationError, match="is no host; write HOST:PORT"):
        TypeAdapter(Listen).validate_python(f"{host}:8080")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::]", "[fe80::1%eth0]", "localhost", "my_host", "a.example.", "3com.example"]
)
def test_what_is_a_host(host: str) -> None:
    assert TypeAdapter(Listen).validate_python(f"{host}:8080") == f"{host}:8080"


def test_brackets_are_dropped() -> None:
    assert host_port("[::1]:80") == ("::1", 80)


def test_a_mistyped_pin_is_refused_where_it_stands() -> None:
    assert TypeAdapter(Pin).validate_python(111115) == 111115
    with pytest.raises(ValidationError, match="PIN 000001 is mistyped: its last digit makes"):
        TypeAdapter(Pin).validate_python(1)
    with pytest.raises(ValidationError):
        TypeAdapter(Pin).validate_python(1_111_115)
