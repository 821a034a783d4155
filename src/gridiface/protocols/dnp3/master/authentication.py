"""Secure Authentication v5, the master's end: session keys, replies to challenges, aggressive mode.

Owns one user's session with one outstation (IEEE 1815-2012 clause 7.5). Sending and waiting are master.py's; the
exchanges here are tasks like all others.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.dnp3.application import Fragment, FunctionCode
from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationError,
    AuthenticationSettings,
    KeyStatus,
    KeyWrap,
    MacAlgorithm,
    Purpose,
    SessionKeys,
    User,
    mac,
    same,
    wrap,
)
from gridiface.protocols.dnp3.authentication.objects import (
    GROUP,
    Challenge,
    Error,
    Reply,
    SessionKeyChange,
    SessionKeyStatus,
    UpdateKeyChange,
    UpdateKeyChangeReply,
    UpdateKeyChangeRequest,
    UserStatusChange,
    aggressive_request,
    find,
    key_status_request,
)
from gridiface.protocols.dnp3.authentication.roles import CRITICAL
from gridiface.protocols.dnp3.authentication.users import Authority, master_confirmation, outstation_confirmation
from gridiface.protocols.dnp3.heads import sized_object
from gridiface.protocols.dnp3.master.settings import Failure
from gridiface.protocols.dnp3.master.tasks import Ask, Outcome, Response, Task

RENEW_AT = 0.5
"""Share of the keys' life after which the master changes them: well before the outstation gives them up."""


class MasterAuthentication:
    """One user's authentication towards one outstation.

    Args:
        settings: as at the outstation; `aggressive` means that it is used once a challenge was answered.
        user: number, name and update key.
        random: source of keys and challenge data; must be cryptographic.
    """

    def __init__(
        self,
        settings: AuthenticationSettings,
        user: User,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.settings = settings
        self.user = user
        self._random = random
        self._keys: SessionKeys | None = None
        self._renew_at = 0.0
        self._renew_below = 0
        self._challenge = b""
        self._algorithm = MacAlgorithm.NONE
        self._csq = 0

    def needs_keys(self, now: float) -> bool:
        """Whether a session key change is due."""
        keys = self._keys
        return keys is None or now >= self._renew_at or keys.messages_left <= self._renew_below

    def forget(self) -> None:
        """The session keys are no longer good at the other end."""
        self._keys = None
        self._challenge = b""

    def is_critical(self, function: int) -> bool:
        """Whether a function is expected to be challenged."""
        return function in CRITICAL or function in self.settings.also_critical

    def protect(self, octets: bytes, now: float) -> bytes:
        """A critical request in aggressive mode, where that is used and a challenge was answered before."""
        keys = self._keys
        ready = keys is not None and keys.alive(now) and self._challenge and self.settings.aggressive
        if not ready or keys is None or not self.is_critical(octets[1]):
            return octets
        self._csq += 1
        keys.messages_left -= 1
        length = self._algorithm.octets
        signed = octets[:2] + aggressive_request(self._csq, self.user.number) + octets[2:]
        signed += sized_object(GROUP, 9, bytes(length))[:-length]
        code = mac(
            self._algorithm,
            keys.control,
            self._challenge + signed,
            Purpose.AGGRESSIVE,
            self._csq,
            self.user.number,
        )
        return signed + code

    def reply(self, challenge: Fragment, request: bytes, now: float) -> bytes | None:
        """The reply to a challenge, with its header; None when it cannot or must not be given."""
        octets, keys = find(challenge, 1), self._keys
        if octets is None or keys is None or not keys.alive(now):
            return None
        try:
            asked = Challenge.parse(octets)
        except RemoteProtocolError:
            return None
        if not self.settings.permits(asked.algorithm):
            return None
        keys.messages_left -= 1
        self._algorithm = MacAlgorithm(asked.algorithm)
        self._challenge = challenge.octets
        self._csq = asked.sequence
        number = self.user.number
        code = mac(
            self._algorithm,
            keys.control,
            challenge.octets + request,
            Purpose.REPLY,
            asked.sequence,
            number,
        )
        return Reply(asked.sequence, number, code).with_header()

    def objection(self, challenge: Fragment) -> bytes | None:
        """What to tell of a challenge by an algorithm that is not taken, as objects; None where that is not it."""
        octets = find(challenge, 1)
        try:
            asked = None if octets is None else Challenge.parse(octets)
        except RemoteProtocolError:
            return None
        if asked is None or self.settings.permits(asked.algorithm):
            return None
        return self._error(AuthenticationError.MAC_NOT_SUPPORTED, asked.sequence)

    def _error(self, code: AuthenticationError, sequence: int) -> bytes:
        """g120v7; its time is 0: the master's clock is nobody's business here."""
        return Error(sequence, self.user.number, self.settings.association, code, 0).with_header()

    def establish(self) -> Task:
        """Session key change: status, new keys, proof that the outstation has them."""
        self.forget()
        response = yield Ask(FunctionCode.AUTHENTICATE_REQ, key_status_request(self.user.number))
        status = _status(response, self.user.number)
        if status is None:
            return Outcome(Failure.NOT_AUTHENTICATED)
        long = len(self.user.update_key) == KeyWrap.AES_256.key_octets
        if status.wrap != (KeyWrap.AES_256 if long else KeyWrap.AES_128):
            # it wraps with a key of another length than ours
            yield Ask(
                FunctionCode.AUTH_REQ_NO_ACK, self._error(AuthenticationError.WRAP_NOT_SUPPORTED, status.sequence)
            )
            return Outcome(Failure.NOT_AUTHENTICATED)
        length = 32 if long else 16
        control, monitoring = self._random(length), self._random(length)
        plain = length.to_bytes(2, "little") + control + monitoring + status.unsigned()
        change = SessionKeyChange(status.sequence, self.user.number, wrap(self.user.update_key, plain))
        response = yield Ask(FunctionCode.AUTHENTICATE_REQ, change.with_header())
        proof = _status(response, self.user.number)
        if proof is None or proof.status != KeyStatus.OK or not self.settings.permits(proof.algorithm):
            return Outcome(Failure.NOT_AUTHENTICATED)
        algorithm = MacAlgorithm(proof.algorithm)
        expected = mac(
            algorithm,
            monitoring,
            response.request,
            Purpose.KEY_STATUS,
            proof.sequence,
            self.user.number,
        )
        if not same(expected, proof.mac):
            return Outcome(Failure.NOT_AUTHENTICATED)
        settings = self.settings
        expires_at = response.answered_at + settings.key_lifetime
        # what is begun, as a selection, ends under the keys it began with
        self._renew_at = response.answered_at + settings.key_lifetime * RENEW_AT
        self._renew_below = settings.key_messages - max(1, int(settings.key_messages * RENEW_AT))
        self._keys = SessionKeys(control, monitoring, expires_at, settings.key_messages)
        return Outcome()

    def change_user(self, change: UserStatusChange) -> Task:
        """Passes on what the authority certified about a user."""
        response = yield Ask(FunctionCode.AUTHENTICATE_REQ, change.with_header())
        if response.refused:
            return Outcome(Failure.REFUSED)
        refused = not response.fragments or find(response.fragments[-1], 7) is not None
        return Outcome(Failure.NOT_AUTHENTICATED if refused else None)

    def change_update_key(self, authority: Authority, name: str, update_key: bytes) -> Task:
        """Gives a user a new update key; the value of the outcome is the user with its number and key."""
        data = self._random(self.settings.challenge_octets)
        request = UpdateKeyChangeRequest(authority.method, name, data)
        response = yield Ask(FunctionCode.AUTHENTICATE_REQ, request.with_header())
        if response.refused:
            return Outcome(Failure.REFUSED)
        octets = find(response.fragments[-1], 12) if response.fragments else None
        if octets is None:
            return Outcome(Failure.NOT_AUTHENTICATED)
        try:
            answer = UpdateKeyChangeReply.parse(octets)
        except RemoteProtocolError:
            return Outcome(Failure.MALFORMED)
        user = User(answer.user, name, update_key, self.user.role)
        encrypted = authority.encrypt(name, update_key, answer.data)
        change = UpdateKeyChange(answer.sequence, answer.user, encrypted).with_header()
        both = (answer.sequence, data, answer.data)
        confirm = master_confirmation(authority.method, update_key, answer.user, self.settings.name, *both)
        response = yield Ask(FunctionCode.AUTHENTICATE_REQ, change + sized_object(GROUP, 15, confirm))
        proof = find(response.fragments[-1], 15) if response.fragments else None
        expected = outstation_confirmation(authority.method, update_key, answer.user, name, *both)
        if proof is None or not same(proof, expected):
            return Outcome(Failure.NOT_AUTHENTICATED)
        if answer.user == self.user.number:
            self.user.update_key = update_key
            self.forget()
        return Outcome(value=user)


def _status(response: Response, user: int) -> SessionKeyStatus | None:
    """The session key status in a response, when it is about this user."""
    octets = find(response.fragments[-1], 5) if response.fragments else None
    if octets is None:
        return None
    try:
        status = SessionKeyStatus.parse(octets)
    except RemoteProtocolError:
        return None
    return status if status.user == user else None
