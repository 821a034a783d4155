"""A changed fleet, carried out in a running server: drivers, engine, groups, 2030.5 registrations. Plans nothing.

What is done here is durable already: a part that cannot follow at once (a store that is away) does so at its next turn,
or at the next start, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from gridiface.app.fleet.fleet_desk import FleetChange
from gridiface.app.fleet.members import SEP2, Members
from gridiface.app.fleet.overlay import client_of
from gridiface.app.running import Running
from gridiface.domain.clock import Instant
from gridiface.domain.definitions import DeviceEntry
from gridiface.drivers.api import Driver, DriverConfig
from gridiface.errors import ConfigConflict, StoreUnavailable

if TYPE_CHECKING:
    from gridiface.northbound.sep2.core import Sep2Core

_log = logging.getLogger("gridiface.fleet")


class LiveFleet:
    """The running parts that a change concerns.

    Args:
        server: whose they are.
        members: who is in the fleet, as the engine is told.
        changed: told of the configuration that rules from now on.
    """

    def __init__(self, server: Running, members: Members, changed: Callable[[FleetChange], None]) -> None:
        self._server = server
        self._members = members
        self._changed = changed
        self._made: dict[str, tuple[Driver, DriverConfig]] = {}

    def prepare(self, change: FleetChange) -> None:
        """Make the drivers that the change wants, and look whether certificates are free.

        Raises:
            ConfigConflict: a certificate is registered as another device.
            ConfigError: a driver is not installed or refuses its keys.
        """
        self._made = {}
        for before, entry in change.changed():
            if entry.driver == SEP2:
                self._check_client(entry)
            elif _reached_otherwise(before, entry):
                assert self._server.southbound is not None
                self._made[entry.id] = self._server.southbound.make(entry)

    def _check_client(self, entry: DeviceEntry) -> None:
        sep2 = self._server.sep2
        if sep2 is None or not entry.connection:
            return
        record = sep2.core.state.by_lfdi.get(client_of(entry).lfdi or "")
        if record is not None and record.device_id != entry.id:
            told = record.device_id or record.role.value
            raise ConfigConflict(f"this LFDI is registered as {told!r}; use that id, or remove that registration first")

    async def apply(self, change: FleetChange, now: Instant) -> None:
        """Let every part follow; see the module."""
        server, made = self._server, self._made
        assert server.southbound is not None
        assert server.dispatch is not None
        self._changed(change)
        for name in change.groups_gone():
            server.engine.desk.choose_strategy(name, None, now)
        self._members.retake(change.after)
        for entry in change.gone():
            await server.southbound.remove(entry.id)
            server.engine.remove_device(entry.id, now)
            await self._drop(entry.id, now)
        for before, entry in change.changed():
            await self._follow(before, entry, made.get(entry.id), now)
        server.engine.set_groups(self._members.groups(), now)
        server.dispatch.kick()
        await self._over_2030_5(lambda core: core.reconcile(now))

    async def _follow(
        self, before: DeviceEntry | None, entry: DeviceEntry, made: tuple[Driver, DriverConfig] | None, now: Instant
    ) -> None:
        """One device, new or defined otherwise."""
        server = self._server
        assert server.southbound is not None
        if before is not None and _reached_otherwise(before, entry):
            await server.southbound.remove(entry.id)
            self._members.forget(entry.id)
            server.engine.remove_device(entry.id, now)
            if before.driver == SEP2:
                await self._drop(entry.id, now)
        known = self._members.known(entry.id)
        # What a 2030.5 device stated of itself is the 2030.5 server's to tell again.
        if entry.driver != SEP2 or server.engine.device(entry.id) is None:
            server.engine.add_device(known, now)
        if made is not None:
            server.southbound.add(*made)
        if entry.driver == SEP2 and server.sep2 is not None:
            if entry.connection:
                client = client_of(entry)
                server.sep2.core.membership.expect_device(client.lfdi or "", entry.id, client.pin)
            await self._over_2030_5(lambda core: core.renew_device(entry.id, now))

    def adopt(self, name: str) -> DeviceEntry | None:
        """The definition of a 2030.5 device that registered itself; None for others."""
        device = self._server.engine.device(name)
        lfdi = "" if device is None else device.identities.get("lfdi", "")
        if device is None or device.driver != SEP2 or not lfdi:
            return None
        return DeviceEntry(id=name, name=device.name, driver=SEP2, connection={"lfdi": lfdi})

    async def _drop(self, name: str, now: Instant) -> None:
        await self._over_2030_5(lambda core: core.drop_device(name, now))

    async def _over_2030_5(self, work: Callable[[Sep2Core], Awaitable[None]]) -> None:
        if self._server.sep2 is None:
            return
        try:
            await work(self._server.sep2.core)
        except StoreUnavailable as problem:
            _log.warning("the 2030.5 server does not show the changed fleet yet: %s", problem)


def _reached_otherwise(before: DeviceEntry | None, entry: DeviceEntry) -> bool:
    return before is None or (before.driver, before.connection) != (entry.driver, entry.connection)
