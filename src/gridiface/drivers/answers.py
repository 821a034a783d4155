"""Batches of set-points and what is answered for each: opened, settled once, counted. No decisions."""

from __future__ import annotations

import asyncio

from gridiface.domain.clock import Clock
from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.drivers.lane import Batch, DispatchCounters, Lane, Ticket


class Answers:
    """The answers of one dispatcher."""

    def __init__(self, clock: Clock) -> None:
        self.counters = DispatchCounters()
        #: Devices whose last set-point's turn did not come in time: they come first the next time.
        self.behind: set[str] = set()
        self._clock = clock
        self._batches = 0

    def open(self, size: int) -> Batch:
        """A batch that waits for so many deliveries, newer than all before."""
        self._batches += 1
        return Batch(size, asyncio.get_running_loop().create_future(), self._batches)

    def again(self, lane: Lane) -> Batch:
        """A batch that tells a device what it was told; it is no newer, and stands in the way of nothing newer."""
        return Batch(1, asyncio.get_running_loop().create_future(), lane.newest)

    def drop_waiting(self, lane: Lane, why: str) -> None:
        """What waits for this device is not sent any more."""
        ticket, lane.waiting = lane.waiting, None
        if ticket is not None and ticket.open:
            self.superseded(ticket, why)

    def superseded(self, ticket: Ticket, why: str) -> None:
        """A newer set-point for the same device came before this one."""
        self.counters.superseded += 1
        ticket.superseded = True
        self.resolve(ticket, DeliveryOutcome.LATE, why)

    def resolve(
        self, ticket: Ticket, outcome: DeliveryOutcome, detail: str = "", undone: frozenset[str] = frozenset()
    ) -> None:
        """Settle a ticket; twice is once."""
        batch, setpoint = ticket.batch, ticket.setpoint
        if batch.results[ticket.index] is not None:
            return
        retry_at = ticket.lane.breaker.retry_at() if outcome is DeliveryOutcome.BREAKER_OPEN and ticket.lane else None
        batch.results[ticket.index] = Delivery(
            device_id=setpoint.device_id,
            outcome=outcome,
            at=self._clock.now(),
            setpoint=setpoint,
            attempts=ticket.attempts,
            detail=detail,
            undone=undone,
            again_s=None if retry_at is None else max(0.0, retry_at - self._clock.monotonic()),
        )
        self.counters.count(outcome)
        if outcome is not DeliveryOutcome.LATE:
            if self.behind:
                self.behind.discard(setpoint.device_id)
        elif not ticket.superseded:
            self.behind.add(setpoint.device_id)
        batch.missing -= 1
        if not batch.missing and not batch.done.done():
            batch.done.set_result(None)
