"""A server that means harm: whatever it sends, the session stays up, spends little, and works once it behaves."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gridiface.pki.contexts import KeyPair, server_context
from gridiface.pki.folder import TestPki, write_credential
from gridiface.protocols.sep2.polling import Backoff

NS = 'xmlns="urn:ieee:std:2030.5:ns"'
GOOD = {
    "/dcap": f'<DeviceCapability {NS} href="/dcap" pollRate="1"><TimeLink href="/tm"/>'
    '<EndDeviceListLink all="1" href="/edev"/></DeviceCapability>',
    "/edev": f'<EndDeviceList {NS} href="/edev" all="0" results="0" pollRate="1"/>',
}


def good(path: str) -> bytes:
    if path == "/tm":
        now = int(time.time())
        return (
            f'<Time {NS} href="/tm"><currentTime>{now}</currentTime><dstEndTime>0</dstEndTime><dstOffset>0</dstOffset>'
            "<dstStartTime>0</dstStartTime><quality>7</quality><tzOffset>0</tzOffset></Time>"
        ).encode()
    return GOOD[path].encode()


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    lines = {"Content-Type": "application/sep+xml", "Content-Length": str(len(body))} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{head}\r\n".encode() + body


class Evil:
    """Answers /edev with what is put in `answer`, the rest well."""

    def __init__(self) -> None:
        self.answer: Callable[[asyncio.StreamWriter], Any] | None = None
        self.asked: list[str] = []
        self.heads: list[str] = []
        self.sent = 0
        self.port = 0

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split(" ")[1].partition("?")[0]
                self.heads.append(head.lower())
                self.asked.append(head.split(" ")[1])
                if path == "/edev" and self.answer is not None:
                    await self.answer(writer)
                else:
                    writer.write(http(good(path)))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/sep+xml\r\nTransfer-Encoding: chunked\r\n\r\n")
    # Once the peer has gone, drain() no longer waits: without a pause the event loop would never come to say so.
    while not writer.transport.is_closing():
        writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        await writer.drain()
        await asyncio.sleep(0)


async def dripping(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"<")
        await writer.drain()
        await asyncio.sleep(0.05)


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(600)


def plain(data: bytes) -> Callable[[asyncio.StreamWriter], Any]:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


ENTITIES = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><EndDeviceList>&b;</EndDeviceList>'
)
MEMBER = "<EndDevice><sFDI>1</sFDI><changedTime>1</changedTime></EndDevice>"
CASES: dict[str, Callable[[asyncio.StreamWriter], Any]] = {
    "an endless body": endless,
    "a body that drips": dripping,
    "no answer": silent,
    "a huge promise": plain(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n" + b"x" * 5_000_000),
    "a compressed bomb": plain(http(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip")),
    "entities": plain(http(ENTITIES)),
    "an external entity": plain(http(b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><x/>')),
    "depth": plain(http(b"<a>" * 100_000)),
    "a huge head": plain(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 1_000_000 + b"\r\n\r\n"),
    "no HTTP": plain(b"\x16\x03\x01" * 1000),
    "another resource": plain(http(good("/dcap"))),
    "a million elements": plain(http(f"<EndDeviceList {NS}>{'<x/>' * 900_000}</EndDeviceList>".encode())),
    "a redirect to another machine": plain(http(b"", "301 Moved", Location="https://127.0.0.1:1/edev")),
    "a redirect to itself": plain(http(b"", "302 Found", Location="/edev")),
    "a redirect to a file": plain(http(b"", "301 Moved", Location="file:///etc/passwd")),
    "a list without end": plain(
        http(f'<EndDeviceList {NS} pollRate="1" all="4294967295" results="1">{MEMBER * 2000}</EndDeviceList>'.encode())
    ),
}


async def evil_server(folder: Path, *, certificate: str = "server") -> tuple[Evil, asyncio.Server]:
    evil = Evil()
    context = server_context(
        "strict",
        key_pairs=[KeyPair(folder / f"{certificate}.pem", folder / f"{certificate}.key")],
        roots=[folder / "serca.pem"],
    )
    server = await asyncio.start_server(evil.handle, "127.0.0.1", 0, ssl=context)
    evil.port = server.sockets[0].getsockname()[1]
    return evil, server


async def test_no_coding_of_answers_is_asked_for_and_nothing_told_of_what_we_are_made_of(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    evil, server = await evil_server(scene.folder)
    scene.port = evil.port
    try:
        house = await scene.connect(timeout_s=5.0)
        await eventually(lambda: house.session.client.tree.value_at("/edev"), "it was read", 20)
    finally:
        server.close()
    assert all("accept-encoding: identity\r\n" in head for head in evil.heads)
    assert all("user-agent: gridiface\r\n" in head for head in evil.heads)


async def test_whatever_it_sends_is_contained_and_the_session_goes_on(
    make_scene: Callable[..., Any], eventually: Callable[..., Any]
) -> None:
    scene = make_scene(1)
    evil, server = await evil_server(scene.folder)
    scene.port = evil.port
    try:
        house = await scene.connect(timeout_s=1.0)
        session, tree = house.session, house.session.client.tree
        tree.most_members, tree.backoff = 5_000, Backoff(0.1, 0.2)
        condition = session.condition
        for name, answer in CASES.items():
            await eventually(lambda: getattr(tree.value_at("/edev"), "all", None) == 0, f"well before {name}", 30)
            before = condition.failures + condition.bad_replies
            evil.answer, evil.asked = answer, []

            def seen(name: str = name, before: int = before) -> bool:
                if name == "a list without end":
                    return len(getattr(tree.value_at("/edev"), "members", ())) == 5_000
                return bool(condition.failures + condition.bad_replies > before)

            await eventually(seen, f"{name} is seen", 30)
            assert "root:" not in str(house.status()), "no file is read"
            evil.answer = None
        assert session._task is not None
        assert not session._task.done()
        assert house.status()["server_lfdi"]
    finally:
        server.close()


async def test_bad_chains_are_refused_before_a_request_leaves(
    make_scene: Callable[..., Any], eventually: Callable[..., Any], tmp_path: Path
) -> None:
    scene = make_scene(1)
    now = time.time()
    other = TestPki.create(depth=3, now=now)
    write_credential(scene.folder, "foreign", other.issue("server", "f", now=now, hosts=["127.0.0.1"]))
    write_credential(scene.folder, "nameless", scene.pki.issue("server", "n", now=now, hosts=["elsewhere.example"]))
    cases = {
        "foreign": ({}, "unable to get local issuer|self-signed|verify failed"),
        "nameless": ({}, "IP address mismatch|not valid for"),
        "server": ({"servers": ["AB" * 20]}, "not among `servers`"),
    }
    for certificate, (more, words) in cases.items():
        evil, server = await evil_server(scene.folder, certificate=certificate)
        scene.port = evil.port
        try:
            house = await scene.connect(**more)
            await eventually(lambda h=house: h.status()["trouble"], f"{certificate} is refused", 20)
            assert any(word in house.status()["trouble"] for word in words.split("|")), house.status()["trouble"]
            assert evil.asked == []
        finally:
            server.close()


async def test_a_bomb_costs_no_memory(make_scene: Callable[..., Any], eventually: Callable[..., Any]) -> None:
    scene = make_scene(1)
    evil, server = await evil_server(scene.folder)
    evil.answer = endless
    scene.port = evil.port
    tracemalloc.start()
    try:
        house = await scene.connect(timeout_s=5.0)
        await eventually(lambda: house.session.condition.failures >= 2, "it was tried twice")
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 40 * 1024 * 1024
        assert "longer than" in house.session.condition.trouble
    finally:
        tracemalloc.stop()
        server.close()
