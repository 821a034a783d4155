"""ReplayProtect: which signed messages have been seen. Owns the nonces, not the signature (signature.py)."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from typing import Protocol

from gridiface.errors import RemoteProtocolError
from gridiface.protocols.openadr.changes import Change, Documents

_PREFIX = "nonce/"
_LONGEST_NONCE = 256
#: At once, so that no message pays for all those before it.
_MOST_FORGOTTEN = 8


class NonceStore(Protocol):
    """Remembers the nonces of messages that were accepted."""

    def use(self, signer: str, nonce: str, timestamp: float, now: float) -> None:
        """Take the nonce of a message whose signature is good.

        Raises:
            RemoteProtocolError: answer 403; stamped outside the window, or seen before.
        """
        ...


class NonceMemory:
    """Nonces within the clock window, with changes for the store.

    A message is taken when its timestamp is at most `window` seconds away from `now`. Nonces older than that are
    forgotten, as their messages would be refused for their age.

    Args:
        window: seconds; 5 is what others use, more tolerates worse clocks.
        most: nonces kept at once; above it messages are refused, so that a flood cannot make us forget.
    """

    def __init__(self, window: float = 30.0, most: int = 100_000) -> None:
        self._window = window
        self._most = most
        self._seen: dict[str, float] = {}
        #: Of all that were seen, the oldest first; one that was taken back since may still stand here.
        self._by_age: list[tuple[float, str]] = []
        self._documents = Documents()

    def use(self, signer: str, nonce: str, timestamp: float, now: float) -> None:
        """As NonceStore.use; the nonce is then among `take_changes`.

        Raises:
            RemoteProtocolError: 403, signed at another time, without a fit nonce or received before; 503, too many.
        """
        if abs(now - timestamp) > self._window:
            # By how much helps whoever has to find the clock that is wrong.
            raise RemoteProtocolError(
                f"the message was signed too long ago, or the clocks differ: {now - timestamp:+.0f} s", answer=403
            )
        if not nonce or len(nonce) > _LONGEST_NONCE:
            raise RemoteProtocolError("the nonce is missing or too long", answer=403)
        self._forget(now)
        key = f"{_PREFIX}{signer}/{nonce}"
        if key in self._seen:
            raise RemoteProtocolError("the message was received before", answer=403)
        if len(self._seen) >= self._most:
            raise RemoteProtocolError("too many signed messages at once", answer=503)
        self._remember(key, timestamp)
        self._documents.put(key, repr(timestamp).encode())

    def take_changes(self) -> tuple[Change, ...]:
        """What must be durable before the message is acted on."""
        return self._documents.take()

    def revert(self, changes: Iterable[Change]) -> None:
        """The store could not take `changes`: the messages may be sent again."""
        for key in self._documents.revert(changes):
            body = self._documents.get(key)
            if body is None:
                self._seen.pop(key, None)
            else:
                self._remember(key, float(body))

    def load(self, documents: Mapping[str, bytes]) -> None:
        """Go on after a restart with the documents whose keys begin with "nonce/"."""
        own = {key: body for key, body in documents.items() if key.startswith(_PREFIX)}
        self._documents.load(own)
        self._seen, self._by_age = {}, []
        for key, body in own.items():
            self._remember(key, float(body))

    def _remember(self, key: str, timestamp: float) -> None:
        self._seen[key] = timestamp
        heapq.heappush(self._by_age, (timestamp, key))

    def _forget(self, now: float) -> None:
        # What was stamped by a clock that was ahead stays until its time has come and gone: it could be sent again
        # then. It must not hold up the others, or a clock that was set back would fill the memory.
        for _ in range(_MOST_FORGOTTEN):
            if not self._by_age or now - self._by_age[0][0] <= self._window:
                break
            timestamp, key = heapq.heappop(self._by_age)
            if self._seen.get(key) == timestamp:
                del self._seen[key]
                self._documents.drop(key)
