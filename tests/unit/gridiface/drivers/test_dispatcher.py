"""The dispatcher under faults, on a virtual clock: attempts, deadlines, supersession, dead-band, re-assertion."""

from __future__ import annotations

import asyncio
import gc
import random
from itertools import pairwise
from typing import Any

import pytest

from gridiface.domain.controls import Delivery, DeliveryOutcome, ServiceClass, Setpoint
from gridiface.drivers.api import Ack, DeviceBusy, DeviceGone
from gridiface.drivers.breaker import BreakerSettings, BreakerState
from gridiface.drivers.dispatcher import PART, Dispatcher
from gridiface.drivers.lane import Batch, DevicePolicy, DispatchSettings, Ticket
from gridiface.errors import DeviceRejected, DeviceTimeout

ACKNOWLEDGED, UNCHANGED, LATE = DeliveryOutcome.ACKNOWLEDGED, DeliveryOutcome.UNCHANGED, DeliveryOutcome.LATE
TIMEOUT, REJECTED, BREAKER_OPEN = DeliveryOutcome.TIMEOUT, DeliveryOutcome.REJECTED, DeliveryOutcome.BREAKER_OPEN


class Noted(list[Any]):
    """A device's writes, which also notes whose turn it is."""

    def __init__(self, order: list[str], name: str) -> None:
        super().__init__()
        self._order, self._name = order, name

    def append(self, write: Any) -> None:
        self._order.append(self._name)
        super().append(write)


class World:
    """A started dispatcher over scripted drivers."""

    def __init__(self, clock: Any, *drivers: Any, policy: DevicePolicy | None = None, **settings: Any) -> None:
        self.clock = clock
        self.reasserted: list[Delivery] = []
        self.dispatcher = Dispatcher(
            clock=clock,
            settings=DispatchSettings(**settings),
            on_reassert=self.reasserted.append,
            chance=random.Random(1),
        )
        for driver in drivers:
            self.dispatcher.add(driver, policy)

    async def __aenter__(self) -> World:
        await self.dispatcher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.dispatcher.stop()

    def told(self, device_id: str, watts: float | None, **more: Any) -> Setpoint:
        return Setpoint(device_id=device_id, issued=self.clock.now(), active_power_w=watts, **more)

    async def apply(self, *setpoints: Setpoint, within: float = 5.0) -> list[Delivery]:
        return list(await self.dispatcher.apply(setpoints, deadline=self.clock.now() + within))

    async def outcome(self, device_id: str, watts: float | None, within: float = 5.0, **more: Any) -> DeliveryOutcome:
        (delivery,) = await self.apply(self.told(device_id, watts, **more), within=within)
        return delivery.outcome


@pytest.fixture
def story(virtual: Any, virtual_clock: Any, scripted: Any) -> Any:
    """`story(coroutine function, drivers..., **options)`: runs it with a world over scripted drivers."""

    def run(tale: Any, *names: str, policy: DevicePolicy | None = None, seconds: float = 0.01, **settings: Any) -> Any:
        async def told() -> Any:
            drivers = [scripted(name, seconds=seconds) for name in names or ("d",)]
            async with World(virtual_clock, *drivers, policy=policy, **settings) as world:
                return await tale(world, *drivers)

        return virtual(told())

    return run


def test_set_points_go_out_together_and_come_back_in_order(story: Any) -> None:
    async def tale(world: World, *drivers: Any) -> None:
        begun = asyncio.get_running_loop().time()
        deliveries = await world.apply(*(world.told(d.device_id, 10.0 * n) for n, d in enumerate(drivers, 1)))
        assert asyncio.get_running_loop().time() - begun < 0.02
        assert [d.device_id for d in deliveries] == [d.device_id for d in drivers]
        assert {d.outcome for d in deliveries} == {ACKNOWLEDGED}
        assert world.dispatcher.counters.acknowledged == len(drivers)

    story(tale, *(f"d{n}" for n in range(200)))


def test_an_unknown_device_and_an_empty_list(story: Any) -> None:
    async def tale(world: World, _: Any) -> None:
        assert await world.outcome("stranger", 1.0) is REJECTED
        assert await world.apply() == []
        assert world.dispatcher.serves("d")
        assert not world.dispatcher.serves("stranger")

    story(tale)


def test_a_time_out_is_tried_again_inside_the_deadline(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.failures = [DeviceTimeout("silent"), DeviceBusy("busy")]
        (delivery,) = await world.apply(world.told("d", 5.0))
        assert (delivery.outcome, delivery.attempts) == (ACKNOWLEDGED, 3)
        assert world.dispatcher.counters.retries == 2

    story(tale)


def test_a_refusal_is_not_tried_again(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.failures = [DeviceRejected("illegal address")]
        (delivery,) = await world.apply(world.told("d", 5.0))
        assert (delivery.outcome, delivery.attempts, delivery.detail) == (REJECTED, 1, "illegal address")

    story(tale)


@pytest.mark.parametrize(("service", "attempts"), [("fast_frequency", 1), ("regulation", 2), ("dispatch", 3)])
def test_each_class_has_its_attempts(service: str, attempts: int, story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.always = DeviceTimeout("silent")
        command = world.told("d", 5.0, service_class=ServiceClass(service))
        (delivery,) = await world.apply(command)
        assert (delivery.outcome, delivery.attempts) == (TIMEOUT, attempts)

    story(tale, backoff_s=0.1)


def test_the_class_ends_it_before_a_generous_deadline(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        command = world.told("d", 5.0, service_class=ServiceClass.FAST_FREQUENCY)
        (delivery,) = await world.apply(command, within=60)
        assert delivery.outcome is TIMEOUT
        assert loop.time() - begun == pytest.approx(0.2, abs=0.01)
        await asyncio.sleep(0.01)
        assert device.cancelled == 1

    story(tale, seconds=30)


def test_a_command_whose_deadline_has_passed_is_dropped(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        assert await world.outcome("d", 5.0, within=-1) is LATE
        assert device.writes == []
        assert world.dispatcher.counters.late == 1

    story(tale)


def test_one_slow_device_delays_nobody(story: Any) -> None:
    async def tale(world: World, slow: Any, *others: Any) -> None:
        slow.seconds = 100
        deliveries = await world.apply(*(world.told(d.device_id, 5.0) for d in (slow, *others)), within=2)
        assert deliveries[0].outcome is TIMEOUT
        assert {d.outcome for d in deliveries[1:]} == {ACKNOWLEDGED}
        assert max(d.at for d in deliveries[1:]) < deliveries[0].at

    story(tale, *(f"d{n}" for n in range(50)))


def test_many_dead_devices_do_not_use_up_the_places_of_the_living(story: Any) -> None:
    async def tale(world: World, *drivers: Any) -> None:
        dead, living = drivers[:40], drivers[40:]
        for device in dead:
            device.always = DeviceTimeout("dead")
            device.seconds = 0.5
        await world.apply(*(world.told(d.device_id, 1.0) for d in drivers), within=20)
        begun = world.clock.now()
        deliveries = await world.apply(*(world.told(d.device_id, 2.0) for d in drivers), within=20)
        last = max(d.at for d in deliveries if d.device_id in {device.device_id for device in living})
        assert last - begun < 0.1

    quick = BreakerSettings(threshold=1000)
    story(tale, *(f"d{n}" for n in range(60)), healthy_limit=20, suspect_limit=4, breaker=quick)


def test_a_shared_connection_is_used_by_one_at_a_time(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        shared = [scripted(f"s{n}", seconds=0.1, connection="gateway") for n in range(5)]
        alone = scripted("a", seconds=0.1)
        async with World(virtual_clock, *shared, alone) as world:
            deliveries = await world.apply(*(world.told(d.device_id, 1.0) for d in (*shared, alone)))
        starts = sorted(at for device in shared for at, _ in device.writes)
        assert all(later - earlier >= 0.099 for earlier, later in pairwise(starts))
        assert alone.writes[0][0] < starts[1]
        assert {d.outcome for d in deliveries} == {ACKNOWLEDGED}

    virtual(tale())


def test_behind_a_blocked_gateway_a_command_ends_at_its_deadline(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        hog, waiter = scripted("h", seconds=100, connection="g"), scripted("w", connection="g")
        async with World(virtual_clock, hog, waiter) as world:
            first, second = await world.apply(world.told("h", 1.0), world.told("w", 1.0), within=1)
        assert (first.outcome, second.outcome) == (TIMEOUT, LATE)
        assert waiter.writes == []

    virtual(tale())


def test_many_are_told_in_parts_and_a_newer_command_that_comes_between_stays_the_newest(story: Any) -> None:
    async def tale(world: World, *devices: Any) -> None:
        last = devices[-1]
        first = asyncio.create_task(world.apply(*(world.told(device.device_id, 1.0) for device in devices)))
        await asyncio.sleep(0)  # The first part is out; the last device's turn is still to come.
        assert await world.outcome(last.device_id, 2.0) is ACKNOWLEDGED
        outcomes = await first
        assert {d.outcome for d in outcomes[:-1]} == {ACKNOWLEDGED}
        assert (outcomes[-1].outcome, outcomes[-1].detail) == (LATE, "superseded by a newer set-point")
        assert [command.active_power_w for _, command in last.writes] == [2.0]

    story(tale, *(f"d{number}" for number in range(2 * PART)))


def test_a_device_that_is_told_again_between_the_parts_still_gets_what_is_new(story: Any) -> None:
    async def tale(world: World, *devices: Any) -> None:
        last = devices[-1]
        last.revert_s = 60.0
        assert await world.outcome(last.device_id, 1.0) is ACKNOWLEDGED
        first = asyncio.create_task(world.apply(*(world.told(device.device_id, 2.0) for device in devices)))
        await asyncio.sleep(0)  # The first part is out; now the last device's own timer comes before its turn.
        lane = world.dispatcher._lanes[last.device_id]
        lane.due = asyncio.get_running_loop().time()
        world.dispatcher._reassertion._reassert(lane)
        assert {d.outcome for d in await first} == {ACKNOWLEDGED}
        assert last.writes[-1][1].active_power_w == 2.0

    story(tale, *(f"d{number}" for number in range(2 * PART)))


def test_whose_turn_did_not_come_in_time_is_told_first_the_next_time(story: Any) -> None:
    """Where there is no time for a whole batch it is not the same devices each time that are told nothing."""

    async def tale(world: World, *devices: Any) -> None:
        missed = devices[PART:]
        first = await world.apply(*(world.told(device.device_id, 1.0) for device in missed), within=-1.0)
        assert {delivery.outcome for delivery in first} == {LATE}
        order: list[str] = []
        for device in devices:
            device.writes = Noted(order, device.device_id)
        again = await world.apply(*(world.told(device.device_id, 2.0) for device in devices))
        assert {delivery.outcome for delivery in again} == {ACKNOWLEDGED}
        assert [delivery.device_id for delivery in again] == [device.device_id for device in devices]
        assert world.dispatcher._answers.behind == set()
        assert set(order[:PART]) == {device.device_id for device in missed}

    story(tale, *(f"d{number}" for number in range(2 * PART)))


def test_the_newest_of_the_waiting_wins(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        first = asyncio.create_task(world.apply(world.told("d", 1.0)))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(world.apply(world.told("d", 2.0)))
        await asyncio.sleep(0.1)
        third = asyncio.create_task(world.apply(world.told("d", 3.0)))
        outcomes = [(await task)[0] for task in (first, second, third)]
        assert [d.outcome for d in outcomes] == [ACKNOWLEDGED, LATE, ACKNOWLEDGED]
        assert outcomes[1].detail == "superseded by a newer set-point"
        assert [command.active_power_w for _, command in device.writes] == [1.0, 3.0]
        assert device.overlaps == 0
        assert world.dispatcher.counters.superseded == 1

    story(tale, seconds=0.5)


def test_a_newer_command_ends_the_backoff_of_an_older(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.failures = [DeviceTimeout("silent")]
        old = asyncio.create_task(world.apply(world.told("d", 1.0), within=4))
        await asyncio.sleep(0.1)
        begun = asyncio.get_running_loop().time()
        assert await world.outcome("d", 2.0) is ACKNOWLEDGED
        assert asyncio.get_running_loop().time() - begun < 0.1
        (delivery,) = await old
        assert (delivery.outcome, delivery.attempts) == (LATE, 1)
        assert "silent" in delivery.detail

    story(tale, backoff_s=2.0)


def test_the_breaker_opens_after_three_failures_and_tries_again_later(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.always = DeviceTimeout("dead")
        (delivery,) = await world.apply(world.told("d", 1.0))
        assert (delivery.outcome, delivery.attempts) == (TIMEOUT, 3)
        assert world.dispatcher.breaker_state("d") is BreakerState.OPEN
        assert world.dispatcher.open_breakers() == ["d"]
        assert await world.outcome("d", 1.0) is BREAKER_OPEN
        assert len(device.writes) == 3
        await asyncio.sleep(10.1)
        device.always = None
        assert await world.outcome("d", 1.0) is ACKNOWLEDGED
        assert world.dispatcher.breaker_state("d") is BreakerState.CLOSED
        assert world.dispatcher.open_breakers() == []
        assert world.dispatcher.counters.breaker_trips == 1

    story(tale, backoff_s=0.1)


def test_who_is_away_is_not_blamed_for_commands_that_were_never_given(story: Any) -> None:
    """It would be left alone for longer and longer although nothing was asked of it; when it is back it is told."""

    async def tale(world: World, device: Any) -> None:
        device.always = DeviceTimeout("no answer")
        assert await world.outcome("d", 1.0) is TIMEOUT
        device.always = DeviceGone("the driver is not open")
        for _ in range(6):
            await asyncio.sleep(10.1)
            assert await world.outcome("d", 1.0) is TIMEOUT
        assert world.dispatcher.counters.breaker_trips == 1
        device.always = None
        assert await world.outcome("d", 1.0) is ACKNOWLEDGED

    story(tale, backoff_s=0.1)


def test_nothing_written_is_never_acknowledged(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.written = {}
        (delivery,) = await world.apply(world.told("d", 1.0))
        assert (delivery.outcome, delivery.detail) == (REJECTED, "nothing was written")
        device.written, device.verified = {"w": 1.0}, False
        assert await world.outcome("d", 1.0) is REJECTED
        assert world.dispatcher.held("d") is None

    story(tale)


def test_a_drivers_own_fault_is_one_devices_failure(story: Any) -> None:
    async def tale(world: World, broken: Any, good: Any) -> None:
        broken.always = ZeroDivisionError("oops")
        first, second = await world.apply(world.told("a", 1.0), world.told("b", 1.0))
        assert first.outcome is REJECTED
        assert "ZeroDivisionError" in first.detail
        assert second.outcome is ACKNOWLEDGED
        assert good.writes
        assert world.dispatcher.counters.driver_errors == 1

    story(tale, "a", "b")


def test_inside_the_dead_band_nothing_is_sent(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        seen = [await world.outcome("d", watts) for watts in (1000.0, 1080.0, 1150.0, 1050.0, 0.0, 40.0)]
        assert seen == [ACKNOWLEDGED, UNCHANGED, ACKNOWLEDGED, UNCHANGED, ACKNOWLEDGED, ACKNOWLEDGED]
        assert [command.active_power_w for _, command in device.writes] == [1000.0, 1150.0, 0.0, 40.0]
        assert world.dispatcher.counters.unchanged == 2

    story(tale, policy=DevicePolicy(dead_band_w=100.0))


def test_after_a_failure_or_a_restart_the_same_value_is_sent_again(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        assert await world.outcome("d", 5.0) is ACKNOWLEDGED
        assert await world.outcome("d", 5.0) is UNCHANGED
        device.failures = [DeviceRejected("no")]
        assert await world.outcome("d", 6.0) is REJECTED
        assert await world.outcome("d", 5.0) is ACKNOWLEDGED
        world.dispatcher.forget("d")
        assert await world.outcome("d", 5.0) is ACKNOWLEDGED

    story(tale)


def test_commands_keep_their_distance(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        for watts in (1.0, 2.0, 3.0):
            assert await world.outcome("d", watts) is ACKNOWLEDGED
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(device.writes)]
        assert all(gap >= 2.0 for gap in gaps)

    story(tale, policy=DevicePolicy(min_period_s=2.0))


def test_a_set_point_is_told_again_at_half_of_the_devices_timer(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 60.0
        assert await world.outcome("d", 5.0, ceiling_w=50.0) is ACKNOWLEDGED
        await asyncio.sleep(100)
        times = [at for at, _ in device.writes]
        assert len(times) == 4
        assert all(27 <= later - earlier <= 30.1 for earlier, later in pairwise(times))
        assert {(c.active_power_w, c.ceiling_w) for _, c in device.writes} == {(5.0, 50.0)}
        assert [d.outcome for d in world.reasserted] == [ACKNOWLEDGED] * 3

    story(tale)


def test_a_partial_command_does_not_put_off_the_other_timers(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 60.0
        await world.outcome("d", 5.0)
        for step in range(5):
            await asyncio.sleep(20)
            await world.outcome("d", None, ceiling_w=50.0 + step)
        told = [at for at, c in device.writes if c.active_power_w == 5.0]
        assert all(later - earlier <= 30.1 for earlier, later in pairwise(told))
        assert len(told) >= 4

    story(tale)


def test_nothing_is_told_again_after_its_end_or_after_letting_go(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 20.0
        await world.outcome("d", 5.0, valid_until=world.clock.now() + 20)
        await asyncio.sleep(100)
        assert len(device.writes) == 1
        await world.outcome("d", 6.0)
        await world.outcome("d", None, release=True)
        await asyncio.sleep(100)
        assert len(device.writes) == 3

    story(tale)


def test_a_longer_end_for_the_same_value_is_told_again_in_time(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 20.0
        end = world.clock.now() + 20
        await world.outcome("d", 5.0, valid_until=end)
        await asyncio.sleep(15)
        assert await world.outcome("d", 5.0, valid_until=end + 60) is ACKNOWLEDGED
        assert len(device.writes) == 2

    story(tale)


def test_a_failed_re_assertion_is_reported_and_the_value_not_believed(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 10.0
        await world.outcome("d", 5.0)
        device.always = DeviceTimeout("gone")
        await asyncio.sleep(30)
        assert world.reasserted[-1].outcome is TIMEOUT
        assert world.dispatcher.counters.reassert_failures == 1
        assert world.dispatcher.held("d") is None

    story(tale)


def test_stop_settles_what_is_under_way(story: Any) -> None:
    async def tale(world: World, running: Any, _: Any) -> None:
        job = asyncio.create_task(world.apply(world.told("a", 1.0), world.told("b", 1.0)))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(world.apply(world.told("a", 2.0)))
        await asyncio.sleep(0.1)
        await world.dispatcher.stop()
        assert {d.outcome for d in await job} == {TIMEOUT}
        assert (await waiting)[0].outcome is LATE
        assert running.cancelled == 1
        assert await world.outcome("a", 1.0) is REJECTED

    story(tale, "a", "b", seconds=10)


def test_stop_can_let_go(story: Any) -> None:
    async def tale(world: World, held: Any, idle: Any) -> None:
        await world.outcome("a", 1.0)
        await world.dispatcher.stop(revert=True)
        assert (held.reverts, idle.reverts) == (1, 0)

    story(tale, "a", "b")


def test_a_removed_device_is_not_served(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        job = asyncio.create_task(world.apply(world.told("d", 1.0)))
        await asyncio.sleep(0.1)
        world.dispatcher.remove("d")
        assert (await job)[0].outcome is TIMEOUT
        assert not world.dispatcher.serves("d")
        assert device.cancelled == 1

    story(tale, seconds=10)


def test_a_device_that_was_opened_anew_keeps_its_breaker(story: Any, scripted: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.revert_s = 10.0
        await world.outcome("d", 5.0)
        world.dispatcher.add(device, DevicePolicy(dead_band_w=50.0))
        assert world.dispatcher.held("d") is None
        assert await world.outcome("d", 5.0) is ACKNOWLEDGED
        assert await world.outcome("d", 6.0) is UNCHANGED
        device.always = DeviceTimeout("gone")
        await world.outcome("d", 500.0)
        assert world.dispatcher.breaker_state("d") is BreakerState.OPEN
        world.dispatcher.add(device)  # it answers again: it is asked once, ...
        assert world.dispatcher.breaker_state("d") is BreakerState.HALF_OPEN
        before = len(device.writes)
        await world.outcome("d", 500.0)
        assert len(device.writes) == before + 1
        assert world.dispatcher.breaker_state("d") is BreakerState.OPEN
        world.dispatcher.add(device)  # ... and not at each of its returns
        assert world.dispatcher.breaker_state("d") is BreakerState.OPEN
        world.dispatcher.add(scripted("d"))
        assert world.dispatcher.breaker_state("d") is BreakerState.CLOSED

    story(tale, backoff_s=0.1)


def test_what_a_device_was_told_before_it_was_opened_anew_is_reported_once(story: Any) -> None:
    """It may have restarted: nobody tells it again in time where only the dispatcher forgets."""

    async def tale(world: World, device: Any) -> None:
        device.revert_s = 10.0
        await world.outcome("d", 5.0)
        for _ in range(2):
            world.dispatcher.add(device)
        (delivery,) = world.reasserted
        assert (delivery.outcome, delivery.setpoint.active_power_w) == (LATE, 5.0)
        assert "opened anew" in delivery.detail
        await world.apply(Setpoint(device_id="d", issued=world.clock.now(), release=True))
        world.dispatcher.add(device)
        assert len(world.reasserted) == 1

    story(tale)


def test_a_caller_that_goes_away_takes_its_waiting_commands_with_it(story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        first = asyncio.create_task(world.apply(world.told("d", 1.0)))
        await asyncio.sleep(0.1)
        second = asyncio.create_task(world.apply(world.told("d", 2.0)))
        await asyncio.sleep(0.1)
        second.cancel()
        assert (await first)[0].outcome is ACKNOWLEDGED
        await asyncio.sleep(5)
        assert [command.active_power_w for _, command in device.writes] == [1.0]

    story(tale, seconds=0.5)


def test_flapping_devices_never_hold_up_the_others(story: Any) -> None:
    """A tenth of 200 devices fails at random for ten minutes; the others are told every time."""

    async def tale(world: World, *drivers: Any) -> None:
        chance = random.Random(7)
        flapping = set(drivers[::10])
        for step in range(100):
            for device in flapping:
                device.always = DeviceTimeout("gone") if chance.random() < 0.6 else None
            deliveries = await world.apply(*(world.told(d.device_id, float(step + 1)) for d in drivers))
            bad = {d.device_id for d in deliveries if d.outcome is not ACKNOWLEDGED}
            assert bad <= {device.device_id for device in flapping}
            await asyncio.sleep(6)
        assert all(device.overlaps == 0 for device in drivers)
        counters = world.dispatcher.counters
        settled = counters.acknowledged + counters.timeouts + counters.breaker_open + counters.late + counters.rejected
        assert settled == counters.submitted == 100 * len(drivers)

    story(tale, *(f"d{n}" for n in range(200)))


# --- the short way ----------------------------------------------------------------------------------------------------


@pytest.fixture
def quick_story(virtual: Any, virtual_clock: Any, scripted: Any) -> Any:
    """As `story`, with one driver that begins commands by itself: its `begun` holds (command, done)."""

    def run(tale: Any, **settings: Any) -> Any:
        class Quick(type(scripted("x"))):  # type: ignore[misc]  # the kit's scripted driver
            begun: list[Any]
            ready = True

            def begin(self, command: Setpoint, done: Any) -> bool:
                if self.ready:
                    self.begun.append((command, done))
                return self.ready

        async def told() -> Any:
            driver = scripted("d", seconds=0.01)
            driver.__class__ = Quick
            driver.begun = []
            async with World(virtual_clock, driver, **settings) as world:
                return await tale(world, driver)

        return virtual(told())

    return run


def ack_of(world: World, command: Setpoint) -> Ack:
    values = {"W": command.active_power_w or 0.0}
    return Ack(device_id="d", at=world.clock.now(), written=values, read_back=values)


async def applying(world: World, watts: float, **more: Any) -> asyncio.Task[list[Delivery]]:
    task = asyncio.create_task(world.apply(world.told("d", watts), **more))
    await asyncio.sleep(0)
    return task


def test_a_command_may_go_without_a_task(quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        task = await applying(world, 5.0)
        command, done = device.begun.pop()
        done(ack_of(world, command))
        (delivery,) = await task
        assert (delivery.outcome, delivery.attempts) == (ACKNOWLEDGED, 1)
        assert world.dispatcher.held("d") == command
        assert await world.outcome("d", 5.0) is UNCHANGED
        assert device.begun == []

    quick_story(tale)


def test_one_at_a_time_and_the_newest_wins_on_the_short_way_too(quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        first = await applying(world, 1.0)
        second = await applying(world, 2.0)
        third = await applying(world, 3.0)
        assert len(device.begun) == 1
        assert (await second)[0].outcome is LATE
        command, done = device.begun.pop()
        done(ack_of(world, command))
        assert [(await task)[0].outcome for task in (first, third)] == [ACKNOWLEDGED, ACKNOWLEDGED]
        held = world.dispatcher.held("d")
        assert held is not None
        assert held.active_power_w == 3.0

    quick_story(tale)


def test_what_fails_on_the_short_way_is_tried_again_on_the_long_one(quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        task = await applying(world, 1.0)
        device.begun.pop()[1](DeviceTimeout("silent"))
        (delivery,) = await task
        assert (delivery.outcome, delivery.attempts) == (ACKNOWLEDGED, 2)
        assert device.begun == []
        task = await applying(world, 2.0)
        device.begun.pop()[1](DeviceRejected("illegal"))
        (delivery,) = await task
        assert (delivery.outcome, delivery.detail) == (REJECTED, "illegal")
        device.ready = False
        assert await world.outcome("d", 4.0) is ACKNOWLEDGED

    quick_story(tale)


def test_a_deadline_passes_and_the_answer_comes_late(quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        task = await applying(world, 1.0, within=0.5)
        assert (await task)[0].outcome is TIMEOUT
        waiting = await applying(world, 2.0)
        command, done = device.begun.pop()
        done(ack_of(world, command))
        assert (await waiting)[0].outcome is ACKNOWLEDGED
        held = world.dispatcher.held("d")
        assert held is not None
        assert held.active_power_w == 2.0

    quick_story(tale)


@pytest.mark.parametrize("how", ["remove", "stop"])
def test_what_is_under_way_when_it_ends_is_settled_once(how: str, quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        task = await applying(world, 1.0)
        command, done = device.begun.pop()
        if how == "remove":
            world.dispatcher.remove("d")
        else:
            await world.dispatcher.stop()
        assert (await task)[0].outcome is TIMEOUT
        done(ack_of(world, command))
        assert world.dispatcher.counters.acknowledged == 0

    quick_story(tale)


def test_a_driver_that_breaks_when_it_begins_goes_the_long_way(quick_story: Any) -> None:
    async def tale(world: World, device: Any) -> None:
        device.begun = None  # append on nothing raises
        assert await world.outcome("d", 1.0) is ACKNOWLEDGED

    quick_story(tale)


def test_what_became_of_a_batch_leaves_nothing_to_the_garbage_collector(story: Any) -> None:
    async def tale(world: World, _: Any) -> None:
        gc.collect()
        gc.disable()
        try:
            for watts in (100.0, 200.0):
                assert await world.outcome("a", watts) is ACKNOWLEDGED
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            assert not [thing for thing in gc.garbage if isinstance(thing, Batch | Ticket)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()

    story(tale, "a")


@pytest.mark.parametrize("connection", [None, "gateway"])
def test_latched_alarms_are_reset_by_drivers_that_can(
    connection: str | None, virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    class Resetting(scripted):  # type: ignore[misc]  # the class comes from a fixture
        async def reset_alarms(self) -> frozenset[str]:
            return frozenset({"stays"})

    async def tale() -> None:
        can, cannot = Resetting("can", connection=connection), scripted("cannot")
        async with World(virtual_clock, can, cannot) as world:
            assert await world.dispatcher.reset_alarms("can") == {"stays"}
            for name in ("cannot", "nobody"):
                with pytest.raises(DeviceRejected, match="no driver resets alarms"):
                    await world.dispatcher.reset_alarms(name)

    virtual(tale())
