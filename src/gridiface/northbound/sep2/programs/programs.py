"""POST, PUT and DELETE of DERControls by the utility.

A control becomes a Control of the program's target in one transaction with its resource. A published event is never
changed but for its status; a removal is no cancellation, so what devices fetch by themselves is cancelled first.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from gridiface.domain.changes import Change
from gridiface.domain.clock import Instant
from gridiface.domain.controls import Control, Verdict
from gridiface.errors import RemoteProtocolError
from gridiface.northbound.sep2 import csip_aus
from gridiface.northbound.sep2.programs.asking import Asking
from gridiface.northbound.sep2.programs.curves import Curves
from gridiface.northbound.sep2.programs.defaults import Defaults
from gridiface.northbound.sep2.programs.node_controls import MakeControl, NodeControls
from gridiface.northbound.sep2.programs.on_behalf import OnBehalf
from gridiface.northbound.sep2.published.preparing import same_event
from gridiface.northbound.sep2.served import documents
from gridiface.northbound.sep2.served.access import require_utility
from gridiface.northbound.sep2.served.event_clock import event_document, is_live
from gridiface.northbound.sep2.served.kinds import kind
from gridiface.northbound.sep2.served.nodes import Item
from gridiface.northbound.sep2.served.services import (
    Call,
    Services,
    bad_value,
    item_of,
    limit_reached,
    named,
    program_of,
    still_there,
)
from gridiface.northbound.sep2.served.state_records import EventRecord, Program
from gridiface.northbound.sep2.translate.controls import (
    control_id,
    event_to_control,
)
from gridiface.protocols.sep2.enums import EventStatusCode
from gridiface.protocols.sep2.exchange import Reply, changed, created
from gridiface.protocols.sep2.resources import DERControl, EventStatus

_STARTING = frozenset({EventStatusCode.SCHEDULED, EventStatusCode.ACTIVE})
_CANCELS = frozenset({EventStatusCode.CANCELLED, EventStatusCode.CANCELLED_WITH_RANDOMIZATION})


class Programs:
    """Writes of the utility below /derp."""

    def __init__(self, services: Services, on_behalf: OnBehalf, curves: Curves) -> None:
        self._s = services
        self._on_behalf = on_behalf
        self._curves = curves
        self._asking = Asking(services)
        self._node = NodeControls(services)
        self.defaults = Defaults(services, self._asking, curves, self._node)
        #: Told when a control was posted to, cancelled in or taken out of a program, before the utility is answered.
        self.on_posted: Callable[[Program, Instant], Awaitable[None]] = _nobody
        #: Told when a device came below a node.
        self.on_came: Callable[[Program, Instant, Sequence[str]], Awaitable[None]] = _nobody

    # --- DERControl -----------------------------------------------------------------------------------------------

    async def post_control(self, call: Call) -> Reply:
        """Take a control: ask the engine, store both, publish.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program = program_of(call.node)
        event = call.read(DERControl, self._s)
        async with self._s.locks.hold(program.path):
            still_there(self._s, call.node)
            known = self._s.state.events.get(event.mRID)
            if known is not None:
                return _repeated(known, program, event)
            self._check_new(program, event)
            number, changes = self._s.state.counters.take(f"derc/{program.number}")
            path = f"{program.path}/derc/{number}"
            posted = event.creationTime
            event = self.prepared(event, program, call.second)
            event.href = path
            scope, curve = self._asking.scope(program), self._curves.of(program)
            if program.node:
                await self._post_to_node(program, event, call, changes, posted)
                return created(path)
            control = event_to_control(event, scope, call.caller.lfdi, curve)
            record = self.make_record(event, program, control_id=control.id, identity=call.caller.lfdi, posted=posted)
            along = [*changes, event_document(record)]
            with self._s.state.posting(record):
                acceptance = await self._asking.submit(control, call.now, along)
                self.publish(record, call.now)
            if acceptance.verdict is Verdict.SUPERSEDED:
                self._on_behalf.superseded(record, call.now)
            await self.on_posted(program, call.now)
        return created(path)

    async def _post_to_node(
        self, program: Program, event: DERControl, call: Call, changes: Sequence[Change], posted: int
    ) -> None:
        """A control of every device below a node, as it is."""
        make = self._maker(program, event, call.caller.lfdi)
        members = self._node.members(program)
        controls = self._node.takers(program, make, members, call.now, event.deviceCategory or 0)
        record = self.make_record(
            event, program, control_id=control_id(event.mRID), identity=call.caller.lfdi, posted=posted
        )
        record.per_device = tuple(control.target.id for control in controls)
        with self._s.state.posting(record):
            await self._node.submit(controls, call.now, [*changes, event_document(record)])
            self.publish(record, call.now)
        await self.on_posted(program, call.now)

    def _maker(self, program: Program, event: DERControl, identity: str) -> MakeControl:
        curve = self._curves.of(program)
        return lambda scope: event_to_control(event, scope, identity, curve)

    async def members_changed(self, program: Program, now: Instant) -> None:
        """Other devices are below a node: its live controls and its default concern these now.

        Raises:
            StoreUnavailable: not all was changed.
        """
        members = self._node.members(program)
        for record in self._live(program, now):
            known, here = frozenset(record.per_device), frozenset(members)
            new = [device_id for device_id in members if device_id not in known]
            await self._follow(program, record, new, [d for d in record.per_device if d not in here], now)
        await self.defaults.members_changed(program, members, now)
        await self.on_posted(program, now)

    async def member_came(self, program: Program, device_id: str, now: Instant) -> None:
        """One device more is below a node, or can more: its live controls and its default concern it, too.

        Raises:
            StoreUnavailable: not all was changed.
        """
        for record in self._live(program, now):
            if device_id not in record.per_device:
                await self._follow(program, record, [device_id], [], now)
        await self.defaults.members_changed(program, [device_id], now)
        await self.on_came(program, now, [device_id])

    async def member_left(self, program: Program, device_id: str, now: Instant) -> None:
        """One device is not below a node any more: its live controls do not concern it.

        Raises:
            StoreUnavailable: not all was changed.
        """
        for record in self._live(program, now):
            if device_id in record.per_device:
                await self._follow(program, record, [], [device_id], now)

    @staticmethod
    def _live(program: Program, now: Instant) -> list[EventRecord]:
        return [r for r in program.events.values() if is_live(r, int(now)) and r.control_id is not None]

    async def _follow(
        self, program: Program, record: EventRecord, new: Sequence[str], gone: Sequence[str], now: Instant
    ) -> None:
        make, category = self._maker(program, record.item.obj, record.identity), record.item.obj.deviceCategory or 0
        controls = [c for device_id in new for c in self._taker(program, make, device_id, now, category)]
        if not controls and not gone:
            return
        await self.withdraw(record, gone, now)
        kept = tuple(device_id for device_id in record.per_device if device_id not in gone)
        after = replace(record, per_device=(*kept, *(control.target.id for control in controls)))
        with self._s.state.posting(after):
            await self._node.submit(controls, now, [event_document(after)])
            record.per_device = after.per_device
            self._s.state.index_controls(record)

    def _taker(self, program: Program, make: MakeControl, device_id: str, now: Instant, category: int) -> list[Control]:
        """The control of one device that came later; nobody waits for its refusal."""
        try:
            return self._node.takers(program, make, [device_id], now, category)
        except RemoteProtocolError:
            return []

    async def withdraw(self, record: EventRecord, devices: Sequence[str], now: Instant) -> None:
        """Cancel a node's control for some of its devices.

        Raises:
            StoreUnavailable: not all were cancelled.
        """
        if record.control_id is not None:
            await self._node.cancel(record.control_id, devices, now, "no longer below the node")

    def _check_new(self, program: Program, event: DERControl) -> None:
        if len(program.events) >= self._s.settings.limits.events_per_program:
            raise limit_reached("control")
        if event.eventStatus.currentStatus not in _STARTING:
            raise bad_value("a new control is scheduled or active")
        named(event.mRID, "a control")
        csip_aus.check(event.derControlBase, self._s.settings.csip_aus)

    def prepared(self, event: DERControl, program: Program, second: int) -> DERControl:
        """An event as it will be served: our clock, our reply address, its status now."""
        status = EventStatusCode.ACTIVE if event.interval.start <= second else EventStatusCode.SCHEDULED
        return replace(
            event,
            subscribable=None,
            replyTo=program.responses if event.responseRequired else None,
            version=0 if event.version is None else event.version,
            creationTime=min(event.creationTime, second),
            eventStatus=EventStatus(currentStatus=int(status), dateTime=second, potentiallySuperseded=False),
        )

    def make_record(
        self,
        event: DERControl,
        program: Program,
        *,
        control_id: str | None = None,
        parents: tuple[str, ...] = (),
        identity: str = "",
        posted: int = 0,
    ) -> EventRecord:
        """The record of an event that has its href; not shown yet."""
        item = Item(event.href or "", kind("/derp/{id1}/derc/{id2}"), program.audience, event, data=program)
        return EventRecord(
            item=item,
            program=program.number,
            control_id=control_id,
            parents=parents,
            identity=identity,
            posted=posted or event.creationTime,
            received=event.eventStatus.dateTime,
            node=program.node,
        )

    def publish(self, record: EventRecord, now: Instant) -> None:
        """Show an event that is durable, with the status it has now."""
        program = self._s.state.programs.get(record.program)
        if program is None:  # its device left while the event was made durable
            return
        self._s.state.add_event(record)
        self._s.tree.add(record.item, f"{program.path}/derc")
        self._s.events.refresh(program, now)
        self._s.counts.events_published += 1
        self._on_behalf.published(record)

    async def put_control(self, call: Call) -> Reply:
        """Cancel a control: EventStatus 2, or 3 where it is randomised; nothing else may change.

        Raises:
            RemoteProtocolError: 400, 403, 404, 409, 413, 415.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program, item = program_of(call.node), item_of(call.node)
        wanted = call.read(DERControl, self._s)
        async with self._s.locks.hold(program.path):
            still_there(self._s, item)
            record = program.events[item.obj.mRID]
            if not same_event(wanted, record):
                raise bad_value("a published control is never changed but for its status")
            status = wanted.eventStatus.currentStatus
            if status == item.obj.eventStatus.currentStatus:
                return changed()
            self._check_cancel(record, status, call.second)
            await self.cancel(record, EventStatusCode(status), call.now, wanted.eventStatus.reason)
        return changed()

    def _check_cancel(self, record: EventRecord, status: int, second: int) -> None:
        event = record.item.obj
        if record.server_made:
            raise RemoteProtocolError("this control is the server's own", answer=403)
        if status not in _CANCELS:
            raise bad_value("the status can only be set to cancelled")
        if status == EventStatusCode.CANCELLED_WITH_RANDOMIZATION and not (
            event.randomizeStart or event.randomizeDuration
        ):
            raise bad_value("only a randomised control can be cancelled with randomisation")
        if not is_live(record, second):
            raise RemoteProtocolError("the control is already over", answer=409)

    async def withdraw_control(
        self, record: EventRecord, now: Instant, reason: str, along: Sequence[Change] = ()
    ) -> bool:
        """Cancel a control from this side: devices and its sender see EventStatus 2. False where it is over.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        program = self._s.state.programs[record.program]
        async with self._s.locks.hold(program.path):
            still = program.events.get(record.item.obj.mRID)
            if still is None or still.server_made:
                return False
            if not is_live(still, int(now)):
                return False
            # String192 counts octets.
            said = reason.encode()[:192].decode("utf-8", "ignore")
            await self.cancel(still, EventStatusCode.CANCELLED, now, said, along)
        return True

    async def cancel(
        self,
        record: EventRecord,
        status: EventStatusCode,
        now: Instant,
        reason: str | None,
        along: Sequence[Change] = (),
    ) -> None:
        """Cancel an event and its control, durably, and keep it listed.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        before = record.item.obj
        after = replace(
            before,
            version=((before.version or 0) + 1) & 0xFFFF,
            eventStatus=EventStatus(
                currentStatus=int(status), dateTime=int(now), potentiallySuperseded=False, reason=reason
            ),
        )
        stored = event_document(
            replace(record, item=Item(record.item.path, record.item.kind, record.item.audience, after))
        )
        if record.node and record.control_id is not None:
            await self._s.ledger.commit([stored, *along])
            await self._node.cancel(record.control_id, record.per_device, now, reason or "")
        elif record.control_id is None or not await self._s.inbox.cancel(
            record.control_id, now, reason=reason or "", along=[stored, *along]
        ):
            await self._s.ledger.commit([stored, *along])
        self._s.tree.set(record.item, after)
        program = self._s.state.programs[record.program]
        self._s.events.refresh(program, now)
        await self.on_posted(program, now)

    async def delete_control(self, call: Call) -> Reply:
        """Take a control out of the list; a live one is cancelled with it, unless devices fetch it by themselves.

        Raises:
            RemoteProtocolError: 403, 404, 409.
            StoreUnavailable: nothing was changed.
        """
        require_utility(call.caller)
        program, item = program_of(call.node), item_of(call.node)
        async with self._s.locks.hold(program.path):
            still_there(self._s, item)
            record = program.events[item.obj.mRID]
            live = is_live(record, call.second)
            if live and (program.fetched or record.server_made):
                raise RemoteProtocolError("a live control is cancelled before it is removed", answer=409)
            change = documents.delete(documents.CONTROLS, item.path)
            cancelled = live and record.control_id is not None
            if not cancelled or not await self._s.inbox.cancel(
                record.control_id or "", call.now, reason="removed by the utility", along=[change]
            ):
                await self._s.ledger.commit([change])
            self._s.state.drop_event(record)
            self._s.tree.remove(item.path)
            self._s.events.refresh(program, call.now)
        return changed()

    async def cancel_all(self, program: Program, now: Instant, *, reason: str) -> int:
        """Cancel every live control that was posted to a program; returns how many.

        Raises:
            StoreUnavailable: not all were cancelled.
        """
        live = [r for r in program.events.values() if is_live(r, int(now)) and not r.server_made]
        for record in live:
            await self.cancel(record, EventStatusCode.CANCELLED, now, reason)
        return len(live)


async def _nobody(program: Program, now: Instant, devices: Sequence[str] = ()) -> None:
    """Nobody wants to know."""


def _repeated(known: EventRecord, program: Program, event: DERControl) -> Reply:
    """The answer to an mRID that is there already: the same control is taken once, another one is refused."""
    if known.program == program.number and same_event(event, known):
        return changed(known.item.path)
    raise RemoteProtocolError("the mRID belongs to another control", answer=409)
