"""Who is let in and who is not, and what a client sees of it: over real sockets, with two independent clients."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gridiface.pki.certificate import parse_certificate
from gridiface.pki.faults import FAULTS, Fault
from gridiface.pki.folder import TestPki, revoke, write_credential

OpenSsl = Callable[..., Awaitable[tuple[str, str]]]
WEAK = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
GET = b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_openssl_sees_the_right_alert(
    fault: Fault, start: Any, s_client: OpenSsl, caplog: pytest.LogCaptureFixture
) -> None:
    running = await start()
    credential = fault.make(running.site.bench)
    with caplog.at_level(logging.INFO, "gridiface.tls"):
        if fault.revoke:
            revoke(running.site.revoked, "lfdi", parse_certificate(credential.der).lfdi, "stolen")
            while not any("were loaded" in message for message in caplog.messages):
                await asyncio.sleep(0.01)
        _, err = await s_client(running.port, *WEAK, credential=credential, send=GET)
    assert f"SSL alert number {int(fault.alert)}" in err, err
    assert running.served == []
    assert running.listener.counters["established"] == 0
    if credential is not None:
        (line,) = [message for message in caplog.messages if "refused" in message]
        assert f"lfdi={parse_certificate(credential.der).lfdi}" in line
        assert f"check={fault.check}" in line


@pytest.mark.parametrize("fault", [f for f in FAULTS if not f.revoke], ids=lambda fault: fault.name)
async def test_python_sees_a_refusal_too(fault: Fault, start: Any) -> None:
    running = await start()
    credential = fault.make(running.site.bench)
    context = running.context()
    if credential is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_verify_locations(running.site.file("serca.pem"))
        context.set_ciphers("ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0")
    else:
        write_credential(running.site.folder, "bad", credential)
        context = running.context("bad")
    with pytest.raises(ssl.SSLError, match="ALERT"):
        await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
    assert running.served == []


@pytest.mark.parametrize("depth", [2, 3, 4])
async def test_chains_of_every_depth_are_served(depth: int, start: Any, s_client: OpenSsl, site: Any) -> None:
    pki = TestPki.create(depth=depth, now=site.now)
    site.file("serca.pem").write_bytes(site.pki.root.root_pem + pki.root.root_pem)
    running = await start()
    made = pki.issue("device", "inv1", now=site.now)
    write_credential(site.folder, "inv1", made)
    answer = await running.ask(streams := await running.open("inv1"))
    assert answer == {"lfdi": parse_certificate(made.der).lfdi, "scheme": "https", "bytes": 0}
    streams[1].close()
    out, err = await s_client(running.port, *WEAK, credential=made, send=GET)
    assert "HTTP/1.1 200 OK" in out, err


async def test_the_files_of_the_quick_start_work_with_openssl_alone(start: Any, s_client: OpenSsl) -> None:
    # s_client sends only the first certificate of -cert; the rest of the chain it finds in -CAfile.
    running = await start()
    good, key, authorities = (str(running.site.file(name)) for name in ("good.pem", "good.key", "ca.pem"))
    out, err = await s_client(
        running.port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-verify_return_error",
        "-cert", good, "-key", key, "-CAfile", authorities, send=GET,
    )  # fmt: skip
    assert "HTTP/1.1 200 OK" in out, err


@pytest.mark.parametrize(
    ("arguments", "alert"),
    [
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"), 40),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0", "-groups", "P-384"), 40),
        (("-tls1_3",), 70),
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), 70),
    ],
    ids=["GCM", "P-384", "TLS 1.3", "TLS 1.1"],
)
async def test_only_the_suite_the_curve_and_the_version_of_the_standard(
    arguments: tuple[str, ...], alert: int, start: Any, s_client: OpenSsl, site: Any
) -> None:
    running = await start()
    made = site.pki.issue("device", "inv1", now=site.now)
    _, err = await s_client(running.port, *arguments, credential=made, send=GET)
    assert f"SSL alert number {alert}" in err, err
    assert running.served == []


async def test_a_compatible_listener_takes_gcm(start: Any, s_client: OpenSsl, site: Any) -> None:
    running = await start(profile="compatible")
    made = site.pki.issue("device", "inv1", now=site.now)
    arguments = ("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    out, err = await s_client(running.port, *arguments, credential=made, send=GET)
    assert "HTTP/1.1 200 OK" in out, err


async def test_noise_on_the_port_is_survived(start: Any, caplog: pytest.LogCaptureFixture) -> None:
    running = await start()
    for noise in (GET, b"\x16\x03\x01\xff\xff" + b"\0" * 70_000, b"\x00", b"\x80\x2e\x01\x00\x02", b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(noise)
        writer.write_eof()
        await running.ended(reader) or await reader.read()
        writer.close()
    streams = await running.open()
    assert (await running.ask(streams))["lfdi"]
    streams[1].close()
    assert not [record for record in caplog.records if record.name == "asyncio"]


async def test_a_big_body_and_pipelined_requests(start: Any) -> None:
    running = await start()
    streams = await running.open()
    assert (await running.ask(streams, b"y" * 1_000_000))["bytes"] == 1_000_000
    reader, writer = streams
    writer.write(GET.replace(b"Connection: close\r\n", b"") * 5)
    for _ in range(5):
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]))
    assert len(running.served) == 6
    writer.write(b"GET /big HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert len(await asyncio.wait_for(reader.read(), 20)) > 20_000_000
    writer.close()


def test_no_secret_is_left_readable(site: Any) -> None:
    keys: list[Path] = sorted(site.folder.glob("*.key"))
    assert len(keys) == 5
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)
