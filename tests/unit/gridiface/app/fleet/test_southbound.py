"""Drivers from the configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from gridiface.app.config.model import Config
from gridiface.app.fleet.southbound import Southbound
from gridiface.app.process.clock import SystemClock
from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.controls import Delivery, DeliveryOutcome, Setpoint
from gridiface.domain.fleet import Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.drivers.api import Driver, DriverConfig, Keep
from gridiface.errors import ConfigError
from gridiface.simulation.sunspec.config import SimulationConfig
from gridiface.simulation.sunspec.server import Simulation
from gridiface_southbound.sunspec.driver import SunSpecDriver


class Ledger:
    """Documents in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], bytes] = {}

    async def commit(self, changes: Sequence[Change]) -> None:
        for change in changes:
            match change:
                case PutDocument(space, key, body):
                    self.kept[space, key] = body
                case DeleteDocument(space, key):
                    self.kept.pop((space, key), None)

    async def documents(self, space: str) -> list[Document]:
        return [Document(one, key, body) for (one, key), body in self.kept.items() if one == space]


class Recalling(SunSpecDriver):
    """Shows what it was reminded of."""

    recalled: list[tuple[bytes, Keep]]

    def recall(self, kept: bytes, keep: Keep) -> None:
        self.recalled = [(kept, keep)]


def southbound(
    devices: list[dict[str, object]], opened: list[str], seen: list[Snapshot], ledger: Ledger | None = None
) -> Southbound:
    async def snapshots(batch: Sequence[Snapshot]) -> None:
        seen.extend(batch)

    def on_open(driver: Driver, nameplate: Nameplate) -> None:
        opened.append(f"{driver.device_id} {nameplate.max_w:.0f}")

    return Southbound(
        Config.model_validate({"devices": devices}),
        SystemClock(),
        ledger or Ledger(),
        on_snapshots=snapshots,
        on_open=on_open,
        on_lost=lambda name, reason: None,
    )


async def test_who_gave_no_answer_to_a_command_is_read_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    under_test = southbound([], [], [])
    monkeypatch.setattr(under_test.poller, "look", looked.append)
    under_test.failed(
        [
            Delivery(
                device_id=f"d{outcome.value}", outcome=outcome, at=0.0, setpoint=Setpoint(device_id="d", issued=0.0)
            )
            for outcome in DeliveryOutcome
        ]
    )
    assert looked == ["dtimeout"]


async def test_how_often_a_device_is_read_is_among_its_traits() -> None:
    part = southbound(
        [{"id": "a", "driver": "sunspec", "connection": {"host": "127.0.0.1", "poll_period_s": 30}}], [], []
    )
    await part.start()
    try:
        ((driver, _),) = part._drivers
        assert driver.traits.report_period_s is None
        assert part.traits_of(driver).report_period_s == 30
        await part.remove("a")
        assert part.traits_of(driver) == driver.traits
    finally:
        await part.stop()


async def test_devices_are_opened_polled_and_served() -> None:
    simulation = Simulation(SimulationConfig.model_validate({"units": [{"max_w": 4000}]}))
    await simulation.start()
    place = simulation.places()[0]
    opened: list[str] = []
    seen: list[Snapshot] = []
    connection = {"host": place["host"], "port": place["port"], "unit_id": 1, "poll_period_s": 0.05}
    part = southbound([{"id": "a", "driver": "sunspec", "connection": connection}], opened, seen)
    await part.start()
    try:
        async with asyncio.timeout(60):
            while not (opened and seen):
                await asyncio.sleep(0.02)
        assert opened == ["a 4000"]
        assert part.dispatcher.serves("a")
        assert not part.dispatcher.serves("b")
    finally:
        await part.stop()
        await simulation.stop()


def test_devices_that_speak_2030_5_need_no_driver() -> None:
    part = southbound([{"id": "inv", "driver": "sep2"}], [], [])
    assert not part.dispatcher.serves("inv")


def test_wrong_keys_name_the_device() -> None:
    with pytest.raises(ConfigError, match=r"devices\[0\]\.connection.*sunspec"):
        southbound([{"id": "a", "driver": "sunspec", "connection": {"hots": "x"}}], [], [])


async def test_what_a_driver_keeps_is_known_to_it_after_a_restart() -> None:
    ledger = Ledger()
    keys = SunSpecDriver.Config(host="127.0.0.1")

    async def run(body: bytes) -> bytes:
        """One process: what the driver is reminded of; it keeps `body`."""
        part = southbound([], [], [], ledger)
        await part.start()
        try:
            driver = Recalling.create("a", keys, clock=SystemClock())
            assert isinstance(driver, Recalling)
            part.add(driver, DriverConfig())
            ((kept, keep),) = driver.recalled
            await keep(body)
            return kept
        finally:
            await part.stop()

    assert [await run(body) for body in (b"one", b"two", b"", b"four")] == [b"", b"one", b"two", b""]
