"""From documents back to the served state: the same documents give the same resources.

Reads every space once, in the order in which resources stand on each other; nothing is written here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from gridiface.domain.ports import Ledger
from gridiface.errors import LocalProtocolError
from gridiface.northbound.sep2.handlers.device_info import place_log_event
from gridiface.northbound.sep2.members.membership import Membership
from gridiface.northbound.sep2.members.metering import Meter, Metering, Mirror, StoredSet
from gridiface.northbound.sep2.members.operating import Operating
from gridiface.northbound.sep2.programs.curves import place_curve
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.documents import Record
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Audience, Item
from gridiface.northbound.sep2.served.records import program_from, record_from
from gridiface.northbound.sep2.served.response_log import ResponseLog, set_name
from gridiface.northbound.sep2.served.services import Services
from gridiface.northbound.sep2.served.state_records import EndDeviceRecord, EventRecord, Program
from gridiface.northbound.sep2.subscriptions.subscriber import Subscriber
from gridiface.northbound.sep2.subscriptions.subscriptions import Subscriptions
from gridiface.protocols.sep2.resources import (
    DefaultDERControl,
    DERControl,
    DERCurve,
    LogEvent,
    MirrorMeterReading,
    MirrorReadingSet,
    MirrorUsagePoint,
    Resource,
    Response,
    Subscription,
)

_log = logging.getLogger("gridiface.sep2")


class Loader:
    """Fills the state from the ledger."""

    def __init__(
        self,
        services: Services,
        membership: Membership,
        metering: Metering,
        responses: ResponseLog,
        subscriptions: Subscriptions,
        place_node: Callable[[Program], None],
        place_added: Callable[[Program], None],
        operating: Operating,
        more: Mapping[str, Callable[[Record], None]],
    ) -> None:
        self._s = services
        self._membership = membership
        self._metering = metering
        self._responses = responses
        self._subscriptions = subscriptions
        self._place_node = place_node
        self._place_added = place_added
        #: What the receivers of notifications know.
        self.told: list[Record] = []
        self._programs: dict[int, Program] = {}
        self._steps: Mapping[str, Callable[[Record], None]] = {
            documents.COUNTERS: self._counter,
            documents.DISABLED: lambda record: operating.load(documents.DISABLED, record),
            documents.RATES: lambda record: operating.load(documents.RATES, record),
            documents.PROGRAMS: self._program,
            documents.END_DEVICES: self._end_device,
            documents.ASSIGNMENTS: more[documents.ASSIGNMENTS],
            documents.DEVICE_INFO: self._device_info,
            documents.LOG_EVENTS: self._log_event,
            documents.CURVES: self._curve,
            documents.DEFAULTS: self._default,
            documents.CONTROLS: self._control,
            **more,
            documents.LEFT: self._s.state.leavers.load,
            documents.RESPONSES: self._response,
            documents.MIRRORS: self._mirror,
            documents.METER_READINGS: self._meter_reading,
            documents.READING_SETS: self._reading_set,
            documents.SUBSCRIPTIONS: self._subscription,
            documents.TOLD: self.told.append,
        }

    async def load(self) -> None:
        """Read everything. A record that cannot be read is logged and left where it is."""
        for space, step in self._steps.items():
            for document in sorted(await self._ledger.documents(space), key=lambda d: _natural(d.key)):
                try:
                    step(documents.open_record(document))
                except LocalProtocolError as problem:
                    _log.error("%s", problem)
            if space == documents.END_DEVICES:
                for program in self._programs.values():
                    if program.node:
                        self._place_node(program)
            elif space == documents.ASSIGNMENTS:
                for program in self._programs.values():
                    if program.assignment:
                        self._place_added(program)

    @property
    def _ledger(self) -> Ledger:
        return self._s.ledger

    def _counter(self, record: Record) -> None:
        self._s.state.counters.load(record.key, int(record.head["reserved"]))

    def _program(self, record: Record) -> None:
        program = program_from(record.head)
        self._programs[program.number] = program
        self._s.state.counters.saw("derp", program.number)

    def _end_device(self, record: Record) -> None:
        found = record_from(record.head)
        found.managed = bool(self._s.state.managers_of(found))
        self._s.state.counters.saw("edev", found.number)
        self._membership.place(found, self._programs.get(found.program or 0))

    def _device_info(self, record: Record) -> None:
        item = self._s.tree.item(record.key)
        if item is None or item.live is not None:
            return
        cls: type[Resource] = item.kind.cls  # type: ignore[assignment]  # every kind's class is a Resource
        item.stated = True
        self._s.tree.set(item, record.resource(cls))

    def _log_event(self, record: Record) -> None:
        owner = self._owner(record.key)
        if owner is not None:
            place_log_event(self._s, owner, record.key, record.resource(LogEvent))
            self._s.state.counters.saw(f"lel/{owner.number}", _number(record.key))

    def _owner(self, path: str) -> EndDeviceRecord | None:
        return self._s.state.end_devices.get(int(path.split("/")[2]))

    def _program_at(self, path: str) -> Program | None:
        return self._s.state.programs.get(int(path.split("/")[2]))

    def _curve(self, record: Record) -> None:
        program = self._program_at(record.key)
        if program is not None:
            place_curve(self._s, program, record.key, record.resource(DERCurve))
            self._s.state.counters.saw("dc", _number(record.key))

    def _default(self, record: Record) -> None:
        program, item = self._program_at(record.key), self._s.tree.item(record.key)
        if program is not None and item is not None:
            program.default_control = record.head.get("control")
            program.entering = dict(record.head.get("entering", {}))
            self._s.tree.set(item, record.resource(DefaultDERControl))

    def _control(self, record: Record) -> None:
        program = self._program_at(record.key)
        if program is None:
            return
        event = record.resource(DERControl)
        item = Item(record.key, kind("/derp/{id1}/derc/{id2}"), program.audience, event, data=program)
        found = EventRecord(
            item=item,
            program=program.number,
            control_id=record.head["control"],
            parents=tuple(record.head["parents"]),
            identity=record.head["by"],
            posted=record.head["posted"],
            received=record.head.get("received", 0),
            node=program.node,
            per_device=tuple(record.head.get("devices", ())),
            over=record.head.get("over", False),
        )
        self._s.tree.add(item, f"{program.path}/derc")
        self._s.state.add_event(found)
        self._s.state.counters.saw(f"derc/{program.number}", _number(record.key))

    def _response(self, record: Record) -> None:
        listing = self._s.tree.listing(record.key.rpartition("/")[0])
        if listing is not None:
            self._responses.place(listing.data, record.resource(Response))
            self._s.state.counters.saw(f"rsp/{set_name(listing.path)}", _number(record.key))

    def _mirror(self, record: Record) -> None:
        shown = record.resource(MirrorUsagePoint)
        mirror = Mirror(record.head["number"], record.head["poster"], shown.deviceLFDI, shown.mRID)
        self._metering.place(mirror, shown)
        self._s.state.counters.saw("mup", mirror.number)

    def _meter_reading(self, record: Record) -> None:
        mirror = self._metering.mirrors.get(int(record.key.split("/")[2]))
        if mirror is not None:
            facts = record.resource(MirrorMeterReading)
            meter = mirror.meters[facts.mRID] = Meter(_number(record.key), facts)
            mirror.next_meter = max(mirror.next_meter, meter.number + 1)
            self._metering.show_meter(mirror, meter)

    def _reading_set(self, record: Record) -> None:
        parts = record.key.split("/")
        mirror = self._metering.mirrors.get(int(parts[2]))
        if mirror is None:
            return
        meter = next((m for m in mirror.meters.values() if m.number == int(parts[4])), None)
        if meter is not None:
            stored = record.resource(MirrorReadingSet)
            number = _number(record.key)
            meter.sets[stored.mRID] = StoredSet(number, stored.timePeriod.start, record.xml)
            mirror.next_set = max(mirror.next_set, number + 1)

    def _subscription(self, record: Record) -> None:
        owner = self._owner(record.key)
        if owner is None or self._s.tree.listing(f"{owner.path}/sub") is None:
            return
        item = self.subscription_item(record.key, record.resource(Subscription))
        item.data = owner
        self._s.tree.add(item, f"{owner.path}/sub")
        self._s.state.counters.saw(f"sub/{owner.number}", _number(record.key))
        head = record.head
        self._metering.expand(head["resource"])
        self._subscriptions.add(Subscriber(item=item, resource=head["resource"], by=head["by"], base=head["base"]))

    def subscription_item(self, path: str, wish: Subscription) -> Item:
        """The resource of a stored subscription."""
        owner = self._owner(path)
        audience = owner.audience if owner is not None else Audience()
        return Item(path, kind("/edev/{id1}/sub/{id2}"), audience, wish)


def _number(path: str) -> int:
    return int(path.rpartition("/")[2])


def _natural(key: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in key.split("/")]
