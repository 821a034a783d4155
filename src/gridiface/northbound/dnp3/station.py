"""One outstation: the protocol core, its points fed from the fleet, its commands led to the inbox. No sockets.

Owns the refresh of points, the status points of outputs, local mode and blocks. Connections are opened on
`outstation`; commissions are fetched with `take` by whoever owns them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from gridiface.domain.changes import Document
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Acceptance, Control, Outcome, Target, TargetKind
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.domain.telemetry import Snapshot
from gridiface.errors import ConfigError
from gridiface.northbound.dnp3.commanding.commissions import Commission, Step
from gridiface.northbound.dnp3.commanding.handlers import StationHandler
from gridiface.northbound.dnp3.pointmap.meanings import Action, Measure
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import MasterEntry, StationSettings
from gridiface.northbound.dnp3.shown.configuration import NAME as CONFIGURATION
from gridiface.northbound.dnp3.shown.configuration import Configuration
from gridiface.northbound.dnp3.shown.showing import Showing
from gridiface.northbound.dnp3.tags import Tags
from gridiface.northbound.dnp3.tags import load as load_tags
from gridiface.northbound.dnp3.translate.energy import EnergyCounters
from gridiface.northbound.dnp3.translate.points import (
    OF_OPERATION,
    Sample,
    TargetView,
    operation,
    sample,
)
from gridiface.northbound.dnp3.translate.ratings import Ratings, ratings_of
from gridiface.northbound.dnp3.user_keys import Users
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.files import FileStore
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings, TimePolicy
from gridiface.protocols.dnp3.points import PointType

_ONLINE = int(Flags.ONLINE)
_OVER_RANGE = int(Flags.OVER_RANGE)
_NEVER = Sample(None, int(Flags.RESTART))
_LOOK_AT_MEMBERS = 64
_HEARTBEAT_WRAPS = 32_768
_ENERGY_SLOT = "\0energy"
_CONFIGURATION_SLOT = "\0configuration"


@dataclass(slots=True)
class _Known:
    """What is summed up of a target now and then."""

    ratings: Ratings
    grid_device: str | None
    meter: str | None
    until: Instant


class Station:
    """One outstation and its points.

    Args:
        settings: what it is.
        inbox, ledger, fleet: the ports.
        now: seconds since 1970 UTC.
        ratings_s: how long sums of ratings stay true.
        store_pause_s: see StationHandler.
        files: what masters may read by file transfer; None: no file functions.
        configuration: of its points, as masters may read and write it.

    Raises:
        ConfigError: a point has a variation or class that the standard does not know.
    """

    def __init__(
        self,
        settings: StationSettings,
        *,
        inbox: ControlInbox,
        ledger: Ledger,
        fleet: FleetView,
        now: Instant,
        ratings_s: float = 10.0,
        store_pause_s: float = 5.0,
        files: FileStore | None = None,
        configuration: Configuration | None = None,
    ) -> None:
        self.settings = settings
        self.configuration = configuration or Configuration(settings.name, settings.points)
        self.database = Database(settings.points.core())
        self.handler = StationHandler(
            settings, inbox=inbox, ledger=ledger, fleet=fleet, changed=self._follow, store_pause_s=store_pause_s
        )
        core = OutstationSettings(
            settings.address,
            self_address=settings.self_address,
            keep_alive=settings.keep_alive_s,
            link_timeout=settings.link_timeout_s,
            # a status point moves when the command is durable, not when it is judged
            track_outputs=False,
        )
        users = UserRegister(settings.authentication.users if settings.authentication is not None else ())
        self._users = Users(settings, users, self.handler.commission)
        self.outstation = Outstation(
            core,
            [_association(master) for master in settings.masters],
            self.database,
            self.handler,
            dict(settings.description),
            now,
            authentication=_authentication(settings, users),
            files=files,
        )
        self.handler.activation = self._activate
        self.local = settings.local
        self.outstation.station.local_control = settings.local
        self._fleet = fleet
        self._ratings_s = ratings_s
        self._now = now
        self._beats = 0
        self._known: dict[Target, _Known] = {}
        self._showing = Showing(settings)
        self.energy = EnergyCounters(settings.name, self._showing.counted)
        self._show_records()
        self._show_outputs(settings.points.outputs())
        self._refresh_own(self._showing.edited, now)

    def _show_records(self) -> None:
        for name, value in self.handler.records.shown():
            self.handler.outputs.store(name, value)

    def restore(self, documents: Iterable[Document], controls: Iterable[Control], now: Instant) -> None:
        """Take up what outputs held and which controls live; call it once, before connections are opened."""
        self._now = now
        documents = list(documents)
        self._users.restore(documents)
        self.energy.load(documents)
        if self.settings.configuration_writes:
            self.outstation.reconfigure(self.configuration.load(documents).values())
        kept = load_tags(documents, self.settings.name)
        if kept is not None:
            self.apply(kept)
        self.handler.records.load(documents)
        self._show_records()
        self.handler.outputs.load(documents, controls, [master.name for master in self.settings.masters])
        self._show_outputs(self.settings.points.outputs())
        self._refresh_own(self._showing.edited, now)

    def _activate(self, name: str) -> bool:
        """Commission the activation of what was written: durable before the answer to it goes out."""
        if name.lstrip("/") != CONFIGURATION or not self.configuration.staged:
            return False

        changes = self.configuration.waiting()

        def activated(_: Acceptance | None) -> Sequence[PointEntry]:
            self.outstation.reconfigure(changes.values())
            self.configuration.activated(changes)
            return ()

        step = Step(changes=(self.configuration.document(changes),), then=activated)
        self.handler.commission(Commission(slot=_CONFIGURATION_SLOT, master="", steps=[step]))
        return True

    # --- the operator ------------------------------------------------------------------------------------------------

    @property
    def tags(self) -> Tags:
        """Local mode and blocked outputs."""
        return Tags(self.local, self.handler.judge.blocked)

    def apply(self, tags: Tags) -> None:
        """Local mode: every command is answered LOCAL, IIN1.5 is set. A blocked output answers BLOCKED."""
        self.local = tags.local
        self.outstation.station.local_control = tags.local
        self.handler.judge.blocked = dict(tags.blocked)

    def check_output(self, point: str) -> None:
        """Whether there is such an output; "" stands for all.

        Raises:
            ConfigError: there is none.
        """
        if point and point not in self.handler.outputs.held:
            raise ConfigError(f"outstation {self.settings.name} has no output {point!r}")

    # --- telemetry ---------------------------------------------------------------------------------------------------

    def refresh(self, now: Instant) -> int:
        """Write the fleet's state into the points; returns how many events it made."""
        self._now = now
        self._beats = (self._beats + 1) % _HEARTBEAT_WRAPS
        own = self.outstation.station
        snapshot = self._fleet.snapshot(self.settings.target)
        own.local_control = self.local or (snapshot is not None and snapshot.local_control)
        own.device_trouble = self.handler.in_trouble
        for target in self.energy.targets:
            self.energy.count(target, self._fleet.snapshot(target), now)
        views: dict[Target, TargetView] = {}
        events = 0
        for block in self._showing.blocks:
            view = views.get(block.target)
            if view is None:
                view = views[block.target] = self._view(block.target, now)
            samples = [self._in_effect(entry, sample(entry, view, self.settings.quality)) for entry in block.entries]
            events += self._write(block.type, block.entries, samples, now)
        return events + self._refresh_own(self._showing.own, now)

    def on_outcome(self, outcome: Outcome) -> None:
        """A control ended; outputs and read-backs follow. Commissions may wait in the handler then."""
        self.handler.on_outcome(outcome)

    def next_timer(self, now: Instant) -> Instant | None:
        """When `handle_timer` is due for a schedule."""
        return self.handler.records.next_due(now)

    def handle_timer(self, now: Instant) -> None:
        """Command what schedules have due, and keep what was counted. Commissions may wait in the handler then."""
        self.handler.run_schedules(now, local=self.outstation.station.local_control)
        if self.energy.due(now):
            step = Step(changes=(self.energy.document(now),))
            self.handler.commission(Commission(slot=_ENERGY_SLOT, master="", steps=[step]))

    def _view(self, target: Target, now: Instant) -> TargetView:
        known = self._known.get(target)
        if known is None or now >= known.until or now < known.until - self._ratings_s:
            known = self._known[target] = self._sum_up(target, now)
        snapshot = self._fleet.snapshot(target)
        grid = None
        if known.grid_device is not None:
            grid = self._fleet.snapshot(Target(TargetKind.DEVICE, known.grid_device))
        meter = None if known.meter is None else self._fleet.snapshot(Target(TargetKind.DEVICE, known.meter))
        return TargetView(
            snapshot=snapshot,
            grid=grid,
            meter=snapshot if target.kind is TargetKind.DEVICE else meter,
            ratings=known.ratings,
            number=self.handler.outputs.number,
            counted=lambda measure: self.energy.value(target, measure),
        )

    def _sum_up(self, target: Target, now: Instant) -> _Known:
        """Ratings of the members, and which of them tells frequency and voltage."""
        until = now + self._ratings_s
        if target.kind is TargetKind.DEVICE:
            device = self._fleet.device(target.id)
            return _Known(ratings_of([] if device is None else [device]), None, None, until)
        names = self._fleet.members(target.id)
        devices = [device for name in names if (device := self._fleet.device(name)) is not None]
        group = self._fleet.group(target.id)
        meter = group.meter or None if group is not None else None
        candidates = [*([] if meter is None else [meter]), *names[:_LOOK_AT_MEMBERS]]
        return _Known(ratings_of(devices), next(filter(self._tells_grid, candidates), None), meter, until)

    def _tells_grid(self, name: str) -> bool:
        snapshot: Snapshot | None = self._fleet.snapshot(Target(TargetKind.DEVICE, name))
        return snapshot is not None and (snapshot.hz is not None or bool(snapshot.volts))

    def _write(
        self, point_type: PointType, entries: Sequence[PointEntry], samples: Sequence[Sample], now: Instant
    ) -> int:
        """Update points of one type, those of one time together: a stale reading keeps its source time."""
        by_time: dict[int | None, tuple[list[float], list[int], list[int]]] = {}
        column = self.database.columns[point_type]
        for entry, one in zip(entries, samples, strict=True):
            values, indices, flags = by_time.setdefault(one.time_ms, ([], [], []))
            at = column.positions[entry.index]
            before = int(column.flags[at])
            # a point that was never online keeps RESTART beside COMM_LOST
            never = one.value is None and bool(before & Flags.RESTART) and not before & Flags.ONLINE
            value = float(column.values[at]) if one.value is None else one.value
            shown = entry.within(value)
            values.append(shown)
            indices.append(entry.index)
            beyond = shown < value or shown > value
            flags.append(one.flags | never * int(Flags.RESTART) | beyond * _OVER_RANGE)
        return sum(
            self.database.update_many(now, point_type, values, indices, flags, time)
            for time, (values, indices, flags) in by_time.items()
        )

    # --- points that the station knows itself ----------------------------------------------------------------------

    def _refresh_own(self, entries: Iterable[PointEntry], now: Instant) -> int:
        by_type: dict[PointType, list[PointEntry]] = {}
        for entry in entries:
            by_type.setdefault(entry.type, []).append(entry)
        return sum(
            self._write(point_type, group, [self._in_effect(entry, self._own_sample(entry)) for entry in group], now)
            for point_type, group in by_type.items()
        )

    def _in_effect(self, entry: PointEntry, shown: Sample) -> Sample:
        """What an input of a function tells: without ONLINE while the function is disabled."""
        if not entry.effect_with or not self.settings.quality.disabled_offline or not shown.flags & _ONLINE:
            return shown
        if self.handler.outputs.held[entry.effect_with].value:
            return shown
        return replace(shown, flags=shown.flags & ~_ONLINE)

    def _own_sample(self, entry: PointEntry) -> Sample:
        outputs = self.handler.outputs
        if entry.measure in OF_OPERATION:
            told = bool(entry.argument) and outputs.held[entry.argument].value != 0
            snapshot = self._fleet.snapshot(entry.target or self.settings.target)
            return operation(entry.measure, told, snapshot, self.settings.quality)
        return self._of_station(entry)

    def _of_station(self, entry: PointEntry) -> Sample:
        outputs = self.handler.outputs
        match entry.measure:
            case Measure.HEARTBEAT:
                beat = self._beats % 2 if entry.type is PointType.BINARY_INPUT else self._beats
                return Sample(entry.to_wire(float(beat)), _ONLINE)
            case Measure.READ_BACK:
                output = self.settings.points.by_name[entry.argument]
                if output.action is Action.NONE:
                    return _NEVER
                return Sample(outputs.held[entry.argument].shown, _ONLINE)
            case Measure.IN_FORCE:
                return Sample(entry.to_wire(float(outputs.runs(entry.argument))), _ONLINE)
            case Measure.CURVE_IN_USE:
                return Sample(float(self.handler.records.selected_curve_named), _ONLINE)
            case Measure.SCHEDULE_STATE:
                return Sample(self.handler.records.state(entry.argument, self._now), _ONLINE)
            case Measure.CONSTANT:
                return Sample(entry.to_wire(float(entry.argument)), _ONLINE)
            case _:
                return _NEVER

    def _follow(self, changed: Sequence[PointEntry]) -> bool:
        """Status points, and the inputs that read them back, follow at once; whether that made events."""
        events = self._show_outputs(changed)
        readers = [reader for entry in changed for reader in self._showing.readers(entry.name)]
        readers += self._showing.about_records
        if readers:
            events += self._refresh_own(readers, self._now)
        return events > 0

    def _show_outputs(self, entries: Iterable[PointEntry]) -> int:
        events = 0
        for entry in entries:
            if entry.action is not Action.NONE:
                value = self.handler.outputs.held[entry.name].value
                events += self.database.update(self._now, entry.type, entry.index, value, _ONLINE)
        return events

    def clock_set(self, seconds: float, now: Instant) -> None:
        """The wall clock was set by so much, and shows `now`: what waits does so for as long as before."""
        self.touch(now)
        self.outstation.clock_set(seconds, now)
        self.handler.clock_set(seconds)
        self.energy.clock_set(seconds)

    def touch(self, now: Instant) -> None:
        """The time that status points get which follow from a command."""
        self._now = now


def _authentication(settings: StationSettings, users: UserRegister) -> dict[int, OutstationAuthentication]:
    """The authentication of each master that is challenged; they share the users, not the session keys."""
    secure = settings.authentication
    if secure is None:
        return {}
    return {
        master.address: OutstationAuthentication(replace(secure.settings, association=number), users)
        for number, master in enumerate(settings.masters)
        if not secure.masters or master.name in secure.masters
    }


def _association(master: MasterEntry) -> AssociationSettings:
    return AssociationSettings(
        master.address,
        name=master.name,
        unsolicited=master.unsolicited,
        confirm_timeout=master.confirm_timeout_s,
        select_timeout=master.select_timeout_s,
        max_tx_fragment=master.max_fragment,
        max_controls=master.max_controls,
        event_capacity=master.event_capacity,
        drop_oldest=master.drop_oldest,
        need_time=master.need_time,
        time_sync_interval=master.time_sync_interval_s,
        time_policy=TimePolicy.REPORT_ONLY,
    )
