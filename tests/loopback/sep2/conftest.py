"""The 2030.5 server on a free port behind the TLS listener, and clients with certificates of their own."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession, TCPConnector

from gridiface.app.process.clock import SystemClock
from gridiface.domain.changes import DeleteDocument, Document, PutDocument
from gridiface.domain.controls import Acceptance, Control, Outcome, Verdict
from gridiface.domain.fleet import Device, DeviceKind, Group, Nameplate, Role
from gridiface.northbound.sep2.server import Sep2Server
from gridiface.northbound.sep2.settings import ClientEntry, Sep2Settings
from gridiface.northbound.sep2.wire.http_server import Sep2Http
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.credentials import TlsFiles, TlsKeeper
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der
from gridiface.pki.rules import sep2_rules

NAMES = ("inverter", "aggregator", "utility", "stranger")


@dataclass
class House:
    """All ports in one: a store in memory, an inbox that takes everything, a fleet of one inverter and one battery."""

    kept: dict[tuple[str, str], Document] = field(default_factory=dict)
    known: dict[str, Device] = field(default_factory=dict)
    controls: dict[str, Control] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)

    async def commit(self, changes: Sequence[Any]) -> None:
        await asyncio.sleep(0)
        for change in changes:
            if isinstance(change, PutDocument):
                self.kept[change.space, change.key] = Document(change.space, change.key, change.body)
            elif isinstance(change, DeleteDocument):
                self.kept.pop((change.space, change.key), None)

    async def documents(self, space: str) -> list[Document]:
        return [d for d in self.kept.values() if d.space == space]

    async def octets(self, space: str, key: str, first: int = 0, count: int | None = None) -> bytes | None:
        found = self.kept.get((space, key))
        return None if found is None else found.body[first:][:count]

    async def submit(self, control: Control, now: float, *, along: Sequence[Any] = ()) -> Acceptance:
        await self.commit(along)
        self.controls[control.id] = control
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def cancel(self, control_id: str, now: float, *, reason: str = "", along: Sequence[Any] = ()) -> bool:
        await self.commit(along)
        return self.controls.pop(control_id, None) is not None

    async def rank(self, control_ids: Sequence[str], authority: float, now: float, *, along: Sequence[Any] = ()) -> int:
        await self.commit(along)
        known = [self.controls[name] for name in control_ids if name in self.controls]
        for control in known:
            self.controls[control.id] = replace(control, source=replace(control.source, authority=authority))
        return len(known)

    def preview(self, control: Control, now: float, *, noted=False) -> Acceptance:
        return Acceptance(control_id=control.id, verdict=Verdict.ACCEPTED)

    async def register(
        self, device: Device, now: float, *, groups: Sequence[str] = (), along: Sequence[Any] = ()
    ) -> None:
        await self.commit(along)
        self.known[device.id] = device

    async def remove(self, device_id: str, now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)
        self.known.pop(device_id, None)

    async def observe(self, snapshots: Sequence[Any], now: float, *, along: Sequence[Any] = ()) -> None:
        await self.commit(along)

    async def report(self, deliveries: Sequence[Any], outcomes: Sequence[Any], now: float, *, along: Any = ()) -> None:
        await self.commit(along)
        self.outcomes.extend(outcomes)

    def device(self, device_id: str) -> Device | None:
        return self.known.get(device_id)

    def devices(self) -> list[Device]:
        return list(self.known.values())

    def group(self, group_id: str) -> Group | None:
        return next((g for g in self.groups() if g.id == group_id), None)

    def groups(self) -> list[Group]:
        return [Group(id="fleet", members=("bat-1", "inv-1"))]

    def members(self, group_id: str) -> tuple[str, ...]:
        return ("bat-1", "inv-1")

    def groups_of(self, device_id: str) -> list[str]:
        return [group.id for group in self.groups() if device_id in self.members(group.id)]

    def snapshot(self, target: Any) -> None:
        return None

    def setpoint(self, device_id: str) -> None:
        return None


@dataclass
class Site:
    """Certificates in a folder."""

    folder: Path
    lfdi: dict[str, str]

    def context(self, name: str) -> ssl.SSLContext:
        pair = KeyPair(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return client_context("strict", key_pairs=[pair], roots=[self.folder / "serca.pem"])

    def listener(self, server: Sep2Http, name: str = "server") -> TlsListener:
        files = TlsFiles(
            key_pairs=(KeyPair(self.folder / f"{name}.pem", self.folder / f"{name}.key"),),
            roots=(self.folder / "serca.pem",),
        )
        return TlsListener(server, TlsKeeper(files, rules=sep2_rules()))

    def settings(self, **changes: Any) -> Sep2Settings:
        clients = (
            ClientEntry(lfdi=self.lfdi["inverter"], device_id="inv-1"),
            ClientEntry(lfdi=self.lfdi["aggregator"], role=Role.AGGREGATOR),
            ClientEntry(lfdi=self.lfdi["utility"], role=Role.UTILITY),
        )
        return Sep2Settings(**({"host": "127.0.0.1", "port": 0, "clients": clients, "pen": 40732} | changes))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    now = float(int(time.time()))
    pki = TestPki.create(depth=3, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    lfdi = {}
    for name in NAMES:
        credential = pki.issue("device", name, now=now)
        write_credential(tmp_path, name, credential)
        lfdi[name] = format_lfdi(lfdi_from_der(credential.der))
    return Site(tmp_path, lfdi)


@dataclass
class Running:
    """A server in service."""

    server: Sep2Server
    house: House
    site: Site
    sessions: dict[str, ClientSession] = field(default_factory=dict)

    def session(self, by: str) -> ClientSession:
        if by not in self.sessions:
            self.sessions[by] = ClientSession(connector=TCPConnector(ssl=self.site.context(by)))
        return self.sessions[by]

    async def send(
        self, method: str, path: str, body: str | bytes | None = None, *, by: str = "utility", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        if body is not None:
            sent.setdefault("Content-Type", "application/sep+xml")
        url = f"https://127.0.0.1:{self.server.port}{path}"
        async with self.session(by).request(method, url, data=body, headers=sent, allow_redirects=False) as reply:
            return reply.status, dict(reply.headers), await reply.read()

    async def close(self) -> None:
        for session in self.sessions.values():
            await session.close()
        self.sessions.clear()
        await self.server.stop()


@pytest_asyncio.fixture
async def start(site: Site) -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    running: list[Running] = []

    async def begin(house: House | None = None, *, clock: Any = None, **changes: Any) -> Running:
        house = house or House()
        plate = Nameplate(max_w=10_000.0)
        house.known.setdefault("bat-1", Device(id="bat-1", nameplate=plate, driver="sunspec"))
        house.known.setdefault("inv-1", Device(id="inv-1", nameplate=plate, kind=DeviceKind.PV, driver="sep2"))
        server = Sep2Server(
            site.settings(**changes),
            clock=clock or SystemClock(),
            ledger=house,
            inbox=house,
            registry=house,
            fleet=house,
            listener=site.listener,
        )
        await server.start()
        running.append(Running(server, house, site))
        return running[-1]

    yield begin
    for item in running:
        await item.close()
