"""A listener on a free port with a handler that tells who called, and clients for it: openssl and Python's ssl."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding
from tests import waiting
from tests.tls_requests import peer_of, watch_requests

from gridiface.northbound.tls_limits import Caps, Deadlines
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.authority import Credential
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.credentials import TlsFiles, TlsKeeper
from gridiface.pki.faults import FaultBench
from gridiface.pki.folder import REVOKED, TestPki, write_credential
from gridiface.pki.rules import sep2_rules

CIPHER = "ECDHE-ECDSA-AES128-CCM8"


@dataclass(frozen=True)
class Site:
    """A PKI of depth four in a folder, with a server and a device `good`."""

    folder: Path
    pki: TestPki
    bench: FaultBench
    now: float

    def file(self, name: str) -> Path:
        return self.folder / name

    @property
    def revoked(self) -> Path:
        return self.folder / REVOKED


@pytest.fixture
def site(tmp_path: Path) -> Site:
    now = float(int(time.time()))
    pki = TestPki.create(depth=4, now=now)
    pki.save(tmp_path)
    write_credential(tmp_path, "server", pki.issue("server", "s", now=now, hosts=["localhost", "127.0.0.1"]))
    write_credential(tmp_path, "good", pki.issue("device", "good", now=now))
    return Site(tmp_path, pki, FaultBench(pki, now=now), now)


@dataclass
class Running:
    """A listener in service."""

    listener: TlsListener
    site: Site
    served: list[str]

    @property
    def port(self) -> int:
        return self.listener.addresses[0][1]

    def context(self, name: str = "good", profile: str = "strict") -> ssl.SSLContext:
        pair = KeyPair(self.site.file(f"{name}.pem"), self.site.file(f"{name}.key"))
        return client_context(profile, key_pairs=[pair], roots=[self.site.file("serca.pem")])

    async def open(self, name: str = "good") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context(name))

    async def ask(self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], body: bytes = b"") -> Any:
        """One request on an open connection; the answer's JSON."""
        reader, writer = streams
        head = f"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        head_bytes = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        assert head_bytes.startswith(b"HTTP/1.1 200"), head_bytes
        size = int(head_bytes.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        return json.loads(await asyncio.wait_for(reader.readexactly(size), 60))

    async def ended(self, reader: asyncio.StreamReader) -> bool:
        """Whether the server ends the connection, by whatever means, without a further byte."""
        try:
            return await asyncio.wait_for(reader.read(1), 60) == b""
        except (ConnectionError, ssl.SSLError):
            return True


Start = Callable[..., Awaitable[Running]]


@pytest_asyncio.fixture
async def start(site: Site) -> AsyncIterator[Start]:
    running: list[tuple[Running, web.AppRunner]] = []

    async def begin(
        *, deadlines: Deadlines | None = None, caps: Caps | None = None, profile: str = "strict"
    ) -> Running:
        served: list[str] = []

        async def echo(request: web.Request) -> web.Response:
            body = await request.read()
            peer = peer_of(request)
            served.append(peer.lfdi if peer else "nobody")
            return web.json_response(
                {"lfdi": peer.lfdi if peer else None, "scheme": request.scheme, "bytes": len(body)}
            )

        async def big(_: web.Request) -> web.Response:
            return web.Response(body=b"x" * 20_000_000)

        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/echo", echo)
        application.router.add_get("/big", big)
        runner = web.AppRunner(application)
        await runner.setup()
        assert runner.server is not None
        files = TlsFiles(
            key_pairs=(KeyPair(site.file("server.pem"), site.file("server.key")),),
            roots=(site.file("serca.pem"),),
            revocation_list=site.revoked,
        )
        keeper = TlsKeeper(files, profile=profile, rules=sep2_rules())
        runner.server.request_handler = watch_requests(runner.server.request_handler)
        listener = TlsListener(runner.server, keeper, deadlines=deadlines, caps=caps, reload_seconds=0.05)
        await listener.start("127.0.0.1", 0)
        running.append((Running(listener, site, served), runner))
        return running[-1][0]

    yield begin
    for item, runner in running:
        item.listener.stop_accepting()
        await runner.cleanup()
        await item.listener.close(grace=0.2)
        assert item.listener.connections == 0


@pytest.fixture
def s_client(site: Site) -> Callable[..., Awaitable[tuple[str, str]]]:
    """Runs `openssl s_client`: what it printed on both channels."""
    binary = shutil.which("openssl")
    if binary is None:
        pytest.skip("the openssl program is not installed")

    async def run(
        port: int, *arguments: str, credential: Credential | None = None, send: bytes = b""
    ) -> tuple[str, str]:
        command = [binary, "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof", *arguments]
        if credential is not None:
            own, key, chain = (site.file(f"s_client.{end}") for end in ("pem", "key", "chain"))
            own.write_bytes(credential.certificate.public_bytes(Encoding.PEM))
            key.write_bytes(credential.key_pem)
            command += ["-cert", str(own), "-key", str(key)]
            if credential.issuers[:-1]:
                chain.write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in credential.issuers[:-1]))
                command += ["-cert_chain", str(chain)]
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(send)
        out = await asyncio.wait_for(process.stdout.read(), 20) if send else b""
        rest, err = await asyncio.wait_for(process.communicate(), 20)
        return (out + rest).decode(), err.decode()

    return run


@pytest.fixture
def until() -> Callable[..., Awaitable[Any]]:
    return waiting.until
