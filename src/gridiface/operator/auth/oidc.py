"""Signing in with an OpenID Connect provider: authorization code with PKCE, state, nonce, and a verified ID token.

OpenID Connect Core 1.0 section 3.1, RFC 7636 (PKCE, S256), RFC 9207 (iss). Owns the conversation with the provider and
what of its answer is believed; users and sessions are signin.py's. Needs the optional PyJWT (`gridiface[oidc]`).
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import importlib
import json
import re
import secrets
import ssl
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp

from gridiface.domain.clock import Clock
from gridiface.errors import ConfigError, GridifaceError
from gridiface.streams.bodies import BodyTooLarge, whole_body

#: How long somebody may take at the provider, s; most that may be under way; a browser's part of a state, bytes.
_WITHIN_S, _MOST_UNDER_WAY = 600.0, 1_000

#: Time for one answer of the provider, s; its longest answer, bytes; how long its description is believed, s; how
#: often keys are asked for again because of an unknown one, s; by how much clocks may differ, s.
_ANSWER_S, _MOST_BYTES, _KEPT_S, _KEYS_AGAIN_S, _LEEWAY_S = 10.0, 256 * 1024, 3_600.0, 60.0, 60

#: From the least to the most that a role may.
_RANK = ("viewer", "auditor", "operator", "engineer", "admin")

_STRANGE = re.compile(r"[^A-Za-z0-9._@-]+")


class ProviderRefused(GridifaceError):
    """Nobody is signed in. `status`: 401 the answer is not good, 403 not allowed here, 502 the provider."""

    def __init__(self, status: int, reason: str, fix: str = "sign in again") -> None:
        super().__init__(reason)
        self.status, self.reason, self.fix = status, reason, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """One provider.

    Attributes:
        issuer: its identifier, as in its ID tokens.
        client_id, client_secret: ours; without a secret we are a public client.
        redirect: where browsers come back to.
        title: for people.
        scopes: what is asked for.
        role_claim: dotted name of the claim that tells roles.
        roles: value of that claim -> role here; the highest counts.
        default_role: of those whom no value fits; None: they are not let in.
        algorithms: of ID tokens.
        trust: PEM file with the CA of the provider; None: those of the system.
    """

    issuer: str
    client_id: str
    redirect: str
    client_secret: str = ""
    title: str = "OpenID"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    role_claim: str = "groups"
    roles: Mapping[str, str]
    default_role: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    trust: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """Somebody whom the provider vouches for."""

    subject: str
    name: str
    role: str
    onward: str


@dataclass(frozen=True, slots=True)
class _Flow:
    """A sign-in that is under way. `browser`: digest of the cookie of the browser that began it."""

    browser: bytes
    nonce: str
    verifier: str
    onward: str
    began: float


class Provider:
    """One provider, as one listener uses it.

    Args:
        settings: which, and who may come from it.
        clock: monotonic for bounds; ID tokens are judged by the machine's wall clock.

    Raises:
        ConfigError: PyJWT is not installed, or the issuer's address is not safe.
    """

    def __init__(self, settings: ProviderSettings, clock: Clock) -> None:
        try:
            self._jwt: Any = importlib.import_module("jwt")
        except ImportError as problem:
            text = "operator.oidc needs PyJWT; install gridiface[oidc]"
            raise ConfigError(text) from problem
        for place, address in (("issuer", settings.issuer), ("redirect", settings.redirect)):
            if not _is_safe(address):
                raise ConfigError(f"operator.oidc.{place} {address!r} is not https://; only loopback may be http://")
        self.settings = settings
        self._clock = clock
        self._flows: OrderedDict[str, _Flow] = OrderedDict()
        self._told: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None
        self._one_by_one = asyncio.Lock()

    async def begin(self, onward: str) -> tuple[str, str]:
        """Where the browser goes, and the secret that it keeps in a cookie until it comes back.

        Raises:
            ProviderRefused: 502, the provider does not answer.
        """
        told = await self._description()
        browser, state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(4))
        now = self._clock.monotonic()
        while self._flows and (
            len(self._flows) >= _MOST_UNDER_WAY or now - next(iter(self._flows.values())).began > _WITHIN_S
        ):
            self._flows.popitem(last=False)
        self._flows[state] = _Flow(_digest(browser), nonce, verifier, onward, now)
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.settings.redirect,
            "scope": " ".join(self.settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _unpadded(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
        }
        where = str(told["authorization_endpoint"])
        return f"{where}{'&' if urlsplit(where).query else '?'}{urlencode(asked)}", browser

    async def finish(self, *, state: str, code: str, iss: str, error: str, browser: str) -> Known:
        """Who came back from the provider. A state is good once, in the browser that began it.

        Raises:
            ProviderRefused: nobody is believed.
        """
        flow = self._flows.pop(state, None)
        if flow is None or self._clock.monotonic() - flow.began > _WITHIN_S:
            raise ProviderRefused(401, "this sign-in is unknown, done, or took too long")
        if not hmac.compare_digest(flow.browser, _digest(browser)):
            raise ProviderRefused(401, "this sign-in was begun in another browser")
        if iss and iss != self.settings.issuer:
            raise ProviderRefused(401, "the answer is from another provider")
        if error or not code:
            raise ProviderRefused(401, f"the provider refused: {_shown(error) or 'no code'}")
        claims = await self._claims(await self._redeem(code, flow.verifier), flow.nonce)
        return Known(f"{self.settings.issuer} {claims['sub']}", _name_of(claims), self._role_of(claims), flow.onward)

    # --- the token ------------------------------------------------------------------------------------------------

    async def _redeem(self, code: str, verifier: str) -> str:
        """The ID token for a code."""
        told, own = await self._description(), self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": own.redirect,
            "code_verifier": verifier,
            "client_id": own.client_id,
        }
        basic = _basic(own.client_id, own.client_secret) if own.client_secret else ""
        answer = await self._ask("POST", str(told["token_endpoint"]), form, basic)
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise ProviderRefused(401, f"the provider gave no ID token: {_shown(str(answer.get('error', '')))}")
        return token

    async def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """What a good ID token says (OpenID Connect Core section 3.1.3.7).

        Raises:
            ProviderRefused: 401.
        """
        own, jwt = self.settings, self._jwt
        try:
            head = jwt.get_unverified_header(token)
            if head.get("alg") not in own.algorithms:
                raise ProviderRefused(401, "the ID token is signed with an algorithm that is not allowed here")
            key = await self._key(head.get("kid"))
            claims: Mapping[str, Any] = jwt.decode(
                token,
                key=key,
                algorithms=list(own.algorithms),
                audience=own.client_id,
                issuer=own.issuer,
                leeway=_LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except (jwt.PyJWTError, TypeError, ValueError) as problem:  # a key of another kind is a TypeError
            raise ProviderRefused(401, f"the ID token is not good: {_shown(str(problem))}") from problem
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
            raise ProviderRefused(401, "the ID token is for another sign-in")
        audience = claims["aud"]
        if isinstance(audience, list) and len(audience) > 1 and claims.get("azp") != own.client_id:
            raise ProviderRefused(401, "the ID token is for another client")
        if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
            raise ProviderRefused(401, "the ID token names nobody")
        return claims

    async def _key(self, kid: object) -> Any:
        """The provider's key of that name; its keys are read again for one that is not known."""
        for again in (False, True):
            keys = await self._key_set(again=again)
            found = keys.get(str(kid)) if kid is not None else next(iter(keys.values())) if len(keys) == 1 else None
            if found is not None:
                return found
        raise ProviderRefused(401, "the ID token is signed with a key that the provider does not have")

    async def _key_set(self, *, again: bool) -> Mapping[str, Any]:
        now = self._clock.monotonic()
        async with self._one_by_one:
            known = self._keys
            if known is not None and now - known[0] < (_KEYS_AGAIN_S if again else _KEPT_S):
                return known[1]
        told = await self._ask("GET", str((await self._description())["jwks_uri"]))
        entries = told.get("keys")
        keys: dict[str, Any] = {}
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            # A shared secret in a public key set would let anybody sign: only public keys count.
            if isinstance(entry, dict) and entry.get("kty") in {"RSA", "EC"} and entry.get("use", "sig") == "sig":
                try:
                    keys[str(entry.get("kid", number))] = self._jwt.PyJWK(entry).key
                except self._jwt.PyJWTError:
                    continue
        self._keys = (now, keys)
        return keys

    def _role_of(self, claims: Mapping[str, Any]) -> str:
        value: Any = claims
        for step in self.settings.role_claim.split("."):
            value = value.get(step) if isinstance(value, Mapping) else None
        values = value if isinstance(value, list) else [value]
        found = [self.settings.roles[one] for one in values if isinstance(one, str) and one in self.settings.roles]
        if not found and self.settings.default_role is None:
            fix = "ask an admin: operator.oidc.roles says which values of the claim are let in"
            raise ProviderRefused(403, "the provider vouches for you, but for no role here", fix)
        return max(found, key=_RANK.index) if found else self.settings.default_role or "viewer"

    # --- asking ---------------------------------------------------------------------------------------------------

    async def _description(self) -> Mapping[str, Any]:
        """The provider's metadata (OpenID Connect Discovery 1.0 section 4).

        Raises:
            ProviderRefused: 502.
        """
        now = self._clock.monotonic()
        if self._told is not None and now - self._told[0] < _KEPT_S:
            return self._told[1]
        told = await self._ask("GET", self.settings.issuer.rstrip("/") + "/.well-known/openid-configuration")
        if told.get("issuer") != self.settings.issuer:
            raise ProviderRefused(502, "the provider calls itself otherwise", "correct operator.oidc.issuer")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            if not isinstance(told.get(name), str) or not _is_safe(told[name]):
                raise ProviderRefused(502, f"the provider's {name} is missing or not https://")
        self._told = (now, told)
        return told

    async def _ask(
        self, method: str, url: str, form: Mapping[str, str] | None = None, basic: str = ""
    ) -> Mapping[str, Any]:
        """A JSON object of the provider; redirects are not followed.

        Raises:
            ProviderRefused: 502.
        """
        trust = self.settings.trust
        context: ssl.SSLContext | bool = True if trust is None else ssl.create_default_context(cafile=trust)
        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        headers = {"Accept": "application/json"} | ({"Authorization": basic} if basic else {})
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
                session.request(method, url, data=form, headers=headers, allow_redirects=False, ssl=context) as answer,
            ):
                raw = await whole_body(answer.content, _MOST_BYTES)
            found = json.loads(raw)
        except BodyTooLarge as problem:
            raise ProviderRefused(502, "the provider's answer makes no sense") from problem
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as problem:
            fix = "try again later; a password still works where there is one"
            raise ProviderRefused(502, f"the provider does not answer: {type(problem).__name__}", fix) from problem
        if not isinstance(found, dict):
            raise ProviderRefused(502, "the provider's answer makes no sense")
        return found


def _name_of(claims: Mapping[str, Any]) -> str:
    """A name for people, of the signs that names here have."""
    for claim in ("preferred_username", "email", "name", "sub"):
        text = claims.get(claim)
        if isinstance(text, str) and (name := _STRANGE.sub("-", text).strip("-._@")[:64]):
            return name
    return f"user-{hashlib.sha256(str(claims['sub']).encode()).hexdigest()[:12]}"


def _is_safe(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


def _basic(name: str, secret: str) -> str:
    """RFC 6749 section 2.3.1: both are form-encoded first."""
    return "Basic " + base64.b64encode(f"{quote(name, safe='')}:{quote(secret, safe='')}".encode()).decode()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _shown(text: str) -> str:
    """A foreign text, short and without control characters."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:200]
