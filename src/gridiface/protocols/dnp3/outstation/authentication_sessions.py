"""Secure Authentication v5, the outstation's session keys: who has any, how good they are, and how they change.

Owns the session keys of one association by user, their status, and the exchange of g120v5 and g120v6 (IEEE 1815-2012
clause 7.5.3). What is counted and answered is authentication.py's.
"""

from __future__ import annotations

from collections.abc import Callable

from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationSettings,
    KeyStatus,
    KeyWrap,
    MacAlgorithm,
    Purpose,
    SessionKeys,
    User,
    mac,
    same,
    unwrap,
)
from gridiface.protocols.dnp3.authentication.objects import SessionKeyStatus
from gridiface.protocols.dnp3.authentication.users import UserRegister

_MIN_KEY_OCTETS, _MAX_KEY_OCTETS = 16, 32


class SessionTable:
    """The session keys of one association's users.

    Args:
        settings: lifetimes and the algorithm of proofs.
        users: whose update keys wrap session keys.
        random: source of challenge data; must be cryptographic.
    """

    def __init__(self, settings: AuthenticationSettings, users: UserRegister, random: Callable[[int], bytes]) -> None:
        self._settings = settings
        self._users = users
        self._random = random
        self._keys: dict[int, SessionKeys] = {}
        self._status: dict[int, KeyStatus] = {}
        self._offered: dict[int, SessionKeyStatus] = {}
        self._answered: set[int] = set()
        self._asked: dict[int, list[float]] = {}
        self._sequence = 0

    def __bool__(self) -> bool:
        return bool(self._keys)

    def keys(self, number: int, now: float) -> SessionKeys | None:
        """A user's session keys; expired ones are dropped, and those under an update key that was changed since."""
        keys = self._keys.get(number)
        user = self._users.find(number)
        if keys is not None and user is not None and keys.under != user.update_key:
            self.drop(number, None)
            return None
        if keys is not None and not keys.alive(now):
            self.drop(number, KeyStatus.COMM_FAIL)
            return None
        return keys

    def drop(self, number: int, status: KeyStatus | None) -> None:
        """A user's keys are gone; `status` is what it is told when it asks, None: as if there never were any."""
        self._keys.pop(number, None)
        self._answered.discard(number)
        self._status.pop(number, None)
        if status is not None:
            self._status[number] = status

    def drop_all(self, status: KeyStatus | None) -> None:
        """The keys of everyone are gone."""
        for number in list(self._keys):
            self.drop(number, status)

    def forget(self) -> None:
        """The device restarted: nobody has keys, and what was offered is void."""
        self._keys.clear()
        self._status.clear()
        self._offered.clear()
        self._answered.clear()

    def clock_set(self, seconds: float) -> None:
        """The host's clock was set by so much: keys live as long as before."""
        for keys in self._keys.values():
            keys.expires_at += seconds
        self._asked = {number: [at + seconds for at in times] for number, times in self._asked.items()}

    def drop_strangers(self) -> None:
        """Drops the keys of users that are no longer there."""
        for number in [item for item in self._keys if self._users.find(item) is None]:
            self.drop(number, None)

    def answered(self, number: int) -> None:
        """A user answered a challenge under its keys: aggressive mode may follow (clause 7.5.2.5)."""
        self._answered.add(number)

    def has_answered(self, number: int) -> bool:
        """Whether a user answered a challenge under the keys it has."""
        return number in self._answered

    def next_sequence(self) -> int:
        """A new KSQ: one count for session and update keys."""
        self._sequence += 1
        return self._sequence

    def may_ask(self, number: int, now: float) -> bool:
        """Notes that a user asks for its key status; False when that was too often since its keys last changed.

        Only what came within the life of session keys counts, so that nobody is shut out for longer.
        """
        most = self._settings.max_status_requests
        if most is None:
            return True
        since = now - self._settings.key_lifetime
        recent = [at for at in self._asked.get(number, ()) if at > since][-most:]
        allowed = len(recent) < most
        self._asked[number] = [*recent, now] if allowed else recent
        return allowed

    def offer(self, user: User, now: float, proof: bytes = b"") -> SessionKeyStatus:
        """A key status with fresh challenge data; `proof` is the key change message to be signed."""
        sequence = self.next_sequence()
        keys = self.keys(user.number, now)
        status = KeyStatus.OK if keys else self._status.get(user.number, KeyStatus.NOT_INIT)
        algorithm = self._settings.mac if proof and keys else MacAlgorithm.NONE
        wrap = KeyWrap.AES_256 if len(user.update_key) == 32 else KeyWrap.AES_128
        data = self._random(self._settings.challenge_octets)
        code = b""
        if keys is not None and proof:
            code = mac(algorithm, keys.monitoring, proof, Purpose.KEY_STATUS, sequence, user.number)
        offered = SessionKeyStatus(sequence, user.number, wrap, status, algorithm, data, code)
        self._offered[user.number] = offered
        return offered

    def offered(self, number: int) -> SessionKeyStatus | None:
        """The key status that a user got last and has not answered."""
        return self._offered.get(number)

    def change(self, user: User, wrapped: bytes, now: float) -> bool:
        """Takes new keys, wrapped with the update key around the status last offered; False: they were not that."""
        offered = self._offered.pop(user.number)
        keys = self._unwrapped(user, wrapped, offered.unsigned(), now)
        self.drop(user.number, KeyStatus.AUTH_FAIL if keys is None else None)
        if keys is None:
            return False
        self._keys[user.number] = keys
        self._asked.pop(user.number, None)
        return True

    def _unwrapped(self, user: User, wrapped: bytes, status: bytes, now: float) -> SessionKeys | None:
        plain = unwrap(user.update_key, wrapped)
        if plain is None:
            return None
        length = int.from_bytes(plain[:2], "little")
        used = 2 + 2 * length + len(status)
        fitting = _MIN_KEY_OCTETS <= length <= _MAX_KEY_OCTETS and length % 8 == 0 and used <= len(plain)
        if not fitting or not same(plain[2 + 2 * length : used], status) or len(plain) - used > 7:
            return None
        settings = self._settings
        control, monitoring = plain[2 : 2 + length], plain[2 + length : 2 + 2 * length]
        if same(control, monitoring):
            return None
        return SessionKeys(control, monitoring, now + settings.key_lifetime, settings.key_messages, user.update_key)
