"""The poller on a virtual clock: periods, batches, loss, reconnection, and receivers that fail."""

from __future__ import annotations

import asyncio
import random
from itertools import pairwise
from typing import Any

import pytest

from gridiface.domain.fleet import Settings
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import DeviceBusy, DeviceForgot, DeviceGone
from gridiface.drivers.poller import Poller, PollSettings
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout


class Watch:
    """A poller and what it said."""

    def __init__(self, clock: Any, **settings: Any) -> None:
        self.batches: list[list[Snapshot]] = []
        self.opened: list[str] = []
        self.changed: list[str] = []
        self.lost: list[tuple[str, str]] = []
        self.raising: Exception | None = None
        self.poller = Poller(
            clock=clock,
            on_snapshots=self.take,
            on_open=lambda driver, _: self.opened.append(driver.device_id),
            on_settings=lambda driver, _: self.changed.append(driver.device_id),
            on_lost=lambda device_id, reason: self.lost.append((device_id, reason)),
            settings=PollSettings(**settings),
            chance=random.Random(3),
        )

    async def take(self, batch: list[Snapshot]) -> None:
        self.batches.append(batch)
        if self.raising is not None:
            raise self.raising

    def of(self, device_id: str) -> list[Snapshot]:
        return [snapshot for batch in self.batches for snapshot in batch if snapshot.device_id == device_id]


def test_every_device_is_read_at_its_period(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        quick, slow = scripted("quick"), scripted("slow")
        watch.poller.add(quick, period_s=1.0)
        watch.poller.add(slow, period_s=10.0)
        await watch.poller.start()
        await asyncio.sleep(100)
        await watch.poller.stop()
        assert quick.reads == pytest.approx(100, abs=5)
        assert slow.reads == pytest.approx(10, abs=2)
        times = [snapshot.received for snapshot in watch.of("slow")]
        assert all(8.9 <= later - earlier <= 11.1 for earlier, later in pairwise(times))
        assert watch.opened == ["quick", "slow"]
        assert quick.closes >= 1

    virtual(tale())


def test_who_gave_no_answer_to_a_command_is_read_soon_and_then_at_its_period(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        slow = scripted("slow")
        watch.poller.add(slow, period_s=50.0)
        watch.poller.look("slow")  # not running yet, and nobody of that name: nothing to do
        watch.poller.look("unknown")
        await watch.poller.start()
        await asyncio.sleep(10)
        assert slow.reads == 1
        watch.poller.look("slow")
        watch.poller.look("slow")
        await asyncio.sleep(2.5)
        assert slow.reads == 2
        await asyncio.sleep(42)
        assert slow.reads == 2
        await asyncio.sleep(10)
        assert slow.reads == 3
        await watch.poller.stop()

    virtual(tale())


def test_who_tells_by_itself_is_read_at_once_but_not_at_each_word(
    virtual: Any, virtual_clock: Any, telling: Any
) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        station = telling("cp")
        watch.poller.add(station, period_s=50.0)
        station.tell()  # not running yet: nothing to do
        await watch.poller.start()
        await asyncio.sleep(5)
        before = station.reads
        station.tell()
        await asyncio.sleep(0.2)
        assert station.reads == before + 1
        for _ in range(1000):  # news all the time: one reading a second
            station.tell()
            await asyncio.sleep(0.01)
        assert 9 <= station.reads - before - 1 <= 11
        station.reads = 0
        await asyncio.sleep(45)
        assert station.reads <= 1  # the last word of all; then the period counts from there
        await watch.poller.stop()

    virtual(tale())


def test_who_says_goodbye_is_lost_at_once_and_opened_when_it_tells_of_itself(
    virtual: Any, virtual_clock: Any, telling: Any
) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock, max_backoff_s=600.0)
        station = telling("cp")
        watch.poller.add(station, period_s=30.0)
        await watch.poller.start()
        await asyncio.sleep(5)
        station.read_failures = [DeviceGone("it hung up")]
        station.open_failures = [DeviceTimeout("it has not called")] * 20
        station.tell()
        await asyncio.sleep(0.2)
        assert watch.lost == [("cp", "it hung up")]
        assert not watch.poller.online("cp")
        await asyncio.sleep(400)  # the pauses double: the next attempt is minutes off
        assert 0 < len(station.open_failures) < 20
        station.open_failures = []
        opens = station.opens
        watch.poller.look("cp")  # a command that was not answered is no sign of life
        await asyncio.sleep(5)
        assert station.opens == opens
        station.tell()
        await asyncio.sleep(0.2)
        assert watch.poller.online("cp")
        assert watch.opened == ["cp", "cp"]
        await watch.poller.stop()

    virtual(tale())


def test_snapshots_come_in_batches_each_device_once(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock, batch_s=1.0)
        for n in range(100):
            watch.poller.add(scripted(f"d{n}"), period_s=5.0)
        await watch.poller.start()
        await asyncio.sleep(4)
        await watch.poller.stop()
        assert len(watch.batches) == 1
        assert len({snapshot.device_id for snapshot in watch.batches[0]}) == 100

    virtual(tale())


def test_a_lost_device_is_stale_then_bad_and_comes_back(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock, bad_after_s=20.0, backoff_s=1.0, max_backoff_s=4.0)
        device = scripted("d")
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(5)
        last = watch.of("d")[-1]
        assert last.quality is Quality.GOOD
        assert watch.poller.online("d")
        device.read_failures = [DeviceTimeout("silent")] * 2
        device.open_failures = [DeviceTimeout("cannot be reached")] * 12
        await asyncio.sleep(8)
        stale = watch.of("d")[-1]
        assert stale.quality is Quality.STALE
        assert stale.w == last.w
        assert stale.source_time == pytest.approx(last.source_time, abs=1.5)
        assert watch.lost == [("d", "silent")]
        assert not watch.poller.online("d")
        await asyncio.sleep(60)
        qualities = [snapshot.quality for snapshot in watch.of("d")]
        assert Quality.BAD in qualities
        assert qualities[-1] is Quality.GOOD
        assert watch.opened == ["d", "d"]
        counters = watch.poller.counters
        assert (counters.online, counters.lost, counters.open_failures) == (1, 1, 12)
        await watch.poller.stop()
        assert watch.poller.counters.online == 0

    virtual(tale())


def test_a_device_that_never_answered_is_bad(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        device = scripted("d")
        device.open_failures = [DeviceRejected("no marker")] * 1000
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(300)
        await watch.poller.stop()
        assert {snapshot.quality for snapshot in watch.of("d")} == {Quality.BAD}
        assert watch.of("d")[0].w is None
        assert device.opens < 15
        assert watch.lost == [("d", "no marker")], "told once, although it is tried again and again"

    virtual(tale())


def test_one_failure_is_no_loss(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock, batch_s=0.01)
        device = scripted("d")
        device.read_failures = [DeviceTimeout("once")]
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(3)
        await watch.poller.stop()
        assert device.opens == 1
        assert watch.lost == []
        assert watch.of("d")[-1].quality is Quality.GOOD

    virtual(tale())


def test_a_receiver_that_fails_does_not_end_the_polling(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        watch.raising = RuntimeError("the store is away")
        watch.poller.add(scripted("d"), period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(5)
        watch.raising = None
        await asyncio.sleep(5)
        await watch.poller.stop()
        assert watch.poller.counters.batch_failures >= 4
        assert watch.poller.counters.reads >= 9

    virtual(tale())


def test_a_drivers_own_fault_ends_in_a_new_attempt(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        device = scripted("d")
        device.read_failures = [ZeroDivisionError("oops")]
        device.open_failures = [KeyError("oops")]
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(20)
        await watch.poller.stop()
        assert watch.poller.counters.driver_errors == 2
        assert watch.of("d")[-1].quality is Quality.GOOD

    virtual(tale())


def test_devices_come_and_go_while_it_runs(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        await watch.poller.start()
        await watch.poller.start()
        device = scripted("d")
        watch.poller.add(device, period_s=1.0)
        with pytest.raises(ValueError, match="polled already"):
            watch.poller.add(device, period_s=1.0)
        await asyncio.sleep(3)
        await watch.poller.remove("d")
        await watch.poller.remove("d")
        reads = device.reads
        await asyncio.sleep(10)
        assert device.reads == reads
        assert not watch.poller.online("d")
        await watch.poller.stop()
        await watch.poller.stop()

    virtual(tale())


def test_changed_settings_are_told_at_the_next_reading(virtual: Any, virtual_clock: Any, scripted: Any) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock)
        device = scripted("d")
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(5)
        assert watch.opened == ["d"]
        device.settings = Settings(enter_delay_s=60)
        await asyncio.sleep(5)
        await watch.poller.stop()
        assert (watch.opened, watch.changed) == (["d"], ["d"])
        assert device.opens == 1

    virtual(tale())


@pytest.mark.parametrize(
    ("kind", "takes_s", "longest_s"),
    [
        (DeviceTimeout, 0.0, 5.0),
        (DeviceTimeout, 1.0, 20.0),
        (DeviceTimeout, 10.0, 60.0),
        (DeviceBusy, 0.0, 5.0),
        (DeviceRejected, 0.0, 15.0),
        (DeviceRejected, 1.0, 20.0),
    ],
)
def test_who_refuses_at_once_is_tried_again_soon_and_who_is_waited_for_seldom(
    virtual: Any, virtual_clock: Any, scripted: Any, kind: type[DeviceError], takes_s: float, longest_s: float
) -> None:
    async def tale() -> None:
        watch, ends = Watch(virtual_clock), []
        device = scripted("d")

        async def refuse() -> Any:
            await asyncio.sleep(takes_s)
            ends.append(asyncio.get_running_loop().time())
            raise kind("connection refused")

        device.read_failures = [DeviceTimeout("silent")] * 2
        watch.poller.add(device, period_s=1.0)
        await watch.poller.start()
        await asyncio.sleep(0.5)
        device.open = refuse
        await asyncio.sleep(1_000)
        await watch.poller.stop()
        pauses = [later - sooner - takes_s for sooner, later in pairwise(ends)]
        assert all(longest_s / 2 - 0.01 <= pause <= longest_s + 0.01 for pause in pauses[8:])
        assert pauses[0] <= 2.0

    virtual(tale())


def test_a_device_that_forgot_what_it_was_told_is_opened_anew_at_once(
    virtual: Any, virtual_clock: Any, scripted: Any
) -> None:
    async def tale() -> None:
        watch = Watch(virtual_clock, backoff_s=30.0)
        device = scripted("d")
        watch.poller.add(device, period_s=10.0)
        await watch.poller.start()
        await asyncio.sleep(5)
        device.read_failures = [DeviceForgot("it restarted")]
        await asyncio.sleep(6)
        assert (device.opens, device.closes) == (2, 1)
        assert watch.opened == ["d", "d"]
        assert watch.of("d")[-1].quality is Quality.GOOD
        assert watch.poller.online("d")
        assert watch.lost == []
        assert watch.poller.counters.lost == 0
        await watch.poller.stop()

    virtual(tale())
