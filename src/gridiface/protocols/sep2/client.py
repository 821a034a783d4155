"""The client core: finds its way by links, keeps resources fresh, follows events and answers them. No I/O.

Owns the behaviour of a 2030.5 client for itself and, as an aggregator, for the devices it manages: discovery, Time,
registration check, programs and controls per device, responses. The shell owns the connection.

A shell MUST: send what `next_requests(now)` returns; hand every answer to `on_reply`, or `on_failure` when there was
none; take `next_event()` until it gives None; and come back at `next_timer()` at the latest. `now` is the shell's own
clock in s; the server's clock is reckoned from its Time resource.
"""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.sep2.client_config import ClientConfig
from gridiface.protocols.sep2.client_devices import DeviceFollowers
from gridiface.protocols.sep2.client_enrolment import Enrolment
from gridiface.protocols.sep2.client_events import (
    BadReply,
    ClientEvent,
    RegistrationChecked,
    ResourceChanged,
    ResourceGone,
    ServerMoved,
    TimeSet,
    TimeUnsafe,
    WriteDone,
)
from gridiface.protocols.sep2.client_following import Following
from gridiface.protocols.sep2.client_reading import read, settle
from gridiface.protocols.sep2.exchange import SEP_XML, Reply, Request
from gridiface.protocols.sep2.followed import Transition, wanted
from gridiface.protocols.sep2.links import without_default_port, without_paging
from gridiface.protocols.sep2.outbox import Outbox, Write
from gridiface.protocols.sep2.polling import Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    DERControl,
    DERControlResponse,
    EndDevice,
    EndDeviceList,
    Notification,
    Registration,
    Time,
)
from gridiface.protocols.sep2.server_clock import ServerClock
from gridiface.protocols.xmlwire import Limits, WireObject, encode

# A server that is only busy is nothing to tell of.
_BUSY = frozenset({429, 503})
_LARGEST_ANSWER = Limits(octets=4 * 1024 * 1024, tags=262_144)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to send; `number` names it in `on_reply` and `on_failure`."""

    number: int
    request: Request


@dataclass(slots=True)
class _UnderWay:
    task: Node | Write
    sent_at: float
    hops: int = 0


class Client:
    """One client's session with one server; outlives connections."""

    def __init__(self, config: ClientConfig, chance: Random) -> None:
        self.config = config
        self.tree = ResourceTree(config.dcap, config.authority, self._wants, chance, backoff=config.backoff)
        self.outbox = Outbox(chance, self._location, backoff=config.backoff)
        self.clock = ServerClock(config.qualities, config.most_offset)
        self.enrolment = Enrolment(
            config.lfdi, config.sfdi, config.pin, config.sfdis, config.categories, posting=config.register
        )
        lfdis = (config.lfdi, *sorted(config.managed))
        self.followers = DeviceFollowers(
            lfdis, self.tree, config.authority, config.supported, chance, config.categories
        )
        self.devices = self.followers.devices
        self._happened: deque[ClientEvent] = deque()
        self._following = Following(self.followers, self.clock, self.enrolment, self._happened, self._respond)
        self._under_way: dict[int, _UnderWay] = {}
        self._last_number = 0
        self._lfdis = {config.sfdi: config.lfdi, **{sfdi: lfdi for lfdi, sfdi in config.sfdis.items()}}
        self._headers = {"host": config.authority, "accept": f"{SEP_XML}; level=-S1"}

    @property
    def refused(self) -> bool:
        """Whether the server showed the wrong PIN: nothing is sent to it any more."""
        return self.enrolment.refused

    @property
    def clock_offset(self) -> float | None:
        """Server's time = own time + this, s; None as long as no safe Time was read."""
        return self.clock.offset

    @property
    def authority(self) -> str:
        """host[:port] that requests go to."""
        return self.tree.authority

    @property
    def at_rest(self) -> bool:
        """Whether no request is under way, so that nothing new is to be known at once."""
        return not self._under_way

    # the verbs

    def next_requests(self, now: float) -> list[Outgoing]:
        """What to send now. Writes go first: they carry what the server waits for."""
        self._following.turn(now, at_rest=self.at_rest)
        if self.refused:
            return []
        room = self.config.parallel - len(self._under_way)
        ready: list[Outgoing] = []
        for write in self.outbox.due(now, max(room, 0)):
            ready.append(self._send(write, self.outbox.request(write, self._headers), now))
        for node in self.tree.due(now, max(room - len(ready), 0)):
            node.in_flight = True
            ready.append(self._send(node, Request("GET", self.tree.target(node), self._headers), now))
        return ready

    def on_reply(self, number: int, reply: Reply, now: float) -> None:
        """Take the answer to request `number`.

        Raises:
            LocalProtocolError: there is no such request under way.
        """
        under_way = self._taken(number)
        task = under_way.task
        if isinstance(task, Write):
            self._on_written(task, reply, now)
        elif self.tree.nodes.get(task.href) is task:
            self._on_got(task, under_way, reply, now)
        self._following.advance(now)

    def on_failure(self, number: int, now: float) -> None:
        """Request `number` has no answer: the connection broke or the time was over.

        Raises:
            LocalProtocolError: there is no such request under way.
        """
        task = self._taken(number).task
        if isinstance(task, Write):
            self._on_written(task, None, now)
        else:
            self.tree.fail(task, now)

    def next_event(self) -> ClientEvent | None:
        """What happened, one thing at a time; None when that was all."""
        return self._happened.popleft() if self._happened else None

    def next_timer(self) -> float | None:
        """When to call `next_requests` again even if nothing comes in (own clock); None: wait for an answer."""
        moments = [self.tree.next_due(), self.outbox.next_due()]
        if len(self._under_way) >= self.config.parallel or self.refused:
            moments = []
        moments.append(self._following.next_timer())
        return min((moment for moment in moments if moment is not None), default=None)

    # what a shell or a simulator asks for

    def put(self, href: str, resource: WireObject, now: float) -> int:
        """Queue a PUT; the outcome comes as WriteDone with the number returned.

        Raises:
            LocalProtocolError: `href` is on another server, or the resource is not valid.
        """
        return self._write("PUT", href, encode(resource), now)

    def post(self, href: str, resource: WireObject, now: float) -> int:
        """Queue a POST; the outcome comes as WriteDone with the number returned.

        Raises:
            LocalProtocolError: `href` is on another server, or the resource is not valid.
        """
        return self._write("POST", href, encode(resource), now)

    def post_encoded(self, href: str, body: bytes, now: float) -> int:
        """Queue a POST of a resource that is encoded already; as `post`.

        Raises:
            LocalProtocolError: `href` is on another server.
        """
        return self._write("POST", href, body, now)

    def delete(self, href: str, now: float) -> int:
        """Queue a DELETE; the outcome comes as WriteDone with the number returned.

        Raises:
            LocalProtocolError: `href` is on another server.
        """
        return self._write("DELETE", href, b"", now)

    def server_time(self, now: float) -> float | None:
        """The server's clock at `now`, or None as long as its Time has not been read: then no event may be acted on."""
        return None if self.clock_offset is None else now + self.clock_offset

    def clock_jumped(self, seconds: float) -> None:
        """The shell's clock was set by so many seconds: polls, retries and the server's clock keep their distance."""
        self.clock.jumped(seconds)
        self.tree.shift_time(seconds)
        self.outbox.shift_time(seconds)
        self._following.shift_time(seconds)

    def on_notification(self, notification: Notification, now: float) -> None:
        """A subscribed resource has changed: fetch it at once. What the notification carries is only a part."""
        href = self.tree.resolve(notification.subscribedResource)
        if href is not None:
            self.tree.poll_soon(href.partition("?")[0], now)

    def opt_out(self, lfdi: str, mrid: str, now: float) -> bool:
        """A device's user overrides a control; False when there is none to override."""
        return self._following.opt(lfdi, mrid, now, out=True)

    def opt_in(self, lfdi: str, mrid: str, now: float) -> bool:
        """A device's user takes an override back; False when there is none."""
        return self._following.opt(lfdi, mrid, now, out=False)

    # requests and answers

    def _send(self, task: Node | Write, request: Request, now: float) -> Outgoing:
        self._last_number += 1
        self._under_way[self._last_number] = _UnderWay(task, now)
        return Outgoing(self._last_number, request)

    def _taken(self, number: int) -> _UnderWay:
        try:
            return self._under_way.pop(number)
        except KeyError:
            raise LocalProtocolError(f"request {number} is not under way") from None

    def _write(self, method: str, href: str, body: bytes, now: float) -> int:
        target = self.tree.resolve(href)
        if target is None:
            raise LocalProtocolError(f"{href} is not on this server")
        number, dropped = self.outbox.add(method, target, body, now)
        self._happened += [WriteDone(outcome) for outcome in dropped]
        return number

    def _on_written(self, write: Write, reply: Reply | None, now: float) -> None:
        outcome = self.outbox.answer(write, reply, now, None if reply is None else reply.retry_after())
        if outcome is None:
            return
        self._happened.append(WriteDone(outcome))
        listed = self.tree.nodes.get(outcome.target)
        if outcome.accepted and listed is not None and outcome.method == "POST":
            self.tree.poll_soon(listed.href, now)

    def _location(self, location: str) -> str | None:
        return self.tree.resolve(location) if location else None

    def _on_got(self, node: Node, under_way: _UnderWay, reply: Reply, now: float) -> None:
        if reply.status == 200:
            self._on_body(node, under_way, reply, now)
        elif reply.status in {301, 302, 303, 307, 308}:
            self._on_moved(node, reply, now)
        elif reply.status in {404, 410}:
            self._happened.append(ResourceGone(node.href, node.value))
            for lost in (node, *self.tree.gone(node, now)):
                self.followers.changed_at(lost.href)
            self._following.call()
        else:
            if reply.status not in _BUSY:
                self._happened.append(BadReply(node.href, f"answered with {reply.status}"))
            self.tree.fail(node, now, reply.retry_after())

    def _on_body(self, node: Node, under_way: _UnderWay, reply: Reply, now: float) -> None:
        digest = hashlib.blake2b(reply.body, digest_size=16).digest()
        if node.digest == digest and not node.pages.read:
            # Most polls bring what is known, and reading it again is most of what a poll costs.
            self.tree.keep(node, now)
            self._interpret(node, now)
            return
        in_one = not node.pages.read
        try:
            answer = read(reply.body, node.kind, _LARGEST_ANSWER)
        except RemoteProtocolError as error:
            self._happened.append(BadReply(node.href, error.reason))
            self.tree.fail(node, now)
            return
        value = answer.value
        if answer.notes:
            self._happened.append(BadReply(node.href, "; ".join(answer.notes), read=True))
        settle(value, node.href, self._lfdis)
        forgotten = self.tree.store(node, value, now, answer.left_out)
        if forgotten is None:
            return
        if isinstance(value, Time):
            self._set_clock(value, under_way.sent_at, now)
        elif in_one:
            node.digest = digest
        if node.value is not node.previous and node.value is not None:
            self._happened.append(ResourceChanged(node.href, node.value, node.previous))
            self.followers.changed_at(node.href)
        for lost in forgotten:
            self._happened.append(ResourceGone(lost.href, lost.value))
            self.followers.changed_at(lost.href)
        self._interpret(node, now)

    def _on_moved(self, node: Node, reply: Reply, now: float) -> None:
        location = reply.header("location")
        href = None if location is None else self.tree.resolve(location)
        if href is None and location is not None and node.parent is None and self._to_other(location, now):
            return
        href = None if href is None else without_paging(href)
        if href is None or href == node.href:
            self._happened.append(BadReply(node.href, "redirected to another server or to itself"))
            self.tree.fail(node, now)
            return
        node.failures += 1
        at = now if node.failures <= self.outbox.longest_chain else now + self.config.backoff.longest
        self.followers.changed_at(node.href)
        self._happened.append(ResourceGone(node.href, node.value))
        self.tree.move(node, href, at)
        if node.value is not None:
            self._happened.append(ResourceChanged(node.href, node.value, None))

    def _to_other(self, location: str, now: float) -> bool:
        """The server as a whole is elsewhere: only where the configuration allows it, and under the same trust."""
        try:
            parts = urlsplit(location)
        except ValueError:
            return False
        authority = without_default_port(parts.netloc)
        others = {without_default_port(one) for one in (self.config.authority, *self.config.others)}
        allowed = others - {without_default_port(self.authority)}
        if parts.scheme != "https" or authority not in allowed:
            return False
        self._headers = {**self._headers, "host": authority}
        self.tree.move_server(authority, parts.path or "/")
        self.followers.all_changed()
        self._happened.append(ServerMoved(authority, parts.path))
        return True

    # what resources mean

    def _wants(self, holder: WireObject, name: str) -> bool:
        if name not in self.config.links:
            return False
        return not isinstance(holder, EndDevice) or (holder.lFDI or "") in self.devices

    def _interpret(self, node: Node, now: float) -> None:
        value = node.value
        if isinstance(value, Registration):
            self._check_registration(node, value)
        elif isinstance(value, EndDeviceList):
            self.followers.match(value)
            time = self.server_time(now)
            for device in self.enrolment.missing(value.members, now if time is None else time):
                self.post(node.href, device, now)
        if self.followers.concerns(node.kind):
            self._following.read(node.href)

    def _set_clock(self, time: Time, sent_at: float, now: float) -> None:
        if self.clock.read(time, sent_at, now) and self.clock.offset is not None:
            self._happened.append(TimeSet(self.clock.offset, time.quality))
        else:
            self._happened.append(TimeUnsafe(time.quality, self.clock.refused))

    def _check_registration(self, node: Node, registration: Registration) -> None:
        own = self.devices[self.config.lfdi].end_device
        link = None if own is None else own.RegistrationLink
        if link is None or self.tree.resolve(link.href) != node.href:
            return
        fits = self.enrolment.check(registration)
        if fits is not None:
            self._happened.append(RegistrationChecked(fits))
            self._following.call()

    def _respond(self, lfdi: str, transition: Transition, now: float) -> None:
        event = transition.event
        if (
            not self.config.answers
            or event.replyTo is None
            or not wanted(transition.status, event.responseRequired or 0)
        ):
            return
        if self.tree.resolve(event.replyTo) is None:
            self._happened.append(BadReply(event.href or "", "replyTo is on another server"))
            return
        if isinstance(event, DERControl):
            response = DERControlResponse(
                createdDateTime=int(transition.at),
                endDeviceLFDI=lfdi,
                status=int(transition.status),
                subject=event.mRID,
            )
            self.post(event.replyTo, response, now)
