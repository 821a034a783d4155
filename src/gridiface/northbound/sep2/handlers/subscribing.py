"""POST, PUT and DELETE of Subscriptions: what is asked for is checked, stored and from then on told."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import require_owner
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Item
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    record_of,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.subscriptions.subscriber import Subscriber, told_document
from gridiface.northbound.sep2.subscriptions.subscriptions import Subscriptions
from gridiface.northbound.sep2.wire.notification_target import check_target
from gridiface.protocols.sep2.enums import Encoding, ErrorReason, Subscribable
from gridiface.protocols.sep2.exchange import LEVELS, Reply, changed, created, split_target
from gridiface.protocols.sep2.resources import Condition, Subscription

#: Condition.attributeIdentifier of the value of a Reading.
_READING_VALUE = 0
_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]{1,255}")


class SubscriptionWrites:
    """Writes below /edev/{id1}/sub."""

    def __init__(self, services: Services, subscriptions: Subscriptions, expand: Callable[[str], None]) -> None:
        self._s = services
        self._subscriptions = subscriptions
        #: Makes what is only made when somebody looks.
        self._expand = expand

    async def post(self, call: Call) -> Reply:
        """Take a subscription; one of the same resource and notificationURI is overwritten.

        Raises:
            RemoteProtocolError: 400 for a resource that cannot be subscribed to, a condition (reason 3), another
                encoding than XML, a notificationURI that is not allowed, no room (reason 2); 403, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        wish, resource = self._wish(call)
        async with self._s.locks.hold(call.node.path):
            still_there(self._s, call.node)
            for known in self._like(call.node.path, wish, resource):
                await self._store(known.item.path, wish, resource, record, call)
                return changed(known.item.path)
            if len(list(self._subscriptions.below(call.node.path))) >= self._s.settings.limits.subscriptions_per_device:
                raise limit_reached("subscription")
            number, changes = self._s.state.counters.take(f"sub/{record.number}")
            path = f"{call.node.path}/{number}"
            if changes:
                await self._s.ledger.commit(changes)
            await self._store(path, wish, resource, record, call)
        return created(path)

    async def put(self, call: Call) -> Reply:
        """Replace what is asked for.

        Raises:
            RemoteProtocolError: as for `post`, 404, and 409 where another subscription asks for the same.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        wish, resource = self._wish(call)
        async with self._s.locks.hold(f"{record.path}/sub"):
            still_there(self._s, call.node)
            path = item_of(call.node).path
            if any(known.item.path != path for known in self._like(f"{record.path}/sub", wish, resource)):
                raise RemoteProtocolError("another subscription tells the same receiver of this", answer=409)
            await self._store(path, wish, resource, record, call)
        return changed()

    async def delete(self, call: Call) -> Reply:
        """End a subscription; nothing more is sent.

        Raises:
            RemoteProtocolError: 403, 404.
            StoreUnavailable: nothing was changed.
        """
        record = require_owner(call.caller, record_of(call.node))
        path = item_of(call.node).path
        async with self._s.locks.hold(f"{record.path}/sub"):
            still_there(self._s, call.node)
            await self._s.ledger.commit(
                [documents.delete(documents.SUBSCRIPTIONS, path), documents.delete(documents.TOLD, path)]
            )
            self._subscriptions.forget(path)
            self._s.tree.remove(path)
        return changed()

    def _like(self, listing: str, wish: Subscription, resource: str) -> list[Subscriber]:
        """The subscriptions of a list that tell the same receiver of the same resource: one at most."""
        asked = (resource, wish.notificationURI)
        return [one for one in self._subscriptions.below(listing) if (one.resource, one.wish.notificationURI) == asked]

    def _wish(self, call: Call) -> tuple[Subscription, str]:
        """What is asked for, and the path of the resource."""
        wish = call.read(Subscription, self._s)
        settings = self._s.settings.notifications
        if settings is None:
            raise RemoteProtocolError("no subscriptions are served", answer=404)
        if not _is_here(wish.subscribedResource, call.headers.get("host", "")):
            raise bad_value("subscribedResource is another server's")
        resource = split_target(wish.subscribedResource)[0].rstrip("/") or "/"
        self._expand(resource)
        node = self._s.tree.get(resource)
        if node is None or not call.caller.viewer.may_read(node.audience):
            raise bad_value("subscribedResource is not there")
        if not node.kind.subscribable:
            raise bad_value("subscribedResource cannot be subscribed to")
        if wish.condition is not None:
            _check_condition(wish.condition, node.kind.subscribable)
        if wish.encoding != Encoding.XML:
            raise bad_value("notifications are XML")
        if wish.level.upper() not in LEVELS:
            raise bad_value("level is no schema level that is known here")
        check_target(wish.notificationURI, call.peer, settings.rules)
        return wish, resource

    async def _store(self, path: str, wish: Subscription, resource: str, record: EndDeviceRecord, call: Call) -> None:
        known, before = self._s.tree.item(path), self._subscriptions.get(path)
        shown = replace(wish, href=path)
        item = Item(path, kind("/edev/{id1}/sub/{id2}"), record.audience, shown, data=record)
        subscriber = Subscriber(item=known or item, resource=resource, by=call.caller.lfdi, base=_base(call))
        node = self._s.tree.get(resource)
        if before is not None and not _same_receiver(before, subscriber, wish):
            before = None
        if before is not None:
            subscriber.told = before.told
        elif node is not None:
            subscriber.told = self._subscriptions.digest(node, call.caller.viewer)
        head = {"resource": resource, "by": subscriber.by, "base": subscriber.base}
        told = replace(subscriber, item=item)
        await self._s.ledger.commit([documents.put(documents.SUBSCRIPTIONS, path, shown, head), told_document(told)])
        if known is None:
            self._s.tree.add(item, f"{record.path}/sub")
        else:
            self._s.tree.set(known, shown)
        self._subscriptions.renew(subscriber, before)


def _same_receiver(before: Subscriber, now: Subscriber, wish: Subscription) -> bool:
    """Whether who was told of the resource is who will be."""
    return (before.resource, before.by, before.wish.notificationURI) == (now.resource, now.by, wish.notificationURI)


def _check_condition(condition: Condition, subscribable: int) -> None:
    """Only the value of a Reading can be watched.

    Raises:
        RemoteProtocolError: 400, reason 3 for what cannot be watched, 1 for thresholds the wrong way round.
    """
    if not subscribable & Subscribable.CONDITIONAL or condition.attributeIdentifier != _READING_VALUE:
        raise RemoteProtocolError("this condition is not supported", detail=ErrorReason.CONDITION_NOT_SUPPORTED)
    if condition.lowerThreshold > condition.upperThreshold:
        raise bad_value("lowerThreshold is above upperThreshold")


def _is_here(uri: str, host: str) -> bool:
    """Whether a URI names no other host than the one that the caller calls; ports may be those of a gateway."""
    try:
        named, called = urlsplit(uri).hostname, urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return named is None or named == called


def _base(call: Call) -> str:
    """How the caller calls this server."""
    host = call.headers.get("host", "")
    if not _HOST.fullmatch(host):
        raise RemoteProtocolError("malformed Host header", detail=ErrorReason.INVALID_FORMAT)
    return f"https://{host}"
