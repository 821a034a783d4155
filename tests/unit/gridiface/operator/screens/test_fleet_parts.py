"""Drivers and the checklist of a first day."""

from __future__ import annotations

from typing import Any


async def test_drivers_say_who_answers_and_who_does_not(house: Any) -> None:
    _, text, _ = await house.ask("GET", "/drivers")
    assert "/devices?driver=sunspec" in text
    assert "it has not told its state" in text


async def test_the_checklist_knows_what_is_done(house: Any) -> None:
    _, text, _ = await house.ask("GET", "/start")
    assert "Devices are configured" in text
    assert "of 8 done" in text
    assert text.count('class="done"') >= 4
