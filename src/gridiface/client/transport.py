"""Requests of the client over aiohttp: tokens, retries, pages. Owns no operation of the API.

What may be repeated is repeated where the server did not answer, or said 429 or 503: reads, and POSTs, each of which
carries an idempotency key of its own.
"""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
import uuid
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import quote_plus, urlsplit

import aiohttp

from gridiface.client.errors import ApiError, ClientError, NotReached
from gridiface.streams.bodies import BodyTooLarge, whole_body

#: Tries of a request, the longest pause between two, s; time for one answer, s; largest answer, bytes.
TRIES, LONGEST_PAUSE_S, ANSWER_S, MOST = 4, 30.0, 30.0, 64 * 1024 * 1024

#: So long before its end an access token is renewed, s.
_RENEW_S = 60.0

#: Members asked for at once.
PAGE = 1_000


class Transport:
    """One server.

    Args:
        url: its address, with http or https.
        token: an API token; none where reading is open, or with client_id.
        client_id, client_secret, scope: OAuth 2.0 client credentials instead of a token.
        tls: context for https; None: what the system trusts.
        tries: of a request that may be repeated.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        client_id: str = "",
        client_secret: str = "",
        scope: str = "",
        tls: ssl.SSLContext | None = None,
        tries: int = TRIES,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ClientError(f"{url!r} is no server's address; write http://HOST:PORT")
        self.url = url.rstrip("/")
        self._token = token
        self._client = (client_id, client_secret, scope)
        self._access = ("", 0.0)
        self._tls = tls
        self._tries = tries
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """One operation under /api/v1 (or any path that begins with //): its JSON.

        Raises:
            ApiError: the server says no.
            NotReached: no answer, after all tries.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", str(uuid.uuid4()))
        for number in range(1, self._tries + 1):
            last = number == self._tries or method not in {"GET", "POST"}
            try:
                status, told, raw = await self._once(method, path, body, query, sent)
            except NotReached:
                if last:
                    raise
                await asyncio.sleep(0.2 * 2.0**number)
                continue
            if status in {429, 503} and not last:
                await asyncio.sleep(_pause(told.get("Retry-After", ""), number))
                continue
            return _answer(status, raw, told.get("Content-Type", ""))
        raise NotReached(f"{self.url} does not answer")

    async def members(self, path: str, key: str, **query: object) -> list[Any]:
        """All members of a list, page by page."""
        found: list[Any] = []
        after: str | None = ""
        while after is not None:
            answer = await self.request("GET", path, query={"limit": PAGE, "after": after, **query})
            found += answer[key]
            after = answer["next"]
        return found

    async def tagged(self, path: str) -> tuple[Any, str]:
        """What can be edited, with its ETag: give that to whatever changes it, and nobody's change is lost.

        Raises:
            ApiError, NotReached: as request.
        """
        status, told, raw = await self._once("GET", path, None, None, {})
        return _answer(status, raw, told.get("Content-Type", "")), told.get("ETag", "")

    async def stream(self, path: str, last_id: str) -> aiohttp.ClientResponse:
        """The answer of an event stream, its body unread.

        Raises:
            ApiError, NotReached: as request.
        """
        headers = await self._headers({"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {}))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=40.0)
        try:
            response = await self._http().get(self._address(path), headers=headers, timeout=timeout)
            refused = b"" if response.status == 200 else await _whole(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise NotReached(f"{self.url}: {problem or type(problem).__name__}") from problem
        if response.status != 200:
            _answer(response.status, refused, response.content_type)
        return response

    async def _once(
        self, method: str, path: str, body: Any, query: Mapping[str, object] | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        given = {name: _text(value) for name, value in (query or {}).items() if value not in (None, "")}
        data = None if body is None else json.dumps(body).encode()
        sent = await self._headers({**headers, **({"Content-Type": "application/json"} if data is not None else {})})
        try:
            async with self._http().request(
                method, self._address(path), params=given, data=data, headers=sent, allow_redirects=False
            ) as response:
                return response.status, response.headers, await _whole(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise NotReached(f"{self.url}: {problem or type(problem).__name__}") from problem

    async def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        token = self._token or await self._access_token()
        return {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {}), **more}

    async def _access_token(self) -> str:
        """A valid access token of the client credentials, or nothing without them."""
        name, secret, scope = self._client
        if not name:
            return ""
        text, until = self._access
        if time.monotonic() < until - _RENEW_S:
            return text
        pair = base64.b64encode(f"{quote_plus(name)}:{quote_plus(secret)}".encode()).decode()
        basic = {"Authorization": f"Basic {pair}"}
        form = {"grant_type": "client_credentials", **({"scope": scope} if scope else {})}
        try:
            async with self._http().post(
                f"{self.url}/oauth2/token", data=form, headers=basic, allow_redirects=False
            ) as response:
                found = _answer(response.status, await _whole(response), response.content_type)
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            raise NotReached(f"{self.url}: {problem or type(problem).__name__}") from problem
        self._access = found["access_token"], time.monotonic() + float(found["expires_in"])
        return self._access[0]

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector() if self._tls is None else aiohttp.TCPConnector(ssl=self._tls)
            timeout = aiohttp.ClientTimeout(total=ANSWER_S)
            self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        return self._session

    def _address(self, path: str) -> str:
        return f"{self.url}{path[1:]}" if path.startswith("//") else f"{self.url}/api/v1{path}"


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    try:
        return await whole_body(response.content, MOST)
    except BodyTooLarge as problem:
        raise NotReached(f"the answer has more than {MOST} bytes") from problem


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pause(given: str, number: int) -> float:
    """What the server asks to wait, or longer with each try."""
    wanted = float(given) if given.isdigit() else 0.2 * 2.0**number
    return min(LONGEST_PAUSE_S, max(0.05, wanted))


def _answer(status: int, raw: bytes, kind: str) -> Any:
    if 200 <= status < 300 and "json" not in kind:
        return raw.decode("utf-8", "replace")
    try:
        found = json.loads(raw)
    except ValueError:
        found = {}
    if 200 <= status < 300:
        return found
    raise ApiError(status, found if isinstance(found, dict) else {})
