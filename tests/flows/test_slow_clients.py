"""Clients that are slow, silent or many, beside a good one: the good one is served, the others are ended."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio

from gridiface.simulation.world import WorldPlan

pytestmark = [pytest.mark.processes, pytest.mark.xdist_group("slow"), pytest.mark.timeout(120)]

EACH = 12
#: 10 s for a header, 12 s for a body, looked at every second; and some for a busy machine.
ALL_ENDED_S = 20.0


@pytest_asyncio.fixture
async def site(site_class: Any) -> AsyncIterator[Any]:
    limits = {"connections_per_identity": 16, "connections_per_address": 100}
    async with site_class(WorldPlan(batteries=1, inverters=2, page_port=0, limits=limits)) as made:
        await made.start()
        await made.fleet_is_up()
        await made.issue("header", "body", "idle")
        yield made


async def open_slow(site: Any, name: str, sent: bytes) -> Any:
    wire = site.wire(name)
    _, writer = await wire.streams()
    writer.write(sent)
    return wire


async def is_ended(wire: Any) -> bool:
    """Whether the server has closed the connection; what it says before (a 408, nothing) is read away."""
    reader, _ = await wire.streams()
    with contextlib.suppress(TimeoutError, OSError):
        async with asyncio.timeout(0.05):
            while await reader.read(65_536):
                pass
        return True
    return bool(reader.at_eof() or reader.exception() is not None)


async def test_slow_clients_are_ended_and_the_good_one_is_served(
    site: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    good = site.wire("inverter1")
    silent = [await asyncio.open_connection("127.0.0.1", site.sep2_port) for _ in range(EACH)]  # no TLS hello
    header = b"GET /dcap HTTP/1.1\r\nHost: x\r\nX-Slow: "
    body = (
        b"POST /edev HTTP/1.1\r\nHost: x\r\nContent-Type: application/sep+xml\r\nContent-Length: 1000\r\n\r\n<EndDevice"
    )
    slow = [await open_slow(site, "header", header) for _ in range(EACH)]
    slow += [await open_slow(site, "body", body) for _ in range(EACH)]
    began = time.monotonic()
    served = 0
    waiting = list(slow)
    while waiting and time.monotonic() - began < ALL_ENDED_S:
        for _ in range(20):
            assert (await good.ask("GET", "/dcap")).status == 200
            served += 1
        waiting = [wire for wire in waiting if not await is_ended(wire)]
    assert not waiting, f"{len(waiting)} of {len(slow)} slow clients are still connected"
    for reader, writer in silent:
        with contextlib.suppress(OSError):
            async with asyncio.timeout(60):
                assert await reader.read() == b""
        writer.close()
    assert served > 100
    assert site.server.alive


async def test_one_certificate_and_one_address_have_a_share_of_the_connections(site: Any) -> None:
    # More connections of one certificate than it may have: idle ones give way to new ones.
    many = [site.wire("idle") for _ in range(20)]
    for wire in many:
        assert (await wire.ask("GET", "/dcap")).status == 200
    still = 0
    for wire in many:
        still += not await is_ended(wire)
    assert still <= 16
    # More of one address than it may have are turned away; whoever is connected stays so.
    good = site.wire("inverter1")
    assert (await good.ask("GET", "/dcap")).status == 200
    plain = []
    for _ in range(110):
        with contextlib.suppress(OSError):
            plain.append(await asyncio.open_connection("127.0.0.1", site.sep2_port))
    with pytest.raises((OSError, ssl.SSLError)):
        await site.wire("inverter2").ask("GET", "/dcap")
    assert (await good.ask("GET", "/dcap")).status == 200
    for _, writer in plain:
        writer.close()
    assert site.server.alive


async def test_out_of_descriptors_the_server_goes_on_and_accepts_again(
    site: Any, eventually: Callable[..., Awaitable[float]]
) -> None:
    good = site.wire("inverter1")
    assert (await good.ask("GET", "/dcap")).status == 200
    pid = site.server.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (64, hard))
    plain = []
    for _ in range(80):
        with contextlib.suppress(OSError):
            plain.append(await asyncio.open_connection("127.0.0.1", site.sep2_port))
    assert (await good.ask("GET", "/dcap")).status == 200
    assert site.server.alive
    for _, writer in plain:
        writer.close()

    async def accepts() -> bool:
        with contextlib.suppress(OSError):
            return bool((await site.wire("inverter2").ask("GET", "/dcap")).status == 200)
        return False

    await eventually(accepts, 10.0, "new connections are accepted again")
    assert (await site.status())["devices"]["total"] == 3
