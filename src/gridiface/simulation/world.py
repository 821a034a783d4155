"""A whole small world in a temporary folder: PKI, SunSpec devices, the server, inverters, a utility.

Every part but the utility's client runs in a process of its own and ends with this one. Owns how the parts are
started, wired and ended; what happens in the world is the caller's story.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import shutil
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from gridiface.errors import GridifaceError
from gridiface.pki.contexts import KeyPair, client_context, server_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import make_pin
from gridiface.plainyaml import read_yaml
from gridiface.simulation.children import Child, ChildFailed
from gridiface.simulation.scratch import Scratch
from gridiface.simulation.subscriber import Subscriber
from gridiface.simulation.utility import UtilityClient

_PIN = make_pin(11111)

#: How long the server may take to answer with a page: that of 10,000 devices is ten megabytes, s.
_PAGE_S = 30.0

#: Above so many batteries not each has a port of its own.
_MANY = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WorldPlan:
    """How large the world is. Powers in W, energies in Wh, times in s; `battery_loss` a part, see `UnitConfig.loss`.

    `idle_devices` are inverters that are registered and never connect; `settings` replaces whole blocks of the server's
    configuration, `limits` goes into its sep2.limits.
    """

    batteries: int = 20
    inverters: int = 3
    battery_w: float = 5_000.0
    battery_wh: float = 10_000.0
    battery_loss: float = 0.0
    battery_curves: bool = False
    inverter_w: float = 8_000.0
    poll_s: int = 1
    battery_poll_s: float = 0.5
    ready_s: float = 30.0
    page_port: int = 8080
    settings: Mapping[str, Any] = field(default_factory=dict)
    in_band: bool = False
    idle_devices: int = 0
    limits: Mapping[str, int] = field(default_factory=dict)
    log_level: str = "info"


class World:
    """The running world. Use as an async context manager.

    Attributes:
        folder: everything the world wrote; removed at the end.
        config: path of the server's configuration.
        sep2_port, page_port: where the server listens, after `start`.
        password: of the user `admin`, made at the first start.
    """

    def __init__(self, plan: WorldPlan, *, keep: Path | None = None) -> None:
        self.plan = plan
        self._keep = keep
        self._scratch = Scratch()
        self.folder = self._scratch.path
        self.config = self.folder / "gridiface.yaml"
        self.pki = self.folder / "pki"
        self.sep2_port = 0
        self.page_port = 0
        self.password = f"demo-{secrets.token_hex(4)}"
        self.places: list[dict[str, Any]] = []
        self.ports: dict[str, int] = {}
        self.devices = Child(
            "the simulated SunSpec devices",
            ["-m", "gridiface.simulation.sunspec"],
            self._units(),
            log=self._log("devices"),
        )
        self.server: Child | None = None
        self.inverters: list[Child] = []

    async def start(self) -> None:
        """Make the PKI, start the devices, the server and the inverters, and wait until all are ready.

        Raises:
            ChildFailed: a part did not start; its last words are in the text.
        """
        await asyncio.to_thread(self._make_pki)
        self.places = (await self.devices.start(timeout_s=self.plan.ready_s))["units"]
        self.config.write_text(yaml.safe_dump(self._server_config(), sort_keys=False), encoding="utf-8")
        await self.start_server()
        self.inverters = [self._inverter(number) for number in range(self.plan.inverters)]
        await self._all_ready()

    async def _all_ready(self) -> None:
        """Wait for every inverter; none gets ready any more once the server has ended."""
        assert self.server is not None
        starting = [asyncio.create_task(inverter.start()) for inverter in self.inverters]
        ended = asyncio.create_task(self.server.ended())
        try:
            for task in starting:
                await asyncio.wait([task, ended], return_when=asyncio.FIRST_COMPLETED)
                if not task.done():
                    raise ChildFailed(ended.result())
                await task
        finally:
            for waiting in (*starting, ended):
                waiting.cancel()
            await asyncio.gather(*starting, ended, return_exceptions=True)

    async def start_server(self) -> None:
        """Start the server, or start it again on the same ports after `kill_server`."""
        command = ["-m", "gridiface.cli", "serve", str(self.config), "--child"]
        self.server = Child("the server", command, log=self._log("server"))
        ports = await self.server.start(timeout_s=self.plan.ready_s)
        setup = ports.pop("setup", None)
        self.ports = ports
        self.sep2_port, self.page_port = ports["sep2"], ports.get("operator", 0)
        self._pin_ports()
        if setup is not None and self.page_port:
            await self._sign_up(setup.partition("#")[2])

    @property
    def sign_in_link(self) -> str:
        """The page on which one press of a button signs in; name and password stand behind the #."""
        return f"http://127.0.0.1:{self.page_port}/login#admin:{self.password}"

    async def _sign_up(self, ticket: str) -> None:
        """Give the first admin the world's password.

        Raises:
            GridifaceError: no answer, or the server refused.
        """
        body = {"ticket": ticket, "password": self.password}
        await self._ask("POST", "/api/v1/session/setup", 201, body)

    async def kill_server(self) -> None:
        """End the server with SIGKILL, as a power cut would."""
        if self.server is not None:
            await self.server.kill()

    async def stop(self) -> None:
        """End every part and remove the folder; safe to call at any time, also twice."""
        parts = [*self.inverters, *([self.server] if self.server else []), self.devices]
        await asyncio.gather(*(part.stop() for part in parts), return_exceptions=True)
        if self._keep is not None and self.folder.exists():
            await asyncio.to_thread(shutil.copytree, self.folder, self._keep, dirs_exist_ok=True)
        await asyncio.to_thread(self._scratch.remove)

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    def utility(self) -> UtilityClient:
        """The utility's client, not yet connected."""
        return self._client("utility")

    def subscriber(self, name: str) -> Subscriber:
        """A subscriber with an inverter's certificate, not yet connected; it listens with the server's own."""
        listen = server_context("strict", key_pairs=[self._pair("server")], roots=[self.pki / "serca.pem"])
        return Subscriber(self._client(name), listen)

    def _client(self, name: str) -> UtilityClient:
        context = client_context("strict", key_pairs=[self._pair(name)], roots=[self.pki / "serca.pem"])
        return UtilityClient(f"https://127.0.0.1:{self.sep2_port}", context)

    def _pair(self, name: str) -> KeyPair:
        return KeyPair(self.pki / f"{name}.pem", self.pki / f"{name}.key")

    async def fault(self, unit: int, fault: str) -> None:
        """Give one SunSpec device a fault ("off", "none", ...).

        Raises:
            GridifaceError: the device's process refused.
        """
        await self.devices.send({"unit": unit, "fault": fault})
        answer = await self.devices.receive()
        if not answer.get("ok"):
            raise GridifaceError(f"unit {unit} cannot be {fault}: {answer.get('error')}")

    async def page(self, path: str) -> dict[str, Any]:
        """GET one of the operator's JSON routes.

        Raises:
            GridifaceError: no answer, or another status than 200.
        """
        return await self._ask("GET", path, 200)

    async def _ask(self, method: str, path: str, right: int, body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.page_port}{path}"
        try:
            timeout = aiohttp.ClientTimeout(total=_PAGE_S)
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, json=body) as answer,
            ):
                if answer.status != right:
                    raise GridifaceError(f"{url} was answered with {answer.status}: {(await answer.text())[:200]}")
                found: dict[str, Any] = await answer.json()
                return found
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise GridifaceError(f"{url}: {problem or type(problem).__name__}") from problem

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _units(self) -> dict[str, Any]:
        battery = {
            "name": "battery",
            "copies": max(1, self.plan.batteries),
            "max_w": self.plan.battery_w,
            "energy_wh": self.plan.battery_wh,
            "loss": self.plan.battery_loss,
            "curves": self.plan.battery_curves,
            "soc": 0.7,
            "soc_min": 0.05,
            "soc_max": 0.95,
            "ramp_w_per_s": self.plan.battery_w / 2,
            "seed": 1,
        }
        count = self.plan.batteries
        # Thousands share ports, told apart by unit id, and move in larger steps: the world must not take the machine.
        return {"units": [battery], "tick_s": max(0.1, count / 1_000), "shared_port": count > _MANY}

    def _make_pki(self) -> None:
        now = time.time()
        authority = TestPki.create(depth=3, now=now)
        authority.save(self.pki)
        names = [("server", "server"), ("utility", "utility")]
        names += [("device", f"inverter{number + 1}") for number in range(self.plan.inverters)]
        for profile, name in names:
            hosts = ["localhost", "127.0.0.1"] if profile == "server" else []
            write_credential(self.pki, name, authority.issue(profile, name, now=now, hosts=hosts))

    def _server_config(self) -> dict[str, Any]:
        batteries = [f"battery{number + 1}" for number in range(self.plan.batteries)]
        inverters = [f"inverter{number + 1}" for number in range(self.plan.inverters)]
        half = len(batteries) // 2
        rates = ("DeviceCapability", "EndDeviceList", "FunctionSetAssignmentsList", "DERProgramList", "DERList")
        clients: list[dict[str, Any]] = [{"name": "utility", "role": "utility", "certificate": "pki/utility.pem"}]
        if not self.plan.in_band:
            clients += [
                {"role": "device", "certificate": f"pki/{name}.pem", "device": name, "pin": _PIN} for name in inverters
            ]
        devices = [
            {
                "id": name,
                "driver": "sunspec",
                "connection": {
                    "host": place["host"],
                    "port": place["port"],
                    "unit_id": place["unit_id"],
                    "poll_period_s": self.plan.battery_poll_s,
                },
            }
            for name, place in zip(batteries, self.places, strict=False)
        ]
        if not self.plan.in_band:
            devices += [{"id": name, "driver": "sep2", "kind": "pv_battery"} for name in inverters]
        for number in range(self.plan.idle_devices):
            name = f"idle{number + 1}"
            lfdi = hashlib.sha256(name.encode()).hexdigest()[:40]
            clients.append({"role": "device", "lfdi": lfdi, "device": name, "pin": _PIN})
            devices.append({"id": name, "driver": "sep2", "kind": "pv_battery"})
        config: dict[str, Any] = {
            "site": "demo",
            "database": "sqlite:///gridiface.sqlite",
            "sep2": {
                "listen": f"127.0.0.1:{_free(0)}",
                "tls": {
                    "certificate": "pki/server.pem",
                    "key": "pki/server.key",
                    "roots": ["pki/serca.pem"],
                    "revoked": "pki/revoked.txt",
                },
                "clients": clients,
                "in_band_registration": self.plan.in_band,
                "in_band_groups": ["north"] if self.plan.in_band else [],
                "poll_rates": dict.fromkeys(rates, self.plan.poll_s),
                "post_rate": 1,
                "notifications": {"loopback": True},
                "limits": dict(self.plan.limits),
            },
            "devices": devices,
            "groups": [
                {"id": "fleet", "name": "the whole fleet", "members": ["north", "south"]},
                {
                    "id": "north",
                    "name": "feeder north",
                    "members": batteries[:half] + ([] if self.plan.in_band else inverters),
                },
                {"id": "south", "name": "feeder south", "members": batteries[half:]},
            ],
            "engine": {"period_s": 0.5, "performance_interval_s": 1.0},
            "operator": {
                "listen": f"127.0.0.1:{_free(self.plan.page_port)}",
                "pki": "pki",
                "banner": f"A demonstration: sign in as admin with the password {self.password}",
            },
            "logging": {"level": self.plan.log_level},
        }
        return config | dict(self.plan.settings)

    def _pin_ports(self) -> None:
        """Write the chosen ports into the configuration, so that a restart listens where clients look."""
        config = read_yaml(self.config.read_text(encoding="utf-8"))
        config["sep2"]["listen"] = f"127.0.0.1:{self.sep2_port}"
        config["operator"]["listen"] = f"127.0.0.1:{self.page_port}"
        self.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")

    def _inverter(self, number: int) -> Child:
        name = f"inverter{number + 1}"
        config = {
            "name": name,
            "server": f"127.0.0.1:{self.sep2_port}",
            "certificate": str(self.pki / f"{name}.pem"),
            "key": str(self.pki / f"{name}.key"),
            "roots": str(self.pki / "serca.pem"),
            "pin": None if self.plan.in_band else _PIN,
            "register_in_band": self.plan.in_band,
            "max_w": self.plan.inverter_w,
            "max_charge_w": self.plan.inverter_w,
            "energy_wh": 2 * self.plan.inverter_w,
            "ramp_w_per_s": self.plan.inverter_w / 2,
            "seed": number + 100,
        }
        return Child(name, ["-m", "gridiface.simulation.inverter"], config, log=self._log(name))


#: Ports that no system gives to outgoing connections by itself: one of these is still free when a server that was
#: killed comes back to it.
_LASTING = range(20_000, 32_000)


def _free(wanted: int) -> int:
    """`wanted` where it can be bound on loopback, else one of _LASTING; 0, any free port, where those are taken."""
    tries = [port for port in (wanted,) if port] + [secrets.choice(_LASTING) for _ in range(20)]
    return next((port for port in tries if _can_bind(port)), 0)


def _can_bind(port: int) -> bool:
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
