"""Idempotency keys on every POST: the same request of the same caller is carried out once and answered alike.

A key is noted before the work and gets the answer after it. Where the server ended in between, nobody knows whether
the work was done: the key is answered 409 and not tried again. Sending controls has its own way, in one transaction
with the control (see sending).
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field, replace

from aiohttp import web
from pydantic import BaseModel

from gridiface.domain.changes import Change, DeleteDocument, Document, PutDocument
from gridiface.domain.clock import Instant
from gridiface.domain.ports import Ledger
from gridiface.errors import StoreUnavailable
from gridiface.operator.problems import Refused

SPACE = "operator/idempotency"

#: The header, its form, how long an answer is kept, s; most that are kept; the longest answer that is kept, bytes.
HEADER = "Idempotency-Key"
KEY = re.compile(r"[\x21-\x7e]{1,128}")
KEPT_S, MOST, LONGEST = 86_400.0, 10_000, 256 * 1024

_REPEATED = "Idempotency-Replayed"


@dataclass(frozen=True, slots=True)
class Kept:
    """One key. `status` 0: the work has not come to its end."""

    key: str
    request: str
    at: Instant
    status: int = 0
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class _Turns:
    """The requests with one key that are here: one after the other. It stays as long as one of them is."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    requests: int = 0


@dataclass(slots=True)
class Replies:
    """The keys of one installation. Call `load` before the first question."""

    ledger: Ledger
    _kept: OrderedDict[str, Kept] = field(default_factory=OrderedDict)
    _turns: dict[str, _Turns] = field(default_factory=dict)

    async def load(self, now: Instant) -> None:
        """Take up the keys of the last run, forget old ones.

        Raises:
            StoreUnavailable: the store does not answer.
        """
        found = sorted(map(_kept, await self.ledger.documents(SPACE)), key=lambda kept: kept.at)
        self._kept = OrderedDict((kept.key, kept) for kept in found)
        gone = self._old(now)
        if gone:
            await self.ledger.commit(gone)

    async def once(
        self,
        request: web.Request,
        body: BaseModel,
        caller_id: str,
        now: Instant,
        work: Callable[[], Awaitable[web.StreamResponse]],
        *,
        secret: bool,
    ) -> web.StreamResponse:
        """The answer of `work`, or that of an earlier request with the same key.

        Args:
            request, body: what is asked; the body as it was read.
            caller_id: whose key it is.
            now: the time.
            work: carries the request out.
            secret: the answer shows something that must not be kept.

        Raises:
            Refused: 400 a bad key, 409 the earlier answer is not there to be repeated, 422 another request had it.
            StoreUnavailable: nothing was done.
        """
        key = key_of(request)
        if key is None:
            return await work()
        name = hashlib.sha256(f"{caller_id}\0{key}".encode()).hexdigest()
        prints = _fingerprint(request, body)
        turns = self._turns.setdefault(name, _Turns())
        turns.requests += 1
        try:
            async with turns.lock:
                known = self._kept.get(name)
                if known is not None and now - known.at < KEPT_S:
                    return _again(known, prints)
                return await self._first(Kept(name, prints, now), now, work, secret=secret)
        finally:
            turns.requests -= 1
            if not turns.requests:
                del self._turns[name]

    async def _first(
        self, kept: Kept, now: Instant, work: Callable[[], Awaitable[web.StreamResponse]], *, secret: bool
    ) -> web.StreamResponse:
        gone = self._old(now)
        await self.ledger.commit([*gone, _put(kept)])
        self._kept[kept.key] = kept
        try:
            response = await work()
        except (Refused, StoreUnavailable):
            # Nothing was changed: the key is free again.
            self._kept.pop(kept.key, None)
            await self.ledger.commit([DeleteDocument(SPACE, kept.key)])
            raise
        body = None
        if not secret and isinstance(response, web.Response) and len(response.text or "") <= LONGEST:
            body = response.text
        told = tuple((n, v) for n, v in response.headers.items() if n.lower() in {"location", "etag"} and not secret)
        done = replace(kept, status=response.status, body=body, headers=told)
        self._kept[kept.key] = done
        await self.ledger.commit([_put(done)])
        return response

    def _old(self, now: Instant) -> list[Change]:
        """Take what is too old or too much out of memory; the changes that take it out of the store."""
        gone: list[Change] = []
        while self._kept:
            first = next(iter(self._kept.values()))
            if now - first.at < KEPT_S and len(self._kept) <= MOST:
                break
            del self._kept[first.key]
            gone.append(DeleteDocument(SPACE, first.key))
        return gone


def key_of(request: web.Request) -> str | None:
    """The request's key, or None.

    Raises:
        Refused: 400, more than one, or not of its form.
    """
    keys = request.headers.getall(HEADER, [])
    if not keys:
        return None
    if len(keys) > 1:
        raise Refused(400, f"there is more than one {HEADER}", "send one")
    if not KEY.fullmatch(keys[0]):
        raise Refused(400, f"the {HEADER} is not 1 to 128 visible ASCII characters", "send a UUID")
    return keys[0]


def _again(known: Kept, prints: str) -> web.Response:
    if known.request != prints:
        raise Refused(422, f"this {HEADER} was used for another request", "use a new key for a new request")
    if not known.status:
        fix = "look whether it was carried out, then use a new key"
        raise Refused(409, "an earlier request with this key has not come to its end", fix)
    if known.body is None:
        fix = "what it made is there; where the answer is lost, make another one with a new key"
        raise Refused(409, "an earlier request with this key was carried out, its answer is not kept", fix)
    headers: Mapping[str, str] = {**dict(known.headers), _REPEATED: "true"}
    return web.Response(text=known.body, status=known.status, content_type="application/json", headers=headers)


def _fingerprint(request: web.Request, body: BaseModel) -> str:
    text = f"{request.method} {request.rel_url}\0{body.model_dump_json()}"
    return hashlib.sha256(text.encode()).hexdigest()


def _put(kept: Kept) -> PutDocument:
    return PutDocument(SPACE, kept.key, json.dumps(asdict(kept), sort_keys=True).encode())


def _kept(document: Document) -> Kept:
    body = json.loads(document.body)
    return Kept(**{**body, "headers": tuple((name, value) for name, value in body["headers"])})
