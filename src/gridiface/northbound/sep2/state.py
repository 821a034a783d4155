"""What the server knows beside the rendered tree: who is registered, which programs and events there are.

Owns the indexes and the numbers of new resources. Changes here are made by the handlers after they are durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Role
from gridiface.domain.ports import Change
from gridiface.northbound.sep2 import documents
from gridiface.northbound.sep2.nodes import Audience, Item
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.northbound.sep2.tree import Tree
from gridiface.protocols.sep2.events import EventFacts

#: Numbers are reserved in blocks, so that not every new resource writes the counter too.
_BLOCKS = {"edev": 1, "derp": 1, "mup": 1, "dc": 1}
_BLOCK = 256
#: Events that have left their list and may still be answered.
_REMOVED_KEPT = 10_000


@dataclass(slots=True, kw_only=True)
class EndDeviceRecord:
    """One end device.

    Attributes:
        number: the number in its path.
        lfdi: 40 hex digits.
        role: DEVICE or AGGREGATOR.
        device_id, group_id: the fleet's device or group that it stands for, if any.
        registered, changed: s since 1970.
        pin: None for those that never connect (no certificate).
        in_band: it registered itself, or its aggregator did.
        by_operator: the operator registered it while the server ran.
        managed: an aggregator acts for it.
        manager: LFDI of the aggregator that registered it, None where the configuration or itself did.
        aggregators: LFDIs of the aggregators that the operator put it under.
        category: deviceCategory bits; None: not known.
        audience: who may read its sub-tree.
        program: number of its own program, None for an aggregator.
        post_rate: its postRate in s; None: as configured.
        added: numbers of the programs that the operator added.
    """

    number: int
    lfdi: str
    sfdi: int
    role: Role = Role.DEVICE
    device_id: str | None = None
    group_id: str | None = None
    registered: int
    changed: int
    pin: int | None = None
    in_band: bool = False
    by_operator: bool = False
    managed: bool = False
    manager: str | None = None
    category: int | None = None
    audience: Audience = field(default_factory=Audience)
    program: int | None = None
    post_rate: int | None = None
    added: list[int] = field(default_factory=list)
    aggregators: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Its EndDevice's path."""
        return f"/edev/{self.number}"

    @property
    def der(self) -> str:
        """Path of its DER."""
        return f"{self.path}/der/1"

    @property
    def programs(self) -> list[int]:
        """Numbers of its own program and of those that were added."""
        return [*([] if self.program is None else [self.program]), *self.added]

    @property
    def connects(self) -> bool:
        """Whether a client with its own certificate stands behind it."""
        return self.pin is not None

    @property
    def speaks(self) -> bool:
        """Whether it, or its aggregator, tells about itself and answers events over IEEE 2030.5."""
        return self.connects or self.managed


@dataclass(slots=True, kw_only=True)
class EventRecord:
    """One event: a DERControl, or an event of another function set.

    Attributes:
        item: its resource.
        program: number of its DERProgram; 0 for an event of another function set.
        owner: path of the event set that it belongs to; "" for a DERControl, whose program is that.
        control_id: the domain's control that it is; None for those that the server made of a set-point.
        parents: the domain controls that a server-made event carries out.
        identity: LFDI of who posted it; "" for the server.
        posted: creationTime as posted; our clock may have bounded it.
        received: when it came and was shown first, s since 1970; 0: at its creationTime.
        node: whether its program is a node's.
        per_device: of an event in a node program: the devices that have a domain control each.
        facts: what the rules of events know of it; made on first use.
    """

    item: Item
    program: int
    control_id: str | None = None
    parents: tuple[str, ...] = ()
    identity: str = ""
    posted: int = 0
    received: int = 0
    per_device: tuple[str, ...] = ()
    node: bool = False
    owner: str = ""
    facts: EventFacts | None = None

    @property
    def server_made(self) -> bool:
        """Whether it was made of a set-point."""
        return self.control_id is None and not self.owner

    def control_of(self, device_id: str) -> str | None:
        """The domain's control that this event is for one device."""
        return f"{self.control_id}:{device_id}" if self.node else self.control_id

    @property
    def control_names(self) -> Iterator[str]:
        """All domain controls that this event is."""
        if self.control_id is not None:
            yield self.control_id
            yield from (f"{self.control_id}:{device_id}" for device_id in self.per_device)

    @property
    def end(self) -> int:
        """End of its interval as published, s since 1970."""
        interval = self.item.obj.interval
        return int(interval.start + interval.duration)


@dataclass(slots=True, kw_only=True)
class Program:
    """One DERProgram: what its controls concern.

    `owner` is the number of the end device that it belongs to. `fetched`: that device is a client of its own and
    carries out by itself what it finds here. `node`: its controls concern each device below the group, `members`, as
    they are; those that speak IEEE 2030.5 fetch them. `assignment`: path of the assignment that the operator added it
    to; "" for those that the server makes by itself. `entering`: elements of its default
    control that come of set-points (derived_defaults.py). `posting`: events that are being asked of the engine.
    """

    number: int
    mrid: str
    primacy: int
    description: str
    target: Target
    owner: int
    fetched: bool = False
    audience: Audience = field(default_factory=Audience)
    events: dict[str, EventRecord] = field(default_factory=dict)
    posting: list[EventRecord] = field(default_factory=list)
    default_control: str | None = None
    entering: dict[str, int] = field(default_factory=dict)
    node: bool = False
    assignment: str = ""
    members: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """Its DERProgram's path."""
        return f"/derp/{self.number}"

    @property
    def responses(self) -> str:
        """Where responses to its events go: the ResponseList."""
        return f"/rsps/{self.number}/rsp"

    @property
    def active(self) -> str:
        """Path of the list of its active events."""
        return f"{self.path}/actderc"

    @property
    def lists(self) -> tuple[str, ...]:
        """Paths of the lists of all its events."""
        return (f"{self.path}/derc",)

    @property
    def supersedes(self) -> bool:
        """Whether its events displace each other."""
        return True


@dataclass(slots=True, kw_only=True)
class Publication:
    """What is published to devices as a whole: a demand response program, a tariff, a source of messages, a file ...

    Attributes:
        root: first part of its path, "dr", "tp", "msg", "file", "bill", "brs", "ppy", "upt".
        number: the number in its path.
        target: the device or group that it is for; None: every registered device.
        audience: who may read it and everything below it.
        by: LFDI of the utility that made it, or the operator's name.
        assigned: numbers of the end devices that it is assigned to.
    """

    root: str
    number: int
    target: Target | None = None
    audience: Audience = field(default_factory=Audience)
    by: str = ""
    assigned: set[int] = field(default_factory=set)

    @property
    def path(self) -> str:
        """Its resource's path."""
        return f"/{self.root}/{self.number}"

    @property
    def responses(self) -> str:
        """Where responses to its events go: the ResponseList."""
        return f"/rsps/{self.root}{self.number}/rsp"


@dataclass(slots=True, kw_only=True)
class EventSet:
    """Events of one kind that may compete: those of a demand response program, a rate component, one device's grants.

    Attributes:
        path: of the resource that they belong to.
        events_at: path of their list.
        combined: path of a list that they share with other sets; "" where there is none.
        active: path of the list of the active ones; "" where the standard has none.
        responses: path of the ResponseList for them.
        supersedes: whether they displace each other; messages do not.
        publication: what they are part of; None for a device's flow reservations.
    """

    path: str
    events_at: str
    active: str
    responses: str
    supersedes: bool = True
    publication: Publication | None = None
    combined: str = ""
    events: dict[str, EventRecord] = field(default_factory=dict)

    @property
    def lists(self) -> tuple[str, ...]:
        """Paths of the lists of all its events."""
        return (self.events_at, self.combined) if self.combined else (self.events_at,)


EventOwner = Program | EventSet


class Counters:
    """Numbers of new resources, never given twice, also over a restart."""

    def __init__(self) -> None:
        self._next: dict[str, int] = {}
        self._reserved: dict[str, int] = {}

    def load(self, name: str, reserved: int) -> None:
        """Numbers below `reserved` may have been given."""
        self._next[name] = self._reserved[name] = reserved

    def saw(self, name: str, number: int) -> None:
        """This number is taken."""
        self._next[name] = max(self._next.get(name, 1), number + 1)

    def take(self, name: str, count: int = 1) -> tuple[int, list[Change]]:
        """`count` numbers in a row: the first of them, and what must be stored together with their use."""
        first = self._next.get(name, 1)
        self._next[name] = first + count
        if first + count <= self._reserved.get(name, 0):
            return first, []
        block = _BLOCKS.get(name.partition("/")[0], _BLOCK)
        self._reserved[name] = first + count - 1 + block
        return first, [documents.put(documents.COUNTERS, name, None, {"reserved": self._reserved[name]})]


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
        self.events: dict[str, EventRecord] = {}
        self.by_control: dict[str, EventRecord] = {}
        self._removed: dict[str, EventRecord] = {}
        # mRIDs by what they are as numbers: some clients write their leading zeros, others do not
        self._by_value: dict[str, str] = {}
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
        self._by_value[mrid.lstrip("0")] = mrid
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
            oldest = next(iter(self._removed))
            del self._removed[oldest]
            if oldest not in self.events and self._by_value.get(oldest.lstrip("0")) == oldest:
                del self._by_value[oldest.lstrip("0")]
        owner = self.owner_of(record)
        if owner is not None:
            owner.events.pop(mrid, None)
        for name in record.control_names:
            self.by_control.pop(name, None)

    def event_once(self, mrid: str) -> EventRecord | None:
        """An event that is kept, or was not long ago: its devices may still answer. Leading zeros do not count."""
        named = mrid if mrid in self.events or mrid in self._removed else self._by_value.get(mrid.lstrip("0"), mrid)
        return self.events.get(named) or self._removed.get(named)

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

    def readers_of(self, record: EndDeviceRecord) -> set[str]:
        """Who may read the sub-tree of an end device: itself and its aggregators."""
        return {record.lfdi, *self.managers_of(record)}

    def parents_in(self, control_ids: Iterable[str]) -> Sequence[EventRecord]:
        """The events behind domain controls, as far as they came in over IEEE 2030.5."""
        return [self.by_control[name] for name in control_ids if name in self.by_control]
