"""When it is looked whether a SunSpec device still holds what it was told, and what counts as forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from gridiface_southbound.looking import LOOK_S
from gridiface_southbound.sunspec.functions import Ceiling704, Effect, Power704, Ratings
from gridiface_southbound.sunspec.holding import Holding, lost
from gridiface_southbound.sunspec.models import Block
from gridiface_southbound.sunspec.registers import Registers

CONTROLS = {
    **dict.fromkeys(("WSetEna", "WSetMod", "WSet", "WSetRvrt", "WSetRvrtTms", "WSet_SF", "WMaxLimPctEna"), 0),
    **dict.fromkeys(("WMaxLimPct", "WMaxLimPctRvrt", "WMaxLimPctRvrtTms"), 0),
    "WMaxLimPct_SF": -2,
}


@pytest.fixture(name="held_block")
def _held_block(block: Any) -> Block:
    made: Block = block(704, CONTROLS)
    return made


def effects(held_block: Block, timer: float | None = None) -> dict[str, Effect]:
    limits = Ratings(max_w=10_000.0)
    power, ceiling = Power704.find({704: held_block}, limits), Ceiling704.find({704: held_block}, limits)
    assert power is not None
    assert ceiling is not None
    return {
        "active_power": power.set(1000.0, revert_s=timer, ramp_s=None),
        "ceiling": ceiling.set(5000.0, revert_s=timer, ramp_s=None),
    }


def holding(held_block: Block, timer: float | None = None) -> Holding:
    held = Holding()
    held.told(effects(held_block, timer), now=100.0, connects=1)
    return held


def test_when_it_is_looked(held_block: Block) -> None:
    held = holding(held_block)
    assert held.to_be_seen(now=101.0, connects=1) == []
    assert len(held.to_be_seen(now=101.0, connects=2)) == 2
    assert len(held.to_be_seen(now=100.0 + LOOK_S, connects=1)) == 2
    held.doubt()
    assert len(held.to_be_seen(now=101.0, connects=1)) == 2
    held.seen(now=101.0, connects=1)
    assert held.to_be_seen(now=102.0, connects=1) == []


def test_with_a_timer_only_until_it_ends_and_only_with_a_reason(held_block: Block) -> None:
    held = holding(held_block, timer=20.0)
    assert held.to_be_seen(now=117.0, connects=2)
    assert held.to_be_seen(now=118.0, connects=2) == []
    assert holding(held_block, timer=200.0).to_be_seen(now=100.0 + LOOK_S, connects=1) == []


def test_what_lets_go_or_is_being_told_leaves_nothing_to_look_at(held_block: Block) -> None:
    held = holding(held_block)
    power = Power704.find({704: held_block}, Ratings(max_w=10_000.0))
    assert power is not None
    held.told({"active_power": power.release()}, now=101.0, connects=1)
    assert len(held.to_be_seen(now=102.0, connects=2)) == 1
    held.begin(("ceiling",))
    assert held.to_be_seen(now=102.0, connects=2) == []


def test_what_is_lost_is_named_and_timers_are_none(held_block: Block) -> None:
    forms = [effect.form for effect in effects(held_block, 60.0).values()]
    data = bytearray(held_block.data)
    for form in forms:
        for offset, registers in form.writes:
            data[2 * offset : 2 * offset + len(registers)] = registers
    told = Block(held_block.model, held_block.address, bytes(data))
    assert lost(forms, {704: told}) == ""
    at = 2 * held_block.model.points["WSetRvrtTms"].offset
    counted = bytes(data[:at]) + (17).to_bytes(4, "big") + bytes(data[at + 4 :])
    assert lost(forms, {704: Block(held_block.model, held_block.address, counted)}) == ""
    assert "704 WSetEna reads 0.0 after 1 was written" in lost(forms, {704: held_block})
    assert lost(forms, {}) == ""


async def test_a_device_that_cannot_be_reached_is_not_asked_without_a_reason(held_block: Block) -> None:
    held = holding(held_block)
    closed = Registers("d", 1, 1.0)
    held.seen(now=100.0, connects=0)
    assert await held.look(closed, {704: held_block}, 101.0) == ""
