"""From the server's events to the engine's controls, and from what becomes of them to Responses, device by device.

The client core says what an event is for a device by the rules of IEEE 2030.5: received, displaced, cancelled, over.
The engine says what was done: started, completed, in part, not at all. Each step is durable, with the Response that
tells of it, before the next; a step that cannot be stored is done again. Nothing is said twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

from gridiface.domain.changes import Change, Document
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Control, Outcome, OutcomeKind, Verdict
from gridiface.domain.ports import ControlInbox, FleetView, Ledger
from gridiface.errors import RemoteProtocolError, StoreUnavailable
from gridiface.northbound.sep2.translate.answers import outcome_to_status, verdict_to_status
from gridiface.northbound.sep2.translate.upstream import event_control
from gridiface.northbound.sep2.upstream.bindings import Binding, Bindings, Key, fields_of, with_control, with_told
from gridiface.northbound.sep2.upstream.mailbox import Letter, Mailbox
from gridiface.northbound.sep2.upstream.moved import BY_OUR_CLOCK, OVER, begins_later, goes_on, has_moved, times_of
from gridiface.northbound.sep2.upstream.origins import CurveUnknown, Origins
from gridiface.northbound.sep2.upstream.responding import write_responses
from gridiface.northbound.sep2.upstream.rivals import Displaced
from gridiface.northbound.sep2.upstream.settings import UpstreamSettings
from gridiface.northbound.sep2.upstream.steps import Steps
from gridiface.protocols.sep2.client import Client
from gridiface.protocols.sep2.client_events import EventHappened, EventWithdrawn
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.followed import Followed, Phase

_log = logging.getLogger("gridiface.sep2.upstream")

_S = ResponseStatus
_REJECTED = frozenset({_S.REJECTED_NOT_APPLICABLE, _S.REJECTED_INVALID, _S.REJECTED_EXPIRED})
_DISPLACED = frozenset({_S.SUPERSEDED, _S.CANCELLED, _S.ABORTED_OTHER_SERVER, _S.ABORTED_OTHER_PROGRAM})
_ENDED = frozenset(
    {_S.COMPLETED, _S.PARTIALLY_COMPLETED_OPT_OUT, _S.PARTIALLY_COMPLETED_OPT_IN, _S.COMPLETED_NO_PARTICIPATION}
)
#: So long after its end an event waits for the engine's word on what was done, s.
_PATIENCE_S = 10.0
#: So long an event waits for its curves, s.
_CURVES_S = 60.0


Step = EventHappened | EventWithdrawn | Outcome | Displaced


class EventBook:
    """The events of one session.

    Args:
        settings: of the session.
        clock, ledger, inbox, fleet: the ports.
        mailbox: takes the Responses.
        origins: whom controls concern, and curves.
    """

    def __init__(
        self,
        settings: UpstreamSettings,
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        fleet: FleetView,
        mailbox: Mailbox,
        origins: Origins,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._ledger = ledger
        self._inbox = inbox
        self._mailbox = mailbox
        self._origins = origins
        self.bindings = Bindings(settings.space)
        self.targets = settings.targets
        self._steps: Steps[Step] = Steps()
        self._waiting: dict[Key, Instant] = {}
        self._ending: dict[Key, Instant] = {}
        self._timeless: dict[tuple[str, str | None, OutcomeKind], Outcome] = {}
        self._resumed: list[tuple[str, Followed]] = []
        self._client: Client | None = None
        self._new_curves = True

    # --- life -----------------------------------------------------------------------------------------------------

    def load(self, found: Iterable[Document]) -> None:
        """Take up what was known before a restart."""
        self._resumed = [(lfdi, followed) for lfdi, followed in self.bindings.load(found) if lfdi in self.targets]

    def attach(self, client: Client) -> None:
        """Follow with this client core from now on; what was followed before goes on in it."""
        before, self._client = self._client, client
        resumed = list(self._resumed)
        if before is not None:
            resumed = [(lfdi, one) for lfdi, d in before.devices.items() for one in d.follower.events.values()]
        for lfdi, device in client.devices.items():
            device.follower.held = partial(self._has_more_to_say, lfdi)
        for lfdi, followed in resumed:
            if lfdi in client.devices:
                client.followers.resume(lfdi, followed)
        self._resumed = []

    @property
    def client(self) -> Client:
        """The client core in use; `attach` comes first."""
        assert self._client is not None
        return self._client

    def _has_more_to_say(self, lfdi: str, mrid: str) -> bool:
        """Whether the engine has not ended the control yet: a server may take an event away in the second it ends."""
        binding = self.bindings.known.get((lfdi, mrid))
        return binding is not None and not binding.over

    # --- what happened ----------------------------------------------------------------------------------------------

    def note(self, step: EventHappened | EventWithdrawn | Displaced) -> None:
        """Something happened to an event; `carry_out` does what follows from it."""
        if isinstance(step, Displaced) or step.lfdi in self.targets:
            self._steps.add(step)

    def on_outcome(self, outcome: Outcome) -> bool:
        """A step in the life of a control at the engine; whether it is one of ours."""
        if outcome.device_id is not None or outcome.control_id not in self.bindings.by_control:
            return False
        self._steps.add(outcome)
        return True

    async def carry_out(self, now: Instant) -> None:
        """Do all that has happened, each step of a device durable before its next.

        Raises:
            StoreUnavailable: nothing is lost, call again.
        """
        if self._timeless and self.client.clock_offset is not None:
            for outcome in self._timeless.values():
                self._steps.add(outcome)
            self._timeless.clear()
        await self._steps.carry_out(lambda step: self._do(step, now), self._whose)

    def _whose(self, step: Step) -> str | None:
        """The LFDI of the device that a step is about; None where it is about none any more."""
        if isinstance(step, Outcome):
            return self.bindings.by_control.get(step.control_id, (None, ""))[0]
        return step.key[0] if isinstance(step, Displaced) else step.lfdi

    async def keep_up(self, now: Instant) -> None:
        """See to what waits, to times that moved, and forget what is over; costs a look at every event.

        Raises:
            StoreUnavailable: nothing is lost, call again.
        """
        for key, since in list(self._waiting.items()):
            await self._take(key, now, late=now - since > _CURVES_S)
        for key, until in list(self._ending.items()):
            await self._end_unheard(key, until, now)
        for binding in list(self.bindings.known.values()):
            if binding.control and not binding.over:
                await self._renew(binding, now)
        self._new_curves = False
        await self._forget()

    def curves_read(self) -> None:
        """Curves have changed: `keep_up` looks whether a control has one of them."""
        self._new_curves = True

    async def _do(self, step: Step, now: Instant) -> None:
        if isinstance(step, EventHappened):
            await self._event((step.lfdi, step.transition.mrid), step.transition.status, step.transition.at, now)
        elif isinstance(step, EventWithdrawn):
            await self._leave((step.lfdi, step.mrid), now)
        elif isinstance(step, Displaced):
            await self._displace(step.key, step.status, now)
        else:
            await self._outcome(step, now)

    # --- what the client core says ------------------------------------------------------------------------------------

    async def _event(self, key: Key, status: ResponseStatus, at: Instant, now: Instant) -> None:
        followed = self._followed(key)
        if followed is None:
            return
        if status is _S.RECEIVED:
            binding = self._binding(key)
            if binding.over and followed.phase is not Phase.DONE:
                # The device had left its program and is back: it becomes another control, what was said stays said.
                self.bindings.set(replace(binding, over=False, control="", started=False))
            await self._take(key, now)
        elif status in _REJECTED:
            _log.info("event %s for %s: rejected with %d", key[1], key[0], status, extra=fields_of(key))
            await self._say(self._binding(key), [status], over=True)
        elif status in _DISPLACED:
            await self._displace(key, status, now)
        elif status in _ENDED:
            if not self._binding(key).over:
                self._ending[key] = now + _PATIENCE_S
        else:
            await self._commit(self._binding(key), followed)

    async def _take(self, key: Key, now: Instant, *, late: bool = False) -> None:
        """Make an event a control of the engine, and say what it answers."""
        binding, followed = self._binding(key), self._followed(key)
        if followed is None or followed.phase is Phase.DONE or binding.control or binding.over:
            self._waiting.pop(key, None)
            return
        try:
            control = self._control(binding, followed, serial=binding.serial + 1)
        except CurveUnknown as problem:
            self._waiting.setdefault(key, now)
            if late:
                await self._reject(key, _S.REJECTED_INVALID, str(problem), now)
            return
        except RemoteProtocolError as problem:
            await self._reject(key, _S.REJECTED_INVALID, problem.reason, now)
            return
        curves = self._origins.curves_mark(key[0], followed)
        taken = with_told(with_control(binding, control, curves), [_S.RECEIVED])
        letters, changes = self._letters(binding, followed, {_S.RECEIVED} - binding.told)
        answer = await self._inbox.submit(control, now, along=[*changes, *self.bindings.change(taken, followed)])
        self._waiting.pop(key, None)
        if answer.will_run:
            self.bindings.set(taken)
            self._mailbox.seal(letters)
            return
        await self._refused(key, answer.verdict, answer.reason, now)

    async def _refused(self, key: Key, verdict: Verdict, reason: str, now: Instant) -> None:
        """The engine does not take it; whoever rules instead is no event of this server, or it would have said so."""
        status = _S(verdict_to_status(verdict) or _S.REJECTED_INVALID)
        if verdict is Verdict.SUPERSEDED:
            status = _S.ABORTED_OTHER_SERVER
        await self._reject(key, status, reason, now)

    async def _reject(self, key: Key, status: ResponseStatus, reason: str, now: Instant) -> None:
        _log.info("event %s for %s is not taken (%d): %s", key[1], key[0], status, reason, extra=fields_of(key))
        self._waiting.pop(key, None)
        self._withdraw(key, now)
        said = [status] if status in _REJECTED else [_S.RECEIVED, status]
        await self._say(self._binding(key), said, over=True)

    async def _displace(self, key: Key, status: ResponseStatus, now: Instant) -> None:
        """It is cancelled, or another event has its place: it ends at the engine, too."""
        binding = self._binding(key)
        if binding.over:
            followed = self._followed(key)
            if followed is not None:
                await self._commit(binding, followed)
            return
        self._withdraw(key, now)
        await self._say(binding, [status], over=True, cancel=f"{status.name.lower()} at {self._settings.name}", now=now)

    async def _leave(self, key: Key, now: Instant) -> None:
        binding = self._binding(key)
        if not binding.over:
            await self._say(binding, [], over=True, cancel="the device is not assigned to its program", now=now)

    async def _end_unheard(self, key: Key, until: Instant, now: Instant) -> None:
        """An event is over and the engine says nothing of its control: it knows none any more."""
        binding = self._binding(key)
        if binding.over:
            del self._ending[key]
        elif now >= until:
            status = _S.COMPLETED if binding.started else _S.COMPLETED_NO_PARTICIPATION
            await self._say(binding, [status], over=True, cancel="its event is over", now=now)
            del self._ending[key]

    # --- what the engine says -----------------------------------------------------------------------------------------

    async def _outcome(self, outcome: Outcome, now: Instant) -> None:
        key = self.bindings.by_control.get(outcome.control_id)
        binding = None if key is None else self.bindings.known.get(key)
        if key is None or binding is None or binding.over or outcome.kind is OutcomeKind.RECEIVED:
            return
        if self.client.clock_offset is None and outcome.kind in BY_OUR_CLOCK:
            # Our clock may be another one since the restart: the server's Time decides. Told again after the next one.
            self._timeless.setdefault((outcome.control_id, outcome.device_id, outcome.kind), outcome)
            return
        if outcome.kind is OutcomeKind.STARTED:
            early = begins_later(binding, self._followed(key), self._origins.offset, now)
            if not early or not await self._renew(binding, now):
                await self._say(replace(binding, started=True), [_S.STARTED])
        elif outcome.kind in OVER and goes_on(binding, self._followed(key), self._origins.offset, now):
            self.bindings.set(replace(binding, control=""))
            self._waiting[key] = now  # until it is stored
            await self._take(key, now)
        elif outcome.kind is OutcomeKind.SUPERSEDED:
            # The client core did not say so: another protocol's control rules.
            self._withdraw(key, now)
            await self._say(binding, [_S.SUPERSEDED if binding.started else _S.ABORTED_OTHER_SERVER], over=True)
        elif outcome.kind is OutcomeKind.CANCELLED:
            # Nobody there asked for it: our own side opted out.
            self._withdraw(key, now)
            ending = _S.PARTIALLY_COMPLETED_OPT_OUT if binding.started else _S.COMPLETED_NO_PARTICIPATION
            await self._say(binding, [_S.OPTED_OUT, ending], over=True)
        else:
            if outcome.kind is OutcomeKind.REFUSED:
                self._withdraw(key, now)
            status = outcome_to_status(outcome.kind, outcome.reason, started=binding.started)
            await self._say(binding, [_S(status)], over=True)
        self._ending.pop(key, None) if self._binding(key).over else None

    # --- saying and storing -----------------------------------------------------------------------------------------

    async def _say(
        self,
        binding: Binding,
        statuses: Sequence[ResponseStatus],
        *,
        over: bool = False,
        cancel: str = "",
        now: Instant = 0.0,
    ) -> None:
        """Write what is to be answered, end the control where `cancel` says why, and keep both together."""
        followed = self._followed(binding.key)
        news = [status for status in statuses if status not in binding.told]
        letters, changes = self._letters(binding, followed, news)
        after = replace(with_told(binding, news), over=binding.over or over)
        changes += self.bindings.change(after, followed)
        done = False
        if cancel and binding.control:
            # The engine tells of it at once; it is known by then that we asked for it.
            before = self.bindings.known.get(binding.key, binding)
            self.bindings.set(after)
            try:
                done = await self._inbox.cancel(binding.control, now, reason=cancel, along=changes)
            except StoreUnavailable:
                self.bindings.set(before)
                raise
        if not done and changes:
            await self._ledger.commit(changes)
        self.bindings.set(after)
        self._mailbox.seal(letters)

    async def _commit(self, binding: Binding, followed: Followed) -> None:
        if binding.key in self.bindings.known and (changes := self.bindings.change(binding, followed)):
            await self._ledger.commit(changes)

    def _letters(
        self, binding: Binding, followed: Followed | None, statuses: Iterable[ResponseStatus]
    ) -> tuple[list[Letter], list[Change]]:
        at = int(self._clock.now() + self._origins.offset)
        return write_responses(self._mailbox, self.client, binding, followed, statuses, at)

    # --- keeping up -------------------------------------------------------------------------------------------------

    async def _renew(self, binding: Binding, now: Instant) -> bool:
        """A control follows its event: times (a successor's random start, a clock that was set) and curves.

        Returns:
            Whether another control took its place.
        """
        followed = self._followed(binding.key)
        if followed is None or followed.phase is Phase.DONE or self.client.clock_offset is None:
            return False
        begins, ends = times_of(followed, self._origins.offset)
        mark = self._origins.curves_mark
        curves = mark(binding.lfdi, followed, binding.curves) if self._new_curves else binding.curves
        if (not has_moved(binding, begins, ends) and curves == binding.curves) or ends <= now:
            return False
        try:
            control = self._control(binding, followed, serial=binding.serial + 1)
        except RemoteProtocolError:
            return False
        after = with_control(binding, control, curves)
        answer = await self._inbox.submit(control, now, along=self.bindings.change(after, followed))
        if not answer.will_run:
            named = fields_of(binding.key)
            _log.info("event %s for %s stays as it was: %s", binding.mrid, binding.lfdi, answer.reason, extra=named)
            self.bindings.set(replace(binding, begins=begins, ends=ends, curves=curves))
            return False
        self.bindings.set(after)
        why = "its times have moved" if curves == binding.curves else "its curves have changed"
        await self._inbox.cancel(binding.control, now, reason=why)
        return True

    async def _forget(self) -> None:
        """Events that the client core has dropped are dropped here."""
        gone = [key for key, one in self.bindings.known.items() if one.over and self._followed(key) is None]
        if gone and self.client.server_time(self._clock.now()) is not None:
            documents = [self.bindings.forget(key) for key in gone]
            await self._ledger.commit(documents)

    def _withdraw(self, key: Key, now: Instant) -> None:
        time = self.client.server_time(now)
        if time is not None and key[0] in self.client.devices:
            self.client.followers.withdraw(key[0], key[1], time)

    def _followed(self, key: Key) -> Followed | None:
        device = self.client.devices.get(key[0])
        return None if device is None else device.follower.events.get(key[1])

    def _binding(self, key: Key) -> Binding:
        return self.bindings.known.get(key) or Binding(lfdi=key[0], mrid=key[1])

    def _control(self, binding: Binding, followed: Followed, *, serial: int) -> Control:
        origin = self._origins.origin(binding.lfdi)
        return event_control(followed, origin, serial, self._origins.curves(binding.lfdi, followed.facts.program))
