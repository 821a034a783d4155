"""Our aggregator on a real engine, and a utility's server in another process, over mutual TLS with CCM8."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from tests.clocks import FastClock
from tests.waiting import until

from gridiface.aggregation.engine import Engine
from gridiface.app.config.model import Config
from gridiface.app.dispatching.dispatch import Dispatch
from gridiface.app.fleet.members import Members
from gridiface.app.fronts.upstream_settings import upstreams
from gridiface.app.process.timers import TimerLoop
from gridiface.domain.changes import AppendOutcome, AppendReadings, DeleteDocument, Document, PutControl, PutDocument
from gridiface.domain.controls import ControlState, Delivery, DeliveryOutcome
from gridiface.domain.fleet import Capability, Device, DeviceKind, Nameplate
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import StoreUnavailable
from gridiface.northbound.sep2.served.identities import derived_lfdi
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der
from gridiface.protocols.sep2.polling import Backoff
from gridiface.simulation.children import Child
from gridiface.simulation.utility import UtilityClient

PIN = 111115
RATED = Nameplate(
    max_w=10_000.0,
    max_charge_w=10_000.0,
    energy_wh=40_000.0,
    capabilities=frozenset(
        {Capability.SET_W, Capability.LIMIT_W, Capability.CONNECT, Capability.ENERGIZE, Capability.CURVES,
         Capability.SET_VAR, Capability.POWER_FACTOR}
    ),
)  # fmt: skip
RATES = ("DeviceCapability", "EndDeviceList", "FunctionSetAssignmentsList", "DERProgramList", "DERList",
         "MirrorUsagePointList", "Time")  # fmt: skip


class Ledger:
    """Keeps documents, controls, outcomes and readings; can be down."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Document] = {}
        self.control_rows: dict[str, Any] = {}
        self.outcome_rows: list[Any] = []
        self.reading_rows: list[Any] = []
        self.down = False
        self.die_in: int | None = None
        self.dead = False

    async def commit(self, changes: Sequence[Any]) -> None:
        await asyncio.sleep(0)
        if self.down or self.dead:
            raise StoreUnavailable("not now")
        if self.die_in is not None and any(isinstance(change, PutDocument | DeleteDocument) for change in changes):
            self.die_in -= 1
            if self.die_in < 0:
                self.dead = True
                raise StoreUnavailable("died")
        for change in changes:
            match change:
                case PutDocument():
                    self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
                case DeleteDocument():
                    self.kept.pop((change.space, change.key), None)
                case PutControl():
                    self.control_rows[change.control.id] = change.control
                case AppendOutcome():
                    self.outcome_rows.append(change.outcome)
                case AppendReadings():
                    self.reading_rows += change.readings

    async def documents(self, space: str) -> list[Document]:
        return sorted((d for d in self.kept.values() if d.space == space), key=lambda d: d.key)

    async def readings(self, device_id: str, *, start: float, end: float, limit: int = 10_000) -> list[Any]:
        return [r for r in self.reading_rows if r.device_id == device_id and start <= r.source_time < end][:limit]

    def revived(self) -> Ledger:
        """The same store under a new process."""
        again = Ledger()
        again.kept, again.control_rows = dict(self.kept), dict(self.control_rows)
        again.outcome_rows, again.reading_rows = list(self.outcome_rows), list(self.reading_rows)
        return again

    def live(self) -> list[Any]:
        over = {ControlState.CANCELLED, ControlState.COMPLETED, ControlState.REFUSED, ControlState.SUPERSEDED}
        return [control for control in self.control_rows.values() if control.state not in over]


class Batteries:
    """Do at once what they are told, and say so."""

    def __init__(self, house: House, names: Sequence[str]) -> None:
        self.house = house
        self.watts = dict.fromkeys(names, 0.0)
        self.ceilings: dict[str, float | None] = {}
        self.passed: dict[str, Any] = {}
        self.alarms: dict[str, frozenset[str]] = {}
        #: (power, ceiling) that each was told, in order: a test need not look in the moment in which it holds.
        self.history: dict[str, list[tuple[float, float | None]]] = {name: [] for name in names}

    def serves(self, device_id: str) -> bool:
        return device_id in self.watts

    async def apply(self, setpoints: Sequence[Any], *, deadline: float) -> list[Delivery]:
        now = self.house.clock.now()
        for setpoint in setpoints:
            if setpoint.active_power_w is not None:
                self.watts[setpoint.device_id] = setpoint.active_power_w
            self.ceilings[setpoint.device_id] = setpoint.ceiling_w
            self.passed[setpoint.device_id] = setpoint.passed
            if setpoint.release:
                self.watts[setpoint.device_id] = 0.0
            self.history[setpoint.device_id].append((self.watts[setpoint.device_id], setpoint.ceiling_w))
        self.tell(now)
        done = DeliveryOutcome.ACKNOWLEDGED
        return [Delivery(device_id=s.device_id, outcome=done, at=now, setpoint=s) for s in setpoints]

    def tell(self, now: float) -> None:
        shots = [
            Snapshot(device_id=n, source_time=now, received=now, w=w, var=0.0, hz=50.0, soc=0.5, connected=True,
                     alarms=self.alarms.get(n, frozenset()))
            for n, w in self.watts.items()
        ]  # fmt: skip
        self.house.dispatch.observe_soon(shots)


class House:
    """Engine, dispatch, batteries, and sessions with utilities in front of them."""

    def __init__(self, config: Config, clock: FastClock, ledger: Ledger | None = None) -> None:
        self.config, self.clock = config, clock
        self.ledger = ledger or Ledger()
        members = Members(config)
        self.engine = Engine()
        self.dispatch = Dispatch(self.engine, self.ledger, clock, members)  # type: ignore[arg-type]
        names = [device.id for device in config.devices]
        self.batteries = Batteries(self, names)
        self.dispatch.channels.append(self.batteries)
        now = clock.now()
        for name in names:
            self.engine.add_device(Device(id=name, nameplate=RATED, kind=DeviceKind.BATTERY), now)
        self.engine.set_groups(members.groups(), now)
        self.engine.restore(self.ledger.live(), self.ledger.outcome_rows, now)
        found = upstreams(
            config,
            clock=clock,
            ledger=self.ledger,
            inbox=self.dispatch,
            fleet=self.engine,
            history=self.ledger,  # type: ignore[arg-type]
        )
        assert found is not None
        self.upstreams = found
        self.dispatch.listeners.append(found.on_outcome)
        self.timers = TimerLoop(clock, 0.1 * clock.speed, self._step, [])
        self.dispatch.kick = self.timers.kick
        self._tasks: list[asyncio.Task[None]] = []
        self._told = 0.0

    def status(self) -> dict[str, Any]:
        """How the first session is, as people see it."""
        return self.upstreams.status()[0]

    @property
    def session(self) -> Any:
        return next(iter(self.upstreams.sessions.values()))

    def _step(self, now: float) -> None:
        self.dispatch.tick(now)

    async def _beat(self) -> None:
        while True:
            now = self.clock.now()
            self.batteries.tell(now)
            self.timers.kick()
            for session in self.upstreams.sessions.values():
                session.wake()  # the clock may be a fast one
            await asyncio.sleep(0.1)

    async def start(self) -> None:
        self.batteries.tell(self.clock.now())
        await self.upstreams.start()
        for outcome in list(self.ledger.outcome_rows):
            self.upstreams.on_outcome(outcome)
        self._tasks = [asyncio.create_task(self.timers.run()), asyncio.create_task(self._beat())]

    async def stop(self) -> None:
        await self.upstreams.stop()
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        await self.dispatch.drain(1.0)


@dataclass
class Scene:
    """Certificates, a utility's server and our side."""

    folder: Path
    pki: TestPki
    names: list[str]
    begin: float = field(default_factory=time.time)
    speed: float = 1.0
    groups: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0
    server: Child | None = None
    utility: UtilityClient | None = None
    houses: list[House] = field(default_factory=list)
    listed: int | None = None
    notify: bool = True
    post_rate: int = 2

    @property
    def clock(self) -> FastClock:
        return FastClock(self.begin, self.speed)

    def lfdi(self, name: str) -> str:
        return derived_lfdi("house", "device", name, 0)

    def certificate_lfdi(self, name: str) -> str:
        leaf = x509.load_pem_x509_certificates((self.folder / f"{name}.pem").read_bytes())[0]
        return format_lfdi(lfdi_from_der(leaf.public_bytes(Encoding.DER)))

    @property
    def known(self) -> list[str]:
        """The devices that the utility knows beforehand; the others are registered in band."""
        return self.names[: self.listed]

    def server_config(self) -> dict[str, Any]:
        clients: list[dict[str, Any]] = [
            {"role": "utility", "certificate": "utility.pem"},
            {"role": "aggregator", "certificate": "aggregator.pem", "pin": PIN,
             "manages": self.known},
        ]  # fmt: skip
        clients += [{"role": "device", "lfdi": self.lfdi(name), "device": name} for name in self.known]
        return {
            "site": "utility",
            "database": "sqlite:///utility.sqlite",
            "sep2": {
                "listen": f"127.0.0.1:{self.port}",
                "tls": {"certificate": "server.pem", "key": "server.key", "roots": ["serca.pem"]},
                "clients": clients,
                "poll_rates": dict.fromkeys(RATES, max(1, int(self.speed))),
                "post_rate": self.post_rate,
                "node_programs": True,
                "in_band_registration": len(self.known) < len(self.names),
                "in_band_groups": [group["id"] for group in self.groups[:1]],
                "notifications": {"loopback": True, "spacing_s": 0, "enabled": self.notify},
            },
            "devices": [
                {"id": name, "driver": "sep2", "kind": "battery", "rating": {"max_w": 10000}} for name in self.known
            ],
            "groups": self.groups,
            "operator": None,
            "logging": {"level": "warning"},
        }  # fmt: skip

    async def serve(self) -> None:
        """Start the utility's server, or start it again at the same place."""
        if not self.port:
            self.port = free_port()
        path = self.folder / "utility.yaml"
        path.write_text(yaml.safe_dump(self.server_config(), sort_keys=False))
        command = [str(Path(__file__).with_name("utility_process.py"))]
        plan = {"config": str(path), "begin": self.begin, "speed": self.speed}
        self.server = Child("the utility's server", command, plan, log=self.folder / "utility.log")
        await self.server.start(timeout_s=60)
        if self.utility is None:
            context = client_context(
                "strict",
                key_pairs=[KeyPair(self.folder / "utility.pem", self.folder / "utility.key")],
                roots=[self.folder / "serca.pem"],
            )
            self.utility = UtilityClient(f"https://127.0.0.1:{self.port}", context)
            await self.utility.__aenter__()

    async def lose_server(self) -> None:
        assert self.server is not None
        await self.server.kill()

    def our_config(self, **changes: Any) -> Config:
        upstream: dict[str, Any] = {
            "name": "utility",
            "url": f"https://127.0.0.1:{self.port}/dcap",
            "tls": {
                "certificate": self.folder / "aggregator.pem",
                "key": self.folder / "aggregator.key",
                "roots": [self.folder / "serca.pem"],
            },
            "pin": PIN,
            "all_devices": True,
            "post_rate_s": self.post_rate,
            "sample_s": 0.2 * self.speed,
            "min_poll_s": 0.2 * self.speed,
            "register_devices": len(self.known) < len(self.names),
            "timeout_s": 10,
        }
        return Config.model_validate(
            {
                "site": "house",
                "devices": [
                    {"id": name, "driver": "sunspec", "kind": "battery", "connection": {"host": "127.0.0.1"}}
                    for name in self.names
                ],
                "groups": [{"id": "fleet", "members": self.names}],
                "upstreams": [upstream | changes],
            }
        )

    def subscribing(self, **more: Any) -> dict[str, Any]:
        """The part of our configuration that wants notifications."""
        block = {
            "listen": "127.0.0.1:0",
            "certificate": self.folder / "listener.pem",
            "key": self.folder / "listener.key",
        }
        return {"mode": "subscribe", "notifications": block | more}

    async def connect(self, ledger: Ledger | None = None, **changes: Any) -> House:
        """Our side, running."""
        house = House(self.our_config(**changes), self.clock, ledger)
        self.houses.append(house)
        for session in house.upstreams.sessions.values():
            session.client.tree.backoff = session.client.outbox.backoff = Backoff(0.2, 0.5)
        await house.start()
        return house

    async def close(self) -> None:
        for house in self.houses:
            await house.stop()
        if self.utility is not None:
            await self.utility.__aexit__(None, None, None)
        if self.server is not None:
            await self.server.stop()


def free_port() -> int:
    for _ in range(50):
        port = 20_000 + secrets.randbelow(12_000)
        with contextlib.closing(socket.socket()) as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


@pytest.fixture
def eventually() -> Callable[..., Any]:
    return until


@pytest_asyncio.fixture
async def make_scene(tmp_path: Path) -> AsyncIterator[Callable[..., Scene]]:
    made: list[Scene] = []

    def make(count: int = 2, **more: Any) -> Scene:
        folder = tmp_path / f"scene{len(made)}"
        folder.mkdir()
        now = float(int(time.time()))
        pki = TestPki.create(depth=3, now=now)
        pki.save(folder)
        for profile, name in (("server", "server"), ("server", "listener"), ("utility", "utility"),
                              ("utility", "aggregator")):  # fmt: skip
            hosts = ["localhost", "127.0.0.1"] if profile == "server" else []
            write_credential(folder, name, pki.issue(profile, name, now=now, hosts=hosts))
        names = [f"d{number + 1:02d}" for number in range(count)]
        scene = Scene(folder, pki, names, **more)
        made.append(scene)
        return scene

    yield make
    for scene in made:
        await scene.close()


@pytest.fixture
def words() -> Callable[[Any], str]:
    return lambda value: json.dumps(value, default=str)
