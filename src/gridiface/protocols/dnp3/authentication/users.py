"""Users of secure authentication: who there is, and how an authority adds, changes and removes them.

Owns user numbers, roles and update keys, and the symmetric update key change (IEEE 1815-2012 clause 7.5.4). Asymmetric
methods are refused as not permitted. The authority's own side (`Authority`) is here too, for masters and tools.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from gridiface.protocols.dnp3.authentication.algorithms import (
    AuthenticationError,
    AuthenticationSettings,
    KeyChangeMethod,
    MacAlgorithm,
    Purpose,
    User,
    UserOperation,
    proof,
    same,
    unwrap,
    wrap,
)
from gridiface.protocols.dnp3.authentication.objects import (
    GROUP,
    UpdateKeyChange,
    UpdateKeyChangeReply,
    UpdateKeyChangeRequest,
    UserStatusChange,
)
from gridiface.protocols.dnp3.authentication.roles import ROLES
from gridiface.protocols.dnp3.heads import sized_object

FIRST_ASSIGNED = 2
LAST_ASSIGNED = 65_535
NEVER_DAYS = 0xFFFF
NO_CHANGE_YET = -1
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class _Update:
    """An update key change that waits for the new key."""

    method: KeyChangeMethod
    number: int
    sequence: int
    master_data: bytes
    outstation_data: bytes


@dataclass(frozen=True, slots=True)
class UserState:
    """A register's users as values, in order of number, and the sequence of the last change of a user's status.

    An authority may begin with 0, so that `NO_CHANGE_YET` is what there is before its first.
    """

    users: tuple[User, ...] = field(repr=False)
    status_sequence: int = NO_CHANGE_YET


class UserRegister:
    """The users of an outstation.

    What `state()` gives must be kept over restarts: the application is told of each change by `on_change`, makes the
    state durable and only then lets the answer go out. While `busy`, further changes are refused; where the state could
    not be kept, `restore` takes the change back.
    """

    def __init__(self, users: Iterable[User] = (), status_sequence: int = NO_CHANGE_YET) -> None:
        self._users = {user.number: replace(user) for user in users}
        self.status_sequence = status_sequence
        self.revision = 0
        self.busy = False
        self.on_change: Callable[[], None] = lambda: None
        self._update: _Update | None = None

    def state(self) -> UserState:
        """The users as they are now; copies."""
        return UserState(tuple(replace(user) for user in self.all()), self.status_sequence)

    def restore(self, state: UserState) -> None:
        """Puts a state back."""
        self._users = {user.number: replace(user) for user in state.users}
        self.status_sequence = state.status_sequence
        self._update = None

    def find(self, number: int) -> User | None:
        """The user of a number."""
        return self._users.get(number)

    def named(self, name: str) -> User | None:
        """The user of a name."""
        return next((user for user in self._users.values() if user.name == name), None)

    def all(self) -> list[User]:
        """All users, in order of number."""
        return [self._users[number] for number in sorted(self._users)]

    def change(self, octets: bytes, settings: AuthenticationSettings, now: float) -> AuthenticationError | None:
        """Takes g120v10 when the authority certified it and its sequence is new; None when it was taken.

        Raises:
            RemoteProtocolError: the object does not parse.
        """
        change = UserStatusChange.parse(octets)
        method = _permitted(change.method, settings)
        if method is None or settings.authority_key is None:
            return AuthenticationError.METHOD_NOT_PERMITTED
        expected = certification(settings.authority_key, method, change)
        if not same(expected, change.certification) or change.sequence <= self.status_sequence or self.busy:
            return AuthenticationError.INVALID_CERTIFICATION
        if change.role not in ROLES or change.operation not in UserOperation._value2member_map_:
            return AuthenticationError.INVALID_CERTIFICATION
        expires_at = None if change.days == NEVER_DAYS else now + change.days * _DAY
        known = self.named(change.name)
        if change.operation == UserOperation.ADD:
            if known is not None or len(self._users) >= settings.max_users:
                return AuthenticationError.INVALID_CERTIFICATION
            number = next(item for item in range(FIRST_ASSIGNED, LAST_ASSIGNED) if item not in self._users)
            self._users[number] = User(number, change.name, b"", change.role, expires_at)
        elif known is None:
            return AuthenticationError.UNKNOWN_USER
        elif change.operation == UserOperation.DELETE:
            del self._users[known.number]
        else:
            known.role, known.expires_at = change.role, expires_at
        self.status_sequence = change.sequence
        self._changed()
        return None

    def _changed(self) -> None:
        self.revision += 1
        self.on_change()

    def begin_update(
        self, octets: bytes, settings: AuthenticationSettings, sequence: int, data: bytes
    ) -> bytes | AuthenticationError:
        """Takes g120v11; returns g120v12 with its header, holding our challenge data.

        Raises:
            RemoteProtocolError: the object does not parse.
        """
        request = UpdateKeyChangeRequest.parse(octets)
        method = _permitted(request.method, settings)
        if method is None or settings.authority_key is None:
            return AuthenticationError.METHOD_NOT_PERMITTED
        user = self.named(request.name)
        if user is None:
            return AuthenticationError.UNKNOWN_USER
        self._update = _Update(method, user.number, sequence, request.data, data)
        return UpdateKeyChangeReply(sequence, user.number, data).with_header()

    def finish_update(
        self, octets: bytes, confirmation: bytes, settings: AuthenticationSettings
    ) -> tuple[int, bytes] | AuthenticationError:
        """Takes g120v13 and v15; returns the user's number and our g120v15 with its header.

        Raises:
            RemoteProtocolError: the object does not parse.
        """
        change, update = UpdateKeyChange.parse(octets), self._update
        self._update = None
        if self.busy or update is None or (change.sequence, change.user) != (update.sequence, update.number):
            return AuthenticationError.AUTHENTICATION_FAILED
        user = self._users.get(update.number)
        plain = unwrap(settings.authority_key, change.encrypted) if settings.authority_key else None
        if user is None or plain is None:
            return AuthenticationError.AUTHENTICATION_FAILED
        name, length = user.name.encode(), update.method.key_octets
        key = plain[len(name) : len(name) + length]
        expected = name + key + update.outstation_data
        if not same(plain[: len(expected)], expected) or len(plain) - len(expected) > 7:
            return AuthenticationError.AUTHENTICATION_FAILED
        data = (update.master_data, update.outstation_data)
        expected = master_confirmation(update.method, key, user.number, settings.name, update.sequence, *data)
        if not same(expected, confirmation):
            return AuthenticationError.AUTHENTICATION_FAILED
        user.update_key = key
        self._changed()
        answer = outstation_confirmation(update.method, key, user.number, user.name, update.sequence, *data)
        return user.number, sized_object(GROUP, 15, answer)


def _permitted(method: int, settings: AuthenticationSettings) -> KeyChangeMethod | None:
    """The method, when it is symmetric and not weaker than allowed."""
    if method not in KeyChangeMethod._value2member_map_:
        return None
    known = KeyChangeMethod(method)
    if known.mac is MacAlgorithm.HMAC_SHA_1_10 and not settings.allow_sha_1:
        return None
    return known


def certification(key: bytes, method: KeyChangeMethod, change: UserStatusChange) -> bytes:
    """The authority's MAC over a user status change."""
    return proof(method, key, change.certified(), Purpose.CERTIFICATION, change.sequence, 0)


def master_confirmation(
    method: KeyChangeMethod,
    key: bytes,
    user: int,
    outstation: str,
    sequence: int,
    master_data: bytes,
    outstation_data: bytes,
) -> bytes:
    """The MAC by which a master proves to the outstation of a name that it holds a user's new update key (g120v15).

    Both confirmations name who they are for, then the challenge data of who gives it before the other's.
    """
    data = outstation.encode() + master_data + outstation_data + _numbers(sequence, user)
    return proof(method, key, data, Purpose.MASTER_CONFIRMATION, sequence, user)


def outstation_confirmation(
    method: KeyChangeMethod,
    key: bytes,
    user: int,
    name: str,
    sequence: int,
    master_data: bytes,
    outstation_data: bytes,
) -> bytes:
    """The MAC by which the outstation proves to the user of a name that it holds the new update key."""
    data = name.encode() + outstation_data + master_data + _numbers(sequence, user)
    return proof(method, key, data, Purpose.OUTSTATION_CONFIRMATION, sequence, user)


def _numbers(sequence: int, user: int) -> bytes:
    return sequence.to_bytes(4, "little") + user.to_bytes(2, "little")


class Authority:
    """The third party that both ends trust: certifies users and encrypts update keys with the shared key."""

    def __init__(self, key: bytes, method: KeyChangeMethod = KeyChangeMethod.AES_256_SHA_256) -> None:
        self._key = key
        self.method = method

    def certify(
        self, operation: UserOperation, name: str, sequence: int, role: int = 1, days: int = NEVER_DAYS
    ) -> UserStatusChange:
        """A user status change with its certification data; `sequence` must grow with each."""
        plain = UserStatusChange(self.method, operation, sequence, role, days, name)
        return UserStatusChange(
            self.method,
            operation,
            sequence,
            role,
            days,
            name,
            certification(self._key, self.method, plain),
        )

    def encrypt(self, name: str, update_key: bytes, outstation_data: bytes) -> bytes:
        """A user's new update key for one outstation, bound to its challenge data."""
        return wrap(self._key, name.encode() + update_key + outstation_data)
