"""The way to one device as the dispatcher keeps it: lane, waiting set-point, policy; and the counters.

Plain state with no decisions; the dispatcher owns what happens to it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint
from gridiface.drivers.api import Ack, Driver, DriverConfig, QuickDriver
from gridiface.drivers.breaker import BreakerSettings, CircuitBreaker
from gridiface.drivers.gate import Gate


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchSettings:
    """Bounds of the dispatcher. Seconds; `healthy_limit` and `suspect_limit` count commands in flight."""

    healthy_limit: int = 16_384
    suspect_limit: int = 512
    backoff_s: float = 0.2
    max_backoff_s: float = 10.0
    breaker: BreakerSettings = field(default_factory=BreakerSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePolicy:
    """How one device wants to be commanded: dead-band in W, least time between commands and time for an answer in s."""

    dead_band_w: float = 0.0
    min_period_s: float = 0.0
    answer_s: float = 1.0

    @classmethod
    def of(cls, config: DriverConfig, rating_w: float) -> DevicePolicy:
        """From a driver's configuration; a relative dead-band counts against `rating_w`."""
        relative = config.dead_band_percent * rating_w / 100.0
        return cls(
            dead_band_w=max(config.dead_band_w, relative), min_period_s=config.min_period_s, answer_s=config.timeout_s
        )


@dataclass(slots=True)
class DispatchCounters:
    """What became of all set-points so far."""

    submitted: int = 0
    acknowledged: int = 0
    unchanged: int = 0
    timeouts: int = 0
    rejected: int = 0
    late: int = 0
    superseded: int = 0
    breaker_open: int = 0
    attempts: int = 0
    retries: int = 0
    reasserted: int = 0
    reassert_failures: int = 0
    breaker_trips: int = 0
    driver_errors: int = 0

    def count(self, outcome: DeliveryOutcome) -> None:
        """One more set-point had this outcome."""
        name = _COUNTER_OF[outcome]
        setattr(self, name, getattr(self, name) + 1)


_COUNTER_OF = {
    DeliveryOutcome.ACKNOWLEDGED: "acknowledged",
    DeliveryOutcome.PUBLISHED: "acknowledged",
    DeliveryOutcome.UNCHANGED: "unchanged",
    DeliveryOutcome.TIMEOUT: "timeouts",
    DeliveryOutcome.REJECTED: "rejected",
    DeliveryOutcome.LATE: "late",
    DeliveryOutcome.BREAKER_OPEN: "breaker_open",
}


class Batch:
    """The set-points of one `apply`, waiting for their deliveries; what is newer has a larger number."""

    __slots__ = ("began", "done", "missing", "number", "results", "tickets")

    def __init__(self, size: int, done: asyncio.Future[None], number: int) -> None:
        self.number = number
        self.results: list[Delivery | None] = [None] * size
        self.missing = size
        self.done = done
        #: When it was opened, loop time.
        self.began = done.get_loop().time()
        self.tickets: list[Ticket] = []


class Ticket:
    """One set-point on its way. `deadline` in loop time."""

    __slots__ = (
        "attempts",
        "batch",
        "begun",
        "deadline",
        "index",
        "lane",
        "last",
        "limit",
        "reassert",
        "running",
        "setpoint",
        "superseded",
    )

    def __init__(self, setpoint: Setpoint, deadline: float, batch: Batch, index: int, *, limit: int) -> None:
        self.setpoint = setpoint
        self.deadline = deadline
        self.batch = batch
        self.index = index
        self.limit = limit
        #: The way that it took, once it took one.
        self.lane: Lane | None = None
        self.attempts = 0
        #: When the last attempt began, loop time.
        self.begun = 0.0
        self.running = False
        self.reassert = False
        self.last = ""
        self.superseded = False

    @property
    def open(self) -> bool:
        """Whether its delivery is still owed."""
        return self.batch.results[self.index] is None


class Lane:
    """The way to one device."""

    __slots__ = (
        "ack",
        "begin",
        "breaker",
        "closed",
        "current",
        "driver",
        "due",
        "gate",
        "held",
        "holds_until",
        "id",
        "newest",
        "policy",
        "quick",
        "suspect",
        "task",
        "timer",
        "waiting",
        "wake",
        "written_at",
    )

    def __init__(self, driver: Driver, policy: DevicePolicy, breaker: CircuitBreaker, gate: Gate | None):
        self.id = driver.device_id
        self.driver = driver
        #: The driver's way to begin a command without a task, where it has one; and the ticket that goes that way.
        self.begin = driver.begin if isinstance(driver, QuickDriver) else None
        self.quick: Ticket | None = None
        self.policy = policy
        self.breaker = breaker
        self.gate = gate
        self.ack: Ack | None = None
        self.held: Setpoint | None = None
        self.holds_until = float("inf")
        #: The device was removed, or the dispatcher stopped: what comes back does not count any more.
        self.closed = False
        #: Number of the newest batch that had something for this device.
        self.newest = 0
        self.waiting: Ticket | None = None
        self.current: Ticket | None = None
        self.task: asyncio.Task[None] | None = None
        self.wake: asyncio.Event | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.due = float("inf")
        self.suspect = False
        self.written_at = float("-inf")

    @property
    def busy(self) -> bool:
        """Whether a command is being carried out, or waits to be tried again."""
        return self.task is not None or self.quick is not None

    def forget(self) -> None:
        """What the device holds is not known any more."""
        self.held = self.ack = None
        self.holds_until = self.due = float("inf")
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
