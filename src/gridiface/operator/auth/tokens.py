"""API tokens: made, listed, revoked, recognised. Owns their form and their record, not who asks.

A token is `gridiface_ID_SECRET`: the id finds the record, the secret (256 bits) is kept as SHA-256 only.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from typing_extensions import TypedDict

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import ConfigError
from gridiface.naming import in_order
from gridiface.operator.auth.scopes import IMPLIED
from gridiface.operator.records.audit import Entry
from gridiface.operator.records.book import Book

#: Where the records are kept.
SPACE = "operator/token"

_FORM = re.compile(r"gridiface_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")
_MOST = 1_000
_DAY_S = 86_400.0


class TokenRow(TypedDict):
    """One token; its secret cannot be shown again. `groups` null: the whole fleet."""

    id: str
    name: str
    scopes: list[str]
    groups: list[str] | None
    created: float
    expires: float
    expired: bool
    by: str


class TokenMade(TokenRow):
    """A new token; `token` is shown this once.

    An OAuth 2.0 client gives `client_id` and `client_secret` at POST /oauth2/token instead.
    """

    token: str
    client_id: str
    client_secret: str


@dataclass(frozen=True, slots=True)
class Token:
    """One token's record."""

    id: str
    name: str
    scopes: tuple[str, ...]
    created: Instant
    expires: Instant
    digest: str
    by: str
    groups: tuple[str, ...] | None = None

    def allows(self, scope: str) -> bool:
        """Whether it may do what needs `scope`."""
        return any(scope in IMPLIED[own] for own in self.scopes)

    def row(self, now: Instant) -> TokenRow:
        """The record for people, without the digest."""
        return {
            "id": self.id,
            "name": self.name,
            "scopes": list(self.scopes),
            "groups": None if self.groups is None else list(self.groups),
            "created": self.created,
            "expires": self.expires,
            "expired": now >= self.expires,
            "by": self.by,
        }


class TokenBook:
    """The tokens of one installation, over its ledger. Call `load` before the first `verify`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._book = Book(ledger, SPACE, _token)

    async def load(self, now: Instant) -> None:
        """Read the records.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._book.load(now)

    async def known_now(self, token_id: str, now: Instant) -> Token | None:
        """A token that is still valid, by its id; what other processes revoked long enough ago is seen.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        await self._book.fresh(now)
        return self.known(token_id, now)

    def known(self, token_id: str, now: Instant) -> Token | None:
        """A token that is still valid, by its id, as known now."""
        token = self._book.records.get(token_id)
        return token if token is not None and now < token.expires else None

    def holds(self, token: Token, now: Instant) -> bool:
        """Whether a token that was recognised before is still valid."""
        return now < token.expires and self._book.records.get(token.id) == token

    def rows(self, now: Instant) -> list[TokenRow]:
        """All tokens by name."""
        return [
            token.row(now)
            for token in sorted(self._book.records.values(), key=lambda token: (in_order(token.name), token.id))
        ]

    async def create(
        self,
        name: str,
        scopes: Iterable[str],
        days: float,
        now: Instant,
        *,
        by: str,
        groups: Iterable[str] | None = None,
    ) -> TokenMade:
        """Make a token; its text is in the answer and nowhere else.

        Raises:
            ConfigError: the name is taken by a token that is still valid, or there are too many.
            StoreUnavailable: nothing was made.
        """
        stale = [token for token in self._book.records.values() if now >= token.expires]
        if any(token.name == name and now < token.expires for token in self._book.records.values()):
            raise ConfigError(f"there is a token {name!r} already; choose another name or revoke it")
        if len(self._book.records) - len(stale) >= _MOST:
            raise ConfigError(f"there are {_MOST} tokens; revoke those that are not used")
        chosen = tuple(sorted(set(scopes)))
        secret = secrets.token_urlsafe(32)
        limited = None if groups is None else tuple(sorted(set(groups)))
        token = Token(secrets.token_hex(6), name, chosen, now, now + days * _DAY_S, digest_of(secret), by, limited)
        entry = Entry(at=now, who=by, what="token.create", subject=token.id, after=dict(token.row(now)))
        gone: list[Change] = [DeleteDocument(SPACE, old.id) for old in stale]
        await self._ledger.commit([*gone, PutDocument(SPACE, token.id, _body(token)), entry.change()])
        entry.log()
        for old in stale:
            self._book.records.pop(old.id, None)
        self._book.records[token.id] = token
        text = f"gridiface_{token.id}_{secret}"
        return {**token.row(now), "token": text, "client_id": token.id, "client_secret": secret}

    async def revoke(self, wanted: str, now: Instant, *, by: str) -> TokenRow | None:
        """Take a token away by its id or name; None: there is none.

        Raises:
            StoreUnavailable: nothing was changed.
        """
        token = self._book.records.get(wanted) or next(
            (t for t in self._book.records.values() if t.name == wanted), None
        )
        if token is None:
            return None
        entry = Entry(at=now, who=by, what="token.revoke", subject=token.id, before=dict(token.row(now)))
        await self._ledger.commit([DeleteDocument(SPACE, token.id), entry.change()])
        entry.log()
        self._book.records.pop(token.id, None)
        return token.row(now)

    async def verify(self, text: str, now: Instant, *, looking: bool = True) -> Token | None:
        """The valid token that this is, or None. The secret is compared in constant time.

        Args:
            text: what was sent.
            now: the time.
            looking: whether an id that is not known is worth a look at the store.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        found = _FORM.fullmatch(text)
        return None if found is None else await self.verify_pair(found[1], found[2], now, looking=looking)

    async def verify_pair(self, name: str, secret: str, now: Instant, *, looking: bool = True) -> Token | None:
        """The valid token of that id and secret, or None.

        Raises:
            StoreUnavailable: as for verify.
        """
        token = await self._book.get(name, now, looking=looking)
        same = hmac.compare_digest(digest_of(secret), "0" * 64 if token is None else token.digest)
        return token if token is not None and same and now < token.expires else None


def digest_of(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _body(token: Token) -> bytes:
    record = {
        "name": token.name,
        "scopes": token.scopes,
        "created": token.created,
        "expires": token.expires,
        "sha256": token.digest,
        "by": token.by,
        "groups": token.groups,
    }
    return json.dumps(record, sort_keys=True).encode()


def _token(document: Document) -> Token:
    record = json.loads(document.body)
    scopes: Sequence[str] = record["scopes"]
    known = tuple(scope for scope in scopes if scope in IMPLIED)
    groups: Sequence[str] | None = record.get("groups")
    return Token(
        document.key,
        record["name"],
        known,
        record["created"],
        record["expires"],
        record["sha256"],
        record["by"],
        None if groups is None else tuple(groups),
    )
