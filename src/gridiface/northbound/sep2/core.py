"""The server without sockets: the parts it is made of, its life from load to load, and its timers.

Owns the table of what writes lead to. How a request is answered is requests.py's, what a write does the handlers'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Outcome
from gridiface.domain.fleet import Role
from gridiface.domain.ports import ControlInbox, DeviceRegistry, FleetView, Ledger
from gridiface.errors import ConfigError
from gridiface.northbound.sep2.along import InboxAlong, LedgerAlong, RegistryAlong
from gridiface.northbound.sep2.fleet_channel.channel import FleetChannel
from gridiface.northbound.sep2.handlers.credits import Credits
from gridiface.northbound.sep2.handlers.device_info import DeviceInfo
from gridiface.northbound.sep2.handlers.drlc import LoadControl
from gridiface.northbound.sep2.handlers.end_devices import EndDevices
from gridiface.northbound.sep2.handlers.files import Files
from gridiface.northbound.sep2.handlers.flow import Flow
from gridiface.northbound.sep2.handlers.mirrors import Mirrors
from gridiface.northbound.sep2.handlers.own_lists import OwnLists
from gridiface.northbound.sep2.handlers.published import Published
from gridiface.northbound.sep2.handlers.responses import Responses
from gridiface.northbound.sep2.handlers.rules import RULES
from gridiface.northbound.sep2.handlers.subscribing import SubscriptionWrites
from gridiface.northbound.sep2.handlers.usage_points import device_of
from gridiface.northbound.sep2.loading import Loader
from gridiface.northbound.sep2.managing import Managing
from gridiface.northbound.sep2.members.membership import DEFAULT_PIN, Membership, own_device_id
from gridiface.northbound.sep2.members.metering import Metering
from gridiface.northbound.sep2.members.operating import Operating
from gridiface.northbound.sep2.members.placing import place_roots
from gridiface.northbound.sep2.programs.assignments import Assignments
from gridiface.northbound.sep2.programs.curves import Curves
from gridiface.northbound.sep2.programs.on_behalf import OnBehalf
from gridiface.northbound.sep2.programs.programs import Programs
from gridiface.northbound.sep2.programs.topology import Topology
from gridiface.northbound.sep2.published.combined_tariffs import beside
from gridiface.northbound.sep2.published.publications import INTERVAL, Publications
from gridiface.northbound.sep2.published.publishing import Publishing
from gridiface.northbound.sep2.requests import Handler, Requests
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import Doorman
from gridiface.northbound.sep2.served.active_intervals import ActiveIntervals
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.event_clock import EventClock
from gridiface.northbound.sep2.served.response_log import ResponseLog
from gridiface.northbound.sep2.served.services import Counts, Locks, Services
from gridiface.northbound.sep2.served.state import State
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord
from gridiface.northbound.sep2.settings import Sep2Settings, check_pin
from gridiface.northbound.sep2.subscriptions.subscriptions import Subscriptions
from gridiface.protocols.sep2.resources import EndDeviceControl, UsagePoint


class Sep2Core:
    """Everything behind the sockets; `requests` answers.

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
        self.managing = Managing(
            s,
            self.membership,
            self.metering,
            self.publications,
            self.publishing,
            self.topology,
            self.subscriptions,
            self.responses,
        )
        self.membership.watched = self.subscriptions.watches
        self.metering.on_redefined = self.publishing.on_redefined = self.subscriptions.redefined
        self.topology.on_left = self.subscriptions.lost
        if settings.notifications is not None:
            self.subscriptions.spacing_s = settings.notifications.spacing_s
        self.requests = Requests(s, self._table(), self.metering, self.files, (self.events, self.intervals))
        state.tree.beside[INTERVAL] = beside
        place_roots(state)
        self.publications.place_roots()

    def _table(self) -> Mapping[tuple[str, str], Handler]:
        info, edevs = (
            DeviceInfo(self.services, self.membership, self.topology),
            EndDevices(self.services, self.membership, self.topology, self.publications, self.operating),
        )
        mirrors, programs = Mirrors(self.services, self.metering), self.programs
        responses = Responses(self.services, self.responses, self.channel)
        subscribing = SubscriptionWrites(self.services, self.subscriptions, self.metering.expand)
        der = "/edev/{id1}/der/{id2}"
        published = Published(self.services, self.publishing)
        return {
            **published.table(),
            ("POST", "/ppy/{id1}/cr"): Credits(self.services, self.publishing, published).post,
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
            ("PUT", "/derp/{id1}/dderc"): programs.defaults.put,
            ("DELETE", "/derp/{id1}/dderc"): programs.defaults.delete,
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
            ConfigError: the LFDI or PIN is malformed, or it is registered already, or the role has no EndDevice.
            StoreUnavailable: nothing was changed.
        """
        lfdi = lfdi.upper()
        if len(lfdi) != 40 or any(digit not in "0123456789ABCDEF" for digit in lfdi):
            raise ConfigError(f"{lfdi!r} is not an LFDI: 40 hexadecimal digits are wanted")
        if role not in {Role.DEVICE, Role.AGGREGATOR}:
            raise ConfigError(f"a {role} has no EndDevice")
        check_pin(pin)
        async with self.services.locks.hold("/edev"):
            if lfdi in self.state.by_lfdi or (device_id is not None and device_id in self.state.by_device):
                raise ConfigError(f"{device_id or lfdi} has an EndDevice already")
            name = (device_id or own_device_id(lfdi)) if role is Role.DEVICE else None
            pin = DEFAULT_PIN if pin is None else pin
            record, program, changes = self.membership.make(
                now, lfdi=lfdi, role=role, device_id=name, pin=pin, by_operator=True
            )
            if role is not Role.DEVICE or not await self.membership.enrol(record, now, along=changes):
                await self.services.ledger.commit(changes)
            self.membership.place(record, program)
            self.publications.arrived(record)
            await self.topology.arrived(record, now)
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
            if record.role is Role.AGGREGATOR:  # who comes back with its certificate manages nothing
                await self.managing.release_all(record.lfdi, now)
            await self.membership.remove(record, now)
            self.publications.departed(record)
            await self.topology.departed(record, now)
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

    def handle_timer(self, now: Instant, most: int | None = None) -> bool:
        """Flip what is due, of `most` programs or of all; whether more is. May be called early."""
        more = self.events.handle_timer(now, most)
        self.intervals.handle_timer(now)
        return more

    @property
    def counts(self) -> Counts:
        """What happened since the start."""
        return self.services.counts
