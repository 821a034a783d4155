"""Opens devices, polls their telemetry at their period, and brings them back when they were lost.

Owned here: one task per device, jitter, batches of snapshots, reconnection with backoff, bounded opening. Not owned:
commands (dispatcher), what a snapshot means (the engine). A device that is lost keeps what was last known of it, with
its old times and a worse quality: stale readings are not dated anew.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from gridiface.domain.clock import Clock
from gridiface.domain.fleet import Nameplate, Settings
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import DeviceBusy, DeviceForgot, DeviceGone, Driver, ListeningDriver, TellingDriver
from gridiface.drivers.precedence import Precedence
from gridiface.errors import DeviceError, DeviceTimeout

_log = logging.getLogger(__name__)

#: An attempt is made again after so many times as long as it took: so it keeps a few per cent of one place to open.
_TIMES_AS_LONG = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PollSettings:
    """Bounds of the poller, seconds.

    `failures_to_reopen`: readings failed in a row after which the connection is made anew. `bad_after_s`: a device
    silent for so long is BAD, before that STALE. `max_backoff_s` is for attempts that take their time; a device that
    was there and cannot be reached, or is busy, is tried after `refused_backoff_s` at the latest, one that says no (it
    starts, or does not know us any more) after `denied_backoff_s`, or after so many times as long as the attempt took.
    `look_s`: see `Poller.look`. `news_s`: least time between two readings that news of a
    device brings about. `batch_s`: how long snapshots are gathered.
    """

    opening_limit: int = 64
    failures_to_reopen: int = 2
    backoff_s: float = 1.0
    max_backoff_s: float = 60.0
    refused_backoff_s: float = 5.0
    denied_backoff_s: float = 15.0
    bad_after_s: float = 60.0
    look_s: float = 2.0
    news_s: float = 1.0
    batch_s: float = 0.1
    jitter: float = 0.1


@dataclass(slots=True)
class PollCounters:
    """What the poller did so far; `online` is a gauge."""

    opened: int = 0
    open_failures: int = 0
    reads: int = 0
    read_failures: int = 0
    lost: int = 0
    online: int = 0
    batches: int = 0
    batch_failures: int = 0
    driver_errors: int = 0


class _Polled:
    """One device: its task and what was last known of it."""

    __slots__ = (
        "began",
        "driver",
        "failures",
        "last",
        "lost_since",
        "nameplate",
        "news",
        "online",
        "opened",
        "pause",
        "period_s",
        "rests_s",
        "settings",
        "silent",
        "task",
    )

    def __init__(self, driver: Driver, period_s: float) -> None:
        self.driver = driver
        self.period_s = period_s
        #: The longest pause before it is opened again, s.
        self.rests_s = float("inf")
        self.last: Snapshot | None = None
        self.nameplate: Nameplate | None = None
        self.settings: Settings | None = None
        self.failures = 0
        self.online = False
        self.lost_since: float | None = None
        self.task: asyncio.Task[None] | None = None
        #: Why it has not answered yet.
        self.silent = ""
        #: Between two readings, or two attempts to open it; whether it is open.
        self.pause: asyncio.Future[bool] | None = None
        self.opened = False
        #: The device has told something since the last look at it began, and when that was, in the loop's time.
        self.news = False
        self.began = 0.0


def _wake(pause: asyncio.Future[bool], *, early: bool) -> None:
    if not pause.done():
        pause.set_result(early)


class Poller:
    """Keeps the telemetry of all devices coming. Make and use it inside one running event loop.

    Args:
        clock: for the times of snapshots.
        on_snapshots: takes a batch, each device at most once, newest state; awaited, so a slow one slows nobody but
            makes batches larger. What it raises is logged and counted, the batch is lost.
        on_open: a device was opened: its driver and nameplate. Called at each reconnection too.
        on_settings: the same, at the reading after its settings have changed: it holds what it was told.
        on_lost: a device does not answer any more, or has not yet: its id and why.
        precedence: the large batches of commands that readings give way to, where there are any.
        settings: bounds.
        chance: jitter; a seeded one makes it repeatable.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        on_snapshots: Callable[[list[Snapshot]], Awaitable[None]],
        on_open: Callable[[Driver, Nameplate], None] | None = None,
        on_settings: Callable[[Driver, Nameplate], None] | None = None,
        on_lost: Callable[[str, str], None] | None = None,
        precedence: Precedence | None = None,
        settings: PollSettings | None = None,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = PollCounters()
        self._clock = clock
        self._on_snapshots = on_snapshots
        self._on_open = on_open
        self._on_settings = on_settings
        self._on_lost = on_lost
        self._precedence = precedence or Precedence()
        self._settings = settings or PollSettings()
        self._chance = chance or random.Random()  # noqa: S311 - jitter, not a secret
        self._polled: dict[str, _Polled] = {}
        self._opening = asyncio.Semaphore(self._settings.opening_limit)
        self._gathered: dict[str, Snapshot] = {}
        self._something = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None

    def add(self, driver: Driver, *, period_s: float) -> None:
        """Take a device in; it is opened and polled from now on if the poller runs, else from `start` on.

        Raises:
            ValueError: the device is polled already.
        """
        if driver.device_id in self._polled:
            raise ValueError(f"device {driver.device_id} is polled already")
        polled = self._polled[driver.device_id] = _Polled(driver, period_s)
        if isinstance(driver, TellingDriver):
            driver.on_news(partial(self._hear, polled))
        if self._sender is not None:
            polled.task = asyncio.create_task(self._keep(polled))

    async def remove(self, device_id: str) -> None:
        """Leave a device out and close its driver; unknown ids change nothing."""
        polled = self._polled.pop(device_id, None)
        if polled is not None:
            await self._end(polled)
            self._gathered.pop(device_id, None)

    def online(self, device_id: str) -> bool:
        """Whether the device answers at present."""
        polled = self._polled.get(device_id)
        return polled is not None and polled.online

    def look(self, device_id: str) -> None:
        """Read a device within `look_s`: it left a command unanswered, and its next reading may be a long time off."""
        polled = self._polled.get(device_id)
        if polled is not None and polled.opened and polled.pause is not None:
            soon = self._settings.look_s * self._chance.uniform(0.5, 1.0)
            asyncio.get_running_loop().call_later(soon, partial(_wake, polled.pause, early=True))

    async def start(self) -> None:
        """Begin to open and to poll; twice is once."""
        if self._sender is not None:
            return
        self._sender = asyncio.create_task(self._send())
        for polled in self._polled.values():
            polled.task = asyncio.create_task(self._keep(polled))

    async def stop(self) -> None:
        """End and close every driver; snapshots not yet handed over are handed over. Twice is once."""
        await asyncio.gather(*(self._end(polled) for polled in self._polled.values()))
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await self._hand_over()

    # One device ----------------------------------------------------------------------------------------------------

    async def _keep(self, polled: _Polled) -> None:
        """Open, poll until it is lost, wait, again."""
        attempt = 0
        while True:
            forgot = False
            self._begin(polled)
            if await self._open(polled):
                attempt, polled.opened = 0, True
                forgot = await self._poll(polled)
            polled.opened = False
            await polled.driver.close()
            if forgot:
                continue  # it is there: it is opened at once, so that it is told again
            pause = min(polled.rests_s, self._settings.backoff_s * 2 ** min(attempt, 16))
            attempt += 1
            await self._rest(polled, pause * self._chance.uniform(0.5, 1.0))

    def _rest_after(self, polled: _Polled, error: DeviceError, took_s: float) -> float:
        """The longest pause after this attempt to open it; who tells of itself is opened at once when it does."""
        if polled.nameplate is None or isinstance(polled.driver, TellingDriver):
            return polled.rests_s
        passes = isinstance(error, DeviceTimeout | DeviceBusy)
        least_s = self._settings.refused_backoff_s if passes else self._settings.denied_backoff_s
        return min(self._settings.max_backoff_s, max(least_s, _TIMES_AS_LONG * took_s))

    def _begin(self, polled: _Polled) -> None:
        """The device is looked at: what it tells from now on is news."""
        polled.news, polled.began = False, asyncio.get_running_loop().time()

    def _hear(self, polled: _Polled) -> None:
        """The device has told something by itself."""
        if not polled.news:
            polled.news = True
            self._hurry(polled)

    def _hurry(self, polled: _Polled) -> None:
        """End the pause of a device that has news, as soon as the last look at it is long enough ago."""
        if polled.news and polled.pause is not None:
            loop = asyncio.get_running_loop()
            when = max(loop.time(), polled.began + self._settings.news_s)
            loop.call_at(when, partial(_wake, polled.pause, early=True))

    async def _open(self, polled: _Polled) -> bool:
        async with self._opening:
            began, polled.rests_s = asyncio.get_running_loop().time(), self._settings.max_backoff_s
            try:
                nameplate = await polled.driver.open()
            except DeviceError as error:
                polled.rests_s = self._rest_after(polled, error, asyncio.get_running_loop().time() - began)
                self.counters.open_failures += 1
                self._failed(polled, error.reason)
                return False
            except Exception as error:
                self._driver_error(polled, error)
                return False
        self.counters.opened += 1
        polled.nameplate = nameplate
        polled.settings = polled.driver.settings
        if self._on_open is not None:
            self._on_open(polled.driver, nameplate)
        return True

    async def _poll(self, polled: _Polled) -> bool:
        """Read at the period until the device is lost, or does not hold any more what it was told (True)."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        polled.failures = 0
        while True:
            await self._precedence.give_way()
            self._begin(polled)
            try:
                snapshot = await polled.driver.read()
            except DeviceForgot as error:
                _log.warning("device %s is opened anew: %s", polled.driver.device_id, error.reason)
                return True
            except DeviceError as error:
                gone = isinstance(error, DeviceGone)
                polled.failures = self._settings.failures_to_reopen if gone else polled.failures + 1
                self.counters.read_failures += 1
                self._failed(polled, error.reason)
                if polled.failures >= self._settings.failures_to_reopen:
                    return False
            except Exception as error:
                self._driver_error(polled, error)
                return False
            else:
                self._succeeded(polled, snapshot)
            due = max(due + polled.period_s, loop.time())
            jitter = polled.period_s * self._settings.jitter
            # Jitter moves a reading inside its period, it does not add up.
            if await self._rest(polled, max(0.0, due - loop.time() + self._chance.uniform(-jitter, 0.0))):
                due = loop.time()

    async def _rest(self, polled: _Polled, seconds: float) -> bool:
        """The pause before the next look at a device. Whether `look` or news ended it before its time."""
        loop = asyncio.get_running_loop()
        pause: asyncio.Future[bool] = loop.create_future()
        polled.pause = pause
        timer = loop.call_later(seconds, partial(_wake, pause, early=False))
        self._hurry(polled)
        try:
            return await pause
        finally:
            timer.cancel()
            polled.pause = None

    def _succeeded(self, polled: _Polled, snapshot: Snapshot) -> None:
        self.counters.reads += 1
        polled.failures = 0
        polled.last = snapshot
        polled.lost_since = None
        if polled.nameplate is not None and polled.driver.settings != polled.settings:
            polled.settings = polled.driver.settings
            if self._on_settings is not None:
                self._on_settings(polled.driver, polled.nameplate)
        if not polled.online:
            polled.online = True
            self.counters.online += 1
        self._gather(snapshot)

    def _failed(self, polled: _Polled, reason: str) -> None:
        now = self._clock.monotonic()
        if polled.lost_since is None:
            polled.lost_since = now
        if polled.online and polled.failures >= self._settings.failures_to_reopen:
            polled.online = False
            self.counters.online -= 1
            self.counters.lost += 1
            _log.warning("device %s is lost: %s", polled.driver.device_id, reason)
            if self._on_lost is not None:
                self._on_lost(polled.driver.device_id, reason)
        if polled.last is None:
            lost = polled.nameplate is None or polled.failures >= self._settings.failures_to_reopen
            if lost and reason != polled.silent:
                # A wrong address or unit says so from the start, and again only where the reason is another.
                polled.silent = reason
                _log.warning("device %s has not answered yet: %s", polled.driver.device_id, reason)
                if self._on_lost is not None:
                    self._on_lost(polled.driver.device_id, reason)
            at = self._clock.now()
            never = Snapshot(device_id=polled.driver.device_id, source_time=at, received=at, quality=Quality.BAD)
            self._gather(never)
            return
        bad = now - polled.lost_since >= self._settings.bad_after_s
        self._gather(replace(polled.last, quality=Quality.BAD if bad else Quality.STALE))

    def _driver_error(self, polled: _Polled, error: Exception) -> None:
        # A driver's own fault must not take the other devices down with it.
        _log.exception("driver of %s failed", polled.driver.device_id)
        self.counters.driver_errors += 1
        polled.failures = self._settings.failures_to_reopen
        self._failed(polled, repr(error))

    async def _end(self, polled: _Polled) -> None:
        task, polled.task = polled.task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if polled.online:
            polled.online = False
            self.counters.online -= 1
        await polled.driver.close()
        if isinstance(polled.driver, ListeningDriver):
            await polled.driver.end()

    # Batches -------------------------------------------------------------------------------------------------------

    def _gather(self, snapshot: Snapshot) -> None:
        self._gathered[snapshot.device_id] = snapshot
        self._something.set()

    async def _send(self) -> None:
        while True:
            await self._something.wait()
            await asyncio.sleep(self._settings.batch_s)
            await self._hand_over()

    async def _hand_over(self) -> None:
        batch, self._gathered = list(self._gathered.values()), {}
        self._something.clear()
        if not batch:
            return
        self.counters.batches += 1
        try:
            await self._on_snapshots(batch)
        except Exception:
            # The receiver's failure (a store that is away) must not end the polling of devices.
            self.counters.batch_failures += 1
            _log.exception("a batch of %d snapshots was not taken", len(batch))
