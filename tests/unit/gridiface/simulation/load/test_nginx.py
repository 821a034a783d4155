"""What a benchmark is compared with: started with our certificates, serving what it was given."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gridiface.errors import GridifaceError
from gridiface.pki.contexts import KeyPair, client_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.simulation.load.nginx import Nginx

pytestmark = pytest.mark.skipif(Nginx.installed() is None, reason="nginx is not installed")


@pytest.fixture
def pki(tmp_path: Path) -> Path:
    folder, now = tmp_path / "pki", time.time()
    authority = TestPki.create(depth=3, now=now)
    authority.save(folder)
    for profile, name in (("server", "server"), ("device", "d")):
        write_credential(folder, name, authority.issue(profile, name, now=now, hosts=["127.0.0.1"]))
    return folder


async def test_it_serves_over_the_suite_of_the_standard(pki: Path, tmp_path: Path) -> None:
    context = client_context("strict", key_pairs=[KeyPair(pki / "d.pem", pki / "d.key")], roots=[pki / "serca.pem"])
    async with Nginx(tmp_path / "n", pki, {"f0": b"<x/>"}) as nginx:
        reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port, ssl=context)
        assert writer.get_extra_info("cipher")[0] == "ECDHE-ECDSA-AES128-CCM8"
        writer.write(b"GET /f0 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        pid = nginx.pid
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"<x/>")
    assert not Path(f"/proc/{pid}").exists()


async def test_what_does_not_start_says_why(pki: Path, tmp_path: Path) -> None:
    (pki / "server.pem").unlink()
    with pytest.raises(GridifaceError, match="did not start"):
        await Nginx(tmp_path / "n", pki, {}).__aenter__()
