"""Types that every function set builds on: resources, lists, links, identified objects, events, quantities."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    ANY_URI,
    BITS8,
    BOOLEAN,
    MRID,
    ONE_HOUR_RANGE,
    SEP2,
    STRING32,
    STRING192,
    SUBSCRIBABLE,
    TIME,
    UINT8,
    UINT16,
    UINT32,
    VERSION,
)
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class Resource(WireObject):
    """Anything with an address; href is required in every answer to a GET."""

    href: str | None = attribute(ANY_URI, default=None)


@wire(SEP2)
class Link(WireObject):
    """Points to one resource, by absolute path (same server) or absolute URI."""

    href: str = attribute(ANY_URI)


@wire(SEP2)
class ListLink(Link):
    """Points to a list; `all` is its true length when the list is on the same server."""

    all: int | None = attribute(UINT32, default=None)


@wire(SEP2)
class List(Resource):
    """A list; `all` is its whole length, `results` the number of members in this answer."""

    all: int = attribute(UINT32)
    results: int = attribute(UINT32)


@wire(SEP2)
class SubscribableResource(Resource):
    """A resource that may be subscribed to: 0 no, 1 unconditionally, 2 conditionally, 3 both."""

    subscribable: int | None = attribute(SUBSCRIBABLE, default=None)


@wire(SEP2)
class SubscribableList(SubscribableResource):
    """A list that may be subscribed to."""

    all: int = attribute(UINT32)
    results: int = attribute(UINT32)


@wire(SEP2)
class RespondableResource(Resource):
    """A resource that wants responses: where (replyTo) and which (bits: 0 received, 1 specific, 2 customer)."""

    replyTo: str | None = attribute(ANY_URI, default=None)
    responseRequired: int | None = attribute(BITS8, default=None)


@wire(SEP2)
class IdentifiedObject(Resource):
    """An object with a world-wide unique mRID; `version` counts its changes."""

    mRID: str = element(MRID)
    description: str | None = element(STRING32, default=None)
    version: int | None = element(VERSION, default=None)


@wire(SEP2)
class SubscribableIdentifiedObject(SubscribableResource):
    """An identified object that may be subscribed to."""

    mRID: str = element(MRID)
    description: str | None = element(STRING32, default=None)
    version: int | None = element(VERSION, default=None)


@wire(SEP2)
class RespondableIdentifiedObject(RespondableResource):
    """An identified object that wants responses."""

    mRID: str = element(MRID)
    description: str | None = element(STRING32, default=None)
    version: int | None = element(VERSION, default=None)


@wire(SEP2)
class RespondableSubscribableIdentifiedObject(RespondableResource):
    """An identified object that wants responses and may be subscribed to."""

    subscribable: int | None = attribute(SUBSCRIBABLE, default=None)
    mRID: str = element(MRID)
    description: str | None = element(STRING32, default=None)
    version: int | None = element(VERSION, default=None)


@wire(SEP2)
class DateTimeInterval(WireObject):
    """A span of time: start (s since 1970 UTC) and duration."""

    duration: int = element(UINT32, unit="s")
    start: int = element(TIME)


@wire(SEP2)
class EventStatus(WireObject):
    """Where an event stands: currentStatus (enums.EventStatusCode) since dateTime."""

    currentStatus: int = element(UINT8)
    dateTime: int = element(TIME)
    potentiallySuperseded: bool = element(BOOLEAN)
    potentiallySupersededTime: int | None = element(TIME, default=None)
    reason: str | None = element(STRING192, default=None)


@wire(SEP2)
class Event(RespondableSubscribableIdentifiedObject):
    """Something that is to happen in an interval; its creationTime decides between equals."""

    creationTime: int = element(TIME)
    eventStatus: EventStatus = element(EventStatus, "EventStatus")
    interval: DateTimeInterval = element(DateTimeInterval)


@wire(SEP2)
class RandomizableEvent(Event):
    """An event whose start and duration each device may shift at random, to spread the load."""

    randomizeDuration: int | None = element(ONE_HOUR_RANGE, default=None, unit="s")
    randomizeStart: int | None = element(ONE_HOUR_RANGE, default=None, unit="s")


@wire(SEP2)
class Error(WireObject):
    """Body of a refusal: reasonCode (enums.ErrorReason) and how long not to retry."""

    maxRetryDuration: int | None = element(UINT16, default=None, unit="s")
    reasonCode: int = element(UINT16)


@wire(SEP2)
class GPSLocationType(WireObject):
    """A place, WGS 84 decimal degrees as text; positive is north and east."""

    lat: str = element(STRING32)
    lon: str = element(STRING32)
