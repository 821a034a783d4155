"""Subscriptions: what changed since a subscriber was told, when to tell it, and what its answer means. No sockets.

A change marks the subscriptions of exactly that resource, not those of its parents whose link counts follow. The body
is made when it is sent, so it equals a GET of that moment, and several changes in a row are one notification. What a
subscriber was told last is stored as a digest beside the retry state: after a restart whatever differs is told again,
so no change is lost between two transactions. Who may subscribe to what is handlers/subscribing.py's, and how one
is stored subscriber.py's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from gridiface.deadlines import waits
from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import Doorman
from gridiface.northbound.sep2.served.nodes import Item, Listing, Node, Viewer
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.subscriptions.subscriber import Outgoing, Subscriber, ending_of, told_document
from gridiface.protocols.sep2.enums import NotificationStatus
from gridiface.protocols.sep2.lists import natural
from gridiface.protocols.sep2.resources import Condition, Notification, Resource, Subscription
from gridiface.protocols.xmlwire import encode

#: Seconds after the first, second, ... attempt without an answer, or with 5xx, until the next; then it is given up.
RETRIES_S = (10.0, 100.0, 300.0, 1800.0)
_DONE = frozenset({200, 201, 202, 204})
#: Beside 5xx: took too long, too many requests.
_COME_AGAIN = frozenset({408, 429})
_DELETES = 400
_SERVER_ERROR = 500


@dataclass(slots=True)
class SubscriptionCounts:
    """What happened since the start."""

    sent: int = 0
    delivered: int = 0
    given_up: int = 0


@dataclass(slots=True)
class Subscriptions:
    """All subscriptions, by their path.

    `later` hands changes to the background writer, `spacing_s` is the least time between two notifications of one
    subscription, `page` the most members of a list in one; `on_ready` is called when something may be due.
    """

    state: State
    doorman: Doorman
    later: Callable[[Sequence[Change], Callable[[], None] | None], None]
    spacing_s: float = 1.0
    page: int = 1000
    on_ready: Callable[[], None] = lambda: None
    counts: SubscriptionCounts = field(default_factory=SubscriptionCounts)
    _all: dict[str, Subscriber] = field(default_factory=dict)
    _by_resource: dict[str, dict[str, Subscriber]] = field(default_factory=dict)
    _waiting: dict[str, Subscriber] = field(default_factory=dict)
    _followed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.state.tree.on_change = self.changed
        self.state.tree.on_removed = self.removed

    def __len__(self) -> int:
        return len(self._all)

    # --- membership -----------------------------------------------------------------------------------------------

    def add(self, subscriber: Subscriber) -> None:
        """Take a subscription in, or its new wish."""
        self.forget(subscriber.item.path)
        self._all[subscriber.item.path] = subscriber
        if not self.watches(subscriber.resource):
            self._follow(subscriber.resource)
        self._by_resource.setdefault(subscriber.resource, {})[subscriber.item.path] = subscriber
        self.state.tree.watched.add(subscriber.resource)
        self.state.tree.watched.add(subscriber.item.path)

    def renew(self, subscriber: Subscriber, before: Subscriber | None) -> None:
        """As `add`; what the receiver was not told under the wish `before`, or while this one was stored, is told."""
        self.add(subscriber)
        subscriber.sending = before is not None and before.sending
        node, viewer = self.state.tree.get(subscriber.resource), self._viewer(subscriber)
        if node is None or viewer is None:
            return
        if subscriber.sending or self.digest(node, viewer) != subscriber.told:
            subscriber.dirty = set()
            self._waiting[subscriber.item.path] = subscriber
            self.on_ready()

    def forget(self, path: str) -> None:
        """A subscription is gone; nothing more is sent for it."""
        known = self._all.pop(path, None)
        self._waiting.pop(path, None)
        self.state.tree.watched.discard(path)
        if known is not None:
            same = self._by_resource.get(known.resource, {})
            same.pop(path, None)
            if not same:
                self._by_resource.pop(known.resource, None)
                self.state.tree.watched.discard(known.resource)
                self._follow(known.resource)

    def watches(self, resource: str) -> bool:
        """Whether anybody subscribes to a resource."""
        return resource in self._by_resource

    def take_followed(self) -> set[str]:
        """The resources that somebody subscribed to for the first time, or nobody any more, since the last call."""
        found, self._followed = self._followed, set()
        return found

    def _follow(self, resource: str) -> None:
        self._followed.add(resource)
        self.on_ready()

    def get(self, path: str) -> Subscriber | None:
        """The subscription at a path."""
        return self._all.get(path)

    def all(self) -> list[Subscriber]:
        """Every subscription, by path."""
        return sorted(self._all.values(), key=lambda subscriber: natural(subscriber.item.path))

    def below(self, list_path: str) -> Iterable[Subscriber]:
        """The subscriptions of one end device."""
        return [s for s in self._all.values() if s.item.path.startswith(f"{list_path}/")]

    # --- changes --------------------------------------------------------------------------------------------------

    def changed(self, resource: str, member: str | None) -> None:
        """A watched resource changed: itself, or a member of it."""
        for subscriber in self._by_resource.get(resource, {}).values():
            if subscriber.dirty is None:
                subscriber.dirty = set()
            elif not subscriber.dirty:  # all of it is to be told already
                continue
            if member is None:
                subscriber.dirty = set()
            else:
                subscriber.dirty.add(member)
            self._waiting[subscriber.item.path] = subscriber
        self.on_ready()

    def removed(self, path: str) -> None:
        """A watched resource, or a subscription itself, is gone."""
        if path in self._all and self._all[path].ending is None:
            self.forget(path)
            self.later([documents.delete(documents.TOLD, path)], None)
        for subscriber in list(self._by_resource.get(path, {}).values()):
            self.end(subscriber, NotificationStatus.DELETED)

    def redefined(self, path: str) -> None:
        """What a resource means was changed: its subscriptions end, and whoever wants to can subscribe anew."""
        for subscriber in list(self._by_resource.get(path, {}).values()):
            self.end(subscriber, NotificationStatus.DEFINITION_CHANGED)

    def lost(self, old: str, new: str | None) -> None:
        """Some readers lost what is at and below `old`: to them it moved to `new`, or is gone where that is None."""
        tree = self.state.tree
        for subscriber in list(self._all.values()):
            if not f"{subscriber.resource}/".startswith(f"{old}/"):
                continue
            node, viewer = tree.get(subscriber.resource), self._viewer(subscriber)
            if node is None or viewer is None or viewer.may_read(node.audience):
                continue
            place = None if new is None else new + subscriber.resource[len(old) :]
            there = tree.get(place) if place is not None else None
            if place is not None and there is not None and viewer.may_read(there.audience):
                self.end(subscriber, NotificationStatus.MOVED, subscriber.base + place)
            else:
                self.end(subscriber, NotificationStatus.DELETED)

    def unreadable(self, by: str) -> None:
        """A client reads less than before: its subscriptions to what it may not read any more, or kept there, end."""
        for subscriber in [one for one in self._all.values() if one.by == by]:
            node, viewer = self.state.tree.get(subscriber.resource), self._viewer(subscriber)
            places = (subscriber.item, node)
            if viewer is None or any(one is None or not viewer.may_read(one.audience) for one in places):
                self.end(subscriber, NotificationStatus.DELETED)

    def end(self, subscriber: Subscriber, status: int, moved: str | None = None) -> None:
        """The server ends a subscription: it leaves the list, its last notification says why."""
        path = subscriber.item.path
        self.forget(path)
        ending = replace(subscriber, ending=int(status), moved=moved, dirty=set(), attempts=0, due=0.0, sending=False)
        self._waiting[path] = ending
        self.later([documents.delete(documents.SUBSCRIPTIONS, path), told_document(ending)], None)
        self.state.tree.remove(path)
        self.on_ready()

    # --- sending --------------------------------------------------------------------------------------------------

    def next_timer(self, now: Instant) -> Instant | None:
        """When something may be due next."""
        return min((self._due_at(s, now) for s in self._waiting.values() if not s.sending), default=None)

    def _due_at(self, subscriber: Subscriber, now: Instant) -> Instant:
        """When it may be told; not before now."""
        longest = RETRIES_S[-1] if subscriber.attempts else self.spacing_s
        return subscriber.due if waits(subscriber.due, now, longest) else now

    def due(self, now: Instant) -> list[Outgoing]:
        """The notifications to post now."""
        found = []
        for path, subscriber in list(self._waiting.items()):
            if subscriber.sending or self._due_at(subscriber, now) > now:
                continue
            outgoing = self._outgoing(subscriber, now)
            if outgoing is None:
                subscriber.dirty = None
                del self._waiting[path]
            else:
                subscriber.sending = True
                self.counts.sent += 1
                found.append(outgoing)
        return found

    def _outgoing(self, subscriber: Subscriber, now: Instant) -> Outgoing | None:
        """What to post; None where the subscriber knows it already, or is told of it by another subscription."""
        path, wish = subscriber.item.path, subscriber.wish
        notification = Notification(
            subscribedResource=wish.subscribedResource,
            status=subscriber.ending or 0,
            subscriptionURI=subscriber.base + path,
            newResourceURI=subscriber.moved,
        )
        if subscriber.ending is not None:
            return Outgoing(path, wish.notificationURI, encode(notification), "", subscriber.ending)
        node, viewer = self.state.tree.get(subscriber.resource), self._viewer(subscriber)
        if node is None or viewer is None or not viewer.may_read(node.audience):
            return None
        digest = self.digest(node, viewer)
        if digest == subscriber.told or self._told_by_others(subscriber) or not outside(wish.condition, node):
            subscriber.told = digest
            return None
        notification.resource = self._cut(node, viewer, wish.limit, now)
        subscriber.dirty = None
        return Outgoing(path, wish.notificationURI, encode(notification), digest)

    def _viewer(self, subscriber: Subscriber) -> Viewer | None:
        return self.doorman.caller(subscriber.by).viewer

    def _told_by_others(self, subscriber: Subscriber) -> bool:
        """Whether only members changed that the same client subscribes to themselves: the parent is not told too."""
        changed = subscriber.dirty
        return bool(changed) and all(
            any(other.by == subscriber.by for other in self._by_resource.get(member, {}).values())
            for member in changed or ()
        )

    def _cut(self, node: Node, viewer: Viewer, limit: int, now: Instant) -> Resource | None:
        """What a GET gives, of a list at most `limit` members; nothing of a single resource where that is 0."""
        tree = self.state.tree
        if isinstance(node, Listing):
            return tree.list_object(node, viewer, min(limit, self.page))
        return tree.complete(node, viewer) if limit and node.obj is not None else None

    def digest(self, node: Node, viewer: Viewer) -> str:
        """What a resource says by itself, without counts and links of others."""
        members = node.members(node.view_of(viewer)) if isinstance(node, Listing) else [node]
        whole = hashlib.sha256()
        rate = self.state.poll_rates.get(node.kind.name) if node.kind.polled else None
        if rate is not None:  # one that was set while running; subscribers are told of it
            whole.update(str(rate).encode())
        for member in members:
            whole.update(b"" if member.obj is None else encode(member.obj))
        return whole.hexdigest()[:32]

    def answered(self, sent: Outgoing, status: int | None, now: Instant, retry_after: float | None = None) -> None:
        """The receiver's answer to a notification; None: there was none.

        Args:
            sent: the notification.
            status: of the answer.
            now: s since 1970.
            retry_after: when the receiver wants to hear of it again, s; within the bounds of our own retries.
        """
        subscriber = self._waiting.get(sent.path)
        if subscriber is None or subscriber.ending != sent.ending:
            return
        subscriber.sending = False
        if status == _DELETES and sent.ending is None:
            self._deleted_by_receiver(subscriber)
            return
        retry = status is None or status >= _SERVER_ERROR or status in _COME_AGAIN
        if retry and subscriber.attempts < len(RETRIES_S):
            wait = RETRIES_S[subscriber.attempts]
            if retry_after is not None:
                wait = min(max(retry_after, RETRIES_S[0]), RETRIES_S[-1])
            subscriber.due = now + wait
            subscriber.attempts += 1
            self.later([told_document(subscriber)], None)
            return
        self._finished(subscriber, sent, now, delivered=status in _DONE)

    def _deleted_by_receiver(self, subscriber: Subscriber) -> None:
        path = subscriber.item.path
        self.forget(path)
        self.state.tree.remove(path)
        self.later([documents.delete(documents.SUBSCRIPTIONS, path), documents.delete(documents.TOLD, path)], None)

    def _finished(self, subscriber: Subscriber, sent: Outgoing, now: Instant, *, delivered: bool) -> None:
        path = sent.path
        if delivered:
            self.counts.delivered += 1
        else:
            self.counts.given_up += 1
        if sent.ending is not None:
            del self._waiting[path]
            self.later([documents.delete(documents.TOLD, path)], None)
            return
        subscriber.told, subscriber.attempts, subscriber.due = sent.digest, 0, now + self.spacing_s
        if subscriber.dirty is None:
            del self._waiting[path]
        self.later([told_document(subscriber)], None)
        self.on_ready()

    # --- storage --------------------------------------------------------------------------------------------------

    def resume(self, records: Iterable[documents.Record], make: Callable[[str, Subscription], Item]) -> None:
        """After a restart: what was under way goes on, and whatever differs from what was told is told."""
        for record in records:
            head = record.head
            known = self._all.get(record.key)
            if known is not None:
                known.told, known.attempts, known.due = head["told"], head["attempts"], head["due"]
            elif head["ending"] is not None:
                self._waiting[record.key] = ending_of(record, make(record.key, record.resource(Subscription)))
        for path, subscriber in list(self._all.items()):
            if self.state.tree.get(subscriber.resource) is None:
                self.end(subscriber, NotificationStatus.DELETED)
            else:
                subscriber.dirty = set()
                self._waiting[path] = subscriber


def outside(condition: Condition | None, node: Node) -> bool:
    """Whether a change of a resource is to be told: without a condition always, else where its value is outside."""
    if condition is None:
        return True
    value = getattr(node.obj, "value", None) if isinstance(node, Item) else None
    return value is not None and not condition.lowerThreshold <= value <= condition.upperThreshold
