"""Subscriptions at the server: what to subscribe, when to make it anew, and what a notification is about.

Every subscription has a place of its own at our listener, named by a secret, so that a notification can only be about
what was subscribed. Polling goes on at a slow rate, and at the usual one where a subscription is refused.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.changes import Change, DeleteDocument, Document
from gridiface.domain.clock import Instant
from gridiface.errors import LocalProtocolError
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.upstream.settings import UpstreamSettings
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.enums import Encoding, NotificationStatus, Subscribable
from gridiface.protocols.sep2.outbox import Written
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControlList,
    DERProgramList,
    EndDeviceList,
    FunctionSetAssignmentsList,
    Notification,
    Subscription,
)
from gridiface.protocols.xmlwire import WireObject

_log = logging.getLogger("gridiface.sep2.upstream")

#: What CSIP wants an aggregator to subscribe to.
_KINDS = (EndDeviceList, FunctionSetAssignmentsList, DERProgramList, DERControlList, DefaultDERControl)
_UNCONDITIONAL = frozenset({Subscribable.UNCONDITIONAL, Subscribable.BOTH})
#: After a refusal a resource is polled for so long before it is tried again, s.
_REFUSED_S = 3_600.0
#: A subscription that the server ended is made anew after so long, s.
_ENDED_S = 30.0
#: Subscriptions asked for at once; more are asked for as these are answered.
_WINDOW = 64


@dataclass(slots=True)
class Wish:
    """One subscribed resource.

    Attributes:
        href: of the resource; token: names the subscription at our listener.
        location: where the server keeps it, "" while it was not taken.
        made: when the server took it last; not_before: earliest time to ask again.
        posting: number of the write under way.
    """

    href: str
    token: str
    location: str = ""
    made: Instant = float("-inf")
    not_before: Instant = float("-inf")
    posting: int | None = None


class Subscriptions:
    """The subscriptions of one session.

    Args:
        settings: of the session.
        uri: what the server is told to call, without a slash at its end; "": nothing is subscribed.

    Attributes:
        notified: notifications that were taken.
    """

    def __init__(self, settings: UpstreamSettings, uri: str) -> None:
        self.space = f"{settings.space}/sub"
        self.uri = uri
        self._listen = settings.notifications
        self._wishes: dict[str, Wish] = {}
        self._writes: dict[int, str] = {}
        self._leaving: list[str] = []
        self._changes: list[Change] = []
        self._tokens: dict[bytes, Wish] = {}
        #: Resources that can be subscribed to, as they were read.
        self._offered: dict[str, None] = {}
        self._stale = True
        self._looked = self._due = float("-inf")
        self.notified = 0
        self._name = settings.name
        self._told: int | None = None

    @property
    def active(self) -> int:
        """How many the server has taken."""
        return sum(1 for wish in self._wishes.values() if wish.location)

    def load(self, found: Iterable[Document]) -> None:
        """Take up the subscriptions of before a restart; each is made anew, since the server may have lost it."""
        for document in found:
            head = documents.open_record(document).head
            if self.uri:
                self._wish(Wish(document.key, head["token"], head["location"]))
            else:
                # Polling is wanted now: the server is told.
                self._leaving.append(head["location"])
                self._changes.append(DeleteDocument(self.space, document.key))

    def restart(self) -> None:
        """The client core is a new one: everything is made anew."""
        self._writes.clear()
        self._offered.clear()
        self._stale = True
        for wish in self._wishes.values():
            wish.made, wish.posting = float("-inf"), None

    def read(self, href: str, value: WireObject) -> None:
        """A resource was read and is another than before."""
        if isinstance(value, _KINDS) and (value.subscribable or 0) in _UNCONDITIONAL:
            self._offered[href] = None
        else:
            self._offered.pop(href, None)
        self._stale = True

    def lost(self, href: str) -> None:
        """A resource is not there any more."""
        self._offered.pop(href, None)
        self._stale = True

    def again(self) -> None:
        """What was refused is asked for once more."""
        self._stale = True
        for wish in self._wishes.values():
            wish.not_before = float("-inf")

    def tick(self, client: Client, now: Instant) -> None:
        """Subscribe what is new or due, leave what is not wanted any more, set the rates of polling."""
        if client.clock_offset is None or not client.enrolment.trusted:
            return
        self._leave(client, now)
        own = client.devices[client.config.lfdi].end_device
        link = None if own is None else own.SubscriptionListLink
        place = None if link is None else client.tree.resolve(link.href)
        if self._listen is None or not self.uri or place is None:
            return
        if not self._stale and self._looked <= now < self._due:
            return
        self._stale, self._looked, self._due = False, now, float("inf")
        for href in self._offered:
            if href not in self._wishes:
                self._wish(Wish(href, secrets.token_hex(16)))
            wish = self._wishes[href]
            due = max(wish.made + self._listen.renew_s, wish.not_before)
            if wish.posting is None and now >= due and len(self._writes) < _WINDOW:
                self._post(client, place, wish, now)
            elif wish.posting is None:
                self._due = min(self._due, due)
        gone = [href for href in self._wishes if href not in self._offered and href not in client.tree.nodes]
        if gone and all(node.value is not None or node.failures for node in client.tree.nodes.values()):
            # Everything there is has been looked for, so what is not there has gone.
            for href in gone:
                self._drop(self._wishes[href])
        slow = self._listen.slow_poll_s
        client.tree.rates = {wish.href: slow for wish in self._wishes.values() if wish.location}

    def _wish(self, wish: Wish) -> None:
        self._wishes[wish.href] = wish
        self._tokens[_digest(wish.token)] = wish

    def _post(self, client: Client, place: str, wish: Wish, now: Instant) -> None:
        body = Subscription(
            subscribedResource=wish.href,
            encoding=Encoding.XML,
            level="-S1",
            limit=1,
            notificationURI=f"{self.uri}/{wish.token}",
        )
        wish.posting = client.post(place, body, now)
        self._writes[wish.posting] = wish.href

    def _leave(self, client: Client, now: Instant) -> None:
        leaving, self._leaving = self._leaving, []
        for location in leaving:
            try:
                client.delete(location, now)
            except LocalProtocolError:
                continue

    def _drop(self, wish: Wish) -> None:
        del self._wishes[wish.href]
        del self._tokens[_digest(wish.token)]
        if wish.location:
            self._leaving.append(wish.location)
            self._changes.append(DeleteDocument(self.space, wish.href))

    def answered(self, client: Client, outcome: Written, now: Instant) -> bool:
        """Take a final answer; whether it was for a subscription."""
        href = self._writes.pop(outcome.number, None)
        wish = None if href is None else self._wishes.get(href)
        if href is None or wish is None:
            return href is not None
        wish.posting, self._stale = None, True
        location = None if outcome.location is None else client.tree.resolve(outcome.location)
        if outcome.accepted:
            wish.location, wish.made, self._told = location or wish.location or wish.href, now, None
            head = {"token": wish.token, "location": wish.location}
            self._changes.append(documents.put(self.space, wish.href, None, head))
        else:
            wish.location, wish.not_before = "", now + _REFUSED_S
            self._tell(outcome.status)
            client.tree.poll_soon(wish.href, now)
        return True

    def _tell(self, status: int) -> None:
        """One line for a row of refusals alike: without it nobody learns why notifications were asked for in vain."""
        if status != self._told:
            self._told = status
            answered = f"answered with {status}" if status else "not answered"
            _log.warning(
                "%s: our subscriptions to be told at %s are %s: what they are for is polled; the server's log has why",
                self._name,
                self.uri,
                answered,
            )

    def take_changes(self) -> list[Change]:
        """What is to be stored; hand it to `give_back` where that fails."""
        taken, self._changes = self._changes, []
        return taken

    def give_back(self, changes: list[Change]) -> None:
        """These could not be stored."""
        self._changes = [*changes, *self._changes]

    # --- notifications ------------------------------------------------------------------------------------------------

    def named(self, token: str) -> Wish | None:
        """The subscription that a secret names."""
        return self._tokens.get(_digest(token))

    def notify(self, client: Client, token: str, notification: Notification, now: Instant) -> bool:
        """A notification came in at the place of `token`; False when it is about nothing that was subscribed.

        What it carries is a part of the resource at most, so the resource is fetched. A server may name it by another
        of its addresses (/edev/1/derp for /edev/1/fsa/1/derp): then it must end alike, and carry
        one of its kind.
        """
        wish = self.named(token)
        subject = client.tree.resolve(notification.subscribedResource)
        if wish is None or subject is None:
            return False
        named, node = subject.partition("?")[0], client.tree.nodes.get(wish.href)
        if named != wish.href and not (
            node is not None
            and type(notification.resource) is node.kind
            and named.rpartition("/")[2] == wish.href.rpartition("/")[2]
        ):
            return False
        self.notified += 1
        if notification.status == NotificationStatus.DEFAULT:
            client.tree.poll_soon(wish.href, now)
            return True
        # The server has ended it: what it was about moved, changed its nature, or is gone. Look from above.
        wish.location, wish.made, wish.not_before = "", float("-inf"), now + _ENDED_S
        self._stale = True
        client.tree.poll_soon(wish.href, now)
        if node is not None and node.parent is not None:
            client.tree.poll_soon(node.parent, now)
        return True


def _digest(token: str) -> bytes:
    """By which a secret is found: the time of a search says something of the digest, and nothing of the secret."""
    return hashlib.sha256(token.encode()).digest()
