"""Publications in the tree: programs, tariffs, messages, files, accounts, and to whom they are assigned.

A publication is placed with everything that hangs below it by the table of kinds alone: lists, single places, event
sets, response sets. Owns placing, assignment and removal from the tree; storing and checking is publishing.py's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from gridiface.domain.controls import Target, TargetKind
from gridiface.domain.fleet import Role
from gridiface.domain.ports import FleetView
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.served import identities
from gridiface.northbound.sep2.served.kinds import (
    COMBINED,
    COMBINED_INTERVALS,
    FSA_LISTS,
    KINDS,
    AnyKind,
    Kind,
    ListKind,
    kind,
    list_kind,
)
from gridiface.northbound.sep2.served.nodes import Audience, Item, Listing
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventSet, Publication
from gridiface.protocols.sep2.enums import ServiceStatus
from gridiface.protocols.sep2.reading_codes import Commodity, FlowDirection, Uom
from gridiface.protocols.sep2.reading_codes import Kind as ReadingKind
from gridiface.protocols.sep2.resources import (
    AccountBalance,
    AccountingUnit,
    PrepayOperationStatus,
    ReadingType,
    ResponseSet,
)

ROOTS = ("bill", "brs", "dr", "file", "msg", "ppy", "tp", "upt")
"""First parts of the paths of publications."""

#: What holds events: the lists of all and of the active ones, and whether they displace each other.
EVENT_SETS: Mapping[str, tuple[str, str, bool]] = {
    "/dr/{id1}": ("edc", "actedc", True),
    "/tp/{id1}/rc/{id2}": ("tti", "acttti", True),
    "/msg/{id1}": ("txt", "acttxt", False),
}
INTERVAL = "/tp/{id1}/rc/{id2}/tti/{id3}"
_RESPONDED = frozenset({"dr", "msg", "tp"})

#: What a single place holds until it is written, where the standard demands that it is there.
_FIRST: Mapping[str, Callable[[], Any]] = {
    "/tp/{id1}/rc/{id2}/rt": lambda: ReadingType(
        commodity=Commodity.ELECTRICITY_SECONDARY,
        flowDirection=FlowDirection.FORWARD,
        kind=ReadingKind.ENERGY,
        powerOfTenMultiplier=3,
        uom=Uom.WATT_HOUR,
    ),
    # Nothing is known of a quantity until its type is written.
    "/upt/{id1}/mr/{id2}/rt": ReadingType,
    "/ppy/{id1}/ab": lambda: AccountBalance(availableCredit=AccountingUnit(monetaryUnit=0, multiplier=0, value=0)),
    "/ppy/{id1}/os": lambda: PrepayOperationStatus(serviceStatus=ServiceStatus.CONNECTED),
}


def children(template: str) -> list[AnyKind]:
    """The kinds directly below a resource, one segment further down."""
    return [
        found
        for place, found in KINDS.items()
        if place.startswith(f"{template}/") and "/" not in (rest := place[len(template) + 1 :]) and "{" not in rest
    ]


def place_below(state: State, parent: Item, *, data: Any) -> None:
    """Everything that hangs below a new resource, empty or with its first content."""
    demanded = {parent.kind.links.get(attribute) for attribute in parent.kind.demanded}
    for found in children(parent.kind.template):
        if found.template == COMBINED_INTERVALS and not csip_aus.is_1_3(state.settings.csip_aus):
            continue
        name = found.template.rpartition("/")[2]
        path = f"{parent.path}/{name}"
        if isinstance(found, ListKind):
            shown = name in demanded or (state.settings.link_empty_control_lists and parent.kind.template in EVENT_SETS)
            state.tree.add(Listing(path, found, parent.audience, shown_empty=shown, data=data))
        else:
            first = _FIRST.get(found.template)
            item = Item(path, found, parent.audience, None, data=data)
            state.tree.add(item)
            if first is not None:
                state.tree.set(item, first())


class Publications:
    """Places and assigns publications.

    Args:
        state: the tree, the end devices, the publications.
        fleet: who belongs to a group.
    """

    def __init__(self, state: State, fleet: FleetView) -> None:
        self._state = state
        self._fleet = fleet

    def place_roots(self) -> None:
        """The lists of all publications, linked to where a viewer finds something in them."""
        for root in ROOTS:
            audience = Audience(registered=True)
            self._state.tree.add(Listing(f"/{root}", list_kind(f"/{root}"), audience, scoped=True, shown_empty=False))

    # --- placing ----------------------------------------------------------------------------------------------------

    def place(self, publication: Publication, obj: Any) -> Item:
        """Show a publication with all that is below it, and assign it."""
        state = self._state
        publication.audience = Audience(registered=publication.target is None)
        state.publications[publication.path] = publication
        if publication.root in _RESPONDED:
            self._place_responses(publication, obj)
        item = self.place_part(publication, publication.path, kind(f"/{publication.root}/{{id1}}"), obj)
        self.assign(publication)
        state.tree.join(item, f"/{publication.root}")
        return item

    def place_part(self, publication: Publication, path: str, of: Kind, obj: Any) -> Item:
        """Show one resource of a publication with all that hangs below it; roots join their list later."""
        item = Item(path, of, publication.audience, obj, data=publication)
        names = EVENT_SETS.get(of.template)
        if names is not None:
            self._state.event_sets[path] = EventSet(
                path=path,
                events_at=f"{path}/{names[0]}",
                active=f"{path}/{names[1]}",
                supersedes=names[2],
                responses=publication.responses,
                publication=publication,
                combined=f"{publication.path}/{COMBINED}" if publication.root == "tp" else "",
            )
        lists = () if path == publication.path else (path.rpartition("/")[0],)
        if of.template == INTERVAL:
            lists = (*lists, f"{publication.path}/{COMBINED}")
        self._state.tree.add(item, *lists)
        place_below(self._state, item, data=publication)
        return item

    def _place_responses(self, publication: Publication, obj: Any) -> None:
        settings, tree, path = self._state.settings, self._state.tree, publication.responses.rpartition("/")[0]
        tree.add(
            Listing(
                publication.responses, list_kind("/rsps/{id1}/rsp"), publication.audience, scoped=True, data=publication
            )
        )
        answers = ResponseSet(
            mRID=identities.mrid(settings.site, "rsps", publication.path, settings.pen),
            description=getattr(obj, "description", None),
            version=0,
        )
        tree.add(Item(path, kind("/rsps/{id1}"), publication.audience, answers, data=publication), "/rsps")

    # --- assignment -------------------------------------------------------------------------------------------------

    def knows(self, target: Target) -> bool:
        """Whether a device or group of that name is there; a device may be one by its LFDI."""
        if target.kind is TargetKind.GROUP:
            return self._fleet.group(target.id) is not None
        state = self._state
        return self._fleet.device(target.id) is not None or target.id in state.by_device or target.id in state.by_lfdi

    def assigned_to(self, publication: Publication) -> dict[int, EndDeviceRecord]:
        """The end devices that a publication is for, by number."""
        state, target = self._state, publication.target
        if target is None:
            found: Iterable[EndDeviceRecord | None] = state.end_devices.values()
        elif target.kind is TargetKind.GROUP:
            found = (state.by_device.get(name) for name in self._fleet.members(target.id))
        else:
            found = (state.by_device.get(target.id) or state.by_lfdi.get(target.id),)
        return {r.number: r for r in found if r is not None and r.speaks and r.role is Role.DEVICE}

    def assign(self, publication: Publication) -> list[EndDeviceRecord]:
        """Bring who reads a publication, and whose assignments list it, up to its target; returns whom it concerns."""
        wanted = self.assigned_to(publication)
        gone = [n for n in publication.assigned if n not in wanted]
        new = [record for number, record in wanted.items() if number not in publication.assigned]
        if not gone and not new:
            return []
        item = self._state.tree.item(publication.path)
        for number in gone:
            if item is not None:
                self._state.tree.leave(item, f"/edev/{number}/fsa/1/{publication.root}")
        publication.assigned = set(wanted)
        self._let_read(publication, wanted.values())
        for record in new:
            self._join(publication, record, item)
        return [*new, *(r for n in gone if (r := self._state.end_devices.get(n)) is not None)]

    def arrived(self, record: EndDeviceRecord) -> None:
        """Assign what is published for an end device that came; costs what is published, not what others there are."""
        if not (record.speaks and record.role is Role.DEVICE):
            return
        around = set(self._fleet.groups_of(record.device_id or ""))
        for publication in self._state.publications.values():
            target = publication.target
            if target is None:
                wanted = True
            elif target.kind is TargetKind.GROUP:
                wanted = target.id in around
            else:
                wanted = target.id in {record.device_id, record.lfdi}
            if wanted and record.number not in publication.assigned:
                publication.assigned.add(record.number)
                missing = record.audience.readers - publication.audience.readers if target is not None else set()
                if missing:
                    publication.audience.readers |= missing
                    self._state.tree.readers_added(publication.audience, missing, list(self._within(publication)))
                self._join(publication, record, self._state.tree.item(publication.path))

    def departed(self, record: EndDeviceRecord) -> None:
        """An end device is gone: nothing is assigned to it, and who read it alone reads no more."""
        for publication in self._state.publications.values():
            if record.number not in publication.assigned:
                continue
            publication.assigned.discard(record.number)
            gone = self._state.leave(publication.audience, record.audience.readers, publication.is_for)
            if gone:
                self._state.tree.readers_gone(publication.audience, gone, list(self._within(publication)))

    def _within(self, publication: Publication) -> Iterable[str]:
        """Where a publication's audience is used."""
        return self._state.tree.below(publication.path, publication.responses.rpartition("/")[0])

    def _let_read(self, publication: Publication, records: Iterable[EndDeviceRecord]) -> None:
        """Those who read the end devices that a publication is for read it; one for all is read by all."""
        if publication.target is None:
            return
        wanted = {reader for record in records for reader in record.audience.readers}
        if wanted != publication.audience.readers:
            publication.audience.readers.clear()
            publication.audience.readers |= wanted
            self._state.tree.readers_changed(publication.audience, list(self._within(publication)))

    def readers_changed(self, record: EndDeviceRecord) -> None:
        """Others read an end device than before: so they do what is published for it."""
        for publication in self._state.publications.values():
            if record.number in publication.assigned:
                self._let_read(publication, self.assigned_to(publication).values())

    def _join(self, publication: Publication, record: EndDeviceRecord, item: Item | None) -> None:
        root = publication.root
        if root not in FSA_LISTS or item is None:
            return
        path = f"{record.path}/fsa/1/{root}"
        if self._state.tree.get(path) is None:
            found = list_kind(f"/edev/{{id1}}/fsa/{{id2}}/{root}")
            self._state.tree.add(Listing(path, found, record.audience, shown_empty=False, data=record))
        self._state.tree.join(item, path)

    # --- removal ----------------------------------------------------------------------------------------------------

    def remove(self, path: str) -> None:
        """Take a resource of a publication, or the publication itself, out of the tree with all that is below it."""
        state = self._state
        for below in list(state.tree.below(path)):
            events = state.event_sets.pop(below, None)
            for record in list(events.events.values()) if events is not None else ():
                state.drop_event(record)
        publication = state.publications.pop(path, None)
        state.tree.remove(path)
        if publication is not None:
            state.tree.remove(publication.responses.rpartition("/")[0])
            state.leavers.forget(publication.responses)


def counter_of(listing: Listing) -> str:
    """What numbers the members of a list; usage points share their list, and so their numbers, with mirrored ones."""
    return "mup" if listing.path == "/upt" else f"pub{listing.path}"


def stored_publication(path: str, number: int, head: Mapping[str, Any]) -> Publication:
    """A publication as its record has it."""
    target = head.get("target")
    return Publication(
        root=path.split("/")[1],
        number=number,
        target=None if target is None else Target(TargetKind(target[0]), target[1]),
        by=head.get("by", ""),
    )
