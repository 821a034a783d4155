"""The devices that have a driver: drivers from the configuration, the dispatcher and the poller around them.

Owns their making and their life; what a device is worth to the engine is members.py's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gridiface.app.config.model import Config
from gridiface.app.fleet.members import SEP2
from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.domain.clock import Clock
from gridiface.domain.controls import Delivery, DeliveryOutcome
from gridiface.domain.definitions import DeviceEntry
from gridiface.domain.fleet import DriverTraits, Nameplate
from gridiface.domain.ports import Ledger
from gridiface.domain.telemetry import Quality, Snapshot
from gridiface.drivers.api import Driver, DriverConfig, RememberingDriver
from gridiface.drivers.dispatcher import Dispatcher
from gridiface.drivers.lane import DevicePolicy
from gridiface.drivers.poller import Poller
from gridiface.drivers.registry import DriverRegistry

#: Where drivers keep what they must know of their devices after a restart, by device.
SPACE = "app/driver"


class Southbound:
    """All drivers of one server.

    Args:
        config: the installation.
        clock: wall clock.
        ledger: where drivers keep what they must know after a restart.
        on_snapshots: takes batches of telemetry.
        on_open: a device was opened, also again, or has other settings: driver and nameplate.
        on_lost: a device does not answer any more: id and reason.
        on_reassert: what became of telling a device again before its own timer ran out.

    Raises:
        ConfigError: a driver is not installed or refuses its keys; the text names the device.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        ledger: Ledger,
        *,
        on_snapshots: Callable[[Sequence[Snapshot]], Awaitable[None]],
        on_open: Callable[[Driver, Nameplate], None],
        on_lost: Callable[[str, str], None],
        on_reassert: Callable[[Delivery], None] | None = None,
    ) -> None:
        registry = DriverRegistry(folder=config.folder)
        self.dispatcher = Dispatcher(clock=clock, on_reassert=on_reassert)
        self.poller = Poller(
            clock=clock,
            on_snapshots=self._polled,
            on_open=self._opened,
            on_settings=self._changed,
            on_lost=on_lost,
            precedence=self.dispatcher.precedence,
        )
        self._on_snapshots = on_snapshots
        self._on_open = on_open
        self._drivers: list[tuple[Driver, DriverConfig]] = []
        self._configs: dict[str, DriverConfig] = {}
        self._registry, self._clock, self._ledger = registry, clock, ledger
        self._kept: dict[str, bytes] = {}
        for index, entry in enumerate(config.devices):
            if entry.driver != SEP2:
                driver, keys = self.make(entry, place=f"devices[{index}].connection")
                self._configs[entry.id] = keys
                self._drivers.append((driver, keys))

    def make(self, entry: DeviceEntry, *, place: str = "connection") -> tuple[Driver, DriverConfig]:
        """A driver for a device, not yet open.

        Raises:
            ConfigError: the driver is not installed or refuses its keys; the text names `place`.
        """
        keys = self._registry.config(entry.driver, entry.connection, place=place)
        return self._registry.factory(entry.driver).create(entry.id, keys, clock=self._clock), keys

    def add(self, driver: Driver, keys: DriverConfig) -> None:
        """Take a device in while the server runs: it is opened, polled and told from now on."""
        self._configs[driver.device_id] = keys
        if isinstance(driver, RememberingDriver):
            self._remind(driver, driver.device_id)
        self.dispatcher.add(driver, DevicePolicy.of(keys, 0.0))
        self.poller.add(driver, period_s=keys.poll_period_s)

    def _remind(self, driver: RememberingDriver, device_id: str) -> None:
        async def keep(body: bytes) -> None:
            await self._ledger.commit(
                [PutDocument(SPACE, device_id, body) if body else DeleteDocument(SPACE, device_id)]
            )
            self._kept[device_id] = body

        driver.recall(self._kept.get(device_id, b""), keep)

    async def remove(self, device_id: str) -> None:
        """Let go of a device, close its driver, leave it out; unknown ids change nothing."""
        await self.dispatcher.dismiss(device_id)
        await self.poller.remove(device_id)
        self._configs.pop(device_id, None)

    async def start(self) -> None:
        """Begin to open, poll and hand out.

        Raises:
            StoreUnavailable: what drivers kept cannot be read.
        """
        self._kept = {document.key: document.body for document in await self._ledger.documents(SPACE)}
        await self.dispatcher.start()
        for driver, keys in self._drivers:
            self.add(driver, keys)
        await self.poller.start()

    async def stop(self) -> None:
        """End and close every driver; the devices keep what they were told until their own timers run out."""
        await self.dispatcher.stop()
        await self.poller.stop()

    async def _polled(self, snapshots: Sequence[Snapshot]) -> None:
        """Pass telemetry on; what is only remembered of a lost device is BAD, so that its share moves at once."""
        await self._on_snapshots([self._judged(snapshot) for snapshot in snapshots])

    def failed(self, deliveries: Sequence[Delivery]) -> None:
        """Devices that gave no answer to a command are read soon: who is there again is told again then."""
        for delivery in deliveries:
            if delivery.outcome is DeliveryOutcome.TIMEOUT:
                self.poller.look(delivery.device_id)

    def traits_of(self, driver: Driver) -> DriverTraits:
        """What a driver says of itself, and how often its device is read at least."""
        keys = self._configs.get(driver.device_id)
        if keys is None or driver.traits.report_period_s is not None:
            return driver.traits
        return replace(driver.traits, report_period_s=keys.poll_period_s)

    def _judged(self, snapshot: Snapshot) -> Snapshot:
        if snapshot.quality is Quality.STALE and not self.poller.online(snapshot.device_id):
            return replace(snapshot, quality=Quality.BAD)
        return snapshot

    def _changed(self, driver: Driver, nameplate: Nameplate) -> None:
        """A device's settings are others now: whoever keeps them is told, and what it holds stays known."""
        if driver.device_id in self._configs:
            self._on_open(driver, nameplate)

    def _opened(self, driver: Driver, nameplate: Nameplate) -> None:
        if driver.device_id not in self._configs:
            return  # It was taken out while it was being opened.
        policy = DevicePolicy.of(self._configs[driver.device_id], nameplate.max_w)
        self.dispatcher.add(driver, policy)
        self._on_open(driver, nameplate)
