"""Changes of publications: checked, durable, then shown. The one mechanism behind seven function sets.

Both the utility over the wire (handlers/published.py) and the operator come through here. What is particular to a
function set is a rule of handlers/rules.py; what hangs below a resource, and who reads it, is publications.py's.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Target
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.published.preparing import Place, Preparing, Rule, same_event
from gridiface.northbound.sep2.published.publications import Publications, counter_of, stored_publication
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.event_clock import event_document, is_live
from gridiface.northbound.sep2.served.kinds import Kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.records import record_head
from gridiface.northbound.sep2.served.services import Services, bad_value, limit_reached
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, EventSet, Publication
from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.mrids import same_mrid
from gridiface.protocols.sep2.resources import Event, EventStatus, RandomizableEvent, ReadingType

_CANCELS = frozenset({EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION})


#: Told of an event that is to be published; returns the id of the domain's control that it is, made durable with
#: `along`, or None where nobody was told and nothing written.
OnEvent = Callable[[EventRecord, Publication, Instant, Sequence[Change]], Awaitable[str | None]]


class Publishing:
    """Creates, changes, cancels and removes what is published.

    Args:
        services: state, ports, settings.
        publications: the tree's side of it.
        rules: by wire class.
    """

    def __init__(self, services: Services, publications: Publications, rules: Mapping[type, Rule]) -> None:
        self._s = services
        self._publications = publications
        self._preparing = Preparing(services, rules)
        #: By class of event: what else it means; see `OnEvent`.
        self.on_event: dict[type, OnEvent] = {}
        #: By class of publication: whom it is for by what it says itself.
        self.target_of: dict[type, Callable[[Any], Target | None]] = {}
        #: Told of what came, changed or went below a list with active members.
        self.on_changed: Callable[[str, Instant], None] = lambda path, now: None
        #: Told of an event that is shown now.
        self.on_shown: Callable[[EventRecord], None] = lambda record: None
        #: Told of a resource whose values mean something else from now on.
        self.on_redefined: Callable[[str], None] = lambda path: None

    # --- creating ---------------------------------------------------------------------------------------------------

    async def create(
        self, listing: Listing, obj: Any, now: Instant, *, by: str, target: Target | None = None
    ) -> tuple[str, bool]:
        """Add a resource to a list; the same one again changes nothing.

        Args:
            listing: one of the lists below the roots of publications.
            obj: the resource; its href does not count.
            now: s since 1970.
            by: who does it, for the record.
            target: of a publication: whom it is for; None: every registered device.

        Returns:
            Its path, and whether it is new.

        Raises:
            RemoteProtocolError: 400, 404, 409: nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        async with self._s.locks.hold(listing.path):
            if self._s.tree.get(listing.path) is not listing:
                raise RemoteProtocolError("no such list", answer=404)
            return await self._create(listing, obj, now, by, target)

    def look(self, listing: Listing, obj: Any, now: Instant) -> str | None:
        """Where the same thing is already; None where it is not and `create` would take it as far as it can be seen.

        Raises:
            RemoteProtocolError: 400, 409.
        """
        of = self._preparing.member_kind(listing)
        prepared = self._preparing.prepared(of, obj, listing, int(now))
        known = self._preparing.known(listing, prepared)
        if known is None:
            self._preparing.check(prepared, self._preparing.place_of(listing, int(now)))
        return known

    async def _create(
        self, listing: Listing, obj: Any, now: Instant, by: str, target: Target | None
    ) -> tuple[str, bool]:
        of = self._preparing.member_kind(listing)
        obj = self._preparing.prepared(of, obj, listing, int(now))
        known = self._preparing.known(listing, obj)
        if known is not None:
            return known, False
        # Events that are over are kept, though no list shows them any more: they count too.
        held = self._s.state.event_sets.get(listing.path.rpartition("/")[0])
        kept = held.events if held is not None and isinstance(obj, Event) else listing.items
        if len(kept) >= self._s.settings.limits.published_per_list:
            raise limit_reached(of.name)
        self._preparing.check(obj, self._preparing.place_of(listing, int(now)))
        number, changes = self._s.state.counters.take(counter_of(listing))
        obj.href = path = f"{listing.path}/{number}"
        publication = listing.data
        if not isinstance(publication, Publication):
            told = self.target_of.get(type(obj))
            target = told(obj) if target is None and told is not None else target
            publication = Publication(root=path.split("/")[1], number=number, target=target, by=by)
            head = {"target": None if target is None else [target.kind.value, target.id], "by": by}
            await self._s.ledger.commit([*changes, documents.put(documents.PUBLISHED, path, obj, head)])
            await self.show(publication, obj, now)
        elif isinstance(obj, Event):
            await self._create_event(publication, of, obj, now, by, changes)
        else:
            await self._s.ledger.commit([*changes, documents.put(documents.PUBLISHED, path, obj, {"by": by})])
            self._publications.place_part(publication, path, of, obj)
        self.on_changed(listing.path, now)
        return path, True

    async def _create_event(
        self, publication: Publication, of: Kind, obj: Any, now: Instant, by: str, changes: Sequence[Change]
    ) -> None:
        path = obj.href
        owner = path.rpartition("/")[0].rpartition("/")[0]
        record = EventRecord(
            item=Item(path, of, publication.audience, obj, data=publication),
            program=0,
            identity=by,
            posted=obj.creationTime,
            owner=owner,
        )
        told = self.on_event.get(type(obj))
        control = await told(record, publication, now, changes) if told is not None else None
        if control is None:
            await self._s.ledger.commit([*changes, event_document(record)])
        record.control_id = control
        self.place_event(record)
        self._refresh(owner, now)
        self.on_shown(record)
        self._s.counts.events_published += 1

    def _refresh(self, owner: str, now: Instant) -> None:
        events = self._s.state.event_sets.get(owner)
        if events is not None:
            self._s.events.refresh(events, now)

    def place_event(self, record: EventRecord) -> None:
        """Show an event that is durable, with what hangs below it."""
        publication: Publication = record.item.data
        item = self._publications.place_part(publication, record.item.path, record.item.kind, record.item.obj)
        record.item = item
        self._s.state.add_event(record)

    async def show(self, publication: Publication, obj: Any, now: Instant) -> None:
        """Place a publication and say so in the end devices that it is assigned to.

        Raises:
            StoreUnavailable: it is shown, but the end devices' changedTime did not move.
        """
        self._publications.place(publication, obj)
        await self._touch([r for n in publication.assigned if (r := self._s.state.end_devices.get(n))], now)

    async def _touch(self, records: Sequence[EndDeviceRecord], now: Instant, along: Sequence[Change] = ()) -> None:
        """Assignments are part of what an end device is: changedTime says so. It alone is no news."""
        moved = [r for r in records if r.changed != int(now)]
        stored = [*along]
        for each in moved:
            head = record_head(each) | {"changed": int(now)}
            stored.append(documents.put(documents.END_DEVICES, str(each.number), None, head))
        if stored:
            await self._s.ledger.commit(stored)
        for record in moved:
            record.changed = int(now)
            item = self._s.tree.item(record.path)
            if item is not None:
                self._s.tree.set(item, replace(item.obj, changedTime=int(now)), quiet=True)

    async def reconcile(self, now: Instant) -> None:
        """The fleet or its groups changed: bring assignments up to that.

        Raises:
            StoreUnavailable: some changedTimes did not move.
        """
        touched: dict[int, EndDeviceRecord] = {}
        left: list[Change] = []
        for each in self._s.state.publications.values():
            concerned = {record.number: record for record in self._publications.assign(each)}
            touched |= concerned
            left += self._s.state.leavers.note(each.responses, concerned.keys() - each.assigned, now)
        await self._touch(list(touched.values()), now, left)

    # --- changing ---------------------------------------------------------------------------------------------------

    async def replace(self, item: Item, given: Any, now: Instant, *, by: str) -> None:
        """Give a resource, or a single place, a new content; an event can only be cancelled.

        Raises:
            RemoteProtocolError: 400, 404, 409: nothing was changed.
            StoreUnavailable: nothing was changed.
        """
        obj: Any = given
        async with self._s.locks.hold(item.path):
            if self._s.tree.get(item.path) is not item:
                raise RemoteProtocolError("no such resource", answer=404)
            if type(given) is not item.kind.cls:
                raise bad_value(f"this is a {item.kind.name}")
            if isinstance(obj, Event):
                await self._replace_event(item, obj, now)
                return
            before = item.obj
            if before is not None and hasattr(obj, "mRID"):
                if not same_mrid(obj.mRID, before.mRID):
                    raise bad_value("the mRID stays")
                obj.mRID = before.mRID
                obj.version = ((before.version or 0) + 1) & 0xFFFF
            self._preparing.settle(item.kind, obj)
            owner = item.lists[0] if item.lists else None
            others = [m.obj for m in owner.items.values() if m is not item] if owner is not None else []
            parent = self._s.tree.item(item.path.rpartition("/")[0])
            self._preparing.check(obj, Place(parent=parent, members=others, find=self._preparing.find, second=int(now)))
            obj.href = item.path
            head = {"by": by}
            if isinstance(item.data, Publication) and item.path == item.data.path:
                target = item.data.target
                head["target"] = None if target is None else [target.kind.value, target.id]  # type: ignore[assignment]  # JSON
            await self._s.ledger.commit([documents.put(documents.PUBLISHED, item.path, obj, head)])
            self._tell_redefined(item, obj)
            self._s.tree.set(item, obj)
            self.on_changed(item.path.rpartition("/")[0], now)

    def _tell_redefined(self, item: Item, obj: Any) -> None:
        """A quantity's values are not what its subscribers took them for where its ReadingType is another one."""
        if isinstance(obj, ReadingType) and replace(obj, href=item.path) != item.obj:
            for name in ("r", "rs"):
                self.on_redefined(f"{item.path.rpartition('/')[0]}/{name}")

    async def _replace_event(self, item: Item, wanted: Any, now: Instant) -> None:
        record = self._s.state.events[item.obj.mRID]
        if not same_event(wanted, record):
            raise bad_value("a published event is never changed but for its status")
        status = wanted.eventStatus.currentStatus
        if status != item.obj.eventStatus.currentStatus:
            await self.cancel(record, status, now, reason=wanted.eventStatus.reason)

    async def cancel(self, record: EventRecord, status: int, now: Instant, *, reason: str | None = None) -> None:
        """Cancel an event, durably, and keep it listed; its domain control ends with it.

        Raises:
            RemoteProtocolError: 400 for a status that cancels nothing, 409 where it is over.
            StoreUnavailable: nothing was changed.
        """
        event = record.item.obj
        if status not in _CANCELS:
            raise bad_value("the status can only be set to cancelled")
        randomised = isinstance(event, RandomizableEvent) and (event.randomizeStart or event.randomizeDuration)
        if status == EventStatusCode.CANCELLED_WITH_RANDOMIZATION and not randomised:
            raise bad_value("only a randomised event can be cancelled with randomisation")
        if not is_live(record, int(now)):
            raise RemoteProtocolError("the event is already over", answer=409)
        after = replace(
            event,
            version=((event.version or 0) + 1) & 0xFFFF,
            eventStatus=EventStatus(
                currentStatus=int(status), dateTime=int(now), potentiallySuperseded=False, reason=reason
            ),
        )
        item = record.item
        stored = event_document(replace(record, item=Item(item.path, item.kind, item.audience, after)))
        if record.control_id is None or not await self._s.inbox.cancel(
            record.control_id, now, reason=reason or "", along=[stored]
        ):
            await self._s.ledger.commit([stored])
        self._s.tree.set(item, after)
        self._refresh(record.owner, now)

    async def withdraw(self, record: EventRecord, now: Instant) -> None:
        """Cancel an event where it is live, and take it away.

        Raises:
            StoreUnavailable: not all was done.
        """
        if is_live(record, int(now)) and record.control_id is not None:
            await self._s.inbox.cancel(record.control_id, now, reason="withdrawn")
        await self._s.ledger.commit([documents.delete(documents.PUBLISHED, record.item.path)])
        self._s.state.drop_event(record)
        self._publications.remove(record.item.path)
        self._refresh(record.owner, now)

    async def remove(self, item: Item, now: Instant, *, cancel: bool = False) -> None:
        """Take a resource away with all that is below it; a removal cancels nothing, so a live event stands against it.

        Args:
            item: the resource.
            now: s since 1970.
            cancel: withdraw the live events below it first.

        Raises:
            RemoteProtocolError: 404, 409.
            StoreUnavailable: nothing was changed.
        """
        async with self._s.locks.hold(item.path):
            if self._s.tree.get(item.path) is not item:
                raise RemoteProtocolError("no such resource", answer=404)
            live = [record for record in self._events_below(item.path) if is_live(record, int(now))]
            for each in live if cancel else ():
                await self.withdraw(each, now)
            if live and not cancel:
                raise RemoteProtocolError("a live event is cancelled before it is removed", answer=409)
            publication = self._s.state.publications.get(item.path)
            below = self._s.tree.below(item.path)
            changes: list[Change] = [documents.delete(documents.PUBLISHED, p) for p in below if self._s.tree.item(p)]
            answers = self._s.tree.below(publication.responses.rpartition("/")[0]) if publication is not None else ()
            changes += [documents.delete(space, p) for p in answers if (space := documents.space_of(p)) is not None]
            if item.path.startswith("/file/"):
                changes.append(documents.delete(documents.CONTENTS, item.path))
            assigned = [
                record
                for number in (publication.assigned if publication is not None else ())
                if (record := self._s.state.end_devices.get(number)) is not None
            ]
            dependants = self._dependants(item.path)
            changes += [documents.delete(documents.OWN, path) for path in dependants]
            await self._s.ledger.commit(changes)
            for path in dependants:
                self._s.tree.remove(path)
            event = self._s.state.events.get(getattr(item.obj, "mRID", ""))
            if event is not None and event.item is item:
                self._s.state.drop_event(event)
                self._refresh(event.owner, now)
            self._publications.remove(item.path)
            self.on_changed(item.path.rpartition("/")[0], now)
            await self._touch(assigned, now)

    def _dependants(self, path: str) -> list[str]:
        """What devices wrote that cannot be without a resource below `path`: their price thresholds."""
        below = list(self._s.tree.below(path))
        holders = {holder.path: holder for each in below for holder in self._s.tree.holders(each)}
        return [p for p, holder in holders.items() if holder.kind.template == "/edev/{id1}/cfg/prcfg/{id2}"]

    def _events_below(self, path: str) -> list[EventRecord]:
        below = set(self._s.tree.below(path))
        sets: list[EventSet] = [self._s.state.event_sets[p] for p in below if p in self._s.state.event_sets]
        found = [record for events in sets for record in events.events.values()]
        item = self._s.tree.item(path)
        own = self._s.state.events.get(getattr(item.obj, "mRID", "")) if item is not None else None
        return [*found, own] if own is not None and own.item is item else found

    # --- start ------------------------------------------------------------------------------------------------------

    def load(self, record: Record) -> None:
        """Show what was stored; parents come before what is below them."""
        path = record.key
        found = self._s.tree.item(path)
        if found is not None:  # a single place, that its parent brought along
            found_cls: Any = found.kind.cls
            self._s.tree.set(found, record.resource(found_cls))
            return
        listing = self._s.tree.listing(path.rpartition("/")[0])
        if listing is None:
            return
        of = self._preparing.member_kind(listing)
        cls: Any = of.cls
        obj: Any = record.resource(cls)
        obj.href = path
        number = int(path.rpartition("/")[2])
        self._s.state.counters.saw(counter_of(listing), number)
        publication = listing.data
        if not isinstance(publication, Publication):
            self._publications.place(stored_publication(path, number, record.head), obj)
        elif isinstance(obj, Event):
            self.place_event(
                EventRecord(
                    item=Item(path, of, publication.audience, obj, data=publication),
                    program=0,
                    control_id=record.head.get("control"),
                    identity=record.head.get("by", ""),
                    posted=record.head.get("posted", obj.creationTime),
                    owner=path.rpartition("/")[0].rpartition("/")[0],
                    over=record.head.get("over", False),
                )
            )
        else:
            self._publications.place_part(publication, path, of, obj)
