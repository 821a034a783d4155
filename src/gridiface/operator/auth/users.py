"""Users: people with a role, a password or a sign-in elsewhere, and the groups that they may see. Owns their record.

A user begins without a password: a ticket (256 bits, once, for a day, kept as SHA-256) lets its holder choose one. So
there is no default password anywhere, the first admin's included.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from typing_extensions import TypedDict

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import ConfigError
from gridiface.naming import in_order
from gridiface.operator.auth import passwords
from gridiface.operator.auth.scopes import ROLES
from gridiface.operator.records.audit import Entry
from gridiface.operator.records.book import Book

#: Where users and their tickets are kept.
SPACE, TICKETS = "operator/user", "operator/ticket"

#: How long a ticket is good, s; most users.
TICKET_S, MOST = 86_400.0, 1_000

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class UserRow(TypedDict):
    """One user. `groups` null: the whole fleet; `state`: active, invited (no password yet), disabled."""

    id: str
    name: str
    role: str
    groups: list[str] | None
    state: str
    external: bool
    created: float
    by: str


class Invited(TypedDict):
    """A user with the ticket that lets its holder choose a password; shown this once, good for a day, once."""

    user: UserRow
    ticket: str
    expires: float


@dataclass(frozen=True, slots=True)
class User:
    """One user's record.

    Attributes:
        digest: argon2id of the password; empty: none yet, or signed in elsewhere.
        groups: what may be seen and controlled; None: the whole fleet.
        subject: issuer and subject of the OpenID provider, empty for local users.
        since: sessions that began before are over.
    """

    id: str
    name: str
    role: str
    created: Instant
    by: str
    groups: tuple[str, ...] | None = None
    digest: str = ""
    disabled: bool = False
    subject: str = ""
    since: Instant = 0.0

    def row(self) -> UserRow:
        """The record for people, without the digest."""
        ready = bool(self.digest or self.subject)
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "groups": None if self.groups is None else list(self.groups),
            "state": "disabled" if self.disabled else "active" if ready else "invited",
            "external": bool(self.subject),
            "created": self.created,
            "by": self.by,
        }

    def put(self) -> PutDocument:
        """The record as a durable change."""
        return PutDocument(SPACE, self.id, json.dumps(asdict(self), sort_keys=True).encode())


class UserBook:
    """The users of one installation. Call `load` before the first question."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._book = Book(ledger, SPACE, _user)
        self._one_by_one = asyncio.Lock()
        self.hashing = passwords.Hashing()

    async def load(self, now: Instant) -> None:
        """Read the records.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        await self._book.load(now)

    async def fresh(self, now: Instant) -> None:
        """Read the records again where that is due; see Book.fresh."""
        await self._book.fresh(now)

    def known(self, user_id: str) -> User | None:
        """A user as known now."""
        return self._book.records.get(user_id)

    def find(self, wanted: str) -> User | None:
        """A user by id, or by name without regard to case."""
        return self.known(wanted) or next((u for u in self._book if u.name.casefold() == wanted.casefold()), None)

    def of_subject(self, subject: str) -> User | None:
        """The user of an OpenID provider's subject."""
        return next((user for user in self._book if user.subject == subject), None)

    def rows(self) -> list[UserRow]:
        """All users by name."""
        return [user.row() for user in sorted(self._book, key=lambda user: in_order(user.name.casefold()))]

    def has_admin(self) -> bool:
        """Whether there is an admin who can sign in."""
        return any(_is_admin(user) for user in self._book)

    async def create(
        self,
        name: str,
        role: str,
        now: Instant,
        *,
        by: str,
        groups: Iterable[str] | None = None,
        subject: str = "",
    ) -> tuple[User, str]:
        """Make a user and a ticket for the first password ("" where the user signs in elsewhere).

        Raises:
            ConfigError: the name is taken or none, the role is unknown, or there are too many.
            StoreUnavailable: nothing was made.
        """
        if not NAME.fullmatch(name):
            raise ConfigError(f"{name[:80]!r} is no user name; use letters, digits and ._@-, at most 64")
        _check_role(role, groups)
        async with self._one_by_one:
            await self.load(now)
            if self.find(name) is not None:
                raise ConfigError(f"there is a user {name!r} already; choose another name")
            if len(self._book.records) >= MOST:
                raise ConfigError(f"there are {MOST} users; remove those that are gone")
            chosen = None if groups is None else tuple(sorted(set(groups)))
            user = User(secrets.token_hex(8), name, role, now, by, chosen, subject=subject, since=now)
            ticket, change = ("", []) if subject else _ticket(user, now)
            await self._keep(user, "user.create", None, now, by, change)
            return user, ticket

    async def invite(self, user: User, now: Instant, *, by: str, reason: str = "") -> str:
        """A new ticket for a user, who keeps the old password until it is used; earlier tickets are void.

        Raises:
            ConfigError: the user signs in elsewhere.
            StoreUnavailable: nothing was made.
        """
        if user.subject:
            raise ConfigError(f"{user.name} signs in with the OpenID provider; set a password there")
        async with self._one_by_one:
            old = [DeleteDocument(TICKETS, d.key) for d in await self._tickets() if _body(d)["user"] == user.id]
            ticket, change = _ticket(user, now)
            entry = Entry(at=now, who=by, what="user.invite", subject=user.name, reason=reason)
            await self._ledger.commit([*old, *change, entry.change()])
            entry.log()
            return ticket

    async def redeem(self, ticket: str, password: str, now: Instant) -> User:
        """Set the password with a ticket, which is gone then; the user's sessions are over.

        Raises:
            ConfigError: the ticket is unknown, used or expired, or the password is not good.
            StoreUnavailable: nothing was changed.
        """
        digest = hashlib.sha256(ticket.encode()).hexdigest()
        async with self._one_by_one:
            found = next((d for d in await self._tickets() if secrets.compare_digest(d.key, digest)), None)
            user = None if found is None or now >= _body(found)["expires"] else self.known(_body(found)["user"])
            if found is None or user is None or user.disabled:
                raise ConfigError("the ticket is unknown, used or expired; ask an admin for a new one")
            normal = passwords.check(password, user.name)
            changed = replace(user, digest=await self.hashing.digest(normal), since=now)
            gone: list[Change] = [DeleteDocument(TICKETS, found.key)]
            await self._keep(changed, "user.password", user, now, user.name, gone)
            return changed

    async def change_password(self, user: User, old: str, new: str, now: Instant) -> User:
        """Set another password; the user's sessions are over.

        Raises:
            ConfigError: the old one is wrong, or the new one not good.
            StoreUnavailable: nothing was changed.
        """
        if not await self.hashing.same(user.digest or None, old):
            raise ConfigError("the old password is wrong; an admin can make a ticket for a new one")
        digest = await self.hashing.digest(passwords.check(new, user.name))
        async with self._one_by_one:
            changed = replace(user, digest=digest, since=now)
            await self._keep(changed, "user.password", user, now, user.name, [])
            return changed

    async def change(self, user: User, now: Instant, *, by: str, reason: str = "", **fields: Any) -> User:
        """Change role, groups, disabled of a user; sessions of one who is disabled are over.

        Raises:
            ConfigError: nobody could sign in as an admin any more, or role and groups do not go together.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            changed = replace(user, **fields)
            _check_role(changed.role, changed.groups)
            if changed.disabled and not user.disabled:
                changed = replace(changed, since=now)
            self._keep_an_admin(user, changed)
            await self._keep(changed, "user.change", user, now, by, [], reason)
            return changed

    async def remove(self, user: User, now: Instant, *, by: str) -> None:
        """Take a user away.

        Raises:
            ConfigError: nobody could sign in as an admin any more.
            StoreUnavailable: nothing was changed.
        """
        async with self._one_by_one:
            self._keep_an_admin(user, None)
            tickets = [DeleteDocument(TICKETS, d.key) for d in await self._tickets() if _body(d)["user"] == user.id]
            entry = Entry(at=now, who=by, what="user.remove", subject=user.name, before=dict(user.row()))
            await self._ledger.commit([DeleteDocument(SPACE, user.id), *tickets, entry.change()])
            entry.log()
            self._book.records.pop(user.id, None)

    async def renew_digest(self, user: User, password: str) -> None:
        """Hash a right password anew where the parameters have changed.

        Raises:
            StoreUnavailable: the old digest stays.
        """
        if passwords.needs_renewal(user.digest):
            changed = replace(user, digest=await self.hashing.digest(password))
            await self._ledger.commit([changed.put()])
            self._book.records[user.id] = changed

    async def note(self, entry: Entry) -> None:
        """Put something that changed nothing into the audit log.

        Raises:
            StoreUnavailable: it is not there.
        """
        await self._ledger.commit([entry.change()])
        entry.log()

    async def _tickets(self) -> list[Document]:
        return await self._ledger.documents(TICKETS)

    async def _keep(
        self,
        user: User,
        what: str,
        before: User | None,
        now: Instant,
        by: str,
        along: Iterable[Change],
        reason: str = "",
    ) -> None:
        was = None if before is None else dict(before.row())
        entry = Entry(at=now, who=by, what=what, subject=user.name, before=was, after=dict(user.row()), reason=reason)
        await self._ledger.commit([user.put(), *along, entry.change()])
        entry.log()
        self._book.records[user.id] = user

    def _keep_an_admin(self, before: User, after: User | None) -> None:
        others = any(_is_admin(user) for user in self._book if user.id != before.id)
        if _is_admin(before) and not others and (after is None or not _is_admin(after)):
            raise ConfigError(f"{before.name} is the last admin who can sign in; make another one first")


def _check_role(role: str, groups: Iterable[str] | None) -> None:
    if role not in ROLES:
        raise ConfigError(f"there is no role {role[:80]!r}; choose one of {', '.join(ROLES)}")
    if groups is not None and role in {"admin", "auditor"}:
        raise ConfigError(f"the role {role} is about everything; leave groups out, or choose another role")


def _is_admin(user: User) -> bool:
    return user.role == "admin" and not user.disabled and bool(user.digest or user.subject)


def _ticket(user: User, now: Instant) -> tuple[str, list[Change]]:
    """(its text, the record of its digest)."""
    text = secrets.token_urlsafe(32)
    body = json.dumps({"user": user.id, "expires": now + TICKET_S}).encode()
    return text, [PutDocument(TICKETS, hashlib.sha256(text.encode()).hexdigest(), body)]


def _body(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document.body)
    return found


def _user(document: Document) -> User | None:
    body = _body(document)
    if body.get("role") not in ROLES:
        return None
    groups = body.pop("groups")
    return User(**body, groups=None if groups is None else tuple(groups))
