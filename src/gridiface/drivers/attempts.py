"""How a command gets to one device: the short way without a task, the long way with attempts, backoff and breaker.

Owned here: one command per device at a time with the newest winning, attempts inside the deadline, the breaker's word,
the order on shared connections, bounded concurrency. Not owned: whole batches (dispatcher), bytes (drivers).

How one device cannot delay another: each has its own lane; only lanes of one shared connection wait for each other, and
there who answered last time goes first; devices whose last command failed share a small pool of their own, so that many
of them cannot fill the large one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import replace
from functools import partial
from typing import Protocol

from gridiface.domain.clock import Clock
from gridiface.domain.controls import DeliveryOutcome
from gridiface.drivers.answers import Answers
from gridiface.drivers.api import Ack, DeviceBusy, DeviceGone
from gridiface.drivers.held import covers, merged, unchanged
from gridiface.drivers.lane import Batch, DispatchSettings, Lane, Ticket
from gridiface.errors import DeviceError, DeviceTimeout

_log = logging.getLogger(__name__)

#: A device that had this part of its batch's time for its answer had enough.
_ENOUGH = 0.9


class HeldOn(Protocol):
    """Told of each acknowledged command; `whole`: it names all that the device holds. `now` in loop time."""

    def __call__(self, lane: Lane, ack: Ack, now: float, *, whole: bool) -> None:
        """As the class says."""
        ...


class Attempts:
    """The attempts of one dispatcher; `held_on` is told of what was acknowledged."""

    def __init__(
        self, answers: Answers, clock: Clock, settings: DispatchSettings, chance: random.Random, *, held_on: HeldOn
    ) -> None:
        self._answers, self._clock, self._settings, self._chance = answers, clock, settings, chance
        self._held_on = held_on
        self._healthy = asyncio.Semaphore(settings.healthy_limit)
        self._suspects = asyncio.Semaphore(settings.suspect_limit)

    def offer(self, lane: Lane, ticket: Ticket, now: float) -> None:
        """Send a ticket, at once or when it is its turn; it takes the place of what waits. `now` in loop time."""
        ticket.lane = lane
        lane.newest = ticket.batch.number
        if lane.waiting is not None:
            self._answers.drop_waiting(lane, "superseded by a newer set-point")
        if not lane.busy:
            outcome = self._without_writing(lane, ticket, now)
            if outcome is not None:
                held = lane.ack if outcome[0] is DeliveryOutcome.UNCHANGED else None
                self._answers.resolve(ticket, *outcome, frozenset() if held is None else held.undone)
                return
            if self._begun(lane, ticket):
                return
        lane.waiting = ticket
        if not lane.busy:
            lane.task = asyncio.create_task(self._run(lane))
        elif lane.wake is not None:
            lane.wake.set()

    def expire(self, batch: Batch) -> None:
        """Settle the tickets of a batch whose deadline has come."""
        now = asyncio.get_running_loop().time()
        for ticket in batch.tickets:
            if not ticket.open or ticket.deadline > now:
                continue
            lane = ticket.lane
            if lane is not None and (more := self._cut_short(lane, ticket, now)) > 0.0:
                # Not the device's fault: it has the rest of its time, and what it says then counts for what it holds.
                self._answers.resolve(ticket, DeliveryOutcome.LATE, "its turn came too late to be answered in time")
                asyncio.get_running_loop().call_later(more, self._give_up, lane, ticket)
            elif ticket.attempts:
                self._answers.resolve(ticket, DeliveryOutcome.TIMEOUT, ticket.last or "no acknowledgement in time")
                if ticket.running and lane is not None and lane.task is not None:
                    lane.task.cancel()
            else:
                self._answers.resolve(ticket, DeliveryOutcome.LATE, "its turn did not come in time")

    @staticmethod
    def _cut_short(lane: Lane, ticket: Ticket, now: float) -> float:
        """How much of the time for its first answer a device has not had by its deadline, s; 0: it had enough."""
        if ticket.attempts != 1 or not ticket.running:
            return 0.0
        due = min(lane.policy.answer_s, _ENOUGH * (ticket.deadline - ticket.batch.began))
        return max(0.0, ticket.begun + due - now)

    @staticmethod
    def _give_up(lane: Lane, ticket: Ticket) -> None:
        """The rest of its time is over, too."""
        if ticket.running and lane.current is ticket and lane.task is not None:
            lane.task.cancel()

    def _without_writing(self, lane: Lane, ticket: Ticket, now: float) -> tuple[DeliveryOutcome, str] | None:
        """The outcome where nothing needs to be or may be sent; `now` in loop time."""
        if not (lane.breaker.closed or lane.breaker.allows(self._clock.monotonic())):
            return DeliveryOutcome.BREAKER_OPEN, "the device failed repeatedly and is left alone for a while"
        if ticket.reassert or now >= lane.holds_until:
            return None
        held, new = lane.held, ticket.setpoint
        if held is None or not unchanged(held, new, lane.policy.dead_band_w):
            return None
        if lane.holds_until != float("inf") and lane.timer is None:
            return None  # The device will soon fall back and nothing is planned against it: tell it again.
        # The device keeps its values, now for the newer controls and until their end.
        lane.held = replace(
            held,
            issued=new.issued,
            control_ids=new.control_ids,
            valid_until=new.valid_until,
            service_class=new.service_class,
        )
        return DeliveryOutcome.UNCHANGED, "the device holds it already"

    # The short way -------------------------------------------------------------------------------------------------

    def _begun(self, lane: Lane, ticket: Ticket) -> bool:
        """Begin the first attempt without a task, where driver and device are ready for that."""
        if lane.begin is None or lane.suspect or lane.gate is not None or lane.policy.min_period_s > 0:
            return False
        lane.quick = ticket
        try:
            begun = lane.begin(ticket.setpoint, partial(self._quick_done, lane, ticket))
        except Exception:  # a driver's own fault: the long way says what it is
            _log.exception("driver of %s failed", lane.id)
            begun = False
        if not begun:
            lane.quick = None
            return False
        ticket.attempts = 1
        ticket.begun = asyncio.get_running_loop().time()
        ticket.running = True
        self._answers.counters.attempts += 1
        lane.breaker.begin()
        return True

    def _quick_done(self, lane: Lane, ticket: Ticket, result: Ack | DeviceError) -> None:
        """What came of it; whatever has to be tried again goes the long way."""
        lane.quick = None
        ticket.running = False
        if lane.closed:
            return
        again = None
        if isinstance(result, Ack):
            self._acknowledged(lane, ticket, result)
        else:
            again = self._refused(lane, ticket, result)
        if again is not None and ticket.open:
            lane.current = ticket
            lane.task = asyncio.create_task(self._run(lane, again))
        elif lane.waiting is not None:
            lane.task = asyncio.create_task(self._run(lane))

    def _refused(self, lane: Lane, ticket: Ticket, error: DeviceError) -> DeliveryOutcome | None:
        """Note an attempt that failed. None: settled. Else what the outcome is if it is not tried again."""
        self._failed(lane, ticket, error.reason, asked=not isinstance(error, DeviceGone))
        if isinstance(error, DeviceTimeout | DeviceBusy):
            return DeliveryOutcome.TIMEOUT if isinstance(error, DeviceTimeout) else DeliveryOutcome.REJECTED
        self._answers.resolve(ticket, DeliveryOutcome.REJECTED, error.reason)
        return None

    # One lane ------------------------------------------------------------------------------------------------------

    async def _run(self, lane: Lane, again: DeliveryOutcome | None = None) -> None:
        task = asyncio.current_task()
        try:
            if again is not None and lane.current is not None:
                await self._wait_before(lane, lane.current, again)
                lane.current = None
            while lane.waiting is not None:
                try:
                    await self._turn(lane)
                except asyncio.CancelledError:
                    if lane.closed or task is None:
                        raise
                    # Only the command that ran out of time was cancelled, not the lane.
                    task.uncancel()
        finally:
            lane.task = None
            if lane.current is not None:
                self._answers.resolve(
                    lane.current, DeliveryOutcome.TIMEOUT, lane.current.last or "the dispatcher stops"
                )
                lane.current = None

    async def _turn(self, lane: Lane) -> None:
        """One attempt with the newest set-point; where it may be tried again, the wait before that."""
        pool = self._suspects if lane.suspect else self._healthy
        await self._keep_distance(lane)
        async with pool:
            if lane.gate is None:
                again = await self._take(lane)
            else:
                async with lane.gate.turn(suspect=lane.suspect):
                    again = await self._take(lane)
        if again is not None and lane.current is not None:
            await self._wait_before(lane, lane.current, again)
        lane.current = None

    async def _take(self, lane: Lane) -> DeliveryOutcome | None:
        """Take the newest set-point and try it once; as `_attempt`."""
        ticket, lane.waiting = lane.waiting, None
        if ticket is None or not ticket.open:
            return None
        outcome = self._without_writing(lane, ticket, asyncio.get_running_loop().time())
        if outcome is not None:
            self._answers.resolve(ticket, *outcome)
            return None
        lane.current = ticket
        return await self._attempt(lane, ticket)

    async def _attempt(self, lane: Lane, ticket: Ticket) -> DeliveryOutcome | None:
        """Write once. None: settled. Else what the outcome is if it is not tried again."""
        ticket.attempts += 1
        self._answers.counters.attempts += 1
        lane.breaker.begin()
        ticket.begun = asyncio.get_running_loop().time()
        ticket.running = True
        try:
            ack = await lane.driver.write(ticket.setpoint)
        except asyncio.CancelledError:
            if ticket.open:
                lane.breaker.abandon()
            else:
                self._failed(lane, ticket, "no acknowledgement in time")
            raise
        except DeviceError as error:
            return self._refused(lane, ticket, error)
        except Exception as error:
            # A driver's own fault must not take the other devices down with it.
            _log.exception("driver of %s failed", lane.id)
            self._answers.counters.driver_errors += 1
            self._failed(lane, ticket, repr(error))
            self._answers.resolve(ticket, DeliveryOutcome.REJECTED, f"driver error: {error!r}")
            return None
        finally:
            ticket.running = False
        self._acknowledged(lane, ticket, ack)
        return None

    def _acknowledged(self, lane: Lane, ticket: Ticket, ack: Ack) -> None:
        if not ack.written or not ack.verified:
            why = "nothing was written" if not ack.written else "what was written was not confirmed"
            self._failed(lane, ticket, why)
            self._answers.resolve(ticket, DeliveryOutcome.REJECTED, why)
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        lane.breaker.success(self._clock.monotonic())
        lane.suspect = False
        lane.written_at = now
        lane.ack = ack
        whole = covers(ticket.setpoint, lane.held)
        lane.held = ticket.setpoint if whole else merged(lane.held, ticket.setpoint)
        self._held_on(lane, ack, now, whole=whole)
        said = "; ".join((*ack.notes, *ack.skipped)) if ack.notes or ack.skipped else ""
        self._answers.resolve(ticket, DeliveryOutcome.ACKNOWLEDGED, said, ack.undone)

    def _failed(self, lane: Lane, ticket: Ticket, why: str, *, asked: bool = True) -> None:
        ticket.last = why
        lane.suspect = True
        # Whether it acted is unknown: the next set-point goes out even if it is the one held before.
        if lane.held is not None and not ticket.reassert:
            lane.forget()
        if not asked and not lane.breaker.closed:
            lane.breaker.abandon()  # its trial is still to come: it begins when the device is there
        elif lane.breaker.failure(self._clock.monotonic()):
            self._answers.counters.breaker_trips += 1
            _log.warning("device %s is left alone for a while: %s", lane.id, why)

    async def _wait_before(self, lane: Lane, ticket: Ticket, outcome: DeliveryOutcome) -> None:
        """Back off and put the ticket in line again, unless it is over or a newer one came meanwhile."""
        loop = asyncio.get_running_loop()
        pause = min(self._settings.max_backoff_s, self._settings.backoff_s * 2 ** (ticket.attempts - 1))
        pause *= self._chance.uniform(0.5, 1.5)
        hopeless = ticket.attempts >= ticket.limit or loop.time() + pause >= ticket.deadline
        if hopeless or not lane.breaker.allows(self._clock.monotonic()):
            self._answers.resolve(ticket, outcome, ticket.last)
            return
        lane.wake = asyncio.Event()
        if lane.waiting is None:
            timer = loop.call_later(pause, lane.wake.set)
            await lane.wake.wait()
            timer.cancel()
        lane.wake = None
        if lane.waiting is not None:
            self._answers.superseded(ticket, f"superseded by a newer set-point after: {ticket.last}")
        elif ticket.open:
            self._answers.counters.retries += 1
            lane.waiting = ticket

    async def _keep_distance(self, lane: Lane) -> None:
        """Wait until the device may be commanded again; the newest set-point goes out then."""
        if lane.policy.min_period_s > 0:
            wait = lane.written_at + lane.policy.min_period_s - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
