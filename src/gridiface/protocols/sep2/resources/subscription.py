"""Subscriptions and the notifications they cause."""

from __future__ import annotations

from gridiface.protocols.sep2.primitives import (
    ANY_URI,
    INT48,
    SEP2,
    STRING16,
    UINT8,
    UINT32,
)
from gridiface.protocols.sep2.resources.common import List, Resource
from gridiface.protocols.xmlwire import WireObject, attribute, element, wire


@wire(SEP2)
class Condition(WireObject):
    """Notify only outside these thresholds; attributeIdentifier 0 is the value of a Reading."""

    attributeIdentifier: int = element(UINT8)
    lowerThreshold: int = element(INT48)
    upperThreshold: int = element(INT48)


@wire(SEP2)
class SubscriptionBase(Resource):
    """What a subscription and its notifications share: the resource, without query."""

    subscribedResource: str = element(ANY_URI)


@wire(SEP2)
class Subscription(SubscriptionBase):
    """A wish to be told of changes, posted to notificationURI in `encoding` (0 XML, 1 EXI)."""

    condition: Condition | None = element(Condition, "Condition", default=None)
    encoding: int = element(UINT8)
    level: str = element(STRING16)
    limit: int = element(UINT32)
    notificationURI: str = element(ANY_URI)


@wire(SEP2)
class SubscriptionList(List):
    """The subscriptions of a device; order href ascending."""

    pollRate: int | None = attribute(UINT32, default=None)
    members: list[Subscription] = element(Subscription, "Subscription", default_factory=list)


@wire(SEP2)
class Notification(SubscriptionBase):
    """A changed resource, or the end of a subscription; status per enums.NotificationStatus."""

    newResourceURI: str | None = element(ANY_URI, default=None)
    resource: Resource | None = element(Resource, "Resource", default=None)
    status: int = element(UINT8)
    subscriptionURI: str = element(ANY_URI)


@wire(SEP2)
class NotificationList(List):
    """Notifications received; order href ascending."""

    members: list[Notification] = element(Notification, "Notification", default_factory=list)
