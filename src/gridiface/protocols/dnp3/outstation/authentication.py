"""Secure Authentication v5, the outstation's end: challenges, session keys, aggressive mode.

Owns the state machine between an association and its functions (IEEE 1815-2012 clause 7.5): which requests wait for
a reply, whose keys are good, what is counted. Users and update keys are authentication_users.py.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import Fragment, FunctionCode, parse_request
from gridiface.protocols.dnp3.authentication.algorithms import (
    UNKNOWN_USER,
    AuthenticationError,
    AuthenticationSettings,
    KeyStatus,
    MacAlgorithm,
    Purpose,
    SessionKeys,
    Statistic,
    User,
    mac,
    same,
)
from gridiface.protocols.dnp3.authentication.objects import (
    Challenge,
    Error,
    Reply,
    SessionKeyChange,
    find,
    groups_of,
    is_aggressive,
    status_request,
)
from gridiface.protocols.dnp3.authentication.roles import CRITICAL
from gridiface.protocols.dnp3.authentication.users import UserRegister
from gridiface.protocols.dnp3.outstation.authentication_sessions import SessionTable

REASON_CRITICAL = 1
MAX_SEQUENCE = 0xFFFFFFF0
_CHALLENGEABLE = frozenset((FunctionCode.RESPONSE, FunctionCode.UNSOLICITED_RESPONSE))

Build = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a request: executed as a user, answered with a fragment, repeated, or nothing at all."""

    execute: bytes | None = None
    user: int = UNKNOWN_USER
    answer: bytes | None = None
    repeat: bool = False


@dataclass(slots=True)
class _Pending:
    """A critical request that waits for the reply to its challenge."""

    request: bytes
    challenge: bytes
    sequence: int
    deadline: float


class OutstationAuthentication:
    """One association's authentication.

    Args:
        settings: algorithms, times and limits.
        users: who may authenticate, shared by the associations of an outstation.
        random: source of challenge data; must be cryptographic.
    """

    def __init__(
        self,
        settings: AuthenticationSettings,
        users: Iterable[User] | UserRegister,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self.users = users if isinstance(users, UserRegister) else UserRegister(users)
        self.counts = [0] * len(Statistic)
        self.time_ms: Callable[[float], int] = lambda now: round(now * 1000)
        self.on_threshold: Callable[[Statistic, int, float], None] = lambda statistic, count, now: None
        self._random = random
        self._told = [0] * len(Statistic)
        self._sessions = SessionTable(settings, self.users, random)
        self._pending: _Pending | None = None
        self._challenge = b""
        self._last_reply = b""
        self._last_sent = b""
        self._last_user = UNKNOWN_USER
        self._repeatable = (b"", Verdict())
        self._csq = 0
        self._errors = 0
        self._failures = 0

    def receive(self, octets: bytes, now: float, build: Build) -> Verdict:
        """Judges a request; `build(objects)` makes the AUTHENTICATE_RESP fragment that would answer it."""
        self.handle_timer(now)
        try:
            request = parse_request(octets)
        except RemoteProtocolError:
            # what does not parse changes nothing; the association answers with the indication
            return Verdict(octets)
        if request.function == FunctionCode.AUTH_REQ_NO_ACK:
            return self._unanswered(b"", request, now, build)
        if request.function == FunctionCode.AUTHENTICATE_REQ:
            return self._once(request, now, build)
        self._repeatable = (b"", Verdict())
        if is_aggressive(request.headers):
            return self._aggressive(request, now, build)
        if not self.is_critical(request.function):
            return Verdict(octets)
        self._count(Statistic.CRITICAL_RECEIVED, now)
        return self._challenged(octets, now, build)

    def received(self, now: float) -> None:
        """A fragment came from the master, of whatever kind."""
        self._count(Statistic.MESSAGES_RECEIVED, now)

    def sent(self, octets: bytes, now: float) -> None:
        """A fragment goes to the master, of whatever kind; it may be challenged when it is a response."""
        self._count(Statistic.MESSAGES_SENT, now)
        if octets[1] in _CHALLENGEABLE:
            self._last_sent = octets

    def is_critical(self, function: int) -> bool:
        """Whether a function is challenged."""
        return function in CRITICAL or function in self.settings.also_critical

    def refuse_broadcast(self, function: int, now: float) -> bool:
        """A critical broadcast cannot be challenged: True when it must be dropped."""
        if self.is_critical(function):
            self._count(Statistic.DISCARDED, now)
            return True
        return False

    def next_timer(self) -> float | None:
        """When the reply to a challenge is overdue."""
        return self._pending.deadline if self._pending is not None else None

    def handle_timer(self, now: float) -> None:
        """Gives up a request whose reply did not come."""
        if self._pending is not None and now >= self._pending.deadline:
            self._pending = None
            self._count(Statistic.REPLY_TIMEOUTS, now)

    def disconnected(self) -> None:
        """The connection is gone: whoever comes next makes session keys anew (clause 7.5.3)."""
        self._sessions.drop_all(KeyStatus.COMM_FAIL)
        self._begin_anew()

    def clock_set(self, seconds: float) -> None:
        """The host's clock was set by so much: keys and the wait for a reply last as long as before."""
        if self._pending is not None:
            self._pending.deadline += seconds
        self._sessions.clock_set(seconds)

    def restart(self, now: float) -> None:
        """The device restarted: session keys are gone."""
        if self._sessions:
            self._count(Statistic.REKEYS_DUE_TO_RESTARTS, now)
        self._sessions.forget()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._pending = None
        self._repeatable = (b"", Verdict())
        self._challenge = self._last_sent = b""
        self._last_user = UNKNOWN_USER

    def _once(self, request: Fragment, now: float, build: Build) -> Verdict:
        """Answers a request, and a repeat of it with the same octets: its answer may have been lost, or it came twice.

        Anew, it would void the challenge data that the first answer carries.
        """
        if request.octets == self._repeatable[0]:
            return self._repeatable[1]
        verdict = self._authenticating(request, now, build)
        self._repeatable = (request.octets, verdict) if verdict.answer is not None else (b"", Verdict())
        return verdict

    def _authenticating(self, request: Fragment, now: float, build: Build) -> Verdict:
        if request.octets == self._last_reply and self._pending is None:
            return Verdict(repeat=True)
        for variation, handle in (
            (1, self._challenge_received),
            (2, self._reply),
            (4, self._key_status),
            (6, self._key_change),
            (7, self._unanswered),
            (10, self._user_change),
            (11, self._update_request),
            (13, self._update_change),
        ):
            octets = find(request, variation) if variation != 4 else status_request(request)
            if octets is None:
                continue
            try:
                return handle(octets, request, now, build)
            except RemoteProtocolError:
                break
        self._count(Statistic.UNEXPECTED_MESSAGES, now)
        return Verdict()

    def _challenged(self, octets: bytes, now: float, build: Build) -> Verdict:
        """Keeps a critical request and asks who it is from."""
        pending = self._pending
        if pending is not None:
            if pending.request == octets:
                return Verdict(answer=pending.challenge)
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            self._count(Statistic.DISCARDED, now)
            return Verdict()
        self._csq += 1
        challenge = Challenge(
            self._csq,
            UNKNOWN_USER,
            self.settings.mac,
            REASON_CRITICAL,
            self._random(self.settings.challenge_octets),
        )
        answer = build(challenge.with_header())
        self._challenge = answer
        self._pending = _Pending(octets, answer, self._csq, now + self.settings.reply_timeout)
        return Verdict(answer=answer)

    def _reply(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v2: the pending request is executed when the MAC over challenge and request is right."""
        reply, pending = Reply.parse(octets), self._pending
        if pending is None or reply.sequence != pending.sequence:
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            return Verdict()
        self._pending = None
        keys = self._sessions.keys(reply.user, now)
        data = pending.challenge + pending.request
        if keys is None or not self._right(keys.control, data, reply.mac, Purpose.REPLY, reply.sequence, reply.user):
            return self._failed(reply.user, reply.sequence, now, build)
        self._last_reply = request.octets
        self._sessions.answered(reply.user)
        return self._authorised(keys, reply.user, pending.request, reply.sequence, now, build)

    def _aggressive(self, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v3 first and g120v9 last: the request carries its own proof (clause 7.5.2.5)."""
        first, last = request.headers[0], request.headers[-1]
        fields = first.row.unpack(first.body) if first.row is not None else {}
        sequence, user = int(fields["value"]), int(fields["association"])
        code = next(octets for _, octets in last.objects())
        self._count(Statistic.CRITICAL_RECEIVED, now)
        if not self.settings.aggressive:
            return self._error(AuthenticationError.AGGRESSIVE_NOT_SUPPORTED, sequence, user, now, build)
        keys = self._sessions.keys(user, now)
        signed = request.octets[: len(request.octets) - len(code)]
        fresh = self._sessions.has_answered(user) and self._csq < sequence <= MAX_SEQUENCE
        if (
            keys is None
            or not fresh
            or not self._right(keys.control, self._challenge + signed, code, Purpose.AGGRESSIVE, sequence, user)
        ):
            return self._failed(user, sequence, now, build)
        self._csq = sequence
        # what waited for a reply is given up by who goes on without it
        self._pending = None
        inner = request.octets[2 + len(first.head) + len(first.body) :]
        inner = inner[: len(inner) - len(last.head) - len(last.body)]
        return self._authorised(keys, user, request.octets[:2] + inner, sequence, now, build)

    def _authorised(
        self, keys: SessionKeys, number: int, octets: bytes, sequence: int, now: float, build: Build
    ) -> Verdict:
        """The sender is who he says; may he do that?"""
        keys.messages_left -= 1
        self._failures = self._errors = 0
        self._last_user = number
        self._count(Statistic.SUCCESSES, now)
        user = self.users.find(number)
        if user is None or not user.may(octets[1], now, groups_of(octets)):
            self._count(Statistic.AUTHORIZATION_FAILURES, now)
            return self._error(AuthenticationError.AUTHORIZATION_FAILED, sequence, number, now, build)
        return Verdict(octets, number)

    def _key_status(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v4: how are my keys? Answered with fresh challenge data for a key change."""
        number = int.from_bytes(octets, "little")
        user = self.users.find(number)
        if user is None or not user.update_key:
            return self._error(AuthenticationError.UNKNOWN_USER, 0, number, now, build)
        if not self._sessions.may_ask(number, now):
            return self._error(AuthenticationError.STATUS_REQUESTS_EXCEEDED, 0, number, now, build)
        return Verdict(answer=build(self._sessions.offer(user, now).with_header()))

    def _key_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v6: new session keys, wrapped with the user's update key around our last key status."""
        change = SessionKeyChange.parse(octets)
        user, offered = self.users.find(change.user), self._sessions.offered(change.user)
        if user is None or offered is None or change.sequence != offered.sequence:
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            return Verdict()
        if not self._sessions.change(user, change.wrapped, now):
            self._count(Statistic.FAILED_SESSION_KEY_CHANGES, now)
            return Verdict(answer=build(self._sessions.offer(user, now).with_header()))
        self._failures = self._errors = 0
        self._count(Statistic.SESSION_KEY_CHANGES, now)
        return Verdict(answer=build(self._sessions.offer(user, now, request.octets).with_header()))

    def _challenge_received(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v1: the master wants to know whether our last response is ours (clause 7.5.2.2, monitoring direction).

        The reply is signed with the monitoring key of the user that the challenge names; one that names nobody is of
        who authenticated last.
        """
        asked = Challenge.parse(octets)
        number = asked.user or self._last_user
        keys = self._sessions.keys(number, now)
        if keys is None or not self._last_sent:
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            return Verdict()
        if not self.settings.permits(asked.algorithm):
            return self._error(AuthenticationError.MAC_NOT_SUPPORTED, asked.sequence, number, now, build)
        keys.messages_left -= 1
        self._count(Statistic.CRITICAL_SENT, now)
        data = request.octets + self._last_sent
        algorithm = MacAlgorithm(asked.algorithm)
        code = mac(algorithm, keys.monitoring, data, Purpose.MONITORING, asked.sequence, number)
        return Verdict(answer=build(Reply(asked.sequence, number, code).with_header()))

    def _unanswered(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """An error of the master's (g120v7): nobody signs it, so it is counted and nothing else.

        It is all that a function without an answer carries.
        """
        error = find(request, 7)
        try:
            if error is not None:
                Error.parse(error)
        except RemoteProtocolError:
            error = None
        self._count(Statistic.UNEXPECTED_MESSAGES if error is None else Statistic.ERRORS_RECEIVED, now)
        return Verdict()

    def _user_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        code = self.users.change(octets, self.settings, now)
        if code is not None:
            self._count(Statistic.AUTHENTICATION_FAILURES, now)
            return self._error(code, 0, UNKNOWN_USER, now, build)
        self._sessions.drop_strangers()
        return Verdict(answer=build(b""))

    def _update_request(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        data = self._random(self.settings.challenge_octets)
        answer = self.users.begin_update(octets, self.settings, self._sessions.next_sequence(), data)
        if isinstance(answer, AuthenticationError):
            return self._error(answer, 0, UNKNOWN_USER, now, build)
        return Verdict(answer=build(answer))

    def _update_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        answer = self.users.finish_update(octets, find(request, 15) or b"", self.settings)
        if isinstance(answer, AuthenticationError):
            self._count(Statistic.FAILED_UPDATE_KEY_CHANGES, now)
            return self._error(answer, 0, UNKNOWN_USER, now, build)
        number, confirmation = answer
        self._sessions.drop(number, None)
        self._count(Statistic.UPDATE_KEY_CHANGES, now)
        return Verdict(answer=build(confirmation))

    def _right(self, key: bytes, data: bytes, code: bytes, purpose: Purpose, sequence: int, user: int) -> bool:
        return same(mac(self.settings.mac, key, data, purpose, sequence, user), code)

    def _failed(self, user: int, sequence: int, now: float, build: Build) -> Verdict:
        """A proof was wrong: after too many in a row all session keys are dropped."""
        self._count(Statistic.AUTHENTICATION_FAILURES, now)
        self._failures += 1
        if self._failures > self.settings.max_failures and self._sessions:
            self._sessions.drop_all(KeyStatus.AUTH_FAIL)
            self._count(Statistic.REKEYS_DUE_TO_FAILURE, now)
        return self._error(AuthenticationError.AUTHENTICATION_FAILED, sequence, user, now, build)

    def _error(self, code: AuthenticationError, sequence: int, user: int, now: float, build: Build) -> Verdict:
        """An error message, as long as not too many went out since the last success."""
        self._errors += 1
        if self._errors > self.settings.max_errors:
            self._count(Statistic.DISCARDED, now)
            return Verdict()
        self._count(Statistic.ERRORS_SENT, now)
        error = Error(sequence, user, self.settings.association, code, self.time_ms(now))
        return Verdict(answer=build(error.with_header()))

    def _count(self, statistic: Statistic, now: float) -> None:
        self.counts[statistic] = (self.counts[statistic] + 1) & 0xFFFFFFFF
        if self.counts[statistic] - self._told[statistic] >= self.settings.threshold(statistic):
            self._told[statistic] = self.counts[statistic]
            self.on_threshold(statistic, self.counts[statistic], now)
