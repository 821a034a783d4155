"""A multicast DNS responder without I/O: probes for its names, announces its services, answers, says good-bye.

Speaks for one zone on one link. The shell hands in datagrams with `receive`, sends what `to_send` gives at once, and
calls `handle_timer` when `next_timer` says so; times are of one clock that never goes back, in seconds. RFC 6762:
probing 8.1, tie-break 8.2, announcing 8.3, conflicts 9, known answers 7.1, legacy unicast 6.7, good-bye 10.1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnssd.messages import (
    Message,
    Name,
    Question,
    Record,
    RecordType,
    decode,
    encode,
    fold,
    sorted_data,
)
from gridiface.protocols.dnssd.zone import Zone

PORT = 5353
_PROBES, _PROBE_S = 3, 0.25
_ANNOUNCEMENTS, _ANNOUNCE_S = 2, 1.0
_LOST_S = 1.0
#: Conflicts after which it takes its time (8.1), and how long.
_MANY_CONFLICTS, _CALM_S = 15, 5.0
_SHARED_S = (0.02, 0.12)
_TRUNCATED_S = (0.4, 0.5)
#: A record is multicast once a second at most (6).
_AGAIN_S = 1.0
_LEGACY_TTL_S = 10
#: Records in one datagram; a service instance takes about 120 octets.
_PACKET_RECORDS = 10
#: Unicast answers in a second: who asks with forged addresses gets no more out of us.
_UNICAST_A_SECOND = 50

#: A socket address: host, port, and for IPv6 flow and scope.
Peer = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A datagram to send; `to` None: to the group."""

    octets: bytes
    to: Peer | None = None


@dataclass(slots=True)
class _Pending:
    """Answers that wait to be multicast."""

    at: float
    records: list[Record]


class Responder:
    """Answers for a zone.

    Args:
        zone: what it owns.
        draw: a random number in 0..1, for the waits that the standard wants random.
        port: of the group; whoever asks from another port is answered as a plain resolver.
    """

    def __init__(self, zone: Zone, *, draw: Callable[[], float], port: int = PORT) -> None:
        self.zone = zone
        self.conflicts = 0
        self._draw, self._port = draw, port
        self._ready: list[Outgoing] = []
        self._pending: list[_Pending] = []
        self._said: dict[tuple[Name, int, object], float] = {}
        self._ours = False
        self._probes_left, self._announcements_left = _PROBES, 0
        self._step: float | None = None
        self._window, self._window_count = 0.0, 0

    @property
    def established(self) -> bool:
        """Whether its names are its own: it answers from then on."""
        return self._ours

    def start(self, now: float) -> None:
        """Begin to probe."""
        self._step = now + self._draw() * _PROBE_S

    def stop(self) -> None:
        """Say good-bye; nothing is answered afterwards."""
        if self.established:
            self._queue([record.lasting(0) for record in (*self.zone.shared(), *self.zone.unique())])
        self._step, self._pending = None, []
        self._ours, self._probes_left = False, _PROBES

    def to_send(self) -> list[Outgoing]:
        """What goes out now."""
        ready, self._ready = self._ready, []
        return ready

    def next_timer(self) -> float | None:
        """When `handle_timer` wants to be called."""
        due = [pending.at for pending in self._pending]
        return min(due if self._step is None else [*due, self._step], default=None)

    def handle_timer(self, now: float) -> None:
        """Take the next step of probing and announcing; send answers whose time has come."""
        if self._step is not None and self._step <= now:
            self._take_step(now)
        for pending in [one for one in self._pending if one.at <= now]:
            self._pending.remove(pending)
            self._multicast(pending.records, now)

    def receive(self, octets: bytes, peer: Peer, now: float) -> None:
        """Take a datagram in. What is no message is dropped."""
        try:
            message = decode(octets)
        except RemoteProtocolError:
            return
        if message.is_response:
            if peer[1] == self._port:
                self._heed(message, now)
        else:
            self._compare_probes(message, now)
            if self.established:
                self._answer(message, peer, now)

    # --- names ----------------------------------------------------------------------------------------------------

    def _take_step(self, now: float) -> None:
        if self._probes_left:
            self._probes_left -= 1
            self._probe()
            self._step = now + _PROBE_S
            return
        if not self._ours:  # nobody answered the last probe either
            self._ours, self._announcements_left = True, _ANNOUNCEMENTS
        self._multicast([*self.zone.shared(), *self.zone.unique()], now, again=True)
        self._announcements_left -= 1
        self._step = now + _ANNOUNCE_S if self._announcements_left > 0 else None

    def _probe(self) -> None:
        names = self.zone.names
        for at in range(0, len(names), _PACKET_RECORDS // 2):
            chosen = names[at : at + _PACKET_RECORDS // 2]
            questions = tuple(Question(name, RecordType.ANY, unicast=True) for name in chosen)
            proposed = tuple(replace(r, unique=False) for name in chosen for r in self.zone.unique(name))
            self._ready.append(Outgoing(encode(Message(questions=questions, authorities=proposed))))

    def _compare_probes(self, message: Message, now: float) -> None:
        """Somebody probes for a name that we probe for: the greater records win, the other one waits (8.2)."""
        if self.established:
            return
        for name in {fold(record.name) for record in message.authorities}:
            ours = self.zone.unique(name) if name in {fold(one) for one in self.zone.names} else []
            theirs = [record for record in message.authorities if fold(record.name) == name]
            if ours and sorted_data(theirs) > sorted_data(ours):
                self._restart(now + _LOST_S)

    def _heed(self, message: Message, now: float) -> None:
        """Somebody answers for a name of ours with other data: it is theirs, and we look for another one."""
        ours = {fold(name) for name in self.zone.names}
        for record in message.records:
            name = fold(record.name)
            if name not in ours or record.ttl == 0 or record.type == RecordType.PTR:
                continue
            known = self.zone.unique(record.name)
            same_type = [one for one in known if one.type == record.type]
            if any(one.data == record.data for one in same_type) or (self.established and not same_type):
                continue
            if self.zone.rename(record.name):
                self.conflicts += 1
                self._restart(now + (_CALM_S if self.conflicts >= _MANY_CONFLICTS else self._draw() * _PROBE_S))
                ours = {fold(one) for one in self.zone.names}

    def _restart(self, at: float) -> None:
        self._ours, self._probes_left, self._announcements_left, self._step = False, _PROBES, 0, at
        self._pending = []

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, message: Message, peer: Peer, now: float) -> None:
        legacy = peer[1] != self._port
        if message.authorities and not legacy:
            # A probe for a name that is ours: all must hear that it is taken, whoever shares the asker's port.
            self._multicast(_once(r for q in message.questions for r in self.zone.answers(q)), now, again=True)
            return
        wanted = [(question, self._unknown(self.zone.answers(question), message)) for question in message.questions]
        direct = [r for question, found in wanted if legacy or question.unicast for r in found]
        if direct:
            self._unicast(message, _once(direct), peer, now, legacy=legacy)
        group = _once([r for question, found in wanted if not legacy and not question.unicast for r in found])
        if not group:
            return
        alone = all(record.unique for record in group) and not message.truncated
        if alone:
            self._multicast(group, now)
            return
        least, most = _TRUNCATED_S if message.truncated else _SHARED_S
        self._pending.append(_Pending(now + least + self._draw() * (most - least), group))

    @staticmethod
    def _unknown(found: Iterable[Record], message: Message) -> list[Record]:
        """Without what whoever asks knows already, for half of its time at least."""
        known = {(fold(r.name), r.type, r.data): r.ttl for r in message.answers}
        return [r for r in found if known.get((fold(r.name), r.type, r.data), 0) * 2 < r.ttl]

    def _unicast(self, asked: Message, answers: Sequence[Record], peer: Peer, now: float, *, legacy: bool) -> None:
        if now - self._window >= 1.0:
            self._window, self._window_count = now, 0
        self._window_count += 1
        if self._window_count > _UNICAST_A_SECOND:
            return
        more = self.zone.additional(answers)
        if legacy:
            answers, more = [_legacy(r) for r in answers], [_legacy(r) for r in more]
        said = Message(
            id=asked.id if legacy else 0,
            is_response=True,
            questions=asked.questions if legacy else (),
            answers=tuple(answers),
            additionals=tuple(more[: 4 * _PACKET_RECORDS]),
        )
        self._ready.append(Outgoing(encode(said), peer))

    def _multicast(self, records: Sequence[Record], now: float, *, again: bool = False) -> None:
        fresh = [r for r in records if again or now - self._said.get((fold(r.name), r.type, r.data), -9.0) >= _AGAIN_S]
        if not fresh:
            return
        for record in fresh:
            self._said[fold(record.name), record.type, record.data] = now
        if len(self._said) > 10_000:
            self._said.clear()
        self._queue(fresh, further=not again)

    def _queue(self, records: Sequence[Record], *, further: bool = False) -> None:
        """Say records to the group; `further`: with what is asked for next, as additional records (RFC 6763, 12)."""
        step = _PACKET_RECORDS // 2 if further else _PACKET_RECORDS
        for at in range(0, len(records), step):
            part = tuple(records[at : at + step])
            more = tuple(self.zone.additional(part)[: 2 * _PACKET_RECORDS]) if further else ()
            self._ready.append(Outgoing(encode(Message(is_response=True, answers=part, additionals=more))))


def _legacy(record: Record) -> Record:
    """For a plain resolver: it keeps no cache that could be flushed, and does not hear changes."""
    return replace(record, ttl=min(record.ttl, _LEGACY_TTL_S), unique=False)


def _once(records: Iterable[Record]) -> list[Record]:
    return list(dict.fromkeys(records))
