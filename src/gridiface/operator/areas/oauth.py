"""OAuth 2.0 for machines: client credentials grant, revocation, and metadata (RFC 6749, 7009, 8414)."""

from __future__ import annotations

import base64
import binascii
from typing import ClassVar, Literal
from urllib.parse import unquote_plus

from aiohttp import web
from pydantic import Field
from typing_extensions import TypedDict

from gridiface.operator.api.bodies import form_of
from gridiface.operator.api.routing import Area, Call, Reply, get, post
from gridiface.operator.auth.oauth import BadScope
from gridiface.operator.auth.scopes import ALIASES, IMPLIED
from gridiface.operator.auth.throttle import Throttle
from gridiface.operator.auth.tokens import Token
from gridiface.operator.desk import Desk
from gridiface.operator.problems import Refused
from gridiface.operator.schema import Asked, NoBody, NoQuery

_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenRequest(Asked):
    """RFC 6749 section 4.4.2; the client's id and secret here, or as HTTP Basic."""

    grant_type: Literal["client_credentials"] = Field(description="client_credentials")
    scope: str = Field(default="", max_length=512, description="scopes, with spaces between; none: all of the client's")
    client_id: str = Field(default="", max_length=128, description="id of an API token")
    client_secret: str = Field(default="", max_length=256, description="its secret, or the whole token")


class RevocationRequest(Asked):
    """RFC 7009 section 2.1."""

    token: str = Field(max_length=512, description="an access token of this client")
    token_type_hint: str = Field(default="", max_length=64, description="not needed")
    client_id: str = Field(default="", max_length=128, description="id of an API token")
    client_secret: str = Field(default="", max_length=256, description="its secret, or the whole token")


class TokenAnswer(TypedDict, total=False):
    """RFC 6749 sections 5.1 and 5.2: the access token, or what is wrong."""

    access_token: str
    token_type: str
    expires_in: int
    scope: str
    error: str
    error_description: str


class OAuthMetadata(TypedDict):
    """RFC 8414 section 2."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]
    scopes_supported: list[str]
    response_types_supported: list[str]


class OAuthArea(Area):
    """OAuth 2.0.

    Args:
        desk: tokens.
        throttle: failed tries by address, shared with wrong tokens.
    """

    name: ClassVar[str] = "oauth"
    title: ClassVar[str] = "OAuth 2.0 for machines"

    def __init__(self, desk: Desk, throttle: Throttle) -> None:
        self._desk = desk
        self._throttle = throttle

    @post(
        "/oauth2/token",
        "An access token for the holder of an API token (grant client_credentials)",
        root="",
        scope=None,
        accepts=_FORM,
        problems=(429, 503),
        others=((400, "RFC 6749 section 5.2"), (401, "invalid_client")),
    )
    async def issue_access_token(self, call: Call[NoQuery, TokenRequest]) -> Reply[TokenAnswer]:
        """Errors are those of RFC 6749."""
        try:
            form = await _fields(call.request)
            if form.get("grant_type") != "client_credentials":
                kind = "unsupported_grant_type" if form.get("grant_type") else "invalid_request"
                return _wrong(400, kind, "grant_type is not client_credentials")
            client = await self._client(call.request, form)
            if client is None:
                return _not_known()
            wanted = form.get("scope", "").split()
            text, life, scopes = await self._desk.access_tokens.issue(client, wanted, call.now)
        except BadScope as error:
            return _wrong(400, "invalid_scope", str(error))
        except _BadRequest as error:
            return _wrong(400, "invalid_request", str(error))
        answer: TokenAnswer = {
            "access_token": text,
            "token_type": "Bearer",
            "expires_in": int(life),
            "scope": " ".join(scopes),
        }
        return Reply(answer, headers=_NO_STORE)

    @post(
        "/oauth2/revoke",
        "End an access token before its time",
        root="",
        scope=None,
        accepts=_FORM,
        problems=(429, 503),
        others=((400, "RFC 6749 section 5.2"), (401, "invalid_client")),
    )
    async def revoke_access_token(self, call: Call[NoQuery, RevocationRequest]) -> Reply[TokenAnswer]:
        """200 also for what is none."""
        try:
            form = await _fields(call.request)
            client = await self._client(call.request, form)
        except _BadRequest as error:
            return _wrong(400, "invalid_request", str(error))
        if client is None:
            return _not_known()
        if "token" not in form:
            return _wrong(400, "invalid_request", "token is missing")
        await self._desk.access_tokens.revoke(form["token"], client, call.now)
        return Reply({}, headers=_NO_STORE)

    @get("/.well-known/oauth-authorization-server", "What the token endpoint offers", root="", scope=None)
    async def get_oauth_metadata(self, call: Call[NoQuery, NoBody]) -> OAuthMetadata:
        """RFC 8414."""
        base = f"{call.request.scheme}://{call.request.headers.get('Host', '')}"
        methods = ["client_secret_basic", "client_secret_post"]
        return {
            "issuer": base,
            "token_endpoint": f"{base}/oauth2/token",
            "revocation_endpoint": f"{base}/oauth2/revoke",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "scopes_supported": [*IMPLIED, *ALIASES],
            "response_types_supported": [],
        }

    async def _client(self, request: web.Request, form: dict[str, str]) -> Token | None:
        """The API token whose id and secret are given, or None. Right ones pass beside wrong ones (`Access._bearer`).

        Raises:
            Refused: 429, too many wrong ones.
            _BadRequest: given in two ways at once.
        """
        address, tried = request.remote or "", self._desk.clock.monotonic()
        wait_s = self._throttle.wait_s(address, tried)
        name, secret = _credentials(request, form)
        # A whole token as the secret works, too: people paste what they have.
        bare = secret.removeprefix(f"gridiface_{name}_")
        found = await self._desk.tokens.verify_pair(name, bare, self._desk.clock.now(), looking=wait_s <= 0)
        if found is None and wait_s > 0:
            text, headers = f"too many wrong secrets from {address}", {"Retry-After": str(int(wait_s) + 1)}
            raise Refused(429, text, "wait, then use the right one", headers=headers)
        if found is None:
            self._throttle.failed(address, tried)
        return found


class _BadRequest(ValueError):
    """What RFC 6749 calls invalid_request."""


async def _fields(request: web.Request) -> dict[str, str]:
    try:
        return await form_of(request)
    except Refused as error:
        if error.status in {400, 415}:
            raise _BadRequest(error.detail) from error
        raise


def _credentials(request: web.Request, form: dict[str, str]) -> tuple[str, str]:
    given = request.headers.get("Authorization", "")
    if not given:
        return form.get("client_id", ""), form.get("client_secret", "")
    if "client_secret" in form:
        raise _BadRequest("the client's secret is given twice")
    kind, _, text = given.partition(" ")
    try:
        name, separator, secret = base64.b64decode(text.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return (unquote_plus(name), unquote_plus(secret)) if kind.lower() == "basic" and separator else ("", "")


def _wrong(status: int, error: str, words: str, headers: dict[str, str] | None = None) -> Reply[TokenAnswer]:
    plain = "".join(sign for sign in words if sign.isascii() and sign.isprintable() and sign not in '"\\')
    return Reply({"error": error, "error_description": plain}, status, {**_NO_STORE, **(headers or {})})


def _not_known() -> Reply[TokenAnswer]:
    challenge = {"WWW-Authenticate": 'Basic realm="gridiface", charset="UTF-8"'}
    return _wrong(401, "invalid_client", "the client is unknown, its secret wrong, or it has expired", challenge)
