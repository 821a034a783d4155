"""Hands set-points to devices through their drivers and tells what became of each. Implements ports.DeviceChannel.

Owned here: attempts with backoff and jitter inside the deadline, one command per device at a time with the newest
winning, the dead-band, re-assertion before a device's revert timer runs out, the breaker of each device, the order on
shared connections, bounded concurrency. Not owned: bytes (drivers), telemetry and reconnection (poller), who gets how
much and what to do about a shortfall (the engine).

How one device cannot delay another: each has its own lane; only lanes of one shared connection wait for each other;
devices whose last command failed share a small pool of their own, so that many of them cannot fill the large one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import CLASS_TIMING, Delivery, DeliveryOutcome, Setpoint
from gridiface.drivers.api import Ack, DeviceBusy, Driver
from gridiface.drivers.breaker import BreakerState, CircuitBreaker
from gridiface.drivers.held import covers, merged, unchanged
from gridiface.drivers.lane import Batch, DevicePolicy, DispatchCounters, DispatchSettings, Lane, Ticket
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout

_log = logging.getLogger(__name__)


class Dispatcher:
    """The way to all devices that have a driver. Make and use it inside one running event loop.

    Args:
        clock: for the instants of deliveries and for deadlines, which are wall clock.
        settings: bounds.
        on_reassert: told of each re-assertion's delivery; a failed one means that the device falls back by itself.
        chance: jitter; a seeded one makes it repeatable.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        settings: DispatchSettings | None = None,
        on_reassert: Callable[[Delivery], None] | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = DispatchCounters()
        self._clock = clock
        self._settings = settings or DispatchSettings()
        self._on_reassert = on_reassert
        self._chance = chance or random.Random()  # noqa: S311 - jitter, not a secret
        self._lanes: dict[str, Lane] = {}
        self._gates: dict[str, asyncio.Lock] = {}
        self._healthy = asyncio.Semaphore(self._settings.healthy_limit)
        self._suspects = asyncio.Semaphore(self._settings.suspect_limit)
        self._running = False

    # The fleet -----------------------------------------------------------------------------------------------------

    def add(self, driver: Driver, policy: DevicePolicy | None = None) -> None:
        """Take a device in, or replace its driver.

        The same driver again (it was opened anew, its rating is known now) keeps its breaker and what is under way;
        what the device holds is forgotten.
        """
        known = self._lanes.get(driver.device_id)
        if known is not None and known.driver is driver:
            known.policy = policy or known.policy
            known.forget()
            return
        self.remove(driver.device_id)
        connection = driver.connection
        gate = None if connection is None else self._gates.setdefault(connection, asyncio.Lock())
        breaker = CircuitBreaker(self._settings.breaker)
        self._lanes[driver.device_id] = Lane(driver, policy or DevicePolicy(), breaker, gate)

    def remove(self, device_id: str) -> None:
        """Leave a device out; a set-point that waits for it is dropped as late."""
        lane = self._lanes.pop(device_id, None)
        if lane is not None:
            self._drop_waiting(lane, "the device was removed")
            lane.forget()
            if lane.quick is not None:
                self._resolve(lane.quick, DeliveryOutcome.TIMEOUT, "the device was removed")
            if lane.task is not None:
                lane.task.cancel()

    async def dismiss(self, device_id: str, timeout_s: float = 5.0) -> None:
        """Leave a device out and let go of what it holds, so that it returns to its own default at once."""
        lane = self._lanes.get(device_id)
        holds = lane is not None and lane.held is not None and not lane.held.release
        self.remove(device_id)
        if lane is not None and holds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._let_go(lane), timeout_s)

    def forget(self, device_id: str) -> None:
        """The device restarted or was away: what it holds is not known, the next set-point is sent whatever it is."""
        if (lane := self._lanes.get(device_id)) is not None:
            lane.forget()

    def serves(self, device_id: str) -> bool:
        """As `DeviceChannel.serves`."""
        return device_id in self._lanes

    def breaker_state(self, device_id: str) -> BreakerState | None:
        """Whether the device is asked at present; None for unknown devices."""
        lane = self._lanes.get(device_id)
        return None if lane is None else lane.breaker.state(self._clock.monotonic())

    def held(self, device_id: str) -> Setpoint | None:
        """What the device was told and has acknowledged, None where that is not known."""
        lane = self._lanes.get(device_id)
        return None if lane is None else lane.held

    def ack(self, device_id: str) -> Ack | None:
        """What the last acknowledged write really did."""
        lane = self._lanes.get(device_id)
        return None if lane is None else lane.ack

    async def start(self) -> None:
        """Begin to hand out."""
        self._running = True

    async def stop(self, *, revert: bool = False, timeout_s: float = 5.0) -> None:
        """End: what waits is dropped as late, what is being written is cancelled; twice is once.

        Args:
            revert: let go of every device that holds a set-point, so that it returns to its own default at once.
            timeout_s: for letting go.
        """
        self._running = False
        tasks = []
        holding = [lane for lane in self._lanes.values() if lane.held is not None and not lane.held.release]
        for lane in self._lanes.values():
            self._drop_waiting(lane, "the dispatcher stops")
            lane.forget()
            if lane.quick is not None:
                self._resolve(lane.quick, DeliveryOutcome.TIMEOUT, "the dispatcher stops")
            if lane.task is not None:
                lane.task.cancel()
                tasks.append(lane.task)
        await asyncio.gather(*tasks, return_exceptions=True)
        if revert and holding:
            _, late = await asyncio.wait(
                [asyncio.ensure_future(self._let_go(lane)) for lane in holding], timeout=timeout_s
            )
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    # Set-points ----------------------------------------------------------------------------------------------------

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> Sequence[Delivery]:
        """As `DeviceChannel.apply`. A set-point's own deadline is the earlier of `deadline` and its class's."""
        loop = asyncio.get_running_loop()
        if not setpoints:
            return []
        start = loop.time()
        left = deadline - self._clock.now()
        terms = {
            name: (start + min(left, timing.acknowledge_s), timing.attempts) for name, timing in CLASS_TIMING.items()
        }
        batch = Batch(len(setpoints), loop.create_future())
        self.counters.submitted += len(setpoints)
        for index, setpoint in enumerate(setpoints):
            end, limit = terms[setpoint.service_class]
            ticket = Ticket(setpoint, end, batch, index, limit=limit)
            batch.tickets.append(ticket)
            self._submit(ticket, start)
        timers = [
            loop.call_at(end, self._expire, batch)
            for end in {ticket.deadline for ticket in batch.tickets if ticket.open}
        ]
        try:
            if batch.missing:
                await batch.done
        finally:
            for timer in timers:
                timer.cancel()
            for ticket in batch.tickets if batch.missing else ():
                self._resolve(ticket, DeliveryOutcome.LATE, "nobody waits for it any more")
        return [delivery for delivery in batch.results if delivery is not None]

    def _submit(self, ticket: Ticket, now: float) -> None:
        lane = self._lanes.get(ticket.setpoint.device_id)
        if lane is None or not self._running:
            why = "no driver serves this device" if lane is None else "the dispatcher is stopped"
            self._resolve(ticket, DeliveryOutcome.REJECTED, why)
        elif ticket.deadline <= now:
            self._resolve(ticket, DeliveryOutcome.LATE, "its deadline had passed")
        else:
            if lane.waiting is not None:
                self._drop_waiting(lane, "superseded by a newer set-point")
            if not lane.busy:
                outcome = self._without_writing(lane, ticket, now)
                if outcome is not None:
                    self._resolve(ticket, *outcome)
                    return
                if self._begun(lane, ticket):
                    return
            lane.waiting = ticket
            if not lane.busy:
                lane.task = asyncio.create_task(self._run(lane))
            elif lane.wake is not None:
                lane.wake.set()

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

    def _expire(self, batch: Batch) -> None:
        """Settle the tickets of a batch whose deadline has come."""
        now = asyncio.get_running_loop().time()
        for ticket in batch.tickets:
            if not ticket.open or ticket.deadline > now:
                continue
            lane = self._lanes.get(ticket.setpoint.device_id)
            if ticket.attempts:
                self._resolve(ticket, DeliveryOutcome.TIMEOUT, ticket.last or "no acknowledgement in time")
                if ticket.running and lane is not None and lane.task is not None:
                    lane.task.cancel()
            else:
                self._resolve(ticket, DeliveryOutcome.LATE, "its turn did not come in time")

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
        ticket.running = True
        self.counters.attempts += 1
        lane.breaker.begin()
        return True

    def _quick_done(self, lane: Lane, ticket: Ticket, result: Ack | DeviceError) -> None:
        """What came of it; whatever has to be tried again goes the long way."""
        lane.quick = None
        ticket.running = False
        if not self._running or self._lanes.get(lane.id) is not lane:
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
        self._failed(lane, ticket, error.reason)
        if isinstance(error, DeviceTimeout | DeviceBusy):
            return DeliveryOutcome.TIMEOUT if isinstance(error, DeviceTimeout) else DeliveryOutcome.REJECTED
        self._resolve(ticket, DeliveryOutcome.REJECTED, error.reason)
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
                    if not self._running or self._lanes.get(lane.id) is not lane or task is None:
                        raise
                    # Only the command that ran out of time was cancelled, not the lane.
                    task.uncancel()
        finally:
            lane.task = None
            if lane.current is not None:
                self._resolve(lane.current, DeliveryOutcome.TIMEOUT, lane.current.last or "the dispatcher stops")
                lane.current = None

    async def _turn(self, lane: Lane) -> None:
        """One attempt with the newest set-point; where it may be tried again, the wait before that."""
        pool = self._suspects if lane.suspect else self._healthy
        await self._keep_distance(lane)
        async with pool:
            if lane.gate is None:
                again = await self._take(lane)
            else:
                async with lane.gate:
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
            self._resolve(ticket, *outcome)
            return None
        lane.current = ticket
        return await self._attempt(lane, ticket)

    async def _attempt(self, lane: Lane, ticket: Ticket) -> DeliveryOutcome | None:
        """Write once. None: settled. Else what the outcome is if it is not tried again."""
        ticket.attempts += 1
        self.counters.attempts += 1
        lane.breaker.begin()
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
            self.counters.driver_errors += 1
            self._failed(lane, ticket, repr(error))
            self._resolve(ticket, DeliveryOutcome.REJECTED, f"driver error: {error!r}")
            return None
        finally:
            ticket.running = False
        self._acknowledged(lane, ticket, ack)
        return None

    def _acknowledged(self, lane: Lane, ticket: Ticket, ack: Ack) -> None:
        if not ack.written or not ack.verified:
            why = "nothing was written" if not ack.written else "what was written was not confirmed"
            self._failed(lane, ticket, why)
            self._resolve(ticket, DeliveryOutcome.REJECTED, why)
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        lane.breaker.success(self._clock.monotonic())
        lane.suspect = False
        lane.written_at = now
        lane.ack = ack
        whole = covers(ticket.setpoint, lane.held)
        lane.held = ticket.setpoint if whole else merged(lane.held, ticket.setpoint)
        self._arm(lane, ack, now, whole=whole)
        self._resolve(ticket, DeliveryOutcome.ACKNOWLEDGED, "; ".join((*ack.notes, *ack.skipped)))

    def _failed(self, lane: Lane, ticket: Ticket, why: str) -> None:
        ticket.last = why
        lane.suspect = True
        # Whether it acted is unknown: the next set-point goes out even if it is the one held before.
        if lane.held is not None and not ticket.reassert:
            lane.forget()
        if lane.breaker.failure(self._clock.monotonic()):
            self.counters.breaker_trips += 1
            _log.warning("device %s is left alone for a while: %s", lane.id, why)

    async def _wait_before(self, lane: Lane, ticket: Ticket, outcome: DeliveryOutcome) -> None:
        """Back off and put the ticket in line again, unless it is over or a newer one came meanwhile."""
        loop = asyncio.get_running_loop()
        pause = min(self._settings.max_backoff_s, self._settings.backoff_s * 2 ** (ticket.attempts - 1))
        pause *= self._chance.uniform(0.5, 1.5)
        hopeless = ticket.attempts >= ticket.limit or loop.time() + pause >= ticket.deadline
        if hopeless or not lane.breaker.allows(self._clock.monotonic()):
            self._resolve(ticket, outcome, ticket.last)
            return
        lane.wake = asyncio.Event()
        if lane.waiting is None:
            timer = loop.call_later(pause, lane.wake.set)
            await lane.wake.wait()
            timer.cancel()
        lane.wake = None
        if lane.waiting is not None:
            self.counters.superseded += 1
            ticket.superseded = True
            self._resolve(ticket, DeliveryOutcome.LATE, f"superseded by a newer set-point after: {ticket.last}")
        elif ticket.open:
            self.counters.retries += 1
            lane.waiting = ticket

    async def _keep_distance(self, lane: Lane) -> None:
        """Wait until the device may be commanded again; the newest set-point goes out then."""
        if lane.policy.min_period_s > 0:
            wait = lane.written_at + lane.policy.min_period_s - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)

    def _drop_waiting(self, lane: Lane, why: str) -> None:
        ticket, lane.waiting = lane.waiting, None
        if ticket is not None and ticket.open:
            self.counters.superseded += 1
            ticket.superseded = True
            self._resolve(ticket, DeliveryOutcome.LATE, why)

    # Re-assertion --------------------------------------------------------------------------------------------------

    def _arm(self, lane: Lane, ack: Ack, now: float, *, whole: bool) -> None:
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

    def _reassert(self, lane: Lane) -> None:
        loop = asyncio.get_running_loop()
        lane.timer = None
        held, now = lane.held, loop.time()
        if held is None or not self._running:
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
        batch = Batch(1, loop.create_future())
        # What was let go of is gone; only what is held is told again.
        ticket = Ticket(replace(held, let_go=frozenset()), lane.holds_until, batch, 0, limit=3)
        ticket.reassert = True
        batch.tickets.append(ticket)
        self.counters.reasserted += 1
        end = loop.call_at(lane.holds_until, self._expire, batch)
        batch.done.add_done_callback(lambda _: self._reasserted(lane, batch, end))
        self._submit(ticket, now)

    def _reasserted(self, lane: Lane, batch: Batch, end: asyncio.TimerHandle) -> None:
        end.cancel()
        delivery = batch.results[0]
        if delivery is None:
            return
        if delivery.outcome is not DeliveryOutcome.ACKNOWLEDGED and not batch.tickets[0].superseded:
            self.counters.reassert_failures += 1
            lane.forget()
        if self._on_reassert is not None:
            self._on_reassert(delivery)

    async def _let_go(self, lane: Lane) -> None:
        try:
            await lane.driver.revert()
        except DeviceRejected as error:
            _log.warning("device %s refused to be let go: %s", lane.id, error.reason)
        except DeviceTimeout as error:
            _log.warning("device %s was not let go: %s", lane.id, error.reason)

    # Answers -------------------------------------------------------------------------------------------------------

    def _resolve(self, ticket: Ticket, outcome: DeliveryOutcome, detail: str = "") -> None:
        if not ticket.open:
            return
        batch = ticket.batch
        batch.results[ticket.index] = Delivery(
            device_id=ticket.setpoint.device_id,
            outcome=outcome,
            at=self._clock.now(),
            setpoint=ticket.setpoint,
            attempts=ticket.attempts,
            detail=detail,
        )
        self.counters.count(outcome)
        batch.missing -= 1
        if not batch.missing and not batch.done.done():
            batch.done.set_result(None)
