"""Where API tokens are kept: at a running server, or in the store of a stopped one. Owns no words.

Both places take and give the same: bodies and answers of the REST API's area `tokens`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from gridiface.cli.places.direct import me, on_store
from gridiface.cli.places.place import Plain, chosen
from gridiface.cli.places.remote import Remote
from gridiface.errors import GridifaceError
from gridiface.operator.areas.tokens import NewToken
from gridiface.operator.auth.tokens import TokenBook
from gridiface.segments import segment
from gridiface.store.repository import Store

_Found = TypeVar("_Found")


class TokenPlace(Protocol):
    """A place; a token is meant by name or id.

    Its verbs raise StoreUnavailable or ConfigError where the place cannot be worked at, and GridifaceError with
    what is wrong: no such token, or one that is refused.
    """

    def create(self, asked: NewToken) -> Plain:
        """A new token with its text, which is shown this once."""
        ...

    def rows(self) -> list[Plain]:
        """All tokens, without their secrets."""
        ...

    def one(self, name: str) -> Plain:
        """One of them."""
        ...

    def revoke(self, name: str) -> Plain:
        """The token that is gone."""
        ...


def tokens_at(url: str | None, config: Path | None, token_file: Path | None) -> TokenPlace:
    """Where the options say.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    at = chosen(url, config, token_file)
    return StoredTokens(at) if isinstance(at, Path) else RemoteTokens(at)


@dataclass(frozen=True, slots=True)
class RemoteTokens:
    """The tokens of a running server."""

    remote: Remote

    def create(self, asked: NewToken) -> Plain:
        """See TokenPlace."""
        found: Plain = self.remote.post("/tokens", asked.model_dump())
        return found

    def rows(self) -> list[Plain]:
        """See TokenPlace."""
        found: list[Plain] = self.remote.get("/tokens")["tokens"]
        return found

    def one(self, name: str) -> Plain:
        """See TokenPlace."""
        found: Plain = self.remote.get(f"/tokens/{segment(name)}")
        return found

    def revoke(self, name: str) -> Plain:
        """See TokenPlace."""
        found: Plain = self.remote.delete(f"/tokens/{segment(name)}")
        return found


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """The tokens in the store of a stopped server."""

    config: Path

    def create(self, asked: NewToken) -> Plain:
        """See TokenPlace."""

        async def make(book: TokenBook, now: float) -> Plain:
            made = await book.create(asked.name, asked.scopes, asked.days, now, by=me(), groups=asked.groups)
            return dict(made)

        return self._do(make)

    def rows(self) -> list[Plain]:
        """See TokenPlace."""

        async def look(book: TokenBook, now: float) -> list[Plain]:
            return [dict(row) for row in book.rows(now)]

        return self._do(look)

    def one(self, name: str) -> Plain:
        """See TokenPlace."""
        found = next((row for row in self.rows() if name in {row["id"], row["name"]}), None)
        if found is None:
            raise GridifaceError(f"no such token: {name!r}; `gridiface token list` has all of them")
        return found

    def revoke(self, name: str) -> Plain:
        """See TokenPlace."""

        async def revoke(book: TokenBook, now: float) -> Plain | None:
            gone = await book.revoke(name, now, by=me())
            return None if gone is None else dict(gone)

        found = self._do(revoke)
        if found is None:
            raise GridifaceError(f"there is no token {name!r}; `gridiface token list` shows them")
        return found

    def _do(self, work: Callable[[TokenBook, float], Awaitable[_Found]]) -> _Found:
        async def on(store: Store, now: float) -> _Found:
            book = TokenBook(store)
            await book.load(now)
            return await work(book, now)

        return on_store(self.config, on)
