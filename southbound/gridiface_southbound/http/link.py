"""One connection to a web API: requests out, bounded answers in. Owns TLS, what a status means, and waiting as asked.

Not owned: who we are (credentials), what an answer says (render, driver), retries (the dispatcher). Redirects are not
followed, cookies not kept, proxies of the environment not used, compressed answers not taken.
"""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from yarl import URL

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface.streams.bodies import BodyTooLarge, whole_body
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.http.credentials import credentials_for
from gridiface_southbound.http.render import Rendered
from gridiface_southbound.http.table import Request
from gridiface_southbound.points.secrets import secret_in, tls_context
from gridiface_southbound.points.template import MISSING, find, one_of, parse

#: Statuses after which the same request may succeed later (RFC 9110, RFC 6585).
BUSY = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})

#: The longest pause that a device may ask for with Retry-After, seconds.
MAX_PAUSE_S = 300.0


@dataclass(slots=True)
class Rest:
    """When a device may be asked again, in the loop's time; it outlasts the links that its driver makes."""

    until: float = float("-inf")


class HttpLink:
    """A session with one device; made in a running loop, closed once.

    Args:
        config: the driver's keys.
        rest: what the device asked for with Retry-After, also on an earlier link.

    Raises:
        DeviceRejected: a file of the configuration cannot be used.
    """

    def __init__(self, config: HttpConfig, rest: Rest) -> None:
        self._config = config
        self._rest = rest
        middlewares: tuple[Any, ...] = ()
        if config.password_file is not None and config.auth == "digest":
            middlewares = (aiohttp.DigestAuthMiddleware(config.user, secret_in(config.password_file)),)
        tls = _tls(config)
        self._credentials = credentials_for(config)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=tls, force_close=not config.keep_alive),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=middlewares,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(
                total=config.connect_timeout_s + config.timeout_s,
                sock_connect=config.connect_timeout_s,
                sock_read=config.timeout_s,
            ),
        )

    async def fetch(self, request: Request, rendered: Rendered) -> Any:
        """One attempt: the answer's JSON or text, None where the table expects none.

        Raises:
            DeviceTimeout: no connection or no answer in time.
            DeviceBusy: refused for now.
            DeviceRejected: refused, or the answer is not what the table expects.
        """
        what = f"{rendered.method} {rendered.path}"
        left = self._rest.until - asyncio.get_running_loop().time()
        if left > 0:
            raise DeviceBusy(f"{what}: not asked, the device wants to rest for {left:.0f} s more (Retry-After)")
        try:
            status, body = await self._exchange(rendered)
        except TimeoutError as error:
            raise DeviceTimeout(f"{what}: no answer in time") from error
        except (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError) as error:
            raise DeviceRejected(f"{what}: TLS failed: {_short(error)}") from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise DeviceTimeout(f"{what}: cannot be reached: {_short(error)}") from error
        except (aiohttp.ClientError, ValueError) as error:
            raise DeviceRejected(f"{what}: no answer of HTTP: {_short(error)}") from error
        if status == 401 and self._credentials.renewed():
            raise DeviceBusy(f"{what}: status 401, and there is another token now")
        self._judge(request, status, what)
        return None if request.answer == "none" else self._content(request, body, what)

    async def close(self) -> None:
        """Close the connection; twice is once."""
        await self._session.close()
        await self._credentials.close()
        # One turn of the loop lets the transport release its socket.
        await asyncio.sleep(0)

    async def _exchange(self, rendered: Rendered) -> tuple[int, bytes]:
        config = self._config
        headers = {"Accept-Encoding": "identity", "User-Agent": "gridiface"}
        proof = await self._credentials.header()
        if proof is not None:
            headers["Authorization"] = proof
        base = URL(config.url)
        path = base.raw_path.rstrip("/") + rendered.path
        url = URL(rendered.url or str(base.with_path("/")).rstrip("/") + path, encoded=True)
        async with self._session.request(
            rendered.method,
            url,
            params=rendered.query or None,
            headers={**headers, **rendered.headers},
            data=rendered.body,
            allow_redirects=False,
            server_hostname=config.server_name or None,
        ) as response:
            if response.status in (429, 503):
                pause = _pause(response.headers.get("Retry-After", ""))
                self._rest.until = asyncio.get_running_loop().time() + pause
            if response.headers.get("Content-Encoding", "identity").lower() not in ("", "identity"):
                response.close()
                raise DeviceRejected(f"{rendered.path}: the answer is compressed, which was not asked for")
            try:
                return response.status, await whole_body(response.content, config.max_body_bytes)
            except BodyTooLarge as problem:
                response.close()
                reason = f"{rendered.path}: the answer is longer than {config.max_body_bytes} bytes"
                raise DeviceRejected(reason) from problem

    @staticmethod
    def _judge(request: Request, status: int, what: str) -> None:
        if 200 <= status < 300:
            return
        if status in BUSY or status in request.busy_status:
            raise DeviceBusy(f"{what}: status {status}")
        if 300 <= status < 400:
            raise DeviceRejected(f"{what}: status {status} leads elsewhere, which is not followed: correct url")
        if status in (401, 403):
            raise DeviceRejected(f"{what}: status {status}: not authorised")
        raise DeviceRejected(f"{what}: status {status}")

    @staticmethod
    def _content(request: Request, body: bytes, what: str) -> Any:
        if request.answer == "text":
            return body.decode("utf-8", "replace")
        try:
            document = parse(body)
        except ValueError as error:
            raise DeviceRejected(f"{what}: the answer is no JSON: {_short(error)}") from error
        rule = request.success
        if rule is not None:
            seen = find(document, rule.pointer)
            if seen is MISSING or not one_of(seen, rule.one_of):
                kind = DeviceBusy if seen is not MISSING and one_of(seen, rule.busy) else DeviceRejected
                said = "nothing" if seen is MISSING else f"{seen!r}"[:100]
                raise kind(f"{what}: refused: {rule.pointer or 'the answer'} is {said}")
        return document


def _tls(config: HttpConfig) -> ssl.SSLContext | aiohttp.Fingerprint | bool:
    if not config.secure:
        return True
    if config.fingerprint is not None:
        return aiohttp.Fingerprint(bytes.fromhex(config.fingerprint))
    return tls_context(config.ca_file, config.cert_file, config.key_file)


def _pause(retry_after: str) -> float:
    """Seconds that Retry-After asks for (RFC 9110 clause 10.2.3), at most five minutes; 0 where it asks for nothing."""
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:6]), MAX_PAUSE_S)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    left = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - datetime.now(UTC)
    return min(max(left.total_seconds(), 0.0), MAX_PAUSE_S)


def _short(error: BaseException) -> str:
    if isinstance(error, DeviceError):
        return error.reason
    return " ".join(str(error).split())[:200] or type(error).__name__
