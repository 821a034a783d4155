"""When a device is told again; what a whole dispatcher makes of it is test_dispatcher's."""

import asyncio
import random
from typing import Any

from gridiface.domain.controls import DeliveryOutcome, Setpoint
from gridiface.drivers.answers import Answers
from gridiface.drivers.api import Ack
from gridiface.drivers.breaker import CircuitBreaker
from gridiface.drivers.lane import DevicePolicy, Lane
from gridiface.drivers.reassertion import Reassertion


def test_a_device_is_told_again_at_half_of_its_own_timer_and_forgotten_where_that_fails(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        loop, answers = asyncio.get_running_loop(), Answers(virtual_clock)
        sent: list[tuple[float, Any]] = []
        told: list[Any] = []
        reassertion = Reassertion(
            answers,
            virtual_clock,
            random.Random(1),
            submit=lambda ticket, now: sent.append((now, ticket)),
            expire=lambda batch: None,
            told=told.append,
        )
        lane = Lane(scripted("d"), DevicePolicy(), CircuitBreaker(), None)
        lane.held = Setpoint(device_id="d", issued=virtual_clock.now(), active_power_w=5.0)
        reassertion.arm(lane, Ack(device_id="d", at=0.0, revert_s=60.0), loop.time(), whole=True)
        await asyncio.sleep(26.0)
        assert sent == []
        await asyncio.sleep(5.0)
        ((at, ticket),) = sent
        assert 27.0 <= at <= 30.1
        assert (ticket.reassert, ticket.setpoint.active_power_w) == (True, 5.0)
        answers.resolve(ticket, DeliveryOutcome.TIMEOUT, "no answer")
        await asyncio.sleep(0)
        assert (lane.held, [d.outcome for d in told]) == (None, [DeliveryOutcome.TIMEOUT])
        assert (answers.counters.reasserted, answers.counters.reassert_failures) == (1, 1)

    virtual(tale())


def test_a_device_that_never_falls_back_is_not_told_again(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        loop = asyncio.get_running_loop()
        reassertion = Reassertion(
            Answers(virtual_clock),
            virtual_clock,
            random.Random(1),
            submit=lambda ticket, now: None,
            expire=lambda batch: None,
            told=None,
        )
        lane = Lane(scripted("d"), DevicePolicy(), CircuitBreaker(), None)
        lane.held = Setpoint(device_id="d", issued=virtual_clock.now(), active_power_w=5.0)
        reassertion.arm(lane, Ack(device_id="d", at=0.0, revert_s=60.0), loop.time(), whole=True)
        assert lane.timer is not None
        reassertion.arm(lane, Ack(device_id="d", at=0.0, revert_s=None), loop.time(), whole=True)
        assert (lane.timer, lane.due, lane.holds_until) == (None, float("inf"), float("inf"))

    virtual(tale())
