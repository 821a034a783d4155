"""An MMS client: one association, its confirmed services, and what the server reports.

Owns invoke identifiers, the negotiated number of requests without an answer, and the end of the association. Not owned:
the layers below (association), services (services, responses), time-outs (whoever asks).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.mms import pdu
from gridiface.protocols.mms.association import Association, Settings, State
from gridiface.protocols.mms.ber import broken
from gridiface.protocols.mms.errors import ServiceError
from gridiface.protocols.mms.pdu import Initiate, Reject, Report
from gridiface.protocols.mms.responses import decode_response
from gridiface.protocols.mms.services import Request, Response, encode_request

#: Requests that may wait for their turn; who asks more has lost count.
MAX_WAITING = 4096
#: Events that nobody has fetched; a peer that reports without end loses the oldest.
MAX_EVENTS = 10_000
_MAX_INVOKE = 0x7FFF_FFFF
_SMALLEST_UNIT = 128


@dataclass(frozen=True, slots=True)
class Associated:
    """The association is open, on these terms."""

    terms: Initiate


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered: its response, or why there is none."""

    invoke: int
    request: Request
    result: Response | ServiceError | Reject


@dataclass(frozen=True, slots=True)
class Reported:
    """The server reports unasked."""

    report: Report


@dataclass(frozen=True, slots=True)
class Ended:
    """The association has ended; nothing comes after this."""

    why: str


Event = Associated | Answered | Reported | Ended


class Client:
    """One client and its server.

    Call `connect` when TCP is there; then `receive`, and after every call `to_send`, and `next_event` until it gives
    None. After `Ended` the TCP connection is to be closed when `to_send` is empty.
    """

    def __init__(self, settings: Settings) -> None:
        self.terms: Initiate | None = None
        self._settings = settings
        self._below = Association(settings)
        self._invoke = 0
        self._asked: dict[int, Request | None] = {}
        self._waiting: deque[tuple[int, Request, bytes]] = deque()
        self._concluding = False
        self._events: deque[Event] = deque(maxlen=MAX_EVENTS)
        self._told_end = False

    @property
    def is_open(self) -> bool:
        """Whether requests can be made."""
        return self.terms is not None and self._below.state is State.OPEN and not self._concluding

    def connect(self) -> None:
        """Begin the association; `Associated` or `Ended` comes of it."""
        proposal = Initiate(
            max_octets=self._settings.max_octets, calling=self._settings.outstanding, called=self._settings.outstanding
        )
        self._below.connect(pdu.encode_initiate(proposal))

    def receive(self, data: bytes) -> None:
        """Take octets as they came.

        Raises:
            RemoteProtocolError: the peer breaks a rule or refuses; the association has ended, `Ended` comes last.
        """
        try:
            for unit in self._below.receive(data):
                self._take(unit)
        except RemoteProtocolError as error:
            self._below.abort(error.reason)
            self._finish()
            raise
        self._finish()

    def request(self, request: Request) -> int:
        """Ask; its number comes back in `Answered`. It waits where as many are outstanding as were agreed on.

        Raises:
            LocalProtocolError: the association is not open, too many wait, or the request is longer than agreed.
        """
        if not self.is_open or self.terms is None or len(self._waiting) >= MAX_WAITING:
            raise LocalProtocolError("the association is not open, or too many requests wait")
        invoke = self._invoke = self._invoke % _MAX_INVOKE + 1
        unit = pdu.encode_confirmed(invoke, encode_request(request))
        if len(unit) > (self.terms.max_octets or self._settings.max_octets):
            raise LocalProtocolError(f"a request of {len(unit)} octets, {self.terms.max_octets} were agreed")
        self._waiting.append((invoke, request, unit))
        self._advance()
        return invoke

    def cancel(self, invoke: int) -> None:
        """Call a request off: where it has not gone yet it never will, else the server is asked to; no event comes."""
        self._waiting = deque(entry for entry in self._waiting if entry[0] != invoke)
        if self._asked.get(invoke) is not None and self.is_open:
            self._asked[invoke] = None
            self._below.send(pdu.encode_cancel(pdu.Cancel(invoke)))

    def conclude(self) -> None:
        """End in order: MMS concludes, then the association is released."""
        if self.is_open:
            self._concluding = True
            self._waiting.clear()
            self._below.send(pdu.encode_conclude())

    def abort(self, why: str = "aborted by this side") -> None:
        """End at once; the peer is told."""
        self._below.abort(why)
        self._finish()

    def to_send(self) -> bytes:
        """Everything that is to be written now."""
        return self._below.to_send()

    def next_event(self) -> Event | None:
        """The oldest event that was not fetched yet."""
        return self._events.popleft() if self._events else None

    # What comes ----------------------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        unit = pdu.decode(data)
        if self.terms is None:
            self._agreed(unit)
            return
        match unit:
            case pdu.Confirmed(answer=True):
                self._answered(unit)
            case pdu.Confirmed():
                # a client offers no service
                self._below.send(pdu.encode_reject(Reject(unit.invoke, 1, 1)))
            case pdu.Failed():
                self._done(unit.invoke, unit.error)
            case pdu.Reject():
                self._rejected(unit)
            case pdu.Report():
                self._events.append(Reported(unit))
            case _:
                self._ending(unit)
        self._advance()

    def _ending(self, unit: pdu.Unit | None) -> None:
        match unit:
            case pdu.Cancel(answer=True):
                # taken or not: the request's own answer, or its error service-preempt, frees it
                return
            case pdu.Conclude(answer=True, error=None) if self._concluding:
                self._below.release()
            case pdu.Conclude(answer=True) if self._concluding:
                self._below.abort("the peer does not conclude")
            case pdu.Conclude(answer=False):
                self._below.send(pdu.encode_conclude(answer=True))
            case None:
                return
            case _:
                raise broken(f"{type(unit).__name__} where none belongs")

    def _agreed(self, unit: pdu.Unit | None) -> None:
        if isinstance(unit, pdu.InitiateFailed):
            raise broken(f"the peer does not initiate: {unit.error.words}")
        if not isinstance(unit, pdu.Initiated):
            raise broken("no answer to initiate")
        told, most = unit.terms, self._settings
        # who agrees on more than was offered is held to the offer
        octets = most.max_octets if told.max_octets is None else min(told.max_octets, most.max_octets)
        calling = min(told.calling, most.outstanding)
        if octets < _SMALLEST_UNIT or calling < 1 or told.version < pdu.VERSION:
            raise broken(f"terms on which nobody can work: {octets} octets, {calling} requests, version {told.version}")
        self.terms = replace(told, max_octets=octets, calling=calling)
        self._events.append(Associated(self.terms))

    def _answered(self, unit: pdu.Confirmed) -> None:
        if unit.invoke not in self._asked:
            raise broken(f"an answer to request {unit.invoke}, which nobody made")
        request = self._asked[unit.invoke]
        self._done(unit.invoke, None if request is None else decode_response(request, unit.service))

    def _rejected(self, unit: Reject) -> None:
        if unit.invoke in self._asked and unit.reason == 1:
            self._done(unit.invoke, unit)
        elif unit.reason not in (6, 7, 8):
            raise broken(unit.words)

    def _done(self, invoke: int, result: Response | ServiceError | Reject | None) -> None:
        if invoke not in self._asked:
            raise broken(f"an error of request {invoke}, which nobody made")
        request = self._asked.pop(invoke)
        if request is not None and result is not None:
            self._events.append(Answered(invoke, request, result))

    # What goes -----------------------------------------------------------------------------------------------------

    def _advance(self) -> None:
        while self.is_open and self.terms is not None and self._waiting and len(self._asked) < self.terms.calling:
            invoke, request, unit = self._waiting.popleft()
            self._asked[invoke] = request
            self._below.send(unit)

    def _finish(self) -> None:
        if self._below.state is State.ENDED and not self._told_end:
            self._told_end = True
            self._asked.clear()
            self._waiting.clear()
            self._events.append(Ended(self._below.why))
