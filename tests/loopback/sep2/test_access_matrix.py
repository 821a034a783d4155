"""R17 over the wire: every resource that is served, every method, by every kind of certificate.

The rules are those that the unit tests say once more in their own words; here the certificate of a TLS connection is
all that the server knows of who asks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.loopback.sep2.conftest import House, Running
from tests.unit.gridiface.northbound.sep2.conftest import FakeClock, Kit
from tests.unit.gridiface.northbound.sep2.served.test_access import OPEN, SHARED, may_read, may_write, owners, populated

from gridiface.domain.fleet import Device, DeviceKind, Nameplate, Role
from gridiface.northbound.sep2.settings import ClientEntry
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.identity import format_lfdi, lfdi_from_der

NAMES = ("utility", "inv-1", "inv-2", "aggregator", "stranger")
#: Requests on their way at once.
AHEAD = 32


class WireKit(Kit):
    """The unit tests' kit around a server that listens."""

    def __init__(self, running: Running, clock: FakeClock, lfdi: dict[str, str]) -> None:
        self.core, self.clock, self.schema = running.server.core, clock, None
        self.lfdi = lfdi  # type: ignore[misc]  # here they are of real certificates


@pytest.fixture
async def full(start: Callable[..., Any], site: Any) -> tuple[Running, WireKit]:
    """A server in service with something of everything below every owner, and certificates for all."""
    lfdi, pki = dict(site.lfdi), TestPki.load(site.folder)
    for name in set(NAMES) - set(lfdi):
        made = pki.issue("device", name, now=float(int(time.time())))
        write_credential(site.folder, name, made)
        lfdi[name] = format_lfdi(lfdi_from_der(made.der))
    house, clock = House(), FakeClock()
    for name in ("inv-1", "inv-2", "managed-1"):
        house.known[name] = Device(id=name, nameplate=Nameplate(max_w=0.0), kind=DeviceKind.PV, driver="sep2")
    clients = (
        ClientEntry(lfdi=lfdi["inv-1"], device_id="inv-1"),
        ClientEntry(lfdi=lfdi["inv-2"], device_id="inv-2"),
        ClientEntry(lfdi=lfdi["aggregator"], role=Role.AGGREGATOR, manages=("inv-2", "managed-1")),
        ClientEntry(lfdi=lfdi["utility"], role=Role.UTILITY),
    )
    running = await start(house, clock=clock, clients=clients)
    return running, await populated(WireKit(running, clock, lfdi))


async def statuses(running: Running, by: str, asked: Sequence[tuple[str, str]]) -> list[tuple[int, bytes]]:
    """Status and body of each (method, path), over one connection of `by`."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", running.server.port, ssl=running.site.context(by), limit=1 << 20
    )
    found = []
    for first in range(0, len(asked), AHEAD):
        some = asked[first : first + AHEAD]
        for method, path in some:
            body = b"" if method == "GET" else b"<a/>"
            kind = "Content-Type: application/sep+xml\r\n" if body else ""
            head = f"{method} {path} HTTP/1.1\r\nHost: x\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
        for _ in some:
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
            found.append((int(answer.split()[1]), await reader.readexactly(length)))
    writer.close()
    return found


@pytest.mark.parametrize("by", NAMES)
async def test_every_resource_and_method_by_every_certificate(full: tuple[Running, WireKit], by: str) -> None:
    running, kit = full
    tree, of = kit.core.state.tree, owners(kit)
    assert len(of) > 280
    read = [("GET", path) for path in of]
    for (_, path), (status, body) in zip(read, await statuses(running, by, read), strict=True):
        item = tree.item(path)
        empty = item is not None and item.obj is None and item.live is None
        seen = may_read(path, of[path], by)
        wanted = 404 if seen and empty else 200 if seen else 403 if by == "stranger" else 404
        assert status == wanted, (path, of[path])
        assert seen or kit.lfdi.get(of[path], "nobody's").encode() not in body
    shared = [("GET", path) for path in sorted(OPEN | SHARED)]
    for (_, path), (status, _) in zip(shared, await statuses(running, by, shared), strict=True):
        assert status == (403 if by == "stranger" and path not in OPEN else 200), path
    once = {(tree.get(path).kind.template, owner): path for path, owner in of.items()}
    write = [
        (method, path)
        for (_, owner), path in once.items()
        for method in ("PUT", "POST", "DELETE")
        if method not in tree.get(path).kind.methods or not may_write(path, owner, by)
    ]
    before = dict(running.house.kept)
    for (method, path), (status, _) in zip(write, await statuses(running, by, write), strict=True):
        offered = method in tree.get(path).kind.methods
        seen = may_read(path, of[path], by)
        wanted = {403} if by == "stranger" else {404} if not seen else {403, 404} if offered else {405}
        assert status in wanted, (method, path, of[path], status)
    assert running.house.kept == before
