"""Sockets for DNS-SD: a responder on its multicast groups, and one search by a plain resolver's question.

Owns joining groups, one socket per family, and reading this machine's addresses. What is said is protocols.dnssd's.
Loopback is used only where it is named as an interface.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import random
import secrets
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridiface.errors import ConfigError
from gridiface.protocols.dnssd.browser import Browser, Found
from gridiface.protocols.dnssd.responder import PORT, Responder
from gridiface.protocols.dnssd.zone import Address

_log = logging.getLogger("gridiface.dnssd")

_HOPS = 255
#: Linux: a socket hears the groups that it joined itself, not those of its neighbours.
_IP_MULTICAST_ALL, _IPV6_MULTICAST_ALL = 49, 29
_MOST_DATAGRAM = 9000
#: A question is put again after these times: one datagram may be lost.
_ASK_AGAIN_S = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Group:
    """A multicast group at a port."""

    address: Address
    port: int = PORT

    @property
    def family(self) -> socket.AddressFamily:
        """Its address family."""
        return socket.AF_INET if self.address.version == 4 else socket.AF_INET6


_V6_TABLE = Path("/proc/net/if_inet6")
#: Linux: one folder for each interface; elsewhere what cannot be read is not looked at.
_INTERFACES = Path("/sys/class/net")

#: Where each kind of multicast DNS is spoken. The CSIP test speaks xmDNS at an IPv4 group too.
GROUPS: dict[str, tuple[str, ...]] = {
    "mdns": ("224.0.0.251", "ff02::fb"),
    "xmdns": ("239.255.255.251", "ff05::fb"),
}


def groups_of(transport: str, port: int = PORT) -> tuple[Group, ...]:
    """The groups of mdns or xmdns."""
    return tuple(Group(ipaddress.ip_address(text), port) for text in GROUPS[transport])


def interface_index(name: str) -> int:
    """The number of an interface.

    Raises:
        ConfigError: there is none of this name.
    """
    try:
        return socket.if_nametoindex(name)
    except OSError:
        raise ConfigError(f"there is no network interface {name!r}") from None


def interfaces() -> list[str]:
    """The names of this machine's interfaces but loopback."""
    return [name for _, name in socket.if_nameindex() if not name.startswith("lo")]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Any], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if len(data) <= _MOST_DATAGRAM:
            self._take(data, addr)

    def error_received(self, exc: Exception) -> None:
        _log.debug("multicast: %s", exc)


def open_socket(group: Group, interface: int, *, listen: bool) -> socket.socket:
    """A socket that sends to a group through one interface, and with `listen` hears what is said there.

    Raises:
        OSError: the interface does not do multicast in this family, or the port is taken for itself alone.
    """
    made = socket.socket(group.family, socket.SOCK_DGRAM, socket.IPPROTO_UDP)
    try:
        made.settimeout(0)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if listen and sys.platform != "linux" and hasattr(socket, "SO_REUSEPORT"):
            # Needed beside SO_REUSEADDR on BSD. Linux deals out what comes for one group among the sockets that set it
            # (6.18, IPv4), be they of another group: every other question would go to a neighbour that is not asked.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if group.family == socket.AF_INET:
            _prepare_v4(made, group, interface, listen=listen)
        else:
            _prepare_v6(made, group, interface, listen=listen)
    except OSError:
        made.close()
        raise
    return made


def _prepare_v4(made: socket.socket, group: Group, interface: int, *, listen: bool) -> None:
    # struct ip_mreqn: group, local address, interface index.
    mreqn = struct.pack("@4s4si", group.address.packed, bytes(4), interface)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, _HOPS)
    made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    if listen:
        made.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        made.bind(("", group.port))
        made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, mreqn)


def _prepare_v6(made: socket.socket, group: Group, interface: int, *, listen: bool) -> None:
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, interface)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, _HOPS)
    made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    if listen:
        made.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
        made.bind(("::", group.port))
        made.setsockopt(
            socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, group.address.packed + struct.pack("@I", interface)
        )


def condition(name: str) -> tuple[int, str, tuple[Address, ...]]:
    """What decides which groups of an interface can be joined: its number, whether it is up, its IPv6 addresses.

    Raises:
        ConfigError: there is none of this name.
    """
    index = interface_index(name)
    try:
        state = (_INTERFACES / name / "operstate").read_text(encoding="ascii").strip()
    except OSError:
        state = ""
    return index, state, tuple(_addresses_v6(name))


def own_addresses(names: Sequence[str]) -> list[Address]:
    """The addresses under which this machine is reached on these interfaces; link-local ones have no way from afar."""
    found: list[Address] = []
    for name in names:
        mreqn = struct.pack("@4s4si", bytes(4), bytes(4), interface_index(name))
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, mreqn)
            # Nothing is sent: the system only chooses the address that it would send from.
            probe.connect((GROUPS["mdns"][0], PORT))
            found.append(ipaddress.ip_address(probe.getsockname()[0]))
        found += _addresses_v6(name)
    return [one for one in dict.fromkeys(found) if not one.is_link_local and not one.is_unspecified]


def _addresses_v6(name: str) -> list[Address]:
    """From Linux's table: address, index, prefix, scope, flags, name. Elsewhere none are told unless configured."""
    try:
        lines = [line.split() for line in _V6_TABLE.read_text(encoding="ascii").splitlines()]
    except OSError:
        return []
    return [ipaddress.IPv6Address(int(line[0], 16)) for line in lines if len(line) == 6 and line[5] == name]


def _target(group: Group, interface: int) -> Any:
    if group.family == socket.AF_INET:
        return (str(group.address), group.port)
    return (str(group.address), group.port, 0, interface)


class Announcer:
    """One responder on one interface, at all groups of its kind that work there.

    Args:
        responder: what answers; not started yet.
        groups, interface: where.
    """

    def __init__(self, responder: Responder, groups: Sequence[Group], interface: str) -> None:
        self.responder = responder
        self._groups = groups
        self._interface = interface
        self._open: list[tuple[Group, asyncio.DatagramTransport]] = []
        self._index = 0
        self._timer: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Join the groups and begin to probe.

        Raises:
            ConfigError: there is no such interface, or no group of it can be joined.
        """
        self._index = interface_index(self._interface)
        problem: OSError | None = None
        for group in self._groups:
            try:
                await self._join(group)
            except OSError as trouble:
                problem = trouble
                _log.info("no multicast DNS at %s on %s: %s", group.address, self._interface, trouble)
        if not self._open:
            raise ConfigError(f"no multicast DNS on {self._interface}: {problem}")
        self.responder.start(self._now())
        self._flush()

    async def _join(self, group: Group) -> None:
        heard = open_socket(group, self._index, listen=True)
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Datagrams(self._take), sock=heard
        )
        self._open.append((group, transport))

    async def stop(self) -> None:
        """Say good-bye and leave."""
        if self._timer is not None:
            self._timer.cancel()
        self.responder.stop()
        self._send()
        await asyncio.sleep(0)  # what was said leaves before its socket is closed
        for _, transport in self._open:
            transport.close()
        self._open.clear()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _take(self, data: bytes, addr: Any) -> None:
        # The scope of a link-local address goes with it, or the answer has no way back.
        self.responder.receive(data, addr, self._now())
        self._flush()

    def _due(self) -> None:
        self.responder.handle_timer(self._now())
        self._flush()

    def _flush(self) -> None:
        self._send()
        if self._timer is not None:
            self._timer.cancel()
        at = self.responder.next_timer()
        self._timer = None if at is None else asyncio.get_running_loop().call_at(at, self._due)

    def _send(self) -> None:
        for outgoing in self.responder.to_send():
            to = outgoing.to
            family = None if to is None else socket.AF_INET if len(to) == 2 else socket.AF_INET6
            for group, transport in self._open:
                if to is None:
                    transport.sendto(outgoing.octets, _target(group, self._index))
                elif family == group.family:
                    transport.sendto(outgoing.octets, to)
                    break


async def search(
    make: Callable[[int], Browser], groups: Sequence[Group], names: Sequence[str], wait_s: float
) -> list[Found]:
    """Everybody who answers a question within `wait_s`, on these interfaces.

    Args:
        make: the browser for queries of an id.

    Raises:
        ConfigError: no interface can ask.
    """
    browser = make(secrets.randbits(16))
    loop = asyncio.get_running_loop()
    ways: list[tuple[asyncio.DatagramTransport, Any]] = []
    news = asyncio.Event()

    def take(data: bytes, addr: Any) -> None:
        browser.receive(data)
        news.set()

    for name in names:
        index = interface_index(name)
        for group in groups:
            with suppress(OSError):
                made = open_socket(group, index, listen=False)
                way, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(take), sock=made)
                ways.append((way, _target(group, index)))
    if not ways:
        raise ConfigError("no interface does multicast: name one that does")
    try:
        await _ask(browser, ways, news, loop.time() + wait_s)
    finally:
        for way, _ in ways:
            way.close()
    return browser.found()


async def _ask(
    browser: Browser, ways: Sequence[tuple[asyncio.DatagramTransport, Any]], news: asyncio.Event, end: float
) -> None:
    loop = asyncio.get_running_loop()
    for pause in (*_ASK_AGAIN_S, *(2.0 for _ in range(30))):
        with suppress(TimeoutError):
            async with asyncio.timeout_at(min(end, loop.time() + pause)):
                while not browser.complete:
                    news.clear()
                    await news.wait()
                    query = browser.query()
                    if not browser.complete:
                        _send_all(ways, query)
                # Others may answer too: the rest of the time is theirs.
                await asyncio.sleep(pause)
        if loop.time() >= end:
            return
        _send_all(ways, browser.query())


def _send_all(ways: Sequence[tuple[asyncio.DatagramTransport, Any]], query: bytes) -> None:
    for way, target in ways:
        way.sendto(query, target)


def draw() -> float:
    """A random wait."""
    return random.random()  # noqa: S311 - spreads answers, protects nothing
