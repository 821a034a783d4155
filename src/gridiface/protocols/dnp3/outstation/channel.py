"""One connection of an outstation: octets in, octets out, link functions, keep-alive.

Owns which frames are ours, the link answers, and the probe of a silent peer (IEEE 1815 clauses 9 and 13). Requests
are handed to the association of the frame's source address. The shell that owns the socket calls the four verbs.
"""

from __future__ import annotations

from collections.abc import Mapping

from gridiface.protocols.dnp3.link import (
    BROADCASTS,
    DFC,
    DIR,
    PRM,
    SELF_ADDRESS,
    Frame,
    FrameReader,
    PrimaryFunction,
    SecondaryStation,
    Silence,
    SilenceWatch,
    encode,
)
from gridiface.protocols.dnp3.outstation.association import Association
from gridiface.protocols.dnp3.outstation.handler import LinkLost, Notice
from gridiface.protocols.dnp3.outstation.state import Station
from gridiface.protocols.dnp3.transport import Reassembler

MAX_QUEUED_OCTETS = 256 * 1024
"""A peer that asks on without reading is not listened to once so much waits for it."""

_USER_DATA = frozenset((PrimaryFunction.CONFIRMED_USER_DATA, PrimaryFunction.UNCONFIRMED_USER_DATA))


class Channel:
    """A connection, made by `Outstation.open`; `receive`, `to_send`, `next_timer`, `handle_timer`, `next_event`.

    After every call of any of these, and after updates of the database, call `to_send` and write what it returns in
    one write. When `lost` is true the peer is gone: close the connection. Call `close` when it is closed.
    """

    def __init__(
        self,
        station: Station,
        associations: Mapping[int, Association],
        now: float,
        *,
        probes: bool = True,
        greets: bool = True,
        datagrams: bool = False,
        frame_gap: float | None = None,
    ) -> None:
        self.datagrams = datagrams
        self._station = station
        self._address = station.settings.address
        self._associations = associations
        self._reader = FrameReader(frame_gap)
        self._links: dict[int, SecondaryStation] = {}
        self._assemblers: dict[tuple[int, int], Reassembler] = {}
        self._out: list[bytes] = []
        self._queued = 0
        self._mine: dict[int, Association] = {}
        keep_alive = station.settings.keep_alive if probes else None
        self._silence = SilenceWatch(keep_alive, station.settings.link_timeout)
        self._silence.heard(now)
        self.lost = False
        self.taken = 0
        """How often this connection took up a master, from another one or anew."""
        self._greets = greets
        self.greet()

    def greet(self) -> None:
        """Takes up the only master that can be meant: it may be told of our restart before it asks.

        Not while another connection carries it: who has not shown a frame of the master yet takes nothing from it.
        """
        if self._greets and len(self._associations) == 1:
            association = next(iter(self._associations.values()))
            if not association.attached:
                self._attach(association)

    def receive(self, data: bytes, now: float, *, datagram: bool = False) -> None:
        """Takes octets as they came; never raises for what they hold.

        `datagram`: they are one datagram; a frame that it does not hold to its end goes on in no other (clause 13.2.3).
        """
        if not data:
            return
        self._silence.heard(now)
        for frame in self._reader.feed(data, now):
            self._take(frame, now)
        if datagram:
            self._reader.clear()

    def to_send(self, now: float) -> bytes:
        """Everything that is to be written now, whole frames only; empty when nothing is."""
        for association in self._mine.values():
            association.pump(now)
        if not self._out:
            return b""
        out = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        self._queued = 0
        return out

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, seconds since 1970; None when nothing is pending."""
        if not self._mine:
            return None
        due = self._silence.next_timer()
        for association in self._mine.values():
            at = association.next_timer()
            if at is not None and (due is None or at < due):
                due = at
        return due

    def handle_timer(self, now: float) -> None:
        """Acts on everything that is due: confirms, retries, planned freezes, the link probe."""
        for association in self._mine.values():
            association.handle_timer(now)
        self._probe(now)

    def clock_set(self, now: float) -> None:
        """The host's clock was set: what waited until a time by it begins anew, as on a new connection."""
        for association in self._mine.values():
            association.attach(self._queue)
        self._silence.heard(now)

    def next_event(self) -> Notice | None:
        """The oldest notice of the outstation that was not fetched yet, of any of its connections."""
        return self._station.notices.popleft() if self._station.notices else None

    def close(self) -> None:
        """The connection is closed: its associations are free for the next one."""
        for association in self._mine.values():
            association.detach()
        self._mine.clear()
        self._out.clear()
        self._queued = 0

    def release(self, master: int) -> None:
        """Another connection carries this master now."""
        self._mine.pop(master, None)

    @property
    def carried(self) -> int:
        """How many masters this connection carries."""
        return len(self._mine)

    def go_on_from(self, other: Channel, master: int) -> None:
        """Take over the link to a master from the connection where its datagrams came from until now."""
        link = other._links.pop(master, None)
        if link is not None:
            self._links[master] = link
        for key in [key for key in other._assemblers if key[0] == master]:
            self._assemblers[key] = other._assemblers.pop(key)

    def carries(self, master: int) -> bool:
        """Whether this connection carries a master."""
        return master in self._mine

    def _take(self, frame: Frame, now: float) -> None:
        control, destination, source, _ = frame
        association = self._associations.get(source)
        if association is None or not control & DIR:
            return
        broadcast = None
        if destination != self._address:
            settings = self._station.settings
            if destination in BROADCASTS:
                broadcast = destination
            elif destination != SELF_ADDRESS or not settings.self_address:
                return
        if source not in self._mine:
            self._attach(association)
        if not control & PRM:
            return
        fresh = self._link(frame, broadcast)
        if fresh and self._queued < MAX_QUEUED_OCTETS:
            self._segment(frame, association, now, broadcast)

    def _link(self, frame: Frame, broadcast: int | None) -> bool:
        """Answers link functions; True when the frame holds new user data.

        A broadcast carries user data only and is never answered; confirmed ones count by their frame count bit all the
        same, as test procedure 8.6.5.2 sends them.
        """
        if broadcast is not None and frame.function not in _USER_DATA:
            return False
        link = self._links.get(frame.source)
        if link is None:
            link = self._links[frame.source] = SecondaryStation()
        answer, fresh = link.take(frame)
        if answer is not None and broadcast is None:
            busy = DFC if self._queued >= MAX_QUEUED_OCTETS else 0
            self._queue(encode(Frame(answer | busy, frame.source, self._address)))
        return fresh

    def _segment(self, frame: Frame, association: Association, now: float, broadcast: int | None) -> None:
        key = (frame.source, frame.destination)
        assembler = self._assemblers.get(key)
        if assembler is None:
            assembler = self._assemblers[key] = Reassembler(association.settings.max_rx_fragment)
        fragment = assembler.push(frame.payload)
        if fragment is not None:
            association.receive(fragment, now, broadcast)

    def _attach(self, association: Association, *, moved: bool = False) -> None:
        """Take up a master; `moved`: from another address of its datagrams, which ends no dialogue."""
        (association.move if moved else association.attach)(self._queue)
        self._mine[association.settings.master] = association
        self.taken += 1

    def _queue(self, octets: bytes) -> None:
        self._out.append(octets)
        self._queued += len(octets)

    def _probe(self, now: float) -> None:
        """Asks silent masters for their link status; no octet within the link timeout means the peer is gone."""
        action = self._silence.handle_timer(now) if self._mine else Silence.NOTHING
        if action is Silence.PROBE:
            for master in self._mine:
                control = PRM | PrimaryFunction.REQUEST_LINK_STATUS
                self._queue(encode(Frame(control, master, self._address)))
        elif action is Silence.LOST:
            self.lost = True
            self._station.tell(LinkLost(0))
