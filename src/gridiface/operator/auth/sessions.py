"""Sessions of signed-in people: a cookie's secret, kept as SHA-256, with idle and absolute expiry. Outlive a restart.

A new one is made at each sign-in (an old cookie is never taken over), and is over when its user is disabled, removed,
or has another password. The CSRF token of a session is an HMAC of its secret: nothing of it is kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from gridiface.domain.changes import Change, DeleteDocument, Document, KeepDocument, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import StoreUnavailable
from gridiface.operator.auth.users import User, UserBook
from gridiface.operator.records.audit import Entry
from gridiface.operator.records.book import Book

SPACE = "operator/session"

#: Where the installation's mark in its cookies' names is kept, and under which key.
MARKS, _MARK = "operator/cookie", "mark"

#: Sessions of one user, and of all; how much may go by before use is written down, s.
PER_USER, MOST, NOTED_S = 20, 5_000, 60.0

_FORM = re.compile(r"[A-Za-z0-9_-]{43}")
_MARK_FORM = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Session:
    """One session's record. `id` is the digest of the secret; `agent` what the browser called itself."""

    id: str
    user: str
    created: Instant
    seen: Instant
    address: str = ""
    agent: str = ""

    def put(self) -> PutDocument:
        """The record as a durable change."""
        return PutDocument(SPACE, self.id, json.dumps(asdict(self), sort_keys=True).encode())


class SessionBook:
    """The sessions of one installation.

    Args:
        ledger: where they are kept.
        users: whose they are.
        idle_s: unused for so long, a session is over.
        longest_s: so long after its start, a session is over in any case.
    """

    def __init__(
        self, ledger: Ledger, users: UserBook, *, idle_s: float = 1_800.0, longest_s: float = 43_200.0
    ) -> None:
        self._ledger = ledger
        self._users = users
        self._book = Book(ledger, SPACE, _session)
        #: Of this installation, in its cookies' names; the same after a restart. Empty before `load`.
        self.mark = ""
        self._idle_s = idle_s
        self._longest_s = longest_s
        #: Those that are being ended: what is noted of one must not be written after it was taken out.
        self._ending: set[str] = set()

    async def load(self, now: Instant) -> None:
        """Read the records and forget those that are over; draw the mark where this installation has none.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        self.mark = await self._kept_mark() or await self._draw_mark()
        await self._book.load(now)
        gone = [s.id for s in self._book if self._user(s, now) is None]
        if gone:
            await self._end(gone, [])

    async def _kept_mark(self) -> str:
        kept = [one.body.decode("ascii", "replace") for one in await self._ledger.documents(MARKS) if one.key == _MARK]
        return next((mark for mark in kept if _MARK_FORM.fullmatch(mark)), "")

    async def _draw_mark(self) -> str:
        drawn = secrets.token_hex(4)
        # A store that cannot write keeps nobody from signing out or looking; the next start draws again.
        with contextlib.suppress(StoreUnavailable):
            # Of two servers that begin on one database at one time, the one that writes first has drawn for both.
            await self._ledger.commit([KeepDocument(MARKS, _MARK, drawn.encode())])
        return await self._kept_mark() or drawn

    async def begin(self, user: User, now: Instant, *, address: str, agent: str, along: Entry) -> str:
        """Begin a session; its secret, for the cookie. The oldest of too many of one user is over.

        Raises:
            StoreUnavailable: none was begun.
        """
        secret = secrets.token_urlsafe(32)
        session = Session(_digest(secret), user.id, now, now, address[:64], _plain(agent))
        own = sorted((s for s in self._book if s.user == user.id), key=lambda s: s.seen)
        over = [s for s in self._book if self._user(s, now) is None]
        surplus = own[: max(0, len(own) + 1 - PER_USER)]
        everyone = sorted(self._book, key=lambda s: s.seen)[: max(0, len(self._book.records) + 1 - MOST)]
        await self._end((s.id for s in (*over, *surplus, *everyone)), [session.put(), along.change()])
        along.log()
        self._book.records[session.id] = session
        return secret

    async def verify(self, secret: str, now: Instant) -> tuple[Session, User] | None:
        """The session of a cookie and its user, or None.

        Raises:
            StoreUnavailable: the records had to be read again and could not be.
        """
        if not _FORM.fullmatch(secret):
            return None
        await self._users.fresh(now)
        session = await self._book.get(_digest(secret), now)
        user = None if session is None else self._user(session, now)
        if session is None or user is None:
            return None
        if now - session.seen > NOTED_S and session.id not in self._ending:
            session = replace(session, seen=now)
            self._book.records[session.id] = session
            # A store that cannot write must not keep people from looking.
            with contextlib.suppress(StoreUnavailable):
                await self._ledger.commit([session.put()])
        return session, user

    def holds(self, session: Session, now: Instant) -> bool:
        """Whether a session that was recognised before still goes on."""
        known = self._book.records.get(session.id)
        return known is not None and self._user(known, now) is not None

    async def end(self, session_id: str, along: Entry) -> None:
        """End one session.

        Raises:
            StoreUnavailable: it goes on.
        """
        await self._end({session_id}, [along.change()])
        along.log()

    async def _end(self, names: Iterable[str], along: Sequence[Change]) -> None:
        gone = sorted({*names})
        self._ending.update(gone)
        try:
            await self._ledger.commit([*(DeleteDocument(SPACE, name) for name in gone), *along])
            for name in gone:
                self._book.records.pop(name, None)
        finally:
            self._ending.difference_update(gone)

    def of(self, user: User, now: Instant) -> list[Session]:
        """The sessions of a user that go on, the latest used first."""
        found = [s for s in self._book if s.user == user.id and self._user(s, now) is not None]
        return sorted(found, key=lambda s: -s.seen)

    def expires(self, session: Session) -> Instant:
        """When a session is over if it is not used again."""
        return min(session.seen + self._idle_s, session.created + self._longest_s)

    def _user(self, session: Session, now: Instant) -> User | None:
        """The user of a session that goes on, or None."""
        user = self._users.known(session.user)
        if user is None or user.disabled or session.created < user.since:
            return None
        return user if session.created <= now + NOTED_S and now < self.expires(session) else None


def csrf_of(secret: str) -> str:
    """The CSRF token of a session's secret."""
    return hmac.new(secret.encode(), b"gridiface csrf", hashlib.sha256).hexdigest()


def csrf_fits(secret: str, given: str) -> bool:
    """Whether this is the CSRF token of that secret; compared in constant time."""
    return hmac.compare_digest(csrf_of(secret).encode(), given.encode("utf-8", "replace"))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _plain(text: str) -> str:
    return "".join(sign for sign in text[:200] if sign.isprintable())


def _session(document: Document) -> Session | None:
    return Session(**json.loads(document.body))
