"""The server on the local network: what DNS-SD says of it, and the responders that say it.

One responder per kind of multicast DNS and interface, made anew when the interface, its addresses or what is served
become others: a network may come up, or get its address, long after the server. The words are
protocols.sep2.discovery's, the sockets northbound.multicast's; here is what this server has to tell.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from gridiface.errors import ConfigError
from gridiface.northbound import multicast
from gridiface.northbound.rounds import one_turn
from gridiface.northbound.sep2.served.nodes import Listing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.settings import DiscoverySettings
from gridiface.protocols.dnssd.responder import Responder
from gridiface.protocols.dnssd.zone import Address, Zone
from gridiface.protocols.sep2 import discovery

_log = logging.getLogger("gridiface.sep2")


#: How often the network is looked at, s.
LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class _Told:
    """What one responder tells, and where: another one is needed when any of it changes."""

    condition: tuple[int, str, tuple[Address, ...]]
    addresses: tuple[Address, ...]
    served: tuple[str, ...]


class Announcing:
    """The announcers of one server. Call `start` when its port is known, `stop` last.

    Args:
        settings: where, and under which name.
        state: what is served.
    """

    def __init__(self, settings: DiscoverySettings, state: State) -> None:
        self._settings = settings
        self._state = state
        self._listening: Sequence[tuple[str, int]] = ()
        self._http_port = 0
        self._announcers: dict[tuple[str, str], multicast.Announcer | None] = {}
        self._told: dict[tuple[str, str], _Told] = {}
        self._watching: asyncio.Task[None] | None = None

    async def start(self, listening: Sequence[tuple[str, int]], http_port: int) -> None:
        """Announce the server, and go on when the network changes.

        Args:
            listening: address and port of each HTTPS socket: the port is told in the TXT record, and addresses of an
                interface at which nobody listens are not told.
            http_port: of plain HTTP, told in the SRV record as the standard wants it; 0: there is none, and the
                SRV record has the port of HTTPS, at which a client that looks no further finds somebody.

        Raises:
            ConfigError: an interface that is named is not there or does no multicast.
        """
        self._listening, self._http_port = listening, http_port
        named = self._settings.interfaces
        for name in named or multicast.interfaces():
            for transport in self._settings.transports:
                await self._announce(transport, name, must=bool(named))
        if not any(self._announcers.values()):
            _log.warning("no network interface does multicast: nobody can find this server by DNS-SD until one does")
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def _watch(self) -> None:
        await asyncio.sleep(LOOK_S)
        while True:
            await one_turn(self._turn, asyncio.Event(), who="DNS-SD", log=_log, again_s=LOOK_S)

    async def _turn(self) -> float:
        await self.look()
        return LOOK_S

    async def look(self) -> None:
        """Announce where the network came up, anew where what is to be told changed; leave what is gone."""
        there = self._settings.interfaces or multicast.interfaces()
        wanted = [(transport, name) for name in there for transport in self._settings.transports]
        for transport, name in dict.fromkeys([*self._told, *wanted]):
            try:
                told = self._to_tell(name)
            except ConfigError:
                await self._silence(transport, name)
                continue
            if self._told.get((transport, name)) != told:
                await self._silence(transport, name)
                await self._announce(transport, name, must=False)

    async def _silence(self, transport: str, interface: str) -> None:
        self._told.pop((transport, interface), None)
        announcer = self._announcers.pop((transport, interface), None)
        if announcer is not None:
            await announcer.stop()

    def _to_tell(self, interface: str) -> _Told:
        """What is to be told on an interface.

        Raises:
            ConfigError: it is not there.
        """
        bound = [ipaddress.ip_address(host.partition("%")[0]) for host, _ in self._listening]
        condition = multicast.condition(interface)
        return _Told(condition, tuple(self._addresses(interface, bound)), tuple(self._served()))

    async def _announce(self, transport: str, interface: str, *, must: bool) -> None:
        told = self._to_tell(interface)
        if not told.addresses:
            _log.warning("announced by %s on %s without an address: sep2.listen has none there", transport, interface)
        zone = self.zone(transport, told.addresses, self._listening[0][1], self._http_port)
        port = self._settings.port
        responder = Responder(zone, draw=multicast.draw, port=port)
        announcer = multicast.Announcer(responder, multicast.groups_of(transport, port), interface)
        self._told[transport, interface] = told
        try:
            await announcer.start()
        except ConfigError as problem:
            self._announcers[transport, interface] = None
            if must:
                raise
            _log.info("not announced by %s: %s", transport, problem)
            return
        self._announcers[transport, interface] = announcer

    def zone(self, transport: str, addresses: Sequence[Address], https_port: int, http_port: int) -> Zone:
        """What is told by one transport; for the arguments see `start`."""
        # Elements that the plain schema does not have are sent where a profile adds some.
        level = "-S1" if self._state.settings.csip_aus is None else "+S1"
        name = self._settings.name
        return Zone(
            domain=discovery.DOMAINS[transport],
            host=self._settings.host,
            addresses=addresses,
            port=http_port or https_port,
            service=discovery.SERVICE,
            instances=discovery.instances(name, https_port, self._served(), level=level),
            on_demand=discovery.on_demand(name, https_port, self.path_of, level=level),
        )

    def _addresses(self, interface: str, bound: Sequence[Address]) -> list[Address]:
        given = [ipaddress.ip_address(text) for text in self._settings.addresses]
        return given or [own for own in multicast.own_addresses([interface]) if _reached(own, bound)]

    def _served(self) -> Iterator[str]:
        return (subtype for subtype in discovery.SUBTYPES if self.path_of(subtype) is not None)

    def path_of(self, asked: str | int) -> str | None:
        """The path of a function set by its subtype, or of the end device of an SFDI; None where it is not served."""
        if isinstance(asked, int):
            found = (record for record in self._state.end_devices.values() if record.sfdi == asked)
            return next((record.path for record in found if record.speaks), None)
        path = discovery.SUBTYPES[asked]
        node = self._state.tree.get(path)
        if node is None or (isinstance(node, Listing) and not node.shown_empty and not node.items):
            return None
        return path

    async def stop(self) -> None:
        """Say good-bye."""
        if self._watching is not None:
            self._watching.cancel()
            with suppress(asyncio.CancelledError):
                await self._watching
        for transport, interface in list(self._told):
            await self._silence(transport, interface)


def _reached(own: Address, bound: Sequence[Address]) -> bool:
    """Whether a socket that is bound so takes connections to an address; those of IPv6 take none of IPv4."""
    return any(one == own or (one.is_unspecified and one.version == own.version) for one in bound)
