"""Verifiers of credit tokens are found by entry point."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from gridiface.app.fronts import credit_tokens
from gridiface.app.fronts.credit_tokens import ENTRY_POINTS, verifier_of
from gridiface.errors import ConfigError


class Good:
    async def verify(self, offer: Any) -> Any:
        """Never asked here."""


class NoVerifier:
    """Has no `verify`."""


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"vouchers": "Good", "broken": "NoVerifier", "gone": "Missing"}
    points = [EntryPoint(name, f"{__name__}:{value}", ENTRY_POINTS) for name, value in names.items()]
    monkeypatch.setattr(credit_tokens, "entry_points", lambda group: points if group == ENTRY_POINTS else [])


def test_none_and_one_by_its_name() -> None:
    assert verifier_of("none") is None
    assert type(verifier_of("vouchers")).__name__ == "Good"


@pytest.mark.parametrize(
    ("name", "said"),
    [("voucher", "known: broken, gone, none, vouchers"), ("broken", "no `verify`"), ("gone", "cannot be made")],
)
def test_what_is_none_is_told(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        verifier_of(name)
