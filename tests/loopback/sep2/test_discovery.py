"""The server is found on the local network, and spoken to where it was found; IPv6 in a network of the test's own."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gridiface.northbound.sep2.served.identities import sfdi
from gridiface.northbound.sep2.settings import DiscoverySettings
from gridiface.northbound.sep2.upstream.finding import find_servers
from gridiface.northbound.sep2.upstream.link import Link, LinkFailed
from gridiface.protocols.sep2.discovery import FoundServer, sfdi_subtype
from gridiface.protocols.sep2.exchange import Request
from gridiface.protocols.sep2.resources import DeviceCapability
from gridiface.protocols.xmlwire import decode

STANDS_FOR = ("utility.found.invalid:443", "/dcap")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def found(port: int, subtype: str = "", *, least: int = 1) -> list[FoundServer]:
    async with asyncio.timeout(60):
        while len(servers := await find_servers("mdns", ["lo"], subtype, wait_s=0.4, port=port)) < least:
            pass
    return servers


async def test_a_client_finds_the_server_and_reads_its_device_capability(start: Any) -> None:
    port = free_port()
    settings = DiscoverySettings(
        transports=("mdns",), interfaces=("lo",), addresses=("127.0.0.1",), port=port, name="Test"
    )
    running = await start(discovery=settings)
    (server,) = await found(port)
    assert (server.instance, server.path) == ("Test._smartenergy._tcp.local", None)
    assert server.authority == f"127.0.0.1:{running.server.port}"
    (programs,) = await found(port, "derp")
    assert (programs.instance, programs.path) == ("Test derp._smartenergy._tcp.local", "/derp")
    lfdi = running.site.lfdi["inverter"]
    (own,) = await found(port, sfdi_subtype(sfdi(lfdi)))
    assert own.path == running.server.core.state.by_lfdi[lfdi].path
    assert await find_servers("mdns", ["lo"], sfdi_subtype(167261211391), wait_s=0.4, port=port) == []

    async def locate() -> tuple[str, str] | None:
        servers = await find_servers("mdns", ["lo"], wait_s=0.4, port=port)
        return (servers[0].authority, servers[0].dcap) if servers else None

    link = Link(
        lambda: running.site.context("inverter"), timeout_s=20, answer_bytes=10_000, connections=1,
        stands_for=STANDS_FOR, locate=locate,
    )  # fmt: skip
    reply = await link.exchange(STANDS_FOR[0], Request("GET", "/dcap", {"accept": "application/sep+xml"}, b""))
    assert decode(reply.body, DeviceCapability).EndDeviceListLink is not None
    await running.server.stop()
    with pytest.raises(LinkFailed):
        await link.exchange(STANDS_FOR[0], Request("GET", "/tm", {}, b""))
    with pytest.raises(LinkFailed, match="no server answered"):
        await link.exchange(STANDS_FOR[0], Request("GET", "/tm", {}, b""))
    await link.close()


def in_a_namespace(script: str) -> list[Any]:
    """The JSON lines of a script that runs in a network namespace of its own; skips where there can be none."""
    for tool in ("unshare", "ip"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} here")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("network namespaces are not allowed here")
    path = Path(__file__).with_name(script)
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, str(path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if lines == [{"unable": True}]:
        pytest.skip("this kernel makes no pairs of interfaces")
    return lines


def test_both_families_and_both_kinds_of_multicast_dns() -> None:
    """On an interface of a network namespace, which does what loopback does not: IPv6 multicast."""
    lines = in_a_namespace("discovery_namespace.py")
    for transport, domain in (("mdns", "local"), ("xmdns", "site")):
        for group in ("IPv4", "IPv6"):
            about = [line for line in lines if (line["transport"], line["group"]) == (transport, group)]
            (server,) = [line["found"] for line in about if "found" in line]
            assert [line["answered"] for line in about if "answered" in line] == [8], (transport, group)
            assert server == [[f"S._smartenergy._tcp.{domain}", ["10.97.0.1", "fd97::1"], "/dcap"]], (transport, group)


def test_a_network_that_comes_later_is_told_of_the_server() -> None:
    """No link and no address at the start, then one, another one, and the same interface made anew."""
    lines = in_a_namespace("late_network.py")
    assert len(lines) == 5
    for line in lines:
        assert line["told"] == line["wanted"]
