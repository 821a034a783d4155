"""Set-points for VENs below our VTN: published as events, answered by optIn and optOut.

Owns which event tells which device what. An event is made anew when the value changes (the old one is cancelled in the
same transaction), and only made longer when it is the time alone. One whose VEN opted out of it stands as long as a
control that it carries does: the VEN may opt in again (a VTN takes later opts). Does not own sessions, nor who is a
member.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace

from gridiface.domain.changes import Change as LedgerChange
from gridiface.domain.changes import DeleteDocument, PutDocument
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Delivery, DeliveryOutcome, Outcome, OutcomeKind, Setpoint
from gridiface.errors import RefusedControl, StoreUnavailable
from gridiface.northbound.openadr.committer import Committer, News
from gridiface.northbound.openadr.translate.fleet import Claims, event_for
from gridiface.northbound.openadr.vtn.fleet_members import FleetMembers, Member
from gridiface.northbound.openadr.vtn.fleet_opts import FleetOpts
from gridiface.northbound.openadr.vtn.fleet_told import Told, answer_of, delivery_of, end_of, ends, says, steps
from gridiface.protocols.openadr.changes import Change
from gridiface.protocols.openadr.events import COMPLETED, Event
from gridiface.protocols.openadr.vtn import Vtn
from gridiface.protocols.openadr.vtn.notices import (
    EventAnswered,
    EventStatusChanged,
    Notice,
    OptChanged,
    VenCancelled,
    VenRegistered,
)

_PREFIX = "fleet/"
#: Ends that differ by less are the same, s.
_SAME_END_S = 1.0
#: A VEN that opted in again and is told nothing for so long is not needed: its event ends, s.
_NOT_NEEDED_S = 10.0
#: Of controls that are over and stand behind no event, how many are remembered.
_ENDED_KEPT = 1_000
_OVER = frozenset({OutcomeKind.COMPLETED, OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED, OutcomeKind.FAILED})


class FleetChannel:
    """A DeviceChannel over the events of a VTN.

    Args:
        vtn: the core.
        members: which device is which VEN.
        committer: makes the core's changes durable.
        space: of the documents.
        clock: what is now.
        new_id: makes an eventID never used before.
        wake: something is to be pushed.
    """

    def __init__(
        self,
        vtn: Vtn,
        members: FleetMembers,
        committer: Committer,
        *,
        space: str,
        clock: Clock,
        new_id: Callable[[], str],
        wake: Callable[[], None],
    ) -> None:
        self._vtn = vtn
        self._members = members
        self._committer = committer
        self._space = space
        self._clock = clock
        self._new_id = new_id
        self._wake = wake
        self._told: dict[str, Told] = {}
        #: Controls that are over, the oldest first.
        self._ended: dict[str, None] = {}
        #: Events whose VEN opted in again, and when: what it is to do is still to be told.
        self._back: dict[str, Instant] = {}
        self.opts = FleetOpts(vtn, members, committer, space, lambda name, now: self._current(name, now)[0])

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart; the VTN's documents were loaded before."""
        for key, body in documents.items():
            if key.startswith(_PREFIX):
                self._told[key.removeprefix(_PREFIX)] = Told(**json.loads(body))
        self.opts.load(documents)

    async def resume(self, now: Instant) -> None:
        """After `load`: who was out is out, also where the last run ended between a VEN's word and what follows it.

        Raises:
            StoreUnavailable: the state cannot be written.
        """
        for told in list(self._told.values()):
            await self._heed(told.device_id, now)
        for name in self._members.names():
            await self.opts.review(name, now)

    # -- DeviceChannel ---------------------------------------------------------------------------------------------

    def serves(self, device_id: str) -> bool:
        """See domain.channels.DeviceChannel.serves."""
        return self._members.get(device_id) is not None and self._members.reachable(device_id)

    async def apply(self, setpoints: Sequence[Setpoint], *, deadline: Instant) -> Sequence[Delivery]:
        """Publish the set-points, all in one transaction; what the VENs say comes later."""
        now = self._clock.now()
        before = {event_id: replace(told) for event_id, told in self._told.items()}
        changes: list[Change] = []
        standing: list[Outcome] = []
        answers = [self._plan(setpoint, now, changes, standing) for setpoint in setpoints]
        news = News(outcomes=standing)
        try:
            await self._committer.save(changes, self._documents(before), lambda: self._restore(before), news=news)
        except StoreUnavailable as problem:
            lost = {DeliveryOutcome.PUBLISHED: DeliveryOutcome.REJECTED}
            return [replace(a, outcome=lost.get(a.outcome, a.outcome), detail=str(problem)) for a in answers]
        self._wake()
        return answers

    def _plan(self, setpoint: Setpoint, now: Instant, changes: list[Change], standing: list[Outcome]) -> Delivery:
        member = self._members.get(setpoint.device_id)
        if member is None or not self.serves(setpoint.device_id):
            return delivery_of(setpoint, DeliveryOutcome.REJECTED, now, "its VEN is not registered")
        event_id, told = self._current(setpoint.device_id, now)
        try:
            if setpoint.release:
                if told is None:
                    return delivery_of(setpoint, DeliveryOutcome.UNCHANGED, now)
                if self._vtn.said(member.ven_id, event_id, member.settings.resource or None) == "optOut":
                    self._told[event_id] = replace(told, left=True)
                    return delivery_of(setpoint, DeliveryOutcome.UNCHANGED, now, "its VEN opted out")
                self._end(event_id, now, changes)
                return delivery_of(setpoint, DeliveryOutcome.PUBLISHED, now)
            return self._tell(setpoint, member, event_id, told, now, changes, standing)
        except (RefusedControl, ValueError) as problem:
            return delivery_of(setpoint, DeliveryOutcome.REJECTED, now, str(problem))

    def _tell(
        self,
        setpoint: Setpoint,
        member: Member,
        event_id: str,
        told: Told | None,
        now: Instant,
        changes: list[Change],
        standing: list[Outcome],
    ) -> Delivery:
        start = float(int(now))
        length = None if setpoint.valid_until is None else max(1, math.ceil(setpoint.valid_until - start))
        claims = self._claims(member, told)
        event = event_for(setpoint, claims, self._new_id(), start, duration=length or 0)
        if event is None and setpoint.let_go and told is not None:
            self._end(event_id, now, changes)  # what is left of it has no signal, what it was told is over
            return delivery_of(setpoint, DeliveryOutcome.PUBLISHED, now)
        if event is None:
            return delivery_of(setpoint, DeliveryOutcome.REJECTED, now, "the VEN understands no signal for it")
        until = None if length is None else start + length
        record = self._vtn.events.get(event_id)
        # A VEN that refused an event is asked anew, by another one.
        word = self._vtn.said(member.ven_id, event_id, member.settings.resource or None)
        if told is not None and record is not None and word != "optOut" and says(record.event) == says(event):
            # The VEN's word on the event is from now on its word on this set-point.
            fresh = replace(told, controls=[name for name in setpoint.control_ids if name not in told.controls])
            told.controls, told.watts, told.issued = list(setpoint.control_ids), setpoint.active_power_w, now
            told.left = False
            self._back.pop(event_id, None)
            if told.until is None or (until is not None and until <= told.until + _SAME_END_S):
                if word == "optIn":  # it was given before these controls came, and is not given again
                    standing += steps(fresh, (OutcomeKind.RECEIVED, OutcomeKind.STARTED), now, "")
                return delivery_of(setpoint, DeliveryOutcome.UNCHANGED, now)
            self._lengthen(event_id, record.event, until, now, changes)
            told.until = until
            return delivery_of(setpoint, DeliveryOutcome.PUBLISHED, now)
        changes += self._vtn.create_event(event, [member.ven_id], now, drawn=True).changes
        if told is not None:
            self._end(event_id, now, changes)
        self._told[event.id] = Told(
            device_id=setpoint.device_id,
            controls=list(setpoint.control_ids),
            watts=setpoint.active_power_w,
            until=until,
            issued=now,
            baseline_w=claims.baseline_w,
        )
        return delivery_of(setpoint, DeliveryOutcome.PUBLISHED, now)

    def _claims(self, member: Member, told: Told | None) -> Claims:
        settings = member.settings
        baseline = settings.baseline_w
        if baseline is None and told is not None:
            baseline = told.baseline_w
        seen = self._members.latest(settings.device_id)
        if baseline is None and seen is not None and seen.w is not None:
            baseline = max(0.0, -seen.w)
        return Claims(
            signals=settings.signals,
            market_context=settings.market_context,
            resource=settings.resource,
            baseline_w=baseline,
            rated_load_w=settings.rated_load_w or None,
            levels=settings.levels,
            offsets=settings.offsets,
            setpoint_scale=settings.setpoint_scale,
            stored_wh=None if seen is None else seen.available_wh,
            capacity_wh=settings.capacity_wh,
            generation_positive=settings.generation_positive,
        )

    def _lengthen(
        self, event_id: str, event: Event, until: Instant | None, now: Instant, changes: list[Change]
    ) -> None:
        length = 0 if until is None else int(until - event.dtstart)
        signals = tuple(replace(signal, durations=(length,)) for signal in event.signals)
        changes += self._vtn.modify_event(event_id, now, duration=length, signals=signals).changes

    def _end(self, event_id: str, now: Instant, changes: list[Change]) -> None:
        changes += self._vtn.cancel_event(event_id, now, reason="released").changes
        self._told[event_id] = replace(self._told[event_id], current=False, left=False)
        self._back.pop(event_id, None)

    def _stands(self, told: Told) -> bool:
        return not told.controls or any(control not in self._ended for control in told.controls)

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome: what waits for its VEN's opt-in ends with its control."""
        if outcome.device_id is not None or outcome.kind not in _OVER:
            return
        self._ended[outcome.control_id] = None
        if len(self._ended) > _ENDED_KEPT:
            carried = {control for told in self._told.values() for control in told.controls}
            for control in [name for name in self._ended if name not in carried][:-_ENDED_KEPT]:
                del self._ended[control]
        if any(told.left and outcome.control_id in told.controls for told in self._told.values()):
            self._wake()

    # -- what VENs say ---------------------------------------------------------------------------------------------

    def tells(self, event_id: str) -> bool:
        """Whether this event tells a device something."""
        return event_id in self._told

    def said(self, notices: Iterable[Notice], now: Instant) -> tuple[News, list[LedgerChange], Callable[[], None]]:
        """What these notices mean for set-points and their controls, for the transaction of the notices themselves.

        Returns:
            What is to be recorded, changes of our own documents, and how to take it back where nothing was written.
        """
        news, before, changes = list[News](), dict[str, Told](), list[LedgerChange]()
        for notice in notices:
            if not isinstance(notice, EventAnswered | EventStatusChanged):
                continue
            told = self._told.get(notice.eventID)
            if told is None:
                continue
            why = end_of(notice)
            if isinstance(notice, EventAnswered) and not notice.cancelled:
                news.append(answer_of(told, notice, now))
            elif why and told.until is not None and told.until > now:
                # It is carried out to its end, and only then over.
                before.setdefault(notice.eventID, told)
                self._told[notice.eventID] = replace(told, goes_on=why)
                changes.append(self._document(notice.eventID))
            elif isinstance(notice, EventAnswered) or notice.status == COMPLETED:
                news.append(News(outcomes=steps(told, (OutcomeKind.COMPLETED,), now, why)))
                before.setdefault(notice.eventID, self._told.pop(notice.eventID))
                changes.append(DeleteDocument(self._space, _PREFIX + notice.eventID))
        return News.of(news), changes, lambda: self._told.update(before)

    async def note(self, notice: Notice, now: Instant) -> None:
        """What follows from a VEN's word, which is recorded by now, for its capacity.

        Raises:
            StoreUnavailable: it was not taken in; the VEN will say it again.
        """
        match notice:
            case EventAnswered(cancelled=False):
                told = self._told.get(notice.eventID)
                if told is not None and notice.opt == "optIn":
                    await self._in_again(notice.eventID, told, now)
                elif told is not None:
                    self._back.pop(notice.eventID, None)
                    await self.opts.out_of_event(told.device_id, told.until, now, now)
            case OptChanged():
                await self._opted(notice, now)
            case VenCancelled() | VenRegistered(again=False):
                # Its opts went with its old registration.
                for member in self._members.of_ven(notice.venID):
                    await self.opts.in_again(member.settings.device_id, now)
            case _:
                return

    async def _opted(self, notice: OptChanged, now: Instant) -> None:
        """An opt of resources or a schedule: whoever is out now has no capacity."""
        for member in self._members.of_ven(notice.venID):
            if notice.eventID is not None:
                await self._heed(member.settings.device_id, now)
            await self.opts.review(member.settings.device_id, now)

    async def _heed(self, device_id: str, now: Instant) -> None:
        """What a VEN said of the event that tells this device something."""
        member = self._members.get(device_id)
        event_id, told = self._current(device_id, now)
        if member is None or told is None:
            return
        word = self._vtn.said(member.ven_id, event_id, member.settings.resource or None)
        delivery = self._vtn.delivery(member.ven_id, event_id)
        if word == "optOut" and delivery is not None:
            self._back.pop(event_id, None)
            await self.opts.out_of_event(device_id, told.until, delivery.opted_at, now)
        elif word == "optIn":
            await self._in_again(event_id, told, now)

    async def _in_again(self, event_id: str, told: Told, now: Instant) -> None:
        if told.left:
            self._back.setdefault(event_id, now)
            self._wake()
        await self.opts.in_again(told.device_id, now)

    async def handle_timer(self, now: Instant) -> None:
        """Whoever opted out for a time that is over takes part again, unless a schedule says otherwise.

        Events that their VEN could not end are over at their end. Those that the VTN has forgotten without a last word
        of their VEN are forgotten here, too. Events that wait for their VEN's opt-in end with what they carried, and
        the opt-out with them; and where nobody needed the VEN that opted in again.
        """
        await self._end_left(now)
        over = {event_id: told for event_id, told in self._told.items() if told.goes_on and ends(told) <= now}
        gone = [event_id for event_id in self._told if event_id not in self._vtn.events or event_id in over]
        if gone:
            outcomes = [
                step for told in over.values() for step in steps(told, (OutcomeKind.COMPLETED,), now, told.goes_on)
            ]
            documents = [DeleteDocument(self._space, _PREFIX + event_id) for event_id in gone]
            await self._committer.save((), documents, news=News(outcomes=outcomes))
            for event_id in gone:
                self._told.pop(event_id, None)
        await self.opts.handle_timer(now)

    def next_timer(self) -> Instant:
        """When `handle_timer` has something to do; infinity when never."""
        back = (since + _NOT_NEEDED_S for since in self._back.values())
        return min([self.opts.next_timer(), *back, *(ends(told) for told in self._told.values() if told.goes_on)])

    def _waits(self, event_id: str) -> bool:
        told = self._told.get(event_id)
        return told is not None and told.left

    async def _end_left(self, now: Instant) -> None:
        self._back = {event_id: at for event_id, at in self._back.items() if self._waits(event_id)}
        left = [
            event_id
            for event_id, told in self._told.items()
            if told.left
            and ends(told) > now
            and event_id in self._vtn.events
            and (not self._stands(told) or self._back.get(event_id, now) + _NOT_NEEDED_S <= now)
        ]
        for told in [self._told[event_id] for event_id in left]:
            await self.opts.in_again(told.device_id, now)
        left = [event_id for event_id in left if self._waits(event_id)]
        before = {event_id: replace(told) for event_id, told in self._told.items()} if left else {}
        changes: list[Change] = []
        for event_id in left:
            self._end(event_id, now, changes)
        if left:
            await self._committer.save(changes, self._documents(before), lambda: self._restore(before))

    # -- inside ----------------------------------------------------------------------------------------------------

    def _current(self, device_id: str, now: Instant) -> tuple[str, Told | None]:
        for event_id, told in self._told.items():
            over = told.until is not None and told.until <= now
            if told.device_id == device_id and told.current and not over and event_id in self._vtn.events:
                return event_id, told
        return "", None

    def _document(self, event_id: str) -> LedgerChange:
        return PutDocument(self._space, _PREFIX + event_id, json.dumps(asdict(self._told[event_id])).encode())

    def _documents(self, before: Mapping[str, Told]) -> list[LedgerChange]:
        return [self._document(event_id) for event_id, told in self._told.items() if before.get(event_id) != told]

    def _restore(self, before: dict[str, Told]) -> None:
        self._told = before
