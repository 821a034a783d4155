"""Hands set-points to devices through their drivers and tells what became of each. Implements channels.DeviceChannel.

Owned here: whom it serves, whole batches and their deadlines. Its parts: attempts (how a command gets to one device),
reassertion (before a device's revert timer runs out), answers (what is told of each set-point). Not owned: bytes
(drivers), telemetry and reconnection (poller), who gets how much and what to do about a shortfall (the engine).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Iterable, Mapping, Sequence

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import CLASS_TIMING, Delivery, DeliveryOutcome, ServiceClass, Setpoint
from gridiface.drivers.answers import Answers
from gridiface.drivers.api import Ack, Driver, ResettingDriver
from gridiface.drivers.attempts import Attempts
from gridiface.drivers.breaker import BreakerState, CircuitBreaker
from gridiface.drivers.gate import Gate
from gridiface.drivers.lane import Batch, DevicePolicy, DispatchSettings, Lane, Ticket
from gridiface.drivers.precedence import Precedence
from gridiface.drivers.reassertion import Reassertion
from gridiface.errors import DeviceRejected, DeviceTimeout

_log = logging.getLogger(__name__)

#: Set-points that are handed out in one turn of the loop.
PART = 256


class Dispatcher:
    """The way to all devices that have a driver. Make and use it inside one running event loop.

    Args:
        clock: for the instants of deliveries and for deadlines, which are wall clock.
        settings: bounds.
        on_reassert: told of each re-assertion's delivery; a failed one means that the device falls back by itself, a
            late one that it was opened anew and may have done so.
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
        self._clock = clock
        self._settings = settings or DispatchSettings()
        chance = chance or random.Random()  # noqa: S311 - jitter, not a secret
        self._answers = Answers(clock)
        self.counters = self._answers.counters
        #: Whom readings give way to.
        self.precedence = Precedence()
        self._attempts = Attempts(self._answers, clock, self._settings, chance, held_on=self._held_on)
        self._reassertion = Reassertion(
            self._answers, clock, chance, submit=self._submit, expire=self._attempts.expire, told=on_reassert
        )
        self._lanes: dict[str, Lane] = {}
        self._gates: dict[str, Gate] = {}
        self._running = False

    # The fleet -----------------------------------------------------------------------------------------------------

    def add(self, driver: Driver, policy: DevicePolicy | None = None) -> None:
        """Take a device in, or replace its driver.

        The same driver again (it was opened anew, its rating is known now) keeps its breaker, whose first pause ends
        with that, and what is under way; what the device holds is not known any more: whoever told it is told so, as
        of a re-assertion that came late.
        """
        known = self._lanes.get(driver.device_id)
        if known is not None and known.driver is driver:
            known.policy = policy or known.policy
            known.breaker.answers_again(self._clock.monotonic())
            self._reassertion.lost(known)
            return
        self.remove(driver.device_id)
        connection = driver.connection
        gate = None if connection is None else self._gates.setdefault(connection, Gate())
        breaker = CircuitBreaker(self._settings.breaker)
        self._lanes[driver.device_id] = Lane(driver, policy or DevicePolicy(), breaker, gate)

    def remove(self, device_id: str) -> None:
        """Leave a device out; a set-point that waits for it is dropped as late."""
        lane = self._lanes.pop(device_id, None)
        if lane is not None:
            self._close(lane, "the device was removed")
            self._answers.behind.discard(device_id)

    def _close(self, lane: Lane, why: str) -> None:
        """What waits for it is dropped, what is being written is cancelled."""
        lane.closed = True
        self._answers.drop_waiting(lane, why)
        lane.forget()
        if lane.quick is not None:
            self._answers.resolve(lane.quick, DeliveryOutcome.TIMEOUT, why)
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

    async def reset_alarms(self, device_id: str) -> frozenset[str]:
        """Reset the alarms that a device has latched: those that it still tells afterwards.

        Raises:
            DeviceTimeout: no answer.
            DeviceRejected: it refused, or it cannot be done with this device.
        """
        lane = self._lanes.get(device_id)
        if lane is None or not isinstance(lane.driver, ResettingDriver):
            raise DeviceRejected("no driver resets alarms of this device", device_id=device_id)
        async with contextlib.AsyncExitStack() as stack:
            if lane.gate is not None:
                await stack.enter_async_context(lane.gate.turn(suspect=lane.suspect))
            return await lane.driver.reset_alarms()

    def serves(self, device_id: str) -> bool:
        """As `DeviceChannel.serves`."""
        return device_id in self._lanes

    def open_breakers(self) -> list[str]:
        """The devices that are not asked because they failed again and again."""
        broken = [(name, lane.breaker) for name, lane in self._lanes.items() if not lane.breaker.closed]
        now = self._clock.monotonic()
        return [name for name, breaker in broken if breaker.state(now) is BreakerState.OPEN]

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
        for lane in self._lanes.values():
            lane.closed = False

    async def stop(self, *, revert: bool = False, timeout_s: float = 5.0) -> None:
        """End: what waits is dropped as late, what is being written is cancelled; twice is once.

        Args:
            revert: let go of every device that holds a set-point, so that it returns to its own default at once.
            timeout_s: for letting go.
        """
        self._running = False
        holding = [lane for lane in self._lanes.values() if lane.held is not None and not lane.held.release]
        tasks = [lane.task for lane in self._lanes.values() if lane.task is not None]
        for lane in self._lanes.values():
            self._close(lane, "the dispatcher stops")
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
        batch = self._answers.open(len(setpoints))
        self.counters.submitted += len(setpoints)
        with self.precedence.claimed() if len(setpoints) > PART else contextlib.nullcontext():
            await self._told(setpoints, batch, terms, start)
        return [delivery for delivery in batch.results if delivery is not None]

    async def _told(
        self,
        setpoints: Sequence[Setpoint],
        batch: Batch,
        terms: Mapping[ServiceClass, tuple[float, int]],
        start: float,
    ) -> None:
        """Hand a batch out and wait until each of it is answered. `terms`: deadline and attempts, `start` loop time."""
        loop = asyncio.get_running_loop()
        # Those of many devices go out in parts, with a turn of the loop between them: what has been answered is taken
        # meanwhile, and no device's time runs while thousands of others are still being told.
        timers = [loop.call_at(end, self._attempts.expire, batch) for end in {end for end, _ in terms.values()}]
        try:
            for place, (index, setpoint) in enumerate(self._behind_first(setpoints)):
                if place and not place % PART:
                    await asyncio.sleep(0)
                    start = loop.time()
                end, limit = terms[setpoint.service_class]
                ticket = Ticket(setpoint, end, batch, index, limit=limit)
                batch.tickets.append(ticket)
                self._submit(ticket, start)
            if batch.missing:
                await batch.done
        finally:
            for timer in timers:
                timer.cancel()
            for ticket in batch.tickets if batch.missing else ():
                self._answers.resolve(ticket, DeliveryOutcome.LATE, "nobody waits for it any more")
            batch.tickets.clear()  # they name it, too: thousands of rings would be left to the garbage collector

    def _behind_first(self, setpoints: Sequence[Setpoint]) -> Iterable[tuple[int, Setpoint]]:
        """Set-points with their places, in the order in which they go out: whose turn did not come last time is first.

        Where there is no time for all of a batch it would else be the same devices each time that are told nothing.
        """
        behind = self._answers.behind
        if not behind:
            return enumerate(setpoints)
        return sorted(enumerate(setpoints), key=lambda pair: pair[1].device_id not in behind)

    def _submit(self, ticket: Ticket, now: float) -> None:
        lane = self._lanes.get(ticket.setpoint.device_id)
        if lane is not None and lane.newest > ticket.batch.number:
            self._answers.superseded(ticket, "superseded by a newer set-point")
        elif lane is None or not self._running:
            why = "no driver serves this device" if lane is None else "the dispatcher is stopped"
            self._answers.resolve(ticket, DeliveryOutcome.REJECTED, why)
        elif ticket.deadline <= now:
            self._answers.resolve(ticket, DeliveryOutcome.LATE, "its deadline had passed")
        else:
            self._attempts.offer(lane, ticket, now)

    def _held_on(self, lane: Lane, ack: Ack, now: float, *, whole: bool) -> None:
        self._reassertion.arm(lane, ack, now, whole=whole)

    async def _let_go(self, lane: Lane) -> None:
        try:
            await lane.driver.revert()
        except DeviceRejected as error:
            _log.warning("device %s refused to be let go: %s", lane.id, error.reason)
        except DeviceTimeout as error:
            _log.warning("device %s was not let go: %s", lane.id, error.reason)
