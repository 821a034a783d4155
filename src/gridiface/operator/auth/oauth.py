"""OAuth 2.0 client credentials (RFC 6749 section 4.4): short access tokens for the holders of API tokens.

A client is an API token: its id is the client_id, its secret the client_secret. Access tokens are opaque, kept as
SHA-256, end with their client's token, and may do at most what it may.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.operator.auth.scopes import ALIASES, IMPLIED, allowed
from gridiface.operator.auth.tokens import Token, TokenBook, digest_of
from gridiface.operator.records.book import Book

SPACE = "operator/access"

#: How long an access token is good, s; those of one client at once.
VALID_S, PER_CLIENT = 3_600.0, 20

_FORM = re.compile(r"gridiface_at_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class BadScope(ValueError):
    """A scope that is unknown or more than the client may."""


@dataclass(frozen=True, slots=True)
class Access:
    """One access token's record."""

    id: str
    client: str
    scopes: tuple[str, ...]
    created: Instant
    expires: Instant
    digest: str


class AccessBook:
    """The access tokens of one installation. Call `load` before the first question."""

    def __init__(self, ledger: Ledger, tokens: TokenBook) -> None:
        self._ledger = ledger
        self._tokens = tokens
        self._book = Book(ledger, SPACE, _access)

    async def load(self, now: Instant) -> None:
        """Read the records and forget those that are over.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._book.load(now)
        await self._forget([a for a in self._book if now >= a.expires])

    async def issue(self, client: Token, wanted: Iterable[str], now: Instant) -> tuple[str, float, tuple[str, ...]]:
        """(access token, its life in s, its scopes) for a client; none wanted: all that the client may.

        Raises:
            BadScope: a scope is unknown or not the client's.
            StoreUnavailable: none was made.
        """
        names = tuple(dict.fromkeys(wanted)) or client.scopes
        scopes = tuple(dict.fromkeys(ALIASES.get(name, name) for name in names))
        may = allowed(client.scopes)
        for name, scope in zip(names, (ALIASES.get(name, name) for name in names), strict=True):
            if scope not in IMPLIED or scope not in may:
                raise BadScope(f"the client may not {name[:80]!r}")
        life = min(VALID_S, client.expires - now)
        secret = secrets.token_urlsafe(32)
        made = Access(secrets.token_hex(8), client.id, scopes, now, now + life, digest_of(secret))
        own = sorted((a for a in self._book if a.client == client.id), key=lambda a: a.created)
        stale = {a.id: a for a in [*own[: max(0, len(own) + 1 - PER_CLIENT)], *(a for a in own if now >= a.expires)]}
        gone: list[Change] = [DeleteDocument(SPACE, name) for name in stale]
        await self._ledger.commit([*gone, PutDocument(SPACE, made.id, _body(made))])
        for name in stale:
            self._book.records.pop(name, None)
        self._book.records[made.id] = made
        return f"gridiface_at_{made.id}_{secret}", life, names

    async def verify(self, text: str, now: Instant, *, looking: bool = True) -> tuple[Access, Token] | None:
        """The valid access token that this is and its client, or None. Compared in constant time.

        Args:
            text: what was sent.
            now: the time.
            looking: whether an id that is not known is worth a look at the store.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            return None
        name, secret = found.groups()
        access = await self._book.get(name, now, looking=looking)
        same = hmac.compare_digest(digest_of(secret), "0" * 64 if access is None else access.digest)
        if access is None or not same or not self.holds(access, now):
            return None
        client = await self._tokens.known_now(access.client, now)
        return None if client is None else (access, client)

    def holds(self, access: Access, now: Instant) -> bool:
        """Whether an access token that was recognised before is still valid."""
        known = self._book.records.get(access.id) == access and now < access.expires
        return known and self._tokens.known(access.client, now) is not None

    async def revoke(self, text: str, client: Token, now: Instant) -> None:
        """Take an access token of that client away; what is none changes nothing (RFC 7009).

        Raises:
            StoreUnavailable: nothing was changed.
        """
        found = await self.verify(text, now)
        if found is not None and found[0].client == client.id:
            await self._forget([found[0]])

    async def _forget(self, gone: list[Access]) -> None:
        if gone:
            await self._ledger.commit([DeleteDocument(SPACE, access.id) for access in gone])
        for access in gone:
            self._book.records.pop(access.id, None)


def is_access_token(text: str) -> bool:
    """Whether a text has the form of an access token."""
    return _FORM.fullmatch(text) is not None


def _body(access: Access) -> bytes:
    record = {
        "client": access.client,
        "scopes": access.scopes,
        "created": access.created,
        "expires": access.expires,
        "sha256": access.digest,
    }
    return json.dumps(record, sort_keys=True).encode()


def _access(document: Document) -> Access | None:
    record = json.loads(document.body)
    scopes = tuple(record["scopes"])
    return Access(document.key, record["client"], scopes, record["created"], record["expires"], record["sha256"])
