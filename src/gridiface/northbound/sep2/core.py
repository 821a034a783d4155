"""The server without sockets: a request in, a reply out. Reads are answered at once, writes when they are durable.

Owns the order of checks (Host, method, resource, who may see it, who may write it) and the parts the server is made
of. A reading request costs two look-ups where its bytes were made before.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Outcome
from gridiface.domain.fleet import Role
from gridiface.domain.ports import Change, ControlInbox, DeviceRegistry, FleetView, Ledger
from gridiface.errors import ConfigError, GridifaceError, LocalProtocolError, RemoteProtocolError, StoreUnavailable
from gridiface.logfields import about
from gridiface.northbound.sep2 import documents
from gridiface.northbound.sep2.access import Caller, Doorman
from gridiface.northbound.sep2.active_intervals import ActiveIntervals
from gridiface.northbound.sep2.along import InboxAlong, LedgerAlong, RegistryAlong
from gridiface.northbound.sep2.assignments import Assignments
from gridiface.northbound.sep2.documents import Record
from gridiface.northbound.sep2.event_clock import EventClock
from gridiface.northbound.sep2.fleet_channel import FleetChannel
from gridiface.northbound.sep2.handlers.curves import Curves
from gridiface.northbound.sep2.handlers.device_info import DeviceInfo
from gridiface.northbound.sep2.handlers.drlc import LoadControl
from gridiface.northbound.sep2.handlers.end_devices import EndDevices
from gridiface.northbound.sep2.handlers.files import Files, filters, fits
from gridiface.northbound.sep2.handlers.flow import Flow
from gridiface.northbound.sep2.handlers.mirrors import Mirrors
from gridiface.northbound.sep2.handlers.own_lists import OwnLists
from gridiface.northbound.sep2.handlers.programs import Programs
from gridiface.northbound.sep2.handlers.published import Published
from gridiface.northbound.sep2.handlers.responses import Responses
from gridiface.northbound.sep2.handlers.rules import RULES
from gridiface.northbound.sep2.handlers.services import Call, Counts, Locks, Services
from gridiface.northbound.sep2.handlers.subscribing import SubscriptionWrites
from gridiface.northbound.sep2.handlers.usage_points import device_of
from gridiface.northbound.sep2.loading import Loader
from gridiface.northbound.sep2.membership import DEFAULT_PIN, Membership, own_device_id
from gridiface.northbound.sep2.metering import Metering
from gridiface.northbound.sep2.nodes import Item, Listing, Node
from gridiface.northbound.sep2.on_behalf import OnBehalf
from gridiface.northbound.sep2.operating import Operating
from gridiface.northbound.sep2.placing import place_roots
from gridiface.northbound.sep2.publications import Publications
from gridiface.northbound.sep2.publishing import Publishing
from gridiface.northbound.sep2.refusals import RefusalLog
from gridiface.northbound.sep2.response_log import ResponseLog
from gridiface.northbound.sep2.settings import Sep2Settings
from gridiface.northbound.sep2.state import EndDeviceRecord, State
from gridiface.northbound.sep2.subscriptions import Subscriptions
from gridiface.northbound.sep2.topology import Topology
from gridiface.protocols.sep2.enums import ErrorReason
from gridiface.protocols.sep2.exchange import (
    MethodNotAllowed,
    Reply,
    RetryLater,
    failure,
    found,
    negotiate,
    refusal,
    split_target,
)
from gridiface.protocols.sep2.lists import ListQuery, page, parse_query
from gridiface.protocols.sep2.resources import EndDeviceControl, UsagePoint
from gridiface.protocols.sep2.uris import METHODS
from gridiface.protocols.xmlwire import encode
from gridiface.tracing import span

_log = logging.getLogger("gridiface.sep2")

#: Accept headers and query strings whose meaning is remembered.
_REMEMBERED = 1024
_STORE_RETRY_S = 5
_LONGEST_TARGET = 2048

Handler = Callable[[Call], Awaitable[Reply]]


class Sep2Core:
    """Answers requests.

    Args:
        settings: what the server is told.
        clock: for the fleet channel, whose port has no time of its own; requests bring theirs along.
        ledger, inbox, registry, fleet: the ports.
        locks: locks by name.
        later: hands changes to a background writer.
    """

    def __init__(
        self,
        settings: Sep2Settings,
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        registry: DeviceRegistry,
        fleet: FleetView,
        locks: Locks,
        later: Callable[[Sequence[Change], Callable[[], None] | None], None],
    ) -> None:
        self.settings = settings
        self.state = state = State(settings)
        self.events = EventClock(state, settings.event_retention_s, later)
        self.refusals = RefusalLog()
        self.services = s = Services(
            settings=settings,
            state=state,
            doorman=Doorman(state),
            events=self.events,
            ledger=LedgerAlong(ledger),
            inbox=InboxAlong(inbox),
            registry=RegistryAlong(registry),
            fleet=fleet,
            locks=locks,
            later=later,
        )
        self.metering = Metering(state)
        self.operating = Operating(s, self.metering)
        self.responses = ResponseLog(state, settings.limits.responses_per_set, later)
        self.on_behalf = OnBehalf(state, fleet, self.responses)
        self.membership = Membership(s, self.metering)
        self.curves = Curves(s)
        self.programs = Programs(s, self.on_behalf, self.curves)
        self.topology = Topology(s, self.programs)
        self.assignments = Assignments(s, self.programs)
        self.publications = Publications(state, fleet)
        self.publishing = Publishing(s, self.publications, RULES)
        self.publishing.on_event[EndDeviceControl] = LoadControl(s).on_event
        self.publishing.target_of[UsagePoint] = device_of
        self.intervals = ActiveIntervals(state.tree)
        self.publishing.on_changed = self.intervals.refresh
        self.publishing.on_shown = self.on_behalf.published
        self.own_lists, self.flow, self.files = OwnLists(s), Flow(s), Files(s)
        self.channel = FleetChannel(s, self.programs, self.curves, clock)
        self.subscriptions = Subscriptions(state, s.doorman, later, page=settings.limits.page)
        self.metering.on_redefined = self.publishing.on_redefined = self.subscriptions.redefined
        self.topology.on_left = self.subscriptions.lost
        if settings.notifications is not None:
            self.subscriptions.spacing_s = settings.notifications.spacing_s
        self._handlers = self._table()
        self._levels: dict[str | None, None] = {}
        self._queries: dict[str, ListQuery] = {}
        place_roots(state)
        self.publications.place_roots()

    def _table(self) -> Mapping[tuple[str, str], Handler]:
        info, edevs = (
            DeviceInfo(self.services, self.membership),
            EndDevices(self.services, self.membership, self.topology, self.operating),
        )
        mirrors, programs = Mirrors(self.services, self.metering), self.programs
        responses = Responses(self.services, self.responses, self.channel)
        subscribing = SubscriptionWrites(self.services, self.subscriptions, self.metering.expand)
        der = "/edev/{id1}/der/{id2}"
        return {
            **Published(self.services, self.publishing).table(),
            **self.own_lists.table(),
            ("POST", "/edev/{id1}/frq"): self.flow.post,
            ("PUT", "/edev/{id1}/frq/{id2}"): self.flow.put,
            ("POST", "/edev"): edevs.post,
            ("PUT", "/edev/{id1}"): edevs.put,
            ("DELETE", "/edev/{id1}"): edevs.delete,
            **{("PUT", f"/edev/{{id1}}/{name}"): info.put for name in ("dstat", "di", "ps", "cfg", "fs", "cp")},
            ("POST", "/edev/{id1}/cp"): info.put,
            **{("PUT", f"{der}/{name}"): info.put for name in ("dercap", "derg", "ders", "dera")},
            ("POST", "/edev/{id1}/sub"): subscribing.post,
            ("PUT", "/edev/{id1}/sub/{id2}"): subscribing.put,
            ("DELETE", "/edev/{id1}/sub/{id2}"): subscribing.delete,
            ("POST", "/edev/{id1}/lel"): info.post_log_event,
            ("DELETE", "/edev/{id1}/lel/{id2}"): info.delete_log_event,
            ("POST", "/derp/{id1}/derc"): programs.post_control,
            ("PUT", "/derp/{id1}/derc/{id2}"): programs.put_control,
            ("DELETE", "/derp/{id1}/derc/{id2}"): programs.delete_control,
            ("PUT", "/derp/{id1}/dderc"): programs.put_default,
            ("DELETE", "/derp/{id1}/dderc"): programs.delete_default,
            ("POST", "/derp/{id1}/dc"): self.curves.post_curve,
            ("DELETE", "/derp/{id1}/dc/{id2}"): self.curves.delete_curve,
            ("POST", "/rsps/{id1}/rsp"): responses.post,
            ("POST", "/mup"): mirrors.post_mirror,
            ("PUT", "/mup/{id1}"): mirrors.put_mirror,
            ("POST", "/mup/{id1}"): mirrors.post_readings,
            ("DELETE", "/mup/{id1}"): mirrors.delete_mirror,
        }

    # --- life -----------------------------------------------------------------------------------------------------

    async def load(self, now: Instant) -> None:
        """Read what was stored, bring it up to date with the configuration, the fleet and the clock.

        Raises:
            StoreUnavailable: the store cannot be read or written.
        """
        loader = Loader(
            self.services,
            self.membership,
            self.metering,
            self.responses,
            self.subscriptions,
            self.topology.place,
            self.assignments.load_program,
            self.operating,
            {
                documents.ASSIGNMENTS: self._load_assignment,
                documents.PUBLISHED: self._load_published,
                documents.OWN: self._load_own,
            },
        )
        await loader.load()
        await self.membership.reconcile(now)
        for record in list(self.state.end_devices.values()):
            if record.speaks and record.role is Role.DEVICE:
                await self.membership.enrol(record, now)
        await self.topology.reconcile(now)
        await self.publishing.reconcile(now)
        for owner in self.state.event_owners():
            self.events.refresh(owner, now, whole=True)
        self.intervals.refresh_all(now)
        self.channel.resume(now)
        self.subscriptions.resume(loader.told, loader.subscription_item)

    async def reconcile(self, now: Instant) -> None:
        """Bring end devices, programs and assignments up to what the fleet is.

        Raises:
            StoreUnavailable: what was not durable is not shown.
        """
        await self.membership.reconcile(now)
        await self.topology.reconcile(now)
        await self.publishing.reconcile(now)

    async def add_end_device(
        self, lfdi: str, now: Instant, *, device_id: str | None = None, pin: int | None = None, role: Role = Role.DEVICE
    ) -> str:
        """Register a client out of band; returns the path of its EndDevice.

        Args:
            lfdi: 40 hex digits.
            now: s since 1970.
            device_id: the fleet's device that it is; None: a device of its own.
            pin: with its check digit; None: 111115.
            role: DEVICE or AGGREGATOR.

        Raises:
            ConfigError: the LFDI is malformed or registered already, or the role has no EndDevice.
            StoreUnavailable: nothing was changed.
        """
        lfdi = lfdi.upper()
        if len(lfdi) != 40 or any(digit not in "0123456789ABCDEF" for digit in lfdi):
            raise ConfigError(f"{lfdi!r} is not an LFDI: 40 hexadecimal digits are wanted")
        if role not in {Role.DEVICE, Role.AGGREGATOR}:
            raise ConfigError(f"a {role} has no EndDevice")
        async with self.services.locks.hold("/edev"):
            if lfdi in self.state.by_lfdi or (device_id is not None and device_id in self.state.by_device):
                raise ConfigError(f"{device_id or lfdi} has an EndDevice already")
            name = (device_id or own_device_id(lfdi)) if role is Role.DEVICE else None
            pin = DEFAULT_PIN if pin is None else pin
            record, program, changes = self.membership.make(now, lfdi=lfdi, role=role, device_id=name, pin=pin)
            if role is not Role.DEVICE or not await self.membership.enrol(record, now, along=changes):
                await self.services.ledger.commit(changes)
            self.membership.place(record, program)
            await self.topology.reconcile(now)
            await self.publishing.reconcile(now)
        return record.path

    async def remove_end_device(self, lfdi: str, now: Instant) -> bool:
        """Take a registration with everything below it away; False when there is none.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        async with self.services.locks.hold("/edev"):
            record = self.state.by_lfdi.get(lfdi.upper())
            if record is None:
                return False
            await self.membership.remove(record, now)
            await self.topology.reconcile(now)
            await self.publishing.reconcile(now)
        return True

    async def drop_device(self, device_id: str, now: Instant) -> None:
        """Take the EndDevice of a device of the fleet away, which no client of the configuration is any more.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        self.membership.expect_no_more(device_id)
        record = self.state.by_device.get(device_id)
        if record is not None:
            await self.remove_end_device(record.lfdi, now)

    async def renew_device(self, device_id: str, now: Instant) -> None:
        """The configuration says otherwise of a device that speaks IEEE 2030.5: it is registered anew as it stated.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        record = self.state.by_device.get(device_id)
        if record is not None and record.speaks:
            await self.membership.enrol(record, now)

    async def act(self, call: Call) -> Reply:
        """What the table's handler makes of a call that is past the doors; for the operator.

        Raises:
            RemoteProtocolError: as a utility would be answered.
            StoreUnavailable: nothing was changed.
        """
        if call.method not in call.node.kind.methods:
            raise MethodNotAllowed(frozenset(call.node.kind.methods))
        reply = await self._handlers[call.method, call.node.kind.template](call)
        self.counts.written += 1
        return reply

    def _load_assignment(self, record: Record) -> None:
        owner = self._owner_of(record.key)
        if owner is not None:
            self.assignments.load(owner, record)

    def _load_published(self, record: Record) -> None:
        owner = self._owner_of(record.key)
        if owner is not None:
            self.flow.load_grant(owner, record)
        elif not record.key.startswith("/edev/"):
            self.publishing.load(record)

    def _load_own(self, record: Record) -> None:
        owner = self._owner_of(record.key)
        if owner is None:
            return
        if record.key.startswith(f"{owner.path}/frq/"):
            self.flow.load_request(owner, record)
        else:
            self.own_lists.load(owner, record)

    def _owner_of(self, path: str) -> EndDeviceRecord | None:
        return self.state.end_devices.get(int(path.split("/")[2])) if path.startswith("/edev/") else None

    def on_outcome(self, outcome: Outcome) -> None:
        """A step in the life of a control; see domain.ports.OutcomeListener."""
        self.channel.parents.note(outcome)
        self.on_behalf.on_outcome(outcome)

    def next_timer(self, now: Instant) -> Instant | None:
        """When an event's status flips or an interval begins or ends next; None: nothing is ahead."""
        due = (self.events.next_timer(now), self.intervals.next_timer(now))
        return min((time for time in due if time is not None), default=None)

    def handle_timer(self, now: Instant) -> None:
        """Flip what is due. May be called early."""
        self.events.handle_timer(now)
        self.intervals.handle_timer(now)

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return self.services.counts

    # --- requests ---------------------------------------------------------------------------------------------------

    async def handle(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        lfdi: str,
        now: Instant,
        peer: str = "",
    ) -> Reply:
        """Answer one request; never raises.

        Args:
            method: as received.
            target: request target as received.
            headers: names in lower case.
            body: as received.
            lfdi: of the certificate, 40 upper-case hex digits; "" without one.
            now: s since 1970.
            peer: address that the request comes from.
        """
        if method in {"GET", "HEAD"}:
            return self.read(method, target, headers.get("host"), headers.get("accept"), lfdi, now)
        self.counts.requests += 1
        with about(LFDI=lfdi), span(f"sep2 {method}", LFDI=lfdi):
            try:
                return await self._write(method, target, headers, body, lfdi, now, peer)
            except GridifaceError as problem:
                return self._answer(problem, method, target, lfdi, now, peer)
            except Exception:
                _log.exception("%s failed", method)
                self.counts.failed += 1
                return failure()

    def read(self, method: str, target: str, host: str | None, accept: str | None, lfdi: str, now: Instant) -> Reply:
        """Answer a GET or HEAD; never raises. See `handle`."""
        self.counts.requests += 1
        try:
            body = self._body(target, host, accept, lfdi, now)
        except GridifaceError as problem:
            with about(LFDI=lfdi):
                reply = self._answer(problem, method, target, lfdi, now, "")
        except Exception:
            _log.exception("GET failed", extra={"LFDI": lfdi})
            self.counts.failed += 1
            reply = failure()
        else:
            reply = found(body)
        return reply.for_head() if method == "HEAD" else reply

    def file_at(self, path: str, lfdi: str) -> str | None:
        """The path of the File whose octets are at `path`; None for everything else, and for what is another's."""
        return self.files.wanted(path, self.services.doorman.caller(lfdi).viewer)

    def _body(self, target: str, host: str | None, accept: str | None, lfdi: str, now: Instant) -> bytes:
        if not host:
            raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
        path, query = _split(target)
        caller = self.services.doorman.caller(lfdi)
        node = self._visible(path, caller)
        if accept not in self._levels:
            self._remember_accept(accept)
        if isinstance(node, Listing):
            return self._page(node, query, caller)
        if node.obj is None and node.live is None:
            raise RemoteProtocolError("nothing is here yet", answer=404)
        return self.state.tree.document(node, caller.viewer, now)

    def _remember_accept(self, accept: str | None) -> None:
        negotiate(accept)
        if len(self._levels) >= _REMEMBERED:
            self._levels.clear()
        self._levels[accept] = None

    def _page(self, owner: Listing, query: str, caller: Caller) -> bytes:
        wanted = self._queries.get(query)
        if wanted is None:
            if len(self._queries) >= _REMEMBERED:
                self._queries.clear()
            wanted = self._queries[query] = parse_query(query)
        most, time = self.settings.limits.page, owner.kind.time
        count = owner.count(owner.view_of(caller.viewer))
        key = (min(wanted.start, count), min(wanted.limit, most, count), wanted.after if time is not None else None)

        if owner.path == "/file" and query and filters(query):
            return self._matching(owner, query, caller)

        def choose(members: Sequence[Item]) -> Sequence[Item]:
            when: Any = None if time is None else lambda item: time(item.obj)
            return page(members, wanted, when, most).items

        return self.state.tree.page(owner, caller.viewer, key, choose)

    def _matching(self, owner: Listing, query: str, caller: Caller) -> bytes:
        """The files that fit a device: the query of this list may name attributes of them."""
        wanted, tree = parse_query(query), self.state.tree
        fitting = [item for item in owner.members(owner.view_of(caller.viewer)) if fits(item.obj, query)]
        chosen = page(fitting, wanted, None, self.settings.limits.page)
        shown: Any = tree.list_object(owner, caller.viewer, 0)
        shown.all, shown.results = chosen.all, chosen.results
        shown.members = [tree.complete(item, caller.viewer) for item in chosen.items]
        return encode(shown)

    def _visible(self, path: str, caller: Caller) -> Node:
        """The node at a path, if the caller may see it.

        Raises:
            RemoteProtocolError: 404 where nothing is, or where what is there is another's; 403 for those who are not
                registered.
        """
        if path.startswith("/upt/"):
            self.metering.expand(path)
        node = self.state.tree.get(path)
        if node is None and len(path) > 1 and path.endswith("/"):
            return self._visible(path.rstrip("/") or "/", caller)
        if node is None:
            raise RemoteProtocolError("no such resource", answer=404)
        if not caller.viewer.may_read(node.audience):
            if caller.role is Role.UNREGISTERED:
                raise RemoteProtocolError("not registered", answer=403)
            raise RemoteProtocolError("no such resource", answer=404)
        return node

    async def _write(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes, lfdi: str, now: Instant, peer: str
    ) -> Reply:
        if not headers.get("host"):
            raise RemoteProtocolError("no Host header", detail=ErrorReason.INVALID_FORMAT)
        if method not in METHODS:
            raise RemoteProtocolError("unknown method", answer=501, detail=ErrorReason.INVALID_FORMAT)
        path, _ = _split(target)
        caller = self.services.doorman.caller(lfdi)
        node = self._visible(path, caller)
        offered = self.methods(node)
        if method not in offered:
            raise MethodNotAllowed(offered)
        if len(body) > self.settings.limits.body_bytes:
            raise RemoteProtocolError("the body is too large", answer=413, detail=ErrorReason.RESOURCE_LIMIT)
        handler = self._handlers[method, node.kind.template]
        reply = await handler(Call(method, node, caller, dict(headers), body, now, peer))
        self.counts.written += 1
        return reply

    def methods(self, node: Node) -> frozenset[str]:
        """What a node takes; in-band registration can be switched off."""
        offered = frozenset(node.kind.methods)
        if node.path == "/edev" and not self.settings.in_band_registration:
            return offered - {"POST"}
        return offered

    def _answer(self, problem: GridifaceError, method: str, target: str, lfdi: str, now: Instant, peer: str) -> Reply:
        if isinstance(problem, RemoteProtocolError):
            self.counts.refused += 1
            self.refusals.note(method, target, problem.answer, problem.reason, lfdi=lfdi, peer=peer, now=now)
            return refusal(problem)
        if isinstance(problem, StoreUnavailable):
            _log.warning("answered 503: %s", problem)
            return refusal(RetryLater("the store cannot write", _STORE_RETRY_S))
        self.counts.failed += 1
        kind_of_problem = "we broke a rule" if isinstance(problem, LocalProtocolError) else "failed"
        _log.error("%s: %s", kind_of_problem, problem, exc_info=problem)
        return failure()


def _split(target: str) -> tuple[str, str]:
    if len(target) > _LONGEST_TARGET:
        raise RemoteProtocolError("the request target is too long", answer=414, detail=ErrorReason.RESOURCE_LIMIT)
    return split_target(target)
