"""A master of one outstation: tasks out, responses in, unsolicited reports, start-up and automatic tasks.

Owns application sequence numbers, confirms, timeouts and the queue of tasks (IEEE 1815 clause 5.1). What it asks by
itself is automatic.py, what a task asks tasks.py; what points a response holds is measurements.py;
frames and segments are master_link.py.
"""

from __future__ import annotations

import heapq
from collections import deque

from gridiface.errors import LocalProtocolError, RemoteProtocolError
from gridiface.protocols.dnp3.application import (
    CON,
    FIN,
    FIR,
    IIN,
    SEQUENCE_MASK,
    UNS,
    Fragment,
    FunctionCode,
    parse_response,
)
from gridiface.protocols.dnp3.authentication.objects import find
from gridiface.protocols.dnp3.master.authentication import MasterAuthentication
from gridiface.protocols.dnp3.master.automatic import AutomaticTasks
from gridiface.protocols.dnp3.master.link import MasterLink
from gridiface.protocols.dnp3.master.queue import FIRST, ROUTINE, URGENT, Poll, Queued, Running
from gridiface.protocols.dnp3.master.settings import (
    Failure,
    MasterEvent,
    MasterSettings,
    OutstationLost,
    OutstationRestarted,
    PointsReceived,
    TaskDone,
)
from gridiface.protocols.dnp3.master.tasks import (
    Ask,
    Clock,
    Outcome,
    Response,
    Task,
    class_poll,
)
from gridiface.protocols.dnp3.measurements import point_blocks

MAX_QUEUED_TASKS = 1000
MAX_EVENTS = 10_000
SESSION_KEYS = "session keys"
MAX_CHALLENGES = 2
MAX_RESPONSE_FRAGMENTS = 4096


class Master:
    """One master and its outstation.

    Call `connected` when a connection is there and `disconnected` when it is gone; in between `receive`, and after
    every call `to_send`; `next_timer` tells when `handle_timer` is due. Results come by `next_event`.

    Args:
        settings: addresses, times, what happens automatically.
        authentication: one user's secure authentication, None without.

    `clock` is the time of the last call, for tasks that write the time when their turn comes. `sequence` is that of the
    next request; set it before `connected` where this master goes on from another. While `held` is true no task begins:
    on a line that others use it is not our turn.
    """

    def __init__(self, settings: MasterSettings, authentication: MasterAuthentication | None = None) -> None:
        self.settings = settings
        self.authentication = authentication
        self._link = MasterLink(settings)
        self.clock = Clock()
        self._connected = False
        self.sequence = 0
        self.held = False
        self._queue: list[Queued] = []
        self._running: Running | None = None
        self._polls: list[Poll] = []
        self._number = 0
        self._automatic = AutomaticTasks(settings, self.clock, self._push)
        self._last_report = b""
        self._events: deque[MasterEvent] = deque(maxlen=MAX_EVENTS)
        self._keys_retry_at = 0.0

    def connected(self, now: float) -> None:
        """A connection is there: the start-up sequence is queued."""
        self.clock.now = now
        self._connected = True
        self._link.open(now)
        self._last_report = b""
        self._keys_retry_at = now
        self._secure(now)
        self._automatic.start_up()
        self._advance(now)

    def disconnected(self, now: float) -> None:
        """The connection is gone: the running task and those that wait fail."""
        self.clock.now = now
        self._connected = False
        self._link.close()
        if self.authentication is not None:
            self.authentication.forget()
        if self._running is not None:
            running, self._running = self._running, None
            self._finish(running.queued, Outcome(Failure.DISCONNECTED), ())
        for queued in sorted(self._queue):
            self._finish(queued, Outcome(Failure.DISCONNECTED), ())
        self._queue.clear()
        self._automatic.forget()
        for poll in self._polls:
            poll.pending = False

    def submit(self, name: str, task: Task, *, urgent: bool = True) -> int:
        """Queues a task, to be begun by `to_send`; its number comes back in `TaskDone` and `PointsReceived`.

        Raises:
            LocalProtocolError: no connection, or too many tasks wait.
        """
        if not self._connected or len(self._queue) >= MAX_QUEUED_TASKS:
            raise LocalProtocolError("no connection, or too many tasks wait")
        # it begins with `to_send`, which tells the time: the last call may have been long ago
        return self._push(name, task, URGENT if urgent else ROUTINE)

    def add_poll(self, classes: tuple[int, ...], period: float, now: float) -> None:
        """Polls classes every `period` seconds while connected; (1, 2, 3, 0) is an integrity poll."""
        self._polls.append(Poll(period, now + period, classes))

    def receive(self, data: bytes, now: float, *, datagram: bool = False) -> None:
        """Takes octets as they came; never raises for what they hold.

        `datagram`: they are one datagram; a frame that it does not hold to its end goes on in no other (clause 13.2.3).
        """
        self.clock.now = now
        if not data or not self._connected:
            return
        for fragment in self._link.receive(data, now, datagram=datagram):
            self._receive_fragment(fragment, now)
        self._advance(now)

    def to_send(self, now: float) -> bytes:
        """Everything that is to be written now, whole frames only."""
        self.clock.now = now
        self._advance(now)
        return self._link.take()

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited or a task waits."""
        return self._running is not None or bool(self._queue)

    @property
    def wants_to_send(self) -> bool:
        """Whether `to_send` has something, or would begin a task."""
        return self._link.waits or (self._running is None and bool(self._queue))

    def next_event(self) -> MasterEvent | None:
        """The oldest result that was not fetched yet."""
        return self._events.popleft() if self._events else None

    def next_timer(self) -> float | None:
        """When `handle_timer` is due, seconds since 1970; None when nothing is pending."""
        if not self._connected:
            return None
        due = [poll.due for poll in self._polls if not poll.pending]
        if self._running is not None:
            due.append(self._running.deadline)
        others = (self._automatic.next_timer(), self._link.next_timer())
        return min([*due, *(at for at in others if at is not None)], default=None)

    def handle_timer(self, now: float) -> None:
        """Acts on everything that is due: timeouts, polls, retries, the link probe."""
        self.clock.now = now
        if not self._connected:
            return
        if self._running is not None and now >= self._running.deadline:
            running, self._running = self._running, None
            self._finish(running.queued, Outcome(Failure.TIMEOUT), tuple(running.fragments))
        self._automatic.handle_timer(now)
        for poll in self._polls:
            if now >= poll.due and not poll.pending:
                poll.pending = True
                self._push(f"poll {poll.classes}", class_poll(poll.classes), ROUTINE)
        if self._link.handle_timer(now):
            self._events.append(OutstationLost())
        self._advance(now)

    def _push(self, name: str, task: Task, priority: int) -> int:
        self._number += 1
        heapq.heappush(self._queue, Queued(priority, self._number, name, task))
        return self._number

    def _advance(self, now: float) -> None:
        """Starts the next task when none runs; tasks without a reply end at once."""
        while self._connected and not self.held and self._running is None and self._queue:
            self._secure(now)
            queued = heapq.heappop(self._queue)
            self._step(queued, None, now)

    def _secure(self, now: float) -> None:
        """A change of session keys goes before everything else when one is due."""
        due = self.authentication is not None and self.authentication.needs_keys(now)
        if due and self.authentication is not None and not self._automatic.waits(SESSION_KEYS):
            if self._keys_retry_at > now:
                return
            self._automatic.begin(SESSION_KEYS, self.authentication.establish(), FIRST)

    def _step(self, queued: Queued, response: Response | None, now: float) -> None:
        """Runs a task up to its next request, or to its end."""
        fragments = response.fragments if response is not None else ()
        try:
            while True:
                ask = next(queued.task) if response is None else queued.task.send(response)
                self._ask(queued, ask, now)
                if ask.expects_reply:
                    return
                response = Response((), now, now)
        except StopIteration as end:
            self._running = None
            self._finish(queued, end.value, fragments)

    def _ask(self, queued: Queued, ask: Ask, now: float) -> None:
        sequence = self.sequence
        self.sequence = (sequence + 1) & SEQUENCE_MASK
        octets = bytes((FIR | FIN | sequence, ask.function)) + ask.objects
        if self.authentication is not None:
            octets = self.authentication.protect(octets, now)
        self._link.send(octets)
        if ask.expects_reply:
            deadline = now + self.settings.response_timeout
            self._running = Running(queued, sequence, now, deadline, octets)

    def _finish(self, queued: Queued, outcome: Outcome, fragments: tuple[Fragment, ...]) -> None:
        self._automatic.ended(queued, outcome.failure, self.clock.now)
        for poll in self._polls:
            if queued.name == f"poll {poll.classes}":
                poll.pending = False
                poll.due = self.clock.now + poll.period
        if queued.name == SESSION_KEYS and outcome.failure is not None:
            self._keys_retry_at = self.clock.now + self.settings.retry_delay
        iin = fragments[-1].iin if fragments else 0
        self._events.append(
            TaskDone(queued.number, queued.name, outcome.failure, iin, outcome.commands, fragments, outcome.value)
        )

    def _receive_fragment(self, octets: bytes, now: float) -> None:
        try:
            fragment = parse_response(octets)
        except RemoteProtocolError:
            self._refuse(octets)
            return
        if fragment.function == FunctionCode.UNSOLICITED_RESPONSE:
            if fragment.control & (FIR | FIN | UNS) == FIR | FIN | UNS:
                self._take_report(fragment)
        elif not fragment.unsolicited:
            self._take_response(fragment, now)

    def _refuse(self, octets: bytes) -> None:
        """A response that does not parse ends the task that waits for it; its events are not confirmed."""
        running = self._running
        mine = running is not None and len(octets) > 1 and octets[0] & SEQUENCE_MASK == running.sequence
        if running is not None and mine and octets[1] != FunctionCode.UNSOLICITED_RESPONSE:
            self._running = None
            self._finish(running.queued, Outcome(Failure.MALFORMED), tuple(running.fragments))

    def _take_report(self, fragment: Fragment) -> None:
        """An unsolicited report is confirmed each time and processed once."""
        if fragment.control & CON:
            self._link.send(bytes((FIR | FIN | UNS | fragment.sequence, FunctionCode.CONFIRM)))
        if fragment.octets != self._last_report:
            self._last_report = fragment.octets
            self._deliver(fragment, 0)
        self._heed(fragment.iin)

    def _take_response(self, fragment: Fragment, now: float) -> None:
        running = self._running
        if running is None or fragment.sequence != running.sequence:
            return
        if bool(fragment.control & FIR) != (not running.fragments):
            return
        if fragment.function == FunctionCode.AUTHENTICATE_RESP and self._challenged(running, fragment, now):
            return
        if fragment.control & CON:
            self._link.send(bytes((FIR | FIN | fragment.sequence, FunctionCode.CONFIRM)))
        running.fragments.append(fragment)
        self._deliver(fragment, running.queued.number)
        if len(running.fragments) > MAX_RESPONSE_FRAGMENTS:
            self._running = None
            self._finish(running.queued, Outcome(Failure.MALFORMED), ())
            return
        if not fragment.control & FIN:
            running.sequence = (running.sequence + 1) & SEQUENCE_MASK
            running.deadline = now + self.settings.response_timeout
            return
        self._running = None
        self._step(running.queued, Response(tuple(running.fragments), running.asked_at, now, running.request), now)
        name = running.queued.name
        fruitful = any(part.headers for part in running.fragments)
        self._heed(fragment.iin, "" if self._automatic.waits(name) else name, fruitful=fruitful)

    def _challenged(self, running: Running, fragment: Fragment, now: float) -> bool:
        """Replies to a challenge of the running request; an error message ends the task. False for the rest."""
        refused = find(fragment, 7) is not None
        if not refused and find(fragment, 1) is None:
            return False
        reply = None
        if not refused and fragment.octets == running.challenge:
            # it came twice, or our reply was lost: the same again
            self._link.send(running.reply)
            return True
        if not refused and self.authentication is not None and running.challenges < MAX_CHALLENGES:
            reply = self.authentication.reply(fragment, running.request, now)
        if reply is None:
            self._running = None
            self._object_to(fragment, running)
            self._finish(running.queued, Outcome(Failure.NOT_AUTHENTICATED), (fragment,))
            return True
        running.challenges += 1
        running.deadline = now + self.settings.response_timeout
        running.challenge = fragment.octets
        running.reply = bytes((FIR | FIN | running.sequence, FunctionCode.AUTHENTICATE_REQ)) + reply
        self._link.send(running.reply)
        return True

    def _object_to(self, challenge: Fragment, running: Running) -> None:
        """The session is over; the outstation is told where its algorithm is why (IEEE 1815-2012 clause 7.5.2)."""
        if self.authentication is None:
            return
        objection = self.authentication.objection(challenge)
        if objection is not None:
            self._link.send(bytes((FIR | FIN | running.sequence, FunctionCode.AUTH_REQ_NO_ACK)) + objection)
        self.authentication.forget()

    def _deliver(self, fragment: Fragment, task: int) -> None:
        blocks = tuple(point_blocks(fragment.headers))
        if blocks:
            self._events.append(PointsReceived(task, blocks, fragment.iin))

    def _heed(self, iin: IIN, answered: str = "", *, fruitful: bool = False) -> None:
        """Queues the tasks that indications call for (clause 4.5)."""
        for event in self._automatic.heed(iin, answered, fruitful=fruitful):
            self._events.append(event)
            if isinstance(event, OutstationRestarted) and self.authentication is not None:
                self.authentication.forget()
