"""Secure Authentication v5: algorithms, codes, users, statistics (IEEE 1815-2012 clause 7).

Owns what both ends share; who may do what is authentication_roles.py, objects on the wire are
authentication_objects.py, the two state machines
outstation/authentication.py and master/authentication.py. Only published primitives are used, all of them from the
cryptography library; secrets never reach a repr or a log.

Weaknesses published for the protocol, and what is done about them: SHA-1 and truncations to 4 octets are refused unless
allowed by name; a MAC algorithm weaker than configured is never negotiated down to; each direction has a key of
its own; challenge sequence numbers never repeat under one set of session keys; challenge data come from the
operating system's generator; MACs are compared in constant time; error messages, which nobody signs, change
nothing but counters and are limited in number; requests are parsed whole before they are authenticated.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Set
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from gridiface.errors import LocalProtocolError
from gridiface.protocols.dnp3.authentication.roles import ROLES, Permission, needed

MIN_CHALLENGE_OCTETS = 4
DEFAULT_USER = 1
UNKNOWN_USER = 0


class MacAlgorithm(IntEnum):
    """MAL: algorithm and length of a message authentication code."""

    NONE = 0
    HMAC_SHA_1_4 = 1
    HMAC_SHA_1_10 = 2
    HMAC_SHA_256_8 = 3
    HMAC_SHA_256_16 = 4
    HMAC_SHA_1_8 = 5
    AES_GMAC_12 = 6

    @property
    def octets(self) -> int:
        """Length of the MAC on the wire."""
        return _MAC_OCTETS[self]


_MAC_OCTETS: Final = {0: 0, 1: 4, 2: 10, 3: 8, 4: 16, 5: 8, 6: 12}
_SHA_1: Final = frozenset((MacAlgorithm.HMAC_SHA_1_4, MacAlgorithm.HMAC_SHA_1_8, MacAlgorithm.HMAC_SHA_1_10))


class KeyWrap(IntEnum):
    """KWA: how session keys are wrapped (RFC 3394)."""

    AES_128 = 1
    AES_256 = 2

    @property
    def key_octets(self) -> int:
        """Length of the update key that wraps."""
        return 16 if self is KeyWrap.AES_128 else 32


class KeyStatus(IntEnum):
    """KST: state of a user's session keys."""

    OK = 1
    NOT_INIT = 2
    COMM_FAIL = 3
    AUTH_FAIL = 4


class KeyChangeMethod(IntEnum):
    """KCM: symmetric methods of changing an update key; the asymmetric ones (64 and above) are refused."""

    AES_128_SHA_1 = 3
    AES_256_SHA_256 = 4
    AES_256_GMAC = 5

    @property
    def key_octets(self) -> int:
        """Length of the update key that it brings."""
        return 16 if self is KeyChangeMethod.AES_128_SHA_1 else 32

    @property
    def mac(self) -> MacAlgorithm:
        """The algorithm of certification data and confirmations, which are not truncated."""
        return {
            KeyChangeMethod.AES_128_SHA_1: MacAlgorithm.HMAC_SHA_1_10,
            KeyChangeMethod.AES_256_SHA_256: MacAlgorithm.HMAC_SHA_256_16,
            KeyChangeMethod.AES_256_GMAC: MacAlgorithm.AES_GMAC_12,
        }[self]


class UserOperation(IntEnum):
    """What a user status change does."""

    ADD = 1
    DELETE = 2
    CHANGE = 3


class AuthenticationError(IntEnum):
    """ERR: reason in an error object; 2 and 3 were of an earlier version."""

    AUTHENTICATION_FAILED = 1
    AGGRESSIVE_NOT_SUPPORTED = 4
    MAC_NOT_SUPPORTED = 5
    WRAP_NOT_SUPPORTED = 6
    AUTHORIZATION_FAILED = 7
    METHOD_NOT_PERMITTED = 8
    INVALID_SIGNATURE = 9
    INVALID_CERTIFICATION = 10
    UNKNOWN_USER = 11
    STATUS_REQUESTS_EXCEEDED = 12


class Statistic(IntEnum):
    """Index of each security statistic (g121)."""

    UNEXPECTED_MESSAGES = 0
    AUTHORIZATION_FAILURES = 1
    AUTHENTICATION_FAILURES = 2
    REPLY_TIMEOUTS = 3
    REKEYS_DUE_TO_FAILURE = 4
    MESSAGES_SENT = 5
    MESSAGES_RECEIVED = 6
    CRITICAL_SENT = 7
    CRITICAL_RECEIVED = 8
    DISCARDED = 9
    ERRORS_SENT = 10
    ERRORS_RECEIVED = 11
    SUCCESSES = 12
    SESSION_KEY_CHANGES = 13
    FAILED_SESSION_KEY_CHANGES = 14
    UPDATE_KEY_CHANGES = 15
    FAILED_UPDATE_KEY_CHANGES = 16
    REKEYS_DUE_TO_RESTARTS = 17


class Purpose(Enum):
    """What a MAC is for: keeps the initialisation vectors of AES-GMAC apart."""

    REPLY = b"RPLY"
    AGGRESSIVE = b"AGGR"
    MONITORING = b"MRPL"
    KEY_STATUS = b"KSTA"
    CERTIFICATION = b"CERT"
    MASTER_CONFIRMATION = b"MCFM"
    OUTSTATION_CONFIRMATION = b"OCFM"


def mac(algorithm: MacAlgorithm, key: bytes, data: bytes, purpose: Purpose, sequence: int, user: int) -> bytes:
    """The truncated MAC of data; sequence and user number enter the vector of AES-GMAC only.

    Raises:
        LocalProtocolError: no algorithm.
    """
    if algorithm is MacAlgorithm.NONE:
        raise LocalProtocolError("no MAC algorithm")
    return _whole(algorithm, key, data, purpose, sequence, user)[: algorithm.octets]


def proof(method: KeyChangeMethod, key: bytes, data: bytes, purpose: Purpose, sequence: int, user: int) -> bytes:
    """The MAC of a key change method over data: whole, but for AES-GMAC, which is 12 octets always."""
    code = _whole(method.mac, key, data, purpose, sequence, user)
    return code[: method.mac.octets] if method is KeyChangeMethod.AES_256_GMAC else code


def _whole(algorithm: MacAlgorithm, key: bytes, data: bytes, purpose: Purpose, sequence: int, user: int) -> bytes:
    if algorithm is MacAlgorithm.AES_GMAC_12:
        vector = purpose.value + user.to_bytes(4, "little") + sequence.to_bytes(4, "little")
        return AESGCM(key).encrypt(vector, b"", data)
    digest = hashlib.sha1 if algorithm in _SHA_1 else hashlib.sha256
    return hmac.new(key, data, digest).digest()


def same(first: bytes, second: bytes) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(first, second)


def wrap(key: bytes, data: bytes) -> bytes:
    """AES key wrap of data, padded with zeros to a multiple of 8 octets."""
    return aes_key_wrap(key, data + bytes(-len(data) % 8))


def unwrap(key: bytes, data: bytes) -> bytes | None:
    """The padded data again, or None when the key or the data are wrong."""
    if len(data) < 24 or len(data) % 8:
        return None
    try:
        return aes_key_unwrap(key, data)
    except InvalidUnwrap:
        return None


@dataclass(slots=True)
class User:
    """A user known to both ends by number; the update key wraps session keys.

    `expires_at` in seconds since 1970, None for never.
    """

    number: int
    name: str
    update_key: bytes = field(repr=False)
    role: int = 32768
    expires_at: float | None = None

    def may(self, function: int, now: float, groups: Set[int] = frozenset()) -> bool:
        """Whether the user's role allows a function, of objects of some groups, and has not expired."""
        if self.expires_at is not None and now >= self.expires_at:
            return False
        return bool(ROLES.get(self.role, Permission(0)) & needed(function, groups))


@dataclass(frozen=True, slots=True)
class AuthenticationSettings:
    """Secure authentication of one association.

    Args:
        name: of the outstation; a master's proof of a new update key is for the outstation of this name only.
        mac: algorithm of challenges and replies.
        challenge_octets: length of challenge data, at least 4.
        reply_timeout: seconds to wait for a reply.
        key_lifetime: seconds after which session keys expire.
        key_messages: authenticated messages after which they expire.
        max_errors: error messages sent at most between two successes.
        max_failures: failures in a row after which session keys are dropped.
        aggressive: whether aggressive mode is taken (outstation) or used (master).
        also_critical: functions challenged beyond those that always are.
        authority_key: key shared with the authority that changes users; None: users are fixed.
        allow_sha_1: SHA-1 and MACs of 4 octets, for legacy masters only.
        association: number of the association in error and statistics objects.
        thresholds: by statistic: how much it may grow before an event (g122) is made; default 1 for failures.
        event_class: class of those events.
        max_users: users that the authority may add.
        max_status_requests: how often a user may ask for its key status until its session keys change, within their
            lifetime; None: without limit, as nobody signs these requests and anyone could use them up.
    """

    name: str = "outstation"
    mac: MacAlgorithm = MacAlgorithm.HMAC_SHA_256_16
    challenge_octets: int = 16
    reply_timeout: float = 2.0
    key_lifetime: float = 1800.0
    key_messages: int = 2000
    max_errors: int = 2
    max_failures: int = 5
    aggressive: bool = True
    also_critical: frozenset[int] = frozenset()
    authority_key: bytes | None = field(default=None, repr=False)
    allow_sha_1: bool = False
    association: int = 0
    thresholds: dict[Statistic, int] = field(default_factory=dict)
    event_class: int = 1
    max_users: int = 100
    max_status_requests: int | None = None

    def __post_init__(self) -> None:
        if self.mac is MacAlgorithm.NONE or (self.mac in _SHA_1 and not self.allow_sha_1):
            raise LocalProtocolError(f"{self.mac.name} is not allowed")
        if not MIN_CHALLENGE_OCTETS <= self.challenge_octets <= 64:
            raise LocalProtocolError("challenge data have 4 to 64 octets")
        if self.authority_key is not None and len(self.authority_key) not in (16, 32):
            raise LocalProtocolError("an authority key has 16 or 32 octets")

    def permits(self, algorithm: int) -> bool:
        """Whether an algorithm that the peer names is as strong as ours."""
        known = algorithm in MacAlgorithm._value2member_map_
        return known and _MAC_OCTETS[algorithm] >= self.mac.octets and (self.allow_sha_1 or algorithm not in _SHA_1)

    def threshold(self, statistic: Statistic) -> int:
        """Growth of a statistic that makes an event."""
        return self.thresholds.get(statistic, 1 if statistic in _ALARMING else 100)


_ALARMING: Final = frozenset(
    (
        Statistic.UNEXPECTED_MESSAGES,
        Statistic.AUTHORIZATION_FAILURES,
        Statistic.AUTHENTICATION_FAILURES,
        Statistic.REPLY_TIMEOUTS,
        Statistic.REKEYS_DUE_TO_FAILURE,
        Statistic.FAILED_SESSION_KEY_CHANGES,
        Statistic.FAILED_UPDATE_KEY_CHANGES,
    )
)


@dataclass(slots=True)
class SessionKeys:
    """The keys of one user: control direction (master to outstation) and monitoring direction.

    `under` is the update key that wrapped them: with another one they are no longer good.
    """

    control: bytes = field(repr=False)
    monitoring: bytes = field(repr=False)
    expires_at: float
    messages_left: int
    under: bytes = field(default=b"", repr=False)

    def alive(self, now: float) -> bool:
        """Whether the keys may still be used."""
        return now < self.expires_at and self.messages_left > 0
