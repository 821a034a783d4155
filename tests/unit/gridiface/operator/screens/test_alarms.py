"""Alarms on their page."""

from __future__ import annotations

from typing import Any


async def test_nothing_stands(house: Any) -> None:
    status, text, _ = await house.ask("GET", "/alarms")
    assert status == 200
    assert "No alarm stands" in text
