"""What the server knows of one end device, event, program, publication or set of events, beside what it shows of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from gridiface.domain.controls import Target
from gridiface.domain.fleet import Role
from gridiface.northbound.sep2.served.nodes import Audience, Item
from gridiface.protocols.sep2.events import EventFacts
from gridiface.protocols.sep2.mrids import ByMrid


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
        nodes: numbers of the node programs that it is assigned to, as its changedTime tells.
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
    nodes: tuple[int, ...] = ()

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
        over: it ran to its end, by a clock that may have been ahead; it does not come back.
        forgotten: nobody is to find it once it is over, as after a reset.
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
    over: bool = False
    forgotten: bool = False

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
    `ranked`: somebody chose its primacy, which does not follow from where its node stands any more. `version`: of its
    DERProgram, one more with each change.
    """

    number: int
    mrid: str
    primacy: int
    description: str
    target: Target
    owner: int
    fetched: bool = False
    audience: Audience = field(default_factory=Audience)
    events: ByMrid[EventRecord] = field(default_factory=ByMrid)
    posting: list[EventRecord] = field(default_factory=list)
    default_control: str | None = None
    entering: dict[str, int] = field(default_factory=dict)
    node: bool = False
    assignment: str = ""
    members: set[str] = field(default_factory=set)
    ranked: bool = False
    version: int = 0

    @property
    def path(self) -> str:
        """Its DERProgram's path."""
        return f"/derp/{self.number}"

    @property
    def responses(self) -> str:
        """Where responses to its events go: the ResponseList."""
        return f"/rsps/{self.number}/rsp"

    @property
    def control_names(self) -> list[str]:
        """All domain controls that its events and its default control are."""
        found = [name for event in self.events.values() for name in event.control_names]
        default = self.default_control
        return found if default is None else [*found, default, *(f"{default}:{one}" for one in sorted(self.members))]

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

    def is_for(self, record: EndDeviceRecord) -> bool:
        """Whether it is assigned to an end device."""
        return record.number in self.assigned

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
    events: ByMrid[EventRecord] = field(default_factory=ByMrid)

    @property
    def lists(self) -> tuple[str, ...]:
        """Paths of the lists of all its events."""
        return (self.events_at, self.combined) if self.combined else (self.events_at,)


EventOwner = Program | EventSet
