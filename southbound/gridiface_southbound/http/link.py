"""One connection to a web API: requests out, bounded answers in. Owns TLS, authentication, and what a status means.

Not owned: what an answer says (render, driver), retries (the dispatcher). Redirects are not followed, cookies not kept,
proxies of the environment not used, compressed answers not taken.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from typing import Any

import aiohttp
from yarl import URL

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceError, DeviceRejected, DeviceTimeout
from gridiface.streams.bodies import BodyTooLarge, whole_body
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.http.render import Rendered
from gridiface_southbound.http.table import Request
from gridiface_southbound.points.secrets import secret_in, tls_context
from gridiface_southbound.points.template import MISSING, find, one_of, parse

#: Statuses after which the same request may succeed later (RFC 9110, RFC 6585).
BUSY = frozenset({408, 409, 423, 425, 429, 500, 502, 503, 504})


class HttpLink:
    """A session with one device; made in a running loop, closed once.

    Raises:
        DeviceRejected: a file of the configuration cannot be used.
    """

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "gridiface"}
        middlewares: tuple[Any, ...] = ()
        if config.password_file is not None and config.auth in ("basic", "digest"):
            password = secret_in(config.password_file)
            if config.auth == "basic":
                pair = base64.b64encode(f"{config.user}:{password}".encode()).decode()
                self._headers["Authorization"] = f"Basic {pair}"
            else:
                middlewares = (aiohttp.DigestAuthMiddleware(config.user, password),)
        if config.token_file is not None and config.auth == "bearer":
            self._headers["Authorization"] = f"Bearer {secret_in(config.token_file)}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=_tls(config), force_close=not config.keep_alive),
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
        self._judge(request, status, what)
        return None if request.answer == "none" else self._content(request, body, what)

    async def close(self) -> None:
        """Close the connection; twice is once."""
        await self._session.close()
        # One turn of the loop lets the transport release its socket.
        await asyncio.sleep(0)

    async def _exchange(self, rendered: Rendered) -> tuple[int, bytes]:
        config = self._config
        base = URL(config.url)
        url = URL(str(base.with_path("/")).rstrip("/") + base.raw_path.rstrip("/") + rendered.path, encoded=True)
        async with self._session.request(
            rendered.method,
            url,
            params=rendered.query or None,
            headers={**self._headers, **rendered.headers},
            data=rendered.body,
            allow_redirects=False,
            server_hostname=config.server_name or None,
        ) as response:
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


def _short(error: BaseException) -> str:
    if isinstance(error, DeviceError):
        return error.reason
    return " ".join(str(error).split())[:200] or type(error).__name__
