"""How this side proves who it is: passwords, tokens in files, and tokens that an authorisation server gives out.

Owned here: where a token comes from and when another one is needed (RFC 6750, RFC 6749 clause 4.4). Not owned: requests
to the device (link). Digest is aiohttp's.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Protocol

import aiohttp

from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout
from gridiface.streams.bodies import BodyTooLarge, whole_body
from gridiface_southbound.http.config import HttpConfig
from gridiface_southbound.points.secrets import secret_in, tls_context
from gridiface_southbound.points.template import parse

#: A token lasts this long where the server does not say, seconds.
DEFAULT_LIFE_S = 3600.0

#: A token is renewed so long before its end, or at nine tenths of a short life.
_EARLY_S = 30.0

#: A new token that is refused within this time is not at fault: who we are is.
_YOUNG_S = 5.0

_MAX_ANSWER = 65_536


class Credentials(Protocol):
    """What goes into the header Authorization."""

    async def header(self) -> str | None:
        """The value to send now; raises as `HttpLink.fetch`."""
        ...

    def renewed(self) -> bool:
        """The device refused it (401): whether the next one is another, so that asking again may help."""
        ...

    async def close(self) -> None:
        """Close what was opened; twice is once."""
        ...


class Fixed:
    """The same for as long as the driver is open.

    Raises:
        DeviceRejected: the password's file cannot be used.
    """

    def __init__(self, config: HttpConfig) -> None:
        self._value: str | None = None
        if config.auth == "basic" and config.password_file is not None:
            pair = f"{config.user}:{secret_in(config.password_file)}"
            self._value = f"Basic {base64.b64encode(pair.encode()).decode()}"

    async def header(self) -> str | None:
        """As `Credentials.header`."""
        return self._value

    def renewed(self) -> bool:
        """As `Credentials.renewed`."""
        return False

    async def close(self) -> None:
        """As `Credentials.close`."""


class TokenFile:
    """A token in a file that somebody else keeps fresh; read anew when the device refuses the one from before.

    Raises:
        DeviceRejected: the file cannot be used.
    """

    def __init__(self, config: HttpConfig) -> None:
        if config.token_file is None:  # pragma: no cover - the configuration demands one
            raise DeviceRejected("auth bearer needs token_file")
        self._path = config.token_file
        self._token = secret_in(self._path)

    async def header(self) -> str | None:
        """As `Credentials.header`."""
        return f"Bearer {self._token}"

    def renewed(self) -> bool:
        """As `Credentials.renewed`."""
        before, self._token = self._token, secret_in(self._path)
        return before != self._token

    async def close(self) -> None:
        """As `Credentials.close`."""


class OAuthToken:
    """A token by the client credentials grant, fetched when it is needed and before it runs out.

    Raises:
        DeviceRejected: a file of the configuration cannot be used.
    """

    def __init__(self, config: HttpConfig) -> None:
        if config.token_url is None or config.password_file is None:  # pragma: no cover - both are demanded
            raise DeviceRejected("auth oauth needs token_url, user and password_file")
        self._url = config.token_url
        self._form = {
            "grant_type": "client_credentials",
            "client_id": config.user,
            "client_secret": secret_in(config.password_file),
        }
        if config.scope:
            self._form["scope"] = config.scope
        tls = tls_context(config.ca_file, None, None) if self._url.startswith("https:") else True
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=1, ssl=tls, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "gridiface"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=config.connect_timeout_s + config.timeout_s),
        )
        self._token = ""
        self._since = self._until = float("-inf")
        self._turn = asyncio.Lock()

    async def header(self) -> str | None:
        """As `Credentials.header`."""
        async with self._turn:
            if asyncio.get_running_loop().time() >= self._until:
                await self._fetch()
            return f"Bearer {self._token}"

    def renewed(self) -> bool:
        """As `Credentials.renewed`."""
        old = asyncio.get_running_loop().time() - self._since > _YOUNG_S
        self._until = float("-inf")
        return old

    async def close(self) -> None:
        """As `Credentials.close`."""
        await self._session.close()

    async def _fetch(self) -> None:
        try:
            async with self._session.post(self._url, data=self._form, allow_redirects=False) as response:
                status, body = response.status, await whole_body(response.content, _MAX_ANSWER)
        except TimeoutError as error:
            raise DeviceTimeout("token_url: no answer in time") from error
        except BodyTooLarge as error:
            raise DeviceRejected("token_url: the answer is too long") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeviceTimeout(f"token_url cannot be used: {type(error).__name__}") from error
        if status == 429 or status >= 500:
            raise DeviceBusy(f"token_url: status {status}")
        if status != 200:
            raise DeviceRejected(f"token_url: status {status}{_error_in(body)}: no token, not authorised")
        token, life = _token_in(body)
        self._token, self._since = token, asyncio.get_running_loop().time()
        self._until = self._since + max(0.9 * life if life < 10 * _EARLY_S else life - _EARLY_S, 1.0)


def credentials_for(config: HttpConfig) -> Credentials:
    """What the configuration asks for; needs a running loop.

    Raises:
        DeviceRejected: a file cannot be used.
    """
    if config.auth == "oauth":
        return OAuthToken(config)
    return TokenFile(config) if config.auth == "bearer" else Fixed(config)


def _error_in(body: bytes) -> str:
    """The error code of RFC 6749 clause 5.2, as far as it is one word."""
    try:
        document = parse(body)
    except ValueError:
        return ""
    code = document.get("error") if isinstance(document, dict) else None
    return f" ({code})" if isinstance(code, str) and code.isidentifier() and len(code) <= 40 else ""


def _token_in(body: bytes) -> tuple[str, float]:
    """Token and life in seconds; the answer is not repeated in errors, for it is a secret."""
    try:
        document = parse(body)
    except ValueError as error:
        raise DeviceRejected("token_url: the answer is no JSON") from error
    token = document.get("access_token") if isinstance(document, dict) else None
    kind = document.get("token_type") if isinstance(document, dict) else None
    if not isinstance(token, str) or not token or len(token) > 16_384 or not token.isascii() or not token.isprintable():
        raise DeviceRejected("token_url: the answer has no access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise DeviceRejected("token_url: token_type is not Bearer")
    life = document.get("expires_in", DEFAULT_LIFE_S)
    if isinstance(life, str) and life.isascii() and life.isdigit() and len(life) < 12:
        life = float(life)
    if isinstance(life, bool) or not isinstance(life, int | float) or not 0 < life < 1e9:
        raise DeviceRejected("token_url: expires_in is no number of seconds")
    return token, float(life)
