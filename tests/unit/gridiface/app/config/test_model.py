"""Field rules of the configuration's models."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gridiface.app.config.base import host_port
from gridiface.app.config.model import Client
from gridiface.domain.definitions import DeviceEntry


@pytest.mark.parametrize(
    ("text", "expected"), [("0.0.0.0:8443", ("0.0.0.0", 8443)), ("[::1]:0", ("::1", 0)), ("host:1", ("host", 1))]
)
def test_host_port(text: str, expected: tuple[str, int]) -> None:
    assert host_port(text) == expected


def test_client_needs_exactly_one_identity() -> None:
    with pytest.raises(ValidationError, match="exactly one"):
        Client.model_validate({"role": "utility"})


@pytest.mark.parametrize("name", ["", "-a", "a b", "x" * 65, "ä"])
def test_bad_identifiers_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="letters, digits"):
        DeviceEntry.model_validate({"id": name, "driver": "sunspec"})
