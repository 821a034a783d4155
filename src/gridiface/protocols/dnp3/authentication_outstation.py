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
from gridiface.protocols.dnp3.authentication import (
    CRITICAL,
    UNKNOWN_USER,
    AuthenticationError,
    AuthenticationSettings,
    KeyStatus,
    KeyWrap,
    MacAlgorithm,
    Purpose,
    SessionKeys,
    Statistic,
    User,
    mac,
    same,
    unwrap,
)
from gridiface.protocols.dnp3.authentication_objects import (
    Challenge,
    Error,
    Reply,
    SessionKeyChange,
    SessionKeyStatus,
    find,
    is_aggressive,
)
from gridiface.protocols.dnp3.authentication_users import UserRegister

REASON_CRITICAL = 1
MAX_SEQUENCE = 0xFFFFFFF0
_AUTHENTICATING = frozenset((FunctionCode.AUTHENTICATE_REQ, FunctionCode.AUTH_REQ_NO_ACK))
_MIN_KEY_OCTETS, _MAX_KEY_OCTETS = 16, 32

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
        self.on_threshold: Callable[[Statistic, int, float], None] = lambda statistic, count, now: None
        self._random = random
        self._told = [0] * len(Statistic)
        self._sessions: dict[int, SessionKeys] = {}
        self._status: dict[int, KeyStatus] = {}
        self._offered: dict[int, SessionKeyStatus] = {}
        self._answered: set[int] = set()
        self._pending: _Pending | None = None
        self._challenge = b""
        self._last_reply = b""
        self._csq = 0
        self._ksq = 0
        self._errors = 0
        self._failures = 0

    def receive(self, octets: bytes, now: float, build: Build) -> Verdict:
        """Judges a request; `build(objects)` makes the AUTHENTICATE_RESP fragment that would answer it."""
        self.handle_timer(now)
        self._count(Statistic.MESSAGES_RECEIVED, now)
        try:
            request = parse_request(octets)
        except RemoteProtocolError:
            # what does not parse changes nothing; the association answers with the indication
            return Verdict(octets)
        if request.function in _AUTHENTICATING:
            return self._authenticating(request, now, build)
        if is_aggressive(request.headers):
            return self._aggressive(request, now, build)
        if not self.is_critical(request.function):
            return Verdict(octets)
        self._count(Statistic.CRITICAL_RECEIVED, now)
        return self._challenged(octets, now, build)

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

    def restart(self, now: float) -> None:
        """The device restarted: session keys are gone."""
        if self._sessions:
            self._count(Statistic.REKEYS_DUE_TO_RESTARTS, now)
        self._sessions.clear()
        self._status.clear()
        self._offered.clear()
        self._answered.clear()
        self._pending = None
        self._challenge = b""

    def _authenticating(self, request: Fragment, now: float, build: Build) -> Verdict:
        if request.octets == self._last_reply and self._pending is None:
            return Verdict(repeat=True)
        for variation, handle in (
            (2, self._reply),
            (4, self._key_status),
            (6, self._key_change),
            (7, self._error_received),
            (10, self._user_change),
            (11, self._update_request),
            (13, self._update_change),
        ):
            octets = find(request, variation) if variation != 4 else self._status_request(request)
            if octets is None:
                continue
            try:
                return handle(octets, request, now, build)
            except RemoteProtocolError:
                break
        self._count(Statistic.UNEXPECTED_MESSAGES, now)
        return Verdict()

    @staticmethod
    def _status_request(request: Fragment) -> bytes | None:
        for header in request.headers:
            if (header.group, header.variation, len(header.body)) == (120, 4, 2):
                return header.body
        return None

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
        self._count(Statistic.MESSAGES_SENT, now)
        return Verdict(answer=answer)

    def _reply(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v2: the pending request is executed when the MAC over challenge and request is right."""
        reply, pending = Reply.parse(octets), self._pending
        if pending is None or reply.sequence != pending.sequence:
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            return Verdict()
        self._pending = None
        keys = self._keys(reply.user, now)
        data = pending.challenge + pending.request
        if keys is None or not self._right(keys.control, data, reply.mac, Purpose.REPLY, reply.sequence, reply.user):
            return self._failed(reply.user, reply.sequence, now, build)
        self._last_reply = request.octets
        self._answered.add(reply.user)
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
        keys = self._keys(user, now)
        signed = request.octets[: len(request.octets) - len(code)]
        fresh = user in self._answered and self._csq < sequence <= MAX_SEQUENCE
        if (
            keys is None
            or not fresh
            or not self._right(keys.control, self._challenge + signed, code, Purpose.AGGRESSIVE, sequence, user)
        ):
            return self._failed(user, sequence, now, build)
        self._csq = sequence
        inner = request.octets[2 + len(first.head) + len(first.body) :]
        inner = inner[: len(inner) - len(last.head) - len(last.body)]
        return self._authorised(keys, user, request.octets[:2] + inner, sequence, now, build)

    def _authorised(
        self, keys: SessionKeys, number: int, octets: bytes, sequence: int, now: float, build: Build
    ) -> Verdict:
        """The sender is who he says; may he do that?"""
        keys.messages_left -= 1
        self._failures = self._errors = 0
        self._count(Statistic.SUCCESSES, now)
        user = self.users.find(number)
        if user is None or not user.may(octets[1], now):
            self._count(Statistic.AUTHORIZATION_FAILURES, now)
            return self._error(AuthenticationError.AUTHORIZATION_FAILED, sequence, number, now, build)
        return Verdict(octets, number)

    def _key_status(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v4: how are my keys? Answered with fresh challenge data for a key change."""
        number = int.from_bytes(octets, "little")
        user = self.users.find(number)
        if user is None or not user.update_key:
            return self._error(AuthenticationError.UNKNOWN_USER, 0, number, now, build)
        return Verdict(answer=build(self._offer(user, now).with_header()))

    def _offer(self, user: User, now: float, proof: bytes = b"") -> SessionKeyStatus:
        """A key status with fresh challenge data; `proof` is the key change message to be signed."""
        self._ksq += 1
        keys = self._keys(user.number, now)
        status = KeyStatus.OK if keys else self._status.get(user.number, KeyStatus.NOT_INIT)
        algorithm = self.settings.mac if proof and keys else MacAlgorithm.NONE
        wrap = KeyWrap.AES_256 if len(user.update_key) == 32 else KeyWrap.AES_128
        data = self._random(self.settings.challenge_octets)
        code = b""
        if keys is not None and proof:
            code = mac(algorithm, keys.monitoring, proof, Purpose.KEY_STATUS, self._ksq, user.number)
        offered = SessionKeyStatus(self._ksq, user.number, wrap, status, algorithm, data, code)
        self._offered[user.number] = offered
        self._count(Statistic.MESSAGES_SENT, now)
        return offered

    def _key_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v6: new session keys, wrapped with the user's update key around our last key status."""
        change = SessionKeyChange.parse(octets)
        user, offered = self.users.find(change.user), self._offered.get(change.user)
        if user is None or offered is None or change.sequence != offered.sequence:
            self._count(Statistic.UNEXPECTED_MESSAGES, now)
            return Verdict()
        del self._offered[change.user]
        keys = self._unwrapped(user, change.wrapped, offered.unsigned(), now)
        self._answered.discard(change.user)
        if keys is None:
            self._sessions.pop(change.user, None)
            self._status[change.user] = KeyStatus.AUTH_FAIL
            self._count(Statistic.FAILED_SESSION_KEY_CHANGES, now)
            return Verdict(answer=build(self._offer(user, now).with_header()))
        self._sessions[change.user] = keys
        self._failures = self._errors = 0
        self._count(Statistic.SESSION_KEY_CHANGES, now)
        return Verdict(answer=build(self._offer(user, now, request.octets).with_header()))

    def _unwrapped(self, user: User, wrapped: bytes, status: bytes, now: float) -> SessionKeys | None:
        """The two keys of a key change, when they were wrapped around the status that we sent."""
        plain = unwrap(user.update_key, wrapped)
        if plain is None:
            return None
        length = int.from_bytes(plain[:2], "little")
        used = 2 + 2 * length + len(status)
        fitting = _MIN_KEY_OCTETS <= length <= _MAX_KEY_OCTETS and length % 8 == 0 and used <= len(plain)
        if not fitting or not same(plain[2 + 2 * length : used], status) or len(plain) - used > 7:
            return None
        settings = self.settings
        control, monitoring = plain[2 : 2 + length], plain[2 + length : 2 + 2 * length]
        if same(control, monitoring):
            return None
        return SessionKeys(control, monitoring, now + settings.key_lifetime, settings.key_messages, user.update_key)

    def _error_received(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        """g120v7: nobody signs it, so it is counted and nothing else."""
        Error.parse(octets)
        self._count(Statistic.ERRORS_RECEIVED, now)
        return Verdict()

    def _user_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        code = self.users.change(octets, self.settings, now)
        if code is not None:
            self._count(Statistic.AUTHENTICATION_FAILURES, now)
            return self._error(code, 0, UNKNOWN_USER, now, build)
        for number in [item for item in self._sessions if self.users.find(item) is None]:
            del self._sessions[number]
        return Verdict(answer=build(b""))

    def _update_request(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        self._ksq += 1
        data = self._random(self.settings.challenge_octets)
        answer = self.users.begin_update(octets, self.settings, self._ksq, data)
        if isinstance(answer, AuthenticationError):
            return self._error(answer, 0, UNKNOWN_USER, now, build)
        return Verdict(answer=build(answer))

    def _update_change(self, octets: bytes, request: Fragment, now: float, build: Build) -> Verdict:
        answer = self.users.finish_update(octets, find(request, 15) or b"", self.settings)
        if isinstance(answer, AuthenticationError):
            self._count(Statistic.FAILED_UPDATE_KEY_CHANGES, now)
            return self._error(answer, 0, UNKNOWN_USER, now, build)
        number, confirmation = answer
        self._sessions.pop(number, None)
        self._status.pop(number, None)
        self._count(Statistic.UPDATE_KEY_CHANGES, now)
        return Verdict(answer=build(confirmation))

    def _keys(self, number: int, now: float) -> SessionKeys | None:
        """A user's session keys; expired ones are dropped, and those under an update key that was changed since."""
        keys = self._sessions.get(number)
        user = self.users.find(number)
        if keys is not None and user is not None and keys.under != user.update_key:
            self._sessions.pop(number)
            self._answered.discard(number)
            return None
        if keys is not None and not keys.alive(now):
            del self._sessions[number]
            self._answered.discard(number)
            self._status[number] = KeyStatus.COMM_FAIL
            return None
        return keys

    def _right(self, key: bytes, data: bytes, code: bytes, purpose: Purpose, sequence: int, user: int) -> bool:
        return same(mac(self.settings.mac, key, data, purpose, sequence, user), code)

    def _failed(self, user: int, sequence: int, now: float, build: Build) -> Verdict:
        """A proof was wrong: after too many in a row all session keys are dropped."""
        self._count(Statistic.AUTHENTICATION_FAILURES, now)
        self._failures += 1
        if self._failures > self.settings.max_failures and self._sessions:
            for number in self._sessions:
                self._status[number] = KeyStatus.AUTH_FAIL
            self._sessions.clear()
            self._answered.clear()
            self._count(Statistic.REKEYS_DUE_TO_FAILURE, now)
        return self._error(AuthenticationError.AUTHENTICATION_FAILED, sequence, user, now, build)

    def _error(self, code: AuthenticationError, sequence: int, user: int, now: float, build: Build) -> Verdict:
        """An error message, as long as not too many went out since the last success."""
        self._errors += 1
        if self._errors > self.settings.max_errors:
            self._count(Statistic.DISCARDED, now)
            return Verdict()
        self._count(Statistic.ERRORS_SENT, now)
        error = Error(sequence, user, self.settings.association, code, round(now * 1000))
        return Verdict(answer=build(error.with_header()))

    def _count(self, statistic: Statistic, now: float) -> None:
        self.counts[statistic] = (self.counts[statistic] + 1) & 0xFFFFFFFF
        if self.counts[statistic] - self._told[statistic] >= self.settings.threshold(statistic):
            self._told[statistic] = self.counts[statistic]
            self.on_threshold(statistic, self.counts[statistic], now)
