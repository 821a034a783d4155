"""POST and DELETE of EndDevices: a client registers itself, and leaves."""

from __future__ import annotations

from gridiface.domain.fleet import Role
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.members.membership import DEFAULT_PIN, Membership, own_device_id
from gridiface.northbound.sep2.members.operating import Operating
from gridiface.northbound.sep2.programs.topology import Topology
from gridiface.northbound.sep2.published.publications import Publications
from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.served.access import Caller, require_owner
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    record_of,
    still_there,
)
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.resources import EndDevice

_SLOWEST_S = 86_400


class EndDevices:
    """In-band registration; out of band the operator does it (server.py)."""

    def __init__(
        self,
        services: Services,
        membership: Membership,
        topology: Topology,
        publications: Publications,
        operating: Operating,
    ) -> None:
        self._s = services
        self._membership = membership
        self._topology = topology
        self._publications = publications
        self._operating = operating

    async def post(self, call: Call) -> Reply:
        """Register the caller under the identity of its certificate, or a device that an aggregator is to manage.

        Raises:
            RemoteProtocolError: 400 for a malformed LFDI or no room, 403 for another's identity, 409 for one that is
                registered, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        wanted = call.read(EndDevice, self._s)
        lfdi = _registered_as(wanted, call.caller)
        manager = call.caller.lfdi if lfdi != call.caller.lfdi else None
        async with self._s.locks.hold("/edev"):
            state = self._s.state
            if lfdi in state.by_lfdi:
                raise RemoteProtocolError("already registered", answer=409)
            if len(state.end_devices) >= self._s.settings.limits.end_devices:
                raise limit_reached("end device")
            record, program, changes = self._membership.make(
                call.now,
                lfdi=lfdi,
                device_id=own_device_id(lfdi),
                pin=DEFAULT_PIN if manager is None else None,
                in_band=True,
                manager=manager,
                category=wanted.deviceCategory,
            )
            if not await self._membership.enrol(record, call.now, along=changes):
                await self._s.ledger.commit(changes)
            self._membership.place(record, program)
            self._publications.arrived(record)
            await self._topology.arrived(record, call.now)
        return created(record.path)

    async def put(self, call: Call) -> Reply:
        """Change the postRate of the caller's own or a managed end device; the rest is the server's.

        Raises:
            RemoteProtocolError: 400 where anything else would change, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        wanted = call.read(EndDevice, self._s)
        async with self._s.locks.hold("/edev"):
            still_there(self._s, call.node)
            known: EndDevice = item_of(call.node).obj
            for name in ("lFDI", "sFDI", "enabled", "deviceCategory"):
                if getattr(wanted, name) not in {None, getattr(known, name)}:
                    raise bad_value(f"{name} is not the client's to change")
            if wanted.postRate is None:  # The same end device: there is nothing to change.
                return changed()
            if not 1 <= wanted.postRate <= _SLOWEST_S:
                raise bad_value("postRate is 1 s to a day")
            await self._operating.set_post_rate(record, wanted.postRate, call.now)
        return changed()

    async def delete(self, call: Call) -> Reply:
        """Take the caller's own registration back, or that of a device it registered; the operator's stay.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        record = record_of(call.node)
        if call.caller.lfdi not in {record.manager, record.lfdi} or not record.in_band:
            raise RemoteProtocolError("only a device that registered itself may leave", answer=403)
        async with self._s.locks.hold("/edev"):
            if self._s.state.by_lfdi.get(record.lfdi) is not record:
                raise RemoteProtocolError("no such end device", answer=404)
            await self._membership.remove(record, call.now)
            self._publications.departed(record)
            await self._topology.departed(record, call.now)
        return changed()


def _registered_as(wanted: EndDevice, caller: Caller) -> str:
    """The LFDI to register: the caller's own, or for an aggregator that of a device without a certificate here.

    Raises:
        RemoteProtocolError: 400 for a malformed LFDI or one that its SFDI does not fit, 403 for another's identity.
    """
    if wanted.lFDI is not None and len(wanted.lFDI) != 40:
        raise bad_value("an LFDI has 40 hexadecimal digits")
    if caller.role is Role.AGGREGATOR and wanted.lFDI not in {None, caller.lfdi}:
        if wanted.sFDI != identities.sfdi(wanted.lFDI or ""):
            raise bad_value("sFDI does not belong to lFDI")
        return wanted.lFDI or ""
    if wanted.lFDI is not None and wanted.lFDI != caller.lfdi:
        raise RemoteProtocolError("lFDI is not that of the certificate", answer=403)
    if wanted.lFDI is None and wanted.sFDI != identities.sfdi(caller.lfdi):
        raise RemoteProtocolError("sFDI is not that of the certificate", answer=403)
    if caller.role not in {Role.UNREGISTERED, Role.DEVICE, Role.AGGREGATOR}:
        raise RemoteProtocolError("only a device registers itself", answer=403)
    return caller.lfdi
