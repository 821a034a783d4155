"""The parts of the listener that need no socket; the rest is under tests/loopback/tls."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web

from gridiface.errors import ConfigError
from gridiface.northbound.tls_limits import Caps
from gridiface.northbound.tls_listener import TlsListener
from gridiface.pki.contexts import KeyPair
from gridiface.pki.credentials import TlsFiles, TlsKeeper
from gridiface.pki.folder import TestPki, write_credential
from gridiface.pki.rules import sep2_rules


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> TlsKeeper:
    folder, now = tmp_path_factory.mktemp("pki"), time.time()
    pki = TestPki.create(depth=2, now=now)
    pki.save(folder)
    write_credential(folder, "server", pki.issue("server", "s", now=now, hosts=["localhost"]))
    pair = KeyPair(folder / "server.pem", folder / "server.key")
    return TlsKeeper(TlsFiles((pair,), (folder / "serca.pem",)), rules=sep2_rules())


async def handler(_: web.BaseRequest) -> web.StreamResponse:
    return web.Response(text="served")


async def test_one_port_for_every_address_of_a_name(keeper: TlsKeeper) -> None:
    listener = TlsListener(web.Server(handler), keeper, caps=Caps(total=5))
    await listener.start("localhost", 0)
    assert len({port for _, port in listener.addresses}) == 1
    assert all(port > 0 for _, port in listener.addresses)
    await listener.close()
    assert listener.addresses == []


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as held:
        yield held.getsockname()[1]


async def test_an_address_that_cannot_be_taken_is_a_configuration_error(keeper: TlsKeeper, taken: int) -> None:
    listener = TlsListener(web.Server(handler), keeper)
    for host, port in (("127.0.0.1", taken), ("no.such.name.invalid", 0)):
        with pytest.raises(ConfigError, match="cannot listen"):
            await listener.start(host, port)
    await listener.close()


async def test_no_certificate_is_judged_where_none_is_asked_for(keeper: TlsKeeper, tmp_path: Path) -> None:
    listener = TlsListener(web.Server(handler), keeper)
    verdict = listener.judge([])
    assert verdict is not None
    assert verdict.refusal is not None
    assert verdict.refusal.name == "none"
    open_keeper = TlsKeeper(keeper.files, profile="modern", rules=sep2_rules(), require_client=False)
    assert TlsListener(web.Server(handler), open_keeper).judge([]) is None


async def test_the_log_is_not_flooded(keeper: TlsKeeper, caplog: pytest.LogCaptureFixture) -> None:
    listener = TlsListener(web.Server(handler), keeper)
    with caplog.at_level(logging.INFO, "gridiface.tls"):
        for number in range(500):
            listener._say(logging.INFO, "line %d", number)
    assert 20 <= len(caplog.messages) <= 60
