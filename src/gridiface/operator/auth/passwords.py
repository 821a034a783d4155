"""Passwords: what is good enough, and argon2id digests of them. Hashing runs beside the loop and is bounded.

The parameters are OWASP's for argon2id (19 MiB, 2 passes, 1 lane); a digest with others is renewed at the next sign-in.
"""

from __future__ import annotations

import asyncio
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from gridiface.errors import ConfigError
from gridiface.operator.problems import Refused

#: Signs of a password, after Unicode normalisation (NFKC).
SHORTEST, LONGEST = 12, 256

#: Hashes computed at once, and those that may wait for it: each takes 19 MiB and some 30 ms of a core.
AT_ONCE, WAITING = 2, 32

_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, hash_len=32, salt_len=16)

#: The digest of nothing, with these parameters: an unknown user costs as much time as a known one.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$uYBeIYU90BIxopDw76j4ug$59uNYQRNJjrp8X8ZF/nDNNO8WBxWaZR52ZoFbeOMARc"

#: What people choose although it is long enough; compared without case, digits at the end and signs.
_WORDS = """
password passwort passworter administrator administrador qwertyuiop qwertyuiopas qwertzuiop qwertzuiopas asdfghjkl
letmeinletmein changeme changemenow changeit welcome welcomeback iloveyou iloveyouiloveyou trustno gridiface
gridifaceadmin adminadmin adminadminadmin passwordpassword secretsecret supersecret superuser rootroot rootrootroot
operator operatoroperator engineer defaultpassword temporary temppassword mypassword correcthorsebatterystaple
abcdefghijkl abcdefghijklm qazwsxedc qazwsxedcrfv zaqwsxcde zxcvbnmasdfg monkeymonkey dragondragon
"""
_COMMON = frozenset(_WORDS.split())


def check(password: str, *about: str) -> str:
    """The password in its normal form; `about` are names that it must not consist of.

    Raises:
        ConfigError: too short, too long, or what is guessed first.
    """
    normal = unicodedata.normalize("NFKC", password)
    if not SHORTEST <= len(normal) <= LONGEST:
        raise ConfigError(f"a password has {SHORTEST} to {LONGEST} characters; a few words in a row are easy to keep")
    core = "".join(sign for sign in normal.casefold() if sign.isalpha())
    named = {"".join(sign for sign in name.casefold() if sign.isalpha()) for name in about}
    if len(set(normal)) < 5 or normal.isdigit() or core in _COMMON or (core and core in named):
        raise ConfigError("this password is among the first that are guessed; choose a few unrelated words")
    return normal


class Hashing:
    """Digests and comparisons, a few at once."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def digest(self, password: str) -> str:
        """The argon2id digest of a checked password.

        Raises:
            Refused: 503, too many wait.
        """
        return str(await self._beside(_HASHER.hash, password))

    async def same(self, digest: str | None, password: str) -> bool:
        """Whether this is the password of that digest; None takes as long and is False.

        Raises:
            Refused: 503, too many wait.
        """
        normal = unicodedata.normalize("NFKC", password[: 4 * LONGEST])
        return bool(await self._beside(_same, digest or _NOBODY, normal)) and bool(digest)

    async def _beside(self, work: object, *given: str) -> object:
        if self._waiting >= WAITING:
            raise Refused(503, "too many people sign in at once", "try again", headers={"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._slots:
                return await asyncio.to_thread(work, *given)  # type: ignore[arg-type]  # either of the two below
        finally:
            self._waiting -= 1


def needs_renewal(digest: str) -> bool:
    """Whether a digest was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(digest)


def _same(digest: str, password: str) -> bool:
    try:
        return _HASHER.verify(digest, password)
    except (VerificationError, InvalidHashError):
        return False
