"""A new installation over HTTPS: the first admin begins with the printed link, signs in by cookie, makes others."""

from __future__ import annotations

import asyncio
import datetime
import http.client
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gridiface.app.config.load import load_config
from gridiface.app.wiring import GridServer
from gridiface.cli.places.remote import Remote

PASSWORD = "snow over the southern feeder"


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate as people make it for a first try."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "grid.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("grid.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "operator.pem", folder / "operator.key"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    files[1].touch(mode=0o600)
    files[1].write_bytes(pem)
    return files


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[GridServer]:
    pem, key = certificate(tmp_path)
    config = tmp_path / "g.yaml"
    config.write_text(
        f'operator: {{listen: "127.0.0.1:0", tls: {{certificate: {pem.name}, key: {key.name}}}, open_reads: false}}\n'
    )
    server = GridServer(load_config(config))
    await server.start()
    yield server
    await server.stop()


def client(folder: Path, **limits: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(folder / "operator.pem"))
    context.check_hostname = False
    for name, value in limits.items():
        setattr(context, name, value)
    return context


def ask(port: int, context: ssl.SSLContext, method: str, path: str, body: Any = None, **headers: str) -> Any:
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=20)
    sent = {"Content-Type": "application/json", **headers} if body is not None else headers
    connection.request(method, path, None if body is None else json.dumps(body), sent)
    answer = connection.getresponse()
    read = answer.status, json.loads(answer.read()), answer.headers
    connection.close()
    return read


async def test_from_the_first_link_to_the_second_user(site: GridServer, tmp_path: Path) -> None:
    assert site.setup_link is not None
    base, _, ticket = site.setup_link.partition("setup#")
    port = site.ports()["operator"]
    assert base == f"https://127.0.0.1:{port}/"
    context = client(tmp_path)

    def first(*words: Any, **headers: str) -> Any:
        return asyncio.to_thread(ask, port, context, *words, **headers)

    body = {"ticket": ticket, "password": PASSWORD}
    status, said, headers = await first("POST", "/api/v1/session/setup", body)
    assert (status, said["role"]) == (201, "admin")
    cookie = headers["Set-Cookie"].split(";")[0]
    assert cookie.startswith("__Host-gridiface-")
    assert "Secure" in headers["Set-Cookie"]
    mine = {"Cookie": cookie, "X-CSRF-Token": said["csrf"]}
    assert (await first("POST", "/api/v1/session/setup", body))[0] == 401
    assert (await first("POST", "/api/v1/users", {"name": "ann", "role": "viewer"}, **mine))[0] == 201
    await site.stop()
    again = GridServer(site.config)
    await again.start()
    try:
        assert again.setup_link is None
        status, users, _ = await asyncio.to_thread(
            ask, again.ports()["operator"], context, "GET", "/api/v1/users", Cookie=cookie
        )
        assert status == 200, "the session outlives a restart"
        assert [user["name"] for user in users["users"]] == ["admin", "ann"]
    finally:
        await again.stop()


async def test_only_new_tls_and_strong_suites(site: GridServer, tmp_path: Path) -> None:
    port = site.ports()["operator"]
    for cipher in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA256"):
        context = client(tmp_path, maximum_version=ssl.TLSVersion.TLSv1_2)
        context.set_ciphers(f"{cipher}:@SECLEVEL=0")
        with pytest.raises(OSError):  # noqa: PT011 - an alert, or a closed connection
            await asyncio.to_thread(ask, port, context, "GET", "/healthz")
    old = client(tmp_path)
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):  # noqa: PT011 - as above
        await asyncio.to_thread(ask, port, old, "GET", "/healthz")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = client(tmp_path, minimum_version=version, maximum_version=version)
        assert (await asyncio.to_thread(ask, port, context, "GET", "/api/v1/session"))[0] == 200


async def test_verbs_believe_the_certificate_of_the_configuration(site: GridServer, tmp_path: Path) -> None:
    port = site.ports()["operator"]
    own = Remote(f"https://127.0.0.1:{port}", None, tmp_path / "operator.pem")
    assert (await asyncio.to_thread(own.get, "/session"))["name"] == ""
