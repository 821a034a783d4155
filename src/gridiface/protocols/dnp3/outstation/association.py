"""One master and one outstation: requests in, responses out, confirms, repeats, fragments, broadcast.

Owns application sequence numbers, the wait for confirms, the repeat of a lost response, the held READ and the
meeting of requests with unsolicited reports (IEEE 1815 clause 4). What functions do is functions.py; frames and
connections are channel.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import (
    CON,
    FIN,
    FIR,
    IIN,
    NO_REPLY,
    SEQUENCE_MASK,
    UNS,
    FunctionCode,
    parse_request,
    response_octets,
)
from gridiface.protocols.dnp3.link import BROADCAST_SHALL_CONFIRM
from gridiface.protocols.dnp3.objects import Flags
from gridiface.protocols.dnp3.outstation.authentication import OutstationAuthentication
from gridiface.protocols.dnp3.outstation.events import Event
from gridiface.protocols.dnp3.outstation.functions import BROADCAST_FUNCTIONS, FUNCTIONS, offers
from gridiface.protocols.dnp3.outstation.handler import ConfirmTimedOut, RequestRefused
from gridiface.protocols.dnp3.outstation.response import Series
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings
from gridiface.protocols.dnp3.outstation.state import AssociationState, Reply, Station
from gridiface.protocols.dnp3.outstation.unsolicited import Reporter
from gridiface.protocols.dnp3.transport import FragmentWriter
from gridiface.protocols.dnp3.values import security_value

_OUTSTATION_DATA = 0x44
_HEADER_OCTETS = 4
_CONFIRM = int(FunctionCode.CONFIRM)
_READ = int(FunctionCode.READ)
_RECORD = int(FunctionCode.RECORD_CURRENT_TIME)
_DISABLE = int(FunctionCode.DISABLE_UNSOLICITED)
_SELECTING = frozenset((FunctionCode.SELECT, FunctionCode.OPERATE, FunctionCode.CONFIRM))

Sender = Callable[[bytes], None]


@dataclass(slots=True)
class _Awaited:
    """A response that waits for its confirm, and what comes after it."""

    sequence: int
    keys: list[int]
    deadline: float
    series: Series
    errors: int
    ends_broadcast: bool


def _sooner(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return one if other is None else other
    return min(one, other)


class Association:
    """The outstation's side of one master; lives longer than connections do."""

    def __init__(
        self,
        settings: AssociationSettings,
        station: Station,
        now: float,
        authentication: OutstationAuthentication | None = None,
    ) -> None:
        self.settings = settings
        self.authentication = authentication
        self.state = AssociationState(settings, station, now)
        self._station = station
        self._writer = FragmentWriter(_OUTSTATION_DATA, settings.master, station.settings.address)
        self._send_frames: Sender | None = None
        self._awaited: _Awaited | None = None
        self._held: bytes | None = None
        self._last_request = b""
        self._last_response = b""
        self._broadcast: int | None = None
        self._reporter: Reporter | None = None
        if settings.unsolicited is not None:
            self._reporter = Reporter(self.state, settings.unsolicited, self._transmit, self._report_indications)
        if authentication is not None:
            self.state.security_counts = authentication.counts
            self.state.security_association = authentication.settings.association
            authentication.on_threshold = self._tell_statistic
            authentication.time_ms = self.state.stamp_ms
        station.restarts.append(self._restart)

    @property
    def attached(self) -> bool:
        """True while a connection carries this association."""
        return self._send_frames is not None

    def attach(self, send: Sender) -> None:
        """A connection to this master is usable now; `send` takes whole frames."""
        self._interrupt()
        self._send_frames = send

    def move(self, send: Sender) -> None:
        """The master's datagrams come from another port now; that ends no dialogue: addresses make an association.

        What it asked and was answered, selected and opened stays, so that a repeat is executed no second time; what
        was told unasked is told anew.
        """
        self._held = None
        if self._reporter is not None:
            self._reporter.interrupt()
        self._send_frames = send

    def detach(self) -> None:
        """The connection is gone: the selection is dropped, unconfirmed events stay (clause 13.2)."""
        self._interrupt()
        self._send_frames = None
        if self.authentication is not None:
            self.authentication.disconnected()

    def receive(self, octets: bytes, now: float, broadcast: int | None = None) -> None:
        """Takes one application fragment from the master; anything that is no request is dropped."""
        if len(octets) < 2:
            return
        if self.authentication is not None:
            self.authentication.received(now)
        control, function = octets[0], octets[1]
        if control & (FIR | FIN | CON) != FIR | FIN:
            return
        if function == _CONFIRM:
            if broadcast is None and len(octets) == 2:
                self._confirm(control, now)
            return
        if control & UNS:
            return
        if self._reporter is not None:
            self._reporter.resume()
        if broadcast is not None:
            self._receive_broadcast(octets, now, broadcast)
        else:
            self._receive_request(octets, now)

    def pump(self, now: float) -> None:
        """Sends what may be due unasked; to be called before sending and after updates of the database."""
        if self._reporter is not None and self.attached and self._awaited is None and self._held is None:
            self._reporter.pump(now)

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, seconds since 1970; None when nothing is pending."""
        due: float | None = None
        if self._awaited is not None:
            due = self._awaited.deadline
        if self._reporter is not None and self.attached and (due is None or self._reporter.waiting):
            due = _sooner(due, self._reporter.next_timer())
        if self.authentication is not None:
            due = _sooner(due, self.authentication.next_timer())
        for plan in self.state.freezes:
            due = _sooner(due, plan.due)
        return due

    def handle_timer(self, now: float) -> None:
        """Acts on everything that is due."""
        self.state.run_freezes(now)
        if self.authentication is not None:
            self.authentication.handle_timer(now)
        awaited = self._awaited
        if awaited is not None and now >= awaited.deadline:
            self._abandon()
            self._station.tell(ConfirmTimedOut(self.settings.master, unsolicited=False))
        held = self._held is not None
        if self._reporter is not None and self.attached and self._reporter.handle_timer(now, read_waits=held):
            self._answer_held(now)
        self.pump(now)

    def _receive_request(self, octets: bytes, now: float) -> None:
        function = octets[1]
        if octets == self._last_request and function != _READ:
            # the master did not get our answer: it gets the same one, and nothing is executed again
            if function == _RECORD and self.authentication is None:
                # the time it will write is that of its last sending (clause 4.4.5)
                self.state.recorded_at = now
            if function not in NO_REPLY and self._last_response:
                self._transmit(self._last_response, now)
            return
        self._abandon()
        self._held = None
        if function == _READ and self._reporter is not None and self._reporter.waiting:
            # answered later, it comes between all the same: between SELECT and OPERATE, between the record and its time
            self.state.guard.drop()
            self.state.recorded_at = None
            self._held = octets
            return
        self._admit(octets, now)

    def _admit(self, octets: bytes, now: float) -> None:
        """Executes a request, after secure authentication has had its say."""
        if self.authentication is not None:
            self._authenticate(self.authentication, octets, now)
        else:
            self._perform(octets, octets, now)

    def _perform(self, octets: bytes, received: bytes, now: float) -> None:
        """Executes a request and answers it; `received` is what a repeat of it would look like."""
        function = octets[1]
        self._last_request, self._last_response = received, b""
        reply = self._execute(octets, now)
        if function not in NO_REPLY:
            self._respond(reply, octets[0] & SEQUENCE_MASK, now)
        if reply.after is not None:
            reply.after(now)

    def _authenticate(self, authentication: OutstationAuthentication, octets: bytes, now: float) -> None:
        """Lets secure authentication decide what becomes of a request (IEEE 1815-2012 clause 7)."""
        control = FIR | FIN | octets[0] & SEQUENCE_MASK

        def build(objects: bytes) -> bytes:
            return response_octets(control, FunctionCode.AUTHENTICATE_RESP, self._indications(now), objects)

        verdict = authentication.receive(octets, now, build)
        if verdict.answer is not None:
            self._transmit(verdict.answer, now)
        elif verdict.repeat and self._last_response:
            self._transmit(self._last_response, now)
        elif verdict.execute is not None:
            self.state.user = verdict.user
            aggressive = octets[1] == verdict.execute[1]
            self._perform(verdict.execute, octets if aggressive else verdict.execute, now)
            self.state.user = 0

    def _tell_statistic(self, statistic: int, count: int, now: float) -> None:
        """A security statistic passed its threshold: an event (g122)."""
        if self.authentication is not None:
            settings = self.authentication.settings
            value = security_value(settings.association, count)
            event = Event(122, statistic, 2, value, Flags.ONLINE, round(now * 1000), wide_index=False)
            self.state.add(event, settings.event_class, now)

    def _receive_broadcast(self, octets: bytes, now: float, address: int) -> None:
        """Executes what may be broadcast, answers nothing, and says so in the next response (clause 4.5.2).

        The indication tells that a broadcast came, whatever was done with it. It is no part of the dialogue with this
        master: what it asks next is no repeat of it, nor is a repeat of what it asked before anything new.
        """
        self._abandon()
        self._held = None
        self._broadcast = address
        if octets[1] not in BROADCAST_FUNCTIONS:
            self.state.guard.drop()
            return
        if self.authentication is not None and self.authentication.refuse_broadcast(octets[1], now):
            return
        reply = self._execute(octets, now)
        if reply.after is not None:
            reply.after(now)

    def _execute(self, octets: bytes, now: float) -> Reply:
        """Runs a request's function; whatever is wrong with it becomes the reply's IIN."""
        function = octets[1]
        if function not in _SELECTING:
            self.state.guard.drop()
        recorded = self.state.recorded_at
        try:
            reply = self._run(octets, now)
        except RemoteProtocolError as error:
            self.state.guard.drop()
            reply = Reply(error.answer)
            self._station.tell(RequestRefused(self.settings.master, function, error.reason))
        if self.state.recorded_at == recorded and function != _RECORD:
            # only the very next request may use the recorded time (clause 4.4.5)
            self.state.recorded_at = None
        return reply

    def _run(self, octets: bytes, now: float) -> Reply:
        if not offers(self.state, octets[1]):
            # whatever its objects are, they are not what is wrong with it (clause 4.5.3)
            raise RemoteProtocolError(f"function {octets[1]} is not there", answer=IIN.NO_FUNC_CODE_SUPPORT)
        request = parse_request(octets)
        reply = FUNCTIONS[request.function](self.state, request, now)
        if request.function == _DISABLE and self._reporter is not None:
            self._reporter.cancel(now)
        return reply

    def _respond(self, reply: Reply, sequence: int, now: float) -> None:
        if reply.parts is not None:
            self._send_next(Series(reply.parts), sequence, now, reply.iin, first=True)
            return
        if len(reply.objects) > self.settings.max_tx_fragment - _HEADER_OCTETS:
            reply = Reply(IIN.PARAMETER_ERROR)
        shall_confirm = self._broadcast == BROADCAST_SHALL_CONFIRM
        control = FIR | FIN | (CON if shall_confirm else 0) | sequence
        octets = response_octets(control, FunctionCode.RESPONSE, reply.iin | self._indications(now), reply.objects)
        self._last_response = octets
        if shall_confirm:
            self._await(sequence, [], Series([]), reply.iin, now)
        else:
            self._broadcast = None
        self._transmit(octets, now)

    def _send_next(self, series: Series, sequence: int, now: float, errors: int, *, first: bool) -> None:
        """Sends the next fragment of a series; it wants a confirm unless it is the last and holds no event."""
        fragment = series.next_fragment(self.settings.max_tx_fragment - _HEADER_OCTETS)
        shall_confirm = self._broadcast == BROADCAST_SHALL_CONFIRM
        confirmed = bool(fragment.keys) or not series.done or shall_confirm
        control = (FIR if first else 0) | (FIN if series.done else 0) | (CON if confirmed else 0) | sequence
        octets = response_octets(control, FunctionCode.RESPONSE, errors | self._indications(now), bytes(fragment.data))
        if confirmed:
            self._await(sequence, fragment.keys, series, errors, now)
        if not shall_confirm:
            self._broadcast = None
        self._transmit(octets, now, keep=fragment.has_static)

    def _await(self, sequence: int, keys: list[int], series: Series, errors: int, now: float) -> None:
        ends_broadcast = self._broadcast is not None
        deadline = now + self.settings.confirm_timeout
        self._awaited = _Awaited(sequence, keys, deadline, series, errors, ends_broadcast)

    def _confirm(self, control: int, now: float) -> None:
        sequence = control & SEQUENCE_MASK
        if control & UNS:
            told = self._reporter is not None and self._reporter.tells_broadcast
            if self._reporter is not None and self._reporter.confirm(sequence, now):
                if told:
                    self._broadcast = None
                self._answer_held(now)
                self.pump(now)
            return
        awaited = self._awaited
        if awaited is None or awaited.sequence != sequence:
            return
        self._awaited = None
        self.state.buffer.confirm(awaited.keys)
        if awaited.ends_broadcast:
            self._broadcast = None
        if not awaited.series.done:
            following = (sequence + 1) & SEQUENCE_MASK
            self._send_next(awaited.series, following, now, awaited.errors, first=False)
        else:
            self.pump(now)

    def _answer_held(self, now: float) -> None:
        """Answers the READ that came while an unsolicited confirm was awaited (clause 8.11.2.1 of the test plan)."""
        held, self._held = self._held, None
        if held is not None:
            self._admit(held, now)

    def _indications(self, now: float) -> int:
        found = self.state.indications(now)
        return found if self._broadcast is None else found | IIN.BROADCAST

    def _report_indications(self, now: float) -> int:
        """The same for an unsolicited response: it tells of a broadcast as any response does."""
        found = self._indications(now)
        if self._broadcast != BROADCAST_SHALL_CONFIRM:
            self._broadcast = None
        return found

    def _abandon(self) -> None:
        """A response is given up: its events count as unsent."""
        if self._awaited is not None:
            self.state.buffer.release(self._awaited.keys)
            self._awaited = None

    def _interrupt(self) -> None:
        self._abandon()
        self._held = None
        self._last_request = self._last_response = b""
        self.state.guard.drop()
        self.state.recorded_at = None
        if self.state.files is not None:
            self.state.files.clear()
        if self._reporter is not None:
            self._reporter.interrupt()

    def _restart(self, now: float) -> None:
        self._abandon()
        self._held = None
        self.state.restart(now)
        if self.authentication is not None:
            self.authentication.restart(now)
        if self._reporter is not None:
            self._reporter.restart()

    def _transmit(self, octets: bytes, now: float, *, keep: bool = False) -> None:
        if self.authentication is not None:
            self.authentication.sent(octets, now)
        if self._send_frames is not None:
            self._send_frames(self._writer.encode(octets, keep=keep))
