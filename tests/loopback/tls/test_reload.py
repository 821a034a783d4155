"""Certificates, roots and revocations change while the listener runs."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

import pytest

from gridiface.pki.certificate import parse_certificate
from gridiface.pki.faults import FaultBench
from gridiface.pki.folder import TestPki, revoke, write_credential
from gridiface.pki.inspection import read_chain


async def test_revoking_ends_a_live_connection_and_refuses_the_next(start: Any, site: Any) -> None:
    running = await start()
    write_credential(site.folder, "other", site.pki.issue("device", "other", now=site.now))
    streams, other = await running.open(), await running.open("other")
    lfdi = (await running.ask(streams))["lfdi"]
    revoke(site.revoked, "lfdi", lfdi, "stolen")
    assert await running.ended(streams[0])
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REVOKED"):
        await running.open()
    assert (await running.ask(other))["lfdi"] != lfdi
    assert running.listener.counters["revoked"] == 1
    for _, writer in (streams, other):
        writer.close()


async def test_a_certificate_that_ends_ends_a_live_connection(start: Any, site: Any) -> None:
    running = await start()
    bench = FaultBench(site.pki, now=site.now)
    write_credential(site.folder, "short", bench.device(not_after=bench.day(1)))
    streams, other = await running.open("short"), await running.open()
    assert (await running.ask(streams))["lfdi"]
    running.listener._wall_clock = lambda: site.now + 2 * 86_400.0
    assert await running.ended(streams[0])
    assert (await running.ask(other))["lfdi"]
    for _, writer in (streams, other):
        writer.close()


async def test_a_resumed_session_is_judged_again(start: Any, site: Any) -> None:
    running = await start()
    context = running.context()

    def connect(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool, bytes]:
        with socket.create_connection(("127.0.0.1", running.port)) as raw:
            raw.settimeout(10)
            with context.wrap_socket(raw, server_hostname="localhost", session=session) as wrapped:
                wrapped.sendall(b"GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                return wrapped.session, bool(wrapped.session_reused), wrapped.recv(1000)

    session, reused, answer = await asyncio.to_thread(connect, None)
    assert not reused
    assert answer.startswith(b"HTTP/1.1 200")
    session, reused, answer = await asyncio.to_thread(connect, session)
    assert reused
    assert answer.startswith(b"HTTP/1.1 200")
    assert len(set(running.served)) == 1
    revoke(site.revoked, "lfdi", read_chain(site.file("good.pem"))[0].lfdi, "stolen")
    for _ in range(500):
        if await refused(connect, session):
            break
        await asyncio.sleep(0.02)
    served = len(running.served)
    assert await refused(connect, session)
    assert len(running.served) == served


async def refused(connect: Any, session: Any) -> bool:
    try:
        _, _, answer = await asyncio.to_thread(connect, session)
    except (ssl.SSLError, ConnectionError):
        return True
    return bool(answer == b"")


async def test_a_new_root_and_a_new_server_certificate_are_taken(start: Any, site: Any) -> None:
    running = await start()
    pki = TestPki.create(depth=3, now=site.now)
    write_credential(site.folder, "newcomer", pki.issue("device", "newcomer", now=site.now))
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        await running.open("newcomer")
    old = await running.open()
    shown = old[1].get_extra_info("ssl_object").getpeercert(binary_form=True)
    fresh = site.pki.issue("server", "s2", now=site.now, hosts=["127.0.0.1"])
    write_credential(site.folder, "server", fresh, force=True)
    site.file("serca.pem").write_bytes(site.pki.root.root_pem + pki.root.root_pem)
    for _ in range(500):
        try:
            new = await running.open("newcomer")
        except ssl.SSLError:
            await asyncio.sleep(0.02)
            continue
        break
    assert (await running.ask(new))["lfdi"] == read_chain(site.file("newcomer.pem"))[0].lfdi
    assert new[1].get_extra_info("ssl_object").getpeercert(binary_form=True) == fresh.der != shown
    assert await running.ask(old)
    assert parse_certificate(fresh.der).subject == ""
    for _, writer in (old, new):
        writer.close()
