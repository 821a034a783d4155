"""What the server knows beside the rendered tree: who is registered, which programs and events there are.

Owns the indexes and the numbers of new resources. Changes here are made by the handlers after they are durable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager

from gridiface.domain.controls import Target, TargetKind
from gridiface.northbound.sep2.served.counters import Counters
from gridiface.northbound.sep2.served.leavers import Leavers
from gridiface.northbound.sep2.served.nodes import Audience
from gridiface.northbound.sep2.served.state_records import (
    EndDeviceRecord,
    EventOwner,
    EventRecord,
    EventSet,
    Program,
    Publication,
)
from gridiface.northbound.sep2.served.tree import Tree
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.protocols.sep2.mrids import ByMrid

#: Events that have left their list and may still be answered.
_REMOVED_KEPT = 10_000


class State:
    """Registered devices, programs and events, by every name they have."""

    def __init__(self, settings: Sep2Settings) -> None:
        self.settings = settings
        #: pollRate by resource name where it was changed at run time.
        self.poll_rates: dict[str, int] = {}
        #: LFDIs that are treated as not registered.
        self.disabled: set[str] = set()
        self.tree = Tree(self.poll_rate, subscriptions=settings.notifications is not None)
        self.counters = Counters()
        self.end_devices: dict[int, EndDeviceRecord] = {}
        self.by_lfdi: dict[str, EndDeviceRecord] = {}
        self.by_device: dict[str, EndDeviceRecord] = {}
        self.by_group: dict[str, EndDeviceRecord] = {}
        self.programs: dict[int, Program] = {}
        self.publications: dict[str, Publication] = {}
        self.event_sets: dict[str, EventSet] = {}
        self.nodes: dict[str, Program] = {}
        self.events: ByMrid[EventRecord] = ByMrid()
        self.by_control: dict[str, EventRecord] = {}
        self._removed: ByMrid[EventRecord] = ByMrid()
        self.leavers = Leavers(settings.event_retention_s)
        #: Devices by the LFDI of the aggregator that acts for them.
        self.manages: dict[str, set[str]] = {}
        self._configured: dict[str, set[str]] = {}
        for client in settings.clients:
            for device_id in client.manages:
                self._configured.setdefault(device_id, set()).add(client.lfdi)

    def poll_rate(self, resource: str) -> int:
        """The pollRate of a resource by its name, seconds."""
        changed = self.poll_rates.get(resource)
        return self.settings.poll_rate(resource) if changed is None else changed

    def post_rate_of(self, record: EndDeviceRecord) -> int:
        """The postRate of an end device, seconds."""
        return self.settings.post_rate if record.post_rate is None else record.post_rate

    def add_end_device(self, record: EndDeviceRecord) -> None:
        """Index an end device."""
        self.end_devices[record.number] = record
        self.by_lfdi[record.lfdi] = record
        if record.device_id is not None:
            self.by_device[record.device_id] = record
        if record.group_id is not None:
            self.by_group[record.group_id] = record
        self.settle_managers(record)

    def managed_by_configuration(self, device_id: str) -> set[str]:
        """LFDIs of the aggregators that the configuration puts a device under."""
        return self._configured.get(device_id, set())

    def managers_of(self, record: EndDeviceRecord) -> set[str]:
        """LFDIs of the aggregators that act for an end device: by configuration, registration or the operator."""
        by_itself = set() if record.manager is None else {record.manager}
        return self.managed_by_configuration(record.device_id or "") | by_itself | set(record.aggregators)

    def settle_managers(self, record: EndDeviceRecord) -> None:
        """Bring whether it is managed, and what each aggregator manages, up to what an end device's record says."""
        managers = self.managers_of(record)
        record.managed = bool(managers)
        self._forget_managers(record)
        for lfdi in managers:
            self.manages.setdefault(lfdi, set()).add(record.device_id or "")

    def _forget_managers(self, record: EndDeviceRecord) -> None:
        for devices in self.manages.values():
            devices.discard(record.device_id or "")

    def drop_end_device(self, record: EndDeviceRecord) -> None:
        """Forget an end device."""
        self.end_devices.pop(record.number, None)
        self.by_lfdi.pop(record.lfdi, None)
        if record.device_id is not None:
            self.by_device.pop(record.device_id, None)
        if record.group_id is not None:
            self.by_group.pop(record.group_id, None)
        self._forget_managers(record)

    def add_event(self, record: EventRecord) -> None:
        """Index an event under its mRID and its domain control."""
        mrid = record.item.obj.mRID
        self.events[mrid] = record
        owner = self.owner_of(record)
        if owner is not None:
            owner.events[mrid] = record
        self.index_controls(record)

    def owner_of(self, record: EventRecord) -> EventOwner | None:
        """The program or event set that an event belongs to; None: it is gone."""
        return self.event_sets.get(record.owner) if record.owner else self.programs.get(record.program)

    def event_owners(self) -> list[EventOwner]:
        """Everything that has events of its own."""
        return [*self.programs.values(), *self.event_sets.values()]

    def owner_at(self, path: str) -> EventOwner | None:
        """The program or event set of the resource at a path."""
        if path.startswith("/derp/"):
            return self.programs.get(int(path.split("/")[2]))
        return self.event_sets.get(path)

    def index_controls(self, record: EventRecord) -> None:
        """Index an event under its domain controls."""
        self.by_control.update(dict.fromkeys(record.control_names, record))

    @contextmanager
    def posting(self, record: EventRecord) -> Iterator[None]:
        """While an event is asked of the engine and not yet shown: set-points are made of it meanwhile."""
        program = self.programs.get(record.program)
        if program is None:
            yield
            return
        program.posting.append(record)
        try:
            yield
        finally:
            program.posting = [one for one in program.posting if one is not record]

    def drop_event(self, record: EventRecord) -> None:
        """Forget an event."""
        mrid = record.item.obj.mRID
        self.events.pop(mrid, None)
        self._removed[mrid] = record
        while len(self._removed) > _REMOVED_KEPT:
            del self._removed[next(iter(self._removed))]
        owner = self.owner_of(record)
        if owner is not None:
            owner.events.pop(mrid, None)
        for name in record.control_names:
            self.by_control.pop(name, None)

    def event_once(self, mrid: str) -> EventRecord | None:
        """An event that is kept, or was not long ago: its devices may still answer."""
        return self.events.get(mrid) or self._removed.get(mrid)

    def program_of_device(self, device_id: str) -> Program | None:
        """The own program of a fleet's device."""
        record = self.by_device.get(device_id)
        return None if record is None or record.program is None else self.programs.get(record.program)

    def programs_of_device(self, device_id: str) -> list[Program]:
        """The programs that a device fetches: its own and those of the nodes above it."""
        own = self.program_of_device(device_id)
        nodes = [program for program in self.nodes.values() if device_id in program.members]
        record = self.by_device.get(device_id)
        added = [] if record is None else [self.programs[n] for n in record.added if n in self.programs]
        return [*([] if own is None else [own]), *added, *nodes]

    def fetches_itself(self, target: Target) -> bool:
        """Whether it is a device that fetches its controls over IEEE 2030.5 and answers them."""
        record = self.by_device.get(target.id) if target.kind is TargetKind.DEVICE else None
        return record is not None and record.speaks

    def program_of_group(self, group_id: str) -> Program | None:
        """The program of a group's total."""
        record = self.by_group.get(group_id)
        return None if record is None or record.program is None else self.programs.get(record.program)

    def leave(self, audience: Audience, readers: Set[str], belongs: Callable[[EndDeviceRecord], bool]) -> set[str]:
        """An end device is gone that these LFDIs read: take those out of an audience who read nothing else of it.

        Args:
            audience: who reads something.
            readers: of the end device that is gone.
            belongs: whether an end device is one whose readers read it.

        Returns:
            Who left.
        """
        gone = {lfdi for lfdi in readers & audience.readers if not self._reads(lfdi, belongs)}
        audience.readers -= gone
        return gone

    def _reads(self, lfdi: str, belongs: Callable[[EndDeviceRecord], bool]) -> bool:
        """Whether an LFDI's own end device, or one that it manages, belongs to something."""
        managed = (self.by_device.get(device_id) for device_id in self.manages.get(lfdi, ()))
        return any(record is not None and belongs(record) for record in (self.by_lfdi.get(lfdi), *managed))

    def readers_of(self, record: EndDeviceRecord) -> set[str]:
        """Who may read the sub-tree of an end device: itself and its aggregators."""
        return {record.lfdi, *self.managers_of(record)}

    def parents_in(self, control_ids: Iterable[str]) -> Sequence[EventRecord]:
        """The events behind domain controls, as far as they came in over IEEE 2030.5."""
        return [self.by_control[name] for name in control_ids if name in self.by_control]
