"""Sockets of DNS-SD on loopback: a responder that is heard, interfaces that are not there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from gridiface.errors import ConfigError
from gridiface.northbound import multicast
from gridiface.protocols.dnssd.browser import Browser, Found
from gridiface.protocols.dnssd.responder import Responder
from gridiface.protocols.dnssd.zone import Instance, Zone

SERVICE = (b"_smartenergy", b"_tcp")


@pytest.fixture
def group_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def announcer(port: int, serves: int = 1) -> multicast.Announcer:
    zone = Zone(domain=b"local", host="h", addresses=multicast.own_addresses(["lo"]), port=serves,
                service=SERVICE, instances=[Instance("S", {"txtvers": "1"})])  # fmt: skip
    return multicast.Announcer(
        Responder(zone, draw=lambda: 0.0, port=port), multicast.groups_of("mdns", port)[:1], "lo"
    )


async def search(port: int, wait_s: float, names: Sequence[str] = ("lo",)) -> list[Found]:
    groups = multicast.groups_of("mdns", port)[:1]
    return await multicast.search(lambda number: Browser(b"local", SERVICE, id=number), groups, names, wait_s)


async def test_who_announces_itself_is_found_until_it_leaves(group_port: int) -> None:
    one = announcer(group_port)
    await one.start()
    found: list[Found] = []
    async with asyncio.timeout(30):
        while not found:
            found = await search(group_port, 0.5)
    assert found[0].instance == "S._smartenergy._tcp.local"
    assert found[0].text == {"txtvers": "1"}
    await one.stop()
    assert await search(group_port, 0.3) == []


async def test_of_two_of_one_name_the_second_takes_another(group_port: int) -> None:
    first, second = announcer(group_port, 1), announcer(group_port, 2)
    await first.start()
    async with asyncio.timeout(60):
        while not first.responder.established:
            await asyncio.sleep(0.05)
        await second.start()
        while len({one.instance for one in await search(group_port, 0.5)}) < 2:
            pass
    assert first.responder.zone.names[1][0] == b"S"
    assert second.responder.zone.names[1][0] == b"S-2"
    await second.stop()
    await first.stop()


async def test_an_interface_that_is_not_there_is_said(group_port: int) -> None:
    with pytest.raises(ConfigError, match="there is no network interface 'nope'"):
        await search(group_port, 0.1, ["nope"])
    with pytest.raises(ConfigError, match="no interface does multicast"):
        await search(group_port, 0.1, [])
    with pytest.raises(ConfigError, match="there is no network interface"):
        multicast.interface_index("nope")


def test_groups_of_both_editions() -> None:
    assert [str(group.address) for group in multicast.groups_of("xmdns")] == ["239.255.255.251", "ff05::fb"]
    assert [group.family for group in multicast.groups_of("mdns")] == [socket.AF_INET, socket.AF_INET6]
    assert "lo" not in multicast.interfaces()


def test_the_condition_of_an_interface_has_its_number() -> None:
    index, _, addresses = multicast.condition("lo")
    assert index == socket.if_nametoindex("lo")
    assert all(one.version == 6 for one in addresses)
    with pytest.raises(ConfigError):
        multicast.condition("nope0")
