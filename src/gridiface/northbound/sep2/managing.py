"""Which aggregator acts for which device, changed while the server runs: durable, then shown, access and all.

Owns the change of an end device's record and what follows from it: who reads its sub-tree, its programs, what is
published for it and its mirrors; what only a device that speaks IEEE 2030.5 has; the subscriptions of an aggregator
that reads it no more. What the configuration says (`clients[].manages`) is the configuration's to change.
"""

from __future__ import annotations

from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.fleet import Role
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.members.membership import Membership
from gridiface.northbound.sep2.members.metering import Metering
from gridiface.northbound.sep2.members.placing import DER_RESOURCES, SPEAKERS_ONLY, settle_speaking
from gridiface.northbound.sep2.members.placing_programs import settle_default
from gridiface.northbound.sep2.programs.topology import Topology
from gridiface.northbound.sep2.published.publications import Publications
from gridiface.northbound.sep2.published.publishing import Publishing
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.records import record_head
from gridiface.northbound.sep2.served.response_log import ResponseLog
from gridiface.northbound.sep2.served.services import Services, bad_value
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.subscriptions.subscriptions import Subscriptions

#: Aggregators that one device can be put under.
_MOST = 8


class Managing:
    """Puts devices under aggregators, and takes them back.

    Args:
        services: state, ports, settings.
        membership: makes a device that speaks from now on a member of the fleet.
        metering: the mirrors of a device.
        publications, publishing: what is published for a device.
        topology: the nodes above a device.
        subscriptions: those of an aggregator end with its access.
        responses: what a device answered, at nodes and to publications too.
    """

    def __init__(
        self,
        services: Services,
        membership: Membership,
        metering: Metering,
        publications: Publications,
        publishing: Publishing,
        topology: Topology,
        subscriptions: Subscriptions,
        responses: ResponseLog,
    ) -> None:
        self._s = services
        self._membership = membership
        self._metering = metering
        self._publications = publications
        self._publishing = publishing
        self._topology = topology
        self._subscriptions = subscriptions
        self._responses = responses

    async def assign(self, aggregator: EndDeviceRecord, device: EndDeviceRecord, now: Instant) -> bool:
        """Put a device under an aggregator; False where it is already.

        Raises:
            RemoteProtocolError: 400 where one is no aggregator or the other no single device, or there are too many,
                404 where one of them was removed meanwhile.
            StoreUnavailable: nothing was changed, or it is and the assignments below are not all.
        """
        async with self._s.locks.hold("/edev"):
            self._check(aggregator, device)
            if aggregator.lfdi in self._s.state.managers_of(device):
                return False
            if len(device.aggregators) >= _MOST:
                raise bad_value(f"a device is put under {_MOST} aggregators at most")
            stored = self._stored(device, replace(device, aggregators=(*device.aggregators, aggregator.lfdi)), now)
            if device.speaks or not await self._membership.enrol(device, now, along=stored):
                await self._s.ledger.commit(stored)
            device.aggregators = (*device.aggregators, aggregator.lfdi)
            await self._show(device, now)
        return True

    async def release(self, lfdi: str, device: EndDeviceRecord, now: Instant) -> None:
        """Take a device from an aggregator: it reads and writes nothing of it from its next request on.

        Raises:
            RemoteProtocolError: 404 where the aggregator does not act for it, 409 where the configuration says so.
            StoreUnavailable: nothing was changed, or it is and the assignments below are not all.
        """
        async with self._s.locks.hold("/edev"):
            if self._s.state.by_lfdi.get(device.lfdi) is not device:
                raise RemoteProtocolError("no such end device", answer=404)
            if lfdi in self._s.state.managed_by_configuration(device.device_id or ""):
                raise RemoteProtocolError("the configuration says so (clients[].manages); change it there", answer=409)
            if lfdi not in self._s.state.managers_of(device):
                raise RemoteProtocolError(f"{lfdi} does not act for this device", answer=404)
            await self._release(lfdi, device, now)

    async def release_all(self, lfdi: str, now: Instant) -> int:
        """Take every device that the operator put under an aggregator from it; the aggregator itself leaves.

        Raises:
            StoreUnavailable: not all were taken.
        """
        devices = [r for r in self._s.state.end_devices.values() if lfdi in r.aggregators]
        for device in devices:
            await self._release(lfdi, device, now)
        return len(devices)

    async def _release(self, lfdi: str, device: EndDeviceRecord, now: Instant) -> None:
        state, spoke = self._s.state, device.speaks
        kept = tuple(one for one in device.aggregators if one != lfdi)
        after = replace(device, aggregators=kept, manager=None if device.manager == lfdi else device.manager)
        after.managed = bool(state.managers_of(after))
        stored = self._stored(device, after, now)
        if spoke and not after.speaks:
            grants = state.event_sets.get(f"{device.path}/frp")
            for event in list(grants.events.values()) if grants is not None else ():
                await self._publishing.withdraw(event, now)
            stored += self._spoken(device)
        await self._s.ledger.commit(stored)
        device.aggregators, device.manager = kept, after.manager
        await self._show(device, now)
        self._subscriptions.unreadable(lfdi)

    def _check(self, aggregator: EndDeviceRecord, device: EndDeviceRecord) -> None:
        for record in (aggregator, device):
            if self._s.state.by_lfdi.get(record.lfdi) is not record:
                raise RemoteProtocolError("no such end device", answer=404)
        if aggregator.role is not Role.AGGREGATOR:
            raise bad_value(f"{aggregator.lfdi} is no aggregator")
        if device.role is not Role.DEVICE or device.device_id is None:
            raise bad_value(f"{device.lfdi} is no device: an aggregator acts for single devices")

    @staticmethod
    def _stored(device: EndDeviceRecord, after: EndDeviceRecord, now: Instant) -> list[Change]:
        head = record_head(replace(after, changed=int(now)))
        return [documents.put(documents.END_DEVICES, str(device.number), None, head)]

    def _spoken(self, device: EndDeviceRecord) -> list[Change]:
        """What a device, or an aggregator for it, told, and nobody will any more."""
        paths = [*(f"{device.path}/{name}" for name in SPEAKERS_ONLY), *(f"{device.der}/{n}" for n in DER_RESOURCES)]
        below = self._s.tree.below(*paths, f"/rsps/frp{device.number}")
        return [documents.delete(space, path) for path in below if (space := documents.space_of(path)) is not None]

    async def _show(self, device: EndDeviceRecord, now: Instant) -> None:
        """Everything that follows from a record that is durable."""
        state, tree = self._s.state, self._s.tree
        device.changed = int(now)
        state.settle_managers(device)
        device.audience.readers.clear()
        device.audience.readers |= state.readers_of(device)
        settle_speaking(state, device, self._s.fleet)
        if not device.speaks and state.event_sets.pop(f"{device.path}/frp", None) is not None:
            tree.remove(f"/rsps/frp{device.number}")
        places = [device.path, f"/rsps/frp{device.number}", *self._metering.places_of(device)]
        for number in device.programs:
            places += [f"/derp/{number}", f"/rsps/{number}"]
            if (program := state.programs.get(number)) is not None:
                program.fetched = device.speaks
                settle_default(state, program)
        tree.readers_changed(device.audience, [*tree.below(*places), *self._responses.places_of(device.lfdi)])
        self._read_registration(device)
        self._topology.readers_changed(device)
        self._publications.readers_changed(device)
        item = tree.item(device.path)
        if item is not None:
            tree.set(item, replace(item.obj, changedTime=device.changed))
        self._s.doorman.forget()
        await self._topology.reconcile(now)
        await self._publishing.reconcile(now)

    def _read_registration(self, device: EndDeviceRecord) -> None:
        """The PIN is for the device alone; in CSIP-AUS for those who stand for it, too."""
        registration = self._s.tree.item(f"{device.path}/rg")
        if registration is not None and self._s.settings.csip_aus is not None:
            registration.audience.readers.clear()
            registration.audience.readers |= device.audience.readers
            self._s.tree.readers_changed(registration.audience, [registration.path])
