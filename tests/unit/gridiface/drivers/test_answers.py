"""Batches are settled ticket by ticket, each once, and counted."""

from typing import Any

from gridiface.domain.controls import DeliveryOutcome, Setpoint
from gridiface.drivers.answers import Answers
from gridiface.drivers.breaker import CircuitBreaker
from gridiface.drivers.lane import DevicePolicy, Lane, Ticket


def test_a_ticket_is_settled_once_and_the_last_one_ends_its_batch(virtual: Any, virtual_clock: Any) -> None:
    async def tale() -> None:
        answers = Answers(virtual_clock)
        batch = answers.open(2)
        one, two = (
            Ticket(Setpoint(device_id=name, issued=0.0), 5.0, batch, index, limit=3) for index, name in enumerate("ab")
        )
        answers.resolve(one, DeliveryOutcome.ACKNOWLEDGED, "held")
        answers.resolve(one, DeliveryOutcome.TIMEOUT, "again")
        assert (batch.done.done(), one.open, two.open) == (False, False, True)
        answers.superseded(two, "a newer one came")
        assert batch.done.done()
        told = [(d.device_id, d.outcome, d.detail) for d in batch.results if d is not None]
        assert told == [
            ("a", DeliveryOutcome.ACKNOWLEDGED, "held"),
            ("b", DeliveryOutcome.LATE, "a newer one came"),
        ]
        counters = answers.counters
        assert (counters.acknowledged, counters.timeouts, counters.late, counters.superseded) == (1, 0, 1, 1)

    virtual(tale())


def test_what_waits_is_dropped_and_later_batches_have_larger_numbers(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        answers = Answers(virtual_clock)
        first, second = answers.open(1), answers.open(1)
        assert first.number < second.number
        lane = Lane(scripted("d"), DevicePolicy(), CircuitBreaker(), None)
        answers.drop_waiting(lane, "nothing waits")
        lane.waiting = Ticket(Setpoint(device_id="d", issued=0.0), 5.0, first, 0, limit=3)
        answers.drop_waiting(lane, "the device was removed")
        assert (lane.waiting, first.done.done(), second.done.done()) == (None, True, False)

    virtual(tale())
