"""What is posted to be published: checked, and made into what will be served. Nothing is changed here.

Owns what is the same for every function set: identities, links, the status that an event begins with, what counts as
the same thing again. What is particular to one is a rule of handlers/rules.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served.kinds import Kind, kind
from gridiface.northbound.sep2.served.nodes import Item, Listing
from gridiface.northbound.sep2.served.services import Services, bad_value, named, settle_links
from gridiface.northbound.sep2.served.state_records import EventRecord, Publication
from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.mrids import same_mrid
from gridiface.protocols.sep2.resources import Event, EventStatus, Link
from gridiface.protocols.xmlwire import spec_of

#: OneHourRange, s.
_MOST_SHIFT_S = 3600
_STARTING = frozenset({EventStatusCode.SCHEDULED, EventStatusCode.ACTIVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is to be put, for the rules.

    Attributes:
        parent: the resource that the list or single place belongs to; None for a list of publications.
        members: what the list holds already.
        find: the resource at a path; None where none is.
        second: now, s since 1970.
    """

    parent: Item | None
    members: Sequence[Any]
    find: Callable[[str], Any]
    second: int


Rule = Callable[[Any, Place], None]


class Preparing:
    """Checks and prepares what is posted.

    Args:
        services: state, settings.
        rules: by wire class.
    """

    def __init__(self, services: Services, rules: Mapping[type, Rule]) -> None:
        self._s = services
        self._rules = rules

    @staticmethod
    def member_kind(listing: Listing) -> Kind:
        """The kind of a list's members."""
        template = listing.kind.template
        depth = template.count("{") + 1
        return kind(f"{template}/{{id{depth}}}")

    def place_of(self, listing: Listing, second: int) -> Place:
        """A list as the rules see it."""
        members = [item.obj for item in listing.items.values()]
        parent = self._s.tree.item(listing.path.rpartition("/")[0])
        return Place(parent=parent, members=members, find=self.find, second=second)

    def find(self, path: str) -> Any:
        """The resource at a path; None where none is."""
        item = self._s.tree.item(path)
        return item.obj if item is not None else None

    def check(self, obj: Any, place: Place) -> None:
        """What its function set demands of a resource.

        Raises:
            RemoteProtocolError: 400.
        """
        rule = self._rules.get(type(obj))
        if rule is not None:
            rule(obj, place)

    def prepared(self, of: Kind, given: Any, listing: Listing, second: int) -> Any:
        """The resource as it will be served: our clock, our addresses, only links that lead somewhere."""
        obj: Any = given
        if type(given) is not of.cls:
            raise bad_value(f"this list holds {of.name}")
        if hasattr(obj, "mRID"):
            named(obj.mRID, of.name)
            if obj.version is None:
                obj.version = 0
        if isinstance(obj, Event):
            obj = self._prepared_event(obj, listing, second)
        self.settle(of, obj)
        return obj

    def settle(self, of: Kind, obj: Any) -> None:
        """Drop what is not the writer's to say: our links, whether one can subscribe, what a profile adds."""
        settle_links(self._s.tree, of, obj)
        if hasattr(obj, "subscribable"):
            obj.subscribable = None
        for f in spec_of(type(obj)).elements:
            if f.extension:
                setattr(obj, f.attr, None)

    def _prepared_event(self, event: Any, listing: Listing, second: int) -> Any:
        if event.eventStatus.currentStatus not in _STARTING:
            raise bad_value("a new event is scheduled or active")
        if not event.interval.duration:
            raise bad_value("an event of duration 0 is not defined")
        for shift in ("randomizeStart", "randomizeDuration"):
            if abs(getattr(event, shift, None) or 0) > _MOST_SHIFT_S:
                raise bad_value(f"{shift} is at most {_MOST_SHIFT_S} s either way")
        if event.interval.start + event.interval.duration <= second:
            raise bad_value("the event is over already")
        early = min(0, getattr(event, "randomizeStart", None) or 0)
        active = event.interval.start + early <= second
        publication: Publication = listing.data
        return replace(
            event,
            replyTo=publication.responses if event.responseRequired else None,
            creationTime=min(event.creationTime, second),
            eventStatus=EventStatus(currentStatus=int(active), dateTime=second, potentiallySuperseded=False),
        )

    def known(self, listing: Listing, obj: Any) -> str | None:
        """Where the same thing is already.

        Raises:
            RemoteProtocolError: 409 where its mRID names something else.
        """
        mrid = getattr(obj, "mRID", None)
        if mrid is None:
            return None
        if isinstance(obj, Event):
            record = self._s.state.events.get(mrid)
            if record is None:
                return None
            same = record.item.path.rpartition("/")[0] == listing.path and same_event(obj, record)
            known: Item | None = record.item
        else:
            known = next((item for item in listing.items.values() if same_mrid(item.obj.mRID, mrid)), None)
            if known is None:
                return None
            same = _comparable(known.obj) == _comparable(replace(obj, href=known.path, mRID=known.obj.mRID))
        if same and known is not None:
            return known.path
        raise RemoteProtocolError("the mRID belongs to something else", answer=409)


def _comparable(obj: Any) -> Any:
    """A resource without what the server makes of it."""
    return replace(obj, version=None) if hasattr(obj, "version") else obj


def same_event(event: Any, known: EventRecord) -> bool:
    """Whether nothing differs but status, version, addresses, links and what a profile adds: these are the server's."""
    kept = known.item.obj
    if type(event) is not type(kept) or event.creationTime not in {kept.creationTime, known.posted}:
        return False
    if not same_mrid(event.mRID, kept.mRID):
        return False
    ours = {
        f.attr: getattr(kept, f.attr)
        for f in spec_of(type(kept)).elements
        if f.extension or (isinstance(f.kind, type) and issubclass(f.kind, Link))
    }
    same: bool = kept == replace(
        event,
        mRID=kept.mRID,
        href=kept.href,
        replyTo=kept.replyTo,
        subscribable=kept.subscribable,
        version=kept.version,
        creationTime=kept.creationTime,
        eventStatus=kept.eventStatus,
        **ours,
    )
    return same
