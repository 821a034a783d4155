"""Events of a VTN as controls of the engine: what is to be done about each, durably.

Owns the order of the changes to their bindings (bindings.py). A step and what is left after it are stored in one
transaction with the control, and the first step of a message carries the core's documents too: whatever is torn down in
between, a control is neither lost nor made twice. What an event means is making.py's; the VEN's session, and any
answer, are not this file's either.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from gridiface.domain.changes import Change, DeleteDocument, PutDocument
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import OPTED_OUT, Outcome, OutcomeKind
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import RefusedControl, StoreUnavailable
from gridiface.northbound.openadr.translate.events import Program, concerns, informs, word_of
from gridiface.northbound.openadr.ven.bindings import Binding, Bindings
from gridiface.northbound.openadr.ven.making import Making
from gridiface.protocols.openadr.answers import Code, Refusal
from gridiface.protocols.openadr.events import Event
from gridiface.protocols.openadr.ven import KnownEvent, Ven, Verdict
from gridiface.protocols.openadr.ven.notices import EventCancelled, EventReceived, Notice

_log = logging.getLogger("gridiface.openadr")
_STANDING = "standing"
_OPT_OUT = "optOut"
_OPT_IN = "optIn"

#: Ends of a control that its sender did not ask for.
_LOST = frozenset({OutcomeKind.CANCELLED, OutcomeKind.SUPERSEDED, OutcomeKind.FAILED, OutcomeKind.REFUSED})


class EventBook:
    """The events of one VEN and their controls.

    Args:
        space: of the documents.
        programs: market context -> how it is translated; "" any other.
        clock, ledger, inbox, fleet: the ports of the rest of the house.
        ven: the core, once it is made.
    """

    def __init__(
        self,
        space: str,
        programs: Mapping[str, Program],
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        fleet: FleetView,
        ven: Callable[[], Ven],
    ) -> None:
        self._space = space
        self._clock = clock
        self._ledger = ledger
        self._inbox = inbox
        self._fleet = fleet
        self._ven = ven
        #: optIn or optOut: what every event that can be understood is answered from now on; "": the engine decides.
        self.standing = ""
        self._bindings = Bindings(space)
        self._making = Making(programs, fleet, ven)

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart."""
        self.standing = documents.get(_STANDING, b"").decode()
        self._bindings.load(documents)

    def controls_of(self, event_id: str) -> tuple[str, ...]:
        """The ids of the controls that an event has become."""
        binding = self._bindings.get(event_id)
        return tuple(binding.controls) if binding else ()

    # -- deciding --------------------------------------------------------------------------------------------------

    def always(self, opt: str) -> Change:
        """Answer every event that is understood with `opt`, "" as the engine decides; the change that keeps it.

        Events that are known keep their word until they are changed. What is opted in against the engine's word is
        handed in all the same, and its refusal changes no word.
        """
        self.standing = opt
        return PutDocument(self._space, _STANDING, opt.encode()) if opt else DeleteDocument(self._space, _STANDING)

    def judge(self, event: Event, previous: Event | None) -> Verdict:
        """Our word on an event, at once: the translation says whether we understand, the engine whether we can."""
        return self._judged(event, self.standing)

    def _judged(self, event: Event, standing: str = "") -> Verdict:
        try:
            named = self._making.meant(event, self._serial(event.id))
        except Refusal as refusal:
            return Verdict(_OPT_OUT, refusal.answer, refusal.reason)
        if standing:
            return Verdict(standing, int(Code.OK), "the operator's standing word")
        now = self._clock.now()
        answers = [self._inbox.preview(control, now) for control in named]
        word = word_of(answers)
        if word.opt == _OPT_OUT:
            # It is never handed in, and stands in the record of decisions all the same: once, not for each interval.
            self._inbox.preview(next(c for c, a in zip(named, answers, strict=True) if not a.will_run), now, noted=True)
        return word

    def note(self, notice: Notice, now: Instant) -> None:
        """Something happened at the core: what is to be done about it is done by `carry_out`."""
        if isinstance(notice, EventReceived):
            self._received(notice)
        elif isinstance(notice, EventCancelled):
            binding = self._bindings.get(notice.event.id)
            if binding is not None:
                binding.submit.clear()
                binding.cancel = list(dict.fromkeys([*binding.cancel, *binding.controls]))
                binding.controls.clear()
                binding.cancel_at, binding.why = notice.end if notice.end > now else None, ""
                self._bindings.touch(notice.event.id)

    def _received(self, notice: EventReceived) -> None:
        event, old = notice.event, self._bindings.get(notice.event.id)
        held = [] if old is None else [*old.cancel, *old.controls]
        binding = Binding(serial=self._serial(event.id), cancel=held)
        if notice.opt == _OPT_IN:
            made = self._making.made(event, binding.serial, notice.start - event.dtstart)
            # Of an event that runs already, what is over is over.
            binding.submit = [control.id for control in made if control.latest > self._clock.now()]
        else:
            binding.barred = self._refused_as_barred(event.id, binding.serial)
        self._bindings.put(event.id, binding)

    def _refused_as_barred(self, event_id: str, serial: int) -> bool:
        """Whether an event was opted out for no other reason than that nobody it concerns may be controlled now."""
        known = self._ven().events.get(event_id)
        if known is None or known.code != Code.OK or self.standing:
            return False
        aims = self._making.aims(known, serial)
        return bool(aims) and all(self._fleet.barred(target) for target in aims)

    def opt(self, event_id: str, opt: str, now: Instant, *, reason: str = "", resources: Sequence[str] = ()) -> None:
        """The operator's word on an event: it goes to the VTN, and the controls follow it with `carry_out`.

        Args:
            event_id: which.
            opt: optIn or optOut.
            now: the time.
            reason: for people.
            resources: only for these: told by oadrCreateOpt, and only controls of theirs follow; empty: all.

        Raises:
            RefusedControl: the event is not known, over or cancelled, must not be answered, or cannot be carried out.
        """
        known = self._ven().events.get(event_id)
        if known is None or known.event.last_end <= now or known.stop is not None:
            raise RefusedControl(f"there is no event {event_id} that could be opted")
        verdict = self._judged(known.event) if opt == _OPT_IN else Verdict(_OPT_OUT, int(Code.OK), reason)
        if verdict.opt != opt:
            raise RefusedControl(f"the event cannot be carried out: {verdict.description or verdict.code}")
        if resources:
            why = "participating" if opt == _OPT_IN else "notParticipating"
            self._ven().opt_resources(event_id, resources, opt, now, reason=why)
        else:
            self._ven().change_opt(event_id, verdict)
        self._follow(known, opt, resources, now, reason)

    def _follow(self, known: KnownEvent, opt: str, resources: Sequence[str], now: Instant, reason: str) -> None:
        event_id = known.event.id
        binding = self._bindings.get(event_id) or Binding(serial=self._serial(event_id))
        binding.barred = False
        running = [name for name in binding.controls if name not in binding.lost]
        if resources:
            targets = [
                t for name in resources if (t := self._making.program_of(known.event).resources.get(name)) is not None
            ]
            concerned = [name for name in running if concerns(name, targets)]
        else:
            concerned = running
        if opt == _OPT_OUT:
            binding.cancel += concerned
            binding.why = f"{OPTED_OUT} by the operator: {reason}" if reason else f"{OPTED_OUT} by the operator"
            binding.controls = [name for name in binding.controls if name not in concerned]
            self._bindings.put(event_id, binding)
        elif not concerned:
            serial = self._serial(event_id)
            made = [control.id for control in self._making.made(known.event, serial, known.offset)]
            if resources:
                made = [name for name in made if concerns(name, targets)]
            self._bindings.put(event_id, Binding(serial=serial, controls=running, cancel=binding.cancel, submit=made))

    # -- doing -----------------------------------------------------------------------------------------------------

    async def carry_out(self, along: list[Change], now: Instant) -> None:
        """Do all that is due, each step durable before the next; `along` goes with the first and is then empty.

        New controls come before old ones go, so that a device is not let go between two versions of an event.

        Raises:
            StoreUnavailable: nothing is lost, call again.
        """
        self._forget_gone()
        for event_id, binding in self._bindings.items():
            while binding.submit:
                await self._submit(event_id, binding, along, now)
            self._making.handed_in(event_id)
            while binding.cancel and (binding.cancel_at is None or binding.cancel_at <= now):
                await self._cancel(event_id, binding, along, now)
            if not (binding.submit or binding.cancel) and event_id not in self._ven().events:
                self._bindings.drop(event_id)
                self._making.forget(event_id)
        if along or self._bindings.changed:
            documents, held = self._bindings.take()
            try:
                await self._ledger.commit([*along, *documents])
            except StoreUnavailable:
                self._bindings.give_back(held)
                raise
            along.clear()

    def next_due(self) -> Instant:
        """When `carry_out` has something to do that waits for its time; infinity when never."""
        waiting = (binding.cancel_at for _, binding in self._bindings.items() if binding.cancel)
        return min((at for at in waiting if at is not None), default=math.inf)

    async def _submit(self, event_id: str, binding: Binding, along: list[Change], now: Instant) -> None:
        name = binding.submit.pop(0)
        control = self._making.one(event_id, binding.serial, name)
        if control is None:
            self._bindings.touch(event_id)
            return
        binding.controls.append(name)
        self._bindings.touch(event_id)
        documents, held = self._bindings.take()
        try:
            answer = await self._inbox.submit(control, now, along=[*along, *documents])
        except StoreUnavailable:
            self._bindings.give_back(held)
            binding.controls.remove(name)
            binding.submit.insert(0, name)
            raise
        if answer.will_run:
            along.clear()
            return
        self._bindings.give_back(held)
        # The preview said yes, and what happened since says no: the VTN hears of it (`on_outcome` does the rest).
        _log.warning("event %s: its control was refused after all: %s, %s", event_id, answer.verdict, answer.reason)
        binding.lost.append(name)
        self._bindings.touch(event_id)
        self._opt_out_if_lost(event_id, binding, word_of([answer]), now)

    async def _cancel(self, event_id: str, binding: Binding, along: list[Change], now: Instant) -> None:
        name = binding.cancel.pop(0)
        self._bindings.touch(event_id)
        documents, held = self._bindings.take()
        try:
            done = await self._inbox.cancel(name, now, reason=binding.why or "by the VTN", along=[*along, *documents])
        except StoreUnavailable:
            self._bindings.give_back(held)
            binding.cancel.insert(0, name)
            raise
        if done:
            along.clear()
        else:
            self._bindings.give_back(held)

    # -- what the engine says later --------------------------------------------------------------------------------

    def on_outcome(self, outcome: Outcome, now: Instant) -> bool:
        """An end that the VTN did not ask for changes our word, once; whether there is something to be sent."""
        event_id = self._bindings.event_of(outcome.control_id)
        binding = self._bindings.get(event_id) if event_id else None
        if event_id is None or binding is None or outcome.device_id is not None or outcome.kind not in _LOST:
            return False
        if outcome.control_id not in binding.controls or outcome.control_id in binding.lost:
            return False
        binding.lost.append(outcome.control_id)
        self._bindings.touch(event_id)
        reason = outcome.reason or outcome.kind.name.lower()
        return self._opt_out_if_lost(event_id, binding, Verdict(_OPT_OUT, int(Code.OK), reason), now)

    def _opt_out_if_lost(self, event_id: str, binding: Binding, word: Verdict, now: Instant) -> bool:
        acting = {name for name in binding.controls if not informs(name)} or set(binding.controls)
        left = acting.difference(binding.lost)
        if binding.submit or self.standing == _OPT_IN:
            return False
        known = self._ven().events.get(event_id)
        if known is None or known.opt != _OPT_IN or known.event.last_end <= now:
            return False
        if left and not left <= self._making.over(known, binding.serial, now):
            return False
        return self._say(event_id, replace(word, opt=_OPT_OUT))

    def _say(self, event_id: str, word: Verdict) -> bool:
        try:
            self._ven().change_opt(event_id, word)
        except RefusedControl as problem:
            _log.info("event %s: the VTN is not told: %s", event_id, problem)
            return False
        return True

    # -- what the fleet may do ---------------------------------------------------------------------------------------

    def look(self, now: Instant) -> None:
        """Events that nobody of ours may carry out any more are opted out, and in again when somebody may.

        Their controls stay in force, so that who is unblocked follows at once. One that came while nobody might is
        decided on anew.
        """
        for event_id, binding in self._bindings.items():
            known = self._ven().events.get(event_id)
            if known is None or known.stop is not None or known.event.last_end <= now or self.standing == _OPT_IN:
                continue
            if (
                not known.event.response_required
                or known.opt != (_OPT_OUT if binding.barred else _OPT_IN)
                or not (binding.controls or binding.barred)
            ):
                continue
            reasons = [self._fleet.barred(target) for target in self._making.aims(known, binding.serial)]
            if bool(reasons and all(reasons)) is binding.barred:
                continue
            if not binding.controls:
                self._decide_again(event_id, known, binding, now)
                continue
            if binding.barred and all(informs(name) for name in set(binding.controls).difference(binding.lost)):
                continue  # Nothing of it is in force any more: there is nothing to opt into.
            word = Verdict(_OPT_IN) if binding.barred else Verdict(_OPT_OUT, int(Code.OK), reasons[0])
            binding.barred = self._say(event_id, word) is not binding.barred
            self._bindings.touch(event_id)

    def _decide_again(self, event_id: str, known: KnownEvent, binding: Binding, now: Instant) -> None:
        serial, word = self._serial(event_id), self._judged(known.event, self.standing)
        submit = [one.id for one in self._making.made(known.event, serial, known.offset) if one.latest > now]
        # Where the engine cannot yet, it is asked again at the next look.
        if word.opt == _OPT_IN and submit and self._say(event_id, word):
            again = Binding(serial=serial, cancel=binding.cancel, cancel_at=binding.cancel_at, submit=submit)
            self._bindings.put(event_id, again)

    # -- inside ----------------------------------------------------------------------------------------------------

    def _serial(self, event_id: str) -> int:
        """Of the next version; restarts and refusals may leave gaps, and no number comes twice."""
        old = self._bindings.get(event_id)
        return max(int(self._clock.now() * 1000), old.serial + 1 if old is not None else 0)

    def _forget_gone(self) -> None:
        """Events that the core does not know any more: their controls go, too, unless they are over."""
        for event_id, binding in self._bindings.items():
            if event_id not in self._ven().events and (binding.controls or binding.submit):
                binding.cancel += binding.controls
                binding.controls, binding.submit, binding.cancel_at = [], [], None
                self._bindings.touch(event_id)
