"""Signing in at an identity provider: a real one with its own RSA keys over HTTP, and every way in which it may lie."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gridiface.operator.auth.oidc import Provider, ProviderSettings

CLIENT, SECRET = "gridiface", "between us"


@dataclass
class Idp:
    """An OpenID provider: gives codes at once, keeps to RFC 6749, 7636 and OpenID Connect Core unless told not to."""

    key: Any = field(default_factory=lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048))
    kid: str = "one"
    url: str = ""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    signing: Any = None
    algorithm: str = "RS256"
    issuer: str = ""
    keys_read: int = 0

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._description)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/jwks", self._jwks)
        self.runner = web.AppRunner(app)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self.runner.addresses[0][1]}"

    async def _description(self, request: web.Request) -> web.Response:
        ends = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "jwks"}
        return web.json_response({"issuer": self.issuer or self.url, **{n: f"{self.url}/{p}" for n, p in ends.items()}})

    async def _authorize(self, request: web.Request) -> web.Response:
        code = f"code-{len(self.asked)}"
        self.asked[code] = dict(request.query)
        back = {"code": code, "state": request.query["state"], "iss": self.url, "session_state": "x"}
        raise web.HTTPFound(f"{request.query['redirect_uri']}?{urlencode(back)}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        asked = self.asked.pop(str(form["code"]), None)
        sent = base64.b64encode(f"{CLIENT}:{quote(SECRET)}".encode()).decode()
        if asked is None or request.headers.get("Authorization") != f"Basic {sent}":
            return web.json_response({"error": "invalid_grant"}, status=400)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        if asked["code_challenge"] != base64.urlsafe_b64encode(digest).decode().rstrip("="):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": "248289761001",
            "aud": CLIENT,
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "preferred_username": "jane",
            "groups": ["staff", "control room"],
        } | self.claims
        told = {name: value for name, value in claims.items() if value is not None}
        key = None if self.algorithm == "none" else self.signing or self.key
        token = jwt.encode(told, key, algorithm=self.algorithm, headers={"kid": self.kid})
        return web.json_response({"id_token": token, "access_token": "a", "token_type": "Bearer"})

    async def _jwks(self, request: web.Request) -> web.Response:
        self.keys_read += 1
        own = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        shared = {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 32).decode(), "kid": "shared"}
        return web.json_response({"keys": [own | {"kid": "one", "use": "sig"}, shared]})


@pytest.fixture
async def idp() -> AsyncIterator[Idp]:
    made = Idp()
    await made.start()
    yield made
    await made.runner.cleanup()


def settings(idp: Idp, **more: Any) -> ProviderSettings:
    told: dict[str, Any] = {
        "issuer": idp.url,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "redirect": "http://127.0.0.1:1/api/v1/session/oidc/callback",
        "roles": {"control room": "operator", "bosses": "admin"},
    }
    return ProviderSettings(**(told | more))


@dataclass
class Visitor:
    """A browser between the provider and the surface."""

    house: Any
    cookies: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> tuple[int, Any, Any]:
        jar = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": jar} if jar else {}
        status, body, told = await self.house.ask("GET", path, headers=headers, allow_redirects=False)
        for one in told.getall("Set-Cookie", []):
            name, _, value = one.split(";")[0].partition("=")
            self.cookies[name] = value
        return status, body, told

    async def come_back(self, onward: str = "/devices") -> tuple[str, str]:
        """Go to the provider; (path, query) that it sends us back to."""
        status, _, told = await self.get(f"/api/v1/session/oidc?next={onward}")
        assert status == 303
        async with (
            aiohttp.ClientSession() as session,
            session.get(told["Location"], allow_redirects=False) as answer,
        ):
            parts = urlsplit(answer.headers["Location"])
            return parts.path, parts.query

    async def sign_in(self) -> tuple[int, Any, Any]:
        path, query = await self.come_back()
        return await self.get(f"{path}?{query}")


@pytest.fixture
async def house(make_house: Any, idp: Idp) -> Any:
    return await make_house(oidc=lambda clock: Provider(settings(idp), clock))


async def test_somebody_signs_in_and_is_a_user_with_the_role_of_the_claim(house: Any) -> None:
    visitor = Visitor(house)
    status, page, told = await visitor.sign_in()
    assert (status, 'url=/devices"' in page) == (200, True)
    flags = [one for one in told.getall("Set-Cookie") if one.startswith(f"{house.pages.rules.cookie}=")]
    assert "HttpOnly" in flags[0]
    assert "SameSite=Strict" in flags[0]
    session = (await visitor.get("/api/v1/session"))[1]
    assert (session["name"], session["role"]) == ("jane", "operator")
    row = (await house.ask("GET", "/api/v1/users/jane", scope="admin"))[1]
    assert (row["external"], row["state"], row["by"]) == (True, "active", "OpenID provider")
    body = {"name": "jane", "password": ""}
    assert (await house.ask("POST", "/api/v1/session", json=body | {"password": "x" * 12}))[0] == 401


async def test_the_same_person_comes_again_with_another_role(house: Any, idp: Idp) -> None:
    await Visitor(house).sign_in()
    idp.claims = {"groups": ["bosses", "control room"], "preferred_username": "somebody else"}
    visitor = Visitor(house)
    await visitor.sign_in()
    session = (await visitor.get("/api/v1/session"))[1]
    assert (session["name"], session["role"]) == ("jane", "admin")
    assert (await house.ask("PATCH", "/api/v1/users/jane", scope="admin", json={"disabled": True}))[0] in {200, 409}


async def test_a_disabled_user_stays_out(house: Any, idp: Idp) -> None:
    await Visitor(house).sign_in()
    assert (await house.ask("PATCH", "/api/v1/users/jane", scope="admin", json={"disabled": True}))[0] == 200
    visitor = Visitor(house)
    assert (await visitor.sign_in())[0] == 403
    assert house.pages.rules.cookie not in visitor.cookies


async def test_a_local_users_name_is_not_taken_over(house: Any) -> None:
    assert (await house.ask("POST", "/api/v1/users", scope="admin", json={"name": "Jane", "role": "admin"}))[0] == 201
    status, problem, _ = await Visitor(house).sign_in()
    assert (status, "already" in problem["detail"]) == (409, True)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another client"},
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"sub": None},
        {"sub": 7},
        {"exp": None},
        {"iat": 9_999_999_999},
    ],
)
async def test_an_id_token_that_is_not_for_us_signs_nobody_in(house: Any, idp: Idp, change: dict[str, Any]) -> None:
    idp.claims = change
    visitor = Visitor(house)
    status, problem, _ = await visitor.sign_in()
    assert status == 401, problem
    assert house.pages.rules.cookie not in visitor.cookies
    assert (await house.ask("GET", "/api/v1/users", scope="admin"))[1]["users"] == []
    told = (await house.ask("GET", "/api/v1/audit", scope="audit"))[1]["entries"][0]
    assert (told["what"], told["who"]) == ("session.refused", "OpenID provider")


async def test_signatures_that_do_not_count(house: Any, idp: Idp) -> None:
    """Another key under the provider's name, no signature, a shared secret, an algorithm that was not allowed."""
    idp.signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert (await Visitor(house).sign_in())[0] == 401
    idp.signing, idp.algorithm = "", "none"
    assert (await Visitor(house).sign_in())[0] == 401
    idp.signing, idp.algorithm, idp.kid = b"x" * 32, "HS256", "shared"
    assert (await Visitor(house).sign_in())[0] == 401
    idp.signing, idp.algorithm, idp.kid = ec.generate_private_key(ec.SECP256R1()), "ES256", "one"
    assert (await Visitor(house).sign_in())[0] == 401
    idp.signing, idp.algorithm, idp.kid = None, "RS256", "unknown"
    assert (await Visitor(house).sign_in())[0] == 401
    assert idp.keys_read <= 2, "unknown keys do not make us ask again and again"


async def test_a_state_is_good_once_and_in_its_own_browser(house: Any) -> None:
    victim, attacker = Visitor(house), Visitor(house)
    path, query = await attacker.come_back()
    status, problem, _ = await victim.get(f"{path}?{query}")
    assert (status, "another browser" in problem["detail"]) == (401, True)
    assert (await attacker.get(f"{path}?{query}"))[0] == 401, "it was used up"
    own = Visitor(house)
    path, query = await own.come_back()
    assert (await own.get(f"{path}?{query}"))[0] == 200
    assert (await own.get(f"{path}?{query}"))[0] == 401
    assert (await own.get(f"{path}?state=made-up&code=x"))[0] == 401


async def test_what_the_provider_says_is_heeded(house: Any) -> None:
    visitor = Visitor(house)
    path, query = await visitor.come_back()
    state = parse_qs(query)["state"][0]
    status, problem, _ = await visitor.get(f"{path}?state={state}&error=access_denied")
    assert (status, "access_denied" in problem["detail"]) == (401, True)
    path, query = await visitor.come_back()
    state = parse_qs(query)["state"][0]
    assert (await visitor.get(f"{path}?state={state}&code=c&iss=https://evil.example"))[0] == 401


async def test_a_sign_in_takes_ten_minutes_at_most(house: Any) -> None:
    visitor = Visitor(house)
    path, query = await visitor.come_back()
    house.clock.at += 601
    assert (await visitor.get(f"{path}?{query}"))[0] == 401


async def test_whom_no_role_fits_is_not_let_in(house: Any, idp: Idp) -> None:
    idp.claims = {"groups": ["staff"]}
    assert (await Visitor(house).sign_in())[0] == 403
    idp.claims = {"groups": {"not": "a list"}}
    assert (await Visitor(house).sign_in())[0] == 403


async def test_a_default_role_and_a_nested_claim(make_house: Any, idp: Idp) -> None:
    more = {"role_claim": "realm_access.roles", "default_role": "viewer", "roles": {"g-eng": "engineer"}}
    house = await make_house(oidc=lambda clock: Provider(settings(idp, **more), clock))
    visitor = Visitor(house)
    await visitor.sign_in()
    assert (await visitor.get("/api/v1/session"))[1]["role"] == "viewer"
    idp.claims = {"realm_access": {"roles": ["g-eng"]}}
    await visitor.sign_in()
    assert (await visitor.get("/api/v1/session"))[1]["role"] == "engineer"


@pytest.mark.parametrize("onward", ["//evil.example", "https://evil.example", "/\\evil.example", "/%0d%0ax"])
async def test_nobody_is_sent_elsewhere(house: Any, onward: str) -> None:
    visitor = Visitor(house)
    status, _, _ = await visitor.get(f"/api/v1/session/oidc?next={onward}")
    if status == 303:
        path, query = await visitor.come_back(onward)
        assert "evil" not in (await visitor.get(f"{path}?{query}"))[1]
    else:
        assert status == 400


async def test_a_provider_that_is_away_or_lies_about_itself(make_house: Any, idp: Idp) -> None:
    idp.issuer = "https://evil.example"
    house = await make_house(oidc=lambda clock: Provider(settings(idp), clock))
    assert (await Visitor(house).get("/api/v1/session/oidc"))[0] == 502
    await idp.runner.cleanup()
    assert (await Visitor(house).get("/api/v1/session/oidc"))[0] == 502


async def test_made_up_answers_are_slowed_down(house: Any) -> None:
    visitor, seen = Visitor(house), set()
    for number in range(40):
        status, _, told = await visitor.get(f"/api/v1/session/oidc/callback?state=x{number}&code=y")
        seen.add(status)
        if status == 429:
            assert int(told["Retry-After"]) > 0
            break
    assert 429 in seen


async def test_a_browser_that_comes_back_refused_is_told_by_a_page(house: Any) -> None:
    path = "/api/v1/session/oidc/callback?state=unknown&code=y"
    status, page, headers = await house.ask("GET", path, headers={"Accept": "text/html"})
    program = await house.ask("GET", path)
    assert (status, headers["Content-Type"]) == (program[0], "text/html; charset=utf-8")
    assert program[2]["Content-Type"].startswith("application/problem+json")
    assert program[1]["detail"][1:] in page
