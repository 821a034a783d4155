"""The driver for web APIs beyond the testkit: hostile answers, authentication, TLS, templates, and nginx as a peer."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from gridiface.domain.controls import Setpoint
from gridiface.domain.fleet import Capability, DeviceKind
from gridiface.domain.telemetry import OperatingState
from gridiface.drivers.api import DeviceBusy
from gridiface.errors import DeviceRejected, DeviceTimeout

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


def told(**keys: Any) -> Setpoint:
    return Setpoint(device_id="unit", issued=time.time(), **keys)


async def test_a_whole_day_of_the_example(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        plate = await driver.open()
        assert (plate.max_w, plate.max_charge_w, plate.energy_wh) == (10_000, 8_000, 20_500)
        assert (plate.model, plate.serial) == ("EXAMPLE-1", "S 7")
        assert plate.capabilities == {Capability.SET_W, Capability.LIMIT_W, Capability.CONNECT, Capability.ENERGIZE}
        ack = await driver.write(told(active_power_w=-1234.4, ceiling_w=3333, connect=False))
        # Power and time go out together, in the device's sign; the limit is rounded down to a tenth of a percent.
        assert ("POST", "/api/1/power", '{"watts":1234,"seconds":60}') in peer.seen
        assert ("PUT", "/api/1/limit?percent=33.3", "") in peer.seen
        assert ("POST", "/api/1/switch", "on=false") in peer.seen
        assert (ack.active_power_w, ack.ceiling_w, ack.revert_s) == (-1234, 3330, 60)
        assert ack.read_back == {"mode": 1, "hold": 60, "target": 1234, "export_limit": 33.3, "contactor_command": 0}
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.hz, seen.state) == (-1234, 0.555, 50.02, OperatingState.RUNNING)
        assert (seen.connected, seen.alarms) == (False, {"too_warm"})
        assert peer.beats == [1]
        await driver.revert()
        assert (await peer.held()).ceiling_w is None
        await driver.close()


async def test_the_shelly_template_switches_and_reads(simulate: Any, driver_for: Any) -> None:
    async with simulate("shelly-gen2-switch") as peer:
        driver = driver_for(peer, "shelly-gen2-switch", rating_w=3680)
        plate = await driver.open()
        assert (plate.model, plate.version, driver.kind) == ("SNSW-001P16EU", "1.4.4", DeviceKind.LOAD)
        assert (await driver.read()).w == -812.5
        await driver.write(told(connect=False))
        assert (peer.output, (await driver.read()).connected) == (False, False)
        with pytest.raises(DeviceRejected, match="the table has no point for it"):
            await driver.write(told(active_power_w=5))
        await driver.close()


FLOW = {
    "Body": {"Data": {"Inverters": {"1": {"P": 4211.5, "SOC": 77.0}}, "Site": {"P_Grid": -12.5}}},
    "Head": {"Status": {"Code": 0}},
}


@pytest.mark.parametrize(
    ("table", "path", "answer", "watts", "soc"),
    [
        ("fronius-solar-api", "/solar_api/v1/GetPowerFlowRealtimeData.fcgi", FLOW, 4211.5, 0.77),
        ("enphase-iq-gateway", "/api/v1/production", {"wattHoursToday": 1, "wattsNow": 3120}, 3120, None),
    ],
)
async def test_the_reading_templates(
    table: str, path: str, answer: Any, watts: float, soc: float | None, simulate: Any, driver_for: Any
) -> None:
    async with simulate("example-battery") as peer:
        peer.odd = lambda request: web.json_response(answer) if request.path == path else web.Response(status=404)
        driver = driver_for(peer, table, rating_w=10_000)
        plate = await driver.open()
        assert plate.capabilities == frozenset()
        seen = await driver.read()
        assert (seen.w, seen.soc) == (watts, soc)
        if table == "fronius-solar-api":
            answer = {"Body": {}, "Head": {"Status": {"Code": 8}}}
            with pytest.raises(DeviceBusy, match="Code is 8"):
                await driver.read()
        await driver.close()


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (302, DeviceRejected, "leads elsewhere"),
        (401, DeviceRejected, "not authorised"),
        (404, DeviceRejected, "status 404"),
        (429, DeviceBusy, "status 429"),
        (503, DeviceBusy, "status 503"),
        (500, DeviceBusy, "status 500"),
        (501, DeviceRejected, "status 501"),
    ],
)
async def test_what_a_status_means(status: int, error: Any, words: str, simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        await driver.open()
        peer.odd = lambda request: web.Response(status=status, headers={"Location": "/api/1/status"})
        for call in (driver.read, lambda: driver.write(told(active_power_w=5))):
            before = len(peer.seen)
            with pytest.raises(DeviceRejected, match=words) as caught:
                await call()
            assert type(caught.value) is error
            assert caught.value.device_id == "unit"
            assert len(peer.seen) == before + 1
        await driver.close()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b'{"power": NaN}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"9" * 5_000, "no JSON"),
        (b"\xff\xfe\x00", "no JSON"),
        (b'{"a": "' + b"x" * 300_000 + b'"}', "longer than 262144 bytes"),
    ],
)
async def test_a_hostile_answer_is_refused(body: bytes, words: str, simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        await driver.open()
        peer.odd = lambda request: web.Response(body=body)
        with pytest.raises(DeviceRejected, match=words):
            await driver.read()
        peer.odd = lambda request: None
        assert (await driver.read()).w == 0
        await driver.close()


async def test_odd_values_are_no_values(simulate: Any, driver_for: Any) -> None:
    async with simulate("example-battery") as peer:
        driver = driver_for(peer, "example-battery")
        await driver.open()
        odd = {"power": "full", "soc": 140, "grid": {"hz": 1e999, "volts": {}}, "state": "bored", "alarms": 5}
        peer.odd = lambda request: web.Response(body=json.dumps(odd).replace("Infinity", "1e999").encode())
        seen = await driver.read()
        assert (seen.w, seen.soc, seen.hz, seen.volts, seen.state) == (None, None, None, {}, OperatingState.UNKNOWN)
        peer.odd = lambda request: web.Response(body=b"{}", headers={"Content-Encoding": "gzip"})
        with pytest.raises(DeviceRejected, match="compressed"):
            await driver.read()
        await driver.close()


async def test_garbage_and_dripping_servers(driver_for: Any, simulate: Any) -> None:
    replies = [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 99_999,
    ]

    finished: list[asyncio.Event] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        finished.append(done := asyncio.Event())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            while b"{" in reply and not reader.at_eof():
                await asyncio.sleep(0.05)
                writer.write(b"" if reader.at_eof() else b" ")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with simulate("example-battery") as peer:
        peer.port = server.sockets[0].getsockname()[1]
        for reply in replies:
            driver = driver_for(peer, "enphase-iq-gateway", rating_w=1, connect_timeout_s=0.2)
            with pytest.raises(DeviceTimeout if b"{" in reply else DeviceRejected):
                await driver.open()
            await driver.close()
        for done in finished:
            await done.wait()
        server.close()
        await server.wait_closed()


def _authorised(request: web.Request) -> bool:
    header = request.headers.get("Authorization", "")
    if header.startswith("Basic "):
        return base64.b64decode(header[6:]).decode() == "ann:pässword"
    if header.startswith("Bearer "):
        return header == "Bearer s3cret.token"
    if not header.startswith("Digest "):
        return False
    # RFC 7616, SHA-256, qop auth, calculated by hand.
    parts = dict(item.strip().split("=", 1) for item in header[7:].split(","))
    parts = {key: value.strip('"') for key, value in parts.items()}

    def digest(*words: str) -> str:
        return hashlib.sha256(":".join(words).encode()).hexdigest()

    ha1, ha2 = digest("ann", "shelly", "pässword"), digest(request.method, parts["uri"])
    return parts["response"] == digest(ha1, "n0nce", parts["nc"], parts["cnonce"], "auth", ha2)


@pytest.mark.parametrize("auth", ["basic", "bearer", "digest"])
async def test_who_we_are(auth: str, simulate: Any, driver_for: Any, tmp_path: Path) -> None:
    password, token = tmp_path / "password", tmp_path / "token"
    password.write_text("pässword\n")
    token.write_text("s3cret.token\n")
    challenge = {"WWW-Authenticate": 'Digest qop="auth", realm="shelly", nonce="n0nce", algorithm=SHA-256'}
    async with simulate("shelly-gen2-switch") as peer:
        peer.odd = lambda request: None if _authorised(request) else web.Response(status=401, headers=challenge)
        anonymous = driver_for(peer, "shelly-gen2-switch", rating_w=3680)
        with pytest.raises(DeviceRejected, match="not authorised"):
            await anonymous.open()
        await anonymous.close()
        keys = {"token_file": token} if auth == "bearer" else {"user": "ann", "password_file": password}
        driver = driver_for(peer, "shelly-gen2-switch", rating_w=3680, auth=auth, plain=True, **keys)
        await driver.open()
        await driver.write(told(connect=False))
        assert peer.output is False
        password.write_text("wrong")
        token.write_text("wrong")
        with pytest.raises(DeviceRejected, match="not authorised"):
            await driver.open()
        (password if auth != "bearer" else token).write_text("two\nlines")
        with pytest.raises(DeviceRejected, match="no secret of one line"):
            await driver.open()
        await driver.close()


# nginx, which nobody here wrote ------------------------------------------------------------------------------------

CONF = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; default_type application/json;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;
    ssl_client_certificate {tls}/ca.pem; ssl_verify_client on; ssl_verify_depth 4;
    auth_basic "device"; auth_basic_user_file {folder}/users;
    root {folder}/www;
    location / {{ dav_methods PUT; }}
    location /moved {{ return 302 /target.json; }}
  }}
}}
"""
TABLE: dict[str, Any] = {
    "kind": "battery",
    "nameplate": {"max_w": 5000, "max_charge_w": 5000},
    "requests": [
        {"name": "read", "path": "/target.json"},
        {"name": "put", "method": "PUT", "path": "/target.json", "body": {"watts": "{target}"}, "answer": "none"},
    ],
    "points": [
        {"name": "power", "meaning": "w", "request": "read", "pointer": "/watts", "unit": "W", "positive": "taken"},
        {
            "name": "target", "meaning": "set_w", "request": "read", "pointer": "/watts", "unit": "W",
            "positive": "taken", "write": {"request": "put", "release": [{"point": "target", "value": 0}]},
        },
    ],
}  # fmt: skip


@pytest.mark.processes
@pytest.mark.skipif(not Path(NGINX).exists(), reason="nginx is not installed")
async def test_nginx_holds_the_set_point(
    tmp_path: Path, simulate: Any, driver_for: Any, tls_files: Any, free_port: Any
) -> None:
    """A store that nobody here wrote: PUT writes, GET reads back, over mutual TLS and with a password."""
    port, tls = free_port(), tls_files("device.test")
    files = {"ca_file": tls / "ca.pem", "cert_file": tls / "client.pem", "key_file": tls / "client.key"}
    (tmp_path / "www").mkdir(mode=0o777)
    (tmp_path / "www" / "target.json").write_text('{"watts": 0}')
    (tmp_path / "password").write_text("secret")
    sha = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    (tmp_path / "users").write_text(f"ann:{{SHA}}{sha}\n")
    (tmp_path / "nginx.conf").write_text(CONF.format(folder=tmp_path, port=port, tls=tls))
    async with _nginx(tmp_path, port), simulate("example-battery") as peer:
        keys = {
            "url": f"https://127.0.0.1:{port}", "auth": "basic", "user": "ann",
            "password_file": tmp_path / "password", "server_name": "device.test", "timeout_s": 3, **files,
        }  # fmt: skip
        driver = driver_for(peer, TABLE, **keys)
        await driver.open()
        ack = await driver.write(told(active_power_w=1500))
        assert (ack.read_back, ack.verified) == ({"target": -1500}, True)
        assert json.loads((tmp_path / "www" / "target.json").read_text()) == {"watts": -1500}
        assert (await driver.read()).w == 1500
        await driver.close()
        pinned = hashlib.sha256(ssl.PEM_cert_to_DER_cert((tls / "server.pem").read_text())).hexdigest()
        for wrong, words in (
            ({"server_name": "other.test"}, "TLS failed"),
            ({"ca_file": tls / "other.pem"}, "TLS failed"),
            ({"ca_file": None, "cert_file": None, "key_file": None, "fingerprint": "0" * 64}, "TLS failed"),
            # The right fingerprint gets as far as nginx's own refusal of a client without certificate.
            ({"ca_file": None, "cert_file": None, "key_file": None, "fingerprint": pinned}, "status 400"),
            ({"user": "bob"}, "not authorised"),
        ):
            refused = driver_for(peer, TABLE, **(keys | wrong))
            with pytest.raises(DeviceRejected, match=words):
                await refused.open()
            await refused.close()


@contextlib.asynccontextmanager
async def _nginx(folder: Path, port: int) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf"), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                break
            await asyncio.sleep(0.05)
        yield
    finally:
        process.terminate()
        await process.wait()
