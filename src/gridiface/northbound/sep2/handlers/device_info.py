"""PUT of what a device says about itself: dercap, derg, ders, dera, dstat, di, ps, cfg, fs; and its log events."""

from __future__ import annotations

from typing import Any

from gridiface.domain.changes import Change
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.members.membership import Membership
from gridiface.northbound.sep2.programs.topology import Topology
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import require_owner
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    record_of,
    settle_links,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.translate import status
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.resources import (
    ConnectionPoint,
    DERAvailability,
    DERCapability,
    DERSettings,
    DERStatus,
    DeviceInformation,
    LogEvent,
)

#: Log events that a list keeps at least, whatever the limit says.
_LEAST_LOG = 10


class DeviceInfo:
    """Writes below an end device, by the device itself or its aggregator."""

    def __init__(self, services: Services, membership: Membership, topology: Topology) -> None:
        self._s = services
        self._membership = membership
        self._topology = topology

    @property
    def _may_connect(self) -> bool:
        profile = self._s.settings.csip_aus
        return profile is not None and profile.connection_points

    @property
    def _must_be_nmi(self) -> bool:
        profile = self._s.settings.csip_aus
        return profile is not None and profile.nmi

    async def put(self, call: Call) -> Reply:
        """Store a resource and tell the fleet what it means.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409 for a connection point that is the operator's, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        item = item_of(call.node)
        written: Any = call.read(item.kind.cls, self._s)
        if isinstance(written, ConnectionPoint) and not self._may_connect:
            raise RemoteProtocolError("connection points are the operator's to set", answer=409)
        if (
            isinstance(written, ConnectionPoint)
            and self._must_be_nmi
            and not csip_aus.is_nmi(written.connectionPointId)
        ):
            raise bad_value("it is no National Metering Identifier")
        if isinstance(written, DeviceInformation) and written.lFDI != record.lfdi:
            raise bad_value("lFDI is not that of the device")
        settle_links(self._s.tree, item.kind, written, call.caller.viewer)
        async with self._s.locks.hold(record.path):
            still_there(self._s, item)
            written.href = item.path
            await self._store(record, written, call, documents.put(documents.DEVICE_INFO, item.path, written))
            item.stated = True
            self._s.tree.set(item, written)
        if isinstance(written, DERCapability | DERSettings):
            await self._topology.stated(record, call.now)
        if call.method == "POST":
            return created(item.path)
        # Clients of CSIP-AUS read where their connection point is from the answer to a PUT too.
        return changed(item.path if isinstance(written, ConnectionPoint) else None)

    async def _store(self, record: EndDeviceRecord, written: Any, call: Call, change: Change) -> None:
        registry, along = self._s.registry, [change]
        device_id = record.device_id
        if isinstance(written, DERCapability | DERSettings):
            device = self._membership.device_for(
                record,
                capability=written if isinstance(written, DERCapability) else self._s.stated(record, "dercap"),
                settings=written if isinstance(written, DERSettings) else self._s.stated(record, "derg"),
            )
            if device is not None:
                groups = self._s.settings.in_band_groups if record.in_band else ()
                await registry.register(device, call.now, groups=groups, along=along)
                return
        elif device_id is not None and isinstance(written, DERStatus | DERAvailability):
            if isinstance(written, DERStatus):
                snapshot = status.status_to_snapshot(written, device_id, call.now)
            else:
                known = self._s.stated(record, "ders")
                snapshot = status.with_states(status.availability_to_snapshot(written, device_id, call.now), known)
            await registry.observe([snapshot], call.now, along=along)
            return
        await self._s.ledger.commit(along)

    # --- log events -----------------------------------------------------------------------------------------------

    async def post_log_event(self, call: Call) -> Reply:
        """Keep a log event; the oldest leaves when the list is full. One that is sent again is kept once.

        Raises:
            RemoteProtocolError: 400, 403, 404, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        event = call.read(LogEvent, self._s)
        async with self._s.locks.hold(record.path):
            still_there(self._s, call.node)
            known = _same_event(call.node, event)
            if known is not None:
                return created(known)
            number, changes = self._s.state.counters.take(f"lel/{record.number}")
            path = f"{record.path}/lel/{number}"
            event.href = path
            doomed = self._surplus(call.node)
            await self._s.ledger.commit(
                [
                    *changes,
                    documents.put(documents.LOG_EVENTS, path, event),
                    *(documents.delete(documents.LOG_EVENTS, item.path) for item in doomed),
                ]
            )
            for item in doomed:
                self._s.tree.remove(item.path)
            place_log_event(self._s, record, path, event)
        return created(path)

    def _surplus(self, node: Any) -> list[Item]:
        if not isinstance(node, Listing):
            raise RemoteProtocolError("no such list", answer=404)
        room = max(_LEAST_LOG, self._s.settings.limits.log_events_per_device) - 1
        return sorted(node.items.values(), key=lambda item: item.obj.createdDateTime)[: max(0, len(node.items) - room)]

    async def delete_log_event(self, call: Call) -> Reply:
        """Take a log event out.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        async with self._s.locks.hold(record.path):
            still_there(self._s, call.node)
            await self._s.ledger.commit([documents.delete(documents.LOG_EVENTS, call.node.path)])
            self._s.tree.remove(call.node.path)
        return changed()


def _same_event(node: Any, event: LogEvent) -> str | None:
    """Where the same event is already: its sender had no answer and has sent it again."""
    items = node.items.values() if isinstance(node, Listing) else ()
    return next((item.path for item in items if _identity(item.obj) == _identity(event)), None)


def _identity(event: LogEvent) -> tuple[Any, ...]:
    return (
        event.createdDateTime,
        event.functionSet,
        event.logEventCode,
        event.logEventID,
        event.logEventPEN,
        event.profileID,
        event.details,
        event.extendedData,
    )


def place_log_event(services: Services, record: EndDeviceRecord, path: str, event: LogEvent) -> None:
    """Show a log event."""
    item = Item(path, kind("/edev/{id1}/lel/{id2}"), record.audience, event, data=record)
    services.tree.add(item, f"{record.path}/lel")
