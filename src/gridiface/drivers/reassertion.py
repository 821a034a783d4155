"""Tells devices again before their own timers run out, so that they go on with what they hold.

Owned here: when, and what a failure means. Not owned: how a command is sent (attempts), what a device holds (held).
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

from gridiface.domain.clock import Clock
from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.drivers.answers import Answers
from gridiface.drivers.api import Ack
from gridiface.drivers.lane import Batch, Lane, Ticket


class Reassertion:
    """The timers of one dispatcher.

    Args:
        answers: where its own batches are opened.
        clock: wall clock, for the ends of set-points.
        chance: jitter.
        submit: sends a ticket; the second argument is the loop's time.
        expire: settles the tickets of a batch whose deadline has come.
        told: what became of each re-assertion.
    """

    def __init__(
        self,
        answers: Answers,
        clock: Clock,
        chance: random.Random,
        *,
        submit: Callable[[Ticket, float], None],
        expire: Callable[[Batch], None],
        told: Callable[[Delivery], None] | None,
    ) -> None:
        self._answers, self._clock, self._chance = answers, clock, chance
        self._submit, self._expire, self._on_reassert = submit, expire, told

    def arm(self, lane: Lane, ack: Ack, now: float, *, whole: bool) -> None:
        """Plan the next re-assertion: at half of the device's own timer, of the earliest one that runs."""
        held = lane.held
        if ack.revert_s is None or held is None or held.release:
            if whole:
                lane.due, lane.holds_until = float("inf"), float("inf")
        else:
            due, until = now + ack.revert_s * self._chance.uniform(0.45, 0.5), now + ack.revert_s
            lane.due = due if whole else min(lane.due, due)
            lane.holds_until = until if whole else min(lane.holds_until, until)
        if lane.due == float("inf"):
            if lane.timer is not None:
                lane.timer.cancel()
                lane.timer = None
        elif lane.timer is None or lane.timer.when() > lane.due:
            if lane.timer is not None:
                lane.timer.cancel()
            lane.timer = asyncio.get_running_loop().call_at(lane.due, self._reassert, lane)

    def lost(self, lane: Lane) -> None:
        """The device was opened anew, maybe after a restart: what still counts of what it was told is told again."""
        held = lane.held
        lane.forget()
        if held is not None and not held.release and self._on_reassert is not None:
            why = "the device was opened anew: what it holds is not known"
            at, outcome = self._clock.now(), DeliveryOutcome.LATE
            self._on_reassert(Delivery(device_id=lane.id, outcome=outcome, at=at, setpoint=held, detail=why))

    def _reassert(self, lane: Lane) -> None:
        loop = asyncio.get_running_loop()
        lane.timer = None
        held, now = lane.held, loop.time()
        if held is None or lane.closed:
            return
        if now < lane.due - 0.001:
            # The device was told again since this was planned.
            lane.timer = loop.call_at(lane.due, self._reassert, lane)
            return
        ending = held.valid_until is not None and held.valid_until - self._clock.now() <= lane.holds_until - now
        if ending:
            return  # Its time ends before the device's timer does: falling back is what is wanted.
        if lane.busy:
            # A newer command is on its way; if it does not get through, there is time for another look.
            lane.timer = loop.call_later(max(0.05, (lane.holds_until - now) / 4), self._reassert, lane)
            return
        batch = self._answers.again(lane)
        # What was let go of is gone; only what is held is told again.
        ticket = Ticket(replace(held, let_go=frozenset()), lane.holds_until, batch, 0, limit=3)
        ticket.reassert = True
        batch.tickets.append(ticket)
        self._answers.counters.reasserted += 1
        end = loop.call_at(lane.holds_until, self._expire, batch)
        batch.done.add_done_callback(lambda _: self._reasserted(lane, batch, end))
        self._submit(ticket, now)

    def _reasserted(self, lane: Lane, batch: Batch, end: asyncio.TimerHandle) -> None:
        end.cancel()
        delivery = batch.results[0]
        if delivery is None:
            return
        ticket = batch.tickets.pop()  # it names the batch, too: a ring would be left to the garbage collector
        if delivery.outcome is not DeliveryOutcome.ACKNOWLEDGED and not ticket.superseded:
            self._answers.counters.reassert_failures += 1
            lane.forget()
        if self._on_reassert is not None:
            self._on_reassert(delivery)
