"""Users of secure authentication as an authority left them: the durable form, sealed, under the configuration.

Owns what is kept of users and update keys over a restart. Keys never reach the database in the clear: the whole record
is wrapped (RFC 3394) with a key made from the authority's, which stays in its own file. No I/O, no clock.

The configuration rules a user whose entry was edited since the record was written; otherwise the record does.
"""

from __future__ import annotations

import hmac
import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from gridiface.domain.changes import Document, PutDocument
from gridiface.domain.controls import Acceptance
from gridiface.northbound.dnp3.commanding.commissions import Commission, Step
from gridiface.northbound.dnp3.pointmap.points import PointEntry
from gridiface.northbound.dnp3.settings import StationSettings
from gridiface.protocols.dnp3.authentication.algorithms import User, unwrap, wrap
from gridiface.protocols.dnp3.authentication.users import UserRegister, UserState

_log = logging.getLogger("gridiface.dnp3")

SPACE = "dnp3.users"
_SEALING = b"gridiface: users at rest"
_SLOT = "\0users"
_MARKING = b"gridiface: configured user"


class UserRecord:
    """The record of one outstation's users.

    Args:
        station: name of the outstation.
        configured: the users of the configuration.
        authority_key: of the authority, 16 or 32 octets.
    """

    def __init__(self, station: str, configured: Iterable[User], authority_key: bytes) -> None:
        self._station = station
        self._configured = tuple(configured)
        self._key = hmac.new(authority_key, _SEALING + station.encode(), sha256).digest()

    def document(self, state: UserState) -> PutDocument:
        """The durable form of a register's state."""
        content = {
            "sequence": state.status_sequence,
            "users": [_row(user) for user in state.users],
            "configured": self._marks(),
        }
        plain = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        return PutDocument(SPACE, self._station, wrap(self._key, len(plain).to_bytes(4, "big") + plain))

    def load(self, documents: Iterable[Document]) -> UserState | None:
        """The users after a restart; None: nothing was ever changed, or the record is not of this authority's key."""
        for document in documents:
            if document.space == SPACE and document.key == self._station:
                content = self._opened(document.body)
                if content is None:
                    _log.error("outstation %s: its users as the authority left them cannot be read with this authority "
                               "key; those of the configuration hold", self._station)  # fmt: skip
                    return None
                return self._met(content)
        return None

    def _met(self, content: Mapping[str, Any]) -> UserState:
        """What was kept, under what was configured since."""
        kept = {user.number: user for user in map(_user, content["users"])}
        then, today = content["configured"], self._marks()
        for number in set(then) - set(today):
            kept.pop(int(number), None)
        for user in self._configured:
            if then.get(str(user.number)) != today[str(user.number)]:
                kept[user.number] = user
        return UserState(tuple(kept[number] for number in sorted(kept)), int(content["sequence"]))

    def _opened(self, body: bytes) -> dict[str, Any] | None:
        plain = unwrap(self._key, body)
        if plain is None:
            return None
        content: dict[str, Any] = json.loads(plain[4 : 4 + int.from_bytes(plain[:4], "big")])
        return content

    def _marks(self) -> dict[str, str]:
        """By number, what tells an edited entry of the configuration from the one before."""
        return {
            str(user.number): hmac.new(self._key, _MARKING + json.dumps(_row(user)).encode(), sha256).hexdigest()
            for user in self._configured
        }


def _row(user: User) -> dict[str, Any]:
    return {
        "number": user.number,
        "name": user.name,
        "key": user.update_key.hex(),
        "role": user.role,
        "expires_at": user.expires_at,
    }


def _user(row: Mapping[str, Any]) -> User:
    return User(row["number"], row["name"], bytes.fromhex(row["key"]), row["role"], row["expires_at"])


class Users:
    """The users of an outstation that an authority may change over the wire: durable before the answer goes out.

    Args:
        settings: of the outstation.
        register: its users; without an authority key they stay as they are.
        commission: takes what has to be made durable.
    """

    def __init__(
        self, settings: StationSettings, register: UserRegister, commission: Callable[[Commission], None]
    ) -> None:
        self._register = register
        self._commission = commission
        self._record: UserRecord | None = None
        self._durable = register.state()
        secure = settings.authentication
        if secure is not None and secure.settings.authority_key is not None:
            self._record = UserRecord(settings.name, secure.users, secure.settings.authority_key)
            register.on_change = self._changed

    def restore(self, documents: Iterable[Document]) -> None:
        """Take up what the authority left; call it once, before connections are opened."""
        kept = None if self._record is None else self._record.load(documents)
        if kept is not None:
            self._register.restore(kept)
            self._durable = kept

    def _changed(self) -> None:
        assert self._record is not None
        register, state = self._register, self._register.state()
        register.busy = True

        def kept(_: Acceptance | None) -> Sequence[PointEntry]:
            register.busy, self._durable = False, state
            return ()

        def undone() -> None:
            register.busy = False
            register.restore(self._durable)

        step = Step(changes=(self._record.document(state),), then=kept)
        self._commission(Commission(slot=_SLOT, master="", steps=[step], undo=undone))
