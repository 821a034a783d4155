"""Tokens that run out, authorisation servers that refuse, and devices that want to rest, on real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gridiface.domain.controls import Setpoint
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected


def told(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


class Authority:
    """An authorisation server: one token at a time, each good for `life` seconds."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.life = 3600
        self.answer: web.Response | None = None
        self.port = 0

    async def give(self, request: web.Request) -> web.Response:
        self.asked.append({name: str(value) for name, value in (await request.post()).items()})
        if self.answer is not None:
            return self.answer
        return web.json_response({"access_token": self.token, "token_type": "Bearer", "expires_in": self.life})

    @property
    def token(self) -> str:
        return f"t{len(self.asked)}"

    def judge(self, request: web.Request) -> web.Response | None:
        """As the device: only the newest token counts."""
        return None if request.headers.get("Authorization") == f"Bearer {self.token}" else web.Response(status=401)


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    one = Authority()
    app = web.Application()
    app.router.add_post("/token", one.give)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


@pytest.fixture
def keys(authority: Authority, tmp_path: Path) -> dict[str, Any]:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    url = f"http://127.0.0.1:{authority.port}/token"
    return {"auth": "oauth", "plain": True, "user": "us", "password_file": secret, "token_url": url, "scope": "power"}


async def test_a_token_is_fetched_used_and_renewed(
    authority: Authority, keys: Any, simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery", **keys)
        peer.odd = authority.judge
        await driver.open()
        await driver.write(told(active_power_w=500))
        assert authority.asked == [
            {"grant_type": "client_credentials", "client_id": "us", "client_secret": "s3cret", "scope": "power"}
        ]
        # It is refused long before its end: another one is fetched, and the same command goes through.
        authority.asked.append({})
        driver._link._credentials._since -= 60
        with pytest.raises(DeviceBusy, match="another token"):
            await driver.write(told(active_power_w=600))
        await driver.write(told(active_power_w=600))
        assert len(authority.asked) == 3
        driver._link._credentials._until = 0.0  # its end
        await driver.read()
        assert len(authority.asked) == 4
        # One that was fetched just now and is refused is no matter of tokens.
        peer.odd = lambda request: web.Response(status=401)
        with pytest.raises(DeviceRejected, match="not authorised"):
            await driver.read()
        await driver.close()


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ({"status": 400, "text": '{"error": "invalid_client"}'}, DeviceRejected, r"status 400 \(invalid_client\)"),
        ({"status": 503}, DeviceBusy, "token_url: status 503"),
        ({"status": 302, "headers": {"Location": "/token"}}, DeviceRejected, "status 302"),
        ({"text": "<html>"}, DeviceRejected, "no JSON"),
        ({"text": "x" * 100_000}, DeviceRejected, "too long"),
    ],
)
async def test_an_authority_that_gives_none(
    answer: Any, error: Any, words: str, authority: Authority, keys: Any, simulate: Any, driver_for: Any
) -> None:
    authority.answer = web.Response(**answer)
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery", **keys)
        with pytest.raises(error, match=words) as caught:
            await driver.open()
        assert "s3cret" not in str(caught.value)
        assert peer.seen == []
        await driver.close()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
async def test_a_device_that_wants_to_rest_is_left_alone(
    status: int, form: str, simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        await driver.open()
        later = "60" if form == "seconds" else format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
        peer.odd = lambda request: web.Response(status=status, headers={"Retry-After": later})
        with pytest.raises(DeviceBusy, match=f"status {status}"):
            await driver.read()
        peer.odd = lambda request: None
        before, rest = len(peer.seen), driver._link._rest
        for call in (driver.read(), driver.write(told(active_power_w=5))):
            with pytest.raises(DeviceBusy, match=r"wants to rest for (5\d|60) s more"):
                await call
        await driver.close()
        with pytest.raises(DeviceBusy, match="wants to rest"):
            await driver.open()
        assert len(peer.seen) == before, "nor is it asked by opening it anew"
        rest.until = asyncio.get_running_loop().time()
        await driver.open()
        await driver.read()
        await driver.close()


@pytest.mark.parametrize("said", ["soon", "-5", "Fri, 31 Dec 1999 23:59:59 GMT", "", "9" * 5_000])
async def test_odd_words_for_a_rest(said: str, simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        await driver.open()
        peer.odd = lambda request: web.Response(status=429, headers={"Retry-After": said})
        with pytest.raises(DeviceBusy):
            await driver.read()
        rest = driver._link._rest.until - asyncio.get_running_loop().time()
        assert rest <= (300 if said.startswith("9") else 0)
        await driver.close()
