"""What a client does with events: when it starts and ends each, which one holds per mode, and what it answers.

Pure: events as the server shows them and the server's time in, transitions (each a Response status) out. Chance comes
from the caller's generator. Does not own polling or posting (client.py), nor the rules of precedence (events.py).

A caller MUST call `advance(now)` at `next_timer()`, and after each round of `update`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random

from gridiface.protocols.sep2.enums import EventStatusCode, ResponseStatus
from gridiface.protocols.sep2.events import ANY_MODE, EventFacts, first_of_each
from gridiface.protocols.sep2.followed import Default, Followed, ModeInForce, Phase, Transition
from gridiface.protocols.sep2.mrids import ByMrid, mrid_key
from gridiface.protocols.sep2.resources import DERControlBase, Event

_WIDEST_RANDOM = 3600
_STATUSES = frozenset(EventStatusCode)


@dataclass(slots=True)
class EventFollower:
    """Follows all events that concern one device.

    Attributes:
        chance: source of the random shifts.
        supported: modes the device can do; None for all.
        category: the device's own category bits; 0 takes events of every category, others ignore what is for others.
        held: mRID -> whether the shell has something to say of it still; a finished event is not dropped before.
    """

    chance: Random
    supported: frozenset[str] | None = None
    category: int = 0
    events: ByMrid[Followed] = field(default_factory=ByMrid)
    held: Callable[[str], bool] = lambda _mrid: False
    _done: list[Transition] = field(default_factory=list)

    def update(self, event: Event, facts: EventFacts, now: float) -> None:
        """Take an event as the server shows it now: new, unchanged, cancelled or superseded.

        That an event is no longer shown does not end it.
        """
        self.show(((event, facts),), now)

    def show(self, events: Iterable[tuple[Event, EventFacts]], now: float) -> None:
        """Take several events as `update` does; they are all known before any of them begins.

        Where one mRID is there twice, as when two programs list it, the first counts: that of the strongest program.
        """
        self._run(now)  # what was due before this news came is done by the old knowledge
        news = False
        for event, told in first_of_each(events):
            if event.eventStatus.currentStatus not in _STATUSES:
                continue  # of a later edition, or a mistake: what is known of the event stays
            known = self.events.get(told.mrid)
            facts = told if known is None else told.named(known.facts.mrid)
            if known is None or (known.left and facts.end > now):
                self._receive(event, facts, now)
            elif known.event is event and known.facts == facts:
                continue
            elif known.phase is not Phase.DONE:
                known.event = event
                known.facts = facts
                self._follow_status(known, EventStatusCode(event.eventStatus.currentStatus), now)
            news = True
        if news:
            self._join()

    def advance(self, now: float) -> list[Transition]:
        """Do everything that is due at `now`, in order of time; returns what happened since the last call."""
        self._run(now)
        happened, self._done = self._done, []
        return happened

    @property
    def has_news(self) -> bool:
        """Whether something happened that `advance` has not told yet."""
        return bool(self._done)

    def next_timer(self) -> float | None:
        """When `advance` is to be called next (server time), or None."""
        due = self._next_due()
        return None if due is None else due[0]

    def opt_out(self, mrid: str, now: float) -> bool:
        """The user overrides an event, at once and without randomisation; False when there is none to override."""
        return self._opt(mrid, now, out=True)

    def opt_in(self, mrid: str, now: float) -> bool:
        """The user lets an event go on that was overridden; False when there is none."""
        return self._opt(mrid, now, out=False)

    def active(self) -> list[Followed]:
        """The events that run now, strongest first."""
        running = (f for f in self.events.values() if f.phase is Phase.ACTIVE and not f.opted_out)
        return sorted(running, key=lambda f: f.facts.precedence)

    def in_force(self, defaults: Iterable[Default] = ()) -> dict[str, ModeInForce]:
        """What holds now, mode by mode: the strongest running control, else the default of lowest primacy."""
        result: dict[str, ModeInForce] = {}
        for followed in self.active():
            base = getattr(followed.event, "derControlBase", None)
            for mode in () if base is None else followed.remaining:
                result.setdefault(mode, ModeInForce(getattr(base, mode), followed.facts.mrid, by_event=True))
        for default in sorted(defaults, key=lambda d: d.primacy):
            for mode in DERControlBase.__dataclass_fields__:
                value = getattr(default.base, mode)
                if value is not None and mode.startswith("opMod"):
                    result.setdefault(mode, ModeInForce(value, default.mrid, by_event=False))
        return result

    def withdraw(self, mrid: str, now: float, *, left: bool = False) -> bool:
        """The event does not concern the device any more: it ends at once and nothing is said; False when it is over.

        So it is when the device is moved away from the program (`left`; it is received anew when that shows it again
        before its end), or when the event was refused elsewhere.
        """
        self._run(now)  # what was due before is done by the old knowledge
        followed = self.events.get(mrid)
        if followed is None or followed.phase is Phase.DONE:
            return False
        followed.phase, followed.since, followed.left = Phase.DONE, now, left
        self._join()
        return True

    def resume(self, followed: Followed) -> None:
        """Take an event up as it was before a restart; nothing is drawn or said again."""
        self.events[followed.facts.mrid] = followed

    def forget(self, listed: Sequence[str], now: float) -> bool:
        """Drop finished events that the server no longer lists (`listed`: mRIDs) and whose time is over.

        Returns:
            Whether there are events that are not listed and not dropped yet: it is to be called again then.
        """
        keep = frozenset(mrid_key(mrid) for mrid in listed)
        waiting = False
        for key, followed in list(self.events.items()):
            if key in keep:
                continue
            over = followed.phase is Phase.DONE and now >= followed.facts.latest_end
            if over and not self.held(followed.facts.mrid):
                del self.events[key]
            else:
                waiting = True
        return waiting

    def first_pending(self, now: float) -> float | None:
        """When the next event begins that has not begun (server time), or None."""
        waiting = (f.begins for f in self.events.values() if f.phase is Phase.PENDING and f.begins > now)
        return min(waiting, default=None)

    # receiving

    def _receive(self, event: Event, facts: EventFacts, now: float) -> None:
        status = event.eventStatus.currentStatus
        usable = facts.modes if self.supported is None or facts.modes == ANY_MODE else facts.modes & self.supported
        followed = self._draw(event, facts, usable, now)
        self.events[facts.mrid] = followed
        if status not in {EventStatusCode.SCHEDULED, EventStatusCode.ACTIVE}:
            # Never taken up, so there is nothing to take back and nothing to answer.
            followed.phase = Phase.DONE
        elif self.category and facts.categories and not facts.categories & self.category:
            followed.phase = Phase.DONE  # for others: a device ignores it (the schema on deviceCategory)
        elif self._invalid(facts):
            self._finish(followed, ResponseStatus.REJECTED_INVALID, now)
        elif facts.end <= now:
            self._finish(followed, ResponseStatus.REJECTED_EXPIRED, now)
        elif not usable:
            self._finish(followed, ResponseStatus.REJECTED_NOT_APPLICABLE, now)
        else:
            self._report(followed, ResponseStatus.RECEIVED, now)

    @staticmethod
    def _invalid(facts: EventFacts) -> bool:
        shifts = (facts.randomize_start, facts.randomize_duration)
        return facts.duration <= 0 or any(abs(shift) > _WIDEST_RANDOM for shift in shifts)

    def _draw(self, event: Event, facts: EventFacts, modes: frozenset[str], now: float) -> Followed:
        shift = self._random(facts.randomize_start)
        stretch = self._random(facts.randomize_duration)
        begins = facts.start + shift
        ends = begins + max(facts.duration + stretch, 0.0)
        if begins < now:
            # Late receipt: the delay is random all the same, and the published end stays.
            begins = now + abs(shift)
            if begins >= facts.end:
                begins = now
            ends = begins + max(facts.end - begins + stretch, 0.0)
        return Followed(facts, event, Phase.PENDING, modes, begins, ends, ends)

    def _random(self, bound: int) -> float:
        return float(self.chance.randint(min(0, bound), max(0, bound)))

    def _follow_status(self, followed: Followed, status: EventStatusCode, now: float) -> None:
        facts = followed.facts
        if status is EventStatusCode.SUPERSEDED:
            self._finish(followed, ResponseStatus.SUPERSEDED, now)
        elif status is EventStatusCode.CANCELLED:
            followed.stops = now if followed.stops is None else min(now, followed.stops)
        elif status is EventStatusCode.CANCELLED_WITH_RANDOMIZATION and followed.stops is None:
            widest = max(abs(facts.randomize_start), abs(facts.randomize_duration))
            delay = self._random(widest) if followed.phase is Phase.ACTIVE else 0.0
            followed.stops = now + delay

    # what happens in time; the order of ranks lets an event end before its successor begins

    def _run(self, now: float) -> None:
        while (due := self._next_due()) is not None and due[0] <= now:
            time, rank, mrid = due
            followed = self.events[mrid]
            (self._stop, self._complete, self._begin)[rank](followed, time)
            self._join()

    def _next_due(self) -> tuple[float, int, str] | None:
        return min((due for f in self.events.values() for due in self._dues(f)), default=None)

    @staticmethod
    def _dues(followed: Followed) -> list[tuple[float, int, str]]:
        if followed.phase is Phase.DONE:
            return []
        mrid = followed.facts.mrid
        due = (followed.begins, 2, mrid) if followed.phase is Phase.PENDING else (followed.ends, 1, mrid)
        return [due] if followed.stops is None else [due, (followed.stops, 0, mrid)]

    def _stop(self, followed: Followed, time: float) -> None:
        self._finish(followed, ResponseStatus.CANCELLED, time)

    def _complete(self, followed: Followed, time: float) -> None:
        status = ResponseStatus.COMPLETED
        if followed.opted_out:
            status = (
                ResponseStatus.PARTIALLY_COMPLETED_OPT_OUT
                if followed.participated
                else ResponseStatus.COMPLETED_NO_PARTICIPATION
            )
        elif followed.opted_in_again:
            status = ResponseStatus.PARTIALLY_COMPLETED_OPT_IN
        self._finish(followed, status, time)

    def _begin(self, followed: Followed, time: float) -> None:
        for other in list(self.events.values()):
            if other is followed or other.phase is Phase.DONE or not followed.facts.overlaps(other.facts):
                continue
            if followed.facts.precedence < other.facts.precedence:
                self._take(followed, other, time)
            elif other.phase is Phase.ACTIVE:
                self._take(other, followed, time)
        if followed.phase is Phase.PENDING:
            followed.phase = Phase.ACTIVE
            followed.since = time
            followed.participated = not followed.opted_out
            self._report(followed, ResponseStatus.STARTED, time)

    def _take(self, winner: Followed, loser: Followed, time: float) -> None:
        loser.remaining -= winner.remaining
        if not loser.remaining:
            self._finish(loser, self._displaced(winner, loser), time)

    @staticmethod
    def _displaced(winner: Followed, loser: Followed) -> ResponseStatus:
        if loser.phase is Phase.ACTIVE:
            return ResponseStatus.SUPERSEDED
        if winner.facts.server != loser.facts.server:
            return ResponseStatus.ABORTED_OTHER_SERVER
        if winner.facts.program != loser.facts.program:
            return ResponseStatus.ABORTED_OTHER_PROGRAM
        return ResponseStatus.SUPERSEDED

    def _opt(self, mrid: str, now: float, *, out: bool) -> bool:
        followed = self.events.get(mrid)
        if followed is None or followed.phase is Phase.DONE or followed.opted_out is out:
            return False
        followed.opted_out = out
        followed.opted_in_again = not out
        if followed.phase is Phase.ACTIVE and not out:
            followed.participated = True
        self._report(followed, ResponseStatus.OPTED_OUT if out else ResponseStatus.OPTED_IN, now)
        return True

    def _join(self) -> None:
        """Randomisation makes neither gaps nor overlaps between events that follow each other."""
        live = [f for f in self.events.values() if f.phase is not Phase.DONE]
        for followed in live:
            followed.ends = followed.drawn_end
            for later in live:
                if not self._follows(later, followed):
                    continue
                if later.begins < followed.ends or later.facts.start == followed.facts.end:
                    followed.ends = later.begins

    @staticmethod
    def _follows(later: Followed, earlier: Followed) -> bool:
        waiting = later.phase is Phase.PENDING and later.stops is None
        return waiting and later.facts.start >= earlier.facts.end and bool(later.remaining & earlier.remaining)

    def _finish(self, followed: Followed, status: ResponseStatus, time: float) -> None:
        followed.phase = Phase.DONE
        followed.outcome = status
        followed.since = time
        self._report(followed, status, time)

    def _report(self, followed: Followed, status: ResponseStatus, time: float) -> None:
        self._done.append(Transition(followed.facts.mrid, status, time, followed.event))
