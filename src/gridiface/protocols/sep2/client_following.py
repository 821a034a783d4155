"""When a client shows its devices what is new, and what happens to their events then. Pure.

Owns the moments: after news has come in, at the edges of events, and shortly before a control begins. Who is concerned
by what is client_devices.py's, what events do is event_client.py's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gridiface.protocols.sep2.client_devices import DeviceFollowers
from gridiface.protocols.sep2.client_enrolment import Enrolment
from gridiface.protocols.sep2.client_events import ClientEvent, ControlChanged, EventHappened, EventWithdrawn
from gridiface.protocols.sep2.followed import Transition
from gridiface.protocols.sep2.server_clock import ServerClock

# A scheduled control is looked at once more this long before it begins, in case it was cancelled since the last poll.
_LAST_LOOK = 2.0
# While answers keep coming in, devices are shown what is new this often at most, s.
_FEED_S = 1.0


class Following:
    """The following of one client.

    Args:
        followers: of its devices.
        clock: the server's; nothing happens before it is known.
        enrolment: nothing happens before the server is trusted.
        happened: takes what happens, in order.
        respond: told of each transition of a device (LFDI) at a time of our own clock.
    """

    def __init__(
        self,
        followers: DeviceFollowers,
        clock: ServerClock,
        enrolment: Enrolment,
        happened: deque[ClientEvent],
        respond: Callable[[str, Transition, float], None],
    ) -> None:
        self._followers = followers
        self._clock = clock
        self._enrolment = enrolment
        self._happened = happened
        self._respond = respond
        self._fed_at = float("-inf")
        self._due = False
        self._read: set[str] = set()

    def call(self) -> None:
        """Something has changed: devices are to be shown it."""
        self._due = True

    def read(self, href: str) -> None:
        """A resource that can concern devices was read."""
        self._due = True
        self._read.add(href)

    def shift_time(self, seconds: float) -> None:
        """The clock was set by so many seconds."""
        self._fed_at += seconds

    def turn(self, now: float, *, at_rest: bool) -> None:
        """Do what is due; devices are shown news when all of it is in (`at_rest`), or once a second."""
        if self._due and (at_rest or now - self._fed_at >= _FEED_S):
            self._feed(now)
        self.advance(now)

    def next_timer(self) -> float | None:
        """When `turn` is to be called next (own clock), or None."""
        offset = self._clock.offset
        if offset is None:
            return None
        due = self._followers.next_timer()
        moments = [] if due is None else [due - offset]
        if self._due and self._enrolment.trusted:
            moments.append(self._fed_at + _FEED_S)
        return min(moments, default=None)

    def advance(self, now: float) -> None:
        """Let happen to events what is due."""
        time = self._time(now)
        if time is None:
            return
        happened = self._followers.advance(time)
        for device, transition in happened:
            self._happened.append(EventHappened(device.lfdi, transition))
            self._respond(device.lfdi, transition, now)
        if happened:
            self._look_again(time)
            self._report_changes()

    def opt(self, lfdi: str, mrid: str, now: float, *, out: bool) -> bool:
        """A device's user overrides a control or takes that back; False when there is none to override."""
        time = self._time(now)
        if time is None:
            return False
        done = self._followers.opt(lfdi, mrid, time, out=out)
        self.advance(now)
        return done

    def _time(self, now: float) -> float | None:
        return None if self._clock.offset is None else now + self._clock.offset

    def _feed(self, now: float) -> None:
        time = self._time(now)
        if time is None or not self._enrolment.trusted:
            return
        self._due, self._fed_at = False, now
        withdrawn = self._followers.feed(time)
        self._happened += [EventWithdrawn(lfdi, mrid) for lfdi, mrid in withdrawn]
        self.advance(now)
        self._look_again(time)
        self._report_changes()

    def _look_again(self, time: float) -> None:
        read, self._read = self._read, set()
        self._followers.look_again(read, time, _LAST_LOOK, self._clock.offset or 0.0)

    def _report_changes(self) -> None:
        self._happened += [ControlChanged(d.lfdi, dict(d.in_force)) for d in self._followers.changed()]
