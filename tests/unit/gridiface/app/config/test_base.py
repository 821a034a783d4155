"""Identifiers and places to listen on."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError

from gridiface.app.config.base import Listen, Pin, host_port


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:http", "host:65536"])
def test_places_that_cannot_be_listened_on(text: str) -> None:
    with pytest.raises(ValidationError, match="HOST:PORT"):
        TypeAdapter(Listen).validate_python(text)


def test_brackets_are_dropped() -> None:
    assert host_port("[::1]:80") == ("::1", 80)


def test_a_mistyped_pin_is_refused_where_it_stands() -> None:
    assert TypeAdapter(Pin).validate_python(111115) == 111115
    with pytest.raises(ValidationError, match="PIN 000001 is mistyped: its last digit makes"):
        TypeAdapter(Pin).validate_python(1)
    with pytest.raises(ValidationError):
        TypeAdapter(Pin).validate_python(1_111_115)
