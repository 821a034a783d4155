"""One subscription: what was wished, what its receiver knows, and how that is stored.

When something is told is subscriptions.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.nodes import Item
from gridiface.protocols.sep2.resources import Subscription


@dataclass(slots=True, kw_only=True)
class Subscriber:
    """One subscription and what its receiver knows.

    Attributes:
        item: its resource; `resource`: path that it is for.
        by: LFDI of who made it; its eyes the body is made for.
        base: how the subscriber calls this server, https://host:port.
        told: digest of what was told last.
        dirty: None: nothing to tell; else the members that changed, empty where the resource itself did.
        attempts, due: of the notification under way; s since 1970.
        ending: status of the last notification, when the subscription is over.
        moved: newResourceURI of an ending with status 2.
    """

    item: Item
    resource: str
    by: str
    base: str
    told: str = ""
    dirty: set[str] | None = None
    attempts: int = 0
    due: Instant = 0.0
    ending: int | None = None
    moved: str | None = None
    sending: bool = False

    @property
    def wish(self) -> Subscription:
        """What was asked for."""
        obj: Subscription = self.item.obj
        return obj


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One notification to be posted; hand its answer to `Subscriptions.answered`."""

    path: str
    uri: str
    body: bytes
    digest: str
    ending: int | None = None


def told_document(subscriber: Subscriber) -> Change:
    """What is stored of what the receiver knows."""
    head: dict[str, Any] = {
        "told": subscriber.told,
        "attempts": subscriber.attempts,
        "due": subscriber.due,
        "ending": subscriber.ending,
        "moved": subscriber.moved,
        "resource": subscriber.resource,
        "by": subscriber.by,
        "base": subscriber.base,
    }
    return documents.put(documents.TOLD, subscriber.item.path, subscriber.wish, head)


def ending_of(record: documents.Record, item: Item) -> Subscriber:
    """A subscription that was over when it was stored, and whose receiver is still to be told so.

    Args:
        record: as `told_document` stored it, opened.
        item: its resource, which no list holds any more.
    """
    head = record.head
    return Subscriber(
        item=item,
        resource=head["resource"],
        by=head["by"],
        base=head["base"],
        attempts=head["attempts"],
        due=head["due"],
        ending=head["ending"],
        moved=head["moved"],
        dirty=set(),
    )
