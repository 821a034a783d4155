"""One peer of an end point: the channels of the outstations it reaches, its deadlines, and answers that are held back.

Knows neither TCP nor UDP: `write` and `drop` come from connection.py. An answer is written only after everything that
the commands before it lead to is durable; where that fails the peer is dropped without the answer, so that nothing is
acknowledged that was not recorded.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from typing import Protocol

from gridiface.domain.clock import Instant
from gridiface.northbound.dnp3.commanding.commissions import Commission
from gridiface.northbound.dnp3.settings import Deadlines
from gridiface.northbound.dnp3.station import Station
from gridiface.northbound.dnp3.wire.journal import Journal
from gridiface.protocols.dnp3.link import FrameReader
from gridiface.protocols.dnp3.outstation.channel import Channel

Reach = Sequence[tuple[Station, Sequence[int]]]
"""Outstations and the masters that a peer may be."""


class Hub(Protocol):
    """What a session asks of the server."""

    journal: Journal

    def spare(self) -> bool:
        """No file descriptor is left for a new peer: give up one that was kept for that; True when there was one."""

    def now(self) -> Instant:
        """The wall clock."""

    def commissioned(self, session: Session, station: Station, commission: Commission) -> None:
        """A command has consequences: carry them out, then call `session.release` or `session.fail`."""

    def heard(self, session: Session) -> None:
        """The first frame of a master came, or of another master than before."""

    def notices(self, station: Station) -> None:
        """Notices of an outstation wait to be fetched."""


class Session:
    """One peer.

    Args:
        hub: the server.
        peer: host and port.
        reach: what it may talk to.
        deadlines: how long it may take.
        write: takes whole frames.
        drop: closes the peer; the reason is for the log.
        datagram: for the journal.
        probes: whether a silent peer is asked for its link status; not on a line that others share.
        greets: whether it is told of a restart before it speaks; not who merely sent a datagram.
        frame_gap: seconds of silence within a frame after which the rest of it is not waited for; None: for ever.
    """

    def __init__(
        self,
        hub: Hub,
        peer: tuple[str, int],
        reach: Reach,
        deadlines: Deadlines,
        *,
        write: Callable[[bytes], None],
        drop: Callable[[str], None],
        datagram: bool = False,
        probes: bool = True,
        greets: bool = True,
        frame_gap: float | None = None,
    ) -> None:
        now = hub.now()
        self.peer = peer
        self.channels: list[tuple[Station, Channel]] = [
            (
                station,
                station.outstation.open(
                    now, masters, probes=probes, greets=greets, datagrams=datagram, frame_gap=frame_gap
                ),
            )
            for station, masters in reach
        ]
        self.identified = False
        self.closed = False
        self.paused = False
        self._hub = hub
        self._masters = [(channel, master) for (_, masters), (_, channel) in zip(reach, self.channels, strict=True)
                         for master in masters]  # fmt: skip
        self._addresses = {station.settings.address for station, _ in self.channels}
        self._first: FrameReader | None = FrameReader()
        self._write, self._drop, self._datagram = write, drop, datagram
        self._deadlines = deadlines
        self.began = self.heard_at = now
        self._write_deadline: Instant | None = None
        self._taken = 0
        self._waiting = 0
        self._after: set[Session] = set()
        self._followers: set[Session] = set()
        self._held: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    # --- octets ------------------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """Octets of the peer, as they came."""
        now = self._hub.now()
        self.heard_at = now
        self._hub.journal.note(now, self.peer, data, received=True, datagram=self._datagram)
        taken = 0
        asked: list[tuple[Station, Commission]] = []
        for station, channel in self.channels:
            station.touch(now)
            channel.receive(data, now, datagram=self._datagram)
            if station.handler.pending:
                asked += [(station, commission) for commission in station.handler.take()]
            taken += channel.taken
        # one may be done in the call that begins it: only then is everything said that came, and all of them counted
        self._waiting += len(asked)
        if self._first is not None:
            self._identify(data)
        if taken != self._taken and self.identified:
            self._taken = taken
            self._hub.heard(self)
        for station, commission in asked:
            self._hub.commissioned(self, station, commission)
        if asked and not self._holds:
            return  # all of it is durable already: the answers have left
        self.pump(now)
        if not self._holds:
            self._take_notices()

    def _take_notices(self) -> None:
        """Once the answer has left: what remains costs the master no time."""
        for station, _ in self.channels:
            self._hub.notices(station)

    def pump(self, now: Instant) -> None:
        """Write what is to be written; to be called after points were updated."""
        if self.closed or self.paused:
            return
        for _, channel in self.channels:
            octets = channel.to_send(now)
            if octets:
                self._send(octets, now)
            if channel.lost:
                self._end("it does not answer the link status request")
                return
        self._arm(now)

    def release(self) -> None:
        """What one commission asked for is durable: when it was the last, what was held goes out."""
        self._waiting -= 1
        if not self._waiting:
            for follower in self._leave():
                follower._let_go()
        self._let_go()

    def follow(self, other: Session) -> None:
        """Answer only once the commands of another session are durable, too: what is repeated here may be theirs."""
        for one in (other, *other._after):
            if one is not self and one._waiting:
                self._after.add(one)
                one._followers.add(self)

    def _leave(self) -> set[Session]:
        """Those that waited for this one, which wait no more."""
        followers, self._followers = self._followers, set()
        for follower in followers:
            follower._after.discard(self)
        return followers

    @property
    def _holds(self) -> bool:
        """Whether answers are held back."""
        return self._waiting > 0 or bool(self._after)

    def _let_go(self) -> None:
        """Write what was held, when nothing is waited for."""
        if self._holds or self.closed:
            return
        held, self._held = b"".join(self._held), []
        now = self._hub.now()
        if held:
            self._put(held, now)
        self.pump(now)
        self._take_notices()

    def fail(self, reason: str) -> None:
        """A command could not be taken: nothing that was held goes out."""
        self._waiting -= 1
        self._held.clear()
        self._take_notices()
        self._end(reason)
        for follower in self._leave():
            follower._held.clear()
            follower.dismiss(reason)

    def dismiss(self, reason: str) -> None:
        """Close the peer for a reason of ours."""
        self._end(reason)

    def _send(self, octets: bytes, now: Instant) -> None:
        if self._holds:
            self._held.append(octets)
        else:
            self._put(octets, now)

    def _put(self, octets: bytes, now: Instant) -> None:
        self._hub.journal.note(now, self.peer, octets, received=False, datagram=self._datagram)
        self._write(octets)

    def _identify(self, data: bytes) -> None:
        """The first frame that one of the masters could have sent ends the first deadline."""
        assert self._first is not None
        known = {master for _, master in self._masters}
        for frame in self._first.feed(data):
            if frame.from_master and frame.source in known:
                self._first = None
                self.identified = True
                return
        if self._datagram:
            self._first.clear()

    # --- flow --------------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """The peer does not take what was written."""
        self.paused = True
        self._write_deadline = self._hub.now() + self._deadlines.write
        self._arm(self._hub.now())

    def resume(self) -> None:
        """It does again."""
        self.paused = False
        self._write_deadline = None
        self.pump(self._hub.now())

    # --- time --------------------------------------------------------------------------------------------------------

    def next_timer(self) -> Instant | None:
        """When `handle_timer` is due."""
        if self.closed:
            return None
        due = self.heard_at + self._deadlines.idle
        if not self.identified:
            due = min(due, self.began + self._deadlines.first_frame)
        if self._write_deadline is not None:
            due = min(due, self._write_deadline)
        for _, channel in self.channels:
            at = channel.next_timer()
            if at is not None and at < due:
                due = at
        return due

    def handle_timer(self, now: Instant) -> None:
        """Everything that is due; calling it early does no harm."""
        if self.closed:
            return
        reason = self._expired(now)
        if reason:
            self._end(reason)
            return
        for station, channel in self.channels:
            due = channel.next_timer()
            if due is not None and due <= now:
                channel.handle_timer(now)
                self._hub.notices(station)
        self.pump(now)
        if self.paused:
            self._arm(now)

    def _expired(self, now: Instant) -> str:
        if self._write_deadline is not None and now >= self._write_deadline:
            return "it takes nothing"
        if now >= self.heard_at + self._deadlines.idle:
            return "silent too long"
        if not self.identified and now >= self.began + self._deadlines.first_frame:
            return "no frame of a configured master"
        return ""

    def _arm(self, now: Instant) -> None:
        """Keep one timer; one that rings early does no harm, setting a new one for each message would cost."""
        due = self.next_timer()
        if due is None or due == math.inf or (self._timer is not None and self._armed_for <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due - now), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.handle_timer(self._hub.now())
        if not self.closed:
            self._arm(self._hub.now())

    def clock_set(self, seconds: float, now: Instant) -> None:
        """The wall clock was set by so much, and shows `now`: deadlines stay as far away as they are."""
        self.heard_at += seconds
        self.began += seconds
        if self._write_deadline is not None:
            self._write_deadline += seconds
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self.closed:
            self._arm(now)

    # --- the end -----------------------------------------------------------------------------------------------------

    @property
    def displaced(self) -> bool:
        """Whether it carried masters that all have come by another connection since."""
        return self.identified and not any(channel.carried for _, channel in self.channels)

    def _end(self, reason: str) -> None:
        if not self.closed:
            self._drop(reason)

    def close(self) -> None:
        """The peer is gone: its associations are free, its events stay."""
        if self.closed:
            return
        self.closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()
        for _, channel in self.channels:
            channel.close()
