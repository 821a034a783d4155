"""The client core: finds its way by links, keeps resources fresh, follows events and answers them. No I/O.

Owns the behaviour of a 2030.5 client for itself and, as an aggregator, for the devices it manages: discovery, Time,
registration check, programs and controls per device, responses. The shell owns the connection.

A shell MUST: send what `next_requests(now)` returns; hand every answer to `on_reply`, or `on_failure` when there was
none; take `next_event()` until it gives None; and come back at `next_timer()` at the latest. `now` is the shell's own
clock in s; the server's clock is reckoned from its Time resource.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.sep2.client_devices import DeviceFollowers
from gridiface.protocols.sep2.client_events import (
    BadReply,
    ClientEvent,
    ControlChanged,
    EventHappened,
    RegistrationChecked,
    ResourceChanged,
    ResourceGone,
    TimeSet,
    WriteDone,
)
from gridiface.protocols.sep2.event_client import Transition, wanted
from gridiface.protocols.sep2.exchange import SEP_XML, Reply, Request
from gridiface.protocols.sep2.outbox import Outbox, Write
from gridiface.protocols.sep2.polling import Backoff, Node, ResourceTree
from gridiface.protocols.sep2.resources import (
    DERControl,
    DERControlResponse,
    EndDevice,
    EndDeviceList,
    Notification,
    Registration,
    Time,
)
from gridiface.protocols.xmlwire import Limits, WireObject, decode, encode

FOLLOWED_LINKS = frozenset(
    {
        "TimeLink",
        "EndDeviceListLink",
        "RegistrationLink",
        "FunctionSetAssignmentsListLink",
        "DERProgramListLink",
        "DERControlListLink",
        "DefaultDERControlLink",
        "DERCurveListLink",
        "DERListLink",
    }
)
"""The links a DER client of CSIP follows."""

# A scheduled control is looked at once more this long before it begins, in case it was cancelled since the last poll.
_LAST_LOOK = 2.0
_LARGEST_ANSWER = Limits(octets=4 * 1024 * 1024, tags=262_144)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """What a client knows before it connects.

    Attributes:
        lfdi: own LFDI (40 hexadecimal digits, upper case); sfdi: own SFDI.
        authority: host[:port] of the server; dcap: path of its DeviceCapability.
        pin: the PIN to find in the Registration; None does not check.
        managed: LFDIs of the devices that an aggregator looks after.
        register: POST an EndDevice when the server does not list this client.
        links: which links to follow.
        supported: modes (opMod elements) that the devices can do; None for all.
        parallel: most requests under way at once.
        backoff: waiting after failures.
    """

    lfdi: str
    sfdi: int
    authority: str
    dcap: str = "/dcap"
    pin: int | None = None
    managed: frozenset[str] = frozenset()
    register: bool = False
    links: frozenset[str] = FOLLOWED_LINKS
    supported: frozenset[str] | None = None
    parallel: int = 4
    backoff: Backoff = field(default_factory=Backoff)


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
        lfdis = (config.lfdi, *sorted(config.managed))
        self.followers = DeviceFollowers(lfdis, self.tree, config.authority, config.supported, chance)
        self.devices = self.followers.devices
        self.clock_offset: float | None = None
        self.refused = False
        self._under_way: dict[int, _UnderWay] = {}
        self._happened: deque[ClientEvent] = deque()
        self._last_number = 0
        self._registering = False
        self._headers = {"host": config.authority, "accept": f"{SEP_XML}; level=-S1"}

    # the verbs

    def next_requests(self, now: float) -> list[Outgoing]:
        """What to send now. Writes go first: they carry what the server waits for."""
        self._advance(now)
        if self.refused:
            return []
        room = self.config.parallel - len(self._under_way)
        ready: list[Outgoing] = []
        for write in self.outbox.due(now)[: max(room, 0)]:
            ready.append(self._send(write, self.outbox.request(write, self._headers), now))
        for node in self.tree.due(now)[: max(room - len(ready), 0)]:
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
        self._advance(now)

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
        due = self.followers.next_timer()
        if self.clock_offset is not None and due is not None:
            moments.append(due - self.clock_offset)
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

    def delete(self, href: str, now: float) -> int:
        """Queue a DELETE; the outcome comes as WriteDone with the number returned.

        Raises:
            LocalProtocolError: `href` is on another server.
        """
        return self._write("DELETE", href, b"", now)

    def server_time(self, now: float) -> float | None:
        """The server's clock at `now`, or None as long as its Time has not been read: then no event may be acted on."""
        return None if self.clock_offset is None else now + self.clock_offset

    def on_notification(self, notification: Notification, now: float) -> None:
        """A subscribed resource has changed: fetch it at once. What the notification carries is only a part."""
        href = self.tree.resolve(notification.subscribedResource)
        if href is not None:
            self.tree.poll_soon(href.partition("?")[0], now)

    def opt_out(self, lfdi: str, mrid: str, now: float) -> bool:
        """A device's user overrides a control; False when there is none to override."""
        return self._opt(lfdi, mrid, now, out=True)

    def opt_in(self, lfdi: str, mrid: str, now: float) -> bool:
        """A device's user takes an override back; False when there is none."""
        return self._opt(lfdi, mrid, now, out=False)

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
        outcome = self.outbox.answer(write, reply, now, None if reply is None else _retry_after(reply))
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
        elif reply.status in {301, 302, 307, 308}:
            self._on_moved(node, reply, now)
        elif reply.status in {404, 410}:
            self._happened.append(ResourceGone(node.href, node.value))
            self.tree.gone(node, now)
            self._feed(now)
        else:
            self.tree.fail(node, now, _retry_after(reply))

    def _on_body(self, node: Node, under_way: _UnderWay, reply: Reply, now: float) -> None:
        try:
            value = decode(reply.body, node.kind, _LARGEST_ANSWER)
        except RemoteProtocolError as error:
            self._happened.append(BadReply(node.href, error.reason))
            self.tree.fail(node, now)
            return
        before = {known.href: known.value for known in self.tree.nodes.values()}
        if not self.tree.store(node, value, now):
            return
        if isinstance(value, Time):
            self._set_clock(value, under_way.sent_at, now)
        if node.value != node.previous and node.value is not None:
            self._happened.append(ResourceChanged(node.href, node.value, node.previous))
        self._happened += [ResourceGone(h, v) for h, v in before.items() if h not in self.tree.nodes]
        self._interpret(node, now)

    def _on_moved(self, node: Node, reply: Reply, now: float) -> None:
        location = reply.header("location")
        href = None if location is None else self.tree.resolve(location)
        if href is None or href.partition("?")[0] == node.href:
            self._happened.append(BadReply(node.href, "redirected to another server or to itself"))
            self.tree.fail(node, now)
            return
        node.in_flight = False
        node.failures += 1
        node.next_at = now if node.failures <= self.outbox.longest_chain else now + self.config.backoff.longest
        self.tree.move(node, href.partition("?")[0])

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
            self._match_devices(node, value, now)
        if self.followers.concerns(node.kind):
            self._feed(now)

    def _set_clock(self, time: Time, sent_at: float, now: float) -> None:
        # The server read its clock somewhere between our question and its answer.
        self.clock_offset = time.currentTime - (sent_at + now) / 2
        self._happened.append(TimeSet(self.clock_offset, time.quality))

    def _check_registration(self, node: Node, registration: Registration) -> None:
        own = self.devices[self.config.lfdi].end_device
        link = None if own is None else own.RegistrationLink
        if self.config.pin is None or link is None or self.tree.resolve(link.href) != node.href:
            return
        fits = registration.pIN == self.config.pin
        # The wrong PIN means the wrong server: it must not be used.
        self.refused = not fits
        self._happened.append(RegistrationChecked(fits))

    def _match_devices(self, node: Node, listed: EndDeviceList, now: float) -> None:
        self.followers.match(listed)
        absent = self.devices[self.config.lfdi].end_device is None
        if self.config.register and not self._registering and absent:
            self._registering = True
            own = EndDevice(lFDI=self.config.lfdi, sFDI=self.config.sfdi, changedTime=int(self.server_time(now) or now))
            self.post(node.href, own, now)

    def _feed(self, now: float) -> None:
        time = self.server_time(now)
        if time is None or self.clock_offset is None or self.refused:
            return
        self.followers.feed(time)
        self._advance(now)
        self.followers.look_again(time, _LAST_LOOK, self.clock_offset)
        self._report_changes()

    def _advance(self, now: float) -> None:
        time = self.server_time(now)
        if time is None:
            return
        happened = self.followers.advance(time)
        for device, transition in happened:
            self._happened.append(EventHappened(device.lfdi, transition))
            self._respond(device.lfdi, transition, now)
        if happened:
            self._report_changes()

    def _report_changes(self) -> None:
        self._happened += [ControlChanged(d.lfdi, dict(d.in_force)) for d in self.followers.changed()]

    def _respond(self, lfdi: str, transition: Transition, now: float) -> None:
        event = transition.event
        if event.replyTo is None or not wanted(transition.status, event.responseRequired or 0):
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

    def _opt(self, lfdi: str, mrid: str, now: float, *, out: bool) -> bool:
        time = self.server_time(now)
        device = self.devices.get(lfdi)
        if time is None or device is None:
            return False
        done = device.follower.opt_out(mrid, time) if out else device.follower.opt_in(mrid, time)
        self._advance(now)
        return done


def _retry_after(reply: Reply) -> float | None:
    text = reply.header("retry-after") or ""
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
