"""Many units' writes in one gateway message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import Ack
from gridiface.drivers.gateway import WriteBatcher
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout


class Gateway:
    """Answers for every unit but those it refuses."""

    def __init__(self) -> None:
        self.messages: list[list[str]] = []
        self.refused: set[str] = set()
        self.broken: DeviceError | None = None
        self.short = False

    async def write_many(self, commands: Sequence[Setpoint]) -> Sequence[Ack | DeviceError]:
        self.messages.append([command.device_id for command in commands])
        await asyncio.sleep(0)
        if self.broken is not None:
            raise self.broken
        answers: list[Ack | DeviceError] = [
            DeviceRejected("no") if c.device_id in self.refused else Ack(device_id=c.device_id, at=0, written={"w": 1})
            for c in commands
        ]
        return answers[:-1] if self.short else answers


def told(name: str) -> Setpoint:
    return Setpoint(device_id=name, issued=0.0, active_power_w=1.0)


async def results(batcher: WriteBatcher, names: Sequence[str]) -> list[Any]:
    return await asyncio.gather(*(batcher.write(told(name)) for name in names), return_exceptions=True)


async def test_one_message_for_all_and_one_answer_for_each() -> None:
    gateway = Gateway()
    gateway.refused = {"u2"}
    answers = await results(WriteBatcher(gateway), ["u1", "u2", "u3"])
    assert gateway.messages == [["u1", "u2", "u3"]]
    assert [answers[0].device_id, answers[2].device_id] == ["u1", "u3"]
    assert isinstance(answers[1], DeviceRejected)


async def test_large_batches_are_cut() -> None:
    gateway = Gateway()
    await results(WriteBatcher(gateway, max_units=2), ["a", "b", "c", "d", "e"])
    assert gateway.messages == [["a", "b"], ["c", "d"], ["e"]]


@pytest.mark.parametrize("short", [False, True])
async def test_a_gateway_that_fails_fails_for_all(short: bool) -> None:
    gateway = Gateway()
    gateway.short = short
    gateway.broken = None if short else DeviceTimeout("silent")
    answers = await results(WriteBatcher(gateway), ["a", "b"])
    assert {type(answer) for answer in answers} == {DeviceRejected if short else DeviceTimeout}


async def test_a_cancelled_caller_is_left_out() -> None:
    gateway = Gateway()
    batcher = WriteBatcher(gateway)
    first, second = (asyncio.ensure_future(batcher.write(told(name))) for name in "ab")
    first.cancel()
    assert (await second).device_id == "b"
    assert gateway.messages == [["b"]] or gateway.messages == [["a", "b"]]
    assert (await batcher.write(told("c"))).device_id == "c"
