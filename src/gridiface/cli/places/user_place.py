"""Where users are kept: at a running server, or in the store of a stopped one. Owns no words.

Both places take and give the same: bodies and answers of the REST API's area `users`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from gridiface.cli.places.direct import me, on_store
from gridiface.cli.places.place import Plain, chosen
from gridiface.cli.places.remote import Remote
from gridiface.errors import GridifaceError
from gridiface.operator.auth.users import TICKET_S, User, UserBook
from gridiface.segments import segment
from gridiface.store.repository import Store

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of a user; None: as it is. `whole_fleet`: confined to no groups any more, unless some are named."""

    role: str | None = None
    groups: Sequence[str] | None = None
    whole_fleet: bool = False
    disabled: bool | None = None


class UserPlace(Protocol):
    """A place; a user is meant by name or id.

    Its verbs raise StoreUnavailable or ConfigError where the place cannot be worked at, and GridifaceError with
    what is wrong: no such user, or a change that is refused.
    """

    @property
    def address(self) -> str:
        """Where a browser finds the server; empty where that is not known yet."""
        ...

    def create(self, name: str, role: str, groups: Sequence[str] | None) -> Plain:
        """A new user, with the ticket to choose a password."""
        ...

    def rows(self) -> list[Plain]:
        """All users."""
        ...

    def change(self, name: str, change: Change, reason: str) -> Plain:
        """The user as it is then."""
        ...

    def invite(self, name: str, reason: str) -> Plain:
        """The user, with a new ticket."""
        ...

    def sign_out(self, name: str, reason: str) -> Plain:
        """The user, whose sessions have ended."""
        ...

    def remove(self, name: str) -> Plain:
        """The user that is gone."""
        ...


def users_at(url: str | None, config: Path | None, token_file: Path | None) -> UserPlace:
    """Where the options say.

    Raises:
        ConfigError: an address or token that cannot be used.
    """
    at = chosen(url, config, token_file)
    return StoredUsers(at) if isinstance(at, Path) else RemoteUsers(at)


@dataclass(frozen=True, slots=True)
class RemoteUsers:
    """The users of a running server."""

    remote: Remote

    @property
    def address(self) -> str:
        """See UserPlace."""
        return self.remote.url

    def create(self, name: str, role: str, groups: Sequence[str] | None) -> Plain:
        """See UserPlace."""
        found: Plain = self.remote.post("/users", {"name": name, "role": role, "groups": groups})
        return found

    def rows(self) -> list[Plain]:
        """See UserPlace."""
        found: list[Plain] = self.remote.get("/users")["users"]
        return found

    def change(self, name: str, change: Change, reason: str) -> Plain:
        """See UserPlace."""
        groups, whole = change.groups, change.whole_fleet and not change.groups
        body = {"role": change.role, "groups": groups, "disabled": change.disabled, "whole_fleet": whole or None}
        sent = {key: value for key, value in {**body, "reason": reason}.items() if value is not None}
        found: Plain = self.remote.patch(f"/users/{segment(name)}", sent)
        return found

    def invite(self, name: str, reason: str) -> Plain:
        """See UserPlace."""
        found: Plain = self.remote.post(f"/users/{segment(name)}/invite", {"reason": reason})
        return found

    def sign_out(self, name: str, reason: str) -> Plain:
        """See UserPlace."""
        found: Plain = self.remote.post(f"/users/{segment(name)}/sign-out", {"reason": reason})
        return found

    def remove(self, name: str) -> Plain:
        """See UserPlace."""
        found: Plain = self.remote.delete(f"/users/{segment(name)}")
        return found


@dataclass(frozen=True, slots=True)
class StoredUsers:
    """The users in the store of a stopped server."""

    config: Path

    @property
    def address(self) -> str:
        """See UserPlace."""
        try:
            return Remote.of(None, self.config, None).url
        except GridifaceError:
            return ""

    def create(self, name: str, role: str, groups: Sequence[str] | None) -> Plain:
        """See UserPlace."""

        async def make(book: UserBook, now: float) -> Plain:
            user, ticket = await book.create(name, role, now, by=me(), groups=None if groups is None else list(groups))
            return {"user": user.row(), "ticket": ticket, "expires": now + TICKET_S}

        return self._do(make)

    def rows(self) -> list[Plain]:
        """See UserPlace."""

        async def look(book: UserBook, _: float) -> list[Plain]:
            return [dict(row) for row in book.rows()]

        return self._do(look)

    def change(self, name: str, change: Change, reason: str) -> Plain:
        """See UserPlace."""
        fields: Plain = {} if change.role is None else {"role": change.role}
        if change.groups or change.whole_fleet:
            fields["groups"] = tuple(sorted(change.groups)) if change.groups else None
        if change.disabled is not None:
            fields["disabled"] = change.disabled
        return self._changed(name, lambda book, user, now: book.change(user, now, by=me(), reason=reason, **fields))

    def invite(self, name: str, reason: str) -> Plain:
        """See UserPlace."""

        async def make(book: UserBook, now: float) -> Plain:
            user = _find(book, name)
            ticket = await book.invite(user, now, by=me(), reason=reason)
            return {"user": user.row(), "ticket": ticket, "expires": now + TICKET_S}

        return self._do(make)

    def sign_out(self, name: str, reason: str) -> Plain:
        """See UserPlace."""
        why = reason or "signed out"
        return self._changed(name, lambda book, user, now: book.change(user, now, by=me(), reason=why, since=now))

    def remove(self, name: str) -> Plain:
        """See UserPlace."""

        async def gone(book: UserBook, now: float) -> Plain:
            user = _find(book, name)
            await book.remove(user, now, by=me())
            return dict(user.row())

        return self._do(gone)

    def _changed(self, name: str, work: Callable[[UserBook, User, float], Awaitable[User]]) -> Plain:
        async def change(book: UserBook, now: float) -> Plain:
            return dict((await work(book, _find(book, name), now)).row())

        return self._do(change)

    def _do(self, work: Callable[[UserBook, float], Awaitable[_Found]]) -> _Found:
        async def on(store: Store, now: float) -> _Found:
            book = UserBook(store)
            await book.load(now)
            return await work(book, now)

        return on_store(self.config, on)


def _find(book: UserBook, name: str) -> User:
    user = book.find(name)
    if user is None:
        raise GridifaceError(f"there is no user {name!r}; `gridiface user list` shows them")
    return user
