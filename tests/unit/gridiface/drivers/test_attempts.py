"""One command on its way to one device; whole batches are test_dispatcher's."""

import asyncio
import random
from typing import Any

from gridiface.domain.controls import DeliveryOutcome, Setpoint
from gridiface.drivers.answers import Answers
from gridiface.drivers.attempts import Attempts
from gridiface.drivers.breaker import CircuitBreaker
from gridiface.drivers.lane import Batch, DevicePolicy, DispatchSettings, Lane, Ticket
from gridiface.errors import DeviceTimeout


class Way:
    """One lane to a scripted device, and what was acknowledged on it."""

    def __init__(self, clock: Any, driver: Any) -> None:
        self.answers = Answers(clock)
        self.held: list[tuple[float | None, bool]] = []
        self.attempts = Attempts(self.answers, clock, DispatchSettings(), random.Random(1), held_on=self._held)
        self.lane = Lane(driver, DevicePolicy(), CircuitBreaker(), None)

    def _held(self, lane: Lane, ack: Any, now: float, *, whole: bool) -> None:
        self.held.append((ack.active_power_w, whole))

    def offer(self, watts: float, within: float = 5.0, batch: Batch | None = None) -> Ticket:
        now, batch = asyncio.get_running_loop().time(), batch or self.answers.open(1)
        ticket = Ticket(Setpoint(device_id="d", issued=now, active_power_w=watts), now + within, batch, 0, limit=3)
        batch.tickets.append(ticket)
        self.attempts.offer(self.lane, ticket, now)
        return ticket


def outcome(ticket: Ticket) -> DeliveryOutcome | None:
    delivery = ticket.batch.results[0]
    return None if delivery is None else delivery.outcome


def test_it_is_tried_again_until_the_device_takes_it_and_told_once(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        driver = scripted("d")
        driver.failures = [DeviceTimeout("no"), DeviceTimeout("no")]
        way = Way(virtual_clock, driver)
        ticket = way.offer(7.0)
        await ticket.batch.done
        assert (outcome(ticket), ticket.attempts, way.lane.suspect) == (DeliveryOutcome.ACKNOWLEDGED, 3, False)
        assert way.held == [(7.0, True)]
        assert way.lane.held is ticket.setpoint

    virtual(tale())


def test_at_its_deadline_it_ends_and_the_lane_goes_on(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        driver = scripted("d", seconds=10.0)
        way = Way(virtual_clock, driver)
        slow = way.offer(1.0, within=1.0)
        await asyncio.sleep(1.5)
        way.attempts.expire(slow.batch)
        assert outcome(slow) is DeliveryOutcome.TIMEOUT
        driver.seconds = 0.01
        following = way.offer(2.0)
        await following.batch.done
        assert (outcome(following), driver.cancelled) == (DeliveryOutcome.ACKNOWLEDGED, 1)

    virtual(tale())


def test_a_device_whose_turn_came_late_is_not_blamed_for_the_time_it_did_not_have(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    """It was told a tenth of a second before the end: what it says later counts, and so does that it says nothing."""

    async def tale() -> None:
        driver = scripted("d", seconds=0.5)
        way = Way(virtual_clock, driver)
        for seconds, cancelled in ((0.5, 0), (10.0, 1)):
            driver.seconds = seconds
            batch = way.answers.open(1)
            batch.began -= 4.9
            ticket = way.offer(seconds, within=0.1, batch=batch)
            await asyncio.sleep(0.2)
            way.attempts.expire(batch)
            assert outcome(ticket) is DeliveryOutcome.LATE
            assert "d" in way.answers.behind
            await asyncio.sleep(1.0)
            assert driver.cancelled == cancelled
            assert way.lane.suspect is bool(cancelled)
            assert (way.lane.held is None) is bool(cancelled)

    virtual(tale())


def test_what_comes_back_on_a_closed_lane_does_not_count(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        way = Way(virtual_clock, scripted("d", seconds=1.0))
        way.offer(1.0)
        await asyncio.sleep(0.1)
        way.lane.closed = True
        assert way.lane.task is not None
        way.lane.task.cancel()
        await asyncio.gather(way.lane.task, return_exceptions=True)
        assert (way.held, way.lane.held) == ([], None)

    virtual(tale())
