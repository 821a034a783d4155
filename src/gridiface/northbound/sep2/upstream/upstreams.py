"""All sessions with utilities' servers, and what one of them means for the others.

Owns superseding across servers (the rule is in rivals.py) and the way of outcomes and statuses to and from the
sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

from gridiface.domain.changes import Change
from gridiface.domain.clock import Clock, Instant
from gridiface.domain.controls import Outcome
from gridiface.domain.ports import ControlInbox, FleetView, History, Ledger
from gridiface.northbound.sep2.upstream.bindings import Binding
from gridiface.northbound.sep2.upstream.rivals import Displaced, Rival, losers
from gridiface.northbound.sep2.upstream.session import UpstreamSession
from gridiface.northbound.sep2.upstream.settings import UpstreamSettings
from gridiface.northbound.sep2.upstream.status import Status, status_of
from gridiface.northbound.sep2.upstream.views import Row, events_of, resources_of
from gridiface.protocols.sep2.client_events import EventHappened
from gridiface.protocols.sep2.enums import ResponseStatus
from gridiface.protocols.sep2.followed import Phase


class Upstreams:
    """Sessions by name. Call `start` first, `stop` last; hand every outcome to `on_outcome`.

    Args:
        settings: one per session.
        clock, ledger, inbox, fleet, history: the ports of the rest of the house.
    """

    def __init__(
        self,
        settings: Iterable[UpstreamSettings],
        *,
        clock: Clock,
        ledger: Ledger,
        inbox: ControlInbox,
        fleet: FleetView,
        history: History,
    ) -> None:
        self._clock, self._ledger = clock, ledger
        self.sessions = {
            one.name: UpstreamSession(one, clock=clock, ledger=ledger, inbox=inbox, fleet=fleet, history=history)
            for one in settings
        }
        for session in self.sessions.values():
            session.on_step = partial(self._stepped, session)

    async def start(self) -> None:
        """Start every session.

        Raises:
            StoreUnavailable, ConfigError: as UpstreamSession.start.
        """
        for session in self.sessions.values():
            await session.start()

    async def stop(self) -> None:
        """End every session; safe after a start that failed."""
        for session in self.sessions.values():
            await session.stop()

    def on_outcome(self, outcome: Outcome) -> None:
        """See domain.ports.OutcomeListener.on_outcome."""
        for session in self.sessions.values():
            session.on_outcome(outcome)

    def status(self) -> Sequence[Status]:
        """How each session is, by name."""
        now = self._clock.now()
        return [status_of(self.sessions[name], now) for name in sorted(self.sessions)]

    def resources(self, name: str) -> Sequence[Row]:
        """What was read of a server, by href; see views.py."""
        return resources_of(self.sessions[name])

    def events(self, name: str) -> Sequence[Row]:
        """What a server's events have become, by start; see views.py."""
        return events_of(self.sessions[name])

    async def poll(self, name: str, now: Instant, *, along: Sequence[Change] = ()) -> None:
        """Read everything of a server anew, and try again what it refused.

        Raises:
            StoreUnavailable: `along` could not be stored; nothing was done.
        """
        if along:
            await self._ledger.commit(along)
        self.sessions[name].poll(now)

    # --- superseding across servers -----------------------------------------------------------------------------------

    def _stepped(self, session: UpstreamSession, step: EventHappened) -> None:
        """An event begins for a device: weaker ones of other servers end, or it gives way to a stronger one."""
        transition = step.transition
        if transition.status is not ResponseStatus.STARTED or len(self.sessions) < 2:
            return
        key = (step.lfdi, transition.mrid)
        binding = session.book.bindings.known.get(key)
        beginning = None if binding is None else _rival(session, binding)
        if beginning is None:
            return
        others = [rival for other in self.sessions.values() if other is not session for rival in _rivals(other)]
        for loser, status in losers(beginning, others):
            target = self.sessions[loser.session]
            target.book.note(Displaced((loser.lfdi, loser.mrid), status))
            target.wake()


def _rivals(session: UpstreamSession) -> Iterator[Rival]:
    for binding in session.book.bindings.known.values():
        if not binding.over and binding.control and (rival := _rival(session, binding)) is not None:
            yield rival


def _rival(session: UpstreamSession, binding: Binding) -> Rival | None:
    """An event of a session as the others see it; None where it is over."""
    device = session.client.devices.get(binding.lfdi)
    followed = None if device is None else device.follower.events.get(binding.mrid)
    target = session.settings.targets.get(binding.lfdi)
    if followed is None or target is None or followed.phase is Phase.DONE:
        return None
    facts, offset = followed.facts, session.client.clock_offset or 0.0
    return Rival(
        session=session.settings.name,
        lfdi=binding.lfdi,
        mrid=binding.mrid,
        target=target,
        modes=followed.remaining,
        begins=followed.begins - offset,
        ends=followed.ends - offset,
        authority=session.settings.authority_base - facts.primacy,
        created=facts.creation_time - offset,
        running=followed.phase is Phase.ACTIVE,
    )
