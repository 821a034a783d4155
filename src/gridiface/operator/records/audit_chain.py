"""The audit log made tamper-evident: seals that chain the digests of its entries, and their verification.

Entries are written in the transaction of the change they tell of; within a second a seal follows that names each new
entry's key and SHA-256 and the hash of the seal before it. Whoever alters, removes or inserts an entry later has to
make every seal after it anew: that shows where seals are keyed (HMAC with a file that is not in the database), and
where a hash that was noted elsewhere (each is in the log of the server) is not there any more.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gridiface.domain.changes import Change, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import StoreUnavailable
from gridiface.operator.records.audit import SPACE

_log = logging.getLogger("gridiface.audit")

#: Where seals are kept.
SEALS = "operator/audit-seal"

#: Most entries of one seal; so old may an entry be that has no seal yet, s; most faults that are told.
PER_SEAL, UNSEALED_S, TOLD = 500, 60.0, 100


@dataclass(slots=True)
class Verification:
    """What a look at the whole log found; `ok` when nothing speaks against it.

    Attributes:
        heads: hashes of the last seals (one, unless several servers write); note them elsewhere.
        keyed: whether seals were checked against the key of the configuration.
    """

    entries: int = 0
    seals: int = 0
    unsealed: int = 0
    keyed: bool = False
    heads: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing speaks against the log."""
        return not self.faults

    def fault(self, text: str) -> None:
        """Note a fault; beyond a hundred they are only counted by the last."""
        if len(self.faults) < TOLD:
            self.faults.append(text)


class AuditChain:
    """Seals of one installation's audit log. Call `load` before the first `seal`.

    Args:
        ledger: where entries and seals are.
        key: of the seals' HMAC; None: plain SHA-256.
    """

    def __init__(self, ledger: Ledger, key: bytes | None = None) -> None:
        self._ledger = ledger
        self._key = key
        self._run = secrets.token_hex(6)
        self._number = 0
        self._heads: list[str] = []
        self._waiting: dict[str, str] = {}

    async def load(self) -> None:
        """Find the ends of the chain, and entries that have no seal yet.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        seals = [_body(document) for document in await self._ledger.documents(SEALS)]
        sealed = {key for seal in seals for key, _ in seal["entries"]}
        self._heads = _heads(seals)
        for document in await self._ledger.documents(SPACE):
            if document.key not in sealed:
                self._waiting.setdefault(document.key, _digest(document.body))

    def on_committed(self, changes: Iterable[Change]) -> None:
        """Take in what has become durable."""
        for change in changes:
            if isinstance(change, PutDocument) and change.space == SPACE:
                self._waiting[change.key] = _digest(change.body)

    @property
    def waiting(self) -> int:
        """How many entries have no seal yet."""
        return len(self._waiting)

    async def seal(self, now: Instant) -> int:
        """Seal what has none; how many entries that were. A store that cannot write is waited for."""
        some = sorted(self._waiting.items())[:PER_SEAL]
        if not some:
            return 0
        body = {"run": self._run, "number": self._number, "at": now, "prev": self._heads, "entries": some}
        found = seal_hash(body, self._key)
        change = PutDocument(SEALS, f"{self._run}-{self._number:010d}", _canonical({**body, "hash": found}))
        try:
            await self._ledger.commit([change])
        except StoreUnavailable as problem:
            _log.warning("the audit log is sealed later: %s", problem)
            return 0
        _log.info("sealed %d %s: %s", len(some), "entry" if len(some) == 1 else "entries", found)
        self._number += 1
        self._heads = [found]
        for key, _ in some:
            self._waiting.pop(key, None)
        return len(some)

    async def verify(self, now: Instant, expect: str = "") -> Verification:
        """Look at the whole log.

        Args:
            now: entries without a seal may be a minute old.
            expect: a hash that was noted before; it must still be there.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        # Seals first: what is sealed in between is an entry without a seal yet, not a seal without its entry.
        seals = await self._ledger.documents(SEALS)
        entries = await self._ledger.documents(SPACE)
        return verify(entries, seals, now, key=self._key, expect=expect)


def verify(
    entries: Sequence[Document], seals: Sequence[Document], now: Instant, *, key: bytes | None = None, expect: str = ""
) -> Verification:
    """Hold entries against seals, and seals against each other; see AuditChain.verify."""
    found = Verification(entries=len(entries), seals=len(seals), keyed=key is not None)
    bodies = [_body(document) for document in seals]
    _check_links(bodies, key, found)
    if expect and expect not in {seal["hash"] for seal in bodies}:
        found.fault(f"no seal has the hash {expect}: seals were removed or made anew")
    sealed: dict[str, str] = {}
    for seal in bodies:
        for name, digest in seal["entries"]:
            if sealed.setdefault(name, digest) != digest:
                found.fault(f"entry {name} is sealed twice, differently")
    _check_entries({document.key: document for document in entries}, sealed, now, found)
    found.heads = _heads(bodies)
    return found


def seal_hash(seal: Mapping[str, Any], key: bytes | None) -> str:
    """The hash of a seal, over all of it but the hash itself."""
    text = _canonical({name: value for name, value in seal.items() if name != "hash"})
    return hashlib.sha256(text).hexdigest() if key is None else hmac.new(key, text, hashlib.sha256).hexdigest()


def _check_links(seals: Sequence[Mapping[str, Any]], key: bytes | None, found: Verification) -> None:
    hashes = {seal["hash"] for seal in seals}
    numbers: dict[str, set[int]] = {}
    begun = False
    for seal in seals:
        name = f"{seal['run']}-{seal['number']}"
        if not hmac.compare_digest(seal_hash(seal, key), seal["hash"]):
            found.fault(f"seal {name} was altered, or made with another key")
        numbers.setdefault(seal["run"], set()).add(seal["number"])
        for before in seal["prev"]:
            if before not in hashes:
                found.fault(f"seal {name} follows one that is not there")
        if not seal["prev"]:
            if begun:
                found.fault(f"seal {name} begins a second chain")
            begun = True
    for run, known in numbers.items():
        for number in sorted(set(range(max(known))) - known):
            found.fault(f"seal {run}-{number} was removed")


def _check_entries(
    present: Mapping[str, Document], sealed: Mapping[str, str], now: Instant, found: Verification
) -> None:
    for name, digest in sealed.items():
        if name not in present:
            found.fault(f"entry {name} was removed")
        elif not hmac.compare_digest(_digest(present[name].body), digest):
            found.fault(f"entry {name} was altered")
    for name in present:
        if name in sealed:
            continue
        found.unsealed += 1
        # The key begins with the time in microseconds; what an altered body says of it counts for nothing.
        at = int(name.partition("-")[0]) / 1e6 if name.partition("-")[0].isdigit() else 0.0
        if now - at > UNSEALED_S:
            found.fault(f"entry {name} has no seal: inserted, or its seal was removed")


def _heads(seals: Iterable[Mapping[str, Any]]) -> list[str]:
    """Hashes that no seal follows."""
    every = list(seals)
    followed = {before for seal in every for before in seal["prev"]}
    return sorted({seal["hash"] for seal in every} - followed)


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _body(document: Document) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(document.body)
    return found
